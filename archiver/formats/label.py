"""The X-Archiver line: what stands beside a message inside a volume, so that a volume alone restores it.

`X-Archiver: 1 folder=3:Archive%2F2024 key=1712345678:4711 received=2024-04-05T19:34:38+00:00 flags=%5CSeen
size=8873 sha256=…` in one line (docs/reference/format.md, section Message).
"""

from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from archiver.errors import Damaged
from archiver.model import Flags
from archiver.ports import Label

PREFIX = b"X-Archiver: 1 "
_FIELDS = ("folder", "key", "received", "flags", "size", "sha256")


def encode_label(label: Label) -> bytes:
    """Write the line, LF included, pure ASCII; flags sorted, so that equal labels are equal bytes."""
    received = label.received.isoformat(timespec="seconds") if label.received else "-"
    key = label.key if label.key.isalnum() and label.key.isascii() else quote(label.key, safe="")
    text = (
        f"folder={label.folder_id}:{_quoted(label.folder)} key={_quoted(label.epoch)}:{key}"
        f" received={received} flags={_quoted_flags(label.flags)} size={label.size} sha256={label.sha256}"
    )
    return PREFIX + text.encode("ascii") + b"\n"


# few folders, epochs and sets of flags stand beside many messages
@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return quote(text, safe="")


@lru_cache(maxsize=1024)
def _quoted_flags(flags: Flags) -> str:
    return ",".join(_quoted_flag(flag) for flag in sorted(flags)) or "-"


def _quoted_flag(flag: str) -> str:
    return "%2D" if flag == "-" else quote(flag, safe="$")  # a lone "-" stands for no flags


def decode_label(line: bytes) -> Label:
    """Read the line (with or without its LF). Raises `Damaged` for anything `encode_label` never writes."""
    try:
        label = _decode(line)
        same = encode_label(label) == line.removesuffix(b"\n") + b"\n"
    except (ValueError, KeyError, OverflowError) as error:
        raise Damaged(f"not an X-Archiver line: {line[:80]!r}") from error
    if not same:  # one way to write a label, so that nothing that was changed passes for one
        raise Damaged(f"not an X-Archiver line as archiver writes it: {line[:80]!r}")
    return label


def _decode(line: bytes) -> Label:
    if not line.startswith(PREFIX):
        raise ValueError("other prefix")
    words = dict(
        word.split("=", 1) for word in line[len(PREFIX) :].decode("ascii").removesuffix("\n").split(" ")
    )
    if tuple(words) != _FIELDS:
        raise ValueError("other fields")
    folder_id, folder = words["folder"].split(":", 1)
    epoch, key = words["key"].split(":", 1)
    return Label(
        folder_id=int(folder_id),
        folder=_unquoted(folder),
        epoch=_unquoted(epoch),
        key=key if key.isalnum() else unquote(key, errors="strict"),
        size=int(words["size"]),
        sha256=words["sha256"],
        flags=_unquoted_flags(words["flags"]),
        received=None if words["received"] == "-" else datetime.fromisoformat(words["received"]),
    )


@lru_cache(maxsize=1024)
def _unquoted(text: str) -> str:
    return unquote(text, errors="strict")


@lru_cache(maxsize=1024)
def _unquoted_flags(text: str) -> Flags:
    return frozenset() if text == "-" else frozenset(_unquoted(flag) for flag in text.split(","))
