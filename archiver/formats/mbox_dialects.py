"""mbox files as other programs write them: where a message begins and ends, and what its quoting was.

All dialects separate messages by a `From ` line (RFC 4155). mboxo quotes `From ` in a body as `>From ` and cannot be
undone, mboxrd puts one more `>` before every `>*From `, mboxcl and mboxcl2 give the length in Content-Length, and
mboxcl2 quotes nothing. No file says which it is. What is told here is what its bytes prove; see `judge`.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, TypeAlias

from msgspec import Struct

from archiver.formats.mbox import has_from_lines, unquote
from archiver.formats.message_id import HEADER_LIMIT
from archiver.formats.receipt import receipt

Dialect: TypeAlias = Literal["mbox", "mboxo", "mboxrd", "mboxcl", "mboxcl2"]
"""`mbox` is a file that no quoting tells apart: there is none, or it may be that of mboxo or of mboxrd."""

Read: TypeAlias = Callable[[int, int], bytes]
"""Gives `length` bytes of a file from `offset`, fewer at its end."""

_CHUNK = 1 << 20
_LINE = 1000  # bytes of a From_ line, and of what follows it, that are looked at
_MONTHS = {
    name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
_DATE = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +("
    + b"|".join(_MONTHS)
    + rb") +(\d{1,2}) +(\d\d):(\d\d)(?::(\d\d))?"
    rb"(?: +([+-]\d{4}|[A-Z]{3,5}))? +(\d{4})(?: +([+-]\d{4}))?"
)
_FIELD = re.compile(rb"[!-9;-~]{1,100}[ \t]*:")
_LENGTH = re.compile(rb"(?:\A|\n)Content-Length:[ \t]*(\d{1,15})[ \t]*\r?\n", re.IGNORECASE)
_QUOTED_TWICE = re.compile(rb"(?:\A|\n)>>+From ")


class Span(Struct, frozen=True, gc=False):
    """Where a message lies in its file: its From_ line, its first byte, and the byte after its last.

    The empty line that ends a message belongs to the file. `counted` says that Content-Length gave the end, and
    `hides` that between are lines which would otherwise have begun another message.
    """

    start: int
    body: int
    end: int
    counted: bool = False
    hides: bool = False


class Signs(Struct):
    """What the messages of a file show of its dialect."""

    messages: int = 0
    counted: int = 0
    hidden: int = 0
    quoted: int = 0
    quoted_twice: int = 0

    def see(self, span: Span, body: bytes) -> None:
        """Take in one message."""
        self.messages += 1
        self.counted += span.counted
        self.hidden += span.hides
        if has_from_lines(body):
            self.quoted += 1
            self.quoted_twice += _QUOTED_TWICE.search(body) is not None


def begins_mbox(head: bytes) -> bool:
    """Tell by its first bytes whether a file is an mbox; empty lines may stand first."""
    lines = head.lstrip(b"\r\n").split(b"\n", 2)
    dated = _DATE.search(lines[0][:_LINE]) is not None
    field = len(lines) > 1 and _FIELD.match(lines[1]) is not None
    return lines[0].startswith(b"From ") and (dated or field)


def judge(signs: Signs) -> Dialect:
    """Tell the dialect as far as it can be told.

    Lengths that fit in every message prove mboxcl or mboxcl2. `>>From ` is written by mboxrd, and by nobody else on
    purpose. `>From ` alone is what mboxo and mboxrd both write, and in mboxo it may have been the sender's own.
    """
    if signs.messages and signs.counted == signs.messages:
        return "mboxcl2" if signs.hidden or not signs.quoted else "mboxcl"
    return "mboxrd" if signs.quoted_twice else "mbox"


def content(body: bytes, span: Span, dialect: Dialect) -> bytes:
    """Give the message itself: the bytes of the file, with quoting undone where it is certain what it was."""
    return unquote(body) if dialect == "mboxrd" and not span.counted else body


def split(read: Read, size: int, *, believe_lengths: bool = True) -> Iterator[Span]:
    """Find the messages of a file in order.

    Bytes before the first From_ line belong to no message. A Content-Length is believed where a From_ line, or the
    end of the file, stands exactly where it says; otherwise the next From_ line ends the message.
    """
    finder = _Separators(read, size)
    start = finder.after(0)
    while start is not None:
        body = start + _line_length(read, start)
        counted = _counted_end(read, size, body) if believe_lengths else None
        if counted is None:
            following = finder.after(body)
            yield Span(start, body, _without_empty_line(read, body, size if following is None else following))
        else:
            end, next_start = counted
            within = finder.after(body)
            yield Span(start, body, end, counted=True, hides=within is not None and within < end)
            following = next_start if next_start < size else None
        start = following


def received(from_line: bytes) -> datetime | None:
    """Read the date of a From_ line; one without a zone is UTC (RFC 4155). None where there is none."""
    found = _DATE.search(from_line)
    if found is None:
        return None
    month, day, hour, minute, second, before, year, behind = found.groups()
    zone = behind or before
    offset = UTC
    try:
        if zone and zone[:1] in b"+-":
            minutes = int(zone[1:3]) * 60 + int(zone[3:5])
            offset = timezone(timedelta(minutes=-minutes if zone[:1] == b"-" else minutes))
        clock = (int(hour), int(minute), min(int(second or 0), 59))
        return receipt(datetime(int(year), _MONTHS[month], int(day), *clock, tzinfo=offset))
    except ValueError:
        return None


class _Separators:
    """Finds From_ lines, and remembers the last one found: it is asked for twice where lengths are believed."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._asked = self._found = -1
        self._buffer = b""
        self._at = 0  # where the buffer begins

    def after(self, at: int) -> int | None:
        """Find the first From_ line that begins at `at`, which begins a line, or later."""
        if not self._asked <= at <= self._found:
            self._found = self._search(at)
            self._asked = at
        return None if self._found >= self._size else self._found

    def _search(self, at: int) -> int:
        if self._begins(at):
            return at
        while at < self._size:
            buffer = self._fill(at)
            if not buffer:
                break  # it is shorter now than it was
            found = buffer.find(b"\nFrom ", at - self._at)
            while found >= 0:
                at = self._at + found + 1
                if self._begins(at):
                    return at
                found = buffer.find(b"\nFrom ", found + 1)
            end = self._at + len(buffer)
            at = end if end >= self._size else max(end - len(b"\nFrom "), at + 1)
        return self._size

    def _fill(self, at: int) -> bytes:
        if not self._at <= at < self._at + len(self._buffer) - _LINE:
            self._at = at
            self._buffer = self._read(at, _CHUNK)
        return self._buffer

    def _begins(self, at: int) -> bool:
        """Tell whether the line at `at` is a From_ line.

        With a date it is one anywhere, as for every program. Without (Thunderbird writes a bare `From `), it is one
        where an empty line or nothing stands before it, and a header field behind it.
        """
        lines = self._read(at, 2 * _LINE).split(b"\n", 2)
        if not lines[0].startswith(b"From "):
            return False
        if at == 0 or _DATE.search(lines[0][:_LINE]):
            return True
        before = self._read(max(at - 3, 0), min(at, 3))
        empty = before.endswith(b"\n\n") or before == b"\n\r\n" or not before.strip()
        return empty and len(lines) > 1 and _FIELD.match(lines[1]) is not None


def _line_length(read: Read, at: int) -> int:
    length = 0
    while True:
        piece = read(at + length, 4096)
        end = piece.find(b"\n")
        if end >= 0:
            return length + end + 1
        length += len(piece)
        if len(piece) < 4096:
            return length


def _counted_end(read: Read, size: int, body: int) -> tuple[int, int] | None:
    """Give where the message ends by its Content-Length and where the next one begins, if it fits exactly."""
    head = read(body, 8192)
    end = _header_end(head)
    if end < 0 and len(head) == 8192:
        head = read(body, HEADER_LIMIT)
        end = _header_end(head)
    found = _LENGTH.search(head, 0, end) if end >= 0 else None
    if found is None:
        return None
    close = body + end + int(found[1])
    if close > size:
        return None
    rest = read(close, _LINE)
    if rest in (b"", b"\n", b"\r\n"):
        return close, size
    gap = len(rest) - len(rest.removeprefix(b"\r").removeprefix(b"\n"))
    line = rest[gap:].split(b"\n", 1)[0]
    fits = rest[:gap].endswith(b"\n") and line.startswith(b"From ") and _DATE.search(line)
    return (close, close + gap) if fits else None


def _header_end(head: bytes) -> int:
    """Find where the body begins; -1 where the header has no end."""
    if head.startswith((b"\n", b"\r\n")):
        return head.index(b"\n") + 1
    ends = [found + len(mark) for mark in (b"\n\n", b"\n\r\n") if (found := head.find(mark)) >= 0]
    return min(ends, default=-1)


def _without_empty_line(read: Read, body: int, end: int) -> int:
    tail = read(max(body, end - 3), min(3, end - body))
    whole = end - body == len(tail)
    if tail.endswith(b"\n\n") or (whole and tail == b"\n"):
        return end - 1
    return end - 2 if tail == b"\n\r\n" or (whole and tail == b"\r\n") else end
