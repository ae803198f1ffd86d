"""The occurrences of a series: when they are, and the items that stand for them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.servers.ews import zones
from tests.servers.ews.markup import local, moment, parse_moment, t, text
from tests.servers.ews.order import names
from tests.servers.ews.refusals import Refused
from tests.servers.ews.state import Item, Site

_MONTHS = names("January February March April May June July August September October November December")
_DAYS = names("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_MOST = 1000


def starts(item: Item) -> Iterator[datetime]:
    """Give when the occurrences of a series begin, deleted and modified ones too, in order."""
    recurrence = item.fields["Recurrence"]
    span = recurrence[1]
    most = int(text(span, "NumberOfOccurrences") or _MOST)
    until = text(span, "EndDate")
    for count, start in enumerate(_pattern(item)):
        if count >= most or (until is not None and start.date().isoformat() > until[:10]):
            return
        yield start


def _pattern(item: Item) -> Iterator[datetime]:
    pattern = item.fields["Recurrence"][0]
    zone = item.fields.get("StartTimeZone")
    # by the clock on the wall: an hour does not change with daylight saving
    place = zones.known(None if zone is None else zone.get("Id")) or UTC
    first = parse_moment(text(item.fields["Start"]) or "").astimezone(place)
    every = int(text(pattern, "Interval") or 1)
    kind = local(pattern)
    days = {_DAYS.index(day) for day in (text(pattern, "DaysOfWeek") or "").split() if day in _DAYS}
    for passed in range(_MOST * 8):
        day = first + timedelta(days=passed)
        weeks = (passed + first.weekday()) // 7
        months = (day.year - first.year) * 12 + day.month - first.month
        due = {
            "DailyRecurrence": passed % every == 0,
            "WeeklyRecurrence": day.weekday() in days and weeks % every == 0,
            "AbsoluteMonthlyRecurrence": str(day.day) == text(pattern, "DayOfMonth") and months % every == 0,
            "AbsoluteYearlyRecurrence": str(day.day) == text(pattern, "DayOfMonth")
            and text(pattern, "Month") == _MONTHS[day.month - 1],
        }
        if kind not in due:
            raise Refused("ErrorCalendarInvalidRecurrence", f"The double does not know {kind}.")
        if due[kind]:
            yield day.astimezone(UTC)


def occurrences(site: Site, item: Item, end: datetime) -> list[Item]:
    """Give the occurrences that begin before `end`: modified ones as they are, the others made for the moment."""
    found = []
    modified = {one.original_start: one for one in item.occurrences}
    for start in starts(item):
        if start >= end:
            break
        if start not in item.deleted_occurrences:
            found.append(modified.get(start) or occurrence(site, item, start))
    return found


def occurrence(site: Site, item: Item, start: datetime) -> Item:
    """Make the item that stands for an occurrence that nobody modified."""
    made = site.new_item("CalendarItem", "IPM.Appointment.Occurrence", item.folder)
    begins, ends = (parse_moment(text(item.fields[name]) or "") for name in ("Start", "End"))
    made.fields = {name: one for name, one in item.fields.items() if name != "Recurrence"}
    made.fields["Start"] = t("Start", moment(start))
    made.fields["End"] = t("End", moment(start + (ends - begins)))
    made.master, made.original_start, made.is_draft = item, start, False
    made.change_key = site.identifiers.key()
    site.items[made.id] = made
    return made


def numbered(site: Site, item: Item, index: int) -> Item:
    """Give the occurrence with a number, counted from 1. Refuses one that was deleted, or never was."""
    for count, start in enumerate(starts(item), 1):
        if count == index:
            if start in item.deleted_occurrences:
                raise Refused("ErrorCalendarOccurrenceIsDeletedFromRecurrence")
            found = next((one for one in item.occurrences if one.original_start == start), None)
            return found or occurrence(site, item, start)
    raise Refused("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")
