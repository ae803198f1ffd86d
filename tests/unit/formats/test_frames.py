import os
import random
import struct
import threading
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
import zstandard

from archiver.errors import Damaged
from archiver.formats import frames

MIB = 1 << 20
TEXT = b"a line of a message that comes again and again\r\n" * 2000
ONE = frames.pack([TEXT])[0]


def packed(*pieces: bytes) -> bytes:
    return b"".join(frames.pack(pieces))


def streamed(payload: bytes, size: int = 1 << 16) -> bytes:
    return b"".join(
        frames.unpack_stream(payload[start : start + size] for start in range(0, len(payload), size))
    )


def header_of(frame: bytes) -> zstandard.FrameParameters:
    return zstandard.get_frame_parameters(frame)


@pytest.mark.parametrize("size", [0, 1, 100, MIB, 4 * MIB, 4 * MIB + 1, 9 * MIB])
@pytest.mark.parametrize("random", [False, True])
def test_pieces_become_one_frame_that_gives_them_back(size: int, random: bool) -> None:
    data = os.urandom(size) if random else (TEXT * (size // len(TEXT) + 1))[:size]
    pieces = [data[start : start + 700_001] for start in range(0, size, 700_001)]
    frame = packed(*pieces)
    assert frames.unpack(frame, size) == data
    assert streamed(frame) == data
    assert header_of(frame).content_size == size
    assert header_of(frame).has_checksum
    assert header_of(frame).window_size <= frames.MAX_WINDOW


def test_a_frame_of_nothing_is_a_frame() -> None:
    assert frames.unpack(packed(), 0) == b""
    assert frames.unpack(packed(b"", b""), 0) == b""


@pytest.mark.parametrize("level", [1, 3, 19, 22])
@pytest.mark.parametrize("window_log", [None, 10, 27])
def test_no_setting_asks_for_a_larger_window(level: int, window_log: int | None) -> None:
    frame = b"".join(frames.pack([TEXT], frames.Effort(level=level, window_log=window_log)))
    assert frames.unpack(frame, len(TEXT)) == TEXT
    assert header_of(frame).window_size <= frames.MAX_WINDOW


def test_a_long_window_finds_what_a_short_one_forgets() -> None:
    far = os.urandom(6 * MIB)
    pieces = [far, far]
    short, long = frames.pack(pieces), frames.pack(pieces, frames.Effort(window_log=27, far=True))
    assert sum(map(len, long)) < 0.6 * sum(map(len, short))
    assert frames.unpack(b"".join(long), 12 * MIB) == far + far


@pytest.mark.parametrize("setting", [{"window_log": 28}, {"window_log": 9}, {"level": 0}, {"level": 23}])
def test_an_impossible_setting_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=" is "):
        frames.pack([b"x"], frames.Effort(**setting))


class Faulty:
    """A compressor in whose input one byte tips over, as in bad memory."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def compress(self, data: bytes) -> Any:
        return self._inner.compress(b"\x01" + bytes(data[1:]))

    def compressobj(self, size: int) -> "Faulty":
        return Faulty(self._inner.compressobj(size=size))

    def flush(self) -> Any:
        return self._inner.flush()


@pytest.mark.parametrize("size", [100, 33 * MIB])
def test_a_machine_that_compresses_wrongly_is_caught(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Faulty(frames._compressor(frames.USUAL))
    monkeypatch.setattr(frames, "_compressor", lambda *_: faulty)
    with pytest.raises(Damaged, match="give back") as caught:
        frames.pack([bytes(size)])
    assert caught.value.hint


def test_pieces_are_compared_to_their_end() -> None:
    assert frames._equal([b"ab", b"", b"c"], [b"a", b"bc"])
    assert not frames._equal([b"abc"], [b"ab"])
    assert not frames._equal([b"ab"], [b"abc"])
    assert not frames._equal([b"abc"], [b"ab", b"d"])


def test_packing_a_large_piece_makes_no_second_copy() -> None:
    piece = os.urandom(8 * MIB) * 6
    frames.pack([b"warm"])
    tracemalloc.start()
    made = sum(map(len, frames.pack([piece], frames.Effort(window_log=27, far=True))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made < 12 * MIB
    assert peak < made + 20 * MIB  # and not 48 MiB more


def test_unpacking_a_stream_of_zeros_takes_bounded_memory() -> None:
    payload = packed(bytes(60 * MIB))
    assert len(payload) < MIB // 10
    tracemalloc.start()
    longest = max(map(len, frames.unpack_stream([payload])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert longest <= MIB
    assert peak < 8 * MIB


def test_threads_do_not_disturb_each_other() -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        for number in range(30):
            data = bytes([seed, number]) * 40_000
            frame = packed(data)
            stream = frames.unpack_stream([frame, frame])
            begin = next(stream)
            if frames.unpack(frame, len(data)) != data or begin + b"".join(stream) != data + data:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- what unpack refuses


@pytest.mark.parametrize("size", [0, len(TEXT) - 1, len(TEXT) + 1, 1 << 62])
def test_another_size_than_expected_is_refused(size: int) -> None:
    with pytest.raises(Damaged, match="declares"):
        frames.unpack(ONE, size)


def frame_without(**parameters: int) -> bytes:
    settings = {"compression_level": 3, "write_checksum": 1, "write_content_size": 1} | parameters
    return zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(**settings)
    ).compress(TEXT)


BAD = {
    "nothing": b"",
    "four bytes": ONE[:4],
    "text": b"hello",
    "two frames": ONE + ONE,
    "a byte behind": ONE + b"\x00",
    "padding behind": ONE + frames.padding(len(ONE)),
    "padding before": struct.pack("<II", 0x184D2A50, 0) + ONE,
    "cut": ONE[:-1],
    "cut before the checksum": ONE[:-4],
    "no checksum": frame_without(write_checksum=0),
    "no size": frame_without(write_content_size=0),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_exactly_one_good_frame_is_refused(name: str) -> None:
    with pytest.raises(Damaged) as caught:
        frames.unpack(BAD[name], len(TEXT))
    assert caught.value.hint


def huge_window(size: int = 5) -> bytes:
    """A frame of one raw block that asks for a window of 256 MiB: descriptor, window log 28, size, block."""
    block = b"hello"
    descriptor, window = 0b1000_0100, 18 << 3
    head = bytes([descriptor, window]) + size.to_bytes(4, "little")
    return frames._MAGIC + head + (len(block) << 3 | 1).to_bytes(3, "little") + block + bytes(4)


def test_a_window_over_the_limit_is_refused_before_decoding() -> None:
    assert header_of(huge_window()).window_size == 1 << 28
    with pytest.raises(Damaged, match="128 MiB"):
        frames.unpack(huge_window(), 5)
    with pytest.raises(Damaged, match="128 MiB"):
        streamed(huge_window())


def test_a_size_that_only_the_header_claims_takes_no_memory() -> None:
    frame = bytearray(huge_window(1 << 31))
    frame[5] = 0  # a window of 1 KiB
    tracemalloc.start()
    with pytest.raises(Damaged):
        streamed(bytes(frame))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB


# --- payloads of many frames


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_a_payload_of_frames_and_padding_is_read_to_its_end(size: int) -> None:
    payload = packed(b"first") + packed(TEXT) + packed() + frames.padding(3) + packed(b"last")
    payload += frames.padding(len(payload))
    assert streamed(payload, size) == b"first" + TEXT + b"last"
    assert streamed(b"", size) == b""


@pytest.mark.parametrize(
    "tail",
    [
        b"\x00",
        b"\x28\xb5\x2f",
        b"garbage",
        bytes(100),
        ONE[:-1],
        ONE[:10],
        ONE[:-5],
        frames.padding(1000)[:-1],
    ],
)
def test_a_payload_that_ends_in_something_else_is_refused(tail: bytes) -> None:
    with pytest.raises(Damaged):
        streamed(ONE + tail)
    with pytest.raises(Damaged):
        streamed(tail + ONE)


def test_a_frame_without_size_or_checksum_is_refused_in_a_payload_too() -> None:
    for name in ("no checksum", "no size"):
        with pytest.raises(Damaged, match="no size, no checksum"):
            streamed(ONE + BAD[name])


def test_a_long_skippable_frame_is_not_held() -> None:
    length = 40 * MIB
    chunks = [struct.pack("<II", 0x184D2A5F, length), *([bytes(MIB)] * 40), ONE]
    tracemalloc.start()
    assert b"".join(frames.unpack_stream(chunks)) == TEXT
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB


# --- padding


@pytest.mark.parametrize(
    ("length", "padded"), [(0, 0), (1, 1), (2, 2), (8, 8), (9, 10), (100, 104), (1000, 1024), (65537, 67584)]
)
def test_padme_is_as_published(length: int, padded: int) -> None:
    assert frames.padme(length) == padded


@pytest.mark.parametrize(
    "length", [0, 1, 9, 15, 16, 17, 100, 1021, 1022, 1023, 1024, 65530, 10**6, 64 * MIB + 1]
)
def test_padding_brings_a_payload_to_a_padme_length(length: int) -> None:
    pad = frames.padding(length)
    total = length + len(pad)
    assert frames.padme(total) == total
    assert not pad or len(pad) >= 8
    assert streamed(pad) == b""
    assert total < 1.13 * length + 24


def test_salvage_gives_all_whole_blocks_before_the_cut() -> None:
    content = random.Random(1).randbytes(1_000_000)
    frame = b"".join(frames.pack([content]))
    for cut in (len(frame), len(frame) - 1, 700_000, 300_000, 131_000, 10, 3):
        got: list[bytes] = []
        with suppress(Damaged):
            for piece in frames.unpack_stream([frame[:cut]], salvage=True):
                got.append(piece)
        found = b"".join(got)
        assert content.startswith(found)
        assert len(content) - len(found) <= max(0, len(frame) - cut) + (1 << 17)
