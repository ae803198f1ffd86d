"""What is put in where the server takes no export: a message of its MIME, or an item of its fields."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from exchangelib import EWSDate, EWSDateTime, EWSTimeZone, items
from exchangelib import indexed_properties as indexed
from exchangelib.attachments import FileAttachment
from exchangelib.errors import UnknownTimeZone
from exchangelib.properties import Attendee, Mailbox, Member
from msgspec import Struct

from archiver.accounts.ews.details import BUSY, PHONES, PLACES, STATES
from archiver.accounts.ews.keys import DRAFT, FLAGGED, READ, SEEN, UNSENT
from archiver.accounts.ews.recurrences import exchange_recurrence
from archiver.accounts.exchange import ANSWERED, FORWARDED_ON, REPLIED_TO_SENDER
from archiver.formats.record import Attached, Details
from archiver.items import Contact, ContactGroup, Event, Item, Moment, Note, Person, Task
from archiver.model import Flags
from archiver.plan.categories import FORWARDED, categories_of

_DATE = re.compile(rb"^Date:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_HEADER_LIMIT = 65_536
_KNOWN = {SEEN.lower(), FLAGGED.lower(), DRAFT.lower(), ANSWERED.lower(), FORWARDED.lower(), "\\recent"}
_UTC = EWSTimeZone("UTC")
_EMAILS = ("EmailAddress1", "EmailAddress2", "EmailAddress3")
_CHATS = ("ImAddress1", "ImAddress2", "ImAddress3")


class Made(Struct, frozen=True):
    """An item to be created, and what of the archived one it lacks."""

    item: Any
    lacks: tuple[str, ...] = ()


def marks(flags: Flags) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the fields that flags and categories are written to, and the flags that there is no field for."""
    lower = {flag.lower() for flag in flags}
    told: dict[str, Any] = {}
    if categories := categories_of(flags):
        told["categories"] = categories
    if FLAGGED.lower() in lower:
        told["archiver_flag"] = 2
    lacks = [flag for flag in sorted(flags) if flag.startswith("\\") and flag.lower() not in _KNOWN]
    if ANSWERED.lower() in lower:
        told["archiver_verb"] = REPLIED_TO_SENDER
        lacks += [FORWARDED] if FORWARDED.lower() in lower else []
    elif FORWARDED.lower() in lower:
        told["archiver_verb"] = FORWARDED_ON
    return told, tuple(f'the flag "{flag}"' for flag in lacks)


def of_mime(
    raw: bytes, flags: Flags, received: datetime | None, details: Details | None, identity: str
) -> Made:
    r"""Make a message of its MIME; it is a draft where it has the flag \Draft, and never else."""
    told, lacks = marks(flags)
    lower = {flag.lower() for flag in flags}
    seen, draft = SEEN.lower() in lower, DRAFT.lower() in lower
    told["archiver_message_flags"] = (READ if seen else 0) | (UNSENT if draft else 0)
    if received is not None:
        told["archiver_delivery"] = _at(received)
    sent = (details.sent if details is not None else None) or _date(raw)
    if sent is not None:
        told["archiver_submit"] = _at(sent)
    if details is not None:
        told["importance"] = details.importance.title()
        told["sensitivity"] = details.sensitivity.title()
        if details.item_class and details.item_class != "IPM.Note":
            lacks = (*lacks, f'its class "{details.item_class}"')
    made = items.Message(mime_content=raw, is_read=seen, archiver_identity=identity, **told)
    return Made(made, lacks)


def of_fields(
    given: Item, flags: Flags, attachments: Sequence[Attached], identity: str, item_class: str = ""
) -> Made:
    """Make an item of its neutral value."""
    told, lacks = marks(flags)
    told["archiver_identity"] = identity
    told["categories"] = told.get("categories") or list(given.categories) or None
    told["subject"] = given.subject or None
    told["body"] = given.body or None
    told["sensitivity"], told["importance"] = given.sensitivity.title(), given.importance.title()
    match given:
        case Event():
            made, more = _event(given, told)
        case Contact():
            made, more = _contact(given, told)
        case ContactGroup():
            made, more = _group(given, told)
        case Task():
            made, more = _task(given, told)
        case Note():
            told["archiver_message_flags"] = READ
            made = items.Message(is_read=True, archiver_class=item_class or "IPM.StickyNote", **told)
            more = ()
    made.attachments = [_file(one, given) for one in attachments]
    return Made(made, (*lacks, *more))


def _event(given: Event, told: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    recurrence = given.recurrence
    lacks = ["its exceptions from the series"] if given.changed or given.deleted else []
    if given.organizer is not None and given.attendees:
        lacks.append("who organized it")
    told |= {
        "uid": given.uid or None,
        "start": _day(given.start.at) if given.all_day else _moment(given.start),
        "end": _last_day(given) if given.all_day else _moment(given.end),
        "is_all_day": given.all_day,
        **_zones_of_days(given),
        "location": given.location or None,
        "legacy_free_busy_status": next(name for name, one in BUSY.items() if one == given.busy),
        "reminder_is_set": given.reminder is not None,
        "reminder_minutes_before_start": given.reminder or 0,
        "recurrence": exchange_recurrence(recurrence, given.start.at.date()) if recurrence else None,
    }
    for role, name in (
        ("required", "required_attendees"),
        ("optional", "optional_attendees"),
        ("resource", "resources"),
    ):
        people = [Attendee(mailbox=_mailbox(one.person)) for one in given.attendees if one.role == role]
        told[name] = people or None
    return items.CalendarItem(**told), tuple(lacks)


def _contact(given: Contact, told: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    labels = {label: name for name, label in PHONES.items()}
    phones: dict[str, str] = {}
    for one in given.phones:
        phones.setdefault(labels.get(one.label, "OtherTelephone"), one.value)
    places = {label: name for name, label in PLACES.items()}
    told |= {
        "display_name": given.name or given.file_as or given.subject or "?",
        "file_as": given.file_as or given.name or None,
        "given_name": given.given or None,
        "middle_name": given.middle or None,
        "surname": given.surname or None,
        "nickname": given.nickname or None,
        "generation": given.suffix or None,
        "company_name": given.company or None,
        "department": given.department or None,
        "job_title": given.job or None,
        "office": given.office or None,
        "profession": given.profession or None,
        "manager": given.manager or None,
        "assistant_name": given.assistant or None,
        "spouse_name": given.spouse or None,
        "children": list(given.children) or None,
        "birthday": _ews_date(given.birthday),
        "wedding_anniversary": _ews_date(given.anniversary),
        "business_homepage": given.urls[0].value if given.urls else None,
        "email_addresses": [
            indexed.EmailAddress(label=label, email=one.value)
            for label, one in zip(_EMAILS, given.emails, strict=False)
        ]
        or None,
        "im_addresses": [
            indexed.ImAddress(label=label, im_address=one.value)
            for label, one in zip(_CHATS, given.chats, strict=False)
        ]
        or None,
        "phone_numbers": [indexed.PhoneNumber(label=name, phone_number=one) for name, one in phones.items()]
        or None,
        "physical_addresses": [
            indexed.PhysicalAddress(
                label=places.get(one.label, "Other"),
                street=one.street or None,
                city=one.city or None,
                state=one.region or None,
                country=one.country or None,
                zipcode=one.postal_code or None,
            )
            for one in given.addresses
        ]
        or None,
    }
    lacks = [
        (len(given.emails) > len(_EMAILS), "further addresses"),
        (len(given.chats) > len(_CHATS), "further chat addresses"),
        (len(phones) < len(given.phones), "further phone numbers"),
        (len(given.urls) > 1, "further web addresses"),
        (bool(given.title), "the title"),
    ]
    return items.Contact(**told), tuple(name for lacking, name in lacks if lacking)


def _group(given: ContactGroup, told: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    told["display_name"] = given.name or given.subject or "?"
    told["members"] = [
        Member(mailbox=_mailbox(one), status="Normal") for one in given.members if one.address
    ] or None
    lacks = () if all(one.address for one in given.members) else ("members without an address",)
    return items.DistributionList(**told), lacks


def _task(given: Task, told: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    start = given.start or given.due
    told |= {
        "start_date": _ews_date(given.start),
        "due_date": _ews_date(given.due),
        "status": next(name for name, one in STATES.items() if one == given.status),
        "percent_complete": Decimal(given.percent),
        "reminder_is_set": given.reminder is not None,
        "reminder_due_by": _at(given.reminder) if given.reminder else None,
        "recurrence": exchange_recurrence(given.recurrence, start, of_task=True)
        if given.recurrence and start
        else None,
    }
    lacks = [
        (given.done is not None, "the day it was done"),
        (given.recurrence is not None and start is None, "its recurrence"),
    ]
    return items.Task(**told), tuple(name for lacking, name in lacks if lacking)


def _file(one: Attached, given: Item) -> Any:
    photo = isinstance(given, Contact) and given.photo == one.name
    return FileAttachment(
        name=one.name or "attachment",
        content=one.content,
        content_type=one.media_type,
        is_contact_photo=True if photo else None,
    )


def _mailbox(person: Person) -> Any:
    return Mailbox(name=person.name or None, email_address=person.address or None)


def _at(value: datetime) -> Any:
    at = value.astimezone(UTC)
    return EWSDateTime(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, tzinfo=_UTC)


def _moment(given: Moment) -> Any:
    zone = _zone(given.zone)
    at = given.at.astimezone(zone)
    return EWSDateTime(at.year, at.month, at.day, at.hour, at.minute, at.second, tzinfo=zone)


def _zone(name: str | None) -> Any:
    try:
        return EWSTimeZone(name) if name else _UTC
    except UnknownTimeZone:
        return _UTC


def _day(at: datetime) -> Any:
    return EWSDate(at.year, at.month, at.day)


def _zones_of_days(given: Event) -> dict[str, Any]:
    """Name the zones in which days are meant; without them exchangelib takes the account's, which is UTC."""
    if not given.all_day:
        return {}
    return {"_start_timezone": _zone(given.start.zone), "_end_timezone": _zone(given.end.zone)}


def _last_day(given: Event) -> Any:
    """Give the last day of an event; exchangelib names that, and archiver the midnight after it."""
    last = date.fromordinal(max(given.end.at.toordinal() - 1, given.start.at.toordinal()))
    return EWSDate(last.year, last.month, last.day)


def _ews_date(day: date | None) -> Any:
    return None if day is None else EWSDate(day.year, day.month, day.day)


def _date(raw: bytes) -> datetime | None:
    found = _DATE.search(raw.partition(b"\r\n\r\n")[0][:_HEADER_LIMIT])
    if found is None:
        return None
    try:
        at = parsedate_to_datetime(found[1].decode("ascii", "replace"))
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def fault_of(account: Any, item: Any) -> str | None:
    """Tell why an item cannot be sent, before it loses its neighbours; None for one that can."""
    item.account = account
    try:
        item.clean(version=account.version)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        return f"a field of it cannot be written for Exchange ({type(error).__name__})"
    return None


def second(value: Any) -> float | None:
    """Give a time, exchangelib's or a plain one, to the second; None for none."""
    return None if value is None else value.timestamp() // 1
