"""A mailbox with items of all kinds, as many as one likes; the same seed makes the same mailbox."""

import random
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

from tests.servers.ews.builder import Owner, Place
from tests.servers.ews.order import names
from tests.servers.ews.state import Item

_EPOCH = datetime(2024, 1, 1, 8, tzinfo=UTC)
_WORDS = names("offer invoice meeting Überweisung travel 会议 minutes report draft résumé question order")
_FOLDERS = ("inbox", "sentitems", "Projects", "Projects/2024", "Projects/2024/Ünïcode", "junkemail")


def mail(dice: random.Random, number: int, attached: bool = False) -> bytes:
    """Make a message, some with a part in HTML or an attachment."""
    made = EmailMessage()
    made["From"] = f"Sender {number % 17} <sender{number % 17}@example.org>"
    made["To"] = "ann@example.com"
    made["Subject"] = " ".join(dice.sample(_WORDS, 3)) + f" {number}"
    made["Message-ID"] = f"<{number}.{dice.getrandbits(48):x}@example.org>"
    made["Date"] = format_datetime(_EPOCH + timedelta(hours=number))
    made["X-Mailer"] = "some program"
    made["X-Number"] = str(number)
    made.set_content("\n".join(" ".join(dice.choices(_WORDS, k=8)) for _ in range(dice.randint(1, 12))))
    if number % 3 == 0:
        made.add_alternative(f"<p>{dice.choice(_WORDS)}</p>", subtype="html")
    if attached:
        made.add_attachment(dice.randbytes(600), maintype="image", subtype="png", filename=f"{number}.png")
    return made.as_bytes()


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


def _add(owner: Owner, dice: random.Random, number: int) -> Item:
    subject = f"{dice.choice(_WORDS)} {number}"
    start = _EPOCH + timedelta(days=dice.randint(0, 700), hours=dice.randint(0, 8))
    calendar, contacts = owner.folder("calendar"), owner.folder("contacts")
    kind = number // 10 % 12
    if kind == 0:
        return calendar.add_event(subject, start, reminder=15, location="Room 1")
    if kind == 1:
        item = calendar.add_event(subject, start, rule="FREQ=WEEKLY;COUNT=10")
        calendar.modify_occurrence(item, start + timedelta(days=7), start + timedelta(days=8), f"{subject} moved")
        calendar.delete_occurrence(item, start + timedelta(days=14))
        return item
    if kind == 2:
        midnight = start.replace(hour=0)
        return calendar.add_event(subject, midnight, 24 * 60, all_day=True, zone="UTC")
    if kind == 3:
        item = calendar.add_event(subject, start, attendees=["bob@example.org", "cem@example.org"])
        calendar.attach(item, "agenda.txt", dice.randbytes(200), "text/plain")
        return item
    if kind == 4:
        phones = {"MobilePhone": f"+49 170 {number}", "HomePhone": f"+49 30 {number}"}
        addresses = [f"c{number}@example.org", f"other{number}@example.org"]
        return contacts.add_contact("Carla", f"No{number}", addresses=addresses, phones=phones, photo=b"\xff\xd8\xff")
    if kind == 5:
        return contacts.add_list(subject, ["bob@example.org", "cem@example.org"])
    return _add_more(owner, dice, kind, (subject, start))


def _add_more(owner: Owner, dice: random.Random, kind: int, told: tuple[str, datetime]) -> Item:
    subject, start = told
    if kind == 6:
        return owner.folder("tasks").add_task(subject, start)
    if kind == 7:
        return owner.folder("tasks").add_task(subject, start, rule="FREQ=DAILY;COUNT=3")
    if kind == 8:
        return owner.folder("notes").add_note(subject, "remember")
    if kind == 9:
        return owner.folder("journal").add_journal(subject, "called")
    if kind == 10:
        return owner.folder("inbox").add_post(subject, "posted")
    kinds = ("MeetingRequest", "MeetingResponse", "MeetingCancellation")
    return owner.folder("inbox").add_meeting(mail(dice, dice.randint(0, 999)), dice.choice(kinds), start)
