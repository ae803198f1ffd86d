"""Messages that a mail server keeps compressed (Dovecot's zlib and mail-compress plugins), by their first bytes."""

import bz2
import lzma
import zlib
from typing import Any

from archiver.accounts.files.disk import MESSAGE_LIMIT, Unreadable
from archiver.errors import Damaged
from archiver.formats.frames import MAGIC, unpack_foreign

_STEP = 1 << 20
_LZ4 = (b"Dovecot-LZ4", b"\x04\x22\x4d\x18")


def unpack(stored: bytes, limit: int = MESSAGE_LIMIT) -> bytes:
    """Give the message that a file holds, compressed or not. Raises `Unreadable`, also above `limit` bytes."""
    try:
        if stored.startswith(b"\x1f\x8b"):
            return _unpack(lambda: zlib.decompressobj(wbits=31), stored, limit)
        if stored.startswith(b"BZh"):
            return _unpack(bz2.BZ2Decompressor, stored, limit)
        if stored.startswith(b"\xfd7zXZ\0"):
            return _unpack(lambda: lzma.LZMADecompressor(memlimit=256 << 20), stored, limit)
        if stored.startswith(MAGIC):
            return unpack_foreign(stored, limit)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise Unreadable("it is compressed, and damaged") from error
    except Damaged as error:
        raise Unreadable(f"it is compressed, and damaged or too large: {error.text}") from error
    if stored.startswith(_LZ4):
        raise Unreadable("it is compressed with LZ4, which archiver does not read")
    return stored


def _unpack(make: Any, stored: bytes, limit: int) -> bytes:
    """Decompress one stream after another, as far as they go, and never more than `limit` bytes."""
    given = bytearray()
    while stored:
        decoder = make()
        feed = stored
        while not decoder.eof:
            piece = decoder.decompress(feed, _STEP)
            given += piece
            if len(given) > limit:
                raise Unreadable(f"it holds more than {limit} bytes")
            feed = getattr(decoder, "unconsumed_tail", b"")
            if not piece and not feed and not decoder.eof:
                raise Unreadable("it is compressed, and cut")
        stored = decoder.unused_data
    return bytes(given)
