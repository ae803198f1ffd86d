"""Calendars and contacts: whatever is written, other libraries read the same of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import vobject
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archiver.formats.calendar import calendar
from archiver.formats.contact import contact
from archiver.items import Attendee, Contact, Event, Labelled, Moment, Person, Recurrence, Weekday

WEEKDAYS: tuple[Weekday, ...] = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "UTC", None]
)
# without what no reader keeps: controls, line ends of other kinds, and blanks at the ends
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))).map(str.strip)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
RULES = st.one_of(
    st.builds(Recurrence, st.just("DAILY"), st.integers(1, 40), count=st.integers(1, 20)),
    st.builds(
        Recurrence,
        st.just("WEEKLY"),
        st.integers(1, 5),
        st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True).map(tuple),
        first_weekday=st.just("MO"),
        count=st.integers(1, 20),
    ),
    st.builds(
        Recurrence,
        st.just("MONTHLY"),
        st.integers(1, 5),
        month_day=st.integers(1, 31),
        count=st.integers(1, 20),
    ),
    st.builds(
        Recurrence,
        st.just("MONTHLY"),
        st.integers(1, 5),
        st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True).map(tuple),
        week=st.sampled_from([1, 2, 3, 4, -1]),
        count=st.integers(1, 20),
    ),
    st.builds(
        Recurrence,
        st.just("YEARLY"),
        month=st.integers(1, 12),
        month_day=st.integers(1, 31),
        count=st.integers(1, 5),
    ),
)


def length_of_month(day: date) -> int:
    return ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day


def comes(rule: Recurrence, start: date, day: date) -> bool:
    """Whether a rule comes on a day, as a person would say it."""
    if rule.every == "DAILY":
        return (day - start).days % rule.interval == 0
    if rule.every == "WEEKLY":
        monday, first = (each - timedelta(days=each.weekday()) for each in (day, start))
        return (monday - first).days // 7 % rule.interval == 0 and WEEKDAYS[day.weekday()] in rule.days
    if rule.every == "YEARLY":
        months = day.month == rule.month
    else:
        months = ((day.year - start.year) * 12 + day.month - start.month) % rule.interval == 0
    length = length_of_month(day)
    if rule.month_day is not None:
        return months and day.day == min(rule.month_day, length)
    fit = [n for n in range(1, length + 1) if WEEKDAYS[day.replace(day=n).weekday()] in rule.days]
    assert rule.week is not None
    wanted = fit[rule.week - 1] if rule.week > 0 else fit[-1]
    return months and day.day == wanted


@settings(max_examples=40, deadline=None)
@given(RULES, st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.integers(0, 23), ZONES)
def test_a_series_comes_on_the_days_that_its_rule_says_and_at_its_hour(
    rule: Recurrence, day: date, hour: int, zone: str | None
) -> None:
    while not comes(rule, day, day):  # a series begins with its first occurrence
        day += timedelta(days=1)
    place = ZoneInfo(zone or "UTC")
    first = datetime(day.year, day.month, day.day, hour, 30, tzinfo=place)
    assume(first.astimezone(UTC).astimezone(place) == first and not 1 <= hour <= 3)  # an hour that is there
    assert rule.count is not None
    expected, one = [day], day
    while len(expected) < rule.count:
        one += timedelta(days=1)
        if comes(rule, day, one):
            expected.append(one)
    moment = Moment(first.astimezone(UTC), zone)
    told = vobject.readOne(calendar(Event(uid="1", start=moment, end=moment, recurrence=rule)).decode())
    found = list(told.vevent.getrruleset(addRDate=True))
    assert [each.date() for each in found] == expected
    assert {(each.hour, each.minute) for each in found} == {(hour, 30)}


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.lists(TEXTS.filter(bool), max_size=3), TEXTS, TIMES, ZONES, st.integers(0, 10_000))
def test_an_event_says_the_same_to_another_reader(
    subject: str, body: str, categories: list[str], name: str, start: datetime, zone: str | None, minutes: int
) -> None:
    one = Event(
        uid="1",
        subject=subject,
        body=body,
        categories=tuple(categories),
        start=Moment(start, zone),
        end=Moment(start + timedelta(minutes=minutes + 1), zone),
        reminder=minutes,
        attendees=(Attendee(Person(name, "a@example.org")),),
    )
    content = calendar(one)
    assert calendar(one) == content
    assert max(map(len, content.split(b"\r\n"))) <= 75
    found: Any = icalendar.Calendar.from_ical(content).walk("VEVENT")[0]
    assert not found.errors
    assert (found.get("SUMMARY", ""), found.get("DESCRIPTION", "")) == (subject, body)
    assert (
        [str(each) for each in found["CATEGORIES"].cats] == categories
        if categories
        else "CATEGORIES" not in found
    )
    assert found["ATTENDEE"].params.get("CN", "") == name
    assert found.decoded("DTSTART").astimezone(UTC) == start
    assert found.decoded("DTEND").astimezone(UTC) == start + timedelta(minutes=minutes + 1)
    assert found.walk("VALARM")[0].decoded("TRIGGER") == timedelta(minutes=-minutes)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.lists(TEXTS.filter(bool)), st.lists(TEXTS.filter(bool)), TEXTS)
def test_a_contact_says_the_same_to_another_reader(
    name: str, surname: str, company: str, emails: list[str], phones: list[str], body: str
) -> None:
    one = Contact(
        name=name,
        surname=surname,
        company=company,
        emails=tuple(map(Labelled, emails)),
        phones=tuple(Labelled(each, "home fax") for each in phones),
        body=body,
    )
    content = contact(one)
    assert max(map(len, content.split(b"\r\n"))) <= 75
    card = vobject.readOne(content.decode())
    assert card.n.value.family == surname
    assert card.contents.get("org", []) == [] if not company else card.org.value == [company]
    assert [each.value for each in card.contents.get("email", [])] == emails
    assert [(each.value, each.params["TYPE"]) for each in card.contents.get("tel", [])] == [
        (each, ["HOME", "FAX"]) for each in phones
    ]
    assert [each.value for each in card.contents.get("note", [])] == ([body] if body else [])
