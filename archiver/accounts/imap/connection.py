"""The line to an IMAP server: tags, responses read whole, compression."""

import contextlib
import io
import ipaddress
import zlib
from typing import TYPE_CHECKING, cast

from archiver.accounts.connection import Line
from archiver.accounts.imap import wire
from archiver.accounts.imap.scanner import WireError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

_BUFFER = 256 * 1024
"""Bytes read ahead: large enough that listing lines cost few system calls, small beside a message."""

_LEVEL = 3
"""How hard to compress: mail shrinks by a quarter at any level, and the higher ones take twice the time."""

CHATTER_LIMIT = 1 << 20
"""Longest literal, bytes, in any response but a body: names and headers are far below."""


class Connection(Line):
    """One connection. Raises `Unreachable`, `Untrusted` and, from `read`, `wire.WireError`."""

    _tags = 0
    _deflate: "zlib._Compress | None" = None

    def begin_reading(self) -> None:
        """See `Line.begin_reading`."""
        self._reader = self.socket.makefile("rb", buffering=_BUFFER)

    def end_reading(self) -> None:
        """See `Line.end_reading`."""
        self._reader.close()

    @property
    def wants_compression(self) -> bool:
        """Tell whether compressing would help: not on this machine or in its network, and not twice."""
        if self._deflate is not None or self.server.compress is not None:
            return self._deflate is None and bool(self.server.compress)
        with contextlib.suppress(OSError, ValueError):
            return ipaddress.ip_address(self.socket.getpeername()[0]).is_global
        return False

    def start_compression(self) -> None:
        """Compress from here on, both ways (RFC 4978)."""
        self._deflate = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
        self._reader = io.BufferedReader(_Inflating(cast(io.BufferedReader, self._reader)), _BUFFER)

    def tag(self) -> str:
        """Make a tag that no command of this connection has had."""
        self._tags += 1
        return f"a{self._tags}"

    def send(self, *pieces: bytes, shown: bytes | None = None) -> None:
        """See `Line.send`."""
        super().send(*pieces, shown=shown)
        if self._deflate is not None:
            super().write(self._deflate.flush(zlib.Z_SYNC_FLUSH))

    def write(self, data: bytes) -> None:
        """Write bytes, compressed where that was agreed on."""
        super().write(data if self._deflate is None else self._deflate.compress(data))

    def read(self, literal_limit: int = CHATTER_LIMIT) -> wire.Response:
        """Read one response; the body of a message is read without a copy beyond it."""
        try:
            return wire.read_response(self._reader, literal_limit)
        except wire.Cut as error:
            self.check_cut()  # before a message is blamed for the end of its line
            if error.response and len(error.response) > 1:
                raise  # the literal that broke off says which message it was
            raise self.closed_by_server() from error
        except WireError:
            raise
        except (OSError, ValueError) as error:  # ValueError: read from a line that was closed here
            raise self.lost(error) from error


class _Inflating(io.RawIOBase):
    """What a server sends compressed, as it was before; never more of it at once than is asked for."""

    def __init__(self, source: io.BufferedReader) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: "Buffer") -> int:
        view = memoryview(into)
        out = b""
        while not out:
            if not self._waiting:
                self._waiting = self._source.read1(_BUFFER)
                if not self._waiting:
                    return 0
            try:
                out = self._inflate.decompress(self._waiting, len(view))
            except zlib.error as error:
                raise OSError(f"what came compressed is damaged: {error}") from error
            self._waiting = self._inflate.unconsumed_tail
        view[: len(out)] = out
        return len(out)

    def close(self) -> None:
        self._source.close()
        super().close()
