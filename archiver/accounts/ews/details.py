"""What exchangelib tells of an item as archiver's own values: its details, and its neutral form where it is no mail."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from exchangelib import items as ews

from archiver.accounts.ews.keys import flags_of, moment
from archiver.accounts.ews.recurrences import recurrence_of
from archiver.formats.record import Attached, Details
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
    Task,
)
from archiver.model import Kind, Remote

BUSY: dict[str, Literal["free", "tentative", "busy", "away", "elsewhere"]] = {
    "Free": "free",
    "Tentative": "tentative",
    "Busy": "busy",
    "OOF": "away",
    "WorkingElsewhere": "elsewhere",
}
_RESPONSES: dict[str, Literal["none", "accepted", "tentative", "declined", "organizer"]] = {
    "Organizer": "organizer",
    "Tentative": "tentative",
    "Accept": "accepted",
    "Decline": "declined",
}
STATES: dict[str, Literal["open", "started", "done", "waiting", "deferred"]] = {
    "NotStarted": "open",
    "InProgress": "started",
    "Completed": "done",
    "WaitingOnOthers": "waiting",
    "Deferred": "deferred",
}
PHONES = {
    "AssistantPhone": "assistant",
    "BusinessFax": "work fax",
    "BusinessPhone": "work",
    "BusinessPhone2": "work 2",
    "Callback": "callback",
    "CarPhone": "car",
    "CompanyMainPhone": "company",
    "HomeFax": "home fax",
    "HomePhone": "home",
    "HomePhone2": "home 2",
    "Isdn": "isdn",
    "MobilePhone": "mobile",
    "OtherFax": "other fax",
    "OtherTelephone": "other",
    "Pager": "pager",
    "PrimaryPhone": "primary",
    "RadioPhone": "radio",
    "Telex": "telex",
    "TtyTddPhone": "tty",
}
PLACES = {"Business": "work", "Home": "home", "Other": "other"}


def details_of(
    item: Any, remote: Remote, occurrences: Sequence[Any], attachments: Sequence[Attached]
) -> Details:
    """Make the details of an item, of which the modified `occurrences` and the `attachments` were fetched."""
    folder = getattr(item, "parent_folder_id", None)
    return Details(
        kind=remote.kind,
        item_class=item.item_class or "",
        id=item.id,
        change_key=item.changekey or "",
        folder_id=folder.id if folder is not None else "",
        size=item.size,
        received=moment(item.datetime_received),
        sent=moment(item.datetime_sent),
        created=moment(item.datetime_created),
        modified=moment(item.last_modified_time),
        flags=flags_of(item),
        importance=(item.importance or "Normal").lower(),
        sensitivity=(item.sensitivity or "Normal").lower(),
        subject=item.subject or "",
        message_id=getattr(item, "message_id", None),
        item=_item(item, remote.kind, occurrences, tuple(one.name for one in attachments)),
    )


def _item(item: Any, kind: Kind, occurrences: Sequence[Any], names: tuple[str, ...]) -> Item | None:
    common = _described(item, names)
    if isinstance(item, ews.CalendarItem):
        return _event(item, occurrences, common)
    if isinstance(item, ews.Contact):
        return _contact(item, common)
    if isinstance(item, ews.DistributionList):
        members = tuple(_person(one.mailbox) for one in item.members or ())
        return ContactGroup(name=item.display_name or "", members=members, **common)
    if isinstance(item, ews.Task):
        return _task(item, common)
    return Note(**common) if kind is Kind.NOTE else None


def _described(item: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "subject": item.subject or "",
        "body": str(getattr(item, "text_body", None) or getattr(item, "body", None) or ""),
        "categories": tuple(item.categories or ()),
        "sensitivity": (item.sensitivity or "Normal").lower(),
        "importance": (item.importance or "Normal").lower(),
        "attachments": names,
        "created": moment(item.datetime_created),
        "modified": moment(item.last_modified_time),
    }


def _event(item: Any, occurrences: Sequence[Any], common: dict[str, Any]) -> Event | None:
    """Understand an event; None for one of which the server does not tell when it is."""
    if item.start is None:
        return None
    zone = _zone(item._start_timezone)
    end_zone = _zone(item._end_timezone) or zone
    given = sorted(occurrences, key=lambda one: moment(one.start) or datetime.min.replace(tzinfo=UTC))
    changed = (_event(one, (), _described(one, ())) for one in given)
    start, end = _moment(item.start, zone), _moment(item.end or item.start, end_zone)
    if item.is_all_day:
        start, end = _midnight(start), _midnight(end)
        if end.at <= start.at:
            end = Moment(start.at + timedelta(days=1), start.zone)
    return Event(
        uid=item.uid or item.id,
        start=start,
        end=end,
        all_day=bool(item.is_all_day),
        location=item.location or "",
        organizer=_person(item.organizer) if item.organizer else None,
        attendees=_attendees(item),
        busy=BUSY.get(item.legacy_free_busy_status or "", "busy"),
        reminder=item.reminder_minutes_before_start if item.reminder_is_set else None,
        cancelled=bool(item.is_cancelled),
        sequence=item.appointment_sequence_number or 0,
        url=item.meeting_workspace_url or "",
        recurrence=recurrence_of(item.recurrence),
        original=_moment(item.original_start, zone) if item.original_start else None,
        changed=tuple(one for one in changed if one is not None),
        deleted=tuple(_moment(one.start, zone) for one in item.deleted_occurrences or ()),
        **common,
    )


def _attendees(item: Any) -> tuple[Attendee, ...]:
    lists: tuple[tuple[Literal["required", "optional", "resource"], Any], ...] = (
        ("required", item.required_attendees),
        ("optional", item.optional_attendees),
        ("resource", item.resources),
    )
    return tuple(
        Attendee(_person(one.mailbox), role, _RESPONSES.get(one.response_type or "", "none"))
        for role, given in lists
        for one in given or ()
    )


def _contact(item: Any, common: dict[str, Any]) -> Contact:
    name = item.complete_name
    photo = next(
        (one.name for one in item.attachments or () if getattr(one, "is_contact_photo", False)), None
    )
    return Contact(
        name=item.display_name or "",
        file_as=item.file_as or "",
        given=item.given_name or "",
        middle=item.middle_name or "",
        surname=item.surname or "",
        title=(name.title if name is not None else None) or "",
        suffix=item.generation or (name.suffix if name is not None else None) or "",
        nickname=item.nickname or "",
        company=item.company_name or "",
        department=item.department or "",
        job=item.job_title or "",
        office=item.office or "",
        profession=item.profession or "",
        manager=item.manager or "",
        assistant=item.assistant_name or "",
        spouse=item.spouse_name or "",
        children=tuple(item.children or ()),
        birthday=_day(item.birthday),
        anniversary=_day(item.wedding_anniversary),
        emails=tuple(Labelled(one.email) for one in item.email_addresses or () if one.email),
        phones=tuple(
            Labelled(one.phone_number, PHONES.get(one.label, ""))
            for one in item.phone_numbers or ()
            if one.phone_number
        ),
        chats=tuple(Labelled(one.im_address) for one in item.im_addresses or () if one.im_address),
        urls=(Labelled(item.business_homepage, "work"),) if item.business_homepage else (),
        addresses=tuple(_address(one) for one in item.physical_addresses or ()),
        photo=photo if photo in common["attachments"] else None,
        **common,
    )


def _address(given: Any) -> PostalAddress:
    return PostalAddress(
        PLACES.get(given.label, ""),
        *((value or "") for value in (given.street, given.city, given.state, given.zipcode, given.country)),
    )


def _task(item: Any, common: dict[str, Any]) -> Task:
    return Task(
        start=_day(item.start_date),
        due=_day(item.due_date),
        done=_day(moment(item.complete_date)),
        status=STATES.get(item.status or "", "open"),
        percent=int(item.percent_complete or 0),
        reminder=moment(item.reminder_due_by) if item.reminder_is_set else None,
        owner=item.owner or "",
        recurrence=recurrence_of(item.recurrence),
        **common,
    )


def _person(mailbox: Any) -> Person:
    if mailbox is None:
        return Person()
    return Person(mailbox.name or "", mailbox.email_address or "")


def _day(value: Any) -> date | None:
    if value is None:
        return None
    return date(value.year, value.month, value.day)


def _zone(zone: Any) -> str | None:
    return None if zone is None else cast("str", zone.key)


def _moment(value: Any, zone: str | None) -> Moment:
    at = moment(value)
    assert at is not None
    return Moment(at.astimezone(ZoneInfo(zone)) if zone else at, zone)


def _midnight(given: Moment) -> Moment:
    """Give the midnight with which the day of a time begins, as the clock on the wall shows it.

    Where no zone is known, the next midnight is meant that some zone has then: they go from UTC-11 to UTC+13.
    """
    at = given.at if given.zone else given.at + timedelta(hours=13)
    return Moment(at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0), given.zone)
