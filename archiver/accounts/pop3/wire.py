"""Read what a POP3 server says: bytes to values, pure (RFC 1939, RFC 2449 for capabilities and codes)."""

import re

from msgspec import Struct

_CODE = re.compile(r"\[([A-Za-z0-9/_.-]{1,40})\][ \t]*")
_NUMBER = re.compile(rb"\d{1,10}")


class WireError(Exception):
    """What came is no POP3."""


class Status(Struct, frozen=True):
    """The first line of an answer: whether it is +OK, the code in brackets (RFC 2449 section 8), the words."""

    ok: bool
    code: str = ""
    text: str = ""


def parse_status(line: bytes) -> Status:
    """Read `+OK ...` or `-ERR ...`, without its line end. Raises `WireError`."""
    word, _, rest = line.partition(b" ")
    if word.upper() not in (b"+OK", b"-ERR"):
        raise WireError(f"no answer of POP3: {line[:60]!r}")
    text = rest.decode("utf-8", "replace").strip()
    code = _CODE.match(text)
    return Status(
        word.upper() == b"+OK", code[1].upper() if code else "", text[code.end() :] if code else text
    )


def unstuff(raw: bytes, end: bytes = b"\r\n", size: int | None = None) -> bytes:
    """Undo the stuffing of dots (RFC 1939 section 3): a line that begins with two has one too many.

    A line that begins with one dot alone comes from a server that does not stuff; it stays as it is. Dovecot 2.3
    does not stuff the first line of all: it stays too, where the message has its `size` with it.
    """
    raw = raw.replace(end + b"..", end + b".")
    return raw[1:] if raw.startswith(b"..") and len(raw) != size else raw


def parse_capabilities(body: bytes) -> dict[str, tuple[str, ...]]:
    """Read the answer of CAPA (RFC 2449 section 5): capability -> its arguments, in upper case."""
    rows = (line.decode("ascii", "replace").upper().split() for line in body.splitlines())
    return {words[0]: tuple(words[1:]) for words in rows if words}


def parse_sizes(body: bytes) -> dict[int, int | None]:
    """Read the answer of LIST (RFC 1939 section 5): number -> size in bytes, None where it is none."""
    sizes: dict[int, int | None] = {}
    for line in body.splitlines():
        words = line.split()
        number = _number(words[0]) if words else None
        if number:
            sizes[number] = _number(words[1]) if len(words) > 1 else None
    return sizes


def parse_ids(body: bytes) -> dict[int, bytes]:
    """Read the answer of UIDL (RFC 1939 section 7): number -> id as it stands, empty where none is told."""
    ids: dict[int, bytes] = {}
    for line in body.splitlines():
        words = line.split(None, 1)
        number = _number(words[0]) if words else None
        if number:
            ids[number] = words[1].rstrip() if len(words) > 1 else b""
    return ids


def parse_count(status: Status) -> int | None:
    """Read the number of messages in the answer of STAT (RFC 1939 section 5)."""
    words = status.text.split()
    return _number(words[0].encode()) if status.ok and words else None


def _number(word: bytes) -> int | None:
    return int(word) if _NUMBER.fullmatch(word) else None
