"""Prune of an account of Exchange: items that are no mail stay unless their folder is named; content is compared."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.formats.record import Details, Export, Record, pack, unpack
from archiver.items import Contact, Event, Item, Moment
from archiver.model import Kind, Message, Missed, Remote
from archiver.plan.prune import Policy, Why
from tests.scene import START, Scene, mail

OLD = START - timedelta(days=900)
POLICY = Policy(before=START - timedelta(days=365))
AT = datetime(2024, 3, 2, 9, tzinfo=UTC)


def record(kind: Kind, name: str, body: bytes = b"", item: Item | None = None) -> bytes:
    body_type = "message/rfc822" if kind is Kind.MAIL else "text/calendar"
    return pack(Record(Details(kind, "IPM.X", id=name, item=item), body, body_type, Export("e", "1", b"1")))


class WritesAnew(FakeAccount):
    """A server that never gives the same bytes twice. `instead` are other contents, by key."""

    times = 0

    def __init__(self, mailbox: FakeMailbox) -> None:
        super().__init__(mailbox)
        self.instead: dict[str, bytes] = {}

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """See `Account.fetch`."""
        for found in super().fetch(remotes):
            if isinstance(found, Message):
                WritesAnew.times += 1
                made = unpack(found.raw)
                body = self.instead.get(found.remote.ref.key, made.body)
                body = b"X-Time: %d\r\n" % self.times + body
                raw = pack(Record(made.details, body, made.body_type, Export("e", "1", b"%d" % self.times)))
                yield Message(found.remote, raw)
            else:
                yield found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path)
    scene.server.create("Trash", special_use="\\Trash")
    scene.server.create("Calendar", kind=Kind.EVENT)
    scene.server.create("Contacts", kind=Kind.CONTACT)
    for number in range(4):
        raw = record(Kind.MAIL, f"m{number}", mail(f"m{number}"))
        scene.server.deliver("INBOX", raw, flags=("\\Seen",), received=OLD if number < 2 else START)
    event = Event(uid="e", start=Moment(AT), end=Moment(AT))
    for number, received in enumerate((OLD, OLD, START)):
        raw = record(Kind.EVENT, f"e{number}", item=event)
        scene.server.deliver("Calendar", raw, received=received, kind=Kind.EVENT)
    for number in range(2):
        raw = record(Kind.CONTACT, f"c{number}", item=Contact(name="Ann"))
        scene.server.deliver("Contacts", raw, received=OLD, kind=Kind.CONTACT)
    scene.pull(account=WritesAnew(scene.server))
    return scene


def test_a_calendar_and_an_address_book_are_not_emptied_because_they_are_old(scene: Scene) -> None:
    scene.prune(POLICY)
    assert scene.pruned.removable == {("INBOX", "1"), ("INBOX", "2")}
    kept = {where: why for where, why in scene.pruned.kept.items() if where[0] != "INBOX"}
    assert set(kept.values()) == {Why.NO_MAIL}
    assert len(kept) == 5
    assert len(scene.server.folders()["Calendar"].messages) == 3


def test_a_calendar_that_is_named_is_pruned_by_the_end_of_its_events_unread_as_they_are(scene: Scene) -> None:
    scene.prune(POLICY, named={"Calendar"})
    assert {where for where in scene.pruned.removable if where[0] != "INBOX"} == {
        ("Calendar", "1"),
        ("Calendar", "2"),
    }
    assert list(scene.server.folders()["Calendar"].messages) == [3]
    assert len(scene.server.folders()["Contacts"].messages) == 2


def test_a_glob_names_no_calendar(scene: Scene) -> None:
    scene.prune(POLICY, named={"*", "Cal*"})
    assert {where[0] for where in scene.pruned.removable} == {"INBOX"}


@pytest.mark.parametrize("records", [True, False])
def test_content_that_is_written_anew_each_time_is_compared_by_what_it_says(
    scene: Scene, records: bool
) -> None:
    account = WritesAnew(scene.server)
    refetch = Policy(before=POLICY.before, refetch=True)
    scene.prune(refetch, account=account, named={"Calendar"}, records=records)
    if records:
        assert len(scene.pruned.removable) == 4
        assert len(scene.server.folders()["INBOX"].messages) == 2
    else:
        assert scene.pruned.removable == set()


def test_another_content_is_seen_though_all_is_written_anew(scene: Scene) -> None:
    account = WritesAnew(scene.server)
    account.instead["1"] = mail("m0", "something else")
    scene.prune(Policy(before=POLICY.before, refetch=True), account=account, records=True)
    assert scene.pruned.removable == {("INBOX", "2")}
    assert scene.pruned.kept["INBOX", "1"] is Why.OTHER_CONTENT
