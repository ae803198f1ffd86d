"""Read what an IMAP server says: bytes to values, pure, and never anything raised but `WireError`.

A response is one line, or lines with literals between them: `[line, literal, line, …]`, so that the odd
places hold literals. A literal is taken by its announced length and never looked into: bodies cost a read
and nothing more. Lines keep their line end until they are scanned.

Sources: RFC 9051 and RFC 3501 (section 9, formal syntax), RFC 7162 (CONDSTORE, QRESYNC), RFC 4731 (ESEARCH),
RFC 2342 (NAMESPACE), RFC 2971 (ID), RFC 5161 (ENABLE), RFC 5819 (LIST-STATUS).
"""

import re
from collections.abc import Callable
from typing import Protocol, TypeAlias

from archiver.accounts.imap import uidset
from archiver.accounts.imap.events import (
    Capabilities,
    Continue,
    Enabled,
    Event,
    Exists,
    Expunge,
    Found,
    Gone,
    Identity,
    Listed,
    MailboxStatus,
    Namespace,
    Other,
    Status,
)
from archiver.accounts.imap.fetched import parse_fetch
from archiver.accounts.imap.scanner import Scanner, WireError, strings, text, texts

LINE_LIMIT = 16 << 20
"""Longest line, bytes: a SEARCH of two million messages still fits; a line without end does not."""

LITERAL_LIMIT = 1 << 30
"""Longest literal, bytes, where none else is told: more than any server takes in, within reach of memory."""

Response: TypeAlias = list[bytes]

_LITERAL = re.compile(rb"\{(\d{1,20})\+?\}\r?\n$")
_STATUS = re.compile(rb"(\S+) (OK|NO|BAD|BYE|PREAUTH)(?: |\r?\n|$)", re.IGNORECASE)
_CODE = re.compile(rb"\[([^\]\s\"]+)(?: ((?:[^\]\"]|\"[^\"]*\")*))?\] ?")
_NUMBERED = re.compile(rb"\* (\d{1,10}) ([A-Za-z]+)")
_NAMED = re.compile(rb"\* ([A-Za-z][A-Za-z0-9-]*)")


class Readable(Protocol):
    """A buffered stream of bytes."""

    def readline(self, size: int, /) -> bytes:
        """Give the next line, at most `size` bytes; nothing at the end."""
        ...

    def read(self, size: int, /) -> bytes:
        """Give `size` bytes; fewer at the end."""
        ...


class Cut(WireError):
    """The stream ended within a response; `response` is what came of it."""

    def __init__(self, response: Response) -> None:
        super().__init__("the line was cut")
        self.response = response


class TooLarge(WireError):
    """A literal is longer than the limit; `response` is what came before it, `size` is what was announced."""

    def __init__(self, response: Response, size: int) -> None:
        super().__init__(f"a literal of {size} bytes is announced")
        self.response = response
        self.size = size


def read_response(stream: Readable, literal_limit: int = LITERAL_LIMIT) -> Response:
    """Read one response to its end. Raises `Cut`, `TooLarge`, `WireError`; and what the stream raises."""
    line = stream.readline(LINE_LIMIT)
    if line[-2:] != b"\r\n":
        _check_end(line, [])
    if line[-3:] != b"}\r\n" and line[-2:] != b"}\n":
        return [line]
    if _STATUS.match(line):  # free text may end in what looks like a literal
        return [line]
    response = [line]
    while announced := _LITERAL.search(line, max(0, len(line) - 32)):
        size = int(announced[1])
        if size > literal_limit:
            raise TooLarge(response, size)
        literal = stream.read(size)
        response.append(literal)
        if len(literal) < size:
            raise Cut(response)
        line = stream.readline(LINE_LIMIT)
        _check_end(line, response)
        response.append(line)
    return response


def _check_end(line: bytes, response: Response) -> None:
    if line.endswith(b"\n"):
        return
    if len(line) >= LINE_LIMIT:
        raise WireError(f"a line is longer than {LINE_LIMIT} bytes")
    raise Cut([*response, line])


def parse(response: Response) -> Event:
    """Read a response as a value; what is well-formed but not known is `Other`. Raises `WireError`."""
    line = response[0]
    if line[:1] == b"+":
        return Continue(text(line[1:].strip()))
    status = _STATUS.match(line)
    if status:
        return _status(status, line)
    numbered = _NUMBERED.match(line)
    if numbered:
        return _numbered(response, int(numbered[1]), numbered[2].upper(), numbered.end())
    named = _NAMED.match(line)
    if not named:
        raise WireError(f"no response of IMAP: {line[:60]!r}")
    return _named(response, named[1].upper(), named.end())


def _status(found: re.Match[bytes], line: bytes) -> Status:
    rest = line[found.end() :].strip()
    code, argument = "", b""
    inside = _CODE.match(rest)
    if inside:
        code, argument = text(inside[1]).upper(), inside[2] or b""
        rest = rest[inside.end() :]
    return Status(text(found[1]), text(found[2]).upper(), code, argument, text(rest))


def _numbered(response: Response, number: int, word: bytes, at: int) -> Event:
    if word == b"FETCH":
        return parse_fetch(response, number, at)
    if word == b"EXISTS":
        return Exists(number)
    if word == b"EXPUNGE":
        return Expunge(number)
    return Other(text(word))


def _named(response: Response, word: bytes, at: int) -> Event:
    reader = _READERS.get(word)
    if reader is None:
        return Other(text(word))
    return reader(Scanner(response, at))


def _capability(scanner: Scanner) -> Capabilities:
    return Capabilities(frozenset(word.upper() for word in texts(scanner)))


def _enabled(scanner: Scanner) -> Enabled:
    return Enabled(frozenset(word.upper() for word in texts(scanner)))


def _list(scanner: Scanner) -> Listed:
    attributes = frozenset(text(word) for word in strings(scanner.values()))
    separator = scanner.string_or_nil()
    name = scanner.string()
    return Listed(attributes, text(separator) if separator else None, name)


def _mailbox_status(scanner: Scanner) -> MailboxStatus:
    name = scanner.string()
    words = scanner.values()
    values = {}
    for key, value in zip(words[0::2], words[1::2], strict=False):
        if isinstance(key, bytes) and isinstance(value, bytes) and value.isdigit() and len(value) < 20:
            values[text(key).upper()] = int(value)
    return MailboxStatus(name, values)


def _search(scanner: Scanner) -> Found:
    words = [word for word in scanner.rest() if isinstance(word, bytes)]
    numbers = [int(word) for word in words if word.isdigit() and len(word) <= 10]
    return Found("", uidset.ranges(number for number in numbers if number))


def _esearch(scanner: Scanner) -> Found:
    words = scanner.rest()
    tag = ""
    if words and isinstance(words[0], list):
        correlator = strings(words[0])
        words = words[1:]
        tag = text(correlator[-1]) if correlator else ""
    plain = strings(words)
    if plain and plain[0].upper() == b"UID":
        plain = plain[1:]
    for key, value in zip(plain[0::2], plain[1::2], strict=False):
        if key.upper() == b"ALL":
            return Found(tag, _set(value))
    return Found(tag, [])


def _vanished(scanner: Scanner) -> Gone:
    words = scanner.rest()
    earlier = bool(words) and isinstance(words[0], list)
    if earlier:
        words = words[1:]
    if not words or not isinstance(words[0], bytes):
        raise WireError("VANISHED without UIDs")
    return Gone(_set(words[0]), earlier)


def _set(raw: bytes) -> list[tuple[int, int]]:
    try:
        return uidset.read(raw)
    except uidset.BadSet as error:
        raise WireError(f"no set of UIDs: {raw[:60]!r}") from error


def _namespace(scanner: Scanner) -> Namespace:
    words = scanner.rest()
    personal = []
    for pair in words[0] if words and isinstance(words[0], list) else []:
        if isinstance(pair, list) and len(pair) >= 2 and isinstance(pair[0], bytes):
            separator = pair[1]
            personal.append((pair[0], text(separator) if isinstance(separator, bytes) else None))
    return Namespace(tuple(personal))


def _identity(scanner: Scanner) -> Identity:
    words = scanner.rest()
    pairs = words[0] if words and isinstance(words[0], list) else []
    fields = {}
    for key, value in zip(pairs[0::2], pairs[1::2], strict=False):
        if isinstance(key, bytes) and isinstance(value, bytes):
            fields[text(key).lower()] = text(value)
    return Identity(fields)


_READERS: dict[bytes, Callable[[Scanner], Event]] = {
    b"CAPABILITY": _capability,
    b"ENABLED": _enabled,
    b"LIST": _list,
    b"STATUS": _mailbox_status,
    b"SEARCH": _search,
    b"ESEARCH": _esearch,
    b"VANISHED": _vanished,
    b"NAMESPACE": _namespace,
    b"ID": _identity,
}
