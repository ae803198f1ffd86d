"""Events and tasks as calendars: read by libraries that archiver does not use, they say what was meant."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import vobject
from ical.calendar_stream import IcsCalendarStream

from archiver.formats.calendar import CLOSING, calendar, opening, other_components, vtimezones
from archiver.formats.record import Attached
from archiver.items import Attendee, Event, Moment, Person, Recurrence, Task

BERLIN = "Europe/Berlin"


def at(*when: int, zone: str = BERLIN) -> Moment:
    """A time on the wall of a zone, told in UTC as servers do."""
    return Moment(datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(UTC), zone)  # type: ignore[arg-type, misc]


def event(**more: object) -> Event:
    told = {"uid": "1@x", "start": at(2026, 3, 2, 9, 30), "end": at(2026, 3, 2, 10), **more}
    return Event(**told)  # type: ignore[arg-type]


def read(content: bytes) -> Any:
    """The first event or task, as `icalendar` reads it; every line is short, and its end CRLF."""
    assert content.replace(b"\r\n", b"").count(b"\n") == content.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(map(len, content.split(b"\r\n"))) <= 75
    parsed = icalendar.Calendar.from_ical(content)
    assert not parsed.errors
    return next(one for one in parsed.walk() if one.name in ("VEVENT", "VTODO"))


def starts(content: bytes) -> list[datetime | date]:
    """When a series comes, as `vobject` and dateutil expand it; `ical`, which moves what was moved, must agree."""
    series = vobject.readOne(content.decode()).vevent
    return list(series.getrruleset(addRDate=True))


def timeline(content: bytes) -> list[datetime | date]:
    """When all comes, moved occurrences at their new time, as `ical` expands it."""
    return [one.start for one in IcsCalendarStream.calendar_from_ics(content.decode()).timeline]


def test_texts_come_back_whatever_is_in_them() -> None:
    text = 'a;b,c\\n d\\ "e"\n\tü 🎉' + "ü" * 100
    found = read(calendar(event(subject=text, body=text, location=text, categories=("a,b", "c;d"))))
    assert (found["SUMMARY"], found["DESCRIPTION"], found["LOCATION"]) == (text, text, text)
    assert [str(one) for one in found["CATEGORIES"].cats] == ["a,b", "c;d"]


def test_no_text_can_begin_a_line_of_its_own() -> None:
    foe = "x\r\nATTACH:file:///etc/passwd\rEND:VEVENT\x0bX\x85Y\u2028Z\x00\ud800"
    content = calendar(
        event(
            uid=foe,
            subject=foe,
            body=foe,
            location=foe,
            url=foe,
            categories=(foe,),
            organizer=Person(foe, foe),
            attendees=(Attendee(Person(foe, foe)),),
            attachments=(foe,),
        ),
        [Attached(foe, "text/plain", b"x")],
    )
    names = {one.partition(b":")[0].partition(b";")[0] for one in content.split(b"\r\n") if one[:1] != b" "}
    assert [one for one in content.split(b"\r\n") if one == b"END:VEVENT"] == [b"END:VEVENT"]
    assert b"X" not in names
    assert content.count(b"\r\nATTACH") == 1
    read(content)


def test_a_time_is_told_in_its_zone_with_the_rules_of_the_zone() -> None:
    content = calendar(event(end=at(2026, 3, 2, 5, zone="America/New_York")))
    found = read(content)
    assert found["DTSTART"].params["TZID"] == BERLIN
    assert (found.decoded("DTSTART"), found.decoded("DTEND")) == (
        at(2026, 3, 2, 9, 30).at,
        at(2026, 3, 2, 5, zone="America/New_York").at,
    )
    assert vtimezones(content).keys() == {BERLIN, "America/New_York"}
    assert timeline(content) == [at(2026, 3, 2, 9, 30).at]


@pytest.mark.parametrize("zone", [None, "UTC", "Etc/UTC", "Middle-earth/Shire", "../../etc/passwd", "Europe"])
def test_a_time_in_no_zone_that_anybody_knows_is_told_in_utc(zone: str | None) -> None:
    moment = Moment(datetime(2026, 3, 2, 9, tzinfo=UTC), zone)
    content = calendar(event(start=moment, end=moment))
    assert b"\r\nDTSTART:20260302T090000Z\r\n" in content
    assert b"TZID" not in content


def test_an_hour_that_the_clock_shows_twice_is_told_in_utc() -> None:
    second = Moment(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), BERLIN)  # 2:30, for the second time
    first = Moment(second.at - timedelta(hours=1), BERLIN)
    assert read(calendar(event(start=first, end=second))).decoded("DTSTART").astimezone(UTC) == first.at
    assert read(calendar(event(start=first, end=second))).decoded("DTEND") == second.at


def test_a_day_is_a_day_whatever_the_clock_does_in_it() -> None:
    """On 29 March 2026 the clock of Berlin goes forward, so that the day has 23 hours."""
    found = read(calendar(event(start=at(2026, 3, 29), end=at(2026, 3, 30), all_day=True)))
    assert (found.decoded("DTSTART"), found.decoded("DTEND")) == (date(2026, 3, 29), date(2026, 3, 30))
    long = read(calendar(event(start=at(2026, 3, 28), end=at(2026, 4, 1), all_day=True)))
    assert long.decoded("DTEND") - long.decoded("DTSTART") == timedelta(days=4)


def test_a_day_of_a_zone_that_changed_its_rules_since_is_the_nearest_one() -> None:
    """A server that reckoned midnight by other rules is an hour off, to either side."""
    for hours in (-1, 0, 1):
        start = Moment(at(2026, 7, 1).at + timedelta(hours=hours), BERLIN)
        end = Moment(at(2026, 7, 2).at + timedelta(hours=hours), BERLIN)
        found = read(calendar(event(start=start, end=end, all_day=True)))
        assert (found.decoded("DTSTART"), found.decoded("DTEND")) == (date(2026, 7, 1), date(2026, 7, 2))


def test_a_series_keeps_its_hour_over_a_change_of_the_clock_and_ends_where_it_should() -> None:
    weekly = event(recurrence=Recurrence("WEEKLY", days=("MO",), until=date(2026, 4, 13)))
    expected = [
        at(2026, 3, 2 + 7 * n, 9, 30).at if n < 5 else at(2026, 4, 7 * n - 29, 9, 30).at for n in range(7)
    ]
    content = calendar(weekly)
    assert starts(content) == expected
    assert timeline(content) == expected


def test_an_occurrence_is_moved_and_another_taken_out() -> None:
    moved = event(
        start=at(2026, 3, 31, 14), end=at(2026, 3, 31, 15), original=at(2026, 3, 30, 9, 30), subject="later"
    )
    series = event(
        recurrence=Recurrence("WEEKLY", days=("MO",), count=6),
        changed=(moved,),
        deleted=(at(2026, 3, 9, 9, 30),),
    )
    content = calendar(series)
    expected = [
        at(2026, 3, 2, 9, 30),
        at(2026, 3, 16, 9, 30),
        at(2026, 3, 23, 9, 30),
        at(2026, 3, 31, 14),
        at(2026, 4, 6, 9, 30),
    ]
    assert timeline(content) == [one.at for one in expected]
    parsed = icalendar.Calendar.from_ical(content)
    first, second = parsed.walk("VEVENT")
    assert second.decoded("RECURRENCE-ID") == at(2026, 3, 30, 9, 30).at
    assert (first["UID"], second["UID"], second["SUMMARY"]) == ("1@x", "1@x", "later")
    assert "RRULE" not in second
    assert "EXDATE" not in second


def test_days_of_a_series_are_taken_out_and_moved_as_days() -> None:
    moved = event(start=at(2026, 7, 9), end=at(2026, 7, 10), all_day=True, original=Moment(at(2026, 7, 8).at))
    series = event(
        start=at(2026, 7, 1),
        end=at(2026, 7, 2),
        all_day=True,
        recurrence=Recurrence("WEEKLY", until=date(2026, 7, 22)),
        changed=(moved,),
        deleted=(Moment(at(2026, 7, 15).at),),
    )
    assert timeline(calendar(series)) == [date(2026, 7, 1), date(2026, 7, 9), date(2026, 7, 22)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            Recurrence("MONTHLY", month_day=31, count=4),
            ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"],
        ),
        (Recurrence("MONTHLY", month_day=30, count=3), ["2026-01-30", "2026-02-28", "2026-03-30"]),
        (Recurrence("MONTHLY", month_day=28, count=3), ["2026-01-28", "2026-02-28", "2026-03-28"]),
        (Recurrence("YEARLY", month=2, month_day=29, count=3), ["2026-02-28", "2027-02-28", "2028-02-29"]),
        (Recurrence("YEARLY", month=4, month_day=30, count=2), ["2026-04-30", "2027-04-30"]),
        (Recurrence("MONTHLY", days=("TU",), week=2, count=3), ["2026-01-13", "2026-02-10", "2026-03-10"]),
        (Recurrence("MONTHLY", days=("FR",), week=-1, count=2), ["2026-01-30", "2026-02-27"]),
        (
            Recurrence("MONTHLY", days=("MO", "TU", "WE", "TH", "FR"), week=-1, count=3),
            ["2026-01-30", "2026-02-27", "2026-03-31"],
        ),
        (Recurrence("YEARLY", month=3, days=("SU",), week=-1, count=2), ["2026-03-29", "2027-03-28"]),
        (Recurrence("DAILY", interval=3, until=date(2026, 1, 8)), ["2026-01-02", "2026-01-05", "2026-01-08"]),
        (
            Recurrence("WEEKLY", interval=2, days=("SU", "TU"), first_weekday="MO", count=4),
            ["2026-01-04", "2026-01-13", "2026-01-18", "2026-01-27"],
        ),
        (
            Recurrence("WEEKLY", interval=2, days=("SU", "TU"), first_weekday="SU", count=4),
            ["2026-01-04", "2026-01-06", "2026-01-18", "2026-01-20"],
        ),
    ],
)
def test_a_rule_comes_when_the_server_lets_it_come(rule: Recurrence, expected: list[str]) -> None:
    first = datetime.fromisoformat(expected[0]).replace(hour=9, tzinfo=ZoneInfo(BERLIN))
    start = Moment(first.astimezone(UTC), BERLIN)
    content = calendar(event(start=start, end=start, recurrence=rule))
    assert [f"{one:%Y-%m-%d %H}" for one in starts(content)] == [f"{day} 09" for day in expected]
    assert [f"{one:%Y-%m-%d %H}" for one in timeline(content)] == [f"{day} 09" for day in expected]


def test_a_meeting_says_who_is_asked_and_what_they_answered() -> None:
    told = (
        Attendee(Person('Ann O\'Neil, "Boss"', "ann@example.org"), "required", "organizer"),
        Attendee(Person("Jürgen", "j@example.org"), "optional", "declined"),
        Attendee(Person("", "room@example.org"), "resource", "accepted"),
        Attendee(Person("Nobody"), "required", "none"),
    )
    found = read(calendar(event(organizer=Person("Ann", "ann@example.org"), attendees=told)))
    assert (str(found["ORGANIZER"]), found["ORGANIZER"].params["CN"]) == ("mailto:ann@example.org", "Ann")
    people = [
        (str(one), one.params.get("CN"), one.params["ROLE"], one.params["PARTSTAT"])
        for one in found["ATTENDEE"]
    ]
    assert people == [
        ("mailto:ann@example.org", 'Ann O\'Neil, "Boss"', "CHAIR", "ACCEPTED"),
        ("mailto:j@example.org", "Jürgen", "OPT-PARTICIPANT", "DECLINED"),
        ("mailto:room@example.org", None, "NON-PARTICIPANT", "ACCEPTED"),
        ("invalid:nomail", "Nobody", "REQ-PARTICIPANT", "NEEDS-ACTION"),
    ]
    assert found["ATTENDEE"][2].params["CUTYPE"] == "RESOURCE"


@pytest.mark.parametrize(("minutes", "before"), [(15, 15), (0, 0), (-5, -5), (1440, 1440)])
def test_a_reminder_is_an_alarm_before_the_start(minutes: int, before: int) -> None:
    alarm = read(calendar(event(subject="tea", reminder=minutes))).walk("VALARM")[0]
    assert alarm.decoded("TRIGGER") == timedelta(minutes=-before)
    assert (alarm["ACTION"], alarm["DESCRIPTION"]) == ("DISPLAY", "tea")


def test_how_it_counts_is_told() -> None:
    told = event(
        busy="free",
        sensitivity="confidential",
        importance="high",
        cancelled=True,
        sequence=3,
        url="https://x/ y",
    )
    found = read(calendar(told))
    assert [str(found[key]) for key in ("TRANSP", "CLASS", "STATUS", "SEQUENCE", "PRIORITY", "URL")] == [
        "TRANSPARENT",
        "CONFIDENTIAL",
        "CANCELLED",
        "3",
        "1",
        "https://x/ y",
    ]
    usual = read(calendar(event(busy="away")))
    assert str(usual["X-MICROSOFT-CDO-BUSYSTATUS"]) == "OOF"
    assert not {"CLASS", "STATUS", "SEQUENCE", "PRIORITY", "URL"} & usual.keys()


def test_the_files_of_an_event_stand_in_it_and_no_others() -> None:
    content = bytes(range(256)) * 300
    named = event(attachments=("plan ü.bin", "lost.txt"))
    found = read(
        calendar(named, [Attached("plan ü.bin", "image/png", content), Attached("x", "text/plain", b"")])
    )
    assert found["ATTACH"].params["FMTTYPE"] == "image/png"
    assert found["ATTACH"].params["FILENAME"] == "plan ü.bin"
    assert found["ATTACH"].bytes == content


def test_a_task_says_what_is_to_be_done_by_when() -> None:
    task = Task(
        subject="tidy",
        start=date(2026, 1, 5),
        due=date(2026, 1, 9),
        done=date(2026, 1, 8),
        status="done",
        percent=100,
        reminder=datetime(2026, 1, 9, 8, tzinfo=UTC),
        owner="Ann",
        recurrence=Recurrence("WEEKLY", days=("MO",), until=date(2026, 2, 2)),
    )
    found = read(calendar(task, uid="t1"))
    assert (found.decoded("DTSTART"), found.decoded("DUE")) == (date(2026, 1, 5), date(2026, 1, 9))
    assert found.decoded("COMPLETED").date() == date(2026, 1, 8)
    assert [str(found[key]) for key in ("UID", "STATUS", "PERCENT-COMPLETE", "CONTACT")] == [
        "t1",
        "COMPLETED",
        "100",
        "Ann",
    ]
    assert found.walk("VALARM")[0].decoded("TRIGGER") == datetime(2026, 1, 9, 8, tzinfo=UTC)
    assert found["RRULE"].to_ical() == b"FREQ=WEEKLY;UNTIL=20260202;BYDAY=MO"


def test_a_task_that_comes_again_when_it_is_done_has_no_rule_that_others_would_misread() -> None:
    task = Task(due=date(2026, 1, 9), recurrence=Recurrence("DAILY", interval=3, regenerates=True))
    found = read(calendar(task))
    assert "RRULE" not in found
    assert str(found["X-ARCHIVER-REGENERATES"]) == "FREQ=DAILY;INTERVAL=3"


def test_a_task_that_waits_says_so() -> None:
    found = read(calendar(Task(status="waiting", percent=250)))
    assert [str(found[key]) for key in ("STATUS", "X-ARCHIVER-STATUS", "PERCENT-COMPLETE")] == [
        "NEEDS-ACTION",
        "WAITING",
        "100",
    ]


def test_the_same_item_is_the_same_bytes() -> None:
    assert calendar(event()) == calendar(event())
    assert calendar(Task(subject="a")) == calendar(Task(subject="a")) != calendar(Task(subject="b"))


def test_a_calendar_made_elsewhere_is_taken_apart_line_by_line() -> None:
    content = (
        b"BEGIN:VCALENDAR\nVERSION:2.0\nX-WR-CALNAME:x\nBEGIN:VTIMEZONE\nTZID:W. Eur\n ope\nBEGIN:STANDARD\n"
        b"DTSTART:16010101T000000\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nSUMMARY:a\n\tb\nBEGIN:VALARM\n"
        b"END:VALARM\nEND:VEVENT\n"  # and no END:VCALENDAR, as Exchange was seen to do
    )
    assert list(vtimezones(content)) == ["W. Europe"]
    expected = b"BEGIN:VEVENT\r\nSUMMARY:a\r\n\tb\r\nBEGIN:VALARM\r\nEND:VALARM\r\nEND:VEVENT\r\n"
    assert other_components(content) == expected
    joined = opening(vtimezones(content)) + other_components(content) * 2 + CLOSING
    assert joined.count(b"BEGIN:VEVENT") == 2
    assert joined.startswith(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    assert joined.endswith(b"END:VCALENDAR\r\n")
