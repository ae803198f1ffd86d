"""A mailbox that lives, pulls that die anywhere, and a model that remembers all that was ever seen."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import archiver.archive.machine
from archiver.errors import OtherMailbox, Unreachable
from tests.scenario.test_crash import Killed, MortalStore
from tests.scene import LAYOUTS, Scene, mail

FOLDERS = ("INBOX", "Work", "Old")
folders = st.sampled_from(FOLDERS)
numbers = st.integers(0, 50)
flags = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "$Work"]))


class PullMachine(RuleBasedStateMachine):
    """What a completed pull has seen is readable for ever, once for each ref; what is here is as the server has it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.seen: dict[tuple[str, str, str], bytes] = {}
        self.delivered = 0
        self.committed = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(layout=st.sampled_from(LAYOUTS), has_modseq=st.booleans())
    def begin(self, layout: str, has_modseq: bool) -> None:
        self.scene = Scene(Path(self.folder.name) / "state", layout)
        self.scene.server.has_modseq = has_modseq
        for name in FOLDERS[1:]:
            self.scene.server.create(name)

    def some(self, folder: str, number: int) -> str | None:
        kept = self.scene.server.folders().get(folder)
        keys = sorted(kept.messages) if kept else []
        return str(keys[number % len(keys)]) if keys else None

    # --- the server lives -----------------------------------------------------------------------------

    @rule(folder=folders, same=st.booleans(), dated=st.booleans(), flags=flags)
    def deliver(self, folder: str, same: bool, dated: bool, flags: frozenset[str]) -> None:
        self.delivered += 1
        number = self.delivered % 3 if same else self.delivered
        at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=number if dated else 0)
        if folder in self.scene.server.folders():
            self.scene.server.deliver(folder, mail(f"number {number:04}"), received=at, flags=flags)

    @rule(folder=folders, number=numbers, flags=flags)
    def flag(self, folder: str, number: int, flags: frozenset[str]) -> None:
        if key := self.some(folder, number):
            self.scene.server.flag(folder, key, flags)

    @rule(folder=folders, number=numbers)
    def expunge(self, folder: str, number: int) -> None:
        if key := self.some(folder, number):
            self.scene.server.expunge(folder, key)

    @rule(folder=folders, number=numbers, to=folders)
    def move(self, folder: str, number: int, to: str) -> None:
        if folder != to and to in self.scene.server.folders() and (key := self.some(folder, number)):
            self.scene.server.move(folder, key, to)

    @rule(folder=folders, number=numbers, heal=st.booleans())
    def spoil(self, folder: str, number: int, heal: bool) -> None:
        if key := self.some(folder, number):
            if heal:
                self.scene.server.heal(folder, key)
            else:
                self.scene.server.spoil(folder, key, "server bug")

    @rule(folder=folders)
    def renumber(self, folder: str) -> None:
        if folder in self.scene.server.folders():
            self.scene.server.renumber(folder)

    @rule()
    def remove_or_make_a_folder(self) -> None:
        if "Old" in self.scene.server.folders():
            self.scene.server.delete("Old")
        else:
            self.scene.server.create("Old")

    # --- the archive follows --------------------------------------------------------------------------

    @rule()
    def pull(self) -> None:
        report = self.scene.pull(accept=True)
        for name, folder in self.scene.server.folders().items():
            for uid, one in folder.messages.items():
                if one.trouble is None:
                    self.seen[name, str(folder.epoch), str(uid)] = one.raw
        spoilt = sum(
            one.trouble is not None
            for folder in self.scene.server.folders().values()
            for one in folder.messages.values()
        )
        balances = [folder.balance for folder in report.folders]
        assert all(balance is not None and balance.unexplained == 0 for balance in balances)
        assert report.complete or spoilt
        self.compare()
        self.committed = report.head.seq

    def compare(self) -> None:
        server, scene = self.scene.server, self.scene
        held = {(ref, key): raw for (ref, key), raw in scene.here().items()}
        for name, folder in server.folders().items():
            for uid, one in folder.messages.items():
                if one.trouble is None:
                    assert held[name, str(uid)] == one.raw
                    assert scene.flags()[name, str(uid)] == one.flags
        assert set(held) <= set(scene.on_server())

    @rule(nth=st.integers(1, 6), after=st.booleans())
    def pull_and_die(self, nth: int, after: bool) -> None:
        try:
            self.scene.pull(store=MortalStore(self.scene.store, nth, after=after), accept=True)
        except Killed:
            pass

    @rule(
        step=st.sampled_from(["changes", "change", "fetch", "message", "message_ids"]), nth=st.integers(1, 5)
    )
    def pull_over_a_line_that_drops(self, step: str, nth: int) -> None:
        self.scene.server.fail(step, nth, Unreachable("the line dropped"))
        try:
            self.scene.pull(accept=True)
        except Unreachable:
            pass
        self.scene.server._faults.clear()

    @rule()
    def pull_without_a_word_of_what_is_accepted(self) -> None:
        before = self.scene.chain().head()
        try:
            self.scene.pull()
        except OtherMailbox:
            assert self.scene.chain().head() == before

    @rule()
    def lose_the_catalog(self) -> None:
        self.scene.forget_catalog()
        archive = self.scene.open()
        archive.catch_up(self.scene.chain(archive), self.scene.catalog)

    @precondition(lambda self: self.committed)
    @rule()
    def hold_to_the_laws(self) -> None:
        archive = self.scene.open()
        archive.catch_up(self.scene.chain(archive), self.scene.catalog)
        self.scene.check()

    @invariant()
    def what_was_seen_is_kept(self) -> None:
        if not hasattr(self, "scene") or not self.seen:
            return
        archive = self.scene.open()
        archive.catch_up(self.scene.chain(archive), self.scene.catalog)
        refs = [(e.ref.folder, e.ref.epoch, e.ref.key) for e in self.scene.entries()]
        assert len(refs) == len(set(refs))
        assert set(self.seen) <= set(refs)

    @precondition(lambda self: self.seen)
    @rule()
    def read_all_that_was_seen(self) -> None:
        found = {(ref.folder, ref.epoch, ref.key): raw for ref, raw in self.scene.read().items()}
        assert {ref: found[ref] for ref in self.seen} == self.seen


def _without_waiting(machine: type[PullMachine]) -> type[PullMachine]:
    """Durability is the store contract's concern: nothing here waits for a disk."""
    kept = archiver.archive.machine.os.fsync

    class Quick(machine):  # type: ignore[valid-type,misc]
        def __init__(self) -> None:
            archiver.archive.machine.os.fsync = lambda descriptor: None
            super().__init__()

        def teardown(self) -> None:
            archiver.archive.machine.os.fsync = kept
            super().teardown()

    return Quick


TestPullMachine = _without_waiting(PullMachine).TestCase
TestPullMachine.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
