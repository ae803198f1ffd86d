"""Items of all kinds are read as what they are, and made again by their fields where there is no export."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from msgspec.structs import replace

from archiver.accounts.ews.account import EwsAccount
from archiver.formats.record import Record, pack, unpack
from archiver.items import Contact, ContactGroup, Event, Item, Moment, Note, Recurrence, Task
from archiver.model import Appended, Folder, Kind, Message
from tests.contract.account import listed
from tests.contract.append import outgoing
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.server import EwsDouble

START = datetime(2026, 3, 4, 9, tzinfo=UTC)
_numbers = count()


@pytest.fixture(scope="module")
def double() -> Iterator[EwsDouble]:
    with EwsDouble() as running:
        yield running


@pytest.fixture
def mailbox(double: EwsDouble) -> EwsMailbox:
    return EwsMailbox(double, f"kinds{next(_numbers)}@example.com")


@pytest.fixture
def account(mailbox: EwsMailbox) -> Iterator[EwsAccount]:
    opened = mailbox.account()
    yield opened
    opened.close()


def fill(mailbox: EwsMailbox) -> None:
    owner = mailbox.owner
    calendar, contacts = owner.folder("calendar"), owner.folder("contacts")
    calendar.add_event("once", START, 90, reminder=15, location="Room 1", zone="W. Europe Standard Time")
    calendar.add_event("all day", datetime(2026, 3, 5, tzinfo=UTC), 2 * 24 * 60, all_day=True, zone="UTC")
    series = calendar.add_event("series", START, rule="FREQ=WEEKLY;COUNT=10")
    calendar.modify_occurrence(series, START + timedelta(days=7), START + timedelta(days=8), "moved")
    calendar.delete_occurrence(series, START + timedelta(days=14))
    meeting = calendar.add_event("meeting", START, attendees=["bob@example.org", "cem@example.org"])
    calendar.attach(meeting, "agenda.txt", b"1. all", "text/plain")
    phones = {"MobilePhone": "+49 170 1", "HomePhone": "+49 30 2"}
    contacts.add_contact(
        "Carla",
        "Cook",
        addresses=["c@example.org", "d@example.org"],
        phones=phones,
        home={"Street": "A 1", "City": "Bern"},
        photo=b"\xff\xd8\xff",
    )
    contacts.add_list("friends", ["bob@example.org", "cem@example.org"])
    owner.folder("tasks").add_task("to do", START, rule="FREQ=DAILY;COUNT=3")
    owner.folder("notes").add_note("a note", "remember")
    owner.folder("journal").add_journal("a call", "called")


def archived(account: EwsAccount) -> dict[str, Record]:
    """Read all that is no mail: subject -> record."""
    found = {}
    for folder in account.folders():
        if folder.kind is not Kind.MAIL:
            for one in account.fetch(listed(account, folder.name)):
                assert isinstance(one, Message), one
                record = unpack(one.raw)
                found[record.details.subject] = record
    return found


def test_each_kind_is_understood(mailbox: EwsMailbox, account: EwsAccount) -> None:
    fill(mailbox)
    found = {subject: record.details.item for subject, record in archived(account).items()}
    once, day, series = found["once"], found["all day"], found["series"]
    assert isinstance(once, Event) and isinstance(day, Event) and isinstance(series, Event)
    assert (once.start.zone, once.start.at, once.reminder) == ("Europe/Berlin", START, 15)
    assert once.location == "Room 1"
    assert day.all_day
    assert (day.start.at, day.end.at) == (
        datetime(2026, 3, 5, tzinfo=UTC),
        datetime(2026, 3, 7, tzinfo=UTC),
    )
    assert series.recurrence is not None
    assert (series.recurrence.every, series.recurrence.count) == ("WEEKLY", 10)
    (moved,) = series.changed
    assert (moved.subject, moved.start.at) == ("moved", START + timedelta(days=8))
    assert moved.original is not None
    assert moved.original.at == START + timedelta(days=7)
    assert [one.at for one in series.deleted] == [START + timedelta(days=14)]
    meeting, contact, group = found["meeting"], found["Carla Cook"], found["friends"]
    assert isinstance(meeting, Event) and isinstance(contact, Contact) and isinstance(group, ContactGroup)
    assert [one.person.address for one in meeting.attendees] == ["bob@example.org", "cem@example.org"]
    assert meeting.attachments == ("agenda.txt",)
    assert [(one.label, one.value) for one in contact.phones] == [
        ("mobile", "+49 170 1"),
        ("home", "+49 30 2"),
    ]
    assert contact.photo == "ContactPicture.jpg"
    assert [one.address for one in group.members] == ["bob@example.org", "cem@example.org"]
    task, note = found["to do"], found["a note"]
    assert isinstance(task, Task) and isinstance(note, Note)
    assert task.recurrence == Recurrence("DAILY", count=3)
    assert task.due == date(2026, 3, 4)
    assert note.body == "remember"


def test_the_last_occurrence_dates_an_event(mailbox: EwsMailbox, account: EwsAccount) -> None:
    mailbox.owner.folder("calendar").add_event("for ever", START, rule="FREQ=WEEKLY")
    mailbox.owner.folder("calendar").add_event("once", START, 30)
    remotes = listed(account, "Calendar")
    told = {one.remote.ref.key: one.remote for one in account.fetch(remotes)}
    assert {one.received for one in told.values()} == {None, START + timedelta(minutes=30)}
    folder = next(one for one in account.folders() if one.name == "Calendar")
    looked = account.look(folder, remotes[0].ref.epoch, list(told))
    assert dict(looked.messages) == told


def test_text_that_the_server_does_not_give_is_written(mailbox: EwsMailbox, account: EwsAccount) -> None:
    fill(mailbox)
    found = archived(account)
    assert found["to do"].body_type == "text/calendar"
    assert b"BEGIN:VTODO" in found["to do"].body
    assert found["a note"].body_type == "text/plain"
    assert [one.name for one in found["meeting"].attachments] == ["agenda.txt"]


def bare(item: Item) -> Item:
    """Take from an item what the server sets itself."""
    made = replace(item, created=None, modified=None)
    return replace(made, organizer=None) if isinstance(made, Event) else made


def test_items_without_an_export_are_made_by_their_fields_and_nobody_is_told(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    fill(mailbox)
    before = archived(account)
    target = EwsMailbox(double, f"kinds{next(_numbers)}@example.com")
    other = target.account()
    sent = list(double.sent)
    altered: dict[str, str | None] = {}
    for subject, record in before.items():
        kind = record.details.kind
        folder = other.make_folder(Folder(f"Made {kind.value}", kind=kind))
        assert folder.kind is kind
        raw = pack(replace(record, export=None))
        (answer,) = other.append(folder, [replace(outgoing(raw), kind=kind)])
        assert isinstance(answer, Appended), answer
        altered[subject] = answer.altered
    assert double.sent == sent
    after = archived(other)
    other.close()
    assert set(after) == set(before)
    assert altered.pop("series") == "without its exceptions from the series"
    assert altered.pop("meeting") == "without who organized it"
    assert set(altered.values()) == {None}
    for subject, record in before.items():
        old, new = record.details.item, after[subject].details.item
        assert old is not None
        assert new is not None
        if isinstance(old, Event):
            old = replace(old, changed=(), deleted=())
        assert bare(new) == bare(old), subject
        assert after[subject].details.item_class == record.details.item_class


def test_a_moment_keeps_its_zone(mailbox: EwsMailbox, account: EwsAccount) -> None:
    mailbox.owner.folder("calendar").add_event("far", START, zone="Tokyo Standard Time")
    (record,) = archived(account).values()
    item = record.details.item
    assert isinstance(item, Event)
    assert item.start == Moment(START, "Asia/Tokyo")


def test_an_item_that_cannot_be_written_is_refused_and_its_neighbours_are_not(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    mailbox.owner.folder("tasks").add_task("to do", START)
    (record,) = archived(account).values()
    task = record.details.item
    assert isinstance(task, Task)
    given = []
    for number, percent in enumerate((10, 4711, 20)):
        item = replace(task, subject=str(number), percent=percent)
        details = replace(record.details, subject=str(number), item=item)
        raw = pack(replace(record, details=details, export=None))
        given.append(replace(outgoing(raw), kind=Kind.TASK))
    folder = account.make_folder(Folder("Tasks", kind=Kind.TASK))
    answers = {one.digest: type(one).__name__ for one in account.append(folder, given)}
    assert [answers[one.digest] for one in given] == ["Appended", "Refused", "Appended"]
