"""Maildir (https://cr.yp.to/proto/maildir.html) and Maildir++, as mail servers and programs keep it.

A message is named by the unique part of its file name, with its size and the time of its file: names alone repeat
among Maildirs that one converter wrote, and a message taken for another would be lost.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
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
from archiver.accounts.files.packed import unpack
from archiver.accounts.files.source import Item, numbered
from archiver.errors import FolderRefused
from archiver.formats.mbox_status import keyword
from archiver.model import Flags

KEYWORDS = "dovecot-keywords"
_FLAGS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}
_SIZE = re.compile(r",S=(\d{1,15})(?=,|\Z)")
_NUMBERS = frozenset(map(str, range(26)))  # of Dovecot's keywords that have a letter
_NUMBER = re.compile(r"[0-9]+")
_LISTED = ("cur", "new")


class MaildirSource:
    """One Maildir. Where nothing was delivered, removed or flagged, its directories are as they were."""

    form = "Maildir"
    whole = True  # a message is written in tmp, and renamed

    def __init__(self, path: Path) -> None:
        self._path = path

    def state(self) -> str:
        """See `Source.state`."""
        names = [name for name in (*_LISTED, KEYWORDS) if (self._path / name).exists()]
        if not set(_LISTED) & set(names):
            raise FolderRefused(f'"{self._path}" is no Maildir any more', "is it still there?")
        return fingerprint((name, status(self._path / name)) for name in names)

    def items(self) -> Sequence[Item]:
        """See `Source.items`; messages come in the order of their names, which begin with the time."""
        keywords = self._keywords()
        keys: dict[str, int] = {}
        found = []
        for unique, info, where, entry in sorted(self._entries(), key=_order):
            size = _SIZE.search(unique)
            length = int(size[1]) if size else entry.st_size
            key = f"{text_of(unique)}:{entry.st_mtime_ns // 1_000_000_000}:{length}"
            regular = stat.S_ISREG(entry.st_mode)
            found.append(
                Item(
                    numbered(keys, key),
                    length,
                    where,
                    _flags(info, keywords),
                    modified(entry),
                    trouble=None if regular else "it is not a regular file",
                )
            )
        return found

    def read(self, item: Item) -> bytes:
        """See `Source.read`."""
        try:
            return unpack(read_whole(self._path / str(item.at)))
        except FileNotFoundError as error:
            raise Changed from error  # flagged, moved from new to cur, or removed

    def _entries(self) -> Iterator[tuple[str, str, str, os.stat_result]]:
        """Give each file: its unique name, its flags, its path from here, its status."""
        for folder in _LISTED:
            try:
                with os.scandir(self._path / folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        try:
                            found = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue  # renamed meanwhile; the state tells
                        if stat.S_ISDIR(found.st_mode):
                            continue
                        unique, _, info = entry.name.partition(":2,")
                        yield unique, info, f"{folder}/{entry.name}", found
            except FileNotFoundError:
                continue
            except OSError as error:
                raise FolderRefused(
                    f'"{self._path / folder}" cannot be read: {(error.strerror or "").lower()}',
                    "check its rights, and run again",
                ) from error

    def _keywords(self) -> Mapping[str, str]:
        """Read what the letters a to z mean here, where Dovecot wrote it down."""
        try:
            lines = read_whole(self._path / KEYWORDS, 64 << 10).decode("utf-8", "replace").splitlines()
        except (FileNotFoundError, Unreadable):
            return {}
        pairs = (line.split(" ", 1) for line in lines if " " in line)
        return {
            chr(ord("a") + int(number)): keyword(word)
            for number, word in pairs
            if number in _NUMBERS and word
        }


def _order(entry: tuple[str, str, str, os.stat_result]) -> tuple[str, str]:
    """Sort by the numbers in a name: second of delivery, then microsecond, of which `M9` comes before `M10`."""
    return _NUMBER.sub(lambda found: found[0].zfill(20), entry[0]), entry[2]


def _flags(info: str, keywords: Mapping[str, str]) -> Flags:
    letters = info.partition(",")[0]
    meaning = {**keywords, **_FLAGS}
    return frozenset(meaning[letter] for letter in letters if letter in meaning)
