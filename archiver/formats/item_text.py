"""An item of a groupware server in words: what `show` prints. Texts are those of the item, harmful characters too."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from archiver.formats.zones import zone
from archiver.items import (
    Attendee,
    Contact,
    ContactGroup,
    Described,
    Event,
    Item,
    Labelled,
    Moment,
    Person,
    Recurrence,
    Task,
)

_DAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_WEEKS = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}
_WORKDAYS = ("MO", "TU", "WE", "TH", "FR")

Field = tuple[str, str]


def fields(item: Item) -> Iterator[Field]:
    """Give what is known of an item, but its text, as pairs of a name and a value; empty ones are left out."""
    yield from ((name, value) for name, value in _fields(item) if value)


def recurrence_words(told: Recurrence) -> str:
    """Say how an item comes again: `every 2 weeks on Monday and Friday, until 2026-06-01`."""
    unit = _UNITS[told.every]
    every = f"every {unit}" if told.interval == 1 else f"every {told.interval} {unit}s"
    text = f"{every} after it was done" if told.regenerates else every + _on(told)
    if told.count is not None:
        return f"{text}, {told.count} times"
    return f"{text}, until {told.until.isoformat()}" if told.until is not None else text


def _on(told: Recurrence) -> str:
    month = f" of {_MONTHS[told.month - 1]}" if told.month is not None else ""
    if told.days:
        days = (
            "workday" if told.days == _WORKDAYS and told.week else _listed([_DAYS[day] for day in told.days])
        )
        week = f"the {_WEEKS.get(told.week, told.week)} " if told.week is not None else ""
        return f" on {week}{days}{month}"
    if told.month_day is not None:
        return f" on day {told.month_day}{month}"
    return month.replace(" of ", " in ")


def _fields(item: Item) -> Iterator[Field]:
    match item:
        case Event():
            yield "subject", item.subject
            yield from _event(item)
        case Task():
            yield "subject", item.subject
            yield from _task(item)
        case Contact():
            yield from _contact(item)
        case ContactGroup():
            yield "name", item.name or item.subject
            for member in item.members:
                yield "member", _person(member)
        case _:
            yield "subject", item.subject
    yield from _common(item)


def _event(event: Event) -> Iterator[Field]:
    yield "when", _span(event)
    yield "repeats", recurrence_words(event.recurrence) if event.recurrence else ""
    for changed in event.changed:
        original = _moment(changed.original, event.all_day) if changed.original else "one occurrence"
        subject = f", {changed.subject}" if changed.subject != event.subject else ""
        yield "moved", f"{original} is {_span(changed)}{subject}"
    for moment in event.deleted:
        yield "left out", _moment(moment, event.all_day)
    yield "where", event.location
    yield "organizer", _person(event.organizer) if event.organizer else ""
    for attendee in event.attendees:
        yield "attendee", _attendee(attendee)
    yield "status", "cancelled" if event.cancelled else ""
    yield "shown as", event.busy if event.busy != "busy" else ""
    yield "reminder", f"{event.reminder} minutes before" if event.reminder is not None else ""
    yield "link", event.url


def _span(event: Event) -> str:
    if not event.all_day:
        start, end = _moment(event.start), _moment(event.end)
        if event.start.zone == event.end.zone and start[:14] == end[:14]:
            return f"{start[:20]}–{end[15:]}"
        return f"{start} – {end}"
    start = _moment(event.start, all_day=True)
    last = max(event.end.at - timedelta(hours=12), event.start.at)  # the end is the midnight after it
    end = _moment(Moment(last, event.end.zone), all_day=True)
    return start if start == end else f"{start} – {end}"


def _moment(moment: Moment, all_day: bool = False) -> str:
    """Write a time in its zone: `Mon 2026-03-02 09:30 (Europe/Berlin)`."""
    place = zone(moment.zone)
    local = moment.at.astimezone(place) if place is not None else moment.at
    if all_day:
        return f"{local:%a %Y-%m-%d}"
    return f"{local:%a %Y-%m-%d %H:%M} ({moment.zone if place is not None else _offset(local)})"


def _offset(local: datetime) -> str:
    return f"UTC{local:%z}".removesuffix("+0000") if local.utcoffset() is not None else "UTC"


def _attendee(attendee: Attendee) -> str:
    notes: list[str] = [attendee.role] if attendee.role != "required" else []
    notes += [attendee.response] if attendee.response != "none" else ["no answer"]
    return f"{_person(attendee.person)} ({', '.join(notes)})"


def _task(task: Task) -> Iterator[Field]:
    yield "status", f"{task.status}, {task.percent}%" if task.percent else task.status
    for name, day in (("start", task.start), ("due", task.due), ("done", task.done)):
        yield name, day.isoformat() if day else ""
    yield "repeats", recurrence_words(task.recurrence) if task.recurrence else ""
    yield "reminder", f"{task.reminder:%Y-%m-%d %H:%M %Z}" if task.reminder else ""
    yield "owner", task.owner


def _contact(one: Contact) -> Iterator[Field]:
    names = " ".join(each for each in (one.title, one.given, one.middle, one.surname, one.suffix) if each)
    yield "name", one.name or names or one.file_as
    yield "nickname", one.nickname
    yield "company", ", ".join(each for each in (one.company, one.department, one.office) if each)
    yield "job", ", ".join(each for each in (one.job, one.profession) if each)
    for name, some in (("e-mail", one.emails), ("phone", one.phones), ("chat", one.chats), ("web", one.urls)):
        yield from ((name, _labelled(each)) for each in some)
    for address in one.addresses:
        lines = (
            address.street,
            f"{address.postal_code} {address.city}".strip(),
            address.region,
            address.country,
        )
        yield "address", _labelled(Labelled(", ".join(each for each in lines if each), address.label))
    yield "birthday", one.birthday.isoformat() if one.birthday else ""
    yield "anniversary", one.anniversary.isoformat() if one.anniversary else ""
    for name, value in (("spouse", one.spouse), ("manager", one.manager), ("assistant", one.assistant)):
        yield name, value
    yield "children", ", ".join(one.children)


def _common(item: Described) -> Iterator[Field]:
    yield "categories", ", ".join(item.categories)
    yield "sensitivity", item.sensitivity if item.sensitivity != "normal" else ""
    yield "importance", item.importance if item.importance != "normal" else ""


def _person(person: Person) -> str:
    if not person.name or person.name == person.address:
        return person.address
    return f"{person.name} <{person.address}>" if person.address else person.name


def _labelled(one: Labelled) -> str:
    return f"{one.value} ({one.label})" if one.label and one.value else one.value


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
