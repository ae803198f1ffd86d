"""One mbox file as a folder. Its messages are named by their content: their offsets move when others go."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from archiver.accounts.files import imap_backup
from archiver.accounts.files.disk import (
    MESSAGE_LIMIT,
    Changed,
    OpenFile,
    Unreadable,
    fingerprint,
    opened,
    status,
)
from archiver.accounts.files.source import Item, numbered
from archiver.errors import FolderRefused
from archiver.formats import mbox_dialects, mbox_status
from archiver.formats.mbox_dialects import Dialect, Signs, Span, judge
from archiver.formats.message import received_at
from archiver.model import Flags

_GIT = b" Mon Sep 17 00:00:00 2001"  # git format-patch writes this date to say that there is none
_HEAD = 256 << 10  # bytes in front of the first From_ line that are hashed to name them


class MboxSource:
    """One mbox file. `told` is the dialect that the user names; otherwise the file is judged by its messages."""

    whole = False

    def __init__(self, path: Path, told: Dialect | None = None) -> None:
        self._path = path
        self._told = told
        self._dialect = told
        self._signs = Signs()
        self._spans: dict[int, Span] = {}  # by their bodies: those that are not plain
        self._state = ""
        self._noted: Mapping[int, Flags] | None = None  # of imap-backup, which writes mboxrd

    @property
    def form(self) -> str:
        """See `Source.form`."""
        if self._dialect is None:
            return "mbox"
        if self._dialect == "mbox" and self._signs.quoted:
            return 'mbox (mboxo or mboxrd: ">From " is kept as it stands)'
        return self._dialect

    def state(self) -> str:
        """See `Source.state`."""
        noted = imap_backup.beside(self._path)
        return fingerprint([("", status(self._path)), *([("noted", status(noted))] if noted else [])])

    def items(self) -> Sequence[Item]:
        """See `Source.items`; messages come in the order of the file."""
        keys: dict[str, int] = {}
        found: list[Item] = []
        self._signs, self._spans = Signs(), {}
        noted = imap_backup.beside(self._path)
        self._noted = imap_backup.flags_by_offset(noted) if noted else None
        try:
            with opened(self._path) as file:
                self._state = fingerprint([("", file.stat)])
                first: int | None = None
                for span in mbox_dialects.split(file.read, file.stat.st_size, believe_lengths=self._counts):
                    first = span.start if first is None else first
                    found.append(self._item(file, span, keys))
                before = _before(file, file.stat.st_size if first is None else first)
        except (Unreadable, FileNotFoundError) as error:
            raise FolderRefused(
                f'"{self._path}" cannot be read: {error if isinstance(error, Unreadable) else "it is gone"}',
                "check its rights, and run again",
            ) from error
        self._dialect = self._told or (judge(self._signs) if self._noted is None else "mboxrd")
        return [*before, *found]

    def read(self, item: Item) -> bytes:
        """See `Source.read`."""
        assert isinstance(item.at, tuple) and self._dialect is not None
        start, body = item.at
        try:
            with opened(self._path) as file:
                if fingerprint([("", file.stat)]) != self._state:
                    raise Changed
                span = self._spans.get(body) or Span(start, body, body + (item.size or 0))
                return mbox_dialects.content(file.read(body, span.end - body), span, self._dialect)
        except FileNotFoundError as error:
            raise Changed from error

    @property
    def _counts(self) -> bool:
        return self._told not in ("mboxo", "mboxrd") and self._noted is None

    def _item(self, file: OpenFile, span: Span, keys: dict[str, int]) -> Item:
        size = span.end - span.body
        from_line = file.read(span.start, min(span.body - span.start, 1000))
        at = (span.start, span.body)
        received = None if from_line.rstrip().endswith(_GIT) else mbox_dialects.received(from_line)
        if size > MESSAGE_LIMIT:
            key = hashlib.sha256(b"%d " % size + from_line).hexdigest()[:32]
            return Item(
                numbered(keys, key),
                size,
                at,
                received=received,
                trouble=f"it is larger than {MESSAGE_LIMIT} bytes",
            )
        body = file.read(span.body, size)
        self._signs.see(span, body)
        if span.counted:
            self._spans[span.body] = span
        key = numbered(keys, mbox_status.digest(from_line, body))
        flags = mbox_status.flags(body) | (self._noted or {}).get(span.start, frozenset())
        return Item(key, size, at, flags, received or received_at(body))


def _before(file: OpenFile, end: int) -> list[Item]:
    """Tell of bytes in front of the first From_ line: they belong to no message, and are not passed over in silence."""
    head = file.read(0, min(end, _HEAD))
    if not head.strip(b"\r\n"):
        return []
    key = hashlib.sha256(b"%d " % end + head).hexdigest()[:32]
    return [
        Item(key, end, (0, 0), trouble=f"{end} bytes stand before the first From_ line, and begin no message")
    ]
