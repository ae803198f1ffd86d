"""Restore: all is put back, once, however often it was cut short, and what cannot be is told."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.errors import FolderRefused, Forbidden, Interrupted, Unreachable
from archiver.model import Appended, Folder, Outgoing, Refused
from archiver.ops import restoring as restore_module
from archiver.ops.restoring import FolderRestored
from archiver.ports import Store
from tests.mortal import Killed, MortalStore
from tests.scene import OWNER, Scene, Told, mail

AT = datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)


class Putting:
    """A scene that was pulled, a second server, and restores from one to the other."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.server = FakeMailbox()
        self.told = Told()
        self.stop_after = 0

    def __call__(
        self,
        *,
        account: FakeAccount | None = None,
        store: Store | None = None,
        to: str = "new",
        into: str | None = None,
        vanished: bool = False,
        until: int | None = None,
        dry: bool = False,
        ledger: bool = True,
    ) -> list[FolderRestored]:
        asked = Counter[str]()

        def stop() -> bool:
            asked["stop"] += 1
            return asked["stop"] == self.stop_after

        server = self.scene.server if to == OWNER.account else self.server
        try:
            done = self.scene.restore(
                account=account or FakeAccount(server),
                store=store,
                to=to,
                into=into,
                vanished=vanished,
                until=until,
                stop=stop,
                dry=dry,
                ledger=ledger,
            )
        finally:
            self.told = self.scene.told
        assert done is not None
        return done


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Putting:
    monkeypatch.setattr(restore_module, "LEDGER_EVERY", 3)
    return filled(tmp_path)


def filled(folder: Path) -> Putting:
    """Three folders; copies, an empty message, two without Message-ID, two of one Message-ID and size."""
    scene = Scene(folder)
    scene.server.create("Sent", special_use="\\Sent")
    scene.server.create("Work/Old")
    for number in range(4):
        flags = ["\\Seen", "$Forwarded"] if number % 2 else ["\\Recent"]
        at = AT + timedelta(hours=number)
        scene.server.deliver("INBOX", mail(f"in {number}"), flags=flags, received=at)
    for raw in (b"", b"Subject: x\r\n\r\none\r\n", b"Subject: x\r\n\r\ntwo\r\n", mail("in 1"), mail("in 1")):
        scene.server.deliver("Work/Old", raw, received=AT)
    for body in ("draft a", "draft b"):
        scene.server.deliver("Sent", mail("sent", body, message_id="draft"), received=AT)
    scene.pull()
    return Putting(scene)


Row = tuple[str, str, frozenset[str], datetime]


def rows(server: FakeMailbox) -> Counter[Row]:
    """Everything on a server: folder, digest, flags, date."""
    return Counter(
        (name, hashlib.sha256(one.raw).hexdigest(), one.flags - {"\\Recent"}, one.received)
        for name, folder in server.folders().items()
        for one in folder.messages.values()
    )


def total(reports: Iterable[FolderRestored]) -> tuple[int, int]:
    found = list(reports)
    return sum(one.appended for one in found), sum(one.there for one in found)


def assert_complete(put: Putting) -> None:
    assert rows(put.server) == rows(put.scene.server)
    assert total(put()) == (0, 11)
    assert rows(put.server) == rows(put.scene.server)
    put.scene.check()


# --- what it does -----------------------------------------------------------------------------------------


def test_all_is_restored_with_flags_and_dates_and_a_second_time_nothing(put: Putting) -> None:
    assert total(put()) == (11, 0)
    head = put.scene.chain().head()
    assert_complete(put)
    assert put.scene.chain().head() == head, "nothing done is no run"


def test_special_uses_meet_and_new_folders_keep_theirs(put: Putting) -> None:
    put.server.create("Gesendet", special_use="\\Sent")
    put()
    assert set(put.server.folders()) == {"INBOX", "Gesendet", "Work/Old"}
    other = Putting(put.scene)
    other()
    assert other.server.folders()["Sent"].special_use == "\\Sent"


def test_without_the_ledger_nothing_comes_twice_either(put: Putting) -> None:
    put(ledger=False)
    assert rows(put.server) == rows(put.scene.server)
    assert total(put(ledger=False)) == (0, 11)


def test_messages_of_one_message_id_and_size_are_told_apart_by_content(put: Putting) -> None:
    put.server.create("Sent", special_use="\\Sent")
    put.server.deliver("Sent", mail("sent", "draft b", message_id="draft"), received=AT)
    put()
    assert_complete(put)


def test_what_is_there_of_other_mail_stays_and_does_not_count(put: Putting) -> None:
    put.server.deliver("INBOX", mail("in 0"), received=AT)
    put.server.deliver("INBOX", mail("in 9"), received=AT)  # as large as one of ours
    reports = put()
    assert total(reports) == (10, 1)
    assert len(put.server.folders()["INBOX"].messages) == 5


def test_a_dry_run_tells_and_does_nothing(put: Putting) -> None:
    put.server.deliver("INBOX", mail("in 0"), received=AT)
    before = rows(put.server)
    head = put.scene.chain().head()
    assert total(put(dry=True)) == (10, 1)
    assert rows(put.server) == before
    assert set(put.server.folders()) == {"INBOX"}
    assert put.scene.chain().head() == head


def test_below_a_folder_all_is_put_once(put: Putting) -> None:
    put(into="Restored")
    assert {name for name in put.server.folders() if name != "INBOX"} == {
        "Restored/INBOX",
        "Restored/Sent",
        "Restored/Work/Old",
    }
    assert total(put(into="Restored")) == (0, 11)


def test_to_the_same_account_only_what_is_gone_goes(put: Putting) -> None:
    server = put.scene.server
    before = rows(server)
    assert total(put(to=OWNER.account)) == (0, 11)
    assert server.calls["message_ids"] == 0, "what was archived from there is known by its UID"
    server.expunge("INBOX", "1", "2")
    assert total(put(to=OWNER.account)) == (2, 9)
    assert rows(server) == before
    put.scene.pull()
    put.scene.check()
    assert total(put(to=OWNER.account, vanished=True)) == (0, 11)


def test_what_vanished_is_restored_when_asked_for(put: Putting) -> None:
    put.scene.server.expunge("INBOX", "1")
    put.scene.pull()
    assert total(put()) == (10, 0)
    assert total(put(vanished=True)) == (1, 10)
    assert total(put(vanished=True)) == (0, 11)


def test_as_of_an_earlier_run_restores_what_was_there_then_and_once(put: Putting) -> None:
    run = put.scene.chain().head().seq
    put.scene.server.expunge("INBOX", "1")
    put.scene.server.deliver("INBOX", mail("later"))
    put.scene.pull()
    assert total(put(until=run)) == (11, 0)
    put.server.fail("message_ids", 1, Unreachable("not to be asked: the ledger of today knows"))
    assert total(put(until=run)) == (0, 11)


def test_flags_that_the_target_forgets_are_set_again(put: Putting) -> None:
    put.server.forgets = {"$Forwarded", "\\Seen"}
    assert not any(one.altered for one in put())
    assert_complete(put)


def test_equal_messages_of_other_flags_keep_each_its_own(put: Putting) -> None:
    for flags in (["\\Seen"], [], ["\\Seen", "Work"]):
        put.scene.server.deliver("Work/Old", mail("thrice"), flags=flags, received=AT)
    put.scene.pull()
    put()
    assert rows(put.server) == rows(put.scene.server)


def test_flags_that_the_target_does_not_keep_are_told(put: Putting, monkeypatch: pytest.MonkeyPatch) -> None:
    def keeps_none(
        self: FakeAccount, folder: Folder, epoch: str, wanted: Mapping[str, frozenset[str]]
    ) -> Mapping[str, frozenset[str]]:
        return {key: flags - {"\\Seen"} for key, flags in wanted.items() if "$Forwarded" in flags}

    put.server.forgets = {"$Forwarded"}
    monkeypatch.setattr(FakeAccount, "keep_flags", keeps_none)
    altered = [one for report in put() for one in report.altered]
    digests = {one.digest for one in put.scene.catalog.entries() if "$Forwarded" in one.flags}
    assert {one.sha256 for one in altered} == digests
    assert all(one.reason == 'the server did not keep the flag "$Forwarded"' for one in altered)
    assert len(altered) == len(digests) == 2


def test_a_renumbered_folder_is_restored_once(put: Putting) -> None:
    put.scene.server.renumber("INBOX")
    put.scene.pull()
    assert total(put(vanished=True)) == (11, 0)


def test_a_target_that_renumbers_is_recognised(put: Putting) -> None:
    put()
    for name in put.server.folders():
        put.server.renumber(name)
    assert_complete(put)


def test_a_message_that_was_deleted_at_the_target_is_put_back(put: Putting) -> None:
    put()
    put.server.expunge("INBOX", "2")
    assert total(put()) == (1, 10)
    assert_complete(put)


# --- servers --------------------------------------------------------------------------------------------


class Rewriting(FakeAccount):
    """A server that writes its own header into what it takes, and may not tell the keys."""

    tells = False

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        for one in messages:
            raw = b"X-Stamp: mine\r\n" + one.raw
            for answer in super().append(folder, [Outgoing(one.digest, raw, one.flags, one.received)]):
                assert isinstance(answer, Appended)
                yield answer if self.tells else Appended(answer.digest)


@pytest.mark.parametrize("tells", [False, True])
def test_a_server_that_rewrites_mail_gets_it_once(
    put: Putting, tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rewriting, "tells", tells)
    account = Rewriting(put.server)
    assert total(put(account=account)) == (11, 0)
    assert total(put(account=account)) == (0, 11)


def test_without_any_ledger_a_rewritten_message_is_known_by_what_it_says(put: Putting) -> None:
    account = Rewriting(put.server)
    put(account=account, ledger=False)
    assert total(put(account=account, ledger=False)) == (0, 11)


class Slashless(FakeAccount):
    """A server that takes no `/` within a name."""

    def make_folder(self, folder: Folder) -> Folder:
        if "%2F" in folder.name:
            raise FolderRefused("invalid mailbox name")
        return super().make_folder(folder)


def test_a_slash_in_a_name_becomes_another_letter_where_it_must(put: Putting) -> None:
    put.scene.server.create("a%2Fb", separator=".")
    put.scene.server.deliver("a%2Fb", mail("slash"))
    put.scene.pull()
    put.server.folders()["INBOX"].separator = "."
    account = Slashless(put.server)
    assert total(put(account=account)) == (12, 0)
    assert "a_b" in put.server.folders()
    assert total(put(account=account)) == (0, 12)


class Refusing(FakeAccount):
    """A server that takes no message with these words."""

    words = b"in 2"

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        for one in messages:
            if self.words in one.raw:
                yield Refused(one.digest, "too rude")
            else:
                yield from super().append(folder, [one])


def test_a_refused_message_is_told_and_tried_again_the_next_time(put: Putting) -> None:
    inbox = put(account=Refusing(put.server))[0]
    assert (inbox.appended, [one.reason for one in inbox.refused]) == (3, ["too rude"])
    assert total(put()) == (1, 10)
    assert_complete(put)


class Full(FakeAccount):
    """A server with room for so many messages."""

    room = 4

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        for one in messages:
            if not self.room:
                raise Forbidden("the mailbox is full")
            self.room -= 1
            yield from super().append(folder, [one])


def test_a_full_mailbox_ends_the_restore_and_keeps_the_ledger(put: Putting) -> None:
    with pytest.raises(Forbidden):
        put(account=Full(put.server))
    known = [
        put.scene.catalog.restored("new", name, str(one.epoch)) for name, one in put.server.folders().items()
    ]
    assert sum(map(len, known)) == 4
    assert total(put()) == (7, 4)
    assert_complete(put)


def test_a_folder_that_is_refused_does_not_stop_the_others(put: Putting) -> None:
    put.server.fail("make_folder", 1, FolderRefused("no such name"))
    reports = put()
    assert [one.error for one in reports].count("no such name") == 1
    assert total(reports)[0] in (6, 9)
    put()
    assert_complete(put)


# --- cut short --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["append", "appended"])
def test_a_line_that_drops_at_any_message_is_made_good_in_the_same_run(step: str, tmp_path: Path) -> None:
    for nth in range(1, 12):
        put = filled(tmp_path / str(nth))
        put.server.fail(step, nth, Unreachable("dropped"))
        reports = put()
        assert total(reports)[0] in (10, 11)
        assert_complete(put)


def test_a_line_that_always_drops_ends_the_restore(put: Putting) -> None:
    for nth in range(2, 20):
        put.server.fail("append", nth, Unreachable("dropped"))
    with pytest.raises(Unreachable):
        put()
    put.server._faults.clear()
    put()
    assert_complete(put)


def test_asked_to_stop_at_any_message_it_goes_on_the_next_time(tmp_path: Path) -> None:
    for nth in range(1, 11):
        put = filled(tmp_path / str(nth))
        put.stop_after = nth
        with pytest.raises(Interrupted):
            put()
        put.stop_after = 0
        put()
        assert_complete(put)


@pytest.mark.parametrize("step", ["append", "appended", "changes", "make_folder"])
def test_killed_at_any_message_it_is_complete_the_next_time(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_module, "LEDGER_EVERY", 3)
    for nth in range(1, 12 if step.startswith("append") else 3):
        put = filled(tmp_path / str(nth))
        put.server.fail(step, nth, Killed())  # type: ignore[arg-type]  # what no code catches
        with pytest.raises(Killed):
            put()
        put.scene.forget_catalog()
        put()
        assert_complete(put)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_put_into_the_archive_it_is_complete_the_next_time(
    after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_module, "LEDGER_EVERY", 3)
    whole = filled(tmp_path / "whole")
    store = MortalStore(whole.scene.store, 0, after=False)
    whole(store=store)
    assert store.puts >= 6
    for nth in range(1, store.puts + 1):
        put = filled(tmp_path / str(nth))
        with pytest.raises(Killed):
            put(store=MortalStore(put.scene.store, nth, after=after))
        assert put.scene.damage() == []
        put.scene.forget_catalog()
        put()
        assert_complete(put)


# --- damage -----------------------------------------------------------------------------------------------


def test_of_a_damaged_volume_the_others_are_restored_and_the_lost_are_told(put: Putting) -> None:
    put.scene.server.deliver("INBOX", mail("in a later volume"))
    put.scene.pull()
    (key, *_) = sorted(key for key in put.scene.memory() if "/volumes/" in key)
    put.scene.memory()[key] = b"\0" * len(put.scene.memory()[key])
    reports = put()
    assert total(reports) == (1, 0)
    assert sum(len(one.unreadable) for one in reports) == 11
    assert all(key in one.reason for report in reports for one in report.unreadable)


def test_mail_with_lf_lines_is_sent_with_crlf_and_known_again_without_the_ledger(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    wire = mail("from a file", "text\r\nwith \0\r\n")
    scene.server.deliver("INBOX", wire.replace(b"\r\n", b"\n"), received=AT)
    scene.server.deliver("INBOX", mail("from a server", "bare\nlines\n"), received=AT + timedelta(hours=1))
    scene.pull()
    put = Putting(scene)
    (report,) = put()
    assert report.appended == 2
    assert [one.raw for one in put.server.folders()["INBOX"].messages.values()] == [
        wire,
        mail("from a server", "bare\nlines\n"),
    ]
    assert report.altered == []  # the server did nothing to the NUL
    (again,) = put(ledger=False, to="other name")
    assert (again.appended, again.there) == (0, 2)


def test_subscriptions_are_archived_and_put_back(put: Putting) -> None:
    put.scene.server.folders()["Work/Old"].subscribed = False
    put.scene.pull()
    assert {one.folder.name: one.folder.subscribed for one in put.scene.catalog.folders()} == {
        "INBOX": True,
        "Sent": True,
        "Work/Old": False,
    }
    put()
    assert {name: one.subscribed for name, one in put.server.folders().items() if name != "INBOX"} == {
        "Sent": True,
        "Work/Old": False,
    }


# --- labels -----------------------------------------------------------------------------------------------

ALL, GERMAN, SENT = "[Gmail]/All Mail", "[Gmail]/Alle Nachrichten", "[Gmail]/Gesendet"
LABELLED = {
    "both": ("\\Seen", "label: \\Inbox", "label: Work"),
    "sent": ("label: \\Sent",),
    "none": ("\\Seen",),
}


def labelled(folder: Path) -> Putting:
    """A Gmail that was pulled: all mail with labels, and a Gmail of another language to restore to."""
    scene = Scene(folder)
    scene.server.create(ALL, special_use="\\All")
    for name, flags in LABELLED.items():
        scene.server.deliver(ALL, mail(name), flags=flags, received=AT)
    scene.pull()
    put = Putting(scene)
    put.server = FakeMailbox(has_labels=True)
    put.server.create(GERMAN, special_use="\\All")
    put.server.create(SENT, special_use="\\Sent")
    return put


def flags_of(server: FakeMailbox, folder: str) -> set[frozenset[str]]:
    return {one.flags for one in server.folders()[folder].messages.values()}


def test_labels_are_restored_where_they_are_kept(tmp_path: Path) -> None:
    put = labelled(tmp_path)
    assert total(put()) == (3, 0)
    assert flags_of(put.server, GERMAN) == {frozenset(LABELLED["both"]), frozenset(LABELLED["none"])}
    assert flags_of(put.server, SENT) == {frozenset()}, "to be there is the label"
    assert {name for name, one in put.server.folders().items() if one.messages} == {GERMAN, SENT}
    assert total(put()) == (0, 3)


@pytest.mark.parametrize("ledger", [True, False])
def test_a_restore_that_was_cut_short_before_the_labels_sets_them_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: bool
) -> None:
    put = labelled(tmp_path)
    with monkeypatch.context() as broken, pytest.raises(Unreachable):

        def drops(*args: object) -> Mapping[str, frozenset[str]]:
            raise Unreachable("the line dropped")

        broken.setattr(FakeAccount, "keep_flags", drops)
        put(ledger=ledger)
    assert flags_of(put.server, GERMAN) == {frozenset({"\\Seen"})}
    assert total(put(ledger=ledger)) == (1, 2)
    assert flags_of(put.server, GERMAN) == {frozenset(LABELLED["both"]), frozenset(LABELLED["none"])}


def test_a_label_that_the_user_lost_is_put_back_and_what_else_changed_is_left_alone(tmp_path: Path) -> None:
    put = labelled(tmp_path)
    put.scene.server.has_labels = True
    keys = list(put.scene.server.folders()[ALL].messages)
    put.scene.server.flag(ALL, str(keys[0]), ["label: Work", "label: New"])
    assert total(put(to=OWNER.account)) == (0, 3)
    now = put.scene.server.folders()[ALL].messages[keys[0]].flags
    assert now == {"label: \\Inbox", "label: Work", "label: New"}


def test_labels_become_folders_at_another_provider(tmp_path: Path) -> None:
    put = labelled(tmp_path)
    put.server = FakeMailbox()
    put.server.create("Gesendet", special_use="\\Sent")
    reports = put()
    assert total(reports) == (4, 0)
    assert {name: len(one.messages) for name, one in put.server.folders().items()} == {
        "INBOX": 1,
        "Work": 1,
        "Gesendet": 1,
        "Archive": 1,
    }
    assert not any(one.altered for one in reports)
    assert flags_of(put.server, "Work") == {frozenset({"\\Seen"})}
    assert total(put()) == (0, 4)


def test_labels_become_folders_below_the_one_that_was_named(tmp_path: Path) -> None:
    put = labelled(tmp_path)
    put.scene.server.has_labels = True
    assert total(put(to=OWNER.account, into="Restored")) == (4, 0)
    assert {name for name, one in put.scene.server.folders().items() if one.messages} == {
        ALL,
        *(f"Restored/{name}" for name in ("INBOX", "Work", "Sent", "Archive")),
    }


def test_a_label_that_no_folder_stands_for_is_told(tmp_path: Path) -> None:
    put = labelled(tmp_path)
    put.scene.server.deliver(ALL, mail("muted"), flags=["label: \\Muted"], received=AT)
    put.scene.pull()
    put.server = FakeMailbox()
    (told,) = [one.reason for report in put() for one in report.altered]
    assert told == 'the server did not keep the flag "label: \\Muted"'
    assert not any(one.altered for one in put()), "it is told once"
