"""Events, contacts and all other kinds of items on the double; what is exported comes back."""

import base64
from datetime import timedelta
from email import message_from_bytes

from exchangelib.items import CalendarItem, Contact

from tests.integration.ews.client import NOON, RAW, account, handle
from tests.servers.ews.builder import Owner
from tests.servers.ews.server import EwsDouble


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
    assert "EXDATE;TZID=W. Europe Standard Time:20260318T130000" in mime
    assert "RECURRENCE-ID;TZID=W. Europe Standard Time:20260311T130000" in mime


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
