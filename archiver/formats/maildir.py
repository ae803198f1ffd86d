"""Maildir (https://cr.yp.to/proto/maildir.html): file names and flags, and one labelled message a file."""

import binascii
import hashlib
import re
from collections.abc import Sequence

from archiver.errors import Damaged
from archiver.formats.label import decode_label, encode_label
from archiver.model import Flags
from archiver.ports import Label

LONGEST_NAME = 240  # of a folder; a file system takes 255
_SHIFTED = re.compile(r"[^\x20-\x7e]+|&")
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


def folder_name(parts: Sequence[str]) -> str:
    """Name a folder as Maildir++ does: `.Parent.Child`, in the modified UTF-7 that servers keep there."""
    name = "." + ".".join(_SHIFTED.sub(_shift, part.replace(".", "_")) for part in parts)
    if len(name) <= LONGEST_NAME:
        return name
    return name[: LONGEST_NAME - 17].rstrip("&.") + "_" + hashlib.sha256(name.encode()).hexdigest()[:16]


def _shift(found: re.Match[str]) -> str:
    """Encode what is not printable ASCII (RFC 3501 section 5.1.3)."""
    if found[0] == "&":
        return "&-"
    packed = binascii.b2a_base64(found[0].encode("utf-16-be", "replace"), newline=False)
    return "&" + packed.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


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
