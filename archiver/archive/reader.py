"""Reading messages back: only the frames that hold them, each message checked against its digest.

What is released was authenticated (age), is of the size that the signed index names (frames), and hashes
to the digest that the signed index names. Everything else is `Damaged`, for that message alone.
"""

import hashlib
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from itertools import accumulate, groupby
from typing import TypeAlias

from archiver.errors import ArchiverError, Damaged
from archiver.formats import age, frames
from archiver.model import Entry
from archiver.ports import Layout, Store, Volumes
from archiver.rows import VolumeRow

LOOKAHEAD = 4  # frames in work at a time: two cores decrypt and hash while the caller writes
LOOKAHEAD_SIZE = 48 << 20  # bytes of them, where they are long; a longer one goes alone

Found: TypeAlias = tuple[Entry, bytes | ArchiverError]


class Reader:
    """Reads the messages of one chain, or of several, with the owner's identity."""

    def __init__(
        self,
        store: Store,
        layout: Layout,
        volumes: Volumes,
        identities: Sequence[age.Identity],
        *,
        salvage: bool = False,
    ) -> None:
        """With `salvage`, give what is whole in objects that are cut or damaged at their end, too."""
        self._store = store
        self._salvage = salvage
        self._layout = layout
        self._volumes = volumes
        self._identities = identities

    def read(self, entry: Entry) -> bytes:
        """Give the raw bytes of one message. Raises `Damaged`."""
        for _, found in self.read_many([entry]):
            if isinstance(found, bytes):
                return found
            raise found
        raise AssertionError("every entry is answered")

    def read_many(self, entries: Iterable[Entry]) -> Iterator[Found]:
        """Give each message, or why it cannot be had, in the order in which they lie in the archive."""
        pool = ThreadPoolExecutor(2, "read")
        waiting: deque[tuple[int, Future[list[Found]]]] = deque()
        ahead = 0
        try:
            for volume, frame, members in self._by_frame(entries):
                size = volume.size_of(frame)
                while waiting and (len(waiting) >= LOOKAHEAD or ahead + size > LOOKAHEAD_SIZE):
                    ahead -= waiting[0][0]
                    yield from waiting.popleft()[1].result()
                waiting.append((size, pool.submit(self._read_frame, volume, frame, members)))
                ahead += size
            while waiting:
                yield from waiting.popleft()[1].result()
        finally:  # without waiting: the collector may be the one that ends this, and then nothing may be joined
            pool.shutdown(wait=False, cancel_futures=True)

    def _by_frame(self, entries: Iterable[Entry]) -> Iterator[tuple["_Volume", int, list[Entry]]]:
        ordered = sorted(entries, key=lambda entry: (entry.place.volume, entry.place.offset))
        for key, group in groupby(ordered, key=lambda entry: entry.place.volume):
            volume = _Volume(self._store, self._identities, self._volumes, key, salvage=self._salvage)
            for frame, members in groupby(group, key=lambda entry: volume.frame_at(entry.place.offset)):
                yield volume, frame, list(members)

    def _read_frame(self, volume: "_Volume", frame: int, members: list[Entry]) -> list[Found]:
        try:
            content = volume.read(frame)
        except ArchiverError as error:
            return [(entry, error) for entry in members]
        start = volume.starts[frame]
        return [(entry, self._unwrap(content, start, entry)) for entry in members]

    def _unwrap(self, content: bytes, start: int, entry: Entry) -> bytes | ArchiverError:
        begin = entry.place.offset - start
        try:
            _, raw = self._layout.unwrap(content[begin : begin + entry.place.length])
        except Damaged as error:
            return error
        if len(raw) != entry.size or hashlib.sha256(raw).hexdigest() != entry.digest:
            return Damaged(f'message {entry.digest[:12]} in "{entry.place.volume}" is not what was archived')
        return raw


class _Volume:
    """One sealed object, opened when its first frame is read."""

    def __init__(
        self,
        store: Store,
        identities: Sequence[age.Identity],
        volumes: Volumes,
        key: str,
        *,
        salvage: bool,
    ) -> None:
        self._salvage = salvage
        self._store = store
        self._identities = identities
        self._key = key
        try:
            self._row = volumes.volume(key)  # here, in the caller's thread: a catalog is not for several
            self._error: ArchiverError | None = None
        except ArchiverError as error:
            self._row, self._error = VolumeRow(key, 0, ()), error
        self.starts = [0, *accumulate(frame.size for frame in self._row.frames)]
        self._packed_starts = [0, *accumulate(frame.packed for frame in self._row.frames)]

    def frame_at(self, offset: int) -> int:
        """Number the frame that holds this byte of the payload; out of range where none does."""
        return bisect_right(self.starts, offset) - 1

    def size_of(self, frame: int) -> int:
        """Tell how many bytes a frame holds, as its index says; 0 for one that is not there."""
        return self._row.frames[frame].size if 0 <= frame < len(self._row.frames) else 0

    def read(self, frame: int) -> bytes:
        """Decrypt and decompress one frame. Raises `Damaged`."""
        if self._error is not None:
            raise self._error
        if not 0 <= frame < len(self._row.frames):
            raise Damaged(f'"{self._key}" does not reach as far as its index says')
        sizes = self._row.frames[frame]
        try:
            packed = self._sealed.read(self._packed_starts[frame], sizes.packed)
            return frames.unpack(packed, sizes.size)
        except ArchiverError as error:
            if self._salvage and (begun := self._read_beginning(frame)):
                return begun
            raise Damaged(f'"{self._key}": {error.text}', "put it back from a copy of the archive") from error

    def _read_beginning(self, frame: int) -> bytes:
        """Give what a damaged frame holds before the damage; its messages are proved by their digests alone."""
        sizes = self._row.frames[frame]
        pieces: list[bytes] = []
        with suppress(ArchiverError):
            packed = self._sealed.read_on(self._packed_starts[frame], sizes.packed)
            for piece in frames.unpack_stream(packed, salvage=True):
                pieces.append(piece)  # one by one: those before an error count
        return b"".join(pieces)[: sizes.size]

    @cached_property
    def _sealed(self) -> age.RandomReader:
        def read(start: int, length: int) -> bytes:
            return self._store.get(self._key, start, length)

        return age.RandomReader(read, self._row.sealed, self._identities, cut=self._salvage)
