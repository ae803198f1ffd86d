"""What a message says of itself, for display and search: never for storage.

Everything here takes bytes made by anybody and raises nothing: what cannot be read is shown as it is.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import decode_header
from email.message import Message as Parsed
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from email.utils import parsedate_to_datetime

from msgspec import Struct

from archiver.formats.message_id import HEADER_LIMIT, message_id
from archiver.formats.receipt import receipt

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_HALF_PAIR = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # the others stand for bytes: surrogateescape
_LAST_YEAR = 9998  # so that it can be told in any other time zone, too
_NAME_LIMIT = 150  # bytes: a file system takes 255, and a suffix comes behind


class Summary(Struct, frozen=True):
    """What a list of mails shows."""

    sender: str
    to: str
    subject: str
    date: datetime | None
    message_id: str | None


class Attachment(Struct, frozen=True):
    """A part that carries a file. `name` is the sender's, made harmless: a plain name without folders."""

    name: str
    content_type: str
    content: bytes


def header_block(raw: bytes) -> bytes:
    """Give the header of a message, at most `HEADER_LIMIT` bytes of it."""
    end = _HEADER_END.search(raw, 0, HEADER_LIMIT)
    return raw[: end.end()] if end else raw[:HEADER_LIMIT]


def summary(raw: bytes) -> Summary:
    """Read what a list of mails shows."""
    head = BytesHeaderParser(policy=compat32).parsebytes(header_block(raw))
    return Summary(
        sender=_text(head, "From"),
        to=_text(head, "To"),
        subject=_text(head, "Subject"),
        date=_date(head),
        message_id=message_id(raw),
    )


def headers(raw: bytes) -> list[tuple[str, str]]:
    """Read all header fields in order, decoded for display."""
    head = BytesHeaderParser(policy=compat32).parsebytes(header_block(raw))
    return [(_clean(name), _decode(value)) for name, value in head.raw_items()]


def body(raw: bytes, kind: str = "plain") -> str | None:
    """Find the first text part of a kind (`plain` or `html`) that is not an attachment."""
    for part in _parts(raw):
        if part.get_content_type() == f"text/{kind}" and not _is_attachment(part):
            return _clean(_part_text(part))
    return None


def attachments(raw: bytes) -> Iterator[Attachment]:
    """Give every part that carries a file."""
    for number, part in enumerate(_parts(raw), 1):
        if _is_attachment(part):
            content = part.get_payload(decode=True)
            yield Attachment(
                name=_file_name(part, number),
                content_type=part.get_content_type(),
                content=content if isinstance(content, bytes) else b"",
            )


def count_parts(raw: bytes) -> int:
    """Count the parts that are no multipart; 0 where the message cannot be taken apart."""
    return sum(1 for _ in _parts(raw))


def gist(raw: bytes) -> bytes:
    """Condense what a message says, however a server wraps, recodes or stamps it anew: for comparison."""
    head = BytesHeaderParser(policy=compat32).parsebytes(header_block(raw))
    told = hashlib.sha256(f"{_text(head, 'From')}\0{_text(head, 'Subject')}\0".encode())
    parts = 0
    try:
        for part in _parts(raw):
            content = part.get_payload(decode=True)
            data = content if isinstance(content, bytes) else b""
            told.update(part.get_content_type().encode("utf-8", "replace") + b"\0")
            told.update(b"".join(data.split()) + b"\0")
            parts += 1
    except (ValueError, LookupError, TypeError, AttributeError):
        parts = 0
    return told.digest() if parts else hashlib.sha256(raw).digest()


def for_the_wire(raw: bytes) -> bytes:
    """Give a message as servers take it: one with LF lines, as files have them, gets CRLF (RFC 5322 section 2.3).

    One whose first line ends in CRLF came from a server, and is given as it is.
    """
    first = raw.find(b"\n")
    return raw if first < 0 or raw[first - 1 : first] == b"\r" else _BARE_LF.sub(b"\r\n", raw)


def received_at(raw: bytes) -> datetime | None:
    """Tell when a message was received by what it says: the topmost Received field, else Date; None without."""
    head = BytesHeaderParser(policy=compat32).parsebytes(header_block(raw))
    for text in (_text(head, "Received").rpartition(";")[2], _text(head, "Date")):
        try:
            found = parsedate_to_datetime(text.strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        at = receipt(found if found.tzinfo else found.replace(tzinfo=UTC))
        if at is not None:
            return at
    return None


def safe_name(name: str, otherwise: str) -> str:
    """Make a sender's file name harmless: no folders, no control characters, no leading dot, 150 bytes."""
    plain = re.sub(r"[\x00-\x1f\x7f/\\:*?\"<>|]", "_", _clean(name)).strip(" .")
    return plain.encode()[-_NAME_LIMIT:].decode("utf-8", "ignore").strip(" .") or otherwise


def _parts(raw: bytes) -> Iterator[Parsed]:
    try:
        parsed = BytesParser(policy=compat32).parsebytes(raw)
        yield from (part for part in parsed.walk() if not part.is_multipart())
    except (ValueError, LookupError, RecursionError, AssertionError, TypeError, AttributeError):
        return  # a message made to break its reader shows no parts; its bytes are there with --raw


def _is_attachment(part: Parsed) -> bool:
    return part.get_content_disposition() == "attachment" or (
        part.get_content_maintype() != "text" or part.get_filename() is not None
    )


def _part_text(part: Parsed) -> str:
    content = part.get_payload(decode=True)
    data = content if isinstance(content, bytes) else b""
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _file_name(part: Parsed, number: int) -> str:
    try:
        name = part.get_filename() or ""
    except (ValueError, LookupError, TypeError):
        name = ""
    return safe_name(_decode(name), f"part-{number}")


def _text(head: Parsed, name: str) -> str:
    return next((_decode(value) for key, value in head.raw_items() if key.lower() == name.lower()), "")


def _decode(value: object) -> str:
    text = _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", str(value))
    raw = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        pieces = decode_header(re.sub(r"\r?\n[ \t]+", " ", raw))
        decoded = "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "ascii", "replace")
            for piece, charset in pieces
        )
    except (ValueError, LookupError, TypeError):
        decoded = raw
    return _clean(decoded).replace("\n", " ")


def _clean(text: str) -> str:
    """Take out what could steer a terminal or turn the direction of writing."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def _date(head: Parsed) -> datetime | None:
    return _read_date(str(head.get("Date", "")))


def received_date(raw: bytes) -> datetime | None:
    """Tell when a message was received, by what it says: its topmost Received field, else its Date.

    The last server writes the topmost one (RFC 5321 section 4.4), the sender the Date. Aware, in whole seconds and
    a year from 1970 on; None where neither is a date.
    """
    head = BytesHeaderParser(policy=compat32).parsebytes(header_block(raw))
    date = _read_date(str(head.get("Received", "")).rpartition(";")[2])
    if date is None or not 1970 <= date.year <= _LAST_YEAR:
        date = _date(head)
    return date if date is not None and 1970 <= date.year <= _LAST_YEAR else None


def _read_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
