"""A mailbox with items of all kinds, as many as one likes; the same seed makes the same mailbox."""

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.servers.ews.builder import Owner, Place
from tests.servers.ews.order import names
from tests.servers.ews.recurrence import starts
from tests.servers.ews.state import Item

_EPOCH = datetime(2024, 1, 1, 8, tzinfo=UTC)
_WORDS = names("offer invoice meeting Überweisung travel 会议 minutes report draft résumé question order")
_FOLDERS = ("inbox", "sentitems", "Projects", "Projects/2024", "Projects/2024/Ünïcode", "junkemail")


def mail(dice: random.Random, number: int, attached: bool = False) -> bytes:
    """Make a message, some with a part in HTML or an attachment."""
    words = " ".join(dice.sample(_WORDS, 3)) + f" {number}"
    lines = [
        f"From: Sender {number % 17} <sender{number % 17}@example.org>",
        "To: ann@example.com",
        f"Subject: =?utf-8?b?{base64.b64encode(words.encode()).decode()}?=",
        f"Message-ID: <{number}.{dice.getrandbits(48):x}@example.org>",
        f"Date: {format_datetime(_EPOCH + timedelta(hours=number))}",
        "X-Mailer: some program",
        f"X-Number: {number}",
        "MIME-Version: 1.0",
    ]
    body = "\r\n".join(" ".join(dice.choices(_WORDS, k=8)) for _ in range(dice.randint(1, 12)))
    parts = [("text/plain; charset=utf-8", body.encode())]
    if number % 3 == 0:
        parts.append(("text/html; charset=utf-8", f"<p>{dice.choice(_WORDS)}</p>".encode()))
    if attached:
        parts.append((f'image/png; name="{number}.png"', dice.randbytes(600)))
    border = f"==={dice.getrandbits(64):x}==="
    lines += [f'Content-Type: multipart/mixed; boundary="{border}"', ""]
    for kind, content in parts:
        lines += ["", f"--{border}", f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", ""]
        lines += base64.encodebytes(content).decode().splitlines()
    return "\r\n".join([*lines, f"--{border}--", ""]).encode()


def fill(owner: Owner, count: int, seed: int = 1) -> list[Item]:
    """Put `count` items into a mailbox: seven of ten are mail, the others of all other kinds."""
    dice = random.Random(seed)
    places = [owner.folder(name) for name in _FOLDERS]
    return [
        _deliver(dice, dice.choice(places), number) if number % 10 < 7 else _add(owner, dice, number)
        for number in range(count)
    ]


def _deliver(dice: random.Random, place: Place, number: int) -> Item:
    raw = mail(dice, number, attached=number % 7 == 0)
    received = _EPOCH + timedelta(hours=number)
    item = place.deliver(raw, read=dice.random() < 0.7, received=received)
    if number % 11 == 0:
        place.owner.flag(item)
    if number % 13 == 0:
        place.owner.categorize(item, "Blue category", "Ünïcode")
    return item


@dataclass(frozen=True)
class _Told:
    owner: Owner
    dice: random.Random
    number: int
    subject: str
    start: datetime

    @property
    def calendar(self) -> Place:
        return self.owner.folder("calendar")


def _add(owner: Owner, dice: random.Random, number: int) -> Item:
    start = _EPOCH + timedelta(days=dice.randint(0, 700), hours=dice.randint(0, 8))
    told = _Told(owner, dice, number, f"{dice.choice(_WORDS)} {number}", start)
    return _KINDS[number // 10 % len(_KINDS)](told)


def _series(told: _Told) -> Item:
    item = told.calendar.add_event(told.subject, told.start, rule="FREQ=WEEKLY;COUNT=10")
    _, second, third, *_ = starts(item)
    told.calendar.modify_occurrence(item, second, second + timedelta(days=1), f"{told.subject} moved")
    told.calendar.delete_occurrence(item, third)
    return item


def _meeting(told: _Told) -> Item:
    item = told.calendar.add_event(told.subject, told.start, attendees=["bob@example.org", "cem@example.org"])
    told.calendar.attach(item, "agenda.txt", told.dice.randbytes(200), "text/plain")
    return item


def _contact(told: _Told) -> Item:
    return told.owner.folder("contacts").add_contact(
        "Carla",
        f"No{told.number}",
        addresses=[f"c{told.number}@example.org", f"other{told.number}@example.org"],
        phones={"MobilePhone": f"+49 170 {told.number}", "HomePhone": f"+49 30 {told.number}"},
        home={"City": "Bern", "CountryOrRegion": "Switzerland"},
        photo=b"\xff\xd8\xff",
    )


def _invitation(told: _Told) -> Item:
    kind = ("MeetingRequest", "MeetingResponse", "MeetingCancellation")[told.number % 3]
    return told.owner.folder("inbox").add_meeting(mail(told.dice, told.number), kind, told.start)


_KINDS: tuple[Callable[[_Told], Item], ...] = (
    lambda told: told.calendar.add_event(told.subject, told.start, reminder=15, location="Room 1"),
    _series,
    lambda told: told.calendar.add_event(
        told.subject, told.start.replace(hour=0), 24 * 60, all_day=True, zone="UTC"
    ),
    _meeting,
    _contact,
    lambda told: told.owner.folder("contacts").add_list(told.subject, ["bob@example.org", "cem@example.org"]),
    lambda told: told.owner.folder("tasks").add_task(told.subject, told.start),
    lambda told: told.owner.folder("tasks").add_task(told.subject, told.start, rule="FREQ=DAILY;COUNT=3"),
    lambda told: told.owner.folder("notes").add_note(told.subject, "remember"),
    lambda told: told.owner.folder("journal").add_journal(told.subject, "called"),
    lambda told: told.owner.folder("inbox").add_post(told.subject, "posted"),
    _invitation,
)
