"""Items in words."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from archiver.formats.item_text import fields, recurrence_words
from archiver.items import (
    Attendee,
    Contact,
    ContactGroup,
    Event,
    Item,
    Labelled,
    Moment,
    Note,
    Person,
    PostalAddress,
    Recurrence,
    Task,
)


def at(*when: int, zone: str = "Europe/Berlin") -> Moment:
    return Moment(datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(UTC), zone)  # type: ignore[arg-type, misc]


def told(item: Item) -> list[str]:
    return [f"{name}: {value}" for name, value in fields(item)]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Recurrence("DAILY"), "every day"),
        (Recurrence("DAILY", interval=3, count=5), "every 3 days, 5 times"),
        (Recurrence("WEEKLY", interval=2, days=("MO", "FR")), "every 2 weeks on Monday and Friday"),
        (Recurrence("WEEKLY", days=("MO", "WE", "FR")), "every week on Monday, Wednesday and Friday"),
        (Recurrence("MONTHLY", month_day=31), "every month on day 31"),
        (Recurrence("MONTHLY", days=("TU",), week=2), "every month on the second Tuesday"),
        (
            Recurrence("MONTHLY", days=("MO", "TU", "WE", "TH", "FR"), week=-1),
            "every month on the last workday",
        ),
        (Recurrence("YEARLY", month=3, days=("SU",), week=-1), "every year on the last Sunday of March"),
        (
            Recurrence("YEARLY", month=12, month_day=24, until=date(2030, 12, 24)),
            "every year on day 24 of December, until 2030-12-24",
        ),
        (Recurrence("YEARLY", month=12), "every year in December"),
        (Recurrence("DAILY", interval=7, regenerates=True), "every 7 days after it was done"),
    ],
)
def test_a_rule_is_said_as_people_say_it(rule: Recurrence, words: str) -> None:
    assert recurrence_words(rule) == words


def test_an_event_says_when_where_and_who() -> None:
    meeting = Event(
        uid="1",
        subject="tea",
        start=at(2026, 3, 2, 9, 30),
        end=at(2026, 3, 2, 10),
        location="Room 1",
        organizer=Person("Ann", "ann@x"),
        attendees=(Attendee(Person("Bob", "b@x"), "optional", "declined"), Attendee(Person("", "e@x"))),
        busy="away",
        reminder=15,
        cancelled=True,
        url="https://x/",
        categories=("a", "b"),
        sensitivity="private",
        importance="high",
        recurrence=Recurrence("DAILY"),
        changed=(
            Event(
                uid="1",
                subject="x",
                start=at(2026, 3, 4, 9),
                end=at(2026, 3, 5, 10),
                original=at(2026, 3, 3, 9),
            ),
        ),
        deleted=(at(2026, 3, 6, 9, 30),),
    )
    assert told(meeting) == [
        "subject: tea",
        "when: Mon 2026-03-02 09:30–10:00 (Europe/Berlin)",
        "repeats: every day",
        "moved: Tue 2026-03-03 09:00 (Europe/Berlin) is "
        "Wed 2026-03-04 09:00 (Europe/Berlin) – Thu 2026-03-05 10:00 (Europe/Berlin), x",
        "left out: Fri 2026-03-06 09:30 (Europe/Berlin)",
        "where: Room 1",
        "organizer: Ann <ann@x>",
        "attendee: Bob <b@x> (optional, declined)",
        "attendee: e@x (no answer)",
        "status: cancelled",
        "shown as: away",
        "reminder: 15 minutes before",
        "link: https://x/",
        "categories: a, b",
        "sensitivity: private",
        "importance: high",
    ]


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (at(2026, 3, 29), at(2026, 3, 30), "Sun 2026-03-29"),  # a day of 23 hours
        (at(2026, 3, 28), at(2026, 3, 31), "Sat 2026-03-28 – Mon 2026-03-30"),
        (at(2026, 3, 28), at(2026, 3, 28), "Sat 2026-03-28"),
    ],
)
def test_days_are_told_as_days(start: Moment, end: Moment, words: str) -> None:
    assert told(Event(uid="1", start=start, end=end, all_day=True)) == [f"when: {words}"]


def test_a_time_without_a_zone_is_told_by_its_offset() -> None:
    start = Moment(datetime(2026, 3, 2, 9, tzinfo=UTC))
    assert told(Event(uid="1", start=start, end=Moment(start.at + timedelta(hours=1)))) == [
        "when: Mon 2026-03-02 09:00–10:00 (UTC)"
    ]


def test_a_contact_a_list_a_task_and_a_note() -> None:
    ann = Contact(
        name="Ann Lee",
        company="Example",
        department="R&D",
        job="Boss",
        emails=(Labelled("a@x", "work"),),
        phones=(Labelled("1", "mobile"), Labelled("2")),
        addresses=(PostalAddress("home", "Main St 1", "Köln", "", "50667"),),
        birthday=date(1980, 2, 29),
        children=("Cy", "Di"),
    )
    assert told(ann) == [
        "name: Ann Lee",
        "company: Example, R&D",
        "job: Boss",
        "e-mail: a@x (work)",
        "phone: 1 (mobile)",
        "phone: 2",
        "address: Main St 1, 50667 Köln (home)",
        "birthday: 1980-02-29",
        "children: Cy, Di",
    ]
    assert told(ContactGroup(name="Team", members=(Person("Ann", "a@x"),))) == [
        "name: Team",
        "member: Ann <a@x>",
    ]
    task = Task(subject="tidy", due=date(2026, 5, 4), status="started", percent=50)
    assert told(task) == ["subject: tidy", "status: started, 50%", "due: 2026-05-04"]
    assert told(Note(subject="milk", body="not here")) == ["subject: milk"]
