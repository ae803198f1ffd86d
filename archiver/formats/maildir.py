"""Maildir (https://cr.yp.to/proto/maildir.html): file names and flags, and one labelled message a file."""

from archiver.errors import Damaged
from archiver.formats.label import decode_label, encode_label
from archiver.model import Flags
from archiver.ports import Label

_LETTERS = {
    "\\Draft": "D",
    "\\Flagged": "F",
    "$Forwarded": "P",
    "\\Answered": "R",
    "\\Seen": "S",
    "\\Deleted": "T",
}


def info(flags: Flags) -> str:
    """Give the `2,` part of a Maildir name: the letters of the flags, sorted, others left out."""
    return "2," + "".join(sorted(_LETTERS[flag] for flag in flags if flag in _LETTERS))


def file_name(label: Label, unique: str) -> str:
    """Name a message: delivery time in seconds, a part that makes it unique, and its flags."""
    seconds = int(label.received.timestamp()) if label.received else 0
    return f"{max(seconds, 0)}.{unique}:{info(label.flags)}"


def wrap(label: Label, raw: bytes) -> list[bytes]:
    """Lay a message out as its own object: the X-Archiver line, then the message verbatim."""
    return [encode_label(label), raw]


def unwrap(stored: bytes) -> tuple[Label, bytes]:
    """Undo `wrap`. Raises `Damaged` where the bytes are not one whole stored message."""
    end = stored.find(b"\n") + 1
    if not end:
        raise Damaged("a stored message does not begin with its X-Archiver line")
    label = decode_label(stored[:end])
    raw = stored[end:]
    if len(raw) != label.size:
        raise Damaged("a stored message is not of the length that its X-Archiver line names")
    return label, raw
