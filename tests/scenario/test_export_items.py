"""export of items of Exchange, and of calendars and contacts from disk, as files that other libraries read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import icalendar
import pytest
import vobject

from archiver.events import Warned
from archiver.formats.carried import carry
from archiver.formats.record import Attached, Details, Record, pack
from archiver.items import Contact, ContactGroup, Event, Item, Moment, Note, Person, Task
from archiver.model import Kind
from archiver.ops.export import ExportReport, Target, export
from tests.scene import Scene, Told, mail

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
OWN_ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:Customized Time Zone\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\n"
    "TZOFFSETFROM:{0}\r\nTZOFFSETTO:{0}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)


def event(name: str, zone: str = "Europe/Berlin", **more: Any) -> Event:
    return Event(uid=f"{name}@x", start=Moment(AT, zone), end=Moment(AT, zone), subject=name, **more)


def record(kind: Kind, item: Item | None, name: str, version: int = 1, **more: Any) -> bytes:
    details = Details(kind, "IPM.X", id=name, change_key=str(version), item=item, subject=name)
    return pack(Record(details, **{"body": b"", **more}))


def foreign(name: str, offset: str) -> bytes:
    """A calendar as a server wrote it, in a zone of its own making."""
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"
        + OWN_ZONE.format(offset)
        + f"BEGIN:VEVENT\r\nUID:{name}\r\nDTSTAMP:20260101T000000Z\r\n"
        f"DTSTART;TZID=Customized Time Zone:20260301T090000\r\nSUMMARY:{name}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


def exported(scene: Scene, target: Target, path: Path, told: Told | None = None) -> ExportReport:
    reader = scene.open(unlock=True).reader(scene.catalog)
    return export(scene.entries(), reader, target, path, told or Told(), records=True)


def files(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}


def events(content: bytes) -> dict[str, Any]:
    parsed = icalendar.Calendar.from_ical(content)
    assert not parsed.errors
    return {str(one["SUMMARY"]): one for one in parsed.walk() if one.name in ("VEVENT", "VTODO")}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path / "state")
    scene.server.deliver("INBOX", record(Kind.MAIL, None, "m", body=mail("hello")))
    scene.server.create("Calendar", kind=Kind.EVENT)
    plan = Attached("plan.txt", "text/plain", b"the plan")
    scene.server.deliver(
        "Calendar",
        record(Kind.EVENT, event("tea", attachments=("plan.txt",)), "e1", attachments=(plan,)),
        kind=Kind.EVENT,
    )
    scene.server.deliver(
        "Calendar", record(Kind.EVENT, event("lunch", "America/New_York"), "e2"), kind=Kind.EVENT
    )
    scene.server.create("Tasks", kind=Kind.TASK)
    scene.server.deliver("Tasks", record(Kind.TASK, Task(subject="tidy"), "t1"), kind=Kind.TASK)
    scene.server.create("Friends/Old", kind=Kind.CONTACT)
    scene.server.deliver("Friends/Old", record(Kind.CONTACT, Contact(name="Ann"), "c1"), kind=Kind.CONTACT)
    group = ContactGroup(name="Team", members=(Person("Ann", "a@x"),))
    scene.server.deliver("Friends/Old", record(Kind.CONTACT, group, "c2"), kind=Kind.CONTACT)
    scene.server.create("Notes", kind=Kind.NOTE)
    scene.server.deliver(
        "Notes", record(Kind.NOTE, Note(subject="shopping", body="milk"), "shopping"), kind=Kind.NOTE
    )
    scene.pull()
    return scene


def test_a_calendar_is_one_file_that_a_library_reads_and_the_rest_is_told(
    scene: Scene, tmp_path: Path
) -> None:
    report = exported(scene, "ics", tmp_path / "out")
    found = files(tmp_path / "out")
    assert sorted(found) == ["Calendar.ics", "Tasks.ics"]
    told = events(found["Calendar.ics"])
    assert sorted(told) == ["lunch", "tea"]
    assert told["tea"].decoded("DTSTART") == AT
    assert told["tea"]["ATTACH"].bytes == b"the plan"
    zones = [
        str(one["TZID"]) for one in icalendar.Calendar.from_ical(found["Calendar.ics"]).walk("VTIMEZONE")
    ]
    assert zones == ["America/New_York", "Europe/Berlin"]
    assert list(events(found["Tasks.ics"])) == ["tidy"]
    assert (report.messages, report.older) == (3, 0)
    assert report.left_out == {Kind.MAIL: 1, Kind.CONTACT: 2, Kind.NOTE: 1}


def test_an_address_book_is_one_file(scene: Scene, tmp_path: Path) -> None:
    report = exported(scene, "vcf", tmp_path / "out")
    found = files(tmp_path / "out")
    cards = list(vobject.readComponents(found["Friends/Old.vcf"].decode()))
    assert [card.fn.value for card in cards] == ["Ann", "Team"]
    assert report.messages == 2
    assert report.left_out == {Kind.MAIL: 1, Kind.EVENT: 2, Kind.TASK: 1, Kind.NOTE: 1}


def test_a_note_is_a_file_of_text(scene: Scene, tmp_path: Path) -> None:
    exported(scene, "txt", tmp_path / "out")
    ((name, content),) = files(tmp_path / "out").items()
    assert name.startswith("Notes/shopping-")
    assert content == b"shopping\r\n\r\nmilk\r\n"


@pytest.mark.parametrize("target", ["eml", "mbox", "maildir"])
def test_other_programs_see_the_mail_itself_and_every_item_as_a_message(
    scene: Scene, tmp_path: Path, target: Target
) -> None:
    report = exported(scene, target, tmp_path / "out")
    found = [content.replace(b"\r\n", b"\n") for content in files(tmp_path / "out").values()]
    whole = b"".join(found)
    assert mail("hello").replace(b"\r\n", b"\n") in whole
    assert b"kind=mail" not in whole
    assert whole.count(b"X-Archiver-Item: 1; kind=") == 6
    assert (report.messages, report.left_out) == (7, {})


def test_of_an_item_that_was_changed_the_version_on_the_server_is_written(
    scene: Scene, tmp_path: Path
) -> None:
    scene.server.expunge("Calendar", "1")
    scene.server.deliver("Calendar", record(Kind.EVENT, event("tea at four"), "e1", 2), kind=Kind.EVENT)
    scene.pull()
    report = exported(scene, "ics", tmp_path / "out")
    assert sorted(events(files(tmp_path / "out")["Calendar.ics"])) == ["lunch", "tea at four"]
    assert (report.messages, report.older) == (3, 1)


def test_of_an_item_that_is_gone_the_last_version_is_written(scene: Scene, tmp_path: Path) -> None:
    scene.server.expunge("Calendar", "1")
    key = scene.server.deliver("Calendar", record(Kind.EVENT, event("tea at four"), "e1", 2), kind=Kind.EVENT)
    scene.pull()
    scene.server.expunge("Calendar", key)
    scene.pull()
    exported(scene, "ics", tmp_path / "out")
    assert sorted(events(files(tmp_path / "out")["Calendar.ics"])) == ["lunch", "tea at four"]


def test_a_calendar_text_of_the_server_is_taken_where_archiver_understood_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        raw = record(Kind.EVENT, None, name, body=foreign(name, "+0300"), body_type="text/calendar")
        scene.server.deliver("Calendar", raw, kind=Kind.EVENT)
    scene.pull()
    exported(scene, "ics", tmp_path / "out")
    found = files(tmp_path / "out")
    assert sorted(found) == ["Calendar.ics", "Tasks.ics"]
    assert sorted(events(found["Calendar.ics"])) == ["a", "b", "lunch", "tea"]
    assert found["Calendar.ics"].count(b"TZID:Customized Time Zone") == 1


def test_two_zones_of_one_name_are_kept_apart(scene: Scene, tmp_path: Path) -> None:
    for name, offset in (("a", "+0300"), ("b", "-0500")):
        raw = record(Kind.EVENT, None, name, body=foreign(name, offset), body_type="text/calendar")
        scene.server.deliver("Calendar", raw, kind=Kind.EVENT)
    scene.pull()
    exported(scene, "ics", tmp_path / "out")
    found = files(tmp_path / "out")
    (alone,) = [name for name in found if name.startswith("Calendar/")]
    assert found[alone] == foreign("b", "-0500")
    assert "a" in events(found["Calendar.ics"])
    assert b"TZOFFSETTO:+0300" in found["Calendar.ics"]


def test_what_came_from_a_file_is_that_file_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "state")
    card = b"BEGIN:VCARD\nVERSION:4.0\nFN:Ann\nEND:VCARD\n"
    scene.server.create("Cal")
    scene.server.deliver("Cal", carry(foreign("../x", "+0100"), Kind.EVENT), kind=Kind.EVENT)
    scene.server.deliver("Cal", carry(card, Kind.CONTACT), kind=Kind.CONTACT)
    scene.pull()
    exported(scene, "ics", tmp_path / "ics")
    exported(scene, "vcf", tmp_path / "vcf")
    assert list(files(tmp_path / "ics").values()) == [foreign("../x", "+0100")]
    assert list(files(tmp_path / "vcf").values()) == [card]


def test_two_folders_that_are_one_on_the_disk_lose_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "state")
    for number, name in enumerate(("a:b", "a_b", "a?b")):
        scene.server.create(name, kind=Kind.CONTACT)
        for one in range(2):
            contact = record(Kind.CONTACT, Contact(name=f"{number}{one}"), f"{number}{one}")
            scene.server.deliver(name, contact, kind=Kind.CONTACT)
    scene.pull()
    exported(scene, "vcf", tmp_path / "out")
    ((_, content),) = files(tmp_path / "out").items()
    cards = [card.fn.value for card in vobject.readComponents(content.decode())]
    assert sorted(cards) == ["00", "01", "10", "11", "20", "21"]


def test_an_item_that_cannot_be_written_so_is_told_and_counted(scene: Scene, tmp_path: Path) -> None:
    scene.server.deliver("Calendar", record(Kind.EVENT, None, "odd"), kind=Kind.EVENT)
    scene.server.deliver("Calendar", record(Kind.EVENT, event("cut"), "cut")[:-9], kind=Kind.EVENT)
    scene.pull()
    told = Told()
    report = exported(scene, "ics", tmp_path / "out", told)
    assert report.left_out[Kind.EVENT] == 2
    assert report.messages == 3
    assert len([one for one in told.of(Warned) if "cannot be written as ics" in one.text]) == 2
