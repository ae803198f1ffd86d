"""Asking a run to stop: the first Ctrl-C or SIGTERM lets it commit what it has, the second ends it.

Before there is anything to commit (a password is asked for, a folder is listed) the first ends it too. A server
that says nothing more cannot keep it: after a while it ends as if asked twice. No end harms the archive.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from archiver.cli.output import is_terminal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


PATIENCE_S = 20  # for one slow message and the commit of up to a checkpoint


class Stop:
    """Says whether the user asked to stop. With `wake`, another sees to it that the first time is enough."""

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self.asked = False
        self._wake = wake
        self._holds = False  # messages that are not committed yet

    def __call__(self) -> bool:
        """Tell whether to stop; asked after each message."""
        self._holds = True
        return self.asked

    def begin(self) -> None:
        """Begin an account: nothing is held."""
        self._holds = False

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.asked or not (self._holds or self._wake):
            raise KeyboardInterrupt
        self.asked = True
        if self._wake:
            self._wake()
        else:
            signal.alarm(PATIENCE_S)
        if is_terminal():
            with suppress(OSError):  # after a hang-up nobody reads
                # past the buffers of stderr: the signal may have come while they were being written
                os.write(2, b"\nstopping after this message; once more to stop at once\n")


@contextmanager
def stoppable(wake: Callable[[], None] | None = None) -> Iterator[Stop]:
    """Take SIGINT and SIGTERM for the time of a run."""
    stop = Stop(wake)
    # what is ignored stays so: that is how nohup works
    taken = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop.take) for number in taken}
    try:
        yield stop
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            # what is still to be done is short, and asked again it ends like the run: by an interruption, no death
            signal.signal(number, _interrupt if stop.asked else handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
