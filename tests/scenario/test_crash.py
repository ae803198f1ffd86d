"""The crash law: a pull that dies anywhere loses nothing, doubles nothing, damages nothing; the next goes on."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.archive import packing, writer
from archiver.archive.chain import Chain
from archiver.archive.machine import Machine
from archiver.archive.sealing import COMPRESSIONS, Compression, Compressions
from archiver.catalog.sqlite import SqliteCatalog
from archiver.errors import Damaged, ObjectExists, RolledBack
from archiver.model import EMPTY_HEAD, Head
from archiver.rows import AnyRow, FolderRow, MessageRow
from tests.mortal import Killed, MortalStore
from tests.scene import LAYOUTS, Scene, SceneAccount, mail


@pytest.fixture(autouse=True)
def small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_SIZE", 600)
    monkeypatch.setattr(writer, "CHECKPOINT_OBJECTS", 3)
    monkeypatch.setattr(packing, "VOLUME_SIZE", 1000)
    monkeypatch.setitem(COMPRESSIONS, "default", Compressions(Compression(600), Compression(2000)))


def first_pull(scene: Scene) -> None:
    """A server for a first pull: two folders, copies, a message that cannot be had."""
    scene.server.create("Work")
    for number in range(6):
        at = datetime(2024, 1, 1 + number, tzinfo=UTC)
        scene.server.deliver("INBOX", mail(f"in {number}", size=300), received=at)
    scene.server.spoil("INBOX", "4", "server bug")
    scene.server.deliver("Work", mail("in 2", size=300))
    scene.server.deliver("Work", mail("in 5", size=300))
    scene.server.deliver("Work", b"")


def later_pull(scene: Scene) -> None:
    """A server for a later pull: renumbered, more mail, some gone, a folder gone, flags, the lost one found."""
    first_pull(scene)
    scene.server.create("Old")
    scene.server.deliver("Old", mail("old"))
    for number in range(3):
        scene.server.deliver("Work", mail(f"kept {number}"))
    scene.pull()
    scene.server.heal("INBOX", "4")
    scene.server.flag("INBOX", "2", ["\\Seen"])
    scene.server.expunge("INBOX", "1")
    scene.server.renumber("INBOX")
    scene.server.flag("Work", "4", ["\\Flagged"])
    scene.server.expunge("Work", "5")
    scene.server.delete("Old")
    for number in range(4):
        scene.server.deliver("Work", mail(f"more {number}", size=500))
        scene.server.deliver("INBOX", mail(f"many {number}", size=500))


SITUATIONS: dict[str, Callable[[Scene], None]] = {"first": first_pull, "later": later_pull}


def puts_of_a_whole_pull(folder: Path, layout: str, situation: Callable[[Scene], None]) -> int:
    scene = Scene(folder, layout)
    situation(scene)
    store = MortalStore(scene.store, 0, after=False)
    before = len(scene.manifests())
    scene.pull(store=store)
    assert len(scene.manifests()) - before >= 3, "a pull of several checkpoints"
    return store.puts


def assert_recovers(scene: Scene) -> None:
    """The next run, on the machine as it is, makes all good."""
    lost = dict(scene.memory())
    for name in ("INBOX", "Work"):
        for one in scene.server.folders()[name].messages.values():
            one.trouble = None
    scene.server.deliver("Work", mail("after the crash"))
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    assert scene.flags() == {
        (name, str(uid)): one.flags
        for name, folder in scene.server.folders().items()
        for uid, one in folder.messages.items()
    }
    assert {key: scene.memory()[key] for key in lost} == lost, "nothing is overwritten or removed"
    scene.check()
    assert {finding.severity for finding in scene.verify().findings} <= {"note"}
    scene.check_no_op()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pull_killed_at_any_put_is_made_good_by_the_next(
    layout: str, situation: str, after: bool, tmp_path: Path
) -> None:
    whole = puts_of_a_whole_pull(tmp_path / "whole", layout, SITUATIONS[situation])
    for nth in range(1, whole + 1):
        scene = Scene(tmp_path / str(nth), layout)
        SITUATIONS[situation](scene)
        held = scene.read()
        store = MortalStore(scene.store, nth, after=after)
        with pytest.raises(Killed):
            scene.pull(store=store)
        assert scene.damage() == [], f"put {nth}"
        archive = scene.open()
        archive.catch_up(scene.chain(archive), scene.catalog)
        found = scene.read()
        assert all(found[ref] == raw for ref, raw in held.items())
        cursors_cover_messages(scene)
        assert_recovers(scene)


def cursors_cover_messages(scene: Scene) -> None:
    """No cursor stands in an earlier run than a message it covers: replayed to any run, the two agree."""
    archive = scene.open(unlock=True)
    held: dict[tuple[int, str], set[int]] = {}
    missed: dict[tuple[int, str], set[int]] = {}
    for manifest in scene.manifests():
        for row in archive.index(manifest)[1]:
            if isinstance(row, MessageRow):
                held.setdefault((row.folder, row.epoch), set()).add(int(row.key))
            elif type(row).__name__ in ("MissedRow", "VanishedRow"):
                keys = getattr(row, "keys", None) or (row.key,)  # type: ignore[union-attr]
                missed.setdefault((row.folder, row.epoch), set()).update(map(int, keys))  # type: ignore[arg-type, union-attr]
        for row in archive.index(manifest)[1]:
            if isinstance(row, FolderRow) and row.token:
                uidnext = int(row.token.split()[0])
                known = held.get((row.id, row.epoch), set()) | missed.get((row.id, row.epoch), set())
                folder = scene.server.folders().get(row.name)
                if folder is not None and str(folder.epoch) == row.epoch:
                    assert {uid for uid in folder.messages if uid < uidnext} <= known


def dies(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, nth: int, *, after: bool) -> None:
    """Make the n-th call of a method the last thing that the process does."""
    kept = getattr(owner, name)
    calls = 0

    def call(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == nth and not after:
            raise Killed
        result = kept(*args)
        if calls == nth:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [(Machine, "pin_chain", False), (Machine, "pin_chain", True), (SqliteCatalog, "apply", True)],
    ids=["between manifest and pin", "between pin and catalog", "behind the catalog"],
)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_pull_killed_behind_a_commit_is_made_good_by_the_next(
    scene: Scene, nth: int, owner: type, name: str, after: bool
) -> None:
    first_pull(scene)
    with pytest.MonkeyPatch.context() as patch:
        dies(patch, owner, name, nth, after=after)
        with pytest.raises(Killed):
            scene.pull()
    assert scene.chain().head().seq == nth, "its own manifest is adopted"
    scene.pull()
    assert len([ref for ref in scene.account.fetched if ref.folder == "INBOX"]) <= 6 + 2 + nth
    assert_recovers(scene)


def test_a_lost_catalog_is_made_anew(scene: Scene) -> None:
    first_pull(scene)
    scene.pull()
    scene.forget_catalog()
    scene.account.fetched.clear()
    assert not scene.pull().complete
    assert [ref.key for ref in scene.account.fetched] == ["4"], "only what was missed is asked for again"
    assert_recovers(scene)


def test_a_lost_pin_is_made_anew_from_the_chain(scene: Scene) -> None:
    first_pull(scene)
    scene.pull()
    pin = scene.state / f"{scene.chain().name}.pin"
    before = pin.read_text()
    pin.unlink()
    archive = scene.open()
    archive.catch_up(scene.chain(archive), scene.catalog)
    assert pin.read_text() == before, "also where the catalog is at the head already"
    assert_recovers(scene)


def test_a_lost_note_of_the_chain_is_found_in_the_archive(scene: Scene) -> None:
    first_pull(scene)
    scene.pull()
    name = scene.chain().name
    (scene.state / "post.chain").unlink()
    scene.forget_catalog()
    assert scene.open().chain_of("post") == name
    assert_recovers(scene)


def test_another_machines_chain_is_never_taken_for_its_own(scene: Scene, tmp_path: Path) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    other = Machine(tmp_path / "other")
    archive = type(scene.open()).open(scene.store, other)
    archive.unlock(scene.owner.line)  # the owner's key opens every index, and is no writer's
    archive.add_writer("other", scene.clock)
    assert archive.chain_of("post") != scene.chain().name


def test_a_manifest_that_is_there_already_stops_the_run(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    archive = scene.open()
    chain = scene.chain(archive)
    other = SqliteCatalog()
    archive.catch_up(chain, other)
    scene.server.deliver("INBOX", mail("two"))
    scene.pull()
    before = dict(scene.memory())
    with archive.begin(writer.ChainOwner("post", "fake"), chain, other, "default", scene.clock) as run:
        run.folder(SceneAccount(scene.server).folders()[0], "1", token=None, exists=None)
        with pytest.raises(ObjectExists):
            run.commit()
    assert {key: scene.memory()[key] for key in before} == before
    scene.check()


def test_a_catalog_of_another_history_is_made_anew(scene: Scene) -> None:
    first_pull(scene)
    scene.pull()
    head = scene.catalog.head()
    for other in (Head(head.seq, "f" * 64), Head(head.seq + 5, "f" * 64)):
        scene.catalog.reset()
        scene.catalog.apply(other, [FolderRow(1, "Elsewhere", "1")])
        archive = scene.open()
        assert archive.catch_up(scene.chain(archive), scene.catalog) == head
        assert scene.catalog.folder("Elsewhere") is None
    assert_recovers(scene)


def test_a_reset_of_the_catalog_is_whole_or_not_at_all(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first_pull(scene)
    scene.pull()

    def rows() -> Iterator[AnyRow]:
        yield FolderRow(9, "Half", "1")
        raise Killed

    head = scene.catalog.head()
    with pytest.raises(Killed):
        scene.catalog.apply(Head(head.seq + 1, "0" * 64), rows())
    assert scene.catalog.head() == head
    assert scene.catalog.folder("Half") is None


class CorruptingStore(MortalStore):
    """Writes one object other than it was given, and says nothing."""

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
        data = bytearray(b"".join(chunks))
        self.puts += not if_absent
        if self.puts == self._nth and not if_absent:
            data[-1] ^= 1
        self._store.put(key, [bytes(data)], if_absent=if_absent)


def test_what_reads_back_other_than_it_was_written_is_never_committed(scene: Scene) -> None:
    first_pull(scene)
    for nth in range(1, 4):
        scene.server.deliver("Work", mail(f"one more {nth}"))
        manifests = scene.chain().numbers()
        with pytest.raises(Damaged) as damaged:
            scene.pull(store=CorruptingStore(scene.store, nth, after=False))
        assert "reads back other than it was written" in damaged.value.text
        assert scene.chain().numbers()[: len(manifests)] == manifests
        assert scene.damage() == []
    assert_recovers(scene)


def test_the_manifest_is_written_behind_every_object_it_names(scene: Scene) -> None:
    first_pull(scene)
    order: list[tuple[str, bool]] = []

    class Watching(MortalStore):
        def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
            super().put(key, chunks, if_absent=if_absent)
            order.append((key, if_absent))

    scene.pull(store=Watching(scene.store, 0, after=False))
    written = [key for key, _ in order]
    commits = [key for key, if_absent in order if if_absent]
    manifests = scene.manifests()
    assert commits == [key for key in written if key.endswith(".manifest")]
    assert len(commits) == len(manifests)
    for manifest, commit in zip(manifests, commits, strict=True):
        at = written.index(commit)
        assert all(written.index(one.key) < at for one in manifest.objects)


def test_the_pin_comes_before_the_catalog(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for owner, name in ((Machine, "pin_chain"), (SqliteCatalog, "apply"), (Chain, "commit")):
        kept = getattr(owner, name)

        def call(
            *args: object, kept: Callable[..., object] = kept, name: str = name, **more: object
        ) -> object:
            result = kept(*args, **more)
            order.append(name)
            return result

        monkeypatch.setattr(owner, name, call)
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    assert order == ["commit", "pin_chain", "apply"]


def test_a_chain_that_lost_its_last_run_is_refused(scene: Scene) -> None:
    first_pull(scene)
    scene.pull()
    head = scene.chain().head()
    assert head != EMPTY_HEAD
    del scene.memory()[f"chains/{scene.chain().name}/manifests/{head.seq:08d}.manifest"]
    with pytest.raises(RolledBack):
        scene.pull()
