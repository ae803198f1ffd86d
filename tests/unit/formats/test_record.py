"""An item of a groupware server as one message, and back."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from archiver.errors import Damaged
from archiver.formats.message import summary
from archiver.formats.record import (
    Attached,
    Details,
    Export,
    Record,
    as_mail,
    essence,
    is_record,
    mail_in,
    pack,
    unpack,
)
from archiver.items import Contact, Event, Item, Moment, Note, Recurrence, Task
from archiver.model import Kind

AT = datetime(2026, 3, 29, 9, 30, tzinfo=UTC)
MAIL = b"From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX-Own: 1\r\n\r\nhello\r\n"
ITEMS: list[tuple[Kind, Item]] = [
    (
        Kind.EVENT,
        Event(
            uid="1",
            start=Moment(AT, "Europe/Berlin"),
            end=Moment(AT),
            recurrence=Recurrence("WEEKLY", days=("MO",), until=date(2027, 1, 1)),
            changed=(Event(uid="1", start=Moment(AT), end=Moment(AT), original=Moment(AT)),),
            deleted=(Moment(AT),),
        ),
    ),
    (Kind.CONTACT, Contact(name="Ann", birthday=date(1980, 2, 29), photo="photo.jpg")),
    (Kind.TASK, Task(subject="tidy", due=date(2026, 1, 1))),
    (Kind.NOTE, Note(body="milk")),
]


def test_text_that_is_no_unicode_is_kept_as_far_as_it_is() -> None:
    record = Record(
        Details(kind=Kind.NOTE, item_class="IPM.X", item=Note(body="a\ud800b \N{GRINNING FACE}")), b"a"
    )
    assert unpack(pack(record)).details.item == Note(body="a?b \N{GRINNING FACE}")


def mail(**more: object) -> Record:
    details = Details(kind=Kind.MAIL, item_class="IPM.Note", id="AAMk=", change_key="CQ==", **more)  # type: ignore[arg-type]
    return Record(details, MAIL, export=Export("ews-export", "15.2", b"\x00\xff"))


@pytest.mark.parametrize(("kind", "item"), ITEMS)
def test_an_item_of_every_kind_comes_back_as_it_was(kind: Kind, item: Item) -> None:
    record = Record(Details(kind=kind, item_class="IPM.X", item=item), b"BEGIN", "text/calendar")
    assert unpack(pack(record)) == record


@given(st.binary(), st.binary(), st.lists(st.tuples(st.text(), st.binary()), max_size=3))
def test_every_part_comes_back_to_the_byte(
    body: bytes, export: bytes, files: list[tuple[str, bytes]]
) -> None:
    attachments = tuple(
        Attached(name.encode("utf-8", "replace").decode(), "image/png", content) for name, content in files
    )
    record = Record(
        Details(kind=Kind.MAIL, item_class="IPM.Note"),
        body,
        export=Export("ews-export", "15.2", export),
        attachments=attachments,
    )
    back = unpack(pack(record))
    assert (back.body, back.attachments) == (body, attachments)
    assert back.export == record.export


def test_a_body_that_holds_the_boundary_of_its_own_record_comes_back() -> None:
    boundary = pack(mail()).split(b'boundary="')[1].split(b'"')[0]
    hostile = MAIL + b"\r\n--" + boundary + b"--\r\n"
    record = Record(Details(kind=Kind.MAIL, item_class="IPM.Note"), hostile)
    assert unpack(pack(record)).body == hostile


def test_a_record_lists_as_the_mail_it_carries() -> None:
    told = summary(pack(mail()))
    assert (told.sender, told.subject) == ("Ann <ann@example.org>", "grüße")


def test_an_item_without_mail_lists_by_its_subject_and_time() -> None:
    told = summary(
        pack(
            Record(
                Details(kind=Kind.EVENT, item_class="IPM.Appointment", subject="Fête\r\nX: y", modified=AT)
            )
        )
    )
    assert (told.subject, told.date) == ("Fête  X: y", AT)


def test_the_same_item_is_the_same_message() -> None:
    assert pack(mail(flags=frozenset("abcdefg"))) == pack(mail(flags=frozenset("gfedcba")))


def test_a_target_without_records_gets_the_mail_to_the_byte() -> None:
    assert as_mail(pack(mail())) == MAIL
    assert as_mail(MAIL) == MAIL
    event = pack(Record(Details(kind=Kind.EVENT, item_class="IPM.Appointment"), b"BEGIN", "text/calendar"))
    assert as_mail(event) == event


@pytest.mark.parametrize("cut", [1, 10, 100, 300])
def test_a_record_that_is_cut_short_is_damage(cut: int) -> None:
    with pytest.raises(Damaged):
        unpack(pack(mail())[:-cut])


@pytest.mark.parametrize("raw", [MAIL, b"", b"X-Archiver-Item: 1; kind=mail\r\n\r\n"])
def test_what_is_no_record_is_said_to_be_none(raw: bytes) -> None:
    assert is_record(raw) == raw.startswith(b"X-Archiver-Item")
    with pytest.raises(Damaged):
        unpack(raw)


# --- what it says, however often it is written anew ------------------------------------------------------


def anew(record: Record, **details: object) -> Record:
    """The same item as its server gives it another time: other boundaries, headers in another order, other notes."""
    body = b"Subject: =?utf-8?b?Z3LDvMOfZQ==?=\r\nFrom: Ann <ann@example.org>\r\nX-Own: 2\r\n\r\nhello\r\n"
    told = {"change_key": "CQ2=", "size": 9, "flags": frozenset({"\\Seen"}), "extra": {"a": 1}, **details}
    changed = structs.replace(record.details, **told)
    return structs.replace(record, details=changed, body=body, export=Export("ews-export", "15.2", b"other"))


def test_a_record_written_anew_says_the_same() -> None:
    assert essence(pack(anew(mail()))) == essence(pack(mail())) is not None


@pytest.mark.parametrize(
    "other",
    [
        anew(mail(), subject="other"),
        anew(mail(), id="AAMkOther"),
        anew(mail(), received=AT),
        structs.replace(mail(), body=MAIL.replace(b"hello", b"goodbye")),
        structs.replace(mail(), body=MAIL.replace(b"Ann", b"Eve")),
        structs.replace(mail(), attachments=(Attached("a", "text/plain", b"x"),)),
    ],
)
def test_another_item_says_something_else(other: Record) -> None:
    assert essence(pack(other)) != essence(pack(mail()))


def test_an_event_is_told_by_what_was_understood_of_it() -> None:
    def event(body: bytes, **more: object) -> bytes:
        told = {"uid": "1", "start": Moment(AT), "end": Moment(AT), **more}
        return pack(Record(Details(Kind.EVENT, "IPM.X", item=Event(**told)), body, "text/calendar"))  # type: ignore[arg-type]

    assert essence(event(b"DTSTAMP:1")) == essence(event(b"DTSTAMP:2", modified=AT)) is not None
    assert essence(event(b"DTSTAMP:1")) != essence(event(b"DTSTAMP:1", location="elsewhere"))


def test_what_is_no_record_or_holds_nothing_to_compare_says_nothing() -> None:
    bare = pack(Record(Details(Kind.NOTE, "IPM.X"), b"", "text/plain"))
    assert [essence(raw) for raw in (b"", MAIL, pack(mail())[:-9], bare)] == [None] * 4


def test_the_mail_in_a_record_that_is_not_whole_is_the_message_it_is() -> None:
    broken = pack(mail())[:-9]
    assert (mail_in(pack(mail())), mail_in(broken), mail_in(MAIL)) == (MAIL, broken, MAIL)


def test_a_record_whose_export_was_taken_off_takes_no_attachment_for_it() -> None:
    attached = Attached("plan.txt", "text/plain", b"a plan")
    whole = Record(
        Details(kind=Kind.NOTE, item_class="IPM.X"),
        b"a",
        "text/plain",
        Export("ews-export", "15.2", b"x"),
        (attached,),
    )
    read = unpack(pack(whole))
    bare = unpack(pack(Record(read.details, read.body, read.body_type, None, read.attachments)))
    assert bare.export is None
    assert bare.attachments == (attached,)
