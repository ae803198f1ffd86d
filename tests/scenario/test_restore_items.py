"""Restore across kinds of server: records to one that knows mail alone, mail and records to one that takes items."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.errors import Unreachable
from archiver.formats.record import Details, Export, Record, is_record, pack
from archiver.items import Contact, Event, Item, Moment, Note, Task
from archiver.model import Appended, Folder, Kind, Outgoing, Ref, Refused
from archiver.ops.restoring import FolderRestored, LeftOut
from tests.scene import Scene, mail

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
ITEMS: dict[Kind, Item] = {
    Kind.EVENT: Event(uid="e", start=Moment(AT), end=Moment(AT), subject="tea"),
    Kind.CONTACT: Contact(name="Ann"),
    Kind.TASK: Task(subject="tidy"),
    Kind.NOTE: Note(body="milk"),
}


def record(raw: bytes, name: str = "m") -> bytes:
    """A mail as an account of Exchange archives it."""
    details = Details(Kind.MAIL, "IPM.Note", id=name, change_key="k", size=7)
    return pack(Record(details, raw, export=Export("ews-export", "15.2", b"\x00\x01")))


def item(kind: Kind, name: str = "i") -> bytes:
    return pack(Record(Details(kind, "IPM.X", id=name, item=ITEMS[kind]), b"BEGIN:X", "text/calendar"))


class Groupware(FakeAccount):
    """A server that takes items of all kinds, writes every one anew, and knows by an id of ours what it has."""

    def __init__(self, mailbox: FakeMailbox) -> None:
        super().__init__(mailbox)
        mailbox.takes = set(Kind)
        self.mailbox = mailbox
        self.got: list[Outgoing] = []
        self.ids: dict[tuple[str, str, int], Ref] = {}
        self.drops_after: int | None = None

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """See `CanAppend.append`."""
        for message in messages:
            self.got.append(message)
            identity = (folder.name, message.digest, message.copy)
            if identity not in self.ids:
                anew = record(
                    b"Subject: written anew\r\n\r\n" + hashlib.sha256(message.raw).hexdigest().encode()
                )
                key = self.mailbox.deliver(
                    folder.name, anew, received=message.received, kind=message.kind, size=9
                )
                self.ids[identity] = Ref(folder.name, str(self.mailbox.folders()[folder.name].epoch), key)
            if self.drops_after is not None and len(self.got) == self.drops_after:
                self.drops_after = None
                raise Unreachable("the line dropped")
            yield Appended(message.digest, self.ids[identity])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """An account of Exchange: mail in the Inbox, and a folder of each other kind."""
    scene = Scene(tmp_path)
    for number in range(3):
        scene.server.deliver(
            "INBOX", record(mail(f"m{number}", size=300 * number), f"m{number}"), received=AT
        )
    for kind in ITEMS:
        name = f"{kind.value.capitalize()}s"
        scene.server.create(name, kind=kind, special_use="\\Calendar" if kind is Kind.EVENT else None)
        scene.server.deliver(name, item(kind), kind=kind)
    scene.pull()
    return scene


def restored(reports: list[FolderRestored] | None) -> dict[str, tuple[int, int]]:
    return {one.target: (one.appended, one.there) for one in reports or []}


def held(server: FakeMailbox, name: str) -> list[bytes]:
    return [one.raw for one in server.folders()[name].messages.values()]


# --- to a server that knows mail alone --------------------------------------------------------------------


def test_a_mail_server_gets_the_mail_itself_and_the_other_kinds_are_told(scene: Scene) -> None:
    new = FakeMailbox()
    done = scene.restore(account=FakeAccount(new), to="new", records=True)
    assert restored(done) == {"INBOX": (3, 0)}
    assert sorted(held(new, "INBOX")) == sorted(mail(f"m{number}", size=300 * number) for number in range(3))
    assert list(new.folders()) == ["INBOX"]
    assert set(scene.left_out) == {LeftOut(f"{kind.value.capitalize()}s", kind, 1) for kind in ITEMS}


@pytest.mark.parametrize("ledger", [True, False])
def test_a_second_restore_does_nothing_with_a_ledger_and_without(scene: Scene, ledger: bool) -> None:
    new = FakeMailbox()
    scene.restore(account=FakeAccount(new), to="new", records=True, ledger=ledger)
    again = scene.restore(account=FakeAccount(new), to="new", records=True, ledger=ledger)
    assert restored(again) == {"INBOX": (0, 3)}
    assert len(held(new, "INBOX")) == 3


def test_mail_that_was_moved_there_by_other_means_is_known_by_its_own_size_and_content(scene: Scene) -> None:
    new = FakeMailbox()
    for number in range(2):
        new.deliver("INBOX", mail(f"m{number}", size=300 * number))
    done = scene.restore(account=FakeAccount(new), to="new", records=True)
    assert restored(done) == {"INBOX": (1, 2)}
    assert len(held(new, "INBOX")) == 3


def test_mail_without_message_id_is_known_by_the_content_of_what_was_sent(tmp_path: Path) -> None:
    scene, new = Scene(tmp_path), FakeMailbox()
    bare = b"From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n"
    scene.server.deliver("INBOX", record(bare, "a"))
    scene.pull()
    new.deliver("INBOX", bare)
    new.deliver("INBOX", bare.replace(b"body", b"BODY"))
    done = scene.restore(account=FakeAccount(new), to="new", records=True)
    assert restored(done) == {"INBOX": (0, 1)}


def test_two_records_of_one_mail_are_two_mails(tmp_path: Path) -> None:
    scene, new = Scene(tmp_path), FakeMailbox()
    for name in ("a", "b"):
        scene.server.deliver("INBOX", record(mail("twice"), name))
    scene.pull()
    new.deliver("INBOX", mail("twice"))
    assert restored(scene.restore(account=FakeAccount(new), to="new", records=True)) == {"INBOX": (1, 1)}
    assert restored(scene.restore(account=FakeAccount(new), to="new", records=True)) == {"INBOX": (0, 2)}
    assert held(new, "INBOX") == [mail("twice")] * 2


def test_a_line_that_drops_leaves_nothing_twice(scene: Scene) -> None:
    new = FakeMailbox()
    new.fail("appended", 2, Unreachable("the line dropped"))
    scene.restore(account=FakeAccount(new), to="new", records=True)
    assert sorted(held(new, "INBOX")) == sorted(mail(f"m{number}", size=300 * number) for number in range(3))


def test_a_mail_that_only_looks_like_a_record_is_not_taken_apart(tmp_path: Path) -> None:
    """Anybody can send such a mail: what an account of mail archived is restored to the byte."""
    scene, new = Scene(tmp_path), FakeMailbox()
    scene.server.deliver("INBOX", record(mail("inner")))
    scene.pull()
    scene.restore(account=FakeAccount(new), to="new")
    assert held(new, "INBOX") == [record(mail("inner"))]


def test_a_record_that_is_not_whole_is_put_in_as_the_message_it_is(tmp_path: Path) -> None:
    scene, new = Scene(tmp_path), FakeMailbox()
    broken = record(mail("inner"))[:-10]
    scene.server.deliver("INBOX", broken)
    scene.pull()
    scene.restore(account=FakeAccount(new), to="new", records=True)
    assert held(new, "INBOX") == [broken]


# --- to a server that takes items -------------------------------------------------------------------------


def test_a_server_of_items_gets_each_record_whole_with_its_kind(scene: Scene) -> None:
    new = Groupware(FakeMailbox())
    new.mailbox.create("Kalender", kind=Kind.EVENT, special_use="\\Calendar")
    done = scene.restore(account=new, to="new", records=True)
    assert restored(done) == {
        "INBOX": (3, 0),
        "Kalender": (1, 0),
        "Contacts": (1, 0),
        "Tasks": (1, 0),
        "Notes": (1, 0),
    }
    assert scene.left_out == []
    assert all(is_record(one.raw) for one in new.got)
    assert {one.kind for one in new.got} == set(Kind)
    assert {name: folder.kind for name, folder in new.mailbox.folders().items()} == {
        "INBOX": Kind.MAIL,
        "Kalender": Kind.EVENT,
        "Contacts": Kind.CONTACT,
        "Tasks": Kind.TASK,
        "Notes": Kind.NOTE,
    }


@pytest.mark.parametrize("ledger", [True, False])
def test_nothing_is_there_twice_though_neither_size_nor_bytes_are_ever_the_same(
    scene: Scene, ledger: bool
) -> None:
    new = Groupware(FakeMailbox())
    scene.restore(account=new, to="new", records=True, ledger=ledger)
    count = len(new.ids)
    again = scene.restore(account=new, to="new", records=True, ledger=ledger)
    assert sum(len(folder.messages) for folder in new.mailbox.folders().values()) == count == 7
    if ledger:
        assert {one.appended for one in again or []} == {0}


def test_bare_mail_goes_to_it_as_it_is(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.server.deliver("INBOX", mail("a"), flags=("\\Seen",), received=AT)
    scene.pull()
    new = Groupware(FakeMailbox())
    scene.restore(account=new, to="new")
    (sent,) = new.got
    assert (sent.raw, sent.kind, sent.received) == (mail("a"), Kind.MAIL, AT)
    assert sent.flags == {"\\Seen"}


def test_equal_messages_are_counted_and_a_dropped_line_does_not_double_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for _ in range(3):
        scene.server.deliver("INBOX", mail("a"))
    scene.pull()
    new = Groupware(FakeMailbox())
    new.drops_after = 2  # the second is taken, and the answer is lost
    scene.restore(account=new, to="new")
    assert sorted(copy for *_, copy in new.ids) == [0, 1, 2]
    assert len(held(new.mailbox, "INBOX")) == 3
    assert [one.copy for one in new.got] == [0, 1, 1, 2]


def test_a_folder_of_another_kind_keeps_its_name_to_itself(scene: Scene) -> None:
    new = Groupware(FakeMailbox())
    new.mailbox.create("Notes")  # a folder of mail, as Apple's programs make it
    done = scene.restore(account=new, to="new", records=True)
    assert "Notes_" in restored(done)
    assert held(new.mailbox, "Notes") == []
    assert new.mailbox.folders()["Notes_"].kind is Kind.NOTE
