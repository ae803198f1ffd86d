"""Laws of the zstd frames: they round-trip, and what was changed is refused or gives the very same bytes."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import Damaged
from archiver.formats import frames

CONTENT = b"".join(b"line %d of a message\r\n" % (number % 37) for number in range(400))
FRAME = frames.pack([CONTENT])[0]
PAYLOAD = FRAME + frames.pack([b"short"])[0]
PADDED = PAYLOAD + frames.padding(len(PAYLOAD))

pieces = st.lists(st.binary(max_size=2000), max_size=20)


def streamed(payload: bytes, size: int = 1000) -> bytes:
    return b"".join(
        frames.unpack_stream(payload[start : start + size] for start in range(0, len(payload), size))
    )


@settings(deadline=None)
@given(pieces, st.sampled_from([1, 3, 9]), st.sampled_from([None, 10, 20, 27]))
def test_pieces_round_trip(given_pieces: list[bytes], level: int, window_log: int | None) -> None:
    data = b"".join(given_pieces)
    frame = b"".join(frames.pack(given_pieces, frames.Effort(level=level, window_log=window_log)))
    assert frames.unpack(frame, len(data)) == data
    assert streamed(frame) == data


@settings(deadline=None)
@given(st.lists(pieces, max_size=5), st.integers(1, 5000))
def test_payloads_round_trip_however_they_are_cut(groups: list[list[bytes]], size: int) -> None:
    payload = b"".join(b"".join(frames.pack(group)) for group in groups)
    payload += frames.padding(len(payload))
    assert frames.padme(len(payload)) == len(payload)
    assert streamed(payload, size) == b"".join(b"".join(group) for group in groups)


def same_or_refused(changed: bytes) -> None:
    with suppress(Damaged):
        assert frames.unpack(changed, len(CONTENT)) == CONTENT
    with suppress(Damaged):
        assert streamed(changed) == CONTENT


def test_every_flipped_bit_is_refused_or_harmless() -> None:
    for place in range(len(FRAME)):
        for bit in range(8):
            changed = bytearray(FRAME)
            changed[place] ^= 1 << bit
            same_or_refused(bytes(changed))


def test_every_truncation_is_refused() -> None:
    for length in range(len(FRAME)):
        with pytest.raises(Damaged):
            frames.unpack(FRAME[:length], len(CONTENT))
    whole = {0, len(FRAME), len(PAYLOAD)}  # a payload cut between frames is for its index to notice
    for length in set(range(len(PADDED))) - whole:
        with pytest.raises(Damaged):
            streamed(PADDED[:length])


@settings(deadline=None, max_examples=300)
@given(st.binary(min_size=1, max_size=100))
def test_whatever_is_appended_is_refused(tail: bytes) -> None:
    with pytest.raises(Damaged):
        frames.unpack(FRAME + tail, len(CONTENT))
    with pytest.raises(Damaged):
        streamed(FRAME + tail)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_refused_in_the_words_of_the_house(garbage: bytes, magic: bool) -> None:
    frame = (FRAME[:4] if magic else b"") + garbage
    with pytest.raises(Damaged):
        frames.unpack(frame, 10)
    if frame:
        with pytest.raises(Damaged):
            streamed(frame)


@settings(deadline=None)
@given(st.integers(0, 1 << 45))
def test_padme_is_idempotent_monotone_and_cheap(length: int) -> None:
    padded = frames.padme(length)
    assert length <= padded <= 1.12 * length
    assert frames.padme(padded) == padded
    assert frames.padme(length + 1) >= padded
