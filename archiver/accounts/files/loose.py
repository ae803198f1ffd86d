"""Files that hold one item each: messages, Apple Mail's emlx, calendars, contacts. A folder is what lies in one."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from archiver.accounts.files.disk import (
    Changed,
    Unreadable,
    fingerprint,
    modified,
    read_whole,
    status,
    text_of,
)
from archiver.accounts.files.source import Item, numbered
from archiver.errors import Damaged, FolderRefused
from archiver.formats import carried, emlx
from archiver.formats.message import received_at
from archiver.model import Flags, Kind

SUFFIXES = (".eml", ".emlx", ".ics", ".vcf")
_CARRIED = {".ics": Kind.EVENT, ".vcf": Kind.CONTACT}
_PARTIAL = ".partial.emlx"


class LooseSource:
    """A folder of single files, each named by its content; `top` is what their paths are shown from."""

    form = "single files"
    whole = False

    def __init__(self, top: Path, files: Sequence[Path]) -> None:
        self._top = top
        self._files = files

    def state(self) -> str:
        """See `Source.state`."""
        there = []
        for path in self._files:
            try:
                there.append((self._shown(path), status(path)))
            except FolderRefused:
                continue
        if not there:
            raise FolderRefused(
                f'none of the messages in "{self._files[0].parent}" is there any more', "run again"
            )
        return fingerprint(there)

    def items(self) -> Sequence[Item]:
        """See `Source.items`."""
        keys: dict[str, int] = {}
        return [item for path in self._files if (item := self._item(path, keys)) is not None]

    def read(self, item: Item) -> bytes:
        """See `Source.read`."""
        assert isinstance(item.at, str)
        try:
            raw = _read(Path(item.at))[0]
        except FileNotFoundError as error:
            raise Changed from error
        if _digest(raw) != item.key.partition("-")[0]:
            raise Changed
        return raw

    def _item(self, path: Path, keys: dict[str, int]) -> Item | None:
        kind = _CARRIED.get(path.suffix.lower(), Kind.MAIL)
        try:
            raw, flags, received = _read(path)
            key = numbered(keys, _digest(raw))
            at = received or received_at(raw) or modified(path.lstat())
            return Item(key, len(raw), str(path), flags, at, kind)
        except Unreadable as error:
            key = numbered(keys, _digest(f"unread {self._shown(path)}".encode()))
            return Item(key, None, str(path), kind=kind, trouble=f'"{self._shown(path)}": {error}')
        except FileNotFoundError:
            return None

    def _shown(self, path: Path) -> str:
        return text_of(str(path.relative_to(self._top) if path.is_relative_to(self._top) else path.name))


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]


def _read(path: Path) -> tuple[bytes, Flags, datetime | None]:
    """Read a file: its message, and the flags and date of receipt that stand beside it. Raises `Unreadable`."""
    stored = read_whole(path)
    suffix = path.suffix.lower()
    if path.name.endswith(_PARTIAL):
        raise Unreadable("Apple Mail has only a part of this message on the disk")
    try:
        if suffix == ".emlx":
            return emlx.decode(stored)
        if suffix in _CARRIED:
            return carried.carry(stored, _CARRIED[suffix]), frozenset(), None
    except Damaged as error:
        raise Unreadable(error.text) from error
    if not stored.strip():
        raise Unreadable("it is empty")
    return stored, frozenset(), None
