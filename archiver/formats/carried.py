"""A calendar (RFC 5545) or a contact (RFC 6350) carried as one RFC 5322 message with one part: its very bytes.

The message is made of the content alone, so that the same content is the same message.
"""

import base64
import hashlib
import re
from datetime import UTC, datetime
from email.header import Header

from archiver.errors import Damaged
from archiver.model import Kind

_BOM = b"\xef\xbb\xbf"
_TITLE = re.compile(
    rb"^(?:SUMMARY|FN)(?:;[^:\r\n]*)?:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE | re.IGNORECASE
)
_STAMP = re.compile(rb"^(?:DTSTAMP|REV)(?:;[^:\r\n]*)?:(\d{8}T\d{6})Z?", re.MULTILINE | re.IGNORECASE)
_FORMS = {
    Kind.EVENT: (b"BEGIN:VCALENDAR", "text/calendar", "calendar.ics"),
    Kind.CONTACT: (b"BEGIN:VCARD", "text/vcard", "contact.vcf"),
}
_TITLE_LIMIT = 200


def carry(content: bytes, kind: Kind) -> bytes:
    """Make the message, with CRLF lines. Raises `Damaged` for what is no calendar, or no contact."""
    begin, media_type, name = _FORMS[kind]
    if not content.removeprefix(_BOM).lstrip()[: len(begin)].upper() == begin:
        raise Damaged(f"it does not begin with {begin.decode()}")
    digest = hashlib.sha256(content).hexdigest()
    head = (
        f"Date: {_date(content)}\r\n"
        "From: archiver <archiver@archiver.invalid>\r\n"
        f"Subject: {_subject(content)}\r\n"
        f"Message-ID: <{digest[:32]}@archiver.invalid>\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: {media_type}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{name}"\r\n'
        "\r\n"
    )
    return head.encode("ascii") + base64.encodebytes(content).replace(b"\n", b"\r\n")


def _subject(content: bytes) -> str:
    found = _TITLE.search(content)
    unfolded = re.sub(rb"\r?\n[ \t]", b"", found[1]) if found else b""
    text = re.sub(r"[\x00-\x1f\x7f]", " ", unfolded.decode("utf-8", "replace")).strip()[:_TITLE_LIMIT]
    return Header(text, "us-ascii" if text.isascii() else "utf-8", header_name="Subject").encode(
        linesep="\r\n"
    )


def _date(content: bytes) -> str:
    found = _STAMP.search(content)
    try:
        at = datetime.strptime(found[1].decode(), "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        at = None
    at = at or datetime.fromtimestamp(0, UTC)
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{days[at.weekday()]}, {at.day:02d} {months[at.month - 1]} {at.year:04d} {at:%H:%M:%S} +0000"
