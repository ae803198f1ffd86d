"""Laws of mbox quoting, of labels and of both layouts, for mail made of what hurts."""

import hashlib
import mailbox
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.archive.layout import LAYOUTS
from archiver.errors import Damaged
from archiver.formats import maildir, mbox
from archiver.formats.label import decode_label, encode_label
from archiver.ports import Label

HURTING = st.sampled_from(
    [
        b"From ",
        b"From",
        b">",
        b">>",
        b"\n",
        b"\r\n",
        b"\r",
        b"\x00",
        b" ",
        b"x",
        b"\n>From ",
        b"\nFrom ",
        b"X-Archiver: 1 ",
        b"\xff",
        b"Return-Path: <a@b>\r\n",
        b"\n\n",
    ]
)
mails = st.one_of(st.lists(HURTING, max_size=30).map(b"".join), st.binary(max_size=200))
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
dates = st.builds(
    lambda at, zone: at.replace(microsecond=0, tzinfo=zone),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),
    st.one_of(st.just(UTC), offsets),
)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
labels = st.builds(
    Label,
    folder_id=st.integers(0, 1 << 40),
    folder=names,
    epoch=names,
    key=names,
    size=st.integers(0, 1 << 50),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    flags=st.frozensets(names.filter(lambda name: name != ""), max_size=5),
    received=st.none() | dates,
)


@given(mails)
def test_quoting_is_undone_to_the_byte(raw: bytes) -> None:
    assert mbox.unquote(mbox.quote(raw)) == raw


@given(mails)
def test_no_line_of_a_quoted_body_begins_with_from(raw: bytes) -> None:
    quoted = mbox.quote(raw)
    assert not quoted.startswith(b"From ")
    assert b"\nFrom " not in quoted
    lines, before = quoted.split(b"\n"), raw.split(b"\n")
    assert len(lines) == len(before)
    for line, original in zip(lines, before, strict=True):
        needs = original.lstrip(b">").startswith(b"From ")
        assert line == (b">" + original if needs else original)


@given(labels)
def test_a_label_is_one_line_of_ascii_and_comes_back(label: Label) -> None:
    line = encode_label(label)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert line.split(b" ") == [word for word in line.split(b" ") if word]
    assert decode_label(line) == label
    assert decode_label(line[:-1]) == label


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=200, deadline=None)
@given(raw=mails, label=labels)
def test_a_layout_gives_every_message_and_label_back(name: str, raw: bytes, label: Label) -> None:
    label = Label(
        folder_id=label.folder_id,
        folder=label.folder,
        epoch=label.epoch,
        key=label.key,
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        flags=label.flags,
        received=label.received,
    )
    layout = LAYOUTS[name]
    assert layout.unwrap(b"".join(layout.wrap(label, raw))) == (label, raw)


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=300, deadline=None)
@given(data=st.data(), raw=mails, label=labels)
def test_changed_bytes_are_damage_or_a_message_and_nothing_else(
    name: str, data: st.DataObject, raw: bytes, label: Label
) -> None:
    layout = LAYOUTS[name]
    stored = bytearray(b"".join(layout.wrap(label, raw)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(stored) - 1))
        stored[place] = data.draw(st.sampled_from([*list(b"0129-+:=% ,\n>F"), 0, 255]))
    try:
        found, body = layout.unwrap(bytes(stored))
    except Damaged:
        return
    assert len(body) == found.size


@settings(max_examples=300)
@given(st.binary(max_size=300), labels)
def test_garbage_is_damage(garbage: bytes, label: Label) -> None:
    line = encode_label(label)
    for stored in (garbage, line + garbage, b"From x\n" + line + garbage, line[:20] + garbage):
        for unwrap in (mbox.unwrap, maildir.unwrap):
            try:
                found, body = unwrap(stored)
            except Damaged:
                continue
            assert len(body) == found.size
    with pytest.raises(Damaged):
        decode_label(garbage)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(mails, st.none() | dates), max_size=5))
def test_python_finds_as_many_messages_in_a_plain_mbox_as_were_written(
    written: list[tuple[bytes, datetime | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mail.mbox"
        path.write_bytes(b"".join(mbox.plain(raw, at) for raw, at in written))
        found = mailbox.mbox(path, create=False)
        try:
            assert len(found) == len(written)
        finally:
            found.close()
