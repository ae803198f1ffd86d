"""Asking a run to stop: the first Ctrl-C or SIGTERM lets it commit what it has, the second ends it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from archiver.cli.output import is_terminal, say


class Stop:
    """Says whether the user asked to stop. Signals never cut into the writing of a run."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if is_terminal():
            say("\nstopping after this message; once more to stop at once")


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Take SIGINT and SIGTERM for the time of a run."""
    stop = Stop()
    before = {number: signal.signal(number, stop.take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
