"""What a calendar, an address book, a task list and a pile of notes hold, whatever server kept it.

Neutral values between the kinds of account and the formats: Exchange by EWS and by Graph fill them in,
`formats.calendar` and `formats.contact` write them as files that other programs read, a restore makes fields of
them again. What a server has beyond them is kept in the item's full-fidelity export (`formats.record`).

A `Moment` is a time together with the zone it was meant in, by its IANA name; text is plain text.
"""

from datetime import date, datetime
from typing import Literal, TypeAlias

from msgspec import Struct


class Moment(Struct, frozen=True, omit_defaults=True):
    """A time of an item: aware, and the IANA name of its zone where the server tells it."""

    at: datetime
    zone: str | None = None


class Person(Struct, frozen=True, omit_defaults=True):
    """Somebody by name and address; either may be empty."""

    name: str = ""
    address: str = ""


Weekday: TypeAlias = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


class Recurrence(Struct, frozen=True, omit_defaults=True):
    """How an item comes again, in the parts of an RRULE (RFC 5545, section 3.3.10).

    `week` is which of its weekdays in a month (1 to 4, -1 the last). Neither `count` nor `until`: without end.
    `until` is the last day on which it comes. `regenerates` says that a task comes again that long after it
    was done, which an RRULE cannot tell.
    """

    every: Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
    interval: int = 1
    days: tuple[Weekday, ...] = ()
    week: int | None = None
    month_day: int | None = None
    month: int | None = None
    first_weekday: Weekday | None = None
    count: int | None = None
    until: date | None = None
    regenerates: bool = False


class Attendee(Struct, frozen=True, omit_defaults=True):
    """Who is asked to a meeting, and what they answered."""

    person: Person
    role: Literal["required", "optional", "resource"] = "required"
    response: Literal["none", "accepted", "tentative", "declined", "organizer"] = "none"


class Described(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What items of every kind have. `attachments` are names of the record's attachments."""

    subject: str = ""
    body: str = ""
    categories: tuple[str, ...] = ()
    sensitivity: Literal["normal", "personal", "private", "confidential"] = "normal"
    importance: Literal["low", "normal", "high"] = "normal"
    attachments: tuple[str, ...] = ()
    created: datetime | None = None
    modified: datetime | None = None


class Event(Described, frozen=True, kw_only=True, tag="event"):
    """An appointment or a meeting; a series with its exceptions is one.

    Of an all-day event, `start` and `end` are midnights in the zone of each, `end` exclusive. `changed` are the
    occurrences that differ from the series, each with the `original` start it stands for; `deleted` the original
    starts of those that were taken out. `reminder` is minutes before the start; None for no reminder.
    """

    uid: str
    start: Moment
    end: Moment
    all_day: bool = False
    location: str = ""
    organizer: Person | None = None
    attendees: tuple[Attendee, ...] = ()
    busy: Literal["free", "tentative", "busy", "away", "elsewhere"] = "busy"
    reminder: int | None = None
    cancelled: bool = False
    sequence: int = 0
    url: str = ""
    recurrence: Recurrence | None = None
    original: Moment | None = None
    changed: "tuple[Event, ...]" = ()
    deleted: tuple[Moment, ...] = ()


class Labelled(Struct, frozen=True, omit_defaults=True):
    """An address of some sort, with the label it bears, such as `home`, `work`, `mobile`, `fax`; empty for none."""

    value: str
    label: str = ""


class PostalAddress(Struct, frozen=True, omit_defaults=True):
    """Where somebody lives or works."""

    label: str = ""
    street: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


class Contact(Described, frozen=True, kw_only=True, tag="contact"):
    """Somebody in an address book. `photo` is the name of the record's attachment with the picture."""

    name: str = ""
    file_as: str = ""
    given: str = ""
    middle: str = ""
    surname: str = ""
    title: str = ""
    suffix: str = ""
    nickname: str = ""
    company: str = ""
    department: str = ""
    job: str = ""
    office: str = ""
    profession: str = ""
    manager: str = ""
    assistant: str = ""
    spouse: str = ""
    children: tuple[str, ...] = ()
    birthday: date | None = None
    anniversary: date | None = None
    emails: tuple[Labelled, ...] = ()
    phones: tuple[Labelled, ...] = ()
    chats: tuple[Labelled, ...] = ()
    urls: tuple[Labelled, ...] = ()
    addresses: tuple[PostalAddress, ...] = ()
    photo: str | None = None


class ContactGroup(Described, frozen=True, kw_only=True, tag="group"):
    """A distribution list of an address book."""

    name: str = ""
    members: tuple[Person, ...] = ()


class Task(Described, frozen=True, kw_only=True, tag="task"):
    """Something to be done. `start`, `due` and `done` are days; `percent` is 0 to 100; `reminder` a time."""

    start: date | None = None
    due: date | None = None
    done: date | None = None
    status: Literal["open", "started", "done", "waiting", "deferred"] = "open"
    percent: int = 0
    reminder: datetime | None = None
    owner: str = ""
    recurrence: Recurrence | None = None


class Note(Described, frozen=True, kw_only=True, tag="note"):
    """A note, or an entry of a journal: its subject and its text."""


Item: TypeAlias = Event | Contact | ContactGroup | Task | Note
