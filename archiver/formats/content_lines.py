"""Content lines, of which calendars (RFC 5545) and contacts (RFC 2426, RFC 6350) are made: written, folded, read."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping

import msgspec

from archiver.items import Described

Parameters = Mapping[str, str]

CLASSES = {"personal": "PRIVATE", "private": "PRIVATE", "confidential": "CONFIDENTIAL"}
"""A sensitivity as a CLASS tells it; a normal one is none."""

_WIDTH = 75  # octets of a line, its end not counted (RFC 5545, section 3.1)
# C1 controls and Unicode's own line ends are lines to some readers; half of a surrogate pair is no UTF-8
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FOLD = re.compile(rb"\r?\n[ \t]")


def plain(text: str) -> str:
    """Give text with `\\n` for every sort of line end, and a space for every other control character."""
    return _CONTROL.sub(" ", re.sub(r"\r\n?|[\x85\u2028\u2029]", "\n", text))


def escaped(text: str) -> str:
    """Write a value of type TEXT (RFC 5545, section 3.3.11)."""
    return re.sub(r"([\\;,])", r"\\\1", plain(text)).replace("\n", "\\n")


def line(name: str, value: str, parameters: Parameters | None = None) -> bytes:
    """Write one content line, folded, with its CRLF. `value` is as it is to stand there; it is one line."""
    told = "".join(f";{key}={_quoted(one)}" for key, one in (parameters or {}).items())
    return _folded(f"{name}{told}:{value}")


def text_line(name: str, text: str, parameters: Parameters | None = None) -> bytes:
    """Write one content line whose value is text; nothing for no text."""
    return line(name, escaped(text), parameters) if text else b""


def binary_line(name: str, content: bytes, parameters: Parameters) -> bytes:
    """Write one content line whose value is base64."""
    return line(name, base64.b64encode(content).decode("ascii"), parameters)


def made_uid(item: Described) -> str:
    """Make a UID for an item that has none: of its content, so that the same item has the same."""
    told = json.dumps(msgspec.to_builtins(item), sort_keys=True)  # it escapes what is no UTF-8
    return f"{hashlib.sha256(told.encode('ascii')).hexdigest()[:32]}@archiver.invalid"


def unfolded(content: bytes) -> Iterator[bytes]:
    """Read the lines of a calendar or a contact, each in one piece and without its end."""
    yield from (one for one in re.split(rb"\r?\n", _FOLD.sub(b"", content)) if one)


def _quoted(value: str) -> str:
    """Write a parameter's value; the three characters that it cannot hold by RFC 6868."""
    told = plain(value).replace("^", "^^").replace("\n", "^n").replace('"', "^'")
    return f'"{told}"' if re.search(r"[:;,]|[^\x20-\x7e]", told) else told


def _folded(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    if len(raw) <= _WIDTH:
        return raw + b"\r\n"
    pieces, at, room = [], 0, _WIDTH
    while at < len(raw):
        end = at + room
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # not within a character
            end -= 1
        pieces.append(raw[at:end])
        at, room = end, _WIDTH - 1
    return b"\r\n ".join(pieces) + b"\r\n"
