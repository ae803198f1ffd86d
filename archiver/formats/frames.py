"""zstd frames as archives hold them: independent, of declared size, with a checksum (RFC 8878).

One frame holds whole messages and can be read without its neighbours. Its window is at most 128 MiB, the
limit of a plain `zstd -d`. A skippable frame pads a payload, so that its length tells little (archive format,
section Envelope). This is the only importer of `zstandard`.
"""

import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import zstandard
from msgspec import Struct

from archiver.errors import Damaged

MAX_WINDOW_LOG = 27
MAX_WINDOW = 1 << MAX_WINDOW_LOG
MAGIC = _MAGIC = zstandard.FRAME_HEADER
_SKIPPABLE = 0x184D2A50  # to 0x184D2A5F
_SKIPPABLE_HEADER = struct.Struct("<II")
_CHECKSUM_SIZE = 4
_RLE, _RESERVED = 1, 3
_ONE_SHOT = 32 * 1024 * 1024  # up to here a frame is compressed, and decompressed, in one call
_PART = 4 * 1024 * 1024
_BLOCKS_AT_ONCE = 8  # a block gives at most 128 KiB, so at most 1 MiB is decoded at once
_FOREIGN_STEP = 1024  # bytes decoded at once: blocks of a few bytes may give 128 KiB each
Piece: TypeAlias = bytes | memoryview
_HINT = "the object is damaged; take it from another copy"


class Effort(Struct, frozen=True):
    """How hard to look for repetition, and over what distance."""

    level: int = 3
    window_log: int | None = None  # 10 to 27: look 2**window_log bytes back; what the level says if not given
    hash_log: int | None = None  # remember 2**hash_log places; what the level says if not given
    far: bool = False  # with a table made for long distances


USUAL = Effort()


def pack(pieces: Sequence[Piece], effort: Effort = USUAL) -> list[bytes]:
    """Compress the pieces, one after another, into one frame, and prove that it gives them back.

    Gives the frame in one or more pieces. Raises `Damaged` if decompressing it gives anything else: then this
    machine is at fault. Safe in several threads; the heavy calls release the GIL.
    """
    size = sum(map(len, pieces))
    if size <= _ONE_SHOT:
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        packed = [_compressor(effort).compress(data)]
        same = _decompress(packed[0]) == data
    else:
        stream = _compressor(effort).compressobj(size=size)
        packed = [out for part in _parts(pieces) if (out := stream.compress(part))]
        packed.append(stream.flush())
        same = _equal(pieces, unpack_stream(packed))
    _prove(same)
    return packed


def pack_start(buffer: bytearray, size: int, effort: Effort = USUAL) -> list[bytes]:
    """Compress the first `size` bytes of a buffer, without a copy of them; otherwise as `pack`."""
    view = memoryview(buffer)[:size]
    if size > _ONE_SHOT:
        return pack([view], effort)
    frame = _compressor(effort).compress(view)
    content = _decompress(frame)
    _prove(len(content) == size and buffer.startswith(content))  # comparing views would go byte by byte
    return [frame]


def _prove(same: bool) -> None:
    if not same:
        raise Damaged(
            "a compressed frame does not give back what was put into it",
            "the memory or the processor of this machine is faulty; run archiver on another one",
        )


def unpack(frame: bytes, size: int) -> bytes:
    """Decompress exactly one frame that must hold `size` bytes; raises `Damaged`.

    What the frame says of itself is compared before a byte is decoded or memory taken: a short frame can
    declare any size.
    """
    declared = _check_header(frame)
    if declared != size:
        raise _damaged(f"it declares {declared} bytes where {size} are expected")
    return _decompress(frame)


def unpack_stream(chunks: Iterable[bytes], *, salvage: bool = False) -> Iterator[bytes]:
    """Decompress a payload of many frames that comes in chunks of any size; raises `Damaged`.

    Skippable frames are passed over. Gives pieces of at most 1 MiB in bounded memory. What was given before
    an error may be a part: a frame's checksum comes after its content. With `salvage` it is all that there is
    before the damage, which the caller must prove by other means.
    """
    source = _Source(chunks)
    while head := source.take_up_to(4):
        if head == _MAGIC:
            yield from _unpack_frame(source, 1 if salvage else _BLOCKS_AT_ONCE)
        elif int.from_bytes(head, "little") & ~15 == _SKIPPABLE:
            source.skip(int.from_bytes(source.take(4), "little"))
        else:
            raise _damaged("it is cut, or something that is no frame stands in its place")


def padme(length: int) -> int:
    """Round a length up so that it tells O(log log length) bits, at a cost of at most 12 % (PURBs, Padmé)."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    kept = exponent.bit_length()  # so many bits after the leading one may differ
    mask = (1 << exponent - kept) - 1
    return length + mask & ~mask


def padding(payload_length: int) -> bytes:
    """Make the skippable frame that brings a payload of this length to a Padmé length; empty if it has it."""
    target = padme(payload_length)
    while 0 < target - payload_length < _SKIPPABLE_HEADER.size:
        target = padme(target + 1)
    if target == payload_length:
        return b""
    filling = target - payload_length - _SKIPPABLE_HEADER.size
    return _SKIPPABLE_HEADER.pack(_SKIPPABLE, filling) + bytes(filling)


def unpack_foreign(stored: bytes, limit: int) -> bytes:
    """Decompress what another program wrote: frames one after another, with sizes and checksums or without.

    Raises `Damaged` for what does not decompress, is cut, or gives more than `limit` bytes.
    """
    given = bytearray()
    view = memoryview(stored)
    while view:
        decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
        while view and not decoder.eof:
            try:
                given += decoder.decompress(view[:_FOREIGN_STEP])
            except zstandard.ZstdError:
                raise _damaged("it does not decompress") from None
            view = view[_FOREIGN_STEP:]
            if len(given) > limit:
                raise _damaged(f"it holds more than {limit} bytes")
        if not decoder.eof:
            raise _damaged("it is cut")
        view = memoryview(decoder.unused_data + bytes(view))
    return bytes(given)


# --- compressors and decompressors, kept for each thread: a new one costs more than a small message -----


class _Kept(threading.local):
    def __init__(self) -> None:
        self.compressors: dict[Effort, zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)


_kept = _Kept()


def _compressor(effort: Effort) -> zstandard.ZstdCompressor:
    kept = _kept.compressors.get(effort)
    if kept is None:
        kept = _kept.compressors[effort] = _new_compressor(effort)
    return kept


def _new_compressor(effort: Effort) -> zstandard.ZstdCompressor:
    level, window_log = effort.level, effort.window_log
    if not 1 <= level <= zstandard.MAX_COMPRESSION_LEVEL:
        raise ValueError(f"level is 1 to {zstandard.MAX_COMPRESSION_LEVEL}, not {level}")
    if window_log is not None and not zstandard.WINDOWLOG_MIN <= window_log <= MAX_WINDOW_LOG:
        raise ValueError(f"window_log is {zstandard.WINDOWLOG_MIN} to {MAX_WINDOW_LOG}, not {window_log}")
    # not from_level(): that fixes tables for the largest inputs, which cost a small one more than its content
    parameters = zstandard.ZstdCompressionParameters(
        compression_level=level,
        window_log=window_log or 0,  # 0: what the level and the size ask for, never over 27
        hash_log=effort.hash_log or 0,
        enable_ldm=int(effort.far),
        write_checksum=1,
        write_content_size=1,
        write_dict_id=0,
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def _decompress(frame: bytes) -> bytes:
    try:
        return _kept.decompressor.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError:
        raise _damaged("it does not decompress, or something stands after it") from None


# --- the anatomy of a frame (RFC 8878, section 3.1.1) ---------------------------------------------------


class _Source:
    """Takes exact numbers of bytes from chunks of any size."""

    def __init__(self, chunks: Iterable[Piece]) -> None:
        self._chunks = iter(chunks)
        self._view = memoryview(b"")

    def take_up_to(self, length: int) -> bytes:
        """Take `length` bytes, or as many as there are."""
        taken = self._view[:length].tobytes()
        self._view = self._view[length:]
        while len(taken) < length and (chunk := next(self._chunks, None)) is not None:
            view = memoryview(chunk)
            missing = length - len(taken)
            taken += view[:missing]
            self._view = view[missing:]
        return taken

    def take(self, length: int) -> bytes:
        """Take `length` bytes; raises `Damaged` if there are not so many."""
        taken = self.take_up_to(length)
        if len(taken) != length:
            raise _damaged("it is cut")
        return taken

    def skip(self, length: int) -> None:
        """Pass over `length` bytes without holding them; raises `Damaged` if there are not so many."""
        while length:
            length -= len(self.take(min(length, _PART)))


def _header_rest(descriptor: int) -> int:
    """Tell how many bytes of the frame header follow the descriptor."""
    single_segment = descriptor >> 5 & 1
    content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
    dictionary_id = (0, 1, 2, 4)[descriptor & 3]
    return 1 - single_segment + dictionary_id + content_size


def _check_header(head: bytes) -> int:
    """Refuse a frame that no archive holds, before any of it is decoded; give the size it declares."""
    if not head.startswith(_MAGIC):
        raise _damaged("it does not begin as a frame does")
    try:
        says = zstandard.get_frame_parameters(head)
    except zstandard.ZstdError:
        raise _damaged("its header is malformed") from None
    if says.content_size == zstandard.CONTENTSIZE_UNKNOWN or not says.has_checksum or says.dict_id:
        raise _damaged("it has no size, no checksum, or needs a dictionary")
    if says.window_size > MAX_WINDOW:
        raise _damaged("its window is over 128 MiB")
    return says.content_size


def _unpack_frame(source: _Source, blocks_at_once: int) -> Iterator[bytes]:
    """Decode one frame whose magic number is taken, block by block: so one call decodes a bounded amount."""
    descriptor = source.take(1)
    head = _MAGIC + descriptor + source.take(_header_rest(descriptor[0]))
    declared = _check_header(head)
    # not the kept one: a generator may wait between two calls while the thread unpacks something else
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
    given = 0
    try:
        last = False
        while not last:
            blocks, last = _take_blocks(source, blocks_at_once)
            piece = decoder.decompress(head + blocks)
            head = b""
            given += len(piece)
            if piece:
                yield piece
    except zstandard.ZstdError:
        raise _damaged("it does not decompress") from None
    # zstd compares the size itself; whether a frame was finished its callers must ask
    if not decoder.eof or decoder.unused_data or given != declared:
        raise _damaged("it does not hold what it declares")


def _take_blocks(source: _Source, at_most: int) -> tuple[bytes, bool]:
    """Take some blocks, the last with the checksum behind it: their bytes, and whether they end the frame."""
    taken: list[bytes] = []
    last = 0
    while not last and len(taken) < 2 * at_most:
        head = source.take(3)
        value = int.from_bytes(head, "little")
        last, kind, size = value & 1, value >> 1 & 3, value >> 3
        if kind == _RESERVED:
            raise _damaged("it has a block of an unknown kind")
        taken += (head, source.take(1 if kind == _RLE else size))
    if last:
        taken.append(source.take(_CHECKSUM_SIZE))
    return b"".join(taken), bool(last)


def _parts(pieces: Iterable[Piece]) -> Iterator[memoryview]:
    """Cut pieces so that no part is large: what comes out of each is one piece of the frame."""
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), _PART):
            yield view[start : start + _PART]


def _equal(pieces: Sequence[Piece], others: Iterable[bytes]) -> bool:
    """Compare two sequences of pieces, cut in different places, without joining either."""
    source = _Source(pieces)
    return all(source.take_up_to(len(other)) == other for other in others) and not source.take_up_to(1)


def _damaged(why: str) -> Damaged:
    return Damaged(f"a compressed frame is damaged: {why}", _HINT)
