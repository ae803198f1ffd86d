"""The double of Exchange Web Services does what Exchange does, as plain exchangelib sees it."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from exchangelib import EWSDateTime, Message, Q
from exchangelib.errors import (
    ErrorAccessDenied,
    ErrorFolderExists,
    ErrorFolderNotFound,
    ErrorImpersonateUserDenied,
    ErrorInvalidPropertySet,
    ErrorInvalidServerVersion,
    ErrorInvalidSyncStateData,
    ErrorIrresolvableConflict,
    ErrorItemNotFound,
    ErrorStaleObject,
    UnauthorizedError,
)
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.folders import Contacts, Inbox
from exchangelib.items import CalendarItem, Contact

from tests.integration.ews_client import ANN, account, handle, page
from tests.servers.ews.builder import Owner
from tests.servers.ews.plans import When
from tests.servers.ews.server import EwsDouble

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
RAW = (
    b"From: Bob <bob@example.org>\r\nTo: ann@example.com\r\nSubject: hello\r\nX-One: 1\r\nX-Two: 2\r\n"
    b"Message-ID: <1@example.org>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="border"\r\n\r\n--border\r\nContent-Type: text/plain\r\n\r\n'
    b"the text\r\n--border\r\nContent-Type: application/pdf\r\n"
    b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\n%PDF\r\n--border--\r\n'
)


class Flags(ExtendedProperty):  # type: ignore[misc]
    property_tag = 0x0E07
    property_type = "Integer"


class Received(ExtendedProperty):  # type: ignore[misc]
    property_tag = 0x0E06
    property_type = "SystemTime"


class ArchiverId(ExtendedProperty):  # type: ignore[misc]
    distinguished_property_set_id = "PublicStrings"
    property_name = "archiver-id"
    property_type = "String"


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    for name, kind in (("flags_", Flags), ("received_", Received), ("archiver_id", ArchiverId)):
        Message.register(name, kind)
    yield
    for name in ("flags_", "received_", "archiver_id"):
        Message.deregister(name)


@pytest.fixture
def double() -> Iterator[EwsDouble]:
    with EwsDouble() as started:
        yield started


@pytest.fixture
def ann(double: EwsDouble) -> Owner:
    return double.add_mailbox(ANN, archive=True)


def numbered(count: int) -> bytes:
    return RAW.replace(b"hello", b"hello %d" % count)


# --- folders ------------------------------------------------------------------------------------


def test_a_mailbox_has_folders_of_all_classes_hidden_ones_and_a_search(double: EwsDouble, ann: Owner) -> None:
    ann.folder("Projects/2024").deliver(RAW)
    with account(double.url) as opened:
        found = {folder.absolute.removeprefix("/Root/"): folder for folder in opened.root.walk()}
    top = "Top of Information Store"
    classes = {
        found[f"{top}/{name}"].folder_class for name in ("Inbox", "Calendar", "Contacts", "Tasks", "Notes")
    }
    assert classes == {"IPF.Note", "IPF.Appointment", "IPF.Contact", "IPF.Task", "IPF.StickyNote"}
    assert found[f"{top}/Journal"].folder_class == "IPF.Journal"
    assert found[f"{top}/Projects/2024"].total_count == 1
    assert found["Finder/Unread Mail"].total_count == 1  # the same message, seen through a search


def test_folders_are_made_renamed_emptied_and_removed(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        made = Contacts(parent=opened.msg_folder_root, name="People")
        made.save()
        made.name = "Persons"
        made.save()
        with pytest.raises(ErrorFolderExists):
            Inbox(parent=opened.msg_folder_root, name="persons").save()
        ann.folder("Persons").add_contact("Carla", "Cook")
        made.empty(delete_type="HardDelete")
        assert ann.folder("Persons").items == []
        gone = made.id
        made.delete()
        assert gone not in double.site.folders


def test_the_hierarchy_is_told_once_and_then_its_changes_alone(double: EwsDouble, ann: Owner) -> None:
    projects = ann.folder("Projects")
    with account(double.url) as opened:
        top = opened.msg_folder_root
        assert {kind for kind, _ in top.sync_hierarchy()} == {"create"}
        state = top.folder_sync_state
        assert list(top.sync_hierarchy(sync_state=state)) == []
        ann.rename(projects, "Plans")
        later = ann.folder("Later")
        changes = {kind: folder.name for kind, folder in top.sync_hierarchy(sync_state=state)}
        assert changes == {"update": "Plans", "create": "Later"}
        state = top.folder_sync_state
        ann.remove(later)
        [(kind, gone)] = top.sync_hierarchy(sync_state=state)
        assert (kind, gone.id) == ("delete", later.folder.id)


def test_another_ones_mailbox_is_shut_unless_it_is_shared(double: EwsDouble, ann: Owner) -> None:
    double.add_mailbox("bob@example.com")
    double.add_mailbox("team@example.com", readers={ANN}).folder("inbox").deliver(RAW)
    with account(double.url, mailbox="team@example.com") as opened:
        assert [item.subject for item in opened.inbox.all()] == ["hello"]
    with account(double.url, mailbox="bob@example.com") as opened, pytest.raises(ErrorFolderNotFound):
        assert opened.inbox


def test_the_archive_and_the_public_folders_are_trees_of_their_own(double: EwsDouble, ann: Owner) -> None:
    ann.folder("archiveinbox").deliver(numbered(1))
    double.add_public_folders().folder("News").deliver(numbered(2))
    with account(double.url) as opened:
        assert opened.archive_inbox.total_count == 1
        [news] = opened.public_folders_root.children
        assert [item.subject for item in news.all()] == ["hello 2"]


def test_a_folder_that_is_denied_refuses_all_who_ask(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        inbox = opened.inbox
        item = ann.folder("inbox").deliver(RAW)
        ann.folder("inbox").deny()
        with pytest.raises(ErrorAccessDenied):
            page(opened, inbox, None)
        with pytest.raises(ErrorAccessDenied):
            list(opened.fetch([handle(item)]))


# --- mail ---------------------------------------------------------------------------------------


def test_mime_is_made_anew_at_each_read(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        reads = [
            next(iter(opened.fetch([handle(item)], only_fields=["mime_content"]))).mime_content for _ in "12"
        ]
    assert reads[0] != reads[1] != RAW
    first, second = map(message_from_bytes, reads)
    assert first.get_boundary() != second.get_boundary()
    assert first.keys() != second.keys()
    assert sorted(first.keys()) == sorted(second.keys())
    assert "X-One" not in first
    assert "X-Two" in first
    for read in (first, second):
        assert [part.get_payload(decode=True) for part in read.walk()][1:] == [b"the text", b"%PDF"]


def test_fields_and_attachments_are_those_of_the_message(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW, received=NOON)
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)])
        assert (got.subject, got.message_id, got.sender.email_address) == (
            "hello",
            "<1@example.org>",
            "bob@example.org",
        )
        assert [one.email_address for one in got.to_recipients] == [ANN]
        assert (got.datetime_received, got.datetime_sent) == (NOON, datetime(2026, 3, 2, 10, tzinfo=UTC))
        assert [(one.name, one.content) for one in got.attachments] == [("a.pdf", b"%PDF")]
        assert got.is_draft is False
        with got.attachments[0].fp as stream:
            assert stream.read() == b"%PDF"
        opened.protocol.close()


def test_a_restored_message_is_a_draft_for_ever_unless_its_flags_are_given(
    double: EwsDouble, ann: Owner
) -> None:
    with account(double.url) as opened:
        plain = Message(account=opened, folder=opened.inbox, mime_content=RAW).save()
        mended = Message(
            account=opened,
            folder=opened.inbox,
            mime_content=RAW,
            flags_=1,
            is_read=True,
            received_=EWSDateTime.from_datetime(NOON),
            archiver_id="a 1",
        ).save()
        kept = list(opened.fetch([(plain.id, None), (mended.id, None)]))
        assert [(one.is_draft, one.is_read) for one in kept] == [(True, False), (False, True)]
        assert kept[1].datetime_received == NOON
        kept[0].flags_ = 1
        with pytest.raises(ErrorInvalidPropertySet):
            kept[0].save(update_fields=["flags_"])
        kept[1].mime_content = RAW
        kept[1].save(update_fields=["mime_content"])
        assert len(ann.folder("inbox").drafts) == 2
    assert double.sent == []


def test_what_was_made_is_found_by_a_property_of_ones_own(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        for name in ("a 1", "a 2", "A 3"):
            Message(account=opened, folder=opened.inbox, subject=name, archiver_id=name).save()
        assert [item.subject for item in opened.inbox.filter(archiver_id="a 2")] == ["a 2"]
        assert list(opened.inbox.filter(archiver_id="a 4")) == []
        assert opened.inbox.filter(Q(archiver_id="a 1") | Q(archiver_id="a 2")).count() == 2
        assert opened.inbox.filter(archiver_id__exists=True).count() == 3


def test_messages_are_searched_by_date_and_in_order(double: EwsDouble, ann: Owner) -> None:
    for day in range(5):
        ann.folder("inbox").deliver(numbered(day), received=NOON + timedelta(days=day), read=day > 2)
    with account(double.url) as opened:
        old = opened.inbox.filter(datetime_received__lt=NOON + timedelta(days=3), is_read=False)
        assert [item.subject for item in old.order_by("datetime_received")] == [
            "hello 0",
            "hello 1",
            "hello 2",
        ]
        assert [item.subject for item in old.order_by("-subject")[:1]] == ["hello 2"]
        assert opened.inbox.filter(subject__contains="LO 4").count() == 0
        assert opened.inbox.filter(subject__icontains="LO 4").count() == 1
        assert next(item.subject for item in opened.inbox.all()) == "hello 4"


def test_a_search_gives_pages(double: EwsDouble, ann: Owner) -> None:
    for count in range(7):
        ann.folder("inbox").deliver(numbered(count))
    with account(double.url) as opened:
        query = opened.inbox.all().only("subject")
        query.page_size = 3
        assert len(list(query)) == 7
    assert double.counts["FindItem"] == 3


# --- ids and change keys ------------------------------------------------------------------------


def test_ids_can_differ_by_letter_case_alone(double: EwsDouble, ann: Owner) -> None:
    one, other = (ann.folder("inbox").deliver(numbered(count)) for count in (1, 2))
    assert one.id != other.id
    assert one.id.casefold() == other.id.casefold()
    assert base64.b64decode(one.id) != base64.b64decode(other.id)
    with account(double.url) as opened:
        assert [item.subject for item in opened.fetch([handle(one), handle(other)])] == ["hello 1", "hello 2"]


def test_every_write_gives_a_new_change_key_and_a_stale_one_is_refused(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)])
        ann.flag(item)
        assert item.change_key != got.changekey
        got.subject = "mine"
        with pytest.raises(ErrorIrresolvableConflict):
            got.save(update_fields=["subject"])
        with pytest.raises(ErrorStaleObject):
            opened.bulk_delete([(got.id, got.changekey)])
        assert ann.folder("inbox").items == [item]
        [got] = opened.fetch([handle(item)])
        got.subject = "mine"
        got.save(update_fields=["subject"])
        assert got.changekey == item.change_key
    assert ann.folder("inbox").subjects == ["mine"]


def test_moving_gives_a_new_id(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    before = handle(item)
    with account(double.url) as opened:
        [(moved, _)] = opened.bulk_move([before], opened.junk)
        assert moved != before.id
        assert ann.folder("junkemail").items[0].id == moved
        [gone] = opened.fetch([before])
        assert isinstance(gone, ErrorItemNotFound)


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ("HardDelete", None),
        ("SoftDelete", "recoverableitemsdeletions"),
        ("MoveToDeletedItems", "deleteditems"),
    ],
)
def test_the_three_ways_to_delete(double: EwsDouble, ann: Owner, how: str, where: str | None) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        one, other = opened.bulk_delete([handle(item), ("bm8=", None)], delete_type=how)
        assert one is True
        assert isinstance(other, ErrorItemNotFound)
    assert ann.folder("inbox").items == []
    assert [name for name in ann.mailbox.distinguished if ann.mailbox.distinguished[name].items] == (
        [where] if where else []
    )


# --- synchronizing ------------------------------------------------------------------------------


def test_changes_come_in_pages_newest_first(double: EwsDouble, ann: Owner) -> None:
    items = [ann.folder("inbox").deliver(numbered(count)) for count in range(5)]
    with account(double.url) as opened:
        got, state, last = page(opened, opened.inbox, None, 2)
        assert ([item.id for _, item in got], last) == ([items[4].id, items[3].id], False)
        _, state, last = page(opened, opened.inbox, state, 2)
        got, state, last = page(opened, opened.inbox, state, 2)
        assert ([item.id for _, item in got], last) == ([items[0].id], True)
        assert page(opened, opened.inbox, state)[0] == []


def test_every_kind_of_change_is_told(double: EwsDouble, ann: Owner) -> None:
    inbox = ann.folder("inbox")
    items = [inbox.deliver(numbered(count)) for count in range(4)]
    with account(double.url) as opened:
        _, state, _ = page(opened, opened.inbox, None)
        ann.mark(items[0])
        ann.flag(items[1])
        ann.delete(items[2])
        old = items[3].id
        ann.move(items[3], ann.folder("junkemail"))
        new = inbox.deliver(numbered(9))
        changes = page(opened, opened.inbox, state)[0]
    told = {(kind, (one[0] if isinstance(one, tuple) else one).id) for kind, one in changes}
    assert told == {
        ("read_flag_change", items[0].id),
        ("update", items[1].id),
        ("delete", items[2].id),
        ("delete", old),
        ("create", new.id),
    }


def test_a_folder_may_change_between_two_pages(double: EwsDouble, ann: Owner) -> None:
    inbox = ann.folder("inbox")
    items = [inbox.deliver(numbered(count)) for count in range(4)]
    double.plans.after(lambda: ann.delete(items[0]), When("SyncFolderItems", 1))
    double.plans.after(lambda: ann.flag(items[3]), When("SyncFolderItems", 1))
    with account(double.url) as opened:
        _, state, _ = page(opened, opened.inbox, None, 2)
        changes, _, last = page(opened, opened.inbox, state, 10)
    assert last
    assert [(kind, one.id) for kind, one in changes] == [("update", items[3].id), ("create", items[1].id)]


def test_a_state_is_of_one_folder_and_can_expire(double: EwsDouble, ann: Owner) -> None:
    ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        _, state, _ = page(opened, opened.inbox, None)
        with pytest.raises(ErrorInvalidSyncStateData):
            page(opened, opened.drafts, state)
        with pytest.raises(ErrorInvalidSyncStateData):
            page(opened, opened.inbox, state[:-4] + "AAAA")
        assert page(opened, opened.inbox, state)[0] == []
        double.states.expire(ann.folder("inbox").folder)
        with pytest.raises(ErrorInvalidSyncStateData):
            page(opened, opened.inbox, state)
        double.states.bare_errors = True
        with pytest.raises(AttributeError):  # exchangelib cannot read the refusal without a state
            page(opened, opened.inbox, state)


# --- the other kinds ----------------------------------------------------------------------------


def test_a_series_tells_of_its_modified_and_deleted_occurrences(double: EwsDouble, ann: Owner) -> None:
    calendar = ann.folder("calendar")
    item = calendar.add_event(
        "weekly", NOON, rule="FREQ=WEEKLY;COUNT=4", attendees=["bob@example.org"], reminder=10
    )
    calendar.modify_occurrence(item, NOON + timedelta(days=7), NOON + timedelta(days=8), "moved")
    calendar.delete_occurrence(item, NOON + timedelta(days=14))
    calendar.attach(item, "agenda.txt", b"1. lunch")
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)])
        assert (got.type, got.recurrence.boundary.number, got._start_timezone.ms_id) == (
            "RecurringMaster",
            4,
            "W. Europe Standard Time",
        )
        assert [one.original_start for one in got.modified_occurrences] == [NOON + timedelta(days=7)]
        assert [one.start for one in got.deleted_occurrences] == [NOON + timedelta(days=14)]
        assert [one.content for one in got.attachments] == [b"1. lunch"]
        assert got.required_attendees[0].mailbox.email_address == "bob@example.org"
        mime = got.mime_content.decode()
        seen = opened.calendar.view(start=NOON, end=NOON + timedelta(days=30))
        assert [(one.subject, one.start) for one in seen] == [
            ("weekly", NOON),
            ("moved", NOON + timedelta(days=8)),
            ("weekly", NOON + timedelta(days=21)),
        ]
        assert [one.id for one in opened.calendar.all()] == [item.id]
    assert mime.startswith("BEGIN:VCALENDAR")
    assert mime.count("BEGIN:VEVENT") == 2
    assert "EXDATE:20260318T120000Z" in mime
    assert "RECURRENCE-ID:20260311T120000Z" in mime


def test_an_occurrence_is_changed_and_deleted_by_its_number(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("calendar").add_event("daily", NOON, rule="FREQ=DAILY;COUNT=3")
    with account(double.url) as opened:
        [master] = opened.fetch([handle(item)])
        second = master.occurrence(2)
        second.refresh()
        second.subject = "second"
        second.save(update_fields=["subject"])
        master.occurrence(3).delete()
        second.refresh()
    assert [one.original_start for one in item.occurrences] == [NOON + timedelta(days=1)]
    assert item.deleted_occurrences == [NOON + timedelta(days=2)]


def test_an_event_is_made_of_fields_and_nobody_is_invited(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        event = CalendarItem(
            account=opened,
            folder=opened.calendar,
            subject="lunch",
            start=NOON.astimezone(opened.default_timezone),
            end=(NOON + timedelta(hours=1)).astimezone(opened.default_timezone),
            required_attendees=["bob@example.org"],
        )
        event.save(send_meeting_invitations="SendToNone")
        assert double.sent == []
        [got] = opened.calendar.all()
        assert (got.start, got.subject, bool(got.uid)) == (NOON, "lunch", True)
        got.save(send_meeting_invitations="SendOnlyToAll", update_fields=["subject"])
    assert double.sent == ["UpdateItem: lunch"]


def test_contacts_have_photos_addresses_and_phones(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("contacts").add_contact(
        "Carla",
        "Cook",
        addresses=["c@example.org", "cook@example.org"],
        phones={"MobilePhone": "1", "HomePhone": "2"},
        home={"Street": "Weg 1", "City": "Bern"},
        photo=b"\xff\xd8",
    )
    ann.folder("contacts").add_list("friends", ["c@example.org", "b@example.org"])
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)])
        assert [one.email for one in got.email_addresses] == ["c@example.org", "cook@example.org"]
        assert {one.label: one.phone_number for one in got.phone_numbers} == {
            "MobilePhone": "1",
            "HomePhone": "2",
        }
        assert (got.physical_addresses[0].city, got.attachments[0].is_contact_photo) == ("Bern", True)
        assert got.mime_content.startswith(b"BEGIN:VCARD")
        double.site.contact_mime = "message"
        got.refresh()
        assert message_from_bytes(got.mime_content).get_content_type() == "text/directory"
        [group] = [one for one in opened.contacts.all() if not isinstance(one, Contact)]
        group.refresh()
        assert [one.mailbox.email_address for one in group.members] == ["c@example.org", "b@example.org"]


def test_calendars_come_as_whole_messages_on_order(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("calendar").add_event("lunch", NOON)
    double.site.calendar_mime = "message"
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)], only_fields=["mime_content"])
    inside = message_from_bytes(got.mime_content)
    assert inside.get_content_type() == "text/calendar"
    assert b"SUMMARY:lunch" in inside.get_payload(decode=True)


def test_tasks_notes_journals_posts_and_meetings_arrive_as_exchange_gives_them(
    double: EwsDouble, ann: Owner
) -> None:
    ann.folder("tasks").add_task("task", NOON, rule="FREQ=DAILY;COUNT=3")
    ann.folder("notes").add_note("note", "text")
    ann.folder("journal").add_journal("call")
    ann.folder("inbox").add_post("post")
    for kind in ("MeetingRequest", "MeetingResponse", "MeetingCancellation"):
        ann.folder("inbox").add_meeting(RAW, kind, NOON)
    with account(double.url) as opened:
        [task] = opened.tasks.all()
        assert (task.due_date, task.recurrence.boundary.number) == (NOON.date(), 3)
        folders = [folder for folder in opened.msg_folder_root.walk() if folder.name in ("Notes", "Journal")]
        assert {item.item_class for folder in folders for item in folder.all()} == {
            "IPM.StickyNote",
            "IPM.Activity",
        }
        kinds = [type(item).__name__ for item in opened.inbox.all()]
        assert set(kinds) == {"PostItem", "MeetingRequest", "MeetingResponse", "MeetingCancellation"}


# --- export and upload --------------------------------------------------------------------------


def test_an_exported_item_comes_back_whole_under_a_new_id(double: EwsDouble, ann: Owner) -> None:
    calendar = ann.folder("calendar")
    event = calendar.add_event("weekly", NOON, rule="FREQ=WEEKLY;COUNT=4")
    calendar.modify_occurrence(event, NOON + timedelta(days=7), NOON + timedelta(days=8), "moved")
    calendar.attach(event, "agenda.txt", b"1. lunch")
    mail = ann.folder("inbox").deliver(RAW, received=NOON)
    ann.categorize(mail, "blue")
    with account(double.url) as opened:
        streams = opened.export([handle(event), handle(mail)])
        ann.delete(event)
        ids = opened.upload(
            [(opened.calendar, (None, False, streams[0])), (opened.drafts, (None, False, streams[1]))]
        )
        again = opened.export([(ids[0][0], None), (ids[1][0], None)])
        [got] = opened.fetch([ids[0]])
        assert [one.content for one in got.attachments] == [b"1. lunch"]
        assert len(got.modified_occurrences) == 1
        [copy] = ann.folder("drafts").items
        assert (copy.received, copy.is_draft, copy.source) == (NOON, False, RAW)
        assert again == streams
        assert ids[1][0] != mail.id


def test_a_changed_byte_is_refused(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        raw = bytearray(base64.b64decode(opened.export([handle(item)])[0]))
        raw[-3] ^= 1
        [refused] = opened.upload([(opened.drafts, (None, False, base64.b64encode(raw).decode()))])
    assert type(refused).__name__ == "ErrorCorruptData"
    assert ann.folder("drafts").items == []


# --- who asks -----------------------------------------------------------------------------------


def test_a_wrong_password_is_refused(double: EwsDouble, ann: Owner) -> None:
    with account(double.url, password="wrong") as opened, pytest.raises(UnauthorizedError):
        assert opened.inbox


def test_applications_that_may_act_for_others_do(double: EwsDouble, ann: Owner) -> None:
    double.add_mailbox("app@example.com")
    ann.folder("inbox").deliver(RAW)
    double.impersonators.add("app@example.com")
    with account(double.url, "app@example.com", mailbox=ANN, impersonates=True) as opened:
        assert opened.inbox.total_count == 1
    double.impersonators.clear()
    with (
        account(double.url, "app@example.com", mailbox=ANN, impersonates=True) as opened,
        pytest.raises(ErrorImpersonateUserDenied),
    ):
        assert opened.inbox


def test_schema_versions_that_are_not_known_are_refused(double: EwsDouble, ann: Owner) -> None:
    double.versions.clear()
    with account(double.url) as opened, pytest.raises(Exception, match="invalid") as raised:
        assert opened.inbox
    assert raised.type.__name__ in (
        ErrorInvalidServerVersion.__name__,
        "ErrorInvalidSchemaVersionForMailboxVersion",
    )


def test_the_double_speaks_tls(tmp_path: Path) -> None:
    with EwsDouble(tls=tmp_path) as double:
        double.add_mailbox(ANN)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("REQUESTS_CA_BUNDLE", str(double.ca_file))
            with account(double.url) as opened:
                assert opened.inbox.name == "Inbox"
