"""The lines of one account, held so that another thread can cut them when a run is to stop."""

import contextlib
import socket
import threading
import weakref

from archiver.errors import Interrupted


class Leash:
    """Holds lines. Once it is cut, whoever waits at one of them gets `Interrupted`, and no new one is opened."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._lines: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def hold(self, line: socket.socket) -> None:
        """Take a line, before anything waits for it. Raises `Interrupted` after the cut."""
        with self._lock:
            self.check()
            self._lines.add(line)

    def check(self) -> None:
        """Raise `Interrupted` after the cut."""
        if self._ended.is_set():
            raise Interrupted("stopped as asked", "run again to go on; what was pulled is committed")

    def pause(self, seconds: float) -> None:
        """Wait. Raises `Interrupted` as soon as it is cut."""
        self._ended.wait(seconds)
        self.check()

    def cut(self) -> None:
        """Cut the lines, for good. Never raises."""
        with self._lock:
            self._ended.set()
            for line in list(self._lines):
                with contextlib.suppress(OSError):
                    # not the method of a TLS line: that would want to say goodbye first
                    socket.socket.shutdown(line, socket.SHUT_RDWR)
