"""A terminal of its own for a command, with somebody who types."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable

from tests.command_line import CommandLine


class Terminal:
    """A command at a terminal of its own."""

    def __init__(
        self, home: CommandLine, *words: object, program: str | None = None, **environment: str
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = home.start(
            *words,
            program=program,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            environment=environment,
            preexec_fn=_take_terminal,  # getpass asks at /dev/tty
        )
        os.close(theirs)
        self.shown = ""

    def until(self, text: str, timeout_s: float = 20) -> None:
        """Wait for a text on the screen."""
        end = time.monotonic() + timeout_s
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} never came:\n{self.shown}"
            self._read()
        self.shown = self.shown.partition(text)[2]

    def quiet(
        self, there: Callable[[], bool] = lambda: True, still_s: float = 0.3, timeout_s: float = 20
    ) -> None:
        """Wait until something is there, and nothing more comes onto the screen."""
        end = time.monotonic() + timeout_s
        last = time.monotonic()
        while not there() or time.monotonic() < last + still_s:
            assert time.monotonic() < end, self.shown
            if self._read():
                last = time.monotonic()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and answer it; a moment for the echo to be switched off."""
        self.until(question)
        time.sleep(0.1)
        self.type(text + "\n")

    def end(self, timeout_s: float = 20) -> int:
        """Read what is left, and give the exit code."""
        end = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < end, self.shown
            self._read()
        while self._read():
            pass
        os.close(self._ours)
        return self.process.returncode

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 0.05)[0]:
            return False
        try:
            found = os.read(self._ours, 65536)
        except OSError:
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
