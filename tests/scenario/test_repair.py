"""The laws of repair: nothing named is removed, nothing readable is lost, and killed anywhere it goes on."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from archiver.archive import packing, writer
from archiver.archive.sealing import COMPRESSIONS, Compression, Compressions
from archiver.catalog.sqlite import SqliteCatalog
from archiver.errors import Damaged, Interrupted, Locked, LoginRefused, StoreFull, Unreachable
from archiver.events import Warned
from archiver.model import Entry, Place
from archiver.ops.repair import Diagnosis, Outcome, Patient, Repair, Tools, examine
from archiver.ops.verify import find_affected
from archiver.plan.repair import Way, of_way
from archiver.ports import Account, Reader, Run, Store
from tests.mortal import Killed, MortalStore
from tests.scene import LAYOUTS, OWNER, Scene, SceneAccount, Told, dump, mail


@pytest.fixture(autouse=True)
def small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_SIZE", 1500)
    monkeypatch.setattr(writer, "CHECKPOINT_OBJECTS", 3)
    monkeypatch.setattr(packing, "VOLUME_SIZE", 1000)
    monkeypatch.setitem(COMPRESSIONS, "default", Compressions(Compression(600), Compression(2000)))


class Repaired(Struct):
    """What one repair found and did."""

    found: Diagnosis
    outcome: Outcome
    told: Told


def repair(
    scene: Scene,
    *,
    store: Store | None = None,
    server: Account | None = None,
    asks: bool = True,
    stop: Callable[[], bool] = lambda: False,
) -> Repaired:
    """Examine the chain of a scene and carry the plan out, as the command does after a yes."""
    archive = scene.open(store, unlock=True)
    chain = scene.chain(archive)
    truth: SqliteCatalog | None = SqliteCatalog()
    assert truth is not None
    try:
        archive.replay(chain, truth, 1 << 60)
    except Damaged:
        truth = None
    told = Told()
    patient = Patient(
        chain.name, OWNER.account, True, archive.store, lambda: archive.audit(chain), truth, told, asks
    )

    def reader() -> Reader:
        assert truth is not None
        return archive.reader(truth, salvage=True)

    @contextmanager
    def run() -> Iterator[Run]:
        archive.catch_up(chain, scene.catalog)
        with archive.begin(OWNER, chain, scene.catalog, "default", scene.clock) as begun:
            yield begun

    @contextmanager
    def open_server() -> Iterator[Account]:
        yield server or scene.account

    found = examine(patient, reader)
    work = Repair(patient, found, Tools(reader, run, open_server, stop))
    if found.treatable:
        work()
    return Repaired(found, work.outcome, told)


def noise(subject: str, size: int) -> bytes:
    """Write a mail that does not compress, so that it fills chunks of its own."""
    return mail(subject, random.Random(subject).randbytes(size // 2).hex())


def settled(scene: Scene) -> None:
    """A chain of some runs, in which nearly everything has happened that can."""
    scene.server.create("Work")
    scene.server.create("Old")
    for number in range(6):
        at = datetime(2024, 1, 1 + number, tzinfo=UTC)
        scene.server.deliver("INBOX", mail(f"in {number}", size=300), received=at)
    scene.server.deliver("Work", mail("in 2", size=300))
    scene.server.deliver("Work", b"")
    scene.server.deliver("Old", mail("old", size=300))
    scene.server.spoil("INBOX", "4", "server bug")
    scene.pull()
    scene.server.flag("INBOX", "2", ["\\Seen", "work"])
    scene.server.expunge("INBOX", "1")
    scene.server.renumber("Work")
    scene.server.delete("Old")
    for number in range(3):
        scene.server.deliver("Work", mail(f"more {number}", size=500))
    scene.pull()
    archive = scene.open()
    with archive.begin(OWNER, scene.chain(archive), scene.catalog, "default", scene.clock) as run:
        epoch = str(scene.server.folders()["INBOX"].epoch)
        intent = run.intend("INBOX", epoch, ["3", "5", "6"])
        run.commit("prune")
        run.pruned("INBOX", epoch, ["5"], intent, removed=True)
        run.pruned("INBOX", epoch, ["6"], intent, removed=False)
        run.commit("prune")
    scene.server.expunge("INBOX", "5")


def volumes(scene: Scene) -> list[str]:
    return sorted(one.key for run in scene.manifests() for one in run.objects if one.role == "volume")


def flip(at: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[min(int(len(data) * at), len(data) - 1)] ^= 1
        return bytes(changed)

    return change


HARM: dict[str, Callable[[bytes], bytes | None]] = {
    "a byte at the beginning": flip(0),
    "a byte in the middle": flip(0.5),
    "a byte at the end": flip(1),
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by one byte": lambda data: data[:-1],
    "empty": lambda data: b"",
    "grown": lambda data: data + b"x",
    "gone": lambda data: None,
}


def harm(scene: Scene, key: str, how: Callable[[bytes], bytes | None]) -> None:
    changed = how(scene.memory()[key])
    if changed is None:
        del scene.memory()[key]
    else:
        scene.memory()[key] = changed


def state(scene: Scene) -> list[Entry]:
    """All that is known of every message, but for where its copy lies and which run wrote the row."""
    nowhere = Place("", 0, 0)
    entries = [replace(one, place=nowhere, run=0) for one in scene.entries(scene.rebuilt())]
    return sorted(entries, key=lambda one: (one.ref.folder, one.ref.epoch, one.ref.key))


def raws(scene: Scene) -> dict[str, bytes]:
    return {entry.digest: raw for entry, raw in read_all(scene)}


def read_all(scene: Scene) -> Iterator[tuple[Entry, bytes]]:
    catalog = scene.rebuilt()
    for entry, raw in scene.open(unlock=True).reader(catalog).read_many(list(catalog.entries())):
        assert isinstance(raw, bytes), raw
        yield entry, raw


def damage(scene: Scene) -> list[str]:
    """What verify calls damage, of which something archived depends."""
    report = scene.verify()
    find_affected(report, scene.rebuilt().entries(), all_known=True)
    return [one.what for one in report.findings if one.severity == "damage"]


def assert_nothing_to_do(scene: Scene) -> None:
    before = dict(scene.memory())
    again = repair(scene)
    assert not again.found.treatable
    assert scene.memory() == before


def unlost(entries: list[Entry]) -> list[Entry]:
    return [replace(one, lost=False) for one in entries]


# --- messages in damaged objects ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", HARM)
def test_whatever_happens_to_an_object_each_message_is_had_from_somewhere_or_told(
    name: str, tmp_path: Path, scene: Scene
) -> None:
    settled(scene)
    before, all_of_it = state(scene), raws(scene)
    there = {entry.digest for entry in before if not entry.vanished}
    keys = volumes(scene)
    for number, key in enumerate(keys[:: max(1, len(keys) // 3)]):
        hurt = scene.copy(tmp_path / str(number))
        harm(hurt, key, HARM[name])
        files = dict(hurt.memory())
        assert damage(hurt), "there is something to repair"
        done = repair(hurt)
        assert {key: hurt.memory()[key] for key in files} == files, "nothing is overwritten or removed"
        lost = {one.digest for one in done.outcome.lost}
        assert not lost & there, "what the server has is not lost"
        assert unlost(state(hurt)) == before, "flags, dates, what vanished, what a prune did: all as it was"
        assert {one.digest for one in state(hurt) if one.lost} == lost
        for entry, raw in hurt.open(unlock=True).reader(hurt.rebuilt()).read_many(hurt.entries()):
            assert entry.digest in lost or raw == all_of_it[entry.digest]
        assert bool(damage(hurt)) == bool(lost)
        assert dump(hurt.rebuilt()) == dump(hurt.catalog)
        assert_nothing_to_do(hurt)
        hurt.account.fetched.clear()
        hurt.server.heal("INBOX", "4")
        assert hurt.pull().complete
        assert [ref.key for ref in hurt.account.fetched] == ["4"], "a pull has nothing to make up for"


def test_what_is_whole_in_a_damaged_volume_is_salvaged_without_a_server(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "state", "mbox")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "VOLUME_SIZE", 1 << 26)
        patch.setattr(writer, "CHECKPOINT_SIZE", 1 << 28)
        for number in range(5):
            scene.server.deliver("INBOX", noise(f"large {number}", 300_000))
        scene.pull()
    all_of_it, before = raws(scene), state(scene)
    (volume,) = volumes(scene)
    for number, (how, salvaged) in enumerate(
        {flip(0.5): 4, flip(1): 4, HARM["cut in half"]: 2, flip(0): 0}.items()
    ):
        hurt = scene.copy(tmp_path / str(number))
        harm(hurt, volume, how)
        done = repair(hurt, asks=False)
        assert done.outcome.salvaged == salvaged
        assert len(done.outcome.lost) == 5 - salvaged
        assert len(of_way(done.found.mends, Way.SALVAGE)) == salvaged
        lost = {one.digest for one in done.outcome.lost}
        assert raws_but(hurt, lost) == {
            digest: raw for digest, raw in all_of_it.items() if digest not in lost
        }
        assert hurt.account.fetched == [ref for ref in hurt.account.fetched if False], "no server was asked"
        again = repair(hurt)
        assert again.outcome.fetched == 5 - salvaged, "a server that comes later has the rest"
        assert raws(hurt) == all_of_it
        assert state(hurt) == before
        assert damage(hurt) == []


def raws_but(scene: Scene, lost: set[str]) -> dict[str, bytes]:
    catalog = scene.rebuilt()
    entries = [one for one in catalog.entries() if one.digest not in lost]
    found = dict(scene.open(unlock=True).reader(catalog).read_many(entries))
    assert all(isinstance(raw, bytes) for raw in found.values())
    return {entry.digest: raw for entry, raw in found.items() if isinstance(raw, bytes)}


def test_the_state_of_an_earlier_run_is_readable_again_too(scene: Scene) -> None:
    settled(scene)
    all_of_it = raws(scene)
    earlier = {}
    archive = scene.open(unlock=True)
    for seq in range(1, scene.chain().head().seq + 1):
        earlier[seq] = SqliteCatalog()
        archive.replay(scene.chain(archive), earlier[seq], seq)
    for key in volumes(scene):
        harm(scene, key, flip(0.5))
    lost = {one.digest for one in repair(scene).outcome.lost}
    for seq, was in earlier.items():
        now = SqliteCatalog()
        archive.replay(scene.chain(archive), now, seq)
        assert [replace(one, place=Place("", 0, 0)) for one in now.entries()] == [
            replace(one, place=Place("", 0, 0)) for one in was.entries()
        ]
        for entry, raw in archive.reader(now).read_many(list(now.entries())):
            assert entry.digest in lost or raw == all_of_it[entry.digest], f"run {seq}"


def test_a_catalog_that_runs_have_filled_is_the_one_that_a_replay_makes(scene: Scene) -> None:
    settled(scene)
    assert list(scene.catalog.contents()) == list(scene.rebuilt().contents())
    for key in volumes(scene):
        harm(scene, key, flip(0.5))
    repair(scene)
    scene.server.heal("INBOX", "4")
    scene.pull()
    assert list(scene.catalog.contents()) == list(scene.rebuilt().contents())
    before = list(scene.catalog.contents())
    scene.server.flag("INBOX", "2", ["\\Flagged"])
    scene.pull()
    assert list(scene.catalog.contents()) != before, "and one row more or less is another content"


def test_a_message_that_the_server_changed_is_told_and_never_taken_for_the_old_one(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("old words", size=300))
    scene.pull()
    (entry,) = scene.entries()
    scene.server.folders()["INBOX"].messages[1].raw = mail("new words", size=300)
    harm(scene, entry.place.volume, flip(0.5))
    done = repair(scene)
    (loss,) = done.outcome.lost
    assert (loss.digest, loss.folder) == (entry.digest, "INBOX")
    assert "other bytes" in loss.reason
    (warned,) = done.told.of(Warned)
    assert '"INBOX"' in warned.text
    (kept,) = scene.entries()
    assert (kept.digest, kept.ref, kept.place) == (entry.digest, entry.ref, entry.place)
    assert damage(scene)


def test_new_mail_is_never_pointed_to_a_copy_that_is_known_to_be_lost(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one", size=300))
    scene.pull()
    (entry,) = scene.entries()
    scene.server.expunge("INBOX", "1")
    scene.pull()
    harm(scene, entry.place.volume, HARM["gone"])
    assert repair(scene).outcome.lost
    scene.server.deliver("INBOX", mail("one", size=300))
    scene.pull()
    assert here(scene) == {("INBOX", "2"): mail("one", size=300)}
    again = repair(scene)
    assert (again.outcome.copied, again.outcome.lost) == (1, []), "and the copy serves the lost one"
    assert raws(scene) == {entry.digest: mail("one", size=300)}
    assert damage(scene) == []
    assert [one.vanished for one in scene.entries(scene.rebuilt()) if one.ref.key == "1"] == [True]
    assert_nothing_to_do(scene)


def test_a_lost_message_is_fetched_and_not_bound_again_when_its_folder_is_renumbered(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one", size=300), received=datetime(2024, 1, 1, tzinfo=UTC))
    scene.server.deliver("INBOX", mail("two", size=300), received=datetime(2024, 1, 2, tzinfo=UTC))
    scene.pull()
    for key in volumes(scene):
        harm(scene, key, HARM["gone"])
    assert len(repair(scene, asks=False).outcome.lost) == 2
    scene.server.renumber("INBOX")
    scene.pull(accept=True)
    assert here(scene) == scene.on_server()


def here(scene: Scene) -> dict[tuple[str, str], bytes]:
    """Read what the server has still and what is not lost: (folder, key) -> raw."""
    catalog = scene.rebuilt()
    entries = [one for one in catalog.entries(vanished=False) if not one.lost]
    found = scene.open(unlock=True).reader(catalog).read_many(entries)
    return {(one.ref.folder, one.ref.key): raw for one, raw in found if isinstance(raw, bytes)}


def test_a_message_is_stored_once_for_all_the_refs_that_it_has(scene: Scene) -> None:
    settled(scene)
    digest = next(one.digest for one in scene.entries() if one.ref.folder == "INBOX" and one.ref.key == "3")
    before = {one.place for one in scene.entries() if one.digest == digest}
    for key in volumes(scene):
        harm(scene, key, flip(0.5))
    repair(scene)
    refs = [one for one in scene.entries() if one.digest == digest]
    assert len(refs) == 3, "in INBOX, and in Work under two numberings"
    assert len({one.place for one in refs} | before) == 2


def test_a_refused_folder_or_an_unreachable_server_costs_nothing_that_was_had(scene: Scene) -> None:
    settled(scene)
    all_of_it = raws(scene)
    for key in volumes(scene):
        harm(scene, key, HARM["gone"])

    class Silent(SceneAccount):
        def fetch(self, remotes):  # type: ignore[no-untyped-def]
            for number, found in enumerate(super().fetch(remotes)):
                if number == 2:
                    raise Unreachable("the line is dead")
                yield found

    with pytest.raises(Unreachable):
        repair(scene, server=Silent(scene.server))
    head = scene.chain().head()
    assert scene.manifests()[-1].kind == "repair", "what was had is committed"
    lost = {one.digest for one in repair(scene).outcome.lost}
    assert scene.chain().head().seq > head.seq
    assert raws_but(scene, lost) == {digest: raw for digest, raw in all_of_it.items() if digest not in lost}


def test_a_login_that_is_refused_comes_behind_what_could_be_salvaged(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "state", "mbox")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "VOLUME_SIZE", 1 << 26)
        patch.setattr(writer, "CHECKPOINT_SIZE", 1 << 28)
        for number in range(3):
            scene.server.deliver("INBOX", noise(f"large {number}", 300_000))
        scene.pull()
    (volume, *_) = volumes(scene)
    harm(scene, volume, flip(0.5))
    held = repair_salvaged(scene)
    assert held

    class Closed(SceneAccount):
        def fetch(self, remotes):  # type: ignore[no-untyped-def]
            raise LoginRefused("no")

    with pytest.raises(LoginRefused):
        repair(scene, server=Closed(scene.server))
    assert scene.manifests()[-1].kind == "repair"


def repair_salvaged(scene: Scene) -> int:
    archive = scene.open(unlock=True)
    catalog = scene.rebuilt()
    found = archive.reader(catalog, salvage=True).read_many(list(catalog.entries()))
    return sum(isinstance(raw, bytes) for _, raw in found)


def test_asked_to_stop_it_keeps_what_it_has_done(scene: Scene) -> None:
    settled(scene)
    for key in volumes(scene):
        harm(scene, key, HARM["gone"])
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        repair(scene, stop=lambda: next(asked))
    assert scene.manifests()[-1].kind == "repair"
    assert repair(scene).outcome.fetched
    assert repair(scene).outcome.fetched == 0


# --- the chain and its indexes -----------------------------------------------------------------------------


def leave(scene: Scene) -> list[str]:
    """Leave what a killed run leaves: objects of the run behind the head, and of an earlier try."""
    name = scene.chain().name
    seq = scene.chain().head().seq
    left = [
        f"chains/{name}/indexes/{seq + 1:08d}-0123abcd.index.zst.age",
        f"chains/{name}/volumes/{seq + 1:08d}-01-0123abcd.mbox.zst.age",
        f"chains/{name}/volumes/{seq:08d}-07-0123abcd.mbox.zst.age",
        f"chains/{name}/maildir/f0001/cur/1700000000.{seq + 1}-1-0123abcd.{name}:2,S.zst.age",
    ]
    scene.memory().update(dict.fromkeys(left, b"half"))
    return left


def test_leftovers_go_and_everything_else_stays(scene: Scene) -> None:
    settled(scene)
    before = dict(scene.memory())
    name = scene.chain().name
    strangers = [
        f"chains/{name}/volumes/mine.txt",
        f"chains/{name}/volumes/00000001-01-0123abcd.mbox.zst.age.bak",
        f"chains/{name}/manifests/notes",
        f"chains/{name}/maildir/f0001/cur/1700000000.1-1-0123abcd.aaaaaaaa:2,S.zst.age",
    ]
    elsewhere = ["chains/aaaaaaaa/volumes/00000001-01-0123abcd.mbox.zst.age", "keys/x", "notes.txt"]
    scene.memory().update(dict.fromkeys([*strangers, *elsewhere], b"whose?"))
    kept = dict(scene.memory())
    left = leave(scene)
    done = repair(scene)
    assert done.outcome.removed == len(left)
    assert sorted(done.found.sweep.strangers) == sorted(strangers)
    assert scene.memory() == kept
    assert set(before) <= set(kept)
    assert_nothing_to_do(scene)
    scene.check()


def test_what_a_killed_first_run_left_goes_though_there_is_no_manifest_yet(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one"))
    with pytest.raises(Killed):
        scene.pull(store=MortalStore(scene.store, 2, after=True))
    assert [key for key in scene.memory() if key.startswith("chains/")]
    assert repair(scene).outcome.removed == 2
    assert not [key for key in scene.memory() if key.startswith("chains/")]
    assert scene.pull().complete
    scene.check()


@pytest.mark.parametrize("broken", ["first", "middle", "last", "signature", "older"])
def test_nothing_is_removed_from_a_chain_that_does_not_verify(scene: Scene, broken: str) -> None:
    settled(scene)
    left = leave(scene)
    last = scene.chain().head().seq
    keys = [f"chains/{scene.chain().name}/manifests/{seq:08d}.manifest" for seq in range(1, last + 1)]
    match broken:
        case "first" | "middle" | "last":
            del scene.memory()[{"first": keys[0], "middle": keys[1], "last": keys[-1]}[broken]]
        case "signature":
            harm(scene, keys[1], lambda data: data.replace(b"\nseq 2\n", b"\nseq 3\n"))
        case "older":
            for key in keys[2:]:
                del scene.memory()[key]
    before = dict(scene.memory())
    done = repair(scene)
    assert done.found.broken
    assert not done.found.treatable
    assert scene.memory() == before
    assert set(left) <= set(before)


def test_a_chain_that_lost_its_end_along_with_the_pin_gives_itself_away(scene: Scene) -> None:
    settled(scene)
    name, last = scene.chain().name, scene.chain().head().seq
    scene.server.deliver("INBOX", mail("newest", size=300))
    scene.pull()
    assert scene.chain().head().seq == last + 1
    for seq in (last, last + 1):
        del scene.memory()[f"chains/{name}/manifests/{seq:08d}.manifest"]
    (scene.state / f"{name}.pin").unlink()
    before = dict(scene.memory())
    done = repair(scene)
    assert done.found.broken == []
    assert not done.found.treatable
    assert done.found.sweep.withheld
    assert scene.memory() == before


def test_a_chain_that_changes_between_plan_and_deed_loses_nothing(scene: Scene) -> None:
    settled(scene)
    leave(scene)

    class Hasty(MortalStore):
        """Commits a run of somebody else's in the moment before the first object is removed."""

        def delete(self, key: str) -> None:
            raise AssertionError("nothing may be removed")

        def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
            scene.server.deliver("INBOX", mail("meanwhile"))
            scene.pull()
            return iter(())

    with pytest.raises(Damaged) as changed:
        repair(scene, store=Hasty(scene.store, 0, after=False))
    assert "nothing was removed" in changed.value.text
    scene.check()


def test_leftovers_stay_where_somebody_is_writing_though_the_lock_is_held(scene: Scene) -> None:
    settled(scene)
    left = leave(scene)
    name, seq = scene.chain().name, scene.chain().head().seq

    class Shared(Mortal):
        """A store to which a machine that was cloned writes at the same time."""

        def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
            scene.memory()[f"chains/{name}/volumes/{seq + 1:08d}-02-{len(seen):08x}.mbox.zst.age"] = b"new"
            seen.append(prefix)
            return iter(())

    seen: list[str] = []
    with pytest.raises(Locked):
        repair(scene, store=Shared(scene.store, 0, after=False))
    assert len(seen) == 2
    assert set(left) <= set(scene.memory())


def test_a_damaged_index_is_told_and_keeps_nothing_else_from_its_repair(scene: Scene) -> None:
    settled(scene)
    index = next(one.key for one in scene.manifests()[1].objects if one.role == "index")
    left = leave(scene)
    harm(scene, index, flip(0.5))
    done = repair(scene)
    assert done.found.untreated
    assert done.outcome.removed == len(left)
    assert index in done.found.damaged[0].objects


# --- crashes, and a full disk ------------------------------------------------------------------------------


class Mortal(MortalStore):
    """A store whose process dies before, or after, its n-th change."""

    def delete(self, key: str) -> None:
        with self._lock:
            self._live()
            self.puts += 1
            self.dead = self.puts == self._nth
            if not self.dead or self._after:
                self._store.delete(key)
            self._live()

    def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        self._live()
        return self._store.unfinished(prefix)


def sick(folder: Path, layout: str) -> Scene:
    scene = Scene(folder, layout)
    settled(scene)
    leave(scene)
    for key in volumes(scene)[::2]:
        harm(scene, key, flip(0.5))
    return scene


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_repair_killed_at_any_change_is_made_good_by_the_next(
    layout: str, after: bool, tmp_path: Path
) -> None:
    healthy = Scene(tmp_path / "healthy", layout)
    settled(healthy)
    all_of_it, before = raws(healthy), state(healthy)
    scene = sick(tmp_path / "sick", layout)
    whole = scene.copy(tmp_path / "whole")
    store = Mortal(whole.store, 0, after=False)
    lost = {one.digest for one in repair(whole, store=store).outcome.lost}
    assert store.puts > 6
    for nth in range(1, store.puts + 1):
        dying = scene.copy(tmp_path / str(nth))
        with pytest.raises(Killed):
            repair(dying, store=Mortal(dying.store, nth, after=after))
        named = {one.key for run in dying.manifests() for one in run.objects}
        assert named <= set(dying.memory()), f"change {nth}: nothing named is removed"
        assert unlost(state(dying)) == before
        done = repair(dying)
        assert {one.digest for one in done.outcome.lost} | {e.digest for e in state(dying) if e.lost} == lost
        assert raws_but(dying, lost) == {
            digest: raw for digest, raw in all_of_it.items() if digest not in lost
        }
        assert unlost(state(dying)) == before
        archive = dying.open()
        archive.catch_up(dying.chain(archive), dying.catalog)
        assert dump(dying.rebuilt()) == dump(dying.catalog)
        assert_nothing_to_do(dying)
        assert not [one for one in dying.verify().findings if "belong to no run" in one.what]


class Full(MortalStore):
    """A store that is full from its n-th object on, until it is given room."""

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
        with self._lock:
            self.puts += 1
            if self.puts >= self._nth:
                raise StoreFull("no space is left")
        self._store.put(key, chunks, if_absent=if_absent)

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        return self._store.unfinished(prefix)


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_full_disk_ends_a_repair_and_the_next_goes_on(layout: str, nth: int, tmp_path: Path) -> None:
    scene = sick(tmp_path / "sick", layout)
    with pytest.raises(StoreFull):
        repair(scene, store=Full(scene.store, nth, after=False))
    named = {one.key for run in scene.manifests() for one in run.objects}
    assert named <= set(scene.memory())
    lost = {one.digest for one in repair(scene).outcome.lost}
    raws_but(scene, lost)
    assert_nothing_to_do(scene)
