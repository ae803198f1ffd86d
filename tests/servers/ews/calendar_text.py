"""The bare VCALENDAR that Exchange gives as MimeContent of calendar items: a series with its modified occurrences."""

from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from tests.servers.ews import zones
from tests.servers.ews.markup import local, parse_moment, t, text
from tests.servers.ews.mime import address_of
from tests.servers.ews.order import names
from tests.servers.ews.state import Item

_DAYS = {name: name[:2].upper() for name in names("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")}
_INDEX = {"First": 1, "Second": 2, "Third": 3, "Fourth": 4, "Last": -1}
_MONTHS = names("January February March April May June July August September October November December")
_FREQUENCIES = {
    "DailyRecurrence": "DAILY",
    "WeeklyRecurrence": "WEEKLY",
    "AbsoluteMonthlyRecurrence": "MONTHLY",
    "RelativeMonthlyRecurrence": "MONTHLY",
    "AbsoluteYearlyRecurrence": "YEARLY",
    "RelativeYearlyRecurrence": "YEARLY",
}


def rule(recurrence: Element) -> str:
    """Write a t:Recurrence as an RRULE (RFC 5545 section 3.3.10)."""
    pattern, span = recurrence[0], recurrence[1]
    parts = [f"FREQ={_FREQUENCIES[local(pattern)]}"]
    interval = text(pattern, "Interval")
    if interval and interval != "1":
        parts.append(f"INTERVAL={interval}")
    days = [_DAYS[day] for day in (text(pattern, "DaysOfWeek") or "").split() if day in _DAYS]
    index = text(pattern, "DayOfWeekIndex")
    if days:
        parts.append("BYDAY=" + ",".join(f"{_INDEX[index]}{day}" if index else day for day in days))
    if text(pattern, "DayOfMonth"):
        parts.append(f"BYMONTHDAY={text(pattern, 'DayOfMonth')}")
    month = text(pattern, "Month")
    if month:
        parts.append(f"BYMONTH={_MONTHS.index(month) + 1}")
    if local(span) == "NumberedRecurrence":
        parts.append(f"COUNT={text(span, 'NumberOfOccurrences')}")
    end = text(span, "EndDate")
    if end:
        parts.append(f"UNTIL={end[:10].replace('-', '')}T235959Z")
    return ";".join(parts)


def recurrence_of(written: str, start: datetime) -> Element:
    """Read an RRULE, of the plain kinds, as a t:Recurrence."""
    parts = dict(part.split("=", 1) for part in written.split(";"))
    interval = t("Interval", parts.get("INTERVAL", "1"))
    names = {short: long for long, short in _DAYS.items()}
    if parts["FREQ"] == "WEEKLY":
        days = parts.get("BYDAY", list(_DAYS.values())[start.weekday()])
        shown = " ".join(names[day] for day in days.split(","))
        pattern = t("WeeklyRecurrence", interval, t("DaysOfWeek", shown))
    elif parts["FREQ"] == "MONTHLY":
        pattern = t(
            "AbsoluteMonthlyRecurrence", interval, t("DayOfMonth", parts.get("BYMONTHDAY", str(start.day)))
        )
    elif parts["FREQ"] == "YEARLY":
        month = t("Month", _MONTHS[start.month - 1])
        pattern = t("AbsoluteYearlyRecurrence", t("DayOfMonth", str(start.day)), month)
    else:
        pattern = t("DailyRecurrence", interval)
    first = t("StartDate", start.strftime("%Y-%m-%d"))
    if "COUNT" in parts:
        return t(
            "Recurrence", pattern, t("NumberedRecurrence", first, t("NumberOfOccurrences", parts["COUNT"]))
        )
    return t("Recurrence", pattern, t("NoEndRecurrence", first))


def write(item: Item) -> bytes:
    """Write a calendar item, with the modified occurrences of a series as events of their own."""
    lines = ["BEGIN:VCALENDAR", "METHOD:PUBLISH", "PRODID:Microsoft Exchange Server 2010", "VERSION:2.0"]
    zone = _zone(item.fields)
    if zone is not None and zones.known(zone) is not None:
        lines += zones.lines(zone)
    lines += _event(item, item.master)
    for occurrence in item.occurrences:
        lines += _event(occurrence, item)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded(line)}\r\n" for line in lines).encode()


def folded(line: str) -> str:
    """Fold a line of content (RFC 5545 section 3.1)."""
    pieces = [line[at : at + 70] for at in range(0, len(line), 70)] or [""]
    return "\r\n ".join(pieces)


def escaped(value: str) -> str:
    """Escape a text (RFC 5545 section 3.3.11)."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n"), ("\n", "\\n")):
        value = value.replace(plain, escaped)
    return value


def utc(when: datetime) -> str:
    """Write a time in UTC, in the basic form."""
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _zone(fields: dict[str, Element]) -> str | None:
    found = fields.get("StartTimeZone")
    return None if found is None else found.get("Id")


def _time(prop: str, when: datetime, fields: dict[str, Element]) -> str:
    """Write a time in the zone of the event, where it is one that Exchange knows, else in UTC."""
    zone = _zone(fields)
    place = zones.known(zone)
    if text(fields.get("IsAllDayEvent")) == "true":
        return f"{prop};VALUE=DATE:{when.astimezone(place or UTC):%Y%m%d}"
    if place is None:
        return f"{prop}:{utc(when)}"
    return f"{prop};TZID={zone}:{when.astimezone(place):%Y%m%dT%H%M%S}"


def _event(item: Item, master: Item | None = None) -> list[str]:
    fields = {**(master.fields if master else {}), **item.fields}
    lines = ["BEGIN:VEVENT", f"UID:{text(fields.get('UID')) or ''}"]
    lines.append(f"SUMMARY:{escaped(text(fields.get('Subject')) or '')}")
    for name, prop in (("Start", "DTSTART"), ("End", "DTEND")):
        when = text(fields.get(name))
        if when:
            lines.append(_time(prop, parse_moment(when), fields))
    organizer = address_of(fields.get("Organizer"))
    if organizer:
        lines.append(f"ORGANIZER:mailto:{organizer}")
    for group, role in (("RequiredAttendees", "REQ-PARTICIPANT"), ("OptionalAttendees", "OPT-PARTICIPANT")):
        for attendee in fields.get(group, ()):
            lines.append(f"ATTENDEE;ROLE={role}:mailto:{address_of(attendee)}")
    for name, prop in (("Location", "LOCATION"), ("Body", "DESCRIPTION")):
        if text(fields.get(name)):
            lines.append(f"{prop}:{escaped(text(fields[name]) or '')}")
    if master is not None:
        assert item.original_start is not None
        lines.append(_time("RECURRENCE-ID", item.original_start, fields))
    elif "Recurrence" in fields:
        lines.append(f"RRULE:{rule(fields['Recurrence'])}")
        lines += [_time("EXDATE", when, fields) for when in item.deleted_occurrences]
    lines += _alarm(fields)
    return [*lines, f"DTSTAMP:{utc(item.modified)}", "END:VEVENT"]


def _alarm(fields: dict[str, Element]) -> list[str]:
    if text(fields.get("ReminderIsSet")) != "true":
        return []
    minutes = text(fields.get("ReminderMinutesBeforeStart")) or "15"
    return ["BEGIN:VALARM", "ACTION:DISPLAY", f"TRIGGER;RELATED=START:-PT{minutes}M", "END:VALARM"]


def absorb(item: Item, raw: bytes) -> None:
    """Take a VCALENDAR into a calendar item: what its first event tells, where the item has no such field yet."""
    lines = raw.decode("utf-8", "replace").replace("\r\n ", "").replace("\r\n", "\n").split("\n")
    told: dict[str, str] = {}
    event = lines[lines.index("BEGIN:VEVENT") :] if "BEGIN:VEVENT" in lines else []
    for line in event[: event.index("END:VEVENT") if "END:VEVENT" in event else None]:
        name, _, value = line.partition(":")
        told.setdefault(name.partition(";")[0], value)
    for prop, name in (("UID", "UID"), ("SUMMARY", "Subject"), ("LOCATION", "Location")):
        if prop in told:
            item.fields.setdefault(name, t(name, told[prop].replace("\\,", ",").replace("\\;", ";")))
    for prop, name in (("DTSTART", "Start"), ("DTEND", "End")):
        if prop in told:
            read = datetime.fromisoformat(told[prop].rstrip("Z")).replace(tzinfo=UTC)
            item.fields.setdefault(name, t(name, read.strftime("%Y-%m-%dT%H:%M:%SZ")))
    if "RRULE" in told and "Start" in item.fields:
        start = parse_moment(text(item.fields["Start"]) or "")
        item.fields.setdefault("Recurrence", recurrence_of(told["RRULE"], start))
