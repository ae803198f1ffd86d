"""Manifest, root and index, in examples that can be read."""

from datetime import UTC, datetime

import pytest

from archiver.errors import Damaged
from archiver.formats.index import decode_index, encode_index, hash_message_id, index_key
from archiver.formats.manifest import decode_manifest, encode_manifest, manifest_key, seq_of
from archiver.formats.root import decode_root
from archiver.model import Manifest, Sealed
from archiver.rows import AnyRow, FolderRow, HeaderRow, MessageRow

HASH = "0123456789abcdef" * 4
TEXT = f"""archiver-manifest 1
archive 3f0c7b1e9a5d4c02b8e61d7f90a2c344
chain k7q2m9xa
seq 42
prev {"0" * 64}
root 1 {HASH}
time 2026-11-23T02:00:07Z
kind run
object index 41216 {HASH} chains/k7q2m9xa/indexes/00000042-9f3a61c2.index.zst.age
object volume 5374152 {HASH} chains/k7q2m9xa/maildir/f0003/cur/1700000000.42-137.k7q2m9xa:2,RS.zst.age
drop {HASH} chains/k7q2m9xa/volumes/00000001-01-c81e92aa.mbox.zst.age superseded
end
""".encode()
ROOT = f"""archiver-root 1
archive 3f0c7b1e9a5d4c02b8e61d7f90a2c344
number 1
prev {"0" * 64}
time 2026-11-23T02:00:07Z
layout mbox
owner RWQ
recipient age1x
writer desk RWR age1y
feature later read
end
""".encode()


def test_a_manifest_of_the_format_is_read_and_written() -> None:
    manifest = decode_manifest(TEXT)
    assert encode_manifest(manifest) == TEXT
    assert (manifest.seq, manifest.kind, manifest.root) == (42, "run", 1)
    assert manifest.time == datetime(2026, 11, 23, 2, 0, 7, tzinfo=UTC)
    assert [one.role for one in manifest.objects] == ["index", "volume"]
    assert manifest.drops[0].reason == "superseded"


def test_lines_that_begin_with_x_are_passed_over() -> None:
    assert decode_manifest(TEXT.replace(b"seq 42\n", b"seq 42\nx-later anything at all\n")).seq == 42


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"manifest 1", b"manifest 2"),
        (b"seq 42", b"seq 042"),
        (b"seq 42", b"seq -42"),
        (b"seq 42", b"seq 42 "),
        (b"seq 42", b"seq  42"),
        (b"seq 42", b"seq 42\nseq 42"),
        (b"seq 42\n", b""),
        (b"seq 42", b"later 42"),
        (b"kind run", b"kind party"),
        (b"kind run", b"kind run\r"),
        (b"k7q2m9xa\nseq", b"K7q2m9xa\nseq"),
        (b"k7q2m9xa\nseq", b"../../ab\nseq"),
        (b"c344", b"C344"),
        (b"c344", b"c3444"),
        (b"object index", b"object other"),
        (b"object index", b"object  index"),
        (b" 41216 ", b" 1e5 "),
        (b" 41216 ", b" " + b"9" * 19 + b" "),
        (b"indexes/0", b"../0"),
        (b"chains/k7q2m9xa/indexes", b"/etc"),
        (b"chains/k7q2m9xa/indexes", b"chains//indexes"),
        (b"superseded", b"boring"),
        (b"2026-11-23T02:00:07Z", b"2026-13-23T02:00:07Z"),
        (b"2026-11-23T02:00:07Z", b"2026-11-23T02:00:07"),
        (b"end\n", b"end"),
        (b"end\n", b"end\n\n"),
        (b"end\n", b"more\nend\n"),
        (b"end\n", b""),
        (b"kind run", b"kind run\xff"),
    ],
)
def test_a_manifest_with_an_odd_line_is_refused(old: bytes, new: bytes) -> None:
    assert old in TEXT
    with pytest.raises(Damaged, match="manifest"):
        decode_manifest(TEXT.replace(old, new, 1))


def test_a_manifest_over_one_mebibyte_is_refused() -> None:
    with pytest.raises(Damaged, match="1 MiB"):
        decode_manifest(TEXT.replace(b"end\n", b"x-" + b"x" * (1 << 20) + b"\nend\n"))


def test_a_manifest_of_the_most_objects_a_run_makes_stays_under_its_limit() -> None:
    name = "chains/k7q2m9xa/maildir/f99999/cur/253402300799.99999999-5001-0123abcd.k7q2m9xa:2,DFPRST.zst.age"
    sealed = Sealed("volume", 10**12, HASH, name)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest("0" * 32, "k7q2m9xa", 99_999_999, HASH, 1, HASH, at, "checkpoint", (sealed,) * 5002)
    assert len(encode_manifest(manifest)) < 1 << 20


def test_the_name_of_a_manifest_tells_its_number() -> None:
    assert manifest_key("k7q2m9xa", 42) == "chains/k7q2m9xa/manifests/00000042.manifest"
    assert seq_of("chains/k7q2m9xa/manifests/00000042.manifest") == 42
    assert seq_of("chains/k7q2m9xa/manifests/123456789.manifest") == 123456789
    for name in ("00000042", "x.manifest", "42.manifest", "-0000042.manifest", "00000042.manifest.bak"):
        assert seq_of(name) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"root 1", b"root 2"),
        (b"layout mbox", b"layout tar"),
        (b"recipient age1x\n", b""),
        (b"writer desk ", b"writer de/sk "),
        (b"writer desk RWR", b"writer desk"),
        (b"later read", b"later fly"),
        (b"number 1", b"number one"),
        (b"owner RWQ\n", b""),
    ],
)
def test_a_root_with_an_odd_line_is_refused(old: bytes, new: bytes) -> None:
    assert decode_root(ROOT).writers[0].name == "desk"
    with pytest.raises(Damaged, match="root"):
        decode_root(ROOT.replace(old, new, 1))


HEADER = HeaderRow("0" * 32, "k7q2m9xa", 1, "post", "imap", "mbox")
ROWS: list[AnyRow] = [FolderRow(1, "INBOX", "7"), MessageRow(1, "7", "1", HASH, 10, "v", 0, 20)]


def test_an_index_says_what_it_counts() -> None:
    text = encode_index(HEADER, ROWS)
    assert decode_index(text) == (HEADER, ROWS)
    lines = text.splitlines()
    assert lines[0].startswith(b'{"row":"header"')
    assert lines[-1] == b'{"row":"end","rows":2,"messages":1,"size":10}'


def test_unknown_keys_of_a_row_are_passed_over() -> None:
    text = encode_index(HEADER, ROWS).replace(b'"row":"folder"', b'"row":"folder","later":[1,{}]')
    assert decode_index(text) == (HEADER, ROWS)


def test_an_index_that_is_cut_or_patched_is_damaged() -> None:
    text = encode_index(HEADER, ROWS)
    lines = text.splitlines(keepends=True)
    for broken in (
        *(text[:end] for end in range(len(text))),
        b"".join(lines[1:]),
        b"".join(lines[:-1]),
        b"".join([lines[0], lines[1], lines[3]]),
        b"".join([lines[0], *lines]),
        b"".join([*lines, lines[3]]),
        text.replace(b'"row":"folder"', b'"row":"later"'),
        text.replace(b"INBOX", b"\xff"),
        text + b"\n",
        text.replace(b"\n", b"\n\n", 1),
    ):
        with pytest.raises(Damaged):
            decode_index(broken)


def test_an_index_has_a_name_of_its_own() -> None:
    assert index_key("k7q2m9xa", 42, "9f3a61c2") == (
        "chains/k7q2m9xa/indexes/00000042-9f3a61c2.index.zst.age"
    )


def test_a_message_id_is_kept_as_a_hash() -> None:
    assert hash_message_id("<a@b>") == hash_message_id("<a@b>")
    assert len(hash_message_id("<a\udcff@b>")) == 32
