"""A relay in front of a server, in the clear, that makes a line slow, silent or busy, and counts who is there."""

import socket
import threading
import time
from types import TracebackType
from typing import Self

_ESTABLISHED = 1  # tcp(7), TCP_INFO: the first byte is the state


class Relay:
    """Leads `port` to `target`; a context manager.

    `rate` is bytes a second from the server, 0 for all; after `silent_after` bytes nothing more comes. The first
    `refused` connections are closed at once. Nobody is served before `together` were there at a time.
    """

    def __init__(
        self,
        target: int,
        *,
        rate: int = 0,
        silent_after: int | None = None,
        refused: int = 0,
        together: int = 1,
    ) -> None:
        self._target = target
        self._rate = rate
        self._silent_after = silent_after
        self._refused = refused
        self._together = together
        self._changed = threading.Condition()
        self._here: list[socket.socket] = []
        self.most = 0
        self.came = 0
        self.silent = threading.Event()  # set as soon as a line has fallen silent
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.came += 1
            if self.came <= self._refused:
                near.close()
                continue
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with self._changed:
            self._here.append(near)
            self.most = max(self.most, sum(map(_is_open, self._here)))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self._together, 30)
        try:
            far = socket.create_connection(("127.0.0.1", self._target))
            back = threading.Thread(target=self._copy, args=(far, near, True), daemon=True)
            back.start()
            self._copy(near, far, False)
            back.join()
        finally:
            with self._changed:
                self._here.remove(near)

    def _copy(self, source: socket.socket, sink: socket.socket, comes: bool) -> None:
        passed = 0
        with source, sink:
            try:
                while data := source.recv(8192):
                    if comes and self._silent_after is not None and passed + len(data) > self._silent_after:
                        self.silent.set()
                        continue  # taken, and not passed on
                    passed += len(data)
                    sink.sendall(data)
                    if comes and self._rate:
                        time.sleep(len(data) / self._rate)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                return


def _is_open(line: socket.socket) -> bool:
    """Tell whether the other end has not closed a line; what it sent before may lie here unread."""
    try:
        return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED
    except OSError:
        return False
