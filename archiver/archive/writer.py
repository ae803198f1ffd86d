"""One run: rows and messages go in, and a commit makes them part of the archive, all together or not at all.

Order of writes: objects, read back; directories; manifest (THE COMMIT); pin; catalog. A crash anywhere
leaves objects that no manifest names, never damage (docs/explanation/safety.md).
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from types import TracebackType
from typing import Literal

import msgspec
from msgspec import Struct

from archiver.archive.chain import Chain
from archiver.archive.keys import KeyPair
from archiver.archive.packing import Batch, ObjectPacker, Packer, Slot, VolumePacker, take_back
from archiver.archive.sealing import Compressions, seal
from archiver.errors import StoreFailed
from archiver.formats import age, frames
from archiver.formats.index import encode_index, hash_message_id, index_key
from archiver.formats.message_id import message_id
from archiver.model import (
    Appended,
    Entry,
    Flags,
    Folder,
    Head,
    Message,
    Missed,
    Place,
    Remote,
    RunKind,
    Sealed,
)
from archiver.ports import Catalog, Label, Layout, Store
from archiver.rows import (
    AnyRow,
    FlagsRow,
    FolderRow,
    HeaderRow,
    MessageRow,
    MissedRow,
    PrunedRow,
    RestoredRow,
    VanishedRow,
    VolumeRow,
)

CHECKPOINT_SIZE = 256 << 20  # an interrupted first sync loses at most this, or
CHECKPOINT_S = 60.0  # this long
CHECKPOINT_ROWS = 50_000  # small messages are to fill no memory, and
CHECKPOINT_OBJECTS = 5_000  # a manifest of this many objects stays within its 1 MiB


class ChainOwner(Struct, frozen=True):
    """Whose chain it is: the account's name and its kind."""

    account: str
    kind: str


class Sealing(Struct, frozen=True):
    """How a run's objects are laid out, compressed, encrypted and signed."""

    layout: Layout
    compressions: Compressions
    recipients: tuple[age.Recipient, ...]
    writer: KeyPair


class _Pending(Struct, frozen=True, gc=False):
    """A message whose place is known after the next flush."""

    folder_id: int
    remote: Remote
    digest: str
    size: int
    slot: Slot
    message_id: str | None


class Run:
    """Writes one run to a chain; not for several threads. Use it as a context manager."""

    def __init__(
        self,
        store: Store,
        chain: Chain,
        catalog: Catalog,
        owner: ChainOwner,
        sealing: Sealing,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._chain = chain
        self.catalog = catalog
        self._owner = owner
        self._layout = sealing.layout
        self._writer = sealing.writer
        self._recipients = sealing.recipients
        self._compressions = sealing.compressions
        self._clock = clock
        self._packer: Packer | None = None
        self._numbers = count(1)
        self._folder_ids = {state.folder.name: state.id for state in catalog.folders()}
        self._rows: list[AnyRow | _Pending] = []
        self._slots: dict[str, Slot] = {}  # digest -> slot, of the messages since the last commit
        self._size = 0
        self._committed_at = time.monotonic()
        self.head = catalog.head()

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._packer is not None:
            self._packer.close(discard=isinstance(error, StoreFailed))

    @property
    def due(self) -> bool:
        """Whether enough has gathered for a checkpoint."""
        return bool(self._rows) and (
            self._size >= CHECKPOINT_SIZE
            or len(self._rows) >= CHECKPOINT_ROWS
            or (not self._layout.shares_objects and len(self._slots) >= CHECKPOINT_OBJECTS)
            or time.monotonic() - self._committed_at >= CHECKPOINT_S
        )

    def folder(self, folder: Folder, epoch: str, *, token: str | None, exists: int | None) -> None:
        """Record a folder as seen now; with its cursor only if all before that is recorded too."""
        folder_id = self._folder_ids.setdefault(folder.name, len(self._folder_ids) + 1)
        self._rows.append(
            FolderRow(
                id=folder_id,
                name=folder.name,
                epoch=epoch,
                token=token,
                separator=folder.separator,
                special_use=folder.special_use,
                subscribed=folder.subscribed,
                kind=folder.kind,
                exists=exists,
            )
        )

    def gone(self, folder: Folder, epoch: str) -> None:
        """Record that the server has the folder no more; all of it stays archived."""
        folder_id = self._folder_ids[folder.name]
        self._rows.append(
            FolderRow(
                id=folder_id,
                name=folder.name,
                epoch=epoch,
                separator=folder.separator,
                special_use=folder.special_use,
                subscribed=folder.subscribed,
                kind=folder.kind,
                gone=True,
                exists=0,
            )
        )

    def add(self, message: Message) -> bool:
        """Archive a message; content that the chain holds is pointed to, not stored again.

        Returns whether its bytes were stored. The folder must have been recorded.
        """
        remote, raw = message.remote, message.raw
        digest = hashlib.sha256(raw).hexdigest()
        found = message_id(raw)
        hashed = hash_message_id(found) if found else None
        folder_id = self._folder_ids[remote.ref.folder]
        place = self.catalog.place(digest) if digest not in self._slots else None
        if place is not None:
            self._rows.append(_row(folder_id, remote, digest, len(raw), place, hashed))
            return False
        slot = self._slots.get(digest)
        stored = slot is None
        if slot is None:
            slot = self._store_message(folder_id, remote, digest, raw)
        self._rows.append(_Pending(folder_id, remote, digest, len(raw), slot, hashed))
        return stored

    def bind(self, remote: Remote, entry: Entry, hashed_message_id: str | None) -> None:
        """Record that `remote` is a message that the chain holds already, without fetching it."""
        folder_id = self._folder_ids[remote.ref.folder]
        self._rows.append(_row(folder_id, remote, entry.digest, entry.size, entry.place, hashed_message_id))

    def reflag(self, folder: str, epoch: str, keys: Sequence[str], flags: Flags) -> None:
        """Record that these messages have exactly these flags now."""
        self._rows.append(FlagsRow(self._folder_ids[folder], epoch, tuple(keys), flags))

    def vanish(self, folder: str, epoch: str, keys: Sequence[str]) -> None:
        """Record that the folder has these messages no more; they stay archived."""
        self._rows.append(VanishedRow(self._folder_ids[folder], epoch, tuple(keys)))

    def miss(self, missed: Missed, tries: int) -> None:
        """Record a message that the server announced and did not give."""
        remote = missed.remote
        self._rows.append(
            MissedRow(
                folder=self._folder_ids[remote.ref.folder],
                epoch=remote.ref.epoch,
                key=remote.ref.key,
                reason=missed.reason,
                tries=tries,
                size=remote.size,
                flags=remote.flags,
                received=remote.received,
                kind=remote.kind,
            )
        )

    def restored(self, account: str, folder: str, appended: Sequence[Appended]) -> None:
        """Record what was put into a folder of an account."""
        by_epoch: dict[str, list[Appended]] = {}
        for one in appended:
            by_epoch.setdefault(one.ref.epoch if one.ref else "", []).append(one)
        for epoch, some in by_epoch.items():
            keys = tuple(one.ref.key if one.ref else "" for one in some)
            self._rows.append(RestoredRow(account, folder, epoch, keys, tuple(one.digest for one in some)))

    def intend(self, folder: str, epoch: str, keys: Sequence[str]) -> int:
        """Record that these are to be removed from the server; gives the number of the run that says so."""
        run = self.head.seq + 1
        self._rows.append(PrunedRow(self._folder_ids[folder], epoch, tuple(keys), "intent", run))
        return run

    def pruned(self, folder: str, epoch: str, keys: Sequence[str], intent: int, *, removed: bool) -> None:
        """Record what became of an intent: removed from the server by it, or kept there after all."""
        state: Literal["removed", "kept"] = "removed" if removed else "kept"
        self._rows.append(PrunedRow(self._folder_ids[folder], epoch, tuple(keys), state, intent))

    def renew(self, entries: Sequence[Entry], raw: bytes, place: Place | None = None) -> None:
        """Record that these entries have another copy: the one at `place`, or one stored now."""
        found = message_id(raw)
        hashed = hash_message_id(found) if found else None
        digest = hashlib.sha256(raw).hexdigest()
        for entry in entries:
            if entry.digest != digest:
                raise ValueError("these bytes are not those of the entry")
            folder_id = self._folder_ids[entry.ref.folder]
            remote = Remote(entry.ref, entry.named_size, entry.flags, entry.received, entry.kind)
            if place is None:
                slot = self._slots.get(digest) or self._store_message(folder_id, remote, digest, raw)
                self._rows.append(_Pending(folder_id, remote, digest, len(raw), slot, hashed))
            else:
                self._rows.append(_row(folder_id, remote, digest, len(raw), place, hashed))
            self._rows += _what_became_of(entry, folder_id, self.catalog)

    def lose(self, entries: Sequence[Entry]) -> None:
        """Record that the stored copy of these cannot be read, and no other can be had."""
        for entry in entries:
            folder_id = self._folder_ids[entry.ref.folder]
            remote = Remote(entry.ref, entry.named_size, entry.flags, entry.received, entry.kind)
            row = _row(folder_id, remote, entry.digest, entry.size, entry.place, None)
            self._rows += [
                msgspec.structs.replace(row, lost=True),
                *_what_became_of(entry, folder_id, self.catalog),
            ]

    def commit(self, kind: RunKind = "run") -> Head | None:
        """Commit all that was recorded since the last commit; None where that is nothing."""
        if not self._rows:
            return None
        batch = self._packer.flush() if self._packer else Batch((), {}, {})
        rows = [_placed(row, batch) if isinstance(row, _Pending) else row for row in self._rows]
        rows += [VolumeRow(one.key, one.size, batch.tables[one.key]) for one in batch.objects]
        header = self._new_header()
        try:
            index = self._seal_index(header, rows)
        except StoreFailed:
            take_back(self._store, batch.objects)  # from the manifest on, never
            raise
        _, self.head = self._chain.commit(
            self.head, time=self._clock(), kind=kind, objects=(index, *batch.objects), writer=self._writer
        )
        self._chain.pin(self.head)
        self.catalog.apply(self.head, [header, *rows])
        self._rows, self._slots, self._size = [], {}, 0
        self._numbers = count(1)
        self._committed_at = time.monotonic()
        return self.head

    def _store_message(self, folder_id: int, remote: Remote, digest: str, raw: bytes) -> Slot:
        label = Label(
            folder_id=folder_id,
            folder=remote.ref.folder,
            epoch=remote.ref.epoch,
            key=remote.ref.key,
            size=len(raw),
            sha256=digest,
            flags=remote.flags,
            received=remote.received,
        )
        if self._packer is None:
            packer = VolumePacker if self._layout.shares_objects else ObjectPacker
            self._packer = packer(self._store, self._recipients, self._compressions)
        slot = self._packer.add(self._layout.wrap(label, raw), lambda: self._new_key(label))
        self._slots[digest] = slot
        self._size += len(raw)
        return slot

    def _new_key(self, label: Label) -> str:
        return self._layout.key(self._chain.name, self.head.seq + 1, next(self._numbers), label)

    def _new_header(self) -> HeaderRow:
        return HeaderRow(
            archive=self._chain.archive_id,
            chain=self._chain.name,
            seq=self.head.seq + 1,
            account=self._owner.account,
            kind=self._owner.kind,
            layout=self._layout.name,
        )

    def _seal_index(self, header: HeaderRow, rows: Sequence[AnyRow]) -> Sealed:
        packed = frames.pack([encode_index(header, rows)])
        key = index_key(self._chain.name, header.seq, secrets.token_hex(4))
        recipients = [*self._recipients, self._writer.identity.recipient]
        return seal(self._store, "index", key, [packed], recipients)


def _what_became_of(entry: Entry, folder_id: int, catalog: Catalog) -> list[AnyRow]:
    """Say again what a new row of a message takes back: that it vanished, and the note of a prune."""
    epoch, key = entry.ref.epoch, entry.ref.key
    if key in catalog.known_among(folder_id, epoch, [key]):
        intent = catalog.intended(folder_id, epoch).get(key)
        return [] if intent is None else [PrunedRow(folder_id, epoch, (key,), "intent", intent)]
    if entry.pruned is not None:
        return [PrunedRow(folder_id, epoch, (key,), "removed", entry.pruned)]
    return [VanishedRow(folder_id, epoch, (key,))]


def _row(
    folder_id: int, remote: Remote, digest: str, size: int, place: Place, hashed: str | None
) -> MessageRow:
    return MessageRow(
        folder=folder_id,
        epoch=remote.ref.epoch,
        key=remote.ref.key,
        sha256=digest,
        size=size,
        volume=place.volume,
        offset=place.offset,
        length=place.length,
        flags=remote.flags,
        received=remote.received,
        named_size=remote.size,
        message_id=hashed,
        kind=remote.kind,
    )


def _placed(pending: _Pending, batch: Batch) -> MessageRow:
    return _row(
        pending.folder_id,
        pending.remote,
        pending.digest,
        pending.size,
        batch.place(pending.slot),
        pending.message_id,
    )
