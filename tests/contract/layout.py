"""What every layout must do (`ports.Layout`), for mail made by anybody."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from archiver.errors import Damaged
from archiver.ports import Label, Layout

MIB = 1 << 20
HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "one LF": b"\n",
    "one CR": b"\r",
    "NUL": b"\x00a\x00\r\n\x00",
    "bare CR": b"Subject: x\r\rbody\rFrom here\r",
    "bare LF": b"Subject: x\n\nbody\nFrom here\n",
    "no end": b"Subject: x\r\n\r\nbody without an end",
    "ends in CR": b"Subject: x\r\n\r\nbody\r",
    "ends in two LF": b"Subject: x\r\n\r\nbody\n\n",
    "ends in many LF": b"Subject: x" + b"\n" * 20,
    "From first": b"From me to you\r\n\r\nbody\r\n",
    "From only": b"From ",
    "quoted only": b">From ",
    "every depth": b"".join(b">" * depth + b"From depth\r\n" for depth in range(40)),
    "every depth backwards": b"".join(b">" * depth + b"From \n" for depth in range(40, -1, -1)),
    "From behind blank": b" From x\n\tFrom y\n> From z\nFrom\nFromage\nfrom x\n>\n>>\n",
    "From behind CR": b"x\rFrom y\r\nFrom z\r\n",
    "From at the end": b"x\r\n\r\nFrom ",
    "8 bit": b"Subject: caf\xe9 \xff\xfe\r\nFrom: \x80\r\n\r\n" + bytes(range(256)),
    "long line": b"Subject: x\r\n\r\n" + b"x" * 100_000 + b"\r\n" + b">" * 100_000 + b"From x\r\n",
    "zstd magic": b"\x28\xb5\x2f\xfd" + bytes(50),
    "skippable zstd magic": b"\x50\x2a\x4d\x18\xff\xff\xff\xff",
    "age magic": b"age-encryption.org/v1\n-> X25519 abc\n",
    "own lines": b"X-Archiver: 1 folder=1:INBOX key=1:1 received=- flags=- size=0 sha256=00\nX-Archiver: 2\n",
    "fake separators": (
        b"\n\nFrom MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
        b"X-Archiver: 1 folder=1:INBOX key=1:1 received=- flags=- size=5 sha256=00\nhello\n\n"
        b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
    ),
    "return path": b"Return-Path: <a@example.org>\r\nSubject: x\r\n\r\n",
    "odd return path": b"Return-Path: <a b\nFrom @x>\r\n\r\n",
    "line separators of other alphabets": "x\u2028From y\x85From z\x0bFrom w\x0cFrom v".encode(),
    "20 MiB": (b"Subject: large\r\n\r\n" + b"x" * 998 + b"\r\nFrom y\r\n") * (20 * MIB // 1025),
}
LABELS: list[dict[str, object]] = [
    {},
    {"flags": frozenset({"\\Seen", "$Forwarded", "a,b", "caf\u00e9", "x=y", "100%", "-"})},
    {"folder": "Archive/2024 \u2028 \u00fc\n\r=: %2F", "epoch": "a:b c", "key": "AAMk=\n:/ \x00"},
    {"received": datetime(2024, 4, 5, 19, 34, 38, tzinfo=timezone(timedelta(hours=5, minutes=30)))},
    {"received": datetime(1, 1, 2, tzinfo=UTC), "folder_id": 99999},
    {"received": datetime(9999, 12, 30, tzinfo=timezone(-timedelta(hours=11)))},
    {"flags": frozenset(f"keyword-{number:05}" for number in range(9000)), "folder": "\u00fc" * 9000},
]


def label_for(raw: bytes, **changes: object) -> Label:
    values = {
        "folder_id": 3,
        "folder": "INBOX",
        "epoch": "1712345678",
        "key": "4711",
        "size": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    return Label(**(values | changes))  # type: ignore[arg-type]


class LayoutContract:
    """Subclasses give the fixture `layout`."""

    @pytest.fixture
    def layout(self) -> Layout:
        raise NotImplementedError

    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_message_comes_back_to_the_byte(self, layout: Layout, name: str) -> None:
        raw = HOSTILE[name]
        stored = b"".join(layout.wrap(label_for(raw), raw))
        label, found = layout.unwrap(stored)
        assert found == raw
        assert label == label_for(raw)

    @pytest.mark.parametrize("number", range(len(LABELS)))
    def test_what_stands_beside_a_message_comes_back(self, layout: Layout, number: int) -> None:
        for raw in (b"", b"Subject: x\r\n\r\nbody\r\n", b"Return-Path: <a@example.org>\nFrom "):
            label = label_for(raw, **LABELS[number])
            assert layout.unwrap(b"".join(layout.wrap(label, raw))) == (label, raw)

    @pytest.mark.parametrize("name", ["empty", "no end", "ends in many LF", "every depth", "own lines"])
    def test_a_cut_or_lengthened_message_is_damaged(self, layout: Layout, name: str) -> None:
        raw = HOSTILE[name]
        stored = b"".join(layout.wrap(label_for(raw), raw))
        for end in range(len(stored)):
            with pytest.raises(Damaged):
                layout.unwrap(stored[:end])
        for more in (b"\n", b"x", b"\n\n", stored):
            with pytest.raises(Damaged):
                layout.unwrap(stored + more)

    def test_something_else_is_damaged(self, layout: Layout) -> None:
        line = b"X-Archiver: 1 folder=1:a key=1:1 received=- flags=- size=%s sha256=00\n"
        for body in (b"", b"\n", b"\n\n", b"x\n", b"x\n\n"):
            for size in (b"-1", b"-2", b"1_0", b"+1", b"01", b" 1", b"1e9", b"9" * 5000, b"", b"\xb2"):
                for start in (b"", b"From x\n"):
                    with pytest.raises(Damaged):
                        layout.unwrap(start + line % size + body)
        for stored in (
            b"",
            b"\n",
            b"From ",
            b"From x\n",
            b"From x\n\n\n",
            b"X-Archiver: 1 \n",
            bytes(70_000),
        ):
            with pytest.raises(Damaged):
                layout.unwrap(stored)

    def test_a_name_is_never_given_twice_and_lies_in_its_chain(self, layout: Layout) -> None:
        label = label_for(b"", flags=frozenset({"\\Seen"}), received=datetime(2024, 1, 1, tzinfo=UTC))
        keys = [layout.key("k7q2m9xa", 42, 1, label) for _ in range(200)]
        assert len(set(keys)) == len(keys)
        assert all(key.startswith("chains/k7q2m9xa/") and key.endswith(".zst.age") for key in keys)

    @pytest.mark.parametrize("number", range(len(LABELS)))
    def test_a_name_is_one_that_a_manifest_takes(self, layout: Layout, number: int) -> None:
        from archiver.formats.lines import Lines  # noqa: PLC0415 -- the judge of names

        key = layout.key("k7q2m9xa", 99_999_999, 100_000, label_for(b"", **LABELS[number]))
        assert Lines(b"end\n", "x").key(key) == key
        assert max(map(len, key.split("/"))) < 200
