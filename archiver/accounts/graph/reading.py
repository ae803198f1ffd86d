"""Events, contacts and tasks of Graph as the neutral values of `archiver.items`. Pure.

https://learn.microsoft.com/graph/api/resources/event, .../contact, .../todotask, .../recurrencepattern
"""

import contextlib
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from html import unescape
from typing import Any, cast
from zoneinfo import ZoneInfo

from archiver.accounts.graph.listing import moment
from archiver.accounts.graph.web import Json
from archiver.items import (
    Attendee,
    Contact,
    Event,
    Labelled,
    Moment,
    Person,
    PostalAddress,
    Recurrence,
    Task,
    Weekday,
)

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CODES: tuple[Weekday, ...] = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WEEKS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
EVERY = {"daily": "DAILY", "weekly": "WEEKLY", "Monthly": "MONTHLY", "Yearly": "YEARLY"}
BUSY = {
    "free": "free",
    "tentative": "tentative",
    "busy": "busy",
    "oof": "away",
    "workingElsewhere": "elsewhere",
}
STATUS = {
    "notStarted": "open",
    "inProgress": "started",
    "completed": "done",
    "waitingOnOthers": "waiting",
    "deferred": "deferred",
}
RESPONSES = {
    "organizer": "organizer",
    "tentativelyAccepted": "tentative",
    "accepted": "accepted",
    "declined": "declined",
}
PHONES = (("homePhones", "home"), ("businessPhones", "work"))
ADDRESSES = (("homeAddress", "home"), ("businessAddress", "work"), ("otherAddress", ""))
NAMES = {
    "name": "displayName",
    "file_as": "fileAs",
    "given": "givenName",
    "middle": "middleName",
    "surname": "surname",
    "title": "title",
    "suffix": "generation",
    "nickname": "nickName",
    "company": "companyName",
    "department": "department",
    "job": "jobTitle",
    "office": "officeLocation",
    "profession": "profession",
    "manager": "manager",
    "assistant": "assistantName",
    "spouse": "spouseName",
}
"""Fields of `Contact` that are one text, and the properties that they are in Graph."""


def event(told: Json, attachments: Sequence[str] = ()) -> Event:
    """Read an event, with the exceptions of a series where they came along."""
    zone = zone_of(told.get("originalStartTimeZone"))
    all_day = bool(told.get("isAllDay"))
    recurrence = told.get("recurrence")
    reminder = told.get("reminderMinutesBeforeStart") if told.get("isReminderOn") else None
    return Event(
        uid=_text(told.get("iCalUId") or told.get("uid")),
        start=_at(told.get("start"), zone, all_day=all_day),
        end=_at(told.get("end"), zone_of(told.get("originalEndTimeZone")) or zone, all_day=all_day),
        all_day=all_day,
        location=_text((told.get("location") or {}).get("displayName")),
        organizer=_person(told.get("organizer")),
        attendees=tuple(_attendee(one) for one in told.get("attendees") or ()),
        busy=cast(Any, BUSY.get(_text(told.get("showAs")), "busy")),
        reminder=reminder if isinstance(reminder, int) else None,
        cancelled=bool(told.get("isCancelled")),
        url=_text((told.get("onlineMeeting") or {}).get("joinUrl") or told.get("onlineMeetingUrl")),
        recurrence=recurrence_of(recurrence) if recurrence else None,
        original=_original(told, zone, all_day=all_day),
        changed=tuple(event(one) for one in told.get("exceptionOccurrences") or ()),
        deleted=tuple(_deleted(told, zone)),
        attachments=tuple(attachments),
        **_described(told),
    )


def contact(told: Json, photo: str | None = None) -> Contact:
    """Read a contact."""
    texts: dict[str, Any] = {ours: _text(told.get(theirs)) for ours, theirs in NAMES.items()}
    phones = [Labelled(_text(one), label) for name, label in PHONES for one in told.get(name) or () if one]
    if told.get("mobilePhone"):
        phones.append(Labelled(_text(told["mobilePhone"]), "mobile"))
    emails = [one for one in told.get("emailAddresses") or () if one and one.get("address")]
    addresses = [
        _address(told[name], label) for name, label in ADDRESSES if any((told.get(name) or {}).values())
    ]
    home_page = told.get("businessHomePage")
    return Contact(
        **texts,
        **_described(
            {**told, "subject": told.get("displayName"), "body": {"content": told.get("personalNotes")}}
        ),
        children=tuple(_text(one) for one in told.get("children") or ()),
        birthday=_day(told.get("birthday")),
        emails=tuple(Labelled(_text(one["address"])) for one in emails),
        phones=tuple(phones),
        chats=tuple(Labelled(_text(one)) for one in told.get("imAddresses") or () if one),
        urls=(Labelled(_text(home_page), "work"),) if home_page else (),
        addresses=tuple(addresses),
        photo=photo,
    )


def task(told: Json, attachments: Sequence[str] = ()) -> Task:
    """Read a task."""
    recurrence = told.get("recurrence")
    status = STATUS.get(_text(told.get("status")), "open")
    reminder = _moment_of(told.get("reminderDateTime")) if told.get("isReminderOn") else None
    return Task(
        start=_day((told.get("startDateTime") or {}).get("dateTime")),
        due=_day((told.get("dueDateTime") or {}).get("dateTime")),
        done=_day((told.get("completedDateTime") or {}).get("dateTime")),
        status=cast(Any, status),
        percent=100 if status == "done" else 0,
        reminder=reminder,
        recurrence=recurrence_of(recurrence) if recurrence else None,
        attachments=tuple(attachments),
        **_described({**told, "subject": told.get("title")}),
    )


def recurrence_of(told: Json) -> Recurrence | None:
    """Read how an item comes again; None for what cannot be read."""
    pattern, span = told.get("pattern") or {}, told.get("range") or {}
    kind = _text(pattern.get("type"))
    every = next((ours for theirs, ours in EVERY.items() if kind.endswith(theirs)), None)
    if every is None:
        return None
    days = tuple(CODES[DAYS.index(one)] for one in pattern.get("daysOfWeek") or () if one in DAYS)
    relative = kind.startswith("relative")
    first = pattern.get("firstDayOfWeek")
    return Recurrence(
        every=cast(Any, every),
        interval=max(1, int(pattern.get("interval") or 1)),
        days=days if relative or every == "WEEKLY" else (),
        week=WEEKS.get(_text(pattern.get("index"))) if relative else None,
        month_day=pattern.get("dayOfMonth") or None if kind.startswith("absolute") else None,
        month=pattern.get("month") or None if every == "YEARLY" else None,
        first_weekday=CODES[DAYS.index(first)] if every == "WEEKLY" and first in DAYS else None,
        count=int(span["numberOfOccurrences"]) if span.get("type") == "numbered" else None,
        until=_day(span.get("endDate")) if span.get("type") == "endDate" else None,
    )


def zone_of(name: object) -> str | None:
    """Give the IANA name of a zone that Graph names, mostly as Windows does; None for one that nobody knows."""
    text = _text(name)
    if not text or text in ("UTC", "tzone://Microsoft/Utc"):
        return "UTC" if text else None
    found = _windows_zones().get(text, text)
    with contextlib.suppress(Exception):
        ZoneInfo(found)
        return found
    return None


def _windows_zones() -> dict[str, str]:
    try:
        from exchangelib.winzone import MS_TIMEZONE_TO_IANA_MAP  # noqa: PLC0415 -- heavy, and few events need it
    except ImportError:
        return {}
    return dict(MS_TIMEZONE_TO_IANA_MAP)


# --- parts -----------------------------------------------------------------------------------------------


def _described(told: Json) -> dict[str, Any]:
    return {
        "subject": _text(told.get("subject")),
        "body": plain(told.get("body") or {}),
        "categories": tuple(_text(one) for one in told.get("categories") or ()),
        "sensitivity": _among(told.get("sensitivity"), ("normal", "personal", "private", "confidential")),
        "importance": _among(told.get("importance"), ("normal", "low", "high")),
        "created": moment(told.get("createdDateTime")),
        "modified": moment(told.get("lastModifiedDateTime")),
    }


def plain(body: Json) -> str:
    """Give the text of a body, without the tags of HTML."""
    content = _text(body.get("content"))
    if _text(body.get("contentType")).lower() != "html":
        return content
    content = re.sub(r"(?is)<(style|script|head)\b.*?</\1>", "", content)
    content = re.sub(r"\s+", " ", content)
    content = re.sub(r"(?i)<(?:br\s*/?|/p|/div|/tr|/li|/h\d)\s*>\s*", "\n", content)
    return unescape(re.sub(r"<[^>]*>", "", content)).replace("\u00a0", " ").strip()


def _at(told: Json | None, zone: str | None, *, all_day: bool) -> Moment:
    return _placed(_moment_of(told) or datetime.fromtimestamp(0, UTC), zone, all_day=all_day)


def _placed(at: datetime, zone: str | None, *, all_day: bool) -> Moment:
    """Put a time into its zone; of an all-day event, whatever zone it is told in, midnight stays midnight."""
    place = ZoneInfo(zone) if zone else UTC
    if not all_day:
        return Moment(at.astimezone(place) if zone else at, zone)
    day = at if at.time() == time.min else at.astimezone(place)
    return Moment(datetime.combine(day.date(), time.min, place), zone)


def _moment_of(told: Json | None) -> datetime | None:
    """Read a dateTimeTimeZone."""
    told = told or {}
    at = moment(told.get("dateTime"))
    zone = zone_of(told.get("timeZone"))
    if at is not None and zone is not None and zone != "UTC":
        at = at.replace(tzinfo=ZoneInfo(zone))
    return at


def _original(told: Json, zone: str | None, *, all_day: bool) -> Moment | None:
    at = moment(told.get("originalStart")) if told.get("type") in ("exception", "occurrence") else None
    return _placed(at, zone, all_day=all_day) if at is not None else None


def _deleted(told: Json, zone: str | None) -> list[Moment]:
    """Read the occurrences that were taken out: ids that end in the day, `OID.….2026-03-02`."""
    start = _at(told.get("start"), zone, all_day=bool(told.get("isAllDay"))).at
    found = []
    for one in told.get("cancelledOccurrences") or ():
        day = _day(_text(one).rpartition(".")[2])
        if day is not None:
            found.append(Moment(start.replace(year=day.year, month=day.month, day=day.day), zone))
    return found


def _attendee(told: Json) -> Attendee:
    response = RESPONSES.get(_text((told.get("status") or {}).get("response")), "none")
    role = _among(told.get("type"), ("required", "optional", "resource"))
    return Attendee(_person(told) or Person(), cast(Any, role), cast(Any, response))


def _person(told: Json | None) -> Person | None:
    address = (told or {}).get("emailAddress")
    if not address:
        return None
    return Person(_text(address.get("name")), _text(address.get("address")))


def _address(told: Json, label: str) -> PostalAddress:
    return PostalAddress(
        label,
        _text(told.get("street")),
        _text(told.get("city")),
        _text(told.get("state")),
        _text(told.get("postalCode")),
        _text(told.get("countryOrRegion")),
    )


def _day(told: object) -> date | None:
    with contextlib.suppress(ValueError, TypeError):
        return date.fromisoformat(str(told)[:10])
    return None


def _among(told: object, known: tuple[str, ...]) -> str:
    return _text(told) if told in known else known[0]


def _text(told: object) -> str:
    return "" if told is None else str(told)
