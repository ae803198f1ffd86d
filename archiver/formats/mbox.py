"""mboxrd (RFC 4155, and qmail's mbox(5) for the reversible quoting), with the message kept verbatim.

A stored message is a `From ` line, an X-Archiver line, the message with one `>` before every line that
matches `>*From `, and one LF (two where the message does not end in LF). Lines end at LF alone; CR is a
byte like any other, so no end-of-line conversion exists that could go wrong.
"""

import re
from datetime import UTC, datetime

from archiver.errors import Damaged
from archiver.formats.label import decode_label, encode_label
from archiver.ports import Label

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_STRETCH = 8 << 10
_NEEDS_QUOTE = re.compile(rb"(?:\A|(?<=\n))(?=>*From )")
_QUOTED = re.compile(rb"(?:\A|(?<=\n))>(?=>*From )")
_RETURN_PATH = re.compile(rb"\AReturn-Path:[ \t]*<([!-;=?A-~]{1,250}@[!-;=?A-~]{1,250})>\r?\n", re.IGNORECASE)


def from_line(raw: bytes, received: datetime | None) -> bytes:
    """Write the separator line: the sender (of a Return-Path on the first line), and asctime in UTC."""
    at = (received or datetime.fromtimestamp(0, UTC)).astimezone(UTC)
    sender = _RETURN_PATH.match(raw[:600])
    return b"From %s %s %s %2d %02d:%02d:%02d %04d\n" % (
        sender[1] if sender else b"MAILER-DAEMON",
        _DAYS[at.weekday()],
        _MONTHS[at.month - 1],
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.year,
    )


def has_from_lines(raw: bytes) -> bool:
    """Tell whether any line matches `>*From `.

    Most bytes of mail are base64, which has no space: a search for one byte passes over it at the speed of
    memory, and only stretches that begin with a space are searched for `From `.
    """
    space = raw.find(b" ")
    while space >= 0:
        end = space + _STRETCH
        at = raw.find(b"From ", max(0, space - 4), end)
        while at >= 0:
            before = at
            while before and raw[before - 1] == 0x3E:  # ">"
                before -= 1
            if before == 0 or raw[before - 1] == 0x0A:
                return True
            at = raw.find(b"From ", at + 5, end)
        space = raw.find(b" ", end)
    return False


def quote(raw: bytes) -> bytes:
    """Put one `>` before every line that matches `>*From `; without one, give the same object back."""
    return _NEEDS_QUOTE.sub(b">", raw) if has_from_lines(raw) else raw


def unquote(body: bytes) -> bytes:
    """Undo `quote`."""
    return _QUOTED.sub(b"", body) if has_from_lines(body) else body


def wrap(label: Label, raw: bytes) -> list[bytes]:
    """Lay a message out for a volume, as pieces; `raw` is not copied where it needs no quoting."""
    head = from_line(raw, label.received) + encode_label(label)
    return [head, quote(raw), b"\n" if raw.endswith(b"\n") else b"\n\n"]


def unwrap(stored: bytes) -> tuple[Label, bytes]:
    """Undo `wrap`. Raises `Damaged` where the bytes are not one whole stored message."""
    first = stored.find(b"\n") + 1
    second = stored.find(b"\n", first) + 1
    if not stored.startswith(b"From ") or not first or not second:
        raise Damaged("a stored message does not begin with its From and X-Archiver lines")
    label = decode_label(stored[first:second])
    raw = stored[second : second + label.size]
    rest = len(stored) - second - len(raw)
    if (
        len(raw) == label.size
        and rest == (1 if raw.endswith(b"\n") else 2)
        and stored.endswith(b"\n" * rest)
        and not has_from_lines(raw)
    ):
        return label, raw  # nearly every message: one copy of it, not three
    body = unquote(stored[second:])
    end = b"\n" if body[: label.size].endswith(b"\n") else b"\n\n"
    if len(body) != label.size + len(end) or not body.endswith(end):
        raise Damaged("a stored message is not of the length that its X-Archiver line names")
    return label, body[: label.size]


def plain(raw: bytes, received: datetime | None) -> bytes:
    """Write a message for programs that read mboxrd files: LF lines, quoted, closed by an empty line."""
    text = raw.replace(b"\r\n", b"\n")
    end = b"\n" if text.endswith(b"\n") else b"\n\n"
    return from_line(raw, received) + quote(text) + end
