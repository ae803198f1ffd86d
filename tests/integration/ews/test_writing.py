"""What clients write into items of the double, and what it refuses."""

from datetime import timedelta
from email.message import EmailMessage

import pytest
from exchangelib import EWSDateTime, FileAttachment, ItemAttachment, Message
from exchangelib.errors import ErrorInvalidIdMalformed, ErrorMessageSizeExceeded, EWSError
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.indexed_properties import EmailAddress, PhoneNumber, PhysicalAddress
from exchangelib.items import CalendarItem, Contact, Task

from tests.integration.ews.client import NOON, RAW, account, handle, page
from tests.servers.ews.builder import Owner
from tests.servers.ews.filling import fill
from tests.servers.ews.markup import text
from tests.servers.ews.server import EwsDouble
from tests.servers.ews.shape import field_value


class FlagStatus(ExtendedProperty):  # type: ignore[misc]
    property_tag = 0x1090
    property_type = "Integer"


class LastVerb(ExtendedProperty):  # type: ignore[misc]
    property_tag = 0x1081
    property_type = "Integer"


def test_one_phone_number_is_changed_and_the_others_stay(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        contact = Contact(
            account=opened,
            folder=opened.contacts,
            given_name="Carla",
            display_name="Carla",
            file_as="Carla",
            email_addresses=[EmailAddress(label="EmailAddress1", email="c@example.org")],
            phone_numbers=[PhoneNumber(label="MobilePhone", phone_number="1")],
            physical_addresses=[PhysicalAddress(label="Home", city="Bern", street="Weg 1")],
        ).save()
        contact.refresh()
        contact.phone_numbers = [
            PhoneNumber(label="MobilePhone", phone_number="2"),
            PhoneNumber(label="HomePhone", phone_number="3"),
        ]
        contact.physical_addresses = [PhysicalAddress(label="Home", city="Basel", street="Weg 1")]
        contact.save(update_fields=["phone_numbers", "physical_addresses"])
        [kept] = opened.contacts.all()
        assert {one.label: one.phone_number for one in kept.phone_numbers} == {
            "MobilePhone": "2",
            "HomePhone": "3",
        }
        assert [(one.city, one.street) for one in kept.physical_addresses] == [("Basel", "Weg 1")]
        assert [one.email for one in kept.email_addresses] == ["c@example.org"]
        kept.email_addresses = None
        kept.save(update_fields=["email_addresses"])
        [item] = ann.folder("contacts").items
        assert "EmailAddresses" not in item.fields


def test_categories_flags_and_the_read_mark_are_written_and_taken_off(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        _, state, _ = page(opened, opened.inbox, None)
        [got] = opened.fetch([handle(item)])
        got.is_read = True
        got.save(update_fields=["is_read"])
        [(kind, _)], state, _ = page(opened, opened.inbox, state)
        assert (kind, item.is_read) == ("read_flag_change", True)
        got.categories = ["blue", "grün"]
        got.save(update_fields=["categories"])
        [(kind, _)], state, _ = page(opened, opened.inbox, state)
        assert (kind, [one.text for one in item.fields["Categories"]]) == ("update", ["blue", "grün"])
        got.categories = None
        got.save(update_fields=["categories"])
        assert "Categories" not in item.fields


def test_the_mark_for_follow_up_and_the_last_answer_are_properties_too(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        for name, kind in (("flag_status", FlagStatus), ("last_verb", LastVerb)):
            Message.register(name, kind)
        try:
            ann.flag(item)
            ann.answer(item)
            [got] = opened.fetch([handle(item)], only_fields=["flag_status", "last_verb", "changekey"])
            assert (got.flag_status, got.last_verb) == (2, 102)
            got.flag_status, got.last_verb = 1, 104
            got.save(update_fields=["flag_status", "last_verb"])
            assert text(field_value(double.site, item, "Flag"), "FlagStatus") == "Complete"
            [got] = opened.fetch([handle(item)], only_fields=["flag_status", "last_verb"])
            assert (got.flag_status, got.last_verb) == (1, 104)
            ann.flag(item, "Flagged")
            [got] = opened.fetch([handle(item)], only_fields=["flag_status"])
            assert got.flag_status == 2
        finally:
            Message.deregister("flag_status")
            Message.deregister("last_verb")


def test_files_and_items_are_attached(double: EwsDouble, ann: Owner) -> None:
    inner = EmailMessage()
    inner["Subject"] = "inside"
    inner.set_content("text")
    outer = EmailMessage()
    outer["Subject"] = "outside"
    outer.set_content("see")
    outer.add_attachment(inner)
    item = ann.folder("inbox").deliver(outer.as_bytes())
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)])
        [attached] = got.attachments
        assert isinstance(attached, ItemAttachment)
        assert attached.item.subject == "inside"
        before = got.changekey
        got.attach(FileAttachment(name="a.txt", content=b"abc"))
        assert got.changekey == item.change_key != before
        assert [one.content for one in item.attachments] == [b"", b"abc"]
        new = Message(account=opened, folder=opened.inbox, subject="with a file")
        new.attach(FileAttachment(name="b.txt", content=b"xyz"))
        new.save()
        assert ann.folder("inbox").items[-1].attachments[0].content == b"xyz"


def test_an_event_is_restored_from_its_calendar(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("calendar").add_event(
        "weekly", NOON, rule="FREQ=WEEKLY;COUNT=4", zone=None, location="Room 1"
    )
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)])
        ann.delete(item)
        CalendarItem(
            account=opened,
            folder=opened.calendar,
            mime_content=got.mime_content,
            start=EWSDateTime.from_datetime(NOON),
            end=EWSDateTime.from_datetime(NOON + timedelta(hours=1)),
        ).save(send_meeting_invitations="SendToNone")
        [again] = opened.calendar.all()
        assert (again.uid, again.location, again.recurrence.boundary.number) == (got.uid, "Room 1", 4)


@pytest.mark.parametrize(("kind", "content"), [(Task, RAW), (Contact, b"BEGIN:VCARD\r\nEND:VCARD\r\n")])
def test_mime_makes_no_task_and_no_contact(double: EwsDouble, ann: Owner, kind: type, content: bytes) -> None:
    with account(double.url) as opened:
        folder = opened.tasks if kind is Task else opened.contacts
        named = {} if kind is Task else {"display_name": "x", "file_as": "x"}
        with pytest.raises(EWSError) as raised:
            kind(account=opened, folder=folder, subject="x", mime_content=content, **named).save()
    assert type(raised.value).__name__ == "ErrorUnsupportedMimeConversion"


def test_what_is_too_large_is_refused_and_not_kept(double: EwsDouble, ann: Owner) -> None:
    stays = ann.folder("inbox").deliver(RAW + b"x" * 5000)
    double.site.largest_bytes = 4000
    with account(double.url) as opened:
        with pytest.raises(ErrorMessageSizeExceeded):
            Message(account=opened, folder=opened.inbox, mime_content=RAW + b"x" * 5000).save()
        [stream] = opened.export([handle(stays)])
        [refused] = opened.upload([(opened.drafts, (None, False, stream))])
        assert isinstance(refused, ErrorMessageSizeExceeded)
        assert opened.bulk_move([handle(stays)], opened.junk)
    assert ann.folder("inbox").items == []
    assert ann.folder("junkemail").items == [stays]


def test_an_id_that_is_none_is_told_from_one_that_is_gone(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        [refused] = opened.fetch([("no id!", None)])
    assert isinstance(refused, ErrorInvalidIdMalformed)


def test_a_server_may_look_past_the_change_key_when_it_deletes(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    before = handle(item)
    ann.edit(item, Subject="changed")
    double.site.strict_change_keys = False
    with account(double.url) as opened:
        assert opened.bulk_delete([before]) == [True]
    assert ann.folder("inbox").items == []


def test_what_was_softly_deleted_is_among_the_recoverable_items(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        opened.bulk_delete([handle(item)], delete_type="SoftDelete")
        [kept] = opened.recoverable_items_deletions.all()
        assert kept.subject == "hello"


def test_associated_items_are_told_to_those_alone_who_ask_for_them(double: EwsDouble, ann: Owner) -> None:
    ann.folder("inbox").add_associated("a view")
    with account(double.url) as opened:
        assert page(opened, opened.inbox, None)[0] == []
        told = opened.inbox.sync_items(sync_scope="NormalAndAssociatedItems", only_fields=["subject"])
        assert [item.subject for _, item in told] == ["a view"]
        assert [item.subject for item in opened.inbox.all().depth("Associated").only("subject")] == ["a view"]


def test_a_calendar_may_lack_its_last_line(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("calendar").add_event("lunch", NOON)
    double.site.calendar_mime = "endless"
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)], only_fields=["mime_content"])
    assert got.mime_content.endswith(b"END:VEVENT\r\n")


def test_nobody_gets_mail_unless_the_client_asks_for_it(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        Message(
            account=opened, folder=opened.drafts, subject="kept", to_recipients=["bob@example.org"]
        ).save()
        assert double.sent == []
        Message(account=opened, subject="gone", to_recipients=["bob@example.org"]).send()
    assert double.sent == ["CreateItem: gone"]


def test_the_same_seed_fills_a_mailbox_in_the_same_way(double: EwsDouble, ann: Owner) -> None:
    with EwsDouble() as other:
        twin = other.add_mailbox("ann@example.com", archive=True)
        filled = [
            [(item.id, text(item.fields.get("Subject"))) for item in fill(one, 40, 7)] for one in (ann, twin)
        ]
    assert filled[0] == filled[1]
