"""Mail on the double of Exchange Web Services, as plain exchangelib sees it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from exchangelib import EWSDateTime, Message, Q
from exchangelib.errors import (
    ErrorInvalidPropertySet,
)
from exchangelib.extended_properties import ExtendedProperty

from tests.integration.ews.client import ANN, NOON, RAW, account, handle, numbered
from tests.servers.ews.builder import Owner
from tests.servers.ews.server import EwsDouble


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
