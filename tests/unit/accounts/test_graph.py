"""What Graph tells of items, read, written, and compared."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.accounts.graph import listing, reading, writing
from archiver.accounts.graph.folders import Native
from archiver.items import Contact, Event, Labelled, Moment, Recurrence, Task
from archiver.model import Folder, Kind

NATIVE = Native(Folder("F"), "AAA", "", "")
MAIL = {
    "id": "x",
    "subject": "Hello",
    "receivedDateTime": "2026-01-01T00:00:00Z",
    "isRead": False,
    "isDraft": False,
    "changeKey": "1",
    "from": {"emailAddress": {"name": "Ann", "address": "a@example.org"}},
}


def key(**more: Any) -> str:
    return listing.remote_of(NATIVE, {**MAIL, **more}).ref.key


def test_the_key_of_mail_changes_with_what_it_says_and_with_nothing_else() -> None:
    assert key(isRead=True, changeKey="2", categories=["x"], flag={"flagStatus": "flagged"}) == key()
    assert key(**{"from": {"emailAddress": {"address": "a@example.org", "name": "Ann"}}}) == key()
    assert len({key(), key(subject="Other"), key(bodyPreview="x"), key(hasAttachments=True)}) == 4


def test_the_key_of_a_draft_and_of_any_other_item_changes_with_its_change_key() -> None:
    assert key(isDraft=True) != key(isDraft=True, changeKey="2")
    native = Native(Folder("F", kind=Kind.EVENT), "AAA", "", "")
    assert (
        listing.remote_of(native, MAIL).ref.key
        != listing.remote_of(native, {**MAIL, "changeKey": "2"}).ref.key
    )


@pytest.mark.parametrize(
    ("verb", "flags"),
    [("102", {"\\Answered"}), ("103", {"\\Answered"}), ("104", {"$Forwarded"}), ("0", set())],
)
def test_the_last_verb_is_a_flag(verb: str, flags: set[str]) -> None:
    told = {**MAIL, "singleValueExtendedProperties": [{"id": "Integer 0x1081", "value": verb}]}
    assert listing.remote_of(NATIVE, told).flags == flags


def test_a_size_is_read_however_its_property_is_spelt() -> None:
    told = {**MAIL, "singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": "1234"}]}
    assert listing.remote_of(NATIVE, told).size == 1234


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T03:04:05.0000000", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("", None),
        (None, None),
        ("soon", None),
    ],
)
def test_times_are_read_as_graph_writes_them(text: object, expected: datetime | None) -> None:
    assert listing.moment(text) == expected


@pytest.mark.parametrize(
    ("span", "after"),
    [
        ({"type": "noEnd"}, None),
        ({"type": "numbered", "numberOfOccurrences": 3}, None),
        ({"type": "endDate", "endDate": "2026-06-29"}, date(2026, 6, 29)),
        ({"type": "endDate", "endDate": "soon"}, None),
    ],
)
def test_a_series_is_over_after_its_last_day_and_never_before(
    span: dict[str, Any], after: date | None
) -> None:
    native = Native(Folder("F", kind=Kind.EVENT), "AAA", "", "")
    told = {
        "id": "x",
        "end": {"dateTime": "2026-03-02T10:00:00"},
        "recurrence": {"pattern": {}, "range": span},
    }
    received = listing.remote_of(native, told).received
    assert (received is None) == (after is None)
    assert received is None or (after is not None and received.date() > after)


RECURRENCES = [
    Recurrence("DAILY", interval=3, count=5),
    Recurrence("WEEKLY", days=("MO", "FR"), first_weekday="SU"),
    Recurrence("MONTHLY", month_day=31, until=date(2027, 1, 1)),
    Recurrence("MONTHLY", days=("TU",), week=-1),
    Recurrence("YEARLY", month=2, month_day=29),
    Recurrence("YEARLY", month=11, days=("TH",), week=4, count=2),
]


@pytest.mark.parametrize("recurrence", RECURRENCES)
def test_a_recurrence_goes_to_graph_and_comes_back(recurrence: Recurrence) -> None:
    at = datetime(2026, 2, 2, 9, tzinfo=UTC)
    item = Event(
        uid="u", start=Moment(at, "UTC"), end=Moment(at + timedelta(hours=1), "UTC"), recurrence=recurrence
    )
    told, lost = writing.event(item, "mark")
    assert lost is None
    assert reading.recurrence_of(told["recurrence"]) == recurrence


def test_a_recurrence_that_cannot_be_read_is_none() -> None:
    assert reading.recurrence_of({"pattern": {"type": "lunar"}, "range": {}}) is None


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("UTC", "UTC"),
        ("Europe/Paris", "Europe/Paris"),
        ("tzone://Microsoft/Custom", None),
        ("", None),
        (None, None),
        ("../../etc/passwd", None),
    ],
)
def test_windows_names_of_zones_are_iana_names(name: str | None, zone: str | None) -> None:
    assert reading.zone_of(name) == zone


def test_an_event_keeps_the_clock_of_its_zone() -> None:
    told = {
        "subject": "x",
        "start": {"dateTime": "2026-07-01T07:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-07-01T08:00:00.0000000", "timeZone": "UTC"},
        "originalStartTimeZone": "W. Europe Standard Time",
    }
    read = reading.event(told)
    assert (read.start.at.hour, read.start.zone) == (9, "Europe/Berlin")
    again, _ = writing.event(read, "mark")
    assert again["start"] == {"dateTime": "2026-07-01T09:00:00", "timeZone": "Europe/Berlin"}


@pytest.mark.parametrize("told_at", ["2026-05-01T00:00:00.0000000", "2026-04-30T22:00:00.0000000"])
def test_a_whole_day_is_a_day_of_its_zone_and_goes_back_as_it_was(told_at: str) -> None:
    end = told_at.replace("-05-01", "-05-02").replace("-04-30", "-05-01")
    told = {
        "isAllDay": True,
        "start": {"dateTime": told_at, "timeZone": "UTC"},
        "end": {"dateTime": end, "timeZone": "UTC"},
        "originalStartTimeZone": "W. Europe Standard Time",
        "originalEndTimeZone": "W. Europe Standard Time",
    }
    read = reading.event(told)
    assert read.start == Moment(datetime(2026, 5, 1, tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin")
    assert read.end == Moment(datetime(2026, 5, 2, tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin")
    again, _ = writing.event(read, "mark")
    assert again["start"] == {"dateTime": "2026-05-01T00:00:00", "timeZone": "Europe/Berlin"}
    assert again["end"] == {"dateTime": "2026-05-02T00:00:00", "timeZone": "Europe/Berlin"}


def test_an_event_is_made_with_nobody_asked() -> None:
    told, _ = writing.event(
        Event(uid="u", start=Moment(datetime.now(UTC)), end=Moment(datetime.now(UTC))), "mark"
    )
    assert "attendees" not in told
    assert told["responseRequested"] is False


def test_html_is_read_as_text() -> None:
    html = "<html><head><style>p {}</style></head><body><p>A&nbsp;&lt;b&gt;</p><p>C<br>D</p></body></html>"
    assert reading.plain({"contentType": "html", "content": html}) == "A <b>\nC\nD"


def test_a_contact_tells_what_exchange_has_no_place_for() -> None:
    phones = tuple(Labelled(str(number), "home") for number in range(3))
    told, lost = writing.contact(Contact(name="Ann", phones=phones), "mark")
    assert told["homePhones"] == ["0", "1"]
    assert lost is not None


def test_a_task_bears_its_mark_where_tasks_have_a_place_for_it() -> None:
    told, _ = writing.task(Task(subject="x", due=date(2026, 1, 1)), "mark")
    assert [one["externalId"] for one in told["linkedResources"]] == ["mark"]
    assert "singleValueExtendedProperties" not in told


@given(st.binary(max_size=300))
def test_any_mail_can_be_made_or_says_what_is_lost(raw: bytes) -> None:
    told, _ = writing.message(raw, frozenset({"\\Seen"}), None, "mark")
    assert told["singleValueExtendedProperties"][0] == {"id": writing.ARCHIVER_ID, "value": "mark"}


@pytest.mark.parametrize(
    "head",
    [
        b"Date: Thu, 99 Foo 2026 99:99:99 +9999",
        b"Subject: =?bogus?q?x?=",
        b"Content-Type: text/plain; charset=bogus",
        b"From: (",
        b"Content-Type: multipart/mixed",
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64",
    ],
)
def test_mail_that_is_odd_is_made_all_the_same(head: bytes) -> None:
    told, _ = writing.message(head + b"\r\n\r\n\xff\xfe body", frozenset(), None, "mark")
    assert isinstance(told["body"]["content"], str)
