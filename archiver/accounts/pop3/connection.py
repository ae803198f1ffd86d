"""The line to a POP3 server: lines, and bodies up to the dot that ends them, to the byte."""

from archiver.accounts.connection import Line
from archiver.accounts.pop3.wire import WireError, unstuff
from archiver.errors import Unreachable

_PIECE = 256 * 1024
"""Bytes asked for at once."""

LINE_LIMIT = 64 * 1024
"""Longest line, bytes, outside of bodies: the RFC says 512."""

BODY_LIMIT = 1 << 30
"""Longest body, bytes: more than any server takes in, within reach of memory."""


class Stalled(Unreachable):
    """Nothing came within the timeout, in the middle of an answer; `partial` is what had come of a body."""

    partial = b""


class TooLarge(WireError):
    """A body is longer than the limit."""


class Connection(Line):
    """One connection. Raises `Unreachable`, `Untrusted`, `WireError`."""

    def begin_reading(self) -> None:
        """See `Line.begin_reading`."""
        self._buffer = bytearray()
        self._end = b"\r\n"

    def read_line(self) -> bytes:
        """Read one line, without its end."""
        while (at := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LINE_LIMIT:
                raise WireError(f"a line is longer than {LINE_LIMIT} bytes")
            self._fill()
        line = self._take(at + 1)
        # a server that ends this line with LF alone does so within the body too
        self._end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        return line[: -len(self._end)]

    @property
    def has_more(self) -> bool:
        """Whether something came that nobody has read."""
        return bool(self._buffer)

    def read_body(self, limit: int = BODY_LIMIT, size: int | None = None) -> bytes:
        """Read what follows a status line, without the dot that ends it, and undo the stuffing of dots.

        `size` is that of the body, if the server said one. Nothing of a body that is not ended by its dot is given:
        then `Unreachable` is raised, as `Stalled` where the line is there and silent.
        """
        end = self._end
        while len(self._buffer) < len(end) + 1:
            self._fill()
        if self._buffer.startswith(b"." + end):
            self._take(len(end) + 1)
            return b""
        stop = end + b"." + end
        start = 0
        while (at := self._buffer.find(stop, start)) < 0:
            if len(self._buffer) > limit:
                raise TooLarge(f"a body is longer than {limit} bytes")
            start = max(0, len(self._buffer) - len(stop) + 1)
            try:
                self._fill()
            except Stalled as stalled:
                stalled.partial = bytes(self._buffer)
                raise
        raw = self._take(at + len(stop), keep=at + len(end))
        return unstuff(raw, end, size)

    def _fill(self) -> None:
        try:
            piece = self.socket.recv(_PIECE)
        except TimeoutError as error:
            lost = self.lost(error)
            raise Stalled(lost.text, lost.hint) from error
        except (OSError, ValueError) as error:
            raise self.lost(error) from error
        if not piece:
            raise self.closed_by_server()
        self._buffer += piece

    def _take(self, size: int, keep: int | None = None) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[: size if keep is None else keep])
        del self._buffer[:size]
        return taken
