"""Events and tasks as a calendar that other programs read (RFC 5545). The same items are the same bytes.

A series is one VEVENT with its rule, and one more for each occurrence that differs. A time is written in its zone,
with the zone's rules beside it; in UTC where the zone is not known, or the clock on the wall shows it twice.
Attachments stand in the calendar itself.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from msgspec import Struct

from archiver.formats.content_lines import CLASSES, binary_line, escaped, line, made_uid, text_line, unfolded
from archiver.formats.record import Attached
from archiver.formats.zones import vtimezone, zone
from archiver.items import Attendee, Described, Event, Moment, Person, Recurrence, Task

_ENDLESS = 30  # years of a series without end for which changes of its zone without a rule are told
_NOON = timedelta(hours=12)
_PRIORITIES = {"high": "1", "low": "9"}
_BUSY = {
    "free": "FREE",
    "tentative": "TENTATIVE",
    "busy": "BUSY",
    "away": "OOF",
    "elsewhere": "WORKINGELSEWHERE",
}
_ANSWERS = {
    "none": "NEEDS-ACTION",
    "accepted": "ACCEPTED",
    "tentative": "TENTATIVE",
    "declined": "DECLINED",
    "organizer": "ACCEPTED",
}
_ROLES = {"required": "REQ-PARTICIPANT", "optional": "OPT-PARTICIPANT", "resource": "NON-PARTICIPANT"}
_STATES = {
    "open": "NEEDS-ACTION",
    "started": "IN-PROCESS",
    "done": "COMPLETED",
    "waiting": "NEEDS-ACTION",
    "deferred": "NEEDS-ACTION",
}


class Entered(Struct, frozen=True):
    """An item to be written, with the files it names. `uid` is for a task, which has none of its own."""

    item: Event | Task
    attachments: Sequence[Attached] = ()
    uid: str = ""


def calendar(item: Event | Task, attachments: Sequence[Attached] = (), uid: str = "") -> bytes:
    """Write one item as a calendar, in UTF-8 and with CRLF. What it names of `attachments` stands in it."""
    one = Entered(item, attachments, uid)
    years: dict[str, tuple[int, int]] = {}
    years_of(one, years)
    return opening(written_zones(years)) + components(one) + CLOSING


def opening(zones: Mapping[str, bytes]) -> bytes:
    """Begin a calendar with these VTIMEZONEs, by name; components follow, and `CLOSING`."""
    head = [line("BEGIN", "VCALENDAR"), line("VERSION", "2.0"), line("PRODID", "-//archiver//archiver//EN")]
    return b"".join([*head, *(zones[name] for name in sorted(zones))])


CLOSING = line("END", "VCALENDAR")


def components(one: Entered) -> bytes:
    """Write the VEVENTs or the VTODO of an item."""
    files = {each.name: each for each in one.attachments}
    if isinstance(one.item, Task):
        return b"".join(_todo(one.item, one.uid or made_uid(one.item), files))
    series = one.item
    parts = [*_event(series, series, files)]
    for changed in series.changed:
        parts += _event(changed, series, files)
    return b"".join(parts)


def years_of(one: Entered, years: dict[str, tuple[int, int]]) -> None:
    """Note in `years` the zones that an item names, and the years in which it does."""
    for event in (one.item, *one.item.changed) if isinstance(one.item, Event) else ():
        for name, first, last in _zones(event):
            low, high = years.get(name, (first, last))
            years[name] = min(low, first), max(high, last)


def written_zones(years: Mapping[str, tuple[int, int]]) -> dict[str, bytes]:
    """Write a VTIMEZONE for each zone, by its name."""
    return {name: vtimezone(name, first, last) for name, (first, last) in years.items()}


def vtimezones(content: bytes) -> dict[str, bytes]:
    """Find the VTIMEZONEs of a calendar made elsewhere, by their names; each with CRLF and folded as it came."""
    return {name: body for name, body in _blocks(content) if name is not None}


def other_components(content: bytes) -> bytes:
    """Give the VEVENTs, VTODOs and so on of a calendar made elsewhere, folded as they came."""
    return b"".join(body for name, body in _blocks(content) if name is None)


def _blocks(content: bytes) -> Iterator[tuple[str | None, bytes]]:
    """Take a calendar apart: its components with their lines; of a VTIMEZONE, its name with them."""
    depth, block = 0, list[bytes]()
    for raw in content.replace(b"\r\n", b"\n").split(b"\n"):
        word = raw.strip().upper()
        if word.startswith(b"BEGIN:") and word != b"BEGIN:VCALENDAR":
            depth += 1
        if depth and raw:
            block.append(raw + b"\r\n")
        if word.startswith(b"END:") and word != b"END:VCALENDAR" and depth:
            depth -= 1
            if not depth:
                yield _zone_name(block), b"".join(block)
                block = []


def _zone_name(block: Sequence[bytes]) -> str | None:
    if block[0].strip().upper() != b"BEGIN:VTIMEZONE":
        return None
    named = [one[5:] for one in unfolded(b"".join(block)) if one[:5].upper() == b"TZID:"]
    return named[0].decode("utf-8", "replace").strip() if named else ""


# --- events ---------------------------------------------------------------------------------------------


def _event(event: Event, series: Event, files: Mapping[str, Attached]) -> Iterator[bytes]:
    """Write a VEVENT: the series itself, or an occurrence of it that differs."""
    yield line("BEGIN", "VEVENT")
    yield line("UID", escaped(series.uid) or made_uid(series))
    stamp = event.modified or event.created or event.start.at
    yield line("DTSTAMP", _utc(stamp))
    if event is not series:
        yield _when("RECURRENCE-ID", event.original or event.start, series)
    yield from _times(event, series)
    if event is series and event.recurrence is not None:
        yield from _rule(event.recurrence, event)
        for moment in event.deleted:
            yield _when("EXDATE", moment, series)
    yield from _described(event, files)
    yield text_line("LOCATION", event.location)
    yield line("URL", " ".join(event.url.split())) if event.url.strip() else b""
    yield line("STATUS", "CANCELLED") if event.cancelled else b""
    yield line("SEQUENCE", str(event.sequence)) if event.sequence > 0 else b""
    yield line("TRANSP", "TRANSPARENT" if event.busy == "free" else "OPAQUE")
    yield line("X-MICROSOFT-CDO-BUSYSTATUS", _BUSY[event.busy])
    if event.organizer is not None:
        yield line("ORGANIZER", _mailto(event.organizer), _called(event.organizer))
    for attendee in event.attendees:
        yield _attendee(attendee)
    if event.reminder is not None:
        yield from _alarm(event, f"{'-' if event.reminder >= 0 else ''}PT{abs(event.reminder)}M", {})
    yield line("END", "VEVENT")


def _times(event: Event, series: Event) -> Iterator[bytes]:
    if event.all_day:
        first = _day(event.start)
        yield line("DTSTART", _date(first), {"VALUE": "DATE"})
        last = max(_day(event.end), first + timedelta(days=1))
        yield line("DTEND", _date(last), {"VALUE": "DATE"})
        return
    keeps_zone = series.recurrence is not None and event is series
    yield _time("DTSTART", event.start, keeps_zone=keeps_zone)
    if event.end.at > event.start.at:
        yield _time("DTEND", event.end)


def _when(name: str, moment: Moment, series: Event) -> bytes:
    """Write a time in the form of the series' start, as RFC 5545 asks of what names an occurrence."""
    if series.all_day:
        day = _day(Moment(moment.at, moment.zone or series.start.zone))
        return line(name, _date(day), {"VALUE": "DATE"})
    return _time(name, Moment(moment.at, series.start.zone), keeps_zone=True)


def _time(name: str, moment: Moment, *, keeps_zone: bool = False) -> bytes:
    place = zone(moment.zone)
    local = _local(moment, place)
    if place is None or place is UTC or (local.fold and not keeps_zone):
        return line(name, _utc(moment.at))
    return line(name, f"{local.year:04d}{local:%m%dT%H%M%S}", {"TZID": moment.zone or ""})


def _day(moment: Moment) -> date:
    """Give the day that begins at a midnight; the nearest one where the clock was changed meanwhile."""
    return (_local(moment, zone(moment.zone)).replace(tzinfo=None) + _NOON).date()


def _local(moment: Moment, place: tzinfo | None) -> datetime:
    return moment.at.astimezone(place) if place is not None else moment.at


def _zones(event: Event) -> Iterator[tuple[str, int, int]]:
    """Tell which zones an event is written in, and for which years."""
    if event.all_day:
        return
    moments = [event.start, event.end, *event.deleted, *([event.original] if event.original else ())]
    years = [one.at.year for one in moments]
    if event.recurrence is not None:
        until = event.recurrence.until
        years.append(until.year if until is not None else event.start.at.year + _ENDLESS)
    for name in dict.fromkeys((event.start.zone, event.end.zone)):
        if name is not None and zone(name) not in (None, UTC):
            yield name, max(min(years) - 1, 1900), min(max(years) + 1, 9900)


def _attendee(attendee: Attendee) -> bytes:
    told = {"ROLE": "CHAIR" if attendee.response == "organizer" else _ROLES[attendee.role]}
    if attendee.role == "resource":
        told["CUTYPE"] = "RESOURCE"
    told["PARTSTAT"] = _ANSWERS[attendee.response]
    if attendee.response == "none":
        told["RSVP"] = "TRUE"
    return line("ATTENDEE", _mailto(attendee.person), {**told, **_called(attendee.person)})


def _mailto(person: Person) -> str:
    address = "".join(person.address.split())
    return f"mailto:{escaped(address)}" if address else "invalid:nomail"


def _called(person: Person) -> dict[str, str]:
    return {"CN": person.name} if person.name.strip() else {}


# --- tasks ----------------------------------------------------------------------------------------------


def _todo(task: Task, uid: str, files: Mapping[str, Attached]) -> Iterator[bytes]:
    yield line("BEGIN", "VTODO")
    yield line("UID", escaped(uid))
    yield line("DTSTAMP", _utc(task.modified or task.created or datetime.fromtimestamp(0, UTC)))
    start = task.start or (task.due if task.recurrence is not None else None)  # a rule needs one
    for name, day in (("DTSTART", start), ("DUE", task.due)):
        yield line(name, _date(day), {"VALUE": "DATE"}) if day is not None else b""
    if task.done is not None:  # a day has to be a time here: noon is that day nearly everywhere
        yield line("COMPLETED", f"{_date(task.done)}T120000Z")
    yield from _described(task, files)
    yield line("STATUS", _STATES[task.status])
    if task.status in ("waiting", "deferred"):
        yield line("X-ARCHIVER-STATUS", task.status.upper())
    yield line("PERCENT-COMPLETE", str(min(max(task.percent, 0), 100)))
    yield text_line("CONTACT", task.owner)
    if task.recurrence is not None and start is not None:
        told = _rule_value(
            task.recurrence, Moment(datetime(start.year, start.month, start.day, tzinfo=UTC)), True
        )
        yield line("X-ARCHIVER-REGENERATES" if task.recurrence.regenerates else "RRULE", told)
    if task.reminder is not None:
        yield from _alarm(task, _utc(task.reminder), {"VALUE": "DATE-TIME"})
    yield line("END", "VTODO")


# --- what both have -------------------------------------------------------------------------------------


def _described(item: Event | Task, files: Mapping[str, Attached]) -> Iterator[bytes]:
    yield line("CREATED", _utc(item.created)) if item.created else b""
    yield line("LAST-MODIFIED", _utc(item.modified)) if item.modified else b""
    yield text_line("SUMMARY", item.subject)
    yield text_line("DESCRIPTION", item.body)
    named = [escaped(one) for one in item.categories if one.strip()]
    yield line("CATEGORIES", ",".join(named)) if named else b""
    yield line("CLASS", CLASSES[item.sensitivity]) if item.sensitivity in CLASSES else b""
    yield line("PRIORITY", _PRIORITIES[item.importance]) if item.importance in _PRIORITIES else b""
    for name in item.attachments:
        if name in files:
            told = {"FMTTYPE": files[name].media_type, "ENCODING": "BASE64", "VALUE": "BINARY"}
            yield binary_line("ATTACH", files[name].content, {**told, "X-FILENAME": name, "FILENAME": name})


def _alarm(item: Described, trigger: str, parameters: Mapping[str, str]) -> Iterator[bytes]:
    yield line("BEGIN", "VALARM")
    yield line("ACTION", "DISPLAY")
    yield text_line("DESCRIPTION", item.subject.strip() or "Reminder")
    yield line("TRIGGER", trigger, parameters)
    yield line("END", "VALARM")


def _rule(recurrence: Recurrence, event: Event) -> Iterator[bytes]:
    yield line("RRULE", _rule_value(recurrence, event.start, event.all_day))


def _rule_value(told: Recurrence, start: Moment, all_day: bool) -> str:
    parts = [f"FREQ={told.every}"]
    if told.interval > 1:
        parts.append(f"INTERVAL={told.interval}")
    if told.month is not None:
        parts.append(f"BYMONTH={told.month}")
    parts += _days(told)
    if told.count is not None:
        parts.append(f"COUNT={told.count}")
    elif told.until is not None:
        parts.append(f"UNTIL={_until(told.until, start, all_day)}")
    if told.first_weekday is not None:
        parts.append(f"WKST={told.first_weekday}")
    return ";".join(parts)


def _days(told: Recurrence) -> list[str]:
    """Say on which days it comes."""
    if told.days and told.week is not None and len(told.days) == 1:
        return [f"BYDAY={told.week}{told.days[0]}"]
    if told.days:
        position = [] if told.week is None else [f"BYSETPOS={told.week}"]
        return [f"BYDAY={','.join(told.days)}", *position]
    return _month_day(told.month_day, told.month) if told.month_day is not None else []


def _month_day(day: int, month: int | None) -> list[str]:
    """Say on which day of the month. What comes on the 31st comes on the last day of a shorter month, too."""
    longest = monthrange(2024, month)[1] if month is not None else 31
    if day >= longest and (day >= 31 or month is not None):
        return ["BYMONTHDAY=-1"]
    if day >= 29 and month is None:
        return [f"BYMONTHDAY={','.join(map(str, range(28, day + 1)))}", "BYSETPOS=-1"]
    return [f"BYMONTHDAY={day}"]


def _until(until: date, start: Moment, all_day: bool) -> str:
    """Write the last day as RFC 5545 asks: a day for what comes by days, else the time of that day in UTC."""
    if all_day:
        return _date(until)
    local = _local(start, zone(start.zone))
    return _utc(local.replace(year=until.year, month=until.month, day=until.day))


def _date(day: date) -> str:
    return f"{day.year:04d}{day:%m%d}"


def _utc(at: datetime) -> str:
    told = at.astimezone(UTC)
    return f"{told.year:04d}{told:%m%dT%H%M%SZ}"
