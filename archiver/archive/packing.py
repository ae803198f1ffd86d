"""From messages to sealed objects, with the work spread over threads.

    add() ── frames of 2 and of 18 MiB ▶ compress + compare ──▶ encrypt, hash, put, read back
    caller's thread                     2 threads             2 threads (volumes), 8 (single objects)

The caller reads the server meanwhile. What is in flight is bounded in bytes. A failure in any thread is
raised by the caller's next `add` or `flush`, and nothing of the batch is committed.

Several runs may be at work at a time, each in a thread of its own. They share the bounds, the buffers, and the
threads that compress: two of them keep two processors busy, and memory does not grow with the number of runs.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Protocol

from msgspec import Struct

from archiver.archive.budget import Budget, Share
from archiver.archive.sealing import Compression, Compressions, seal
from archiver.errors import ArchiverError
from archiver.formats import age, frames
from archiver.model import Frame, Place, Sealed
from archiver.ports import Store

VOLUME_SIZE = 1 << 26  # a volume's payload, padding included; only a single larger frame exceeds it
SMALLEST_PADDING = 8  # a skippable frame without content
IN_FLIGHT = 4 << 20  # bytes of frames of one kind between the caller and the disk; a longer frame goes alone
_EARLY = 4  # of a full frame, so much at least: shorter ones would compress badly
_SPARE = 3  # one is filled, one compressed, one waits


class Slot(Struct, frozen=True, gc=False):
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


class _Frame(Struct):
    number: int
    size: int
    packed: "Future[list[bytes]] | None"  # None once it is taken: a long frame is not to be held by its task
    share: Share
    key: Callable[[], str]


class _Press:
    """What all packers share for frames of one kind: the thread that compresses one of them at a time, the bounds.

    Frames are gathered in a few buffers that are used again and again: fresh memory for each would be
    scattered over the heap, and cost the processor more than filling it.
    """

    def __init__(self, compression: Compression) -> None:
        self.frame_size = compression.frame_size
        self.budget = Budget(IN_FLIGHT)
        self._effort = compression.effort
        self._pool = ThreadPoolExecutor(1, "compress")
        self._spare: list[bytearray] = []
        self._gathered = 0  # bytes, in the frames of all packers that are not full yet
        self._lock = threading.Lock()

    def gather(self, size: int) -> None:
        """Note that so much more is gathered, or less."""
        with self._lock:
            self._gathered += size

    def is_crowded(self, size: int) -> bool:
        """Tell whether a frame of this size is to be closed early: together they take as much as one may alone."""
        return self._gathered > self.frame_size and size >= self.frame_size // _EARLY

    def buffer(self) -> bytearray:
        """Give a buffer for a frame."""
        with self._lock:
            return self._spare.pop() if self._spare else bytearray(self.frame_size)

    def compress(self, pieces: Sequence[bytes]) -> "Future[list[bytes]]":
        """Have a message that is a frame by itself compressed."""
        return self._pool.submit(frames.pack, pieces, self._effort)

    def compress_buffer(self, buffer: bytearray, size: int) -> "Future[list[bytes]]":
        """Have what was gathered in a buffer compressed; the buffer goes back."""
        return self._pool.submit(self._pack, buffer, size)

    def _pack(self, buffer: bytearray, size: int) -> list[bytes]:
        try:
            return frames.pack_start(buffer, size, self._effort)
        finally:
            with self._lock:
                if len(self._spare) < _SPARE:
                    self._spare.append(buffer)


@cache
def _press(compression: Compression) -> _Press:
    return _Press(compression)


class _Gathering:
    """The frame that messages of one kind go to now, of one packer."""

    def __init__(self, compression: Compression) -> None:
        self.press = _press(compression)
        self.share = Share(self.press.budget)
        self.number = -1
        self.size = 0
        self._alone: Sequence[bytes] = ()  # one message larger than a frame stays where it is
        self._buffer = bytearray()
        self._begun: set[Future[list[bytes]]] = set()

    @property
    def is_full(self) -> bool:
        """Whether the frame is to be closed."""
        return self.size >= self.press.frame_size or self.press.is_crowded(self.size)

    def add(self, pieces: Sequence[bytes], length: int) -> None:
        """Take one message."""
        if length > self.press.frame_size:
            self._alone, self.size = pieces, length
            return
        if not self.size:
            self._buffer = self.press.buffer()
        for piece in pieces:
            self._buffer[self.size : self.size + len(piece)] = piece
            self.size += len(piece)
        self.press.gather(length)

    def compress(self) -> "Future[list[bytes]]":
        """Have what was gathered compressed, and begin anew."""
        if self._alone:
            packed = self.press.compress(self._alone)
        else:
            packed = self.press.compress_buffer(self._buffer, self.size)
            self.press.gather(-self.size)
        self._alone, self._buffer, self.size = (), bytearray(), 0
        self._begun.add(packed)
        packed.add_done_callback(self._begun.discard)  # what it gives is not to be held here too
        return packed

    def close(self) -> None:
        """Give up what has not begun, and wait for what has."""
        if self._buffer:
            self.press.gather(-self.size)
            self._alone, self._buffer, self.size = (), bytearray(), 0
        wait([one for one in list(self._begun) if not one.cancel()])


class VolumePacker:
    """Lays many messages into one object: short frames and long ones, volumes of about 64 MiB."""

    def __init__(self, store: Store, recipients: Sequence[age.Recipient], compressions: Compressions) -> None:
        self._store = store
        self._recipients = recipients
        self._compressions = compressions
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
        if frame.is_full:
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
        for gathering in self._gathering.values():
            gathering.close()
        self._writers.shutdown(cancel_futures=True)
        for gathering in self._gathering.values():
            gathering.share.close()
        if discard:
            take_back(self._store, self._objects)

    def _begin_batch(self) -> None:
        self._objects: list[Sealed] = []
        self._tables: dict[str, tuple[Frame, ...]] = {}
        self._places: dict[int, tuple[str, int]] = {}

    def _close_frame(self, gathered: _Gathering) -> None:
        size = gathered.size
        gathered.share.take(size)
        frame = _Frame(gathered.number, size, gathered.compress(), gathered.share, self._key)
        if self._volume_open:
            self._queue.put(frame)
        else:
            self._volume_open = True
            self._start_volume(frame)

    def _start_volume(self, first: _Frame) -> None:
        self._tasks.append(self._writers.submit(self._write_volume, first))

    def _write_volume(self, first: _Frame) -> None:
        """Write one object from `first` on; the frame that does not fit any more opens the next.

        A volume that has come by chance to where it needs no padding is closed there.
        """
        key = first.key()
        table: list[Frame] = []

        def packed() -> Iterator[list[bytes]]:
            frame: _Frame | None = first
            total = offset = 0
            full = False
            while frame is not None:
                assert frame.packed is not None
                pieces = frame.packed.result()
                size = sum(map(len, pieces))
                if full or (table and total + size > VOLUME_SIZE - SMALLEST_PADDING):
                    self._start_volume(frame)
                    return
                frame.packed = None
                self._places[frame.number] = (key, offset)
                table.append(Frame(size, frame.size))
                total += size
                full = total > VOLUME_SIZE // 2 and frames.padme(total) - total < total >> 10
                offset += frame.size
                yield pieces
                frame.share.give(frame.size)
                del pieces
                frame = self._queue.get()

        try:
            self._objects.append(seal(self._store, "volume", key, packed(), self._recipients))
            self._tables[key] = tuple(table)
        except BaseException as failure:
            for gathering in self._gathering.values():
                gathering.share.fail(failure)
            raise


_objects_budget = Budget(6 * IN_FLIGHT)


@cache
def _objects_writers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, "seal")  # what they wait for is the disk


class ObjectPacker:
    """Lays every message into an object of its own, several at a time."""

    def __init__(self, store: Store, recipients: Sequence[age.Recipient], compressions: Compressions) -> None:
        self._store = store
        self._recipients = recipients
        self._compressions = compressions
        self._share = Share(_objects_budget)
        self._tasks: list[Future[tuple[int, Sealed, Frame]]] = []
        self._number = 0

    def add(self, pieces: Sequence[bytes], key: Callable[[], str]) -> Slot:
        """See `Packer.add`."""
        size = sum(map(len, pieces))
        self._share.take(size)
        slot = Slot(self._number, 0, size)
        self._number += 1
        self._tasks.append(_objects_writers().submit(self._write, slot, pieces, key()))
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
        wait([task for task in self._tasks if not task.cancel()])
        self._share.close()
        if discard:
            done = [task for task in self._tasks if not task.cancelled() and task.exception() is None]
            take_back(self._store, [task.result()[1] for task in done])

    def _write(self, slot: Slot, pieces: Sequence[bytes], key: str) -> tuple[int, Sealed, Frame]:
        try:
            packed = frames.pack(pieces, self._compressions.of(slot.length).effort)
            sealed = seal(self._store, "volume", key, [packed], self._recipients)
        except BaseException as failure:
            self._share.fail(failure)
            raise
        self._share.give(slot.length)
        return slot.frame, sealed, Frame(sum(map(len, packed)), slot.length)


def take_back(store: Store, objects: Iterable[Sealed]) -> None:
    """Remove objects that no manifest names, as far as the store lets us: a full disk is not to get fuller."""
    with suppress(ArchiverError):
        for sealed in objects:
            store.delete(sealed.key)
