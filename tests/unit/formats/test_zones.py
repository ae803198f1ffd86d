"""The rules of time zones: what a calendar tells of them is what the system knows."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
import vobject

from archiver.formats.content_lines import line
from archiver.formats.zones import vtimezone

ZONES = (
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Asia/Jerusalem",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Europe/Moscow",
    "America/Nuuk",
)


def read(name: str, first: int, last: int) -> tzinfo:
    """The zone as `vobject` reads it from its rules alone, under a name that no system knows."""
    rules = vtimezone(name, first, last).replace(f"TZID:{name}".encode(), b"TZID:Own")
    calendar = line("BEGIN", "VCALENDAR") + line("VERSION", "2.0") + rules + line("END", "VCALENDAR")
    vobject.icalendar.registerTzid("Own", None)
    found: tzinfo = vobject.readOne(calendar.decode()).vtimezone.gettzinfo()
    return found


@pytest.mark.parametrize("name", ZONES)
def test_another_reader_finds_the_offsets_that_the_system_knows(name: str) -> None:
    told, known = read(name, 2008, 2024), ZoneInfo(name)
    at = datetime(2008, 1, 3, 12, tzinfo=UTC)
    wrong = []
    while at.year <= 2024:
        local = at.astimezone(known)
        if local.replace(tzinfo=told).utcoffset() != local.utcoffset():
            wrong.append(at)
        at += timedelta(days=2)
    assert wrong == []


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York"])
def test_a_rule_that_goes_on_is_told_without_end(name: str) -> None:
    told, known = read(name, 2025, 2026), ZoneInfo(name)
    for year in (2030, 2060, 2090):
        for month in (1, 4, 7, 11):
            local = datetime(year, month, 15, 12)
            assert local.replace(tzinfo=told).utcoffset() == local.replace(tzinfo=known).utcoffset()


def test_two_rules_tell_a_common_zone() -> None:
    told = vtimezone("Europe/Berlin", 2020, 2026)
    assert told.count(b"BEGIN:DAYLIGHT") == 1
    assert told.count(b"RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n") == 1
    assert told.count(b"RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n") == 1
