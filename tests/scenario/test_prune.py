"""Prune: only what is proven goes, it is written down before and after, and nothing is ever gone from both sides."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from archiver.accounts.fake import FakeAccount
from archiver.archive.reader import Reader
from archiver.errors import (
    ArchiverError,
    Damaged,
    Forbidden,
    Interrupted,
    RefusedForSafety,
    StoreFull,
    Unreachable,
)
from archiver.events import FolderFailed, MessagePruned, MessageRead, RunCommitted, Warned
from archiver.formats.manifest import manifest_key
from archiver.model import Entry, Folder, Looked, Removed, Unremoved
from archiver.ops import prune as prune_module
from archiver.plan.prune import Cut, Policy, Why
from archiver.plan.pull import Selection
from archiver.rows import PrunedRow
from tests.mortal import Killed, MortalStore
from tests.scene import Scene, by_name, mail

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LIMIT = datetime(2024, 1, 1, tzinfo=UTC)
OLD = Policy(before=LIMIT)
MAILS = 6


@pytest.fixture
def full(scene: Scene) -> Scene:
    """Two folders of old, read mail, some younger, and a Trash; all of it pulled."""
    scene.server.create("Work")
    scene.server.create("Trash", special_use="\\Trash")
    for name in ("INBOX", "Work"):
        for number in range(MAILS):
            at = LONG_AGO + timedelta(days=number)
            scene.server.deliver(name, mail(f"{name} {number}", size=200), flags=["\\Seen"], received=at)
        scene.server.deliver(name, mail(f"{name} young"), flags=["\\Seen"], received=LIMIT)
    scene.pull()
    return scene


def everything(scene: Scene) -> set[bytes]:
    """Every message that exists on the server or in the archive."""
    return {*scene.on_server().values(), *scene.read().values()}


def rows(scene: Scene) -> list[PrunedRow]:
    return [row for row in scene.rows() if isinstance(row, PrunedRow)]


def chain_rows(scene: Scene) -> list[tuple[int, str, PrunedRow]]:
    archive = scene.open(unlock=True)
    return [
        (run.seq, run.kind, row)
        for run in scene.manifests()
        for row in archive.index(run)[1]
        if isinstance(row, PrunedRow)
    ]


def contents(scene: Scene, folder: str) -> set[bytes]:
    return {one.raw for one in scene.server.folders()[folder].messages.values()}


# --- what goes, and what is written down ----------------------------------------------------------------


def test_old_mail_goes_to_the_trash_and_stays_archived(full: Scene) -> None:
    before = everything(full)
    pruned = full.prune(OLD)
    assert len(pruned.removable) == 2 * MAILS
    assert set(pruned.kept.values()) == {Why.TOO_YOUNG}
    assert [one.cut for one in pruned.plans[:2]] == [
        Cut("INBOX", MAILS, MAILS + 1, MAILS + 1),
        Cut("Work", MAILS, MAILS + 1, MAILS + 1),
    ]
    assert contents(full, "INBOX") == {mail("INBOX young")}
    assert contents(full, "Work") == {mail("Work young")}
    assert len(contents(full, "Trash")) == 2 * MAILS
    assert [(one.folder, one.removed, one.kept, one.unknown) for one in pruned.reports] == [
        ("INBOX", MAILS, [], 0),
        ("Work", MAILS, [], 0),
    ]
    assert everything(full) == before
    full.check()


def test_the_intent_is_committed_before_the_first_removal_and_the_outcome_after_the_last(full: Scene) -> None:
    seen: list[tuple[str, list[str]]] = []

    class Watching(FakeAccount):
        def remove(
            self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
        ) -> Iterator[Removed | Unremoved]:
            told = chain_rows(full)
            intended = {key for _, _, row in told if row.state == "intent" for key in row.keys}
            assert set(keys) <= intended
            seen.append((folder.name, [row.state for _, _, row in told]))
            yield from super().remove(folder, epoch, keys, to)

    pruned = full.prune(OLD, account=Watching(full.server))
    assert seen == [("INBOX", ["intent", "intent"]), ("Work", ["intent", "intent", "removed"])]
    told = chain_rows(full)
    assert [(kind, row.state, row.run) for _, kind, row in told] == [
        ("prune", "intent", pruned.run),
        ("prune", "intent", pruned.run),
        ("prune", "removed", pruned.run),
        ("prune", "removed", pruned.run),
    ]
    assert [seq for seq, _, row in told if row.state == "intent"] == [pruned.run] * 2
    assert {len(row.keys) for _, _, row in told} == {MAILS}


def test_a_later_pull_does_not_call_pruned_mail_vanished(full: Scene) -> None:
    full.prune(OLD, to=None)
    report = full.pull()
    assert report.complete
    assert sum(folder.vanished for folder in report.folders) == 0
    assert by_name(report)["INBOX"].new == 0
    full.server.renumber("INBOX")  # a full listing and comparison, too
    report = full.pull()
    assert sum(folder.vanished for folder in report.folders) == 0
    assert report.complete
    full.check()
    full.check_no_op()


def test_what_a_prune_moved_is_pulled_from_the_trash_and_stored_once(full: Scene) -> None:
    full.prune(OLD)
    report = full.pull()
    assert report.complete
    assert by_name(report)["Trash"].new == 2 * MAILS
    assert by_name(report)["Trash"].stored == 0
    full.check()


def test_a_plan_alone_changes_nothing(full: Scene) -> None:
    before, keys, fetched = full.on_server(), set(full.store.keys()), full.server.calls["message"]
    assert len(full.prune(OLD, dry=True).removable) == 2 * MAILS
    assert full.on_server() == before
    assert full.server.calls["message"] == fetched, "nothing is fetched that nobody asked for"
    assert set(full.store.keys()) == keys


def test_nothing_to_remove_is_nothing_to_write(full: Scene) -> None:
    keys = set(full.store.keys())
    assert full.prune(Policy(before=LONG_AGO)).reports == []
    assert set(full.store.keys()) == keys


def test_only_the_folders_asked_for_are_touched(full: Scene) -> None:
    full.prune(OLD, selection=Selection(("Work",)))
    assert len(contents(full, "INBOX")) == MAILS + 1
    assert len(contents(full, "Work")) == 1


def test_mail_that_was_never_pulled_is_not_even_planned(full: Scene) -> None:
    full.server.deliver("INBOX", mail("late"), flags=["\\Seen"], received=LONG_AGO)
    full.server.deliver("Work", mail("bad"), flags=["\\Seen"], received=LONG_AGO)
    full.server.spoil("Work", "8", "server bug")
    full.pull(selection=Selection(("Work",)))
    pruned = full.prune(OLD)
    assert ("INBOX", "8") not in pruned.removable | set(pruned.kept)
    assert ("Work", "8") not in pruned.removable | set(pruned.kept)
    assert next(one.missed for one in pruned.plans if one.folder.name == "Work") == 1
    assert mail("late") in contents(full, "INBOX")
    assert mail("bad") in contents(full, "Work")


def test_what_lies_in_the_trash_goes_only_for_good(full: Scene) -> None:
    full.prune(OLD)
    full.pull()
    assert set(full.prune(OLD).kept.values()) == {Why.TOO_YOUNG, Why.IN_TRASH}
    assert len(contents(full, "Trash")) == 2 * MAILS
    full.prune(OLD, to=None)
    assert contents(full, "Trash") == set()
    assert len(full.read()) == 4 * MAILS + 2


def test_the_grace_period_spares_what_was_archived_lately(full: Scene) -> None:
    times = {run.seq: run.time for run in full.manifests()}
    full.server.deliver("INBOX", mail("found late"), flags=["\\Seen"], received=LONG_AGO)
    full.pull()
    policy = Policy(before=LIMIT, settled=max(times.values()))
    assert full.prune(policy, dry=True).kept["INBOX", "8"] is Why.GRACE
    assert ("INBOX", "1") in full.pruned.removable


def test_the_last_that_are_kept_are_those_that_are_still_there(full: Scene) -> None:
    full.server.expunge("INBOX", "7")  # the young one, and the archive does not know yet
    full.server.expunge("INBOX", "6")
    full.prune(Policy(last=2))
    assert contents(full, "INBOX") == {mail("INBOX 3", size=200), mail("INBOX 4", size=200)}


def test_a_prune_after_one_that_was_killed_does_not_count_what_that_one_took(full: Scene) -> None:
    full.server.deliver("INBOX", mail("large", size=900), flags=["\\Seen"], received=LIMIT)
    full.pull()
    with pytest.raises(Killed):  # the large one goes, and its outcome is not written down
        full.prune(Policy(larger=500), to=None, store=MortalStore(full.store, 3, after=False))
    assert mail("large", size=900) not in contents(full, "INBOX")
    full.prune(Policy(last=1))
    assert contents(full, "INBOX") == {mail("INBOX young")}


# --- what happens on the server between the plan and the deed ---------------------------------------------


def test_a_message_that_is_flagged_in_the_meantime_stays(full: Scene) -> None:
    pruned = full.prune(OLD, between=lambda: full.server.flag("INBOX", "2", ["\\Seen", "\\Flagged"]))
    assert mail("INBOX 1", size=200) in contents(full, "INBOX")
    [(_, reason)] = pruned.reports[0].kept
    assert reason == Why.FLAGGED.value
    assert [row.keys for row in rows(full) if row.state == "kept"] == [("2",)]
    assert by_name(full.pull())["INBOX"].vanished == 0
    assert full.prune(Policy(before=LIMIT, flagged=True)).removable == {("INBOX", "2")}


def test_the_last_that_another_client_removes_are_replaced(full: Scene) -> None:
    pruned = full.prune(Policy(last=2), between=lambda: full.server.expunge("INBOX", "7", "6"))
    assert contents(full, "INBOX") == {mail("INBOX 3", size=200), mail("INBOX 4", size=200)}
    assert [reason for _, reason in pruned.reports[0].kept] == [Why.AMONG_LAST.value] * 2


def test_a_message_that_another_client_removed_is_not_called_pruned(full: Scene) -> None:
    pruned = full.prune(OLD, between=lambda: full.server.expunge("INBOX", "2"))
    assert pruned.reports[0].removed == MAILS - 1
    assert by_name(full.pull())["INBOX"].vanished == 1
    assert {
        entry.pruned for entry in full.entries() if entry.ref.key == "2" and entry.ref.folder == "INBOX"
    } == {None}


def test_a_folder_that_is_renumbered_in_the_meantime_keeps_everything(full: Scene) -> None:
    before = full.on_server()
    pruned = full.prune(OLD, between=lambda: full.server.renumber("INBOX"))
    assert pruned.reports[0].error is not None
    assert pruned.reports[0].removed == 0
    assert len(contents(full, "INBOX")) == MAILS + 1
    assert {key for key in before if key[0] == "Work"} - set(full.on_server()) == {
        ("Work", str(number)) for number in range(1, MAILS + 1)
    }
    full.pull()
    full.check()


def test_another_message_under_the_same_number_stays(full: Scene) -> None:
    """A server that gives a UID twice, with the UIDVALIDITY of before."""
    impostor = mail("impostor", size=200)

    def swap() -> None:
        full.server.folders()["INBOX"].messages[2].raw = impostor
        full.server.folders()["INBOX"].messages[2].size = len(impostor)

    pruned = full.prune(OLD, between=swap)
    assert impostor in contents(full, "INBOX")
    assert pruned.reports[0].kept[0][1] == Why.OTHER_SIZE.value


def test_refetching_finds_another_content_of_the_same_size_and_date(full: Scene) -> None:
    raw = full.server.folders()["INBOX"].messages[2].raw
    impostor = raw.replace(b"line 1 of", b"line 9 of")
    full.server.folders()["INBOX"].messages[2].raw = impostor
    pruned = full.prune(Policy(before=LIMIT, refetch=True))
    assert pruned.kept["INBOX", "2"] is Why.OTHER_CONTENT
    assert contents(full, "INBOX") == {impostor, mail("INBOX young")}


def test_refetching_finds_another_content_that_came_after_the_plan(full: Scene) -> None:
    raw = full.server.folders()["INBOX"].messages[2].raw
    impostor = raw.replace(b"line 1 of", b"line 9 of")

    def swap() -> None:
        full.server.folders()["INBOX"].messages[2].raw = impostor

    pruned = full.prune(Policy(before=LIMIT, refetch=True), between=swap)
    assert ("INBOX", "2") in pruned.removable
    assert [reason for _, reason in pruned.reports[0].kept] == [Why.OTHER_CONTENT.value]
    assert contents(full, "INBOX") == {impostor, mail("INBOX young")}


def test_what_cannot_be_fetched_again_stays(full: Scene) -> None:
    full.server.spoil("INBOX", "2", "server bug")
    assert full.prune(Policy(before=LIMIT, refetch=True)).kept["INBOX", "2"] is Why.NOT_FETCHED
    assert len(contents(full, "INBOX")) == 2


def test_a_message_that_the_server_does_not_remove_is_told_and_kept(full: Scene) -> None:
    class Stubborn(FakeAccount):
        def remove(
            self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
        ) -> Iterator[Removed | Unremoved]:
            yield Unremoved(keys[0], "no rights")
            yield from super().remove(folder, epoch, keys[2:], to)  # and one that is not answered at all

    pruned = full.prune(OLD, account=Stubborn(full.server))
    assert [(one.removed, [reason for _, reason in one.refused]) for one in pruned.reports] == [
        (MAILS - 2, ["no rights", "the server did not answer for it"]),
        (MAILS - 2, ["no rights", "the server did not answer for it"]),
    ]
    assert {row.keys for row in rows(full) if row.state == "kept"} == {("1", "2")}
    assert by_name(full.pull())["INBOX"].vanished == 0


# --- a server that falls away -----------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["look", "remove", "removed"])
@pytest.mark.parametrize("nth", [1, 2, 3, 7, 12])
def test_a_line_that_drops_leaves_nothing_in_doubt(full: Scene, step: str, nth: int) -> None:
    before = everything(full)
    # two looks are the plan's own
    full.server.fail(step, nth + (2 if step == "look" else 0), Unreachable("the line dropped"))
    pruned = full.prune(OLD)
    assert sum(one.removed for one in pruned.reports) == 2 * MAILS
    assert sum(one.unknown for one in pruned.reports) == 0
    assert len(contents(full, "Trash")) == 2 * MAILS
    assert everything(full) == before


def test_a_server_that_stays_away_leaves_intents_which_the_next_pull_settles(full: Scene) -> None:
    class Falling(FakeAccount):
        gone = False

        def look(self, folder: Folder, epoch: str, keys: Sequence[str]):  # type: ignore[no-untyped-def]
            if self.gone:
                raise Unreachable("no route")
            return super().look(folder, epoch, keys)

        def remove(
            self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
        ) -> Iterator[Removed | Unremoved]:
            for _ in super().remove(folder, epoch, keys[:2], to):
                pass
            self.gone = True
            raise Unreachable("the line dropped")

    with pytest.raises(Unreachable):
        full.prune(OLD, account=Falling(full.server))
    assert [one.unknown for one in full.pruned.reports] == [MAILS]
    assert {row.state for row in rows(full) if row.folder == 1} == {"intent"}
    report = full.pull()
    assert sum(folder.vanished for folder in report.folders) == 0
    assert report.complete
    outcome = {row.state: row.keys for row in rows(full) if row.state != "intent" and row.folder == 1}
    assert outcome == {"removed": ("1", "2"), "kept": ("3", "4", "5", "6")}
    full.check()
    full.check_no_op()


@pytest.mark.parametrize("error", [Forbidden("no rights"), RefusedForSafety("no UIDPLUS")])
def test_a_refusal_ends_the_run_and_every_intent_is_taken_back(full: Scene, error: ArchiverError) -> None:
    full.server.fail("remove", 1, error)
    with pytest.raises(type(error)):
        full.prune(OLD)
    assert len(contents(full, "INBOX")) == MAILS + 1
    assert len(contents(full, "Work")) == MAILS + 1
    assert sorted(row.folder for row in rows(full) if row.state == "kept") == [1, 2]
    full.pull()
    assert not full.catalog.intended(1, full.catalog.folders()[0].epoch)


def test_asked_to_stop_it_stops_between_two_chunks(full: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_module, "CHUNK", 2)
    with pytest.raises(Interrupted):
        full.prune(OLD, stop=lambda: full.server.calls["remove"] >= 4)
    assert len(contents(full, "INBOX")) == MAILS + 1 - 4
    states = {(row.folder, row.state): row.keys for row in rows(full) if row.state != "intent"}
    assert states[1, "removed"] == ("1", "2", "3", "4")
    assert states[1, "kept"] == ("5", "6")
    assert states[2, "kept"] == ("1", "2", "3", "4", "5", "6")


@pytest.mark.parametrize(("step", "nth"), [("folders", 0), ("look", 2), ("message", 1)])
def test_asked_to_stop_while_it_plans_it_leaves_no_trace(full: Scene, step: str, nth: int) -> None:
    calls = full.server.calls
    start, looks, keys = calls[step], calls["look"], set(full.store.keys())
    with pytest.raises(Interrupted):
        policy = Policy(before=LIMIT, refetch=step == "message")
        full.prune(policy, stop=lambda: calls[step] >= start + nth)
    assert calls["look"] - looks == (0 if nth == 0 else 2)
    assert calls["remove"] == 0
    assert set(full.store.keys()) == keys


def test_what_is_read_back_is_told(full: Scene) -> None:
    full.prune(OLD, dry=True)
    assert len(full.told.of(MessageRead)) == 2 * MAILS


def test_what_was_done_is_told_as_it_is_done(full: Scene) -> None:
    pruned = full.prune(OLD)
    size = len(mail("INBOX 0", size=200))
    assert len(full.told.of(MessagePruned)) == 2 * MAILS
    assert [one.size for one in pruned.reports if one.folder == "INBOX"] == [MAILS * size]
    assert len(full.told.of(RunCommitted)) == 3
    assert full.told.of(Warned) == []


def test_a_folder_that_is_refused_while_planning_is_told_and_stops_no_other(full: Scene) -> None:
    full.server.renumber("INBOX")
    pruned = full.prune(OLD)
    assert [one.folder for one in full.told.of(FolderFailed)] == ["INBOX"]
    assert pruned.plans[0].error is not None
    assert (pruned.plans[0].removable, pruned.plans[0].kept) == ([], {}), "nothing is said of its messages"
    assert len(contents(full, "INBOX")) == MAILS + 1
    assert contents(full, "Work") == {mail("Work young")}


def test_a_folder_that_is_refused_while_removing_is_told(full: Scene) -> None:
    full.prune(OLD, between=lambda: full.server.renumber("INBOX"))
    assert [one.folder for one in full.told.of(FolderFailed)] == ["INBOX"]


class Dateless(FakeAccount):
    """A server of a kind that keeps no dates of receipt."""

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        return structs.replace(super().look(folder, epoch, keys), dates=False)


def test_a_server_that_keeps_no_dates_is_held_to_the_content(full: Scene) -> None:
    raw = full.server.folders()["INBOX"].messages[2].raw
    impostor = raw.replace(b"line 1 of", b"line 9 of")
    full.server.folders()["INBOX"].messages[2].raw = impostor
    pruned = full.prune(OLD, account=Dateless(full.server))
    assert pruned.kept["INBOX", "2"] is Why.OTHER_CONTENT
    assert contents(full, "INBOX") == {impostor, mail("INBOX young")}


class Dropping(FakeAccount):
    """A line that drops at every removal, after `nth` messages of it."""

    nth = 0
    tries = 0

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        self.tries += 1
        if self.nth:
            for _ in super().remove(folder, epoch, keys[: self.nth], to):
                pass
        raise Unreachable("the line dropped")


def test_a_line_that_drops_again_and_again_is_followed_as_long_as_something_goes(full: Scene) -> None:
    account = Dropping(full.server)
    account.nth = 1
    pruned = full.prune(OLD, account=account)
    assert [(one.removed, one.unknown) for one in pruned.reports] == [(MAILS, 0), (MAILS, 0)]
    assert len(full.told.of(Warned)) == 2 * MAILS
    assert contents(full, "INBOX") == {mail("INBOX young")}


def test_a_line_that_drops_three_times_for_nothing_ends_it(full: Scene) -> None:
    account = Dropping(full.server)
    with pytest.raises(Unreachable):
        full.prune(OLD, account=account)
    assert account.tries == 3
    assert len(full.told.of(Warned)) == 2
    assert [(one.folder, one.removed, one.unknown) for one in full.pruned.reports] == [("INBOX", 0, 0)]
    assert {reason for _, reason in full.pruned.reports[0].kept} == {"the run ended before it was removed"}
    assert sorted(row.folder for row in rows(full) if row.state == "kept") == [1, 2]


def test_an_answer_for_what_was_not_asked_is_nobodys(full: Scene) -> None:
    class Talkative(FakeAccount):
        def remove(
            self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
        ) -> Iterator[Removed | Unremoved]:
            yield Removed("4711")
            yield Unremoved("7", "young, and not asked for")
            for one in super().remove(folder, epoch, keys, to):
                yield from (one, one)

    pruned = full.prune(OLD, account=Talkative(full.server))
    assert [(one.removed, one.refused) for one in pruned.reports] == [(MAILS, []), (MAILS, [])]
    assert not [row for row in rows(full) if row.state == "kept"]


# --- an archive that proves nothing -----------------------------------------------------------------------


def flip(scene: Scene) -> None:
    key = next(one.key for run in scene.manifests() for one in run.objects if one.role == "volume")
    data = bytearray(scene.memory()[key])
    data[len(data) // 2] ^= 1
    scene.memory()[key] = bytes(data)


def lose_volume(scene: Scene) -> None:
    key = next(one.key for run in scene.manifests() for one in run.objects if one.role == "volume")
    del scene.memory()[key]


def lose_index(scene: Scene) -> None:
    key = next(one.key for run in scene.manifests() for one in run.objects if one.role == "index")
    del scene.memory()[key]


def lose_manifest(scene: Scene) -> None:
    del scene.memory()[manifest_key(scene.chain().name, 1)]


def roll_back(scene: Scene) -> None:
    scene.memory().pop(manifest_key(scene.chain().name, len(scene.manifests())))


@pytest.mark.parametrize("damage", [flip, lose_volume, lose_index, lose_manifest, roll_back])
def test_a_damaged_archive_lets_nothing_go(full: Scene, damage: Callable[[Scene], None]) -> None:
    full.server.deliver("INBOX", mail("more"), received=LONG_AGO, flags=["\\Seen"])
    full.pull()
    before = full.on_server()
    damage(full)
    keys = set(full.store.keys())
    with pytest.raises(Damaged):
        full.prune(OLD)
    assert full.on_server() == before
    assert full.server.calls["remove"] == 0
    assert set(full.store.keys()) == keys


def test_bytes_that_are_not_those_archived_prove_nothing(
    full: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads checks the digest; who deletes does not rely on that."""
    read_many = Reader.read_many

    def careless(self: Reader, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ArchiverError]]:
        for entry, raw in read_many(self, entries):
            yield entry, b"other" if raw == mail("INBOX 1", size=200) else raw

    monkeypatch.setattr(Reader, "read_many", careless)
    assert full.prune(OLD).kept["INBOX", "2"] is Why.NOT_READ_BACK
    assert mail("INBOX 1", size=200) in contents(full, "INBOX")


def test_a_local_catalog_that_lies_proves_nothing(full: Scene) -> None:
    """What the cache says of a message's digest is not asked: the signed indexes are."""
    full.server.deliver("INBOX", mail("never archived", size=200), flags=["\\Seen"], received=LONG_AGO)
    columns = (
        "folder, epoch, sha256, size, volume, offset, length, flags, received, message_id, kind, run, lost"
    )
    full.catalog._db.execute(
        f"INSERT INTO message (key, named_size, {columns})"
        f" SELECT '8', {len(mail('never archived', size=200))}, {columns} FROM message WHERE folder = 1 AND key = '1'"
    )
    assert ("INBOX", "8") not in full.prune(OLD).removable
    assert mail("never archived", size=200) in contents(full, "INBOX")


class FullStore(MortalStore):
    """A disk that is full from the n-th put on."""

    def put(self, key: str, chunks, *, if_absent: bool = False) -> None:  # type: ignore[no-untyped-def]
        self.puts += 1
        if self.puts >= self._nth:
            raise StoreFull("no space is left")
        self._store.put(key, chunks, if_absent=if_absent)

    def delete(self, key: str) -> None:
        self._store.delete(key)


@pytest.mark.parametrize("nth", [1, 2])
def test_on_a_full_disk_no_intent_can_be_written_and_nothing_goes(full: Scene, nth: int) -> None:
    before = full.on_server()
    with pytest.raises(StoreFull):
        full.prune(OLD, store=FullStore(full.store, nth, after=False))
    assert full.on_server() == before
    assert full.server.calls["remove"] == 0
    full.check()


def test_a_disk_that_fills_before_the_outcome_leaves_it_to_the_next_pull(full: Scene) -> None:
    with pytest.raises(StoreFull):
        full.prune(OLD, store=FullStore(full.store, 3, after=False))
    assert contents(full, "INBOX") == {mail("INBOX young")}
    report = full.pull()
    assert report.complete
    assert sum(folder.vanished for folder in report.folders) == 0
    full.check()


# --- killed at any moment ---------------------------------------------------------------------------------


def kill_at(scene: Scene, step: str, nth: int) -> bool:
    """Prune, killed at a step of the store or of the server; tells whether it came to that step at all."""
    of_store = step in {"put", "after put"}
    store = MortalStore(scene.store, nth if of_store else 0, after=step == "after put")
    server, counted = scene.server, scene.server.step
    at = server.calls[step] + nth

    def counting(name: str) -> None:
        counted(name)
        store.dead = store.dead or (name == step and server.calls[name] == at)
        if store.dead:  # neither side hears of the process again
            raise Killed

    server.step = counting  # type: ignore[method-assign]
    try:
        scene.prune(OLD, store=store)
    except Killed:
        return True
    finally:
        server.step = counted  # type: ignore[method-assign]
    return False


@pytest.mark.parametrize("step", ["put", "after put", "look", "remove", "removed"])
def test_killed_anywhere_nothing_is_lost_and_the_next_runs_end_the_same(
    full: Scene, tmp_path: Path, step: str
) -> None:
    before = everything(full)
    for nth in range(1, 40):
        scene = full.copy(tmp_path / f"{step}{nth}")
        killed = kill_at(scene, step, nth)
        scene.forget_catalog()
        assert everything(scene) == before
        report = scene.pull()
        assert report.complete
        assert sum(folder.vanished for folder in report.folders) == 0
        scene.prune(OLD)
        scene.pull()
        scene.check()
        scene.check_no_op()
        assert contents(scene, "INBOX") == {mail("INBOX young")}
        assert contents(scene, "Work") == {mail("Work young")}
        assert len(scene.server.folders()["Trash"].messages) == 2 * MAILS
        assert everything(scene) == before
        if not killed:
            assert nth > 1
            return
    raise AssertionError("it never came through")


@pytest.mark.parametrize("refetch", [False, True])
def test_a_plan_can_be_stopped_at_every_folder_and_every_message(full: Scene, refetch: bool) -> None:
    policy = Policy(before=LIMIT, refetch=refetch)
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    full.prune(policy, stop=count, dry=True)
    folders, messages = 3, 2 * MAILS
    assert asked == folders + messages * (1 + refetch)
    for nth in range(1, asked + 1):
        asks = iter([*[False] * (nth - 1), True])
        with pytest.raises(Interrupted):
            full.prune(policy, stop=asks.__next__, dry=True)


def test_the_server_is_asked_no_more_than_it_must_be(full: Scene) -> None:
    fetched = len(full.account.fetched)
    full.prune(OLD)
    assert len(full.account.fetched) == fetched, "content is compared only if that was asked for"
    assert full.server.calls["look"] == 2 + 2, "for the plan, and before the removal"


def test_a_folder_that_the_server_has_no_more_is_not_planned(full: Scene) -> None:
    full.server.delete("Work")
    full.pull()
    assert [one.folder.name for one in full.prune(OLD, dry=True).plans] == ["INBOX", "Trash"]


def test_the_last_of_a_folder_are_counted_among_all_of_it_not_among_the_old(full: Scene) -> None:
    assert len(full.prune(Policy(before=LIMIT, last=1), dry=True).removable) == 2 * MAILS
    assert len(full.prune(Policy(before=LIMIT, last=2), dry=True).removable) == 2 * MAILS - 2


# --- what the mutants of the code have asked for ----------------------------------------------------------


class Torn(FakeAccount):
    """The line drops, or worse, in the middle of a removal, after some of it was done unheard."""

    def __init__(self, scene: Scene, error: ArchiverError, *, unheard: int = 0, heard: int = 0) -> None:
        super().__init__(scene.server)
        self.error, self.unheard, self.heard = error, unheard, heard
        self.calls = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        self.calls += 1
        yield from super().remove(folder, epoch, keys[: self.heard], to)
        for _ in super().remove(folder, epoch, keys[: self.unheard], to):
            pass
        self.heard = self.unheard = 0
        self.meanwhile()
        raise self.error


def test_what_went_unheard_before_a_refusal_is_found_out(full: Scene) -> None:
    with pytest.raises(Forbidden):
        full.prune(OLD, account=Torn(full, Forbidden("no rights"), unheard=2))
    outcome = {row.state: row.keys for row in rows(full) if row.state != "intent" and row.folder == 1}
    assert outcome == {"removed": ("1", "2"), "kept": ("3", "4", "5", "6")}
    assert full.pruned.reports[0].removed == 2


def test_what_was_asked_for_unheard_and_is_flagged_since_is_still_there(full: Scene) -> None:
    torn = Torn(full, Unreachable("the line dropped"))
    torn.meanwhile = lambda: full.server.flag("INBOX", "3", ["\\Seen", "\\Flagged"])
    with pytest.raises(Unreachable):
        full.prune(OLD, account=torn)
    assert ("INBOX", "3") in full.on_server()
    [(_, reason)] = [one for one in full.pruned.reports[0].kept if "ended" not in one[1]]
    assert reason == Why.FLAGGED.value
    assert not [row for row in rows(full) if row.state == "removed"]


def test_after_a_message_more_the_patience_begins_anew(full: Scene) -> None:
    torn = Torn(full, Unreachable("the line dropped"), heard=1)
    with pytest.raises(Unreachable):
        full.prune(OLD, account=torn)
    assert torn.calls == prune_module.DROPS


def test_what_takes_the_place_of_the_last_is_not_among_the_removed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest came first, so they go first; then another client takes the one that was to stay."""
    monkeypatch.setattr(prune_module, "CHUNK", 2)
    for number in range(6):
        at = LONG_AGO - timedelta(days=number)
        scene.server.deliver("INBOX", mail(f"in {number}"), flags=["\\Seen"], received=at)
    scene.server.deliver("INBOX", mail("last"), flags=["\\Seen"], received=LONG_AGO + timedelta(days=9))
    scene.pull()

    class Busy(FakeAccount):
        def remove(
            self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
        ) -> Iterator[Removed | Unremoved]:
            yield from super().remove(folder, epoch, keys, to)
            if "7" in {key for _, key in scene.on_server()}:
                scene.server.expunge("INBOX", "7")

    scene.prune(Policy(before=LIMIT, last=1), account=Busy(scene.server), to=None)
    assert contents(scene, "INBOX") == {mail("in 2")}, "the newest of those that are there"
