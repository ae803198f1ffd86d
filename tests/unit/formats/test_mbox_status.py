"""Flags inside mbox files, and the name that a message keeps when they change."""

import pytest

from archiver.formats.mbox_status import begins_message, digest, flags

LINE = b"From ann@example.org Mon Jan  1 10:00:00 2024\n"


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("Status: RO", {"\\Seen"}),
        ("Status: O", set()),
        ("X-Status: AF", {"\\Answered", "\\Flagged"}),
        ("X-Status: DT", {"\\Deleted", "\\Draft"}),
        ("X-Keywords: $Label1 Work      ", {"$Label1", "Work"}),
        ("X-Mozilla-Status: 0007", {"\\Seen", "\\Answered", "\\Flagged"}),
        ("X-Mozilla-Status: 1009", {"\\Seen", "\\Deleted", "$Forwarded"}),
        ("X-Mozilla-Status: zz", set()),
        ("X-Mozilla-Keys: $label2 nonjunk   ", {"$label2", "nonjunk"}),
        (
            'X-Gmail-Labels: Inbox,Opened,"To do, soon",Starred',
            {"Inbox", "\\Seen", "To_do,_soon", "\\Flagged"},
        ),
        ("X-Gmail-Labels: =?UTF-8?Q?Gr=C3=BC=C3=9Fe,Opened?=", {"Gr_e", "\\Seen"}),
        ("Subject: Status: RO", set()),
    ],
)
def test_flags_are_read(field: str, found: set[str]) -> None:
    for end in ("\n", "\r\n"):
        raw = f"Subject: x{end}{field}{end}To: y{end}{end}Status: RO{end}".encode()
        assert flags(raw) == found


def test_the_name_stays_when_programs_note_something() -> None:
    plain = digest(LINE, b"Subject: x\nTo: y\n\nbody\nStatus: RO\n")
    fields = b"Status: RO\nX-Keywords: a\n b c\nX-UID: 7\nContent-Length: 16\nLines: 2\n"
    noted = b"Subject: x\n" + fields + b"To: y\n\nbody\nStatus: RO\n"
    assert digest(LINE, noted) == plain


@pytest.mark.parametrize(
    ("line", "raw"),
    [
        (LINE, b"Subject: x\nTo: y\n\nbody\nStatus: R\n"),
        (LINE, b"Subject: y\nTo: y\n\nbody\nStatus: RO\n"),
        (LINE.replace(b"10:00", b"10:01"), b"Subject: x\nTo: y\n\nbody\nStatus: RO\n"),
    ],
)
def test_the_name_is_another_for_other_content_or_another_delivery(line: bytes, raw: bytes) -> None:
    assert digest(line, raw) != digest(LINE, b"Subject: x\nTo: y\n\nbody\nStatus: RO\n")


def test_what_a_message_begins_with() -> None:
    assert begins_message(b"Return-Path: <a@b>\n")
    assert begins_message(b"X-Spam: no\n")
    assert not begins_message(b"Shopping: milk\n")
    assert not begins_message(b"#!/bin/sh\n")
