"""mbox, Maildir and the X-Archiver line, in examples that can be read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from archiver.errors import Damaged
from archiver.formats import maildir, mbox
from archiver.formats.label import decode_label, encode_label
from archiver.ports import Label

LABEL = Label(
    folder_id=3,
    folder="Archive/2024",
    epoch="1712345678",
    key="4711",
    size=11,
    sha256="ab" * 32,
    flags=frozenset({"\\Seen", "$Work"}),
    received=datetime(2024, 4, 5, 19, 34, 38, tzinfo=UTC),
)
LINE = (
    b"X-Archiver: 1 folder=3:Archive%2F2024 key=1712345678:4711 received=2024-04-05T19:34:38+00:00"
    b" flags=$Work,%5CSeen size=11 sha256=" + b"ab" * 32 + b"\n"
)


def test_the_line_is_the_one_of_the_format() -> None:
    assert encode_label(LABEL) == LINE
    assert decode_label(LINE) == LABEL


def test_a_stored_message_is_the_one_of_the_format() -> None:
    raw = b"From a\r\n>From"
    label = Label(3, "Archive/2024", "1712345678", "4711", len(raw), "ab" * 32)
    stored = b"".join(mbox.wrap(label, raw))
    lines = stored.split(b"\n")
    assert lines[0] == b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970"
    assert lines[2:] == [b">From a\r", b">From", b"", b""]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), b"Thu Feb 29 23:59:59 2024"),
        (datetime(2024, 1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=2))), b"Sun Dec 31 23:00:00 2023"),
        (None, b"Thu Jan  1 00:00:00 1970"),
    ],
)
def test_the_separator_names_the_date_in_utc(at: datetime | None, text: bytes) -> None:
    assert mbox.from_line(b"", at) == b"From MAILER-DAEMON " + text + b"\n"


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (b"Return-Path: <a.b@example.org>\r\n", b"a.b@example.org"),
        (b"return-path:<a@b>\n", b"a@b"),
        (b"Return-Path: <>\r\n", b"MAILER-DAEMON"),
        (b"Return-Path: <a b@c>\r\n", b"MAILER-DAEMON"),
        (b"Return-Path: <a@b\nFrom x@y>\r\n", b"MAILER-DAEMON"),
        (b"Return-Path: <" + b"a" * 300 + b"@b>\r\n", b"MAILER-DAEMON"),
        (b"Subject: x\r\nReturn-Path: <a@b>\r\n", b"MAILER-DAEMON"),
        (b"Return-Path: <a@\xff>\r\n", b"MAILER-DAEMON"),
    ],
)
def test_the_separator_names_the_sender_where_it_is_harmless(raw: bytes, sender: bytes) -> None:
    assert mbox.from_line(raw, None).split(b" ")[1] == sender


def test_a_message_without_from_lines_is_not_copied() -> None:
    raw = b"Subject: From here\r\n\r\nx From y"
    assert mbox.quote(raw) is raw
    assert mbox.unquote(raw) is raw


def test_a_plain_message_has_lf_lines_and_is_quoted() -> None:
    assert mbox.plain(b"Subject: x\r\n\r\nFrom here\r\nbare\rCR", None).split(b"\n", 1)[1] == (
        b"Subject: x\n\n>From here\nbare\rCR\n\n"
    )


def test_a_maildir_name_shows_time_and_flags() -> None:
    assert maildir.file_name(LABEL, "42-137.k7q2m9xa") == "1712345678.42-137.k7q2m9xa:2,S"
    flags = frozenset({"\\Seen", "\\Deleted", "\\Answered", "\\Draft", "\\Flagged", "$Forwarded", "other"})
    assert maildir.info(flags) == "2,DFPRST"
    assert maildir.info(frozenset()) == "2,"


def test_a_message_that_is_shorter_than_its_label_is_damaged() -> None:
    for size in (10, 12):
        line = LINE.replace(b"size=11", b"size=%d" % size)
        with pytest.raises(Damaged):
            maildir.unwrap(line + b"01234567890")
        with pytest.raises(Damaged):
            mbox.unwrap(b"From x\n" + line + b"01234567890\n\n" + b"\n" * (size - 10))
