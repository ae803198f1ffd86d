"""What programs note of a message inside an mbox file: flags in Status and its likes, and what stays the same.

The fields are read, never changed: a message is archived with them. They are left out of the digest that names a
message, so that one whose flags change stays the same message.
"""

import hashlib
import re
from email.header import decode_header

from archiver.formats.message_id import HEADER_LIMIT
from archiver.model import Flags

_FIELDS = (
    rb"Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase|X-Mozilla-Status2?|X-Mozilla-Keys|X-Gmail-Labels"
    rb"|Content-Length|Lines"
)
_FIELD = re.compile(rb"(?:\A|(?<=\n))(" + _FIELDS + rb")[ \t]*:((?:[^\n]|\n[ \t])*)(?:\n|\Z)", re.IGNORECASE)
_LETTERS = {
    b"status": {"R": "\\Seen"},
    b"x-status": {"A": "\\Answered", "F": "\\Flagged", "D": "\\Deleted", "T": "\\Draft"},
}
_MOZILLA = {
    0x0001: "\\Seen",
    0x0002: "\\Answered",
    0x0004: "\\Flagged",
    0x0008: "\\Deleted",  # no longer shown, and in the file until it is compacted
    0x1000: "$Forwarded",
}
_GMAIL = {"opened": "\\Seen", "starred": "\\Flagged", "drafts": "\\Draft", "draft": "\\Draft"}
_NO_KEYWORD = re.compile(r"[^!#$&\'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")


_KNOWN_FIELD = re.compile(
    rb"(?:return-path|received|delivered-to|from|to|cc|subject|date|message-id|mime-version|reply-to|sender"
    rb"|x-[!-9;-~]+|dkim-signature|content-type)[ \t]*:",
    re.IGNORECASE,
)


def begins_message(head: bytes) -> bool:
    """Tell by its first bytes whether a file may be one message: its first line is a field that mail begins with."""
    return _KNOWN_FIELD.match(head) is not None


def header(raw: bytes) -> bytes:
    """Give the header of a message, LF or CRLF, with its last line end and without the empty line."""
    first = raw.find(b"\n", 0, HEADER_LIMIT)
    # the likely mark first: the search for the other one then ends where it was found
    marks = (b"\n\r\n", b"\n\n") if raw[first - 1 : first] == b"\r" else (b"\n\n", b"\n\r\n")
    end = HEADER_LIMIT
    for mark in marks:
        found = raw.find(mark, 0, end)
        end = found + 1 if found >= 0 else end
    return raw[:end]


def digest(from_line: bytes, raw: bytes) -> str:
    """Name a message of an mbox by what no program changes: 32 hex digits.

    The From_ line counts: two deliveries of the same bytes are two messages.
    """
    head = header(raw)
    told = hashlib.sha256(from_line.rstrip(b"\r\n") + b"\n")
    told.update(_FIELD.sub(b"", head))
    told.update(memoryview(raw)[len(head) :])
    return told.hexdigest()[:32]


def flags(raw: bytes) -> Flags:
    """Read the flags: of Status and X-Status (mutt, Dovecot), of Thunderbird, and of Gmail's labels."""
    found: set[str] = set()
    for name, value in _FIELD.findall(header(raw)):
        found |= _flags_of(name.lower(), value.decode("utf-8", "replace").strip())
    return frozenset(found)


def _flags_of(name: bytes, value: str) -> set[str]:
    match name:
        case b"status" | b"x-status":
            return {flag for letter, flag in _LETTERS[name].items() if letter in value}
        case b"x-keywords" | b"x-mozilla-keys":
            return {keyword(word) for word in value.split()}
        case b"x-mozilla-status":
            bits = int(value, 16) if re.fullmatch(r"[0-9a-fA-F]{1,8}", value) else 0
            return {flag for bit, flag in _MOZILLA.items() if bits & bit}
        case b"x-gmail-labels":
            return {_GMAIL.get(label.lower(), keyword(label)) for label in _labels(value)}
    return set()


def _labels(value: str) -> list[str]:
    """Part Gmail's labels: by commas, one with a comma in it quoted, all of it encoded (RFC 2047) if need be."""
    try:
        pieces = decode_header(re.sub(r"\r?\n[ \t]+", " ", value))
        text = "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "ascii", "replace")
            for piece, charset in pieces
        )
    except (ValueError, LookupError):
        text = value
    parts = re.findall(r'"([^"]*)"|([^,"]+)', text)
    return [label for quoted, plain in parts if (label := (quoted or plain).strip())]


def keyword(word: str) -> str:
    """Make a keyword of it that IMAP can carry (RFC 3501 section 9, `atom`)."""
    return _NO_KEYWORD.sub("_", word)
