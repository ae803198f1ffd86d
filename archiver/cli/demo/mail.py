"""Sample mail for the demo: a small mailbox with what real ones have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

from msgspec import Struct

_PEOPLE = ("Bob Brown", "Chloé Caron", "Dmitri Danilov", "Fatima Faris")
_SUBJECTS = (
    "Lunch on Thursday",
    "Minutes of the meeting",
    "Größe der Kisten",
    "Re: the invoice",
    "来週の予定",
)
_START = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


class Sample(Struct, frozen=True):
    """One message and where it goes."""

    folder: str
    raw: bytes
    flags: str
    received: datetime


def sample_mailbox() -> Iterator[Sample]:
    """Make some forty messages in three folders: attachments, non-ASCII, odd lines, no final newline."""
    for number in range(36):
        folder = ("INBOX", "INBOX", "Archive/2025", "Travail/Été")[number % 4]
        flags = ("\\Seen", "\\Seen \\Answered", "", "\\Flagged $Work")[number % 4]
        yield Sample(folder, _letter(number), flags, _START + timedelta(hours=31 * number))
    odd = (
        b"Subject: no final newline\r\n\r\nthe end",
        b"Subject: lines that look like mbox\r\n\r\nFrom here on\r\n>From there\r\n>>From both\r\n",
        b"Subject: 8-bit \xe9\xe8 header\r\n\r\ncaf\xe9\r\n",
        b"Subject: bare line ends\r\n\r\none\ntwo\rthree\r\n",
    )
    for number, raw in enumerate(odd):
        yield Sample("INBOX", raw, "", _START + timedelta(days=60 + number))


def _letter(number: int) -> bytes:
    who = _PEOPLE[number % len(_PEOPLE)]
    message = EmailMessage(policy=SMTP)
    message["From"] = f"{who} <{who.split()[0].lower().encode('ascii', 'ignore').decode()}@example.org>"
    message["To"] = "Ann <ann@example.org>"
    message["Date"] = _START + timedelta(hours=31 * number)
    message["Message-ID"] = f"<demo-{number}@example.org>"
    message["Subject"] = f"{_SUBJECTS[number % len(_SUBJECTS)]} ({number})"
    message.set_content(
        f"Dear Ann,\n\nthis is letter {number} of the demo.\n\nYours, {who}\n" * (1 + number % 7)
    )
    if number % 3 == 0:
        content = bytes(range(256)) * (8 + number)
        message.add_attachment(content, "application", "octet-stream", filename=f"table-{number}.bin")
    return message.as_bytes()
