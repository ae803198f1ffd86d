"""Calendars and contacts, carried as messages."""

from email import message_from_bytes
from email.header import decode_header, make_header

import pytest

from archiver.errors import Damaged
from archiver.formats.carried import carry
from archiver.formats.message import attachments
from archiver.model import Kind

EVENT = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTAMP:20240105T101112Z\r\n"
    "SUMMARY;LANGUAGE=de:Grüße aus\r\n  München\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
).encode()
CARD = b"BEGIN:VCARD\nVERSION:3.0\nFN:Ann Smith\nEND:VCARD\n"


@pytest.mark.parametrize(
    ("content", "kind", "media"), [(EVENT, Kind.EVENT, "text/calendar"), (CARD, Kind.CONTACT, "text/vcard")]
)
def test_the_very_bytes_are_in_the_part(content: bytes, kind: Kind, media: str) -> None:
    raw = carry(content, kind)
    parsed = message_from_bytes(raw)
    assert parsed.get_content_type() == media
    assert parsed.get_payload(decode=True) == content
    assert [each.content for each in attachments(raw)] == [content]
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert carry(content, kind) == raw


def test_title_and_time_are_in_the_header() -> None:
    parsed = message_from_bytes(carry(EVENT, Kind.EVENT))
    assert str(make_header(decode_header(parsed["Subject"]))) == "Grüße aus München"
    assert parsed["Date"] == "Fri, 05 Jan 2024 10:11:12 +0000"
    assert message_from_bytes(carry(CARD, Kind.CONTACT))["Subject"] == "Ann Smith"


@pytest.mark.parametrize(
    "title", [b"x\r\nBcc: eve@example.org", b"x\r\n Bcc: eve@example.org", b"\xff\xfe\x00\x07", b"=" * 5000]
)
def test_a_title_cannot_write_header_fields(title: bytes) -> None:
    raw = carry(b"BEGIN:VCARD\r\nFN:" + title + b"\r\nEND:VCARD\r\n", Kind.CONTACT)
    assert message_from_bytes(raw)["Bcc"] is None
    assert b"\0" not in raw


def test_what_does_not_begin_so_is_refused() -> None:
    for kind in (Kind.EVENT, Kind.CONTACT):
        with pytest.raises(Damaged, match="does not begin with BEGIN:V"):
            carry(b"hello", kind)
