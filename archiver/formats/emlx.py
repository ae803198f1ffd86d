"""emlx, Apple Mail's form of one message: a line with its length in bytes, the message, a property list with flags."""

import plistlib
import re
from datetime import UTC, datetime
from typing import Any
from xml.parsers.expat import ExpatError

from archiver.errors import Damaged
from archiver.formats.receipt import receipt
from archiver.model import Flags

_COUNT = re.compile(rb"[ \t]*(\d{1,15})[ \t]*\r?\n")
_BITS = {
    0: "\\Seen",
    1: "\\Deleted",
    2: "\\Answered",
    4: "\\Flagged",
    6: "\\Draft",
    8: "$Forwarded",
}  # https://www.jwz.org/blog/2005/07/emlx-flags/
_LIST_LIMIT = 1 << 20


def decode(stored: bytes) -> tuple[bytes, Flags, datetime | None]:
    """Give the message, its flags, and its date of receipt where it is told.

    Raises `Damaged` where the length does not fit: what it cuts off or takes in would be another message.
    """
    count = _COUNT.match(stored)
    if count is None:
        raise Damaged("it does not begin with the length of its message")
    end = count.end() + int(count[1])
    behind = stored[end : end + 64].lstrip()
    if end > len(stored) or (behind and not behind.startswith((b"<?xml", b"<!DOCTYPE", b"<plist"))):
        raise Damaged("the length that it begins with is not that of its message")
    noted = _noted(stored[end:])
    return stored[count.end() : end], _flags(noted.get("flags")), _received(noted.get("date-received"))


def _noted(text: bytes) -> dict[str, Any]:
    """Read the property list; one that is damaged says nothing, and the message is whole without it."""
    text = text.strip()
    if not text or len(text) > _LIST_LIMIT:
        return {}
    try:
        noted = plistlib.loads(text, fmt=plistlib.FMT_XML)
    except (
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        OverflowError,
        ExpatError,
        plistlib.InvalidFileException,
    ):
        return {}
    return noted if isinstance(noted, dict) else {}


def _flags(bits: object) -> Flags:
    if not isinstance(bits, int):
        return frozenset()
    return frozenset(flag for bit, flag in _BITS.items() if bits >> bit & 1)


def _received(seconds: object) -> datetime | None:
    try:
        return (
            receipt(datetime.fromtimestamp(int(seconds), UTC)) if isinstance(seconds, int | float) else None
        )
    except (ValueError, OverflowError, OSError):
        return None
