"""Exchange Online by Graph, into the archive and back: nothing lost, nothing twice, nobody written to."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from archiver.accounts.exchange import id_of
from archiver.errors import ArchiverError
from archiver.formats.record import Record, unpack
from archiver.items import Contact, Event, Moment, Recurrence, Task
from archiver.model import Kind
from tests.scene import Scene
from tests.servers.fault_proxy import (
    Fault,
    FaultProxy,
    bad_gateway,
    cut_after,
    cut_before,
    cut_midway,
    too_many_requests,
    truncated,
    unavailable,
)
from tests.servers.graph.filling import MAIL, PICTURE, fill
from tests.servers.graph.owner import GraphOwner
from tests.servers.graph.server import GraphDouble

STEP = int(os.environ.get("ARCHIVER_TEST_GRAPH_STEP", "9"))
"""A fault comes at every so-manieth request; 1 is all of them."""


@pytest.fixture
def double() -> Iterator[GraphDouble]:
    with GraphDouble() as running:
        yield running


@pytest.fixture
def owner(double: GraphDouble) -> GraphOwner:
    return GraphOwner(double, export=True)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "state")


def held(scene: Scene) -> dict[str, Record]:
    """Give what the archive holds of what is there still, by the id of the item."""
    found: dict[str, Record] = {}
    for (_, key), raw in scene.here().items():
        item_id = id_of(key)
        assert item_id is not None
        assert item_id not in found, "held twice"
        found[item_id] = unpack(raw)
    return found


def check(scene: Scene, owner: GraphOwner) -> dict[str, Record]:
    """Check that the archive holds each item of the mailbox, once, as it is now."""
    scene.check()
    assert owner.double.plain_ids == 0
    assert not [one for one in owner.double.seen if not one.startswith("GET") and "exportItems" not in one]
    found = held(scene)
    assert set(found) == set(owner.mailbox.items)
    for item_id, record in found.items():
        item = owner.mailbox.items[item_id]
        assert record.details.kind == item.kind
        assert record.details.subject == next(
            item.props[name] for name in ("subject", "title", "displayName") if name in item.props
        )
    return found


# --- pulling ------------------------------------------------------------------------------------------


def test_items_of_every_kind_are_archived_whole(scene: Scene, owner: GraphOwner) -> None:
    items = fill(owner.mailbox)
    report = scene.pull(account=owner.account())
    assert all(one.complete for one in report.folders)
    found = check(scene, owner)
    for record in found.values():
        assert record.export is not None
        assert record.export.kind == "graph-export"
        assert record.export.data == owner.mailbox.blob(owner.mailbox.items[record.details.id])
    assert b"MSwyLDMK" in found[items["mail"].id].body
    _check_events({name: found[item.id] for name, item in items.items() if item.kind == "event"})
    _check_others({name: found[item.id] for name, item in items.items() if item.kind in ("contact", "task")})


def _check_events(found: dict[str, Record]) -> None:
    meeting = found["meeting"].details.item
    assert isinstance(meeting, Event)
    assert meeting.start == Moment(datetime(2026, 2, 2, 9, tzinfo=UTC), "UTC")
    assert meeting.body == "Bring cake & tea"
    assert (meeting.location, meeting.reminder, meeting.categories) == ("Room 7", 15, ("To do",))
    assert [(one.person.address, one.response) for one in meeting.attendees] == [
        ("bob@example.org", "accepted")
    ]
    assert [(one.name, one.content) for one in found["meeting"].attachments] == [("agenda.txt", b"1. cake")]
    assert meeting.attachments == ("agenda.txt",)
    day = found["day"].details.item
    assert isinstance(day, Event)
    assert (day.all_day, day.start.at.date(), day.end.at.date()) == (True, date(2026, 5, 1), date(2026, 5, 2))
    series = found["series"].details.item
    assert isinstance(series, Event)
    assert series.recurrence == Recurrence(
        "WEEKLY", days=("MO",), first_weekday="MO", until=date(2026, 6, 29)
    )
    assert [one.subject for one in series.changed] == ["Standup, late"]
    assert series.changed[0].original == Moment(datetime(2026, 3, 9, 9, tzinfo=UTC), "UTC")
    assert series.deleted == (Moment(datetime(2026, 3, 16, 9, tzinfo=UTC), "UTC"),)


def _check_others(found: dict[str, Record]) -> None:
    contact = found["contact"].details.item
    assert isinstance(contact, Contact)
    assert (contact.name, contact.company, contact.birthday) == ("Bob Builder", "Build Ltd", date(1970, 4, 1))
    assert [(one.value, one.label) for one in contact.phones] == [
        ("+49 30 1234", "work"),
        ("+49 170 1234", "mobile"),
    ]
    assert [(one.city, one.label) for one in contact.addresses] == [("Berlin", "home")]
    assert contact.body == "Knows Wendy"
    (photo,) = found["contact"].attachments
    assert (photo.name, photo.content) == (contact.photo, PICTURE)
    task = found["task"].details.item
    assert isinstance(task, Task)
    assert (task.status, task.due, task.importance) == ("started", date(2026, 2, 6), "high")
    assert task.reminder == datetime(2026, 2, 5, 9, tzinfo=UTC)
    assert [one.content for one in found["task"].attachments] == [b"42 euro"]


def test_folders_have_the_names_and_uses_of_their_kinds(owner: GraphOwner) -> None:
    fill(owner.mailbox)
    owner.mailbox.create("mail", "secret", hidden=True)
    owner.mailbox.create("mail", "all unread", search=True)
    owner.mailbox.create("event", "Shared", owner="bob@example.org")
    told = {one.name: (one.kind, one.special_use) for one in owner.account().folders()}
    assert told == {
        "INBOX": (Kind.MAIL, None),
        "Sent Items": (Kind.MAIL, "\\Sent"),
        "Deleted Items": (Kind.MAIL, "\\Trash"),
        "Drafts": (Kind.MAIL, "\\Drafts"),
        "Junk Email": (Kind.MAIL, "\\Junk"),
        "Archive": (Kind.MAIL, "\\Archive"),
        "Calendar": (Kind.EVENT, "\\Calendar"),
        "Calendar/Team%2FOps": (Kind.EVENT, None),
        "Contacts": (Kind.CONTACT, "\\Contacts"),
        "Contacts/Friends": (Kind.CONTACT, None),
        "Tasks": (Kind.TASK, "\\Tasks"),
    }


def test_a_second_pull_fetches_and_writes_nothing(scene: Scene, owner: GraphOwner) -> None:
    fill(owner.mailbox)
    scene.pull(account=owner.account())
    before, head = len(owner.double.seen), scene.chain().head()
    scene.pull(account=owner.account())
    assert scene.chain().head() == head
    assert not [one for one in owner.double.seen[before:] if "$value" in one or "exportItems" in one]


def test_what_is_edited_is_archived_anew_and_the_old_version_stays(scene: Scene, owner: GraphOwner) -> None:
    items = fill(owner.mailbox)
    scene.pull(account=owner.account())
    old = set(scene.read().values())
    owner.mailbox.change(items["meeting"], {"subject": "Meeting moved"})
    owner.mailbox.change(items["contact"], {"jobTitle": "Boss"})
    owner.mailbox.change(items["task"], {"status": "completed"})
    owner.mailbox.change(items["mail"], {"subject": "Figures, mended"})
    owner.mailbox.remove(items["friend"])
    scene.pull(account=owner.account())
    found = check(scene, owner)
    assert isinstance(found[items["task"].id].details.item, Task)
    assert old <= set(scene.read().values())
    assert len(scene.read()) == len(old) + 4


def test_an_edit_that_only_the_change_key_shows_is_archived_once(scene: Scene, owner: GraphOwner) -> None:
    items = fill(owner.mailbox)
    scene.pull(account=owner.account())
    items["mail"].raw = MAIL.replace(b"MSwyLDMK", b"NCw1LDYK")
    owner.mailbox.touch(items["mail"], "content")
    scene.pull(account=owner.account())
    assert b"NCw1LDYK" in check(scene, owner)[items["mail"].id].body
    count = len(scene.read())
    owner.double.paging.expire()
    scene.pull(account=owner.account())
    scene.pull(account=owner.account())
    assert len(scene.read()) == count


def test_read_flag_and_category_changes_download_nothing(scene: Scene, owner: GraphOwner) -> None:
    items = fill(owner.mailbox)
    scene.pull(account=owner.account())
    before = len(owner.double.seen)
    owner.mailbox.change(
        items["mail"], {"isRead": True, "categories": ["To do"], "flag": {"flagStatus": "flagged"}}
    )
    scene.pull(account=owner.account())
    assert not [one for one in owner.double.seen[before:] if "$value" in one]
    flags = {id_of(key): flags for (_, key), flags in scene.flags().items()}
    assert flags[items["mail"].id] == {"\\Seen", "\\Flagged", "To=20do"}


def test_a_mail_that_is_moved_vanishes_here_and_is_archived_there(scene: Scene, owner: GraphOwner) -> None:
    items = fill(owner.mailbox)
    scene.pull(account=owner.account())
    owner.mailbox.move(items["mail"], owner.mailbox.folder("archive", "mail"))
    scene.pull(account=owner.account())
    check(scene, owner)
    assert [folder for (folder, key) in scene.here() if id_of(key) == items["mail"].id] == ["Archive"]


@pytest.mark.parametrize("trouble", ["empty pages", "told twice", "expired", "next page expired"])
def test_a_delta_that_is_odd_or_expired_loses_and_repeats_nothing(
    scene: Scene, owner: GraphOwner, trouble: str
) -> None:
    paging = owner.double.paging
    paging.page = 3
    paging.empty_pages = trouble == "empty pages"
    paging.tells_twice = trouble == "told twice"
    inbox = owner.mailbox.folder("inbox", "mail")
    items = [owner.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"%d@" % n)) for n in range(11)]
    if trouble == "next page expired":
        paging.next_links_left = 2
    scene.pull(account=owner.account())
    check(scene, owner)
    if trouble == "expired":
        paging.expire()
    if trouble == "next page expired":
        paging.next_links_left = 0
    for item in items[3:8]:
        owner.mailbox.change(item, {"isRead": True})
    owner.mailbox.remove(items[0])
    owner.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"new@"))
    fetched = Counter(one for one in owner.double.seen if "$value" in one)
    scene.pull(account=owner.account())
    check(scene, owner)
    again = Counter(one for one in owner.double.seen if "$value" in one)
    assert sum((again - fetched).values()) == 1
    scene.pull(account=owner.account())
    check(scene, owner)


def test_items_that_change_between_two_pages_are_archived_as_they_are(
    scene: Scene, owner: GraphOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    paging = owner.double.paging
    paging.page = 2
    inbox = owner.mailbox.folder("inbox", "mail")
    items = [owner.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"%d@" % n)) for n in range(7)]
    serve = paging.delta
    pages = 0

    def disturbed(*given: object) -> object:
        nonlocal pages
        told = serve(*given)  # type: ignore[arg-type]  # as it came
        pages += 1
        if pages == 2:
            owner.mailbox.change(items[0], {"isRead": True})
            owner.mailbox.remove(items[1])
            owner.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"new@"))
        return told

    monkeypatch.setattr(paging, "delta", disturbed)
    report = scene.pull(account=owner.account())
    assert all(one.complete for one in report.folders)
    check(scene, owner)


def test_what_comes_between_the_listing_and_the_count_is_listed_too(
    scene: Scene, owner: GraphOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = owner.mailbox.folder("inbox", "mail")
    first = owner.mailbox.deliver(inbox, MAIL)
    serve = owner.double.paging.delta
    done: list[str] = []

    def disturbed(*given: object) -> object:
        told = serve(*given)  # type: ignore[arg-type]  # as it came
        if not done:
            owner.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"new@"))
            owner.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"newer@"))
            owner.mailbox.remove(first)
            done.append("disturbed")
        return told

    monkeypatch.setattr(owner.double.paging, "delta", disturbed)
    report = scene.pull(account=owner.account())
    assert all(one.complete for one in report.folders)
    check(scene, owner)


# --- pulling through faults ---------------------------------------------------------------------------

FAULTS: dict[str, Callable[[], Fault]] = {
    "cut before": cut_before,
    "cut after": cut_after,
    "cut midway": cut_midway,
    "cut short and well framed": truncated,
    "busy": lambda: too_many_requests(1),
    "unavailable": unavailable,
    "bad gateway": bad_gateway,
}


def through(double: GraphDouble, proxy: FaultProxy) -> GraphOwner:
    """Open the mailbox by way of a proxy."""
    owner = GraphOwner(double, export=True)
    double.public = proxy.url
    owner.url = f"{proxy.url}/v1.0"
    return owner


@pytest.mark.parametrize("name", FAULTS)
def test_a_pull_through_a_fault_at_any_request_loses_and_repeats_nothing(tmp_path: Path, name: str) -> None:
    """Once, which is tried again; and so long that the run fails and the next one has to mend it."""
    with GraphDouble() as double:
        fill(double.mailbox)
        Scene(tmp_path / "clean").pull(account=GraphOwner(double, export=True).account())
        total = len(double.seen)
    assert total > 30
    for at in range(1 + list(FAULTS).index(name) % 5 % STEP, total + 1, STEP):
        for lasting in (1, 4):
            with GraphDouble() as double, FaultProxy(double.url.removesuffix("/v1.0")) as proxy:
                fill(double.mailbox)
                scene = Scene(tmp_path / f"{at}-{lasting}")
                for number in range(at, at + lasting):
                    proxy.inject(FAULTS[name](), nth=number)
                owner = through(double, proxy)
                with suppress(ArchiverError):
                    scene.pull(account=owner.account())
                scene.check()
                proxy.heal()
                scene.pull(account=owner.account())
                check(scene, owner)
                assert double.sent_invitations == 0
