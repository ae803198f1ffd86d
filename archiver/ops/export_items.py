"""export of what is no mail: a calendar or an address book for each folder, and a file for each note.

Of an item that was changed while it was archived, the version that the server has is written, or else the last one.
What came from a file of its own, or does not go together with its neighbours, is written to a file of its own.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from archiver.errors import Damaged
from archiver.formats.calendar import (
    CLOSING,
    Entered,
    components,
    opening,
    other_components,
    vtimezones,
    written_zones,
    years_of,
)
from archiver.formats.contact import contact
from archiver.formats.message import attachments, safe_name, summary
from archiver.formats.note import note
from archiver.formats.record import Record, is_record, unpack
from archiver.items import Contact, ContactGroup, Event, Note, Task
from archiver.model import Entry
from archiver.ops.export_paths import below, make_folder, on_disk, open_end

_CARRIED = {"ics": "text/calendar", "vcf": "text/vcard"}


class _Piece(Struct, frozen=True):
    """What is written of one version of an item: where it lies in the folder's heap, and its file, if it has one."""

    rank: tuple[bool, int]
    offset: int
    size: int
    file: str | None = None


class _Read(Struct, frozen=True):
    """What an item is: its identity, what is to be written, the zones that this brings, whether it stands alone."""

    identity: str
    content: Entered | bytes
    zones: dict[str, bytes] = {}
    alone: bool = False


class Items:
    """Collects what is written of a target's folders; `close` makes the files. `older` counts versions left out."""

    def __init__(self, path: Path, end: str) -> None:
        self._path = path
        self._end = end
        self._folders: dict[Path, _Folder] = {}  # two names of a server may be one on the disk
        self.older = 0

    def take(self, entry: Entry, raw: bytes) -> bool:
        """Take an item in; tell whether it can be written so."""
        found = self._read(raw)
        if found is None:
            return False
        place = below(self._path, entry.ref.folder)
        if place not in self._folders:
            self._folders[place] = _Folder(place.with_name(f"{place.name}.{self._end}.part"))
        folder, content, file = self._folders[place], found.content, None
        if found.alone or not folder.fit(found.zones):
            title = safe_name(summary(raw).subject[:60], self._end)
            file = f"{title}-{entry.digest[:12]}.{self._end}"
        elif isinstance(content, Entered):
            years_of(content, folder.years)
        elif self._end == "ics":
            content = other_components(content)
        told = components(content) if isinstance(content, Entered) else content
        rank = (not entry.vanished, entry.run)
        self.older += folder.take(found.identity or entry.digest, rank, told, file)
        return True

    def close(self) -> None:
        """Make the files of what was taken in, and take the heaps away."""
        for place, folder in self._folders.items():
            shared = [piece for piece in folder.pieces.values() if piece.file is None]
            if shared:
                ics = self._end == "ics"
                with open_end(place.with_name(f"{place.name}.{self._end}")) as out:
                    out.write(opening(folder.zones()) if ics else b"")
                    for piece in shared:
                        out.write(folder.content(piece))
                    out.write(CLOSING if ics else b"")
            for piece in folder.pieces.values():
                if piece.file is not None:
                    make_folder(place)
                    with open_end(place / on_disk(piece.file)) as out:
                        out.write(folder.content(piece))
            folder.drop()

    def _read(self, raw: bytes) -> "_Read | None":
        if not is_record(raw):
            wanted = _CARRIED.get(self._end)
            found = [one.content for one in attachments(raw) if one.content_type == wanted]
            return _Read("", found[0], alone=True) if found else None
        try:
            record = unpack(raw)
        except Damaged:
            return None
        identity = record.details.id
        uid = hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]
        content = self._content(record, f"{uid}@archiver.invalid" if identity else "")
        if content is None:
            return None
        zones = vtimezones(content) if self._end == "ics" and isinstance(content, bytes) else {}
        return _Read(identity, content, zones, alone=self._end == "txt")

    def _content(self, record: Record, uid: str) -> Entered | bytes | None:
        item = record.details.item
        if self._end == "ics":
            if isinstance(item, Event | Task):
                return Entered(item, record.files, uid)
            return record.body if record.body_type == "text/calendar" and record.body else None
        if self._end == "vcf":
            if isinstance(item, Contact | ContactGroup):
                return contact(item, record.files, uid)
            return record.body if record.body_type == "text/vcard" and record.body else None
        if isinstance(item, Note):
            return note(item)
        return record.body if record.body_type == "text/plain" else None


class _Folder:
    """What is collected of a folder: a heap of pieces on the disk, and which of them count."""

    def __init__(self, heap: Path) -> None:
        make_folder(heap.parent)
        self._heap = heap
        self._size = 0
        self.pieces: dict[str, _Piece] = {}
        self.years: dict[str, tuple[int, int]] = {}
        self._others: dict[str, bytes] = {}

    def fit(self, zones: dict[str, bytes]) -> bool:
        """Take zones in that a calendar brings; not if one of them has the name of another one."""
        if any(self._others.get(name, body) != body for name, body in zones.items()):
            return False
        self._others.update(zones)
        return True

    def zones(self) -> dict[str, bytes]:
        """Give the zones of all that was taken in."""
        return {**self._others, **written_zones(self.years)}

    def take(self, identity: str, rank: tuple[bool, int], content: bytes, file: str | None) -> int:
        """Keep a version of an item, if it is the best so far; give how many versions that leaves out."""
        known = self.pieces.get(identity)
        if known is not None and known.rank >= rank:
            return 1
        with open_end(self._heap) as out:
            out.write(content)
        self.pieces[identity] = _Piece(rank, self._size, len(content), file)
        self._size += len(content)
        return 0 if known is None else 1

    def content(self, piece: _Piece) -> bytes:
        """Give what is written of an item."""
        with self._heap.open("rb") as heap:
            heap.seek(piece.offset)
            return heap.read(piece.size)

    def drop(self) -> None:
        """Take the heap away."""
        self._heap.unlink(missing_ok=True)


@contextmanager
def items(path: Path, end: str) -> Iterator[Items]:
    """Collect items, and write the files when all are there."""
    collected = Items(path, end)
    yield collected
    collected.close()
