"""Laws of the age format: every way in and out agrees, and no changed byte is ever let through."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import Damaged
from archiver.formats import age, bech32

ME = age.Identity.from_bytes(bytes(range(32)))
OTHER = age.Identity.from_bytes(bytes(range(1, 33)))
CHUNK = 64 * 1024
CARRIER = age.encrypt(bytes(range(256)) * 600, [ME.recipient, OTHER.recipient])  # three chunks
SMALL = age.encrypt(b"a short object", [ME.recipient])

near_chunks = st.builds(
    lambda chunks, offset: max(0, chunks * CHUNK + offset), st.integers(0, 3), st.integers(-20, 20)
)
sizes = st.one_of(near_chunks, st.integers(0, 4 * CHUNK))
cuts = st.lists(st.integers(1, 3 * CHUNK), min_size=1, max_size=8)


def plain_of(size: int) -> bytes:
    return bytes(number * 7 + (number >> 8) & 255 for number in range(256 * 11)) * (size // 2816 + 1)


def cut(data: bytes, lengths: list[int]) -> Iterator[bytes]:
    """Cut data into pieces of the given lengths, over and over."""
    start = 0
    while start < len(data):
        for length in lengths:
            yield data[start : start + length]
            start += length


def seal(plain: bytes, lengths: list[int]) -> bytes:
    encryptor = age.Encryptor([OTHER.recipient, ME.recipient])
    sealed = [out for piece in cut(plain, lengths) for out in encryptor.update(piece)]
    return b"".join(sealed + encryptor.finish())


def reader_of(data: bytes) -> age.RandomReader:
    return age.RandomReader(lambda start, length: data[start : start + length], len(data), [ME])


@settings(max_examples=60, deadline=None)
@given(sizes, cuts, cuts)
def test_streams_random_access_and_whole_files_agree(
    size: int, lengths: list[int], others: list[int]
) -> None:
    plain = plain_of(size)[:size]
    sealed = seal(plain, lengths)
    assert b"".join(age.decrypt_stream(cut(sealed, others), [ME])) == plain
    assert age.decrypt(sealed, [ME]) == plain
    reader = reader_of(sealed)
    assert reader.size == size
    assert reader.read(0, size) == plain


@settings(max_examples=60, deadline=None)
@given(sizes, st.data())
def test_random_reads_equal_slices(size: int, data: st.DataObject) -> None:
    plain = plain_of(size)[:size]
    reader = reader_of(seal(plain, [size or 1]))
    for _ in range(5):
        start = data.draw(st.integers(0, size + 10))
        length = data.draw(st.integers(0, size + 10))
        assert reader.read(start, length) == plain[start : start + length]


def refuse(changed: bytes) -> None:
    with pytest.raises((Damaged, age.NoMatch)):
        age.decrypt(changed, [ME])
    with pytest.raises((Damaged, age.NoMatch)):
        reader = reader_of(changed)
        reader.read(0, reader.size)


def test_any_flipped_bit_of_a_small_file_is_refused() -> None:
    for place in range(len(SMALL)):
        for bit in range(8):
            changed = bytearray(SMALL)
            changed[place] ^= 1 << bit
            refuse(bytes(changed))


def test_every_truncation_of_a_small_file_is_refused() -> None:
    for length in range(len(SMALL)):
        refuse(SMALL[:length])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(CARRIER) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, change: int) -> None:
    refuse(CARRIER[:place] + bytes([CARRIER[place] ^ change]) + CARRIER[place + 1 :])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(CARRIER) - 1))
def test_any_truncation_is_refused(length: int) -> None:
    refuse(CARRIER[:length])


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=2 * CHUNK))
def test_anything_appended_is_refused(tail: bytes) -> None:
    refuse(CARRIER + tail)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(CARRIER) - 1), st.integers(0, 8))
def test_what_a_stream_releases_is_always_a_true_prefix(place: int, bit: int) -> None:
    plain = age.decrypt(CARRIER, [ME])
    changed = bytearray(CARRIER)
    changed[place] ^= 1 << bit & 255
    released = b""
    try:
        for piece in age.decrypt_stream([bytes(changed)], [ME]):
            released += piece
    except (Damaged, age.NoMatch):
        assert len(released) < len(plain)
    assert plain.startswith(released)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused_in_the_words_of_the_house(garbage: bytes) -> None:
    refuse(garbage)
    refuse(b"age-encryption.org/v1\n" + garbage)
    with pytest.raises(age.BadArmor):
        age.decode_armor(garbage)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_armor_round_trips(data: bytes) -> None:
    assert age.decode_armor(age.encode_armor(data)) == data


@settings(deadline=None)
@given(st.text("abcdefgh-1", min_size=1, max_size=20), st.binary(max_size=80))
def test_bech32_round_trips(prefix: str, data: bytes) -> None:
    text = bech32.encode(prefix, data)
    assert bech32.decode(text) == (prefix, data)
    assert bech32.decode(text.upper()) == (prefix.upper(), data)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.data())
def test_a_mistyped_identity_is_refused(secret: bytes, data: st.DataObject) -> None:
    text = age.Identity.from_bytes(secret).text
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(
        st.sampled_from("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L").filter(lambda it: it != text[place])
    )
    with pytest.raises(age.NotAKey):
        age.Identity.from_text(text[:place] + letter + text[place + 1 :])
