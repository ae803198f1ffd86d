"""Laws of manifest, root and index: there and back, and nothing but `Damaged` for what is not theirs."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import Damaged
from archiver.formats.index import decode_index, encode_index
from archiver.formats.manifest import decode_manifest, encode_manifest
from archiver.formats.root import Feature, Root, Writer, decode_root, encode_root
from archiver.model import Drop, Frame, Kind, Manifest, Sealed
from archiver.rows import (
    EndRow,
    FlagsRow,
    FolderRow,
    HeaderRow,
    MessageRow,
    MissedRow,
    VanishedRow,
    VolumeRow,
)

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
archives = st.binary(min_size=16, max_size=16).map(bytes.hex)
chains = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=8)
sizes = st.integers(0, 10**18 - 1)
parts = st.text("abcXYZ019._-:,=+$", min_size=1, max_size=12).filter(lambda part: part not in (".", ".."))
keys = st.lists(parts, min_size=1, max_size=4).map("/".join)
times = st.datetimes(datetime(1000, 1, 2), datetime(9998, 1, 1)).map(
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789+/=", min_size=1, max_size=40)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)

manifests = st.builds(
    Manifest,
    archive=archives,
    chain=chains,
    seq=sizes,
    prev=hashes,
    root=sizes,
    root_sha256=hashes,
    time=times,
    kind=st.sampled_from(["run", "checkpoint", "prune", "erase", "compact", "repair"]),
    objects=st.lists(
        st.builds(Sealed, st.sampled_from(["index", "volume"]), sizes, hashes, keys), max_size=4
    ).map(tuple),
    drops=st.lists(st.builds(Drop, hashes, keys, st.sampled_from(["superseded", "erased"])), max_size=2).map(
        tuple
    ),
)
roots = st.builds(
    Root,
    archive=archives,
    number=sizes,
    prev=hashes,
    time=times,
    layout=st.sampled_from(["mbox", "maildir"]),
    owner=words,
    recipients=st.lists(words, min_size=1, max_size=3).map(tuple),
    writers=st.lists(st.builds(Writer, names, words, words), max_size=3).map(tuple),
    features=st.lists(st.builds(Feature, names, st.sampled_from(["read", "write", "check"])), max_size=2).map(
        tuple
    ),
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
small = st.integers(0, 1 << 60)
flags = st.frozensets(text, max_size=4)
dates = st.none() | st.datetimes(
    datetime(2, 1, 1),
    datetime(9998, 1, 1),
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
rows = st.one_of(
    st.builds(FolderRow, small, text, text, st.none() | text, st.none() | text, st.none() | text),
    st.builds(
        MessageRow,
        folder=small,
        epoch=text,
        key=text,
        sha256=hashes,
        size=small,
        volume=text,
        offset=small,
        length=small,
        flags=flags,
        received=dates,
        named_size=st.none() | small,
        message_id=st.none() | text,
        kind=st.sampled_from(Kind),
    ),
    st.builds(FlagsRow, small, text, st.lists(text, max_size=3).map(tuple), flags),
    st.builds(VanishedRow, small, text, st.lists(text, max_size=3).map(tuple)),
    st.builds(MissedRow, small, text, text, text, small, st.none() | small, flags, dates),
    st.builds(VolumeRow, text, small, st.lists(st.builds(Frame, small, small), max_size=3).map(tuple)),
)
headers = st.builds(HeaderRow, text, text, small, text, text, text)


@given(manifests)
def test_a_manifest_comes_back_and_is_written_in_one_way(manifest: Manifest) -> None:
    written = encode_manifest(manifest)
    assert decode_manifest(written) == manifest
    assert encode_manifest(decode_manifest(written)) == written


@given(roots)
def test_a_root_comes_back(root: Root) -> None:
    assert decode_root(encode_root(root)) == root


@given(headers, st.lists(rows, max_size=8))
def test_an_index_comes_back(header: HeaderRow, body: list[MessageRow]) -> None:
    found, back = decode_index(encode_index(header, body))
    assert (found, back) == (header, body)


SAMPLES: list[tuple[Callable[..., object], bytes]] = [
    (
        decode_manifest,
        encode_manifest(
            Manifest(
                *("0" * 32, "k7q2m9xa", 42, "0" * 64, 1, "f" * 64, datetime(2026, 1, 1, tzinfo=UTC), "run"),
                (Sealed("index", 10, "a" * 64, "chains/k7q2m9xa/indexes/x"),),
                (Drop("a" * 64, "chains/k7q2m9xa/volumes/x", "erased"),),
            )
        ),
    ),
    (
        decode_root,
        encode_root(
            Root(
                *("0" * 32, 1, "0" * 64, datetime(2026, 1, 1, tzinfo=UTC), "mbox", "RWQ", ("age1x",)),
                (Writer("desk", "RWR", "age1y"),),
                (Feature("x", "read"),),
            )
        ),
    ),
    (
        decode_index,
        encode_index(
            HeaderRow("a", "c", 1, "post", "imap", "mbox"),
            [
                MessageRow(1, "7", "1", "a" * 64, 10, "v", 0, 20, frozenset({"\\Seen"})),
                VolumeRow("v", 10, (Frame(1, 2),)),
            ],
        ),
    ),
]


@pytest.mark.parametrize(("decode", "sample"), SAMPLES, ids=["manifest", "root", "index"])
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_changed_texts_are_damage_or_well_formed(
    decode: Callable[[bytes], object], sample: bytes, data: st.DataObject
) -> None:
    changed = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(start, min(len(changed), start + 5)))
        new = st.one_of(
            st.binary(max_size=4), st.sampled_from([b"\n", b" ", b"0", b"-", b"1e9", b"\x00", b'"'])
        )
        changed[start:end] = data.draw(new)
    with contextlib.suppress(Damaged):
        decode(bytes(changed))


@pytest.mark.parametrize("decode", [decode_manifest, decode_root, decode_index])
@settings(max_examples=200)
@given(garbage=st.binary(max_size=200))
def test_garbage_is_damage(decode: Callable[[bytes], object], garbage: bytes) -> None:
    with pytest.raises(Damaged):
        decode(garbage)
    with pytest.raises(Damaged):
        decode(garbage + b"\nend\n")


def test_an_end_row_counts_no_end_row() -> None:
    header = HeaderRow("a", "c", 1, "post", "imap", "mbox")
    with pytest.raises(Damaged):
        decode_index(encode_index(header, [EndRow(0)]))
