"""From messages to sealed objects, with the work spread over threads.

    add() ── frames of 1 and of 24 MiB ▶ compress + compare ──▶ encrypt, hash, put, read back
    caller's thread                     2 threads             2 threads (volumes), 8 (single objects)

The caller reads the server meanwhile. What is in flight is bounded in bytes. A failure in any thread is
raised by the caller's next `add` or `flush`, and nothing of the batch is committed.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Protocol

from msgspec import Struct

from archiver.archive.sealing import Compression, Compressions, seal
from archiver.errors import ArchiverError
from archiver.formats import age, frames
from archiver.model import Frame, Place, Sealed
from archiver.ports import Store

VOLUME_SIZE = 1 << 26  # a volume's payload, padding included; only a single larger frame exceeds it
SMALLEST_PADDING = 8  # a skippable frame without content
IN_FLIGHT = 8 << 20  # bytes of frames between the caller and the disk, beside one long frame


class Slot(Struct, frozen=True):
    """Where a message lies in a frame that has not found its object yet."""

    frame: int
    offset: int
    length: int


class Batch(Struct, frozen=True):
    """What a flush wrote: the objects, the frame table of each, and where each frame came to lie."""

    objects: tuple[Sealed, ...]
    tables: dict[str, tuple[Frame, ...]]
    frames: dict[int, tuple[str, int]]  # frame -> its object's key, and offset in the object's payload

    def place(self, slot: Slot) -> Place:
        """Tell where a message lies."""
        key, offset = self.frames[slot.frame]
        return Place(key, offset + slot.offset, slot.length)


class Packer(Protocol):
    """Takes messages laid out as pieces, and gives back where they lie after the next flush."""

    def add(self, pieces: Sequence[bytes], key: Callable[[], str]) -> Slot:
        """Take one message. `key` names a new object, if this message opens one."""
        ...

    def flush(self) -> Batch:
        """Wait until all that was added is in the store; begin a new batch."""
        ...

    def close(self, *, discard: bool = False) -> None:
        """Stop the threads; with `discard`, take back what was written since the last flush."""
        ...


class Budget:
    """Bounds the bytes in flight; the one who waits is woken by a failure too."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait for room; what is larger than the whole budget goes alone. Raises the failure, if any."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._failure or not self._used or self._used + size <= self._limit
            )
            if self._failure:
                raise self._failure
            self._used += size

    def give(self, size: int) -> None:
        """Free room."""
        with self._changed:
            self._used -= size
            self._changed.notify()

    def fail(self, failure: BaseException) -> None:
        """Wake whoever waits, with a failure."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()


class _Frame(Struct):
    number: int
    size: int
    packed: "Future[list[bytes]] | None"  # None once it is taken: a long frame is not to be held by its task
    key: Callable[[], str]


class _Gathering:
    """The frame that messages of one kind go to now: one stretch of bytes, which is compressed in one call."""

    def __init__(self, compression: Compression) -> None:
        self.compression = compression
        self.number = -1
        self.data = bytearray()
        self.pieces: list[
            bytes
        ] = []  # in place of `data`, for one message larger than a frame: no copy of it
        self.size = 0

    def add(self, pieces: Sequence[bytes], length: int) -> None:
        """Take one message."""
        self.size += length
        if length > self.compression.frame_size:
            self.pieces = list(pieces)
            return
        for piece in pieces:
            self.data += piece

    def take(self) -> list[bytes | bytearray]:
        """Give all that was gathered, and begin anew."""
        taken: list[bytes | bytearray] = [*self.pieces] if self.pieces else [self.data]
        self.pieces, self.data, self.size = [], bytearray(), 0
        return taken


class VolumePacker:
    """Lays many messages into one object: short frames and long ones, volumes of about 64 MiB."""

    def __init__(self, store: Store, recipients: Sequence[age.Recipient], compressions: Compressions) -> None:
        self._store = store
        self._recipients = recipients
        self._compressions = compressions
        self._budget = Budget(IN_FLIGHT + compressions.large.frame_size)
        self._compressors = ThreadPoolExecutor(2, "compress")
        self._writers = ThreadPoolExecutor(2, "seal")
        self._tasks: list[Future[None]] = []
        self._queue: SimpleQueue[_Frame | None] = SimpleQueue()
        self._volume_open = False
        self._gathering = {one: _Gathering(one) for one in (compressions.small, compressions.large)}
        self._number = 0
        self._key: Callable[[], str]
        self._begin_batch()

    def add(self, pieces: Sequence[bytes], key: Callable[[], str]) -> Slot:
        """See `Packer.add`."""
        length = sum(map(len, pieces))
        compression = self._compressions.of(length)
        frame = self._gathering[compression]
        if frame.size and frame.size + length > compression.frame_size:
            self._close_frame(frame)
        if not frame.size:
            frame.number = self._number
            self._number += 1
        slot = Slot(frame.number, frame.size, length)
        self._key = key
        frame.add(pieces, length)
        if frame.size >= compression.frame_size:
            self._close_frame(frame)
        return slot

    def flush(self) -> Batch:
        """See `Packer.flush`."""
        for gathering in self._gathering.values():
            if gathering.size:
                self._close_frame(gathering)
        if self._volume_open:
            self._queue.put(None)
            self._volume_open = False
        while self._tasks:
            self._tasks.pop(0).result()
        batch = Batch(tuple(sorted(self._objects, key=lambda sealed: sealed.key)), self._tables, self._places)
        self._begin_batch()
        return batch

    def close(self, *, discard: bool = False) -> None:
        """See `Packer.close`."""
        if self._volume_open:
            self._queue.put(None)
        self._compressors.shutdown(cancel_futures=True)
        self._writers.shutdown(cancel_futures=True)
        if discard:
            take_back(self._store, self._objects)

    def _begin_batch(self) -> None:
        self._objects: list[Sealed] = []
        self._tables: dict[str, tuple[Frame, ...]] = {}
        self._places: dict[int, tuple[str, int]] = {}

    def _close_frame(self, gathered: _Gathering) -> None:
        size = gathered.size
        self._budget.take(size)
        packed = self._compressors.submit(_pack, gathered.take(), gathered.compression)
        frame = _Frame(gathered.number, size, packed, self._key)
        if self._volume_open:
            self._queue.put(frame)
        else:
            self._volume_open = True
            self._start_volume(frame)

    def _start_volume(self, first: _Frame) -> None:
        self._tasks.append(self._writers.submit(self._write_volume, first))

    def _write_volume(self, first: _Frame) -> None:
        """Write one object from `first` on; the frame that does not fit any more opens the next."""
        key = first.key()
        table: list[Frame] = []

        def packed() -> Iterator[list[bytes]]:
            frame: _Frame | None = first
            total = offset = 0
            while frame is not None:
                assert frame.packed is not None
                pieces = frame.packed.result()
                size = sum(map(len, pieces))
                if table and total + size > VOLUME_SIZE - SMALLEST_PADDING:
                    self._start_volume(frame)
                    return
                frame.packed = None
                self._places[frame.number] = (key, offset)
                table.append(Frame(size, frame.size))
                total += size
                offset += frame.size
                yield pieces
                self._budget.give(frame.size)
                del pieces
                frame = self._queue.get()

        try:
            self._objects.append(seal(self._store, "volume", key, packed(), self._recipients))
            self._tables[key] = tuple(table)
        except BaseException as failure:
            self._budget.fail(failure)
            raise


class ObjectPacker:
    """Lays every message into an object of its own, several at a time."""

    def __init__(self, store: Store, recipients: Sequence[age.Recipient], compressions: Compressions) -> None:
        self._store = store
        self._recipients = recipients
        self._compressions = compressions
        self._budget = Budget(3 * IN_FLIGHT)
        self._writers = ThreadPoolExecutor(8, "seal")  # what they wait for is the disk
        self._tasks: list[Future[tuple[int, Sealed, Frame]]] = []
        self._number = 0

    def add(self, pieces: Sequence[bytes], key: Callable[[], str]) -> Slot:
        """See `Packer.add`."""
        size = sum(map(len, pieces))
        self._budget.take(size)
        slot = Slot(self._number, 0, size)
        self._number += 1
        self._tasks.append(self._writers.submit(self._write, slot, pieces, key()))
        return slot

    def flush(self) -> Batch:
        """See `Packer.flush`."""
        written = [task.result() for task in self._tasks]
        self._tasks = []
        return Batch(
            objects=tuple(sealed for _, sealed, _ in written),
            tables={sealed.key: (frame,) for _, sealed, frame in written},
            frames={number: (sealed.key, 0) for number, sealed, _ in written},
        )

    def close(self, *, discard: bool = False) -> None:
        """See `Packer.close`."""
        self._writers.shutdown(cancel_futures=True)
        if discard:
            done = [task for task in self._tasks if not task.cancelled() and task.exception() is None]
            take_back(self._store, [task.result()[1] for task in done])

    def _write(self, slot: Slot, pieces: Sequence[bytes], key: str) -> tuple[int, Sealed, Frame]:
        try:
            packed = _pack(pieces, self._compressions.of(slot.length))
            sealed = seal(self._store, "volume", key, [packed], self._recipients)
        except BaseException as failure:
            self._budget.fail(failure)
            raise
        self._budget.give(slot.length)
        return slot.frame, sealed, Frame(sum(map(len, packed)), slot.length)


def take_back(store: Store, objects: Iterable[Sealed]) -> None:
    """Remove objects that no manifest names, as far as the store lets us: a full disk is not to get fuller."""
    with suppress(ArchiverError):
        for sealed in objects:
            store.delete(sealed.key)


def _pack(pieces: Sequence[bytes | bytearray], how: Compression) -> list[bytes]:
    return frames.pack(pieces, level=how.level, window_log=how.window_log, far=how.far)
