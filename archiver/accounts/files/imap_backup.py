"""What imap-backup notes beside its mbox files: flags by offset, in `FOLDER.imap` (version 3 of its metadata)."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from archiver.accounts.files.disk import Unreadable, read_whole
from archiver.formats.mbox_status import keyword
from archiver.model import Flags

_LIMIT = 256 << 20
_SYSTEM = frozenset({"Seen", "Answered", "Flagged", "Deleted", "Draft"})


class _Noted(msgspec.Struct):
    offset: int
    flags: list[str] = []


class _Metadata(msgspec.Struct):
    version: int
    uid_validity: int
    messages: list[_Noted]


def beside(mbox: Path) -> Path | None:
    """Give the file with the metadata of an mbox file, where there is one."""
    path = mbox.with_suffix(".imap")
    return path if mbox.suffix == ".mbox" and path.is_file() and not path.is_symlink() else None


def flags_by_offset(path: Path) -> Mapping[int, Flags] | None:
    """Read the flags of each message by the offset of its From_ line; None for what is not such metadata."""
    try:
        noted = msgspec.json.decode(read_whole(path, _LIMIT), type=_Metadata)
    except (Unreadable, FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if noted.version != 3:
        return None
    return {
        one.offset: frozenset(
            f"\\{flag}" if flag in _SYSTEM else keyword(flag)
            for flag in one.flags
            if flag not in ("", "Recent")
        )
        for one in noted.messages
    }
