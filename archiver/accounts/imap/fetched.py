"""Read FETCH responses: the hot path of listing and of bodies, and the patient one for odd servers.

Items come in any order, and some unasked (RFC 9051 section 7.5.2). The patterns take the usual forms in one
match; what they do not take goes to the scanner.
"""

import re
from datetime import datetime
from functools import lru_cache

from archiver.accounts.imap.dates import internal_date
from archiver.accounts.imap.events import Fetched, Section
from archiver.accounts.imap.scanner import Scanner, Value, WireError, strings, text
from archiver.model import Flags

_LISTING = re.compile(
    rb"\* (\d{1,10}) FETCH \((?:(?:UID (\d{1,10})|FLAGS \(([^()\"{]*)\)|INTERNALDATE \"([^\"]*)\""
    rb"|RFC822\.SIZE (\d{1,19})|MODSEQ \(\d{1,20}\)"
    rb"|X-GM-LABELS \(((?:[^()\"{]|\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\")*+)\))(?: (?!\))|(?=\))))+\)\r?\n"
)
_BODY = re.compile(rb"\* \d{1,10} FETCH \((?:UID (\d{1,10}) )?BODY\[\] \{\d+\}\r\n")
_ITEM = re.compile(rb"[A-Za-z0-9.\-]+(?:\[([^\]]*)\])?(?:<(\d{1,19})>)?")

_SYSTEM = {name.lower(): name for name in ("\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen")}


@lru_cache(maxsize=4096)
def flags(raw: bytes) -> Flags:
    """Read what stands in the parentheses of FLAGS.

    `\\Recent` is left out: it belongs to a session, not to the message (RFC 3501 section 2.3.2). System flags
    are the same in any case and are written as the RFC does.
    """
    return flag_set(raw.split())


def flag_set(words: list[bytes]) -> Flags:
    """Gather flags, spelt as archiver keeps them."""
    named = [text(word) for word in words]
    return frozenset(_SYSTEM.get(name.lower(), name) for name in named if name.lower() != "\\recent")


@lru_cache(maxsize=4096)
def labels(raw: bytes) -> tuple[bytes, ...]:
    """Read what stands in the parentheses of X-GM-LABELS, where no literal is among it."""
    return _words(Scanner([b"(" + raw + b")"], 0).values())


def _words(values: list[Value]) -> tuple[bytes, ...]:
    return tuple(strings([b"NIL" if value is None else value for value in values]))


def parse_listing(line: bytes) -> Fetched | None:
    """Read one line of a listing in its usual form; None for any other. Never raises."""
    found = _LISTING.fullmatch(line)
    if found is None:
        return None
    number, uid, marks, date, size, named = found.groups()
    return Fetched(
        int(number),
        int(uid) if uid else None,
        None if marks is None else flags(marks),
        internal_date(date) if date else None,
        int(size) if size else None,
        (),
        None if named is None else labels(named),
    )


def parse_body(response: list[bytes]) -> tuple[int, bytes] | None:
    """Read `UID … BODY[] {…}` in its usual form as UID and body; None for any other. Never raises."""
    if len(response) != 3:
        return None
    found = _BODY.match(response[0])
    if found is None or found[1] is None or response[2] != b")\r\n":
        return None
    return int(found[1]), response[1]


def parse_fetch(response: list[bytes], number: int, at: int) -> Fetched:
    """Read any FETCH response from behind the word FETCH. Raises `WireError`."""
    scanner = Scanner(response, at)
    scanner.space()
    scanner.skip(b"(")
    told: dict[str, Value] = {}
    sections = []
    scanner.space()
    while scanner.peek() != b")":
        item = scanner.token(_ITEM)
        if item is None:
            raise WireError(f"an item of FETCH is missing: {response[0][:60]!r}")
        value = scanner.value()
        scanner.space()
        section = _section(item, value)
        if section:
            sections.append(section)
        else:
            told[text(item).upper()] = value
    return Fetched(
        number,
        _number(told.get("UID")),
        _flags(told.get("FLAGS")),
        _date(told.get("INTERNALDATE")),
        _number(told.get("RFC822.SIZE")),
        tuple(sections),
        _words(named) if isinstance(named := told.get("X-GM-LABELS"), list) else None,
    )


def _section(item: bytes, value: Value) -> Section | None:
    found = _ITEM.fullmatch(item)
    if found is None or found[1] is None or isinstance(value, list):
        return None
    return Section(text(found[1]).upper(), int(found[2]) if found[2] else None, value)


def _number(value: Value) -> int | None:
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) < 20 else None


def _flags(value: Value) -> Flags | None:
    # a string may hold a space, a flag may not: what stands for a label has one
    return (
        flag_set([word.replace(b" ", b"_") for word in strings(value)]) if isinstance(value, list) else None
    )


def _date(value: Value) -> datetime | None:
    return internal_date(value) if isinstance(value, bytes) else None
