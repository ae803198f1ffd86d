"""A line with a long way: a TCP proxy on loopback that holds back every byte for a while, in both directions.

Only time is added. What arrives is taken at once, whatever waits already, so bandwidth is not limited.
"""

import socket
import threading
import time
from queue import SimpleQueue
from types import TracebackType
from typing import Self

_AT_ONCE = 256 * 1024


class Delay:
    """Leads `port` to `target` with `way_s` seconds of delay each way; a context manager."""

    def __init__(self, target: int, way_s: float = 0.025) -> None:
        self._target = target
        self._way_s = way_s
        self.passed = 0  # bytes, both ways
        self._counting = threading.Lock()
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
            except OSError:  # closed
                return
            time.sleep(2 * self._way_s)  # the handshake goes there and back before the first byte
            far = socket.create_connection(("127.0.0.1", self._target))
            for line in (near, far):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for one, other in ((near, far), (far, near)):
                waiting: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
                threading.Thread(target=self._take, args=(one, waiting), daemon=True).start()
                threading.Thread(target=_give, args=(other, waiting), daemon=True).start()

    def _take(self, line: socket.socket, waiting: "SimpleQueue[tuple[float, bytes]]") -> None:
        data = b"."
        while data:
            try:
                data = line.recv(_AT_ONCE)
            except OSError:
                data = b""
            with self._counting:
                self.passed += len(data)
            waiting.put((time.monotonic() + self._way_s, data))


def _give(line: socket.socket, waiting: "SimpleQueue[tuple[float, bytes]]") -> None:
    while True:
        at, data = waiting.get()
        time.sleep(max(0.0, at - time.monotonic()))
        try:
            if not data:
                line.shutdown(socket.SHUT_WR)
                return
            line.sendall(data)
        except OSError:
            return
