"""The specification of the archive format says what the code does: rows, words, numbers, examples to the byte."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Literal, get_args, get_origin

import msgspec
import pytest

from archiver.archive import archive, keys, packing, sealing, writer
from archiver.archive.roots import sign_root
from archiver.errors import Damaged
from archiver.formats import age, frames, lines, maildir, mbox, record, root, signify
from archiver.formats import label as labels
from archiver.formats import manifest as manifests
from archiver.formats.age import header, stream
from archiver.formats.index import decode_index, encode_index, hash_message_id
from archiver.items import Note
from archiver.model import Frame, Kind, Manifest, RunKind, Sealed
from archiver.ports import Label
from archiver.rows import AnyRow, FlagsRow, FolderRow, HeaderRow, MessageRow, VolumeRow
from tests.house.tracked import ROOT

PAGE = ROOT / "docs" / "reference" / "format.md"
TEXT = PAGE.read_text()
ROWS: tuple[type[msgspec.Struct], ...] = get_args(AnyRow)
TYPES = {
    "string": "str",
    "integer": "int",
    "boolean": "bool",
    "digest": "str",
    "time": "datetime",
    "flags": "frozenset",
    "keys": "tuple",
    "array of [packed, size]": "tuple",
    "array of digests": "tuple",
}


def section(heading: str) -> str:
    """Give the text below a heading, up to the next one of any depth."""
    found = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {heading!r}"
    return found[1]


def tables(heading: str) -> list[list[list[str]]]:
    """Give the cells of each table below a heading, without the tables' own headings."""
    blocks = re.findall(r"(?:^\|.*\n)+", section(heading), re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]
        for block in blocks
    ]


def words(heading: str, number: int = 0) -> list[str]:
    return [re.findall(r"`([^`]+)`", row[0])[0] for row in tables(heading)[number]]


def numbers(heading: str) -> dict[str, int]:
    return {row[0]: int(row[1].split()[0]) for row in tables(heading)[0]}


def example(name: str) -> bytes:
    """Give an example; where it shows line ends as signs, those count and no others."""
    found = re.search(rf"<!-- example: {name} -->\n```\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None, f"no example {name!r}"
    text = found[1]
    if "␊" in text:
        text = text.replace("\n", "").replace("␍", "\r").replace("␊", "\n")
    return text.encode()


DETAILS = {
    "string": ("str", "Kind"),
    "integer": ("int",),
    "time": ("datetime",),
    "flags": ("frozenset",),
    "object": ("dict", "Event"),
}


def test_the_fields_of_an_item_are_those_of_its_record() -> None:
    parts, told = tables("Item")
    fields = msgspec.structs.fields(record.Details)
    assert [row[0].strip("`") for row in told] == [field.name for field in fields]
    for row, field in zip(told, fields, strict=True):
        names = [getattr(one, "__name__", "") for one in (get_args(field.type) or (field.type,))]
        origin = getattr(get_origin(field.type), "__name__", "")
        assert {*names, origin} & set(DETAILS[row[1]]), (row, names)
    assert [row[0] for row in parts] == ["the body", "`item.json`", "`item.export`", "the attachments"]


def test_a_record_is_laid_out_as_it_is_specified() -> None:
    details = record.Details(Kind.NOTE, "IPM.StickyNote", id="1", item=Note(body="milk"))
    made = record.Record(
        details, b"a\nb", "text/plain", record.Export("e", "1", b"x"), (record.Attached("ü", "a/b", b"y"),)
    )
    raw = record.pack(made)
    assert raw.startswith(b"X-Archiver-Item: 1; kind=note\r\n")
    (boundary,) = set(re.findall(rb"=_archiver_[0-9a-f]{32}", raw))
    pieces = raw.split(b"--" + boundary + b"\r\n")[1:]
    assert pieces[0].partition(b"\r\n\r\n")[2].rpartition(b"\r\n")[0] == b"a\nb"
    assert [name for piece in pieces for name in re.findall(rb"filename\*=utf-8''(\S+)", piece)] == [
        b"item.json",
        b"item.export",
        b"%C3%BC",
    ]
    told = json.loads(base64.b64decode(pieces[1].partition(b"\r\n\r\n")[2]))
    assert told == {
        "kind": "note",
        "item_class": "IPM.StickyNote",
        "id": "1",
        "export_kind": "e",
        "export_build": "1",
        "item": {"type": "note", "body": "milk"},
    }


# --- tables ---------------------------------------------------------------------------------------------


def test_every_kind_of_row_is_specified_and_no_other() -> None:
    assert re.findall(r"^### Row `([a-z]+)`$", TEXT, re.MULTILINE) == [
        str(kind.__struct_config__.tag) for kind in ROWS
    ]


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: str(kind.__struct_config__.tag))
def test_the_fields_of_a_row_are_those_of_the_code_in_order_type_and_default(
    kind: type[msgspec.Struct],
) -> None:
    rows = tables(f"Row `{kind.__struct_config__.tag}`")[0]
    written = [(row[0].strip("`"), row[1], row[2]) for row in rows]
    meant = msgspec.structs.fields(kind)
    assert [name for name, _, _ in written] == [field.encode_name for field in meant]
    for (name, type_name, default), field in zip(written, meant, strict=True):
        assert default == _default(field), name
        plain, _, null = type_name.partition(" or ")
        code = str(field.type) if get_args(field.type) else field.type.__name__
        if get_origin(field.type) is Literal:
            words = next(row[3] for row in rows if row[0] == f"`{name}`")
            assert re.findall(r"`([a-z]+)`", words)[: len(get_args(field.type))] == list(get_args(field.type))
        elif name != "kind" or field.type is not Kind:
            assert TYPES[plain] in code, name
        assert (null == "null") == ("None" in code), name


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    shown = {"None": "null", "False": "false", "frozenset()": "[]"}
    return shown.get(str(field.default), str(field.default))


def test_every_kind_of_item_and_of_run_is_specified() -> None:
    row = next(row for row in tables("Row `message`")[0] if row[0] == "`kind`")
    assert re.findall(r"`([a-z]+)`", row[3])[:-1] == [kind.value for kind in Kind]
    kinds = [word for row in tables("Manifest")[1] for word in re.findall(r"`([a-z]+)`", row[0])]
    assert sorted(kinds) == sorted(get_args(RunKind))


def test_the_words_of_a_manifest_are_those_of_the_code() -> None:
    found = manifests.encode_manifest(_manifest(b"")).decode().splitlines()
    assert [word for word in words("Manifest") if word != "drop"] == list(
        dict.fromkeys(line.split()[0] for line in found)
    )
    assert "drop" in words("Manifest")


def test_the_words_of_a_root_are_those_of_the_code() -> None:
    whole = msgspec.structs.replace(_root(), features=(root.Feature("x", "read"),))
    found = root.encode_root(whole).decode().splitlines()
    assert words("Root") == list(dict.fromkeys(line.split()[0] for line in found))
    assert {*re.findall(r"`(\w+)`", tables("Root")[0][-2][2])} - {"power"} == set(get_args(root.Power))


def test_an_unknown_line_is_refused_unless_it_begins_with_x() -> None:
    text = manifests.encode_manifest(_manifest(b""))
    assert manifests.decode_manifest(text.replace(b"end\n", b"x-later 1\nend\n")) == _manifest(b"")
    with pytest.raises(Damaged):
        manifests.decode_manifest(text.replace(b"end\n", b"later 1\nend\n"))


def test_keys_are_derived_as_specified() -> None:
    written = {
        row[0]: re.findall(r"`([^`]+)`", row[2])[0] for row in tables("Keys of people and machines")[0]
    }
    for role, pair in (("owner", OWNER), ("writer", WRITER)):
        seed = age.derive(pair.identity, written[f"{role}'s signing key"].encode())
        assert signify.SigningKey.from_seed(seed).public == pair.signing.public


def test_the_limits_of_age_are_those_of_the_code() -> None:
    assert list(numbers("age").values()) == [
        header.HEADER_LIMIT,
        header.STANZA_LIMIT,
        stream.MAX_LOG_N,
        keys.OWNER_LOG_N,
    ]


def test_the_sizes_are_those_of_the_code() -> None:
    assert list(numbers("Frames").values()) == [
        sealing.COMPRESSIONS["default"].large_size,
        sealing.COMPRESSIONS["default"].small.frame_size,
        sealing.COMPRESSIONS["default"].large.frame_size,
        sealing.COMPRESSIONS["long"].large.frame_size,
        packing.VOLUME_SIZE,
        frames.MAX_WINDOW,
        archive.MAX_INDEX,
    ]
    order = section("Order of writes")
    for number in (
        writer.CHECKPOINT_SIZE,
        writer.CHECKPOINT_ROWS,
        int(writer.CHECKPOINT_S),
        writer.CHECKPOINT_OBJECTS,
    ):
        assert re.search(rf"\b{number}\b", order), number
    assert lines.MAX_TEXT == 1 << 20
    assert "at most 1 MiB" in section("Signed text")
    assert f"1*{signify._COMMENT_LIMIT} bytes" in section("Signed text")


def test_the_table_of_padding_is_what_the_code_makes() -> None:
    for length, padme, skippable in (map(int, row) for row in tables("Padding")[0]):
        assert (frames.padme(length), len(frames.padding(length))) == (padme, skippable)
    assert frames.padding(100)[:4] == bytes.fromhex("502A4D18")
    assert "0x184D2A50" in section("Padding")


def test_the_letters_of_flags_are_those_of_the_code() -> None:
    text = section("Keys of objects").partition("`LETTERS` are")[2].partition("\n\n")[0]
    assert {flag: letter for letter, flag in re.findall(r"`([A-Z])`\s`([^`]+)`", text)} == maildir._LETTERS


def test_the_fields_of_the_label_are_those_of_the_code_in_order() -> None:
    assert tuple(words("The X-Archiver line")) == labels._FIELDS
    assert labels.PREFIX.decode() in section("The X-Archiver line")


# --- worked examples ------------------------------------------------------------------------------------

ARCHIVE = "3f0c7b1e9a5d4c02b8e61d7f90a2c344"
CHAIN = "k7q2m9xa"
TIME = datetime(2024, 5, 31, 2, 0, 7, tzinfo=UTC)
VOLUME = f"chains/{CHAIN}/volumes/00000001-01-c81e92aa.mbox.zst.age"
OWNER = keys.KeyPair(age.Identity.from_bytes(bytes(range(32))), "owner")
WRITER = keys.KeyPair(age.Identity.from_bytes(bytes(range(32, 64))), "writer")
FLAGS = frozenset({"\\Seen", "$Forwarded"})
RECEIVED = datetime(2024, 4, 5, 19, 34, 38, tzinfo=UTC)


def _label(raw: bytes) -> Label:
    digest = hashlib.sha256(raw).hexdigest()
    return Label(3, "Archive/2024", "1712345678", "4711", len(raw), digest, FLAGS, RECEIVED)


def _root() -> root.Root:
    machine = root.Writer("nas", WRITER.public_key, WRITER.recipient)
    return root.Root(
        archive=ARCHIVE,
        number=1,
        prev="0" * 64,
        time=TIME,
        layout="mbox",
        owner=OWNER.public_key,
        recipients=(OWNER.recipient,),
        writers=(machine,),
    )


def _manifest(root_file: bytes) -> Manifest:
    index = f"chains/{CHAIN}/indexes/00000001-9f3a61c2.index.zst.age"
    return Manifest(
        archive=ARCHIVE,
        chain=CHAIN,
        seq=1,
        prev="0" * 64,
        root=1,
        root_sha256=hashlib.sha256(root_file).hexdigest(),
        time=TIME,
        kind="run",
        objects=(
            Sealed("index", 1098, hashlib.sha256(b"index").hexdigest(), index),
            Sealed("volume", 612, hashlib.sha256(b"volume").hexdigest(), VOLUME),
        ),
    )


def test_the_keys_of_the_example_are_right() -> None:
    made = [
        (f"{role} {what}", value)
        for role, pair in (("owner", OWNER), ("writer", WRITER))
        for what, value in (
            ("identity", pair.line.reveal()),
            ("recipient", pair.recipient),
            ("seed", age.derive(pair.identity, f"archiver v1 {role} signing".encode()).hex()),
            ("public", pair.public_key),
        )
    ]
    assert example("keys").decode() == "".join(f"{name:16} {value}\n" for name, value in made)


def test_the_root_of_the_example_is_what_the_code_writes() -> None:
    made = sign_root(_root(), OWNER)
    assert made == example("root")
    assert hashlib.sha256(made).hexdigest() in TEXT
    assert signify.open_embedded(made, [OWNER.signing.public])[0] == root.encode_root(_root())


def test_the_messages_of_the_example_are_what_the_code_stores() -> None:
    raw = example("message")
    assert f"A message of {len(raw)} bytes" in TEXT
    for layout, wrap, unwrap in (("mbox", mbox.wrap, mbox.unwrap), ("maildir", maildir.wrap, maildir.unwrap)):
        stored = b"".join(wrap(_label(raw), raw))
        assert stored == example(layout)
        assert re.search(rf"`{layout}`, {len(stored)} bytes:", TEXT)
        assert unwrap(stored) == (_label(raw), raw)


def test_the_index_of_the_example_is_what_the_code_writes() -> None:
    raw = example("message")
    digest, length = hashlib.sha256(raw).hexdigest(), len(example("mbox"))
    folder = FolderRow(3, "Archive/2024", "1712345678", separator="/")
    message = MessageRow(
        folder=3,
        epoch="1712345678",
        key="4711",
        sha256=digest,
        size=len(raw),
        volume=VOLUME,
        offset=0,
        length=length,
        flags=FLAGS,
        received=RECEIVED,
        named_size=len(raw),
        message_id=hash_message_id("<1@example.org>"),
    )
    done = msgspec.structs.replace(folder, token="uidnext=4712 modseq=991 messages=1", exists=1)
    rows: list[AnyRow] = [
        folder,
        message,
        FlagsRow(3, "1712345678", ("4711",), frozenset({"\\Seen"})),
        done,
        VolumeRow(VOLUME, 612, (Frame(331, length),)),
    ]
    own = HeaderRow(ARCHIVE, CHAIN, 1, "work", "imap", "mbox")
    assert encode_index(own, rows) == example("index")
    assert decode_index(example("index")) == (own, rows)


def test_the_manifest_of_the_example_is_what_the_code_writes() -> None:
    meant = _manifest(example("root"))
    made = signify.sign_embedded(
        WRITER.signing, manifests.encode_manifest(meant), f"archiver manifest {CHAIN} 1"
    )
    assert made == example("manifest")
    assert hashlib.sha256(made).hexdigest() in TEXT


def test_a_label_written_in_another_way_is_refused_as_specified() -> None:
    line = example("maildir").splitlines(keepends=True)[0]
    assert labels.encode_label(labels.decode_label(line)) == line
    for other in (line.replace(b"size=103", b"size=0103"), line.replace(b"%2F", b"%2f")):
        assert other != line
        with pytest.raises(Damaged):
            labels.decode_label(other)
    dash = labels.encode_label(msgspec.structs.replace(labels.decode_label(line), flags=frozenset({"-"})))
    assert b" flags=%2D " in dash


def test_unknown_keys_of_a_row_are_ignored_and_unknown_rows_refused() -> None:
    text = example("index")
    assert decode_index(text.replace(b'"id":3,', b'"id":3,"later":[1],')) == decode_index(text)
    with pytest.raises(Damaged):
        decode_index(text.replace(b'"row":"flags"', b'"row":"later"'))
