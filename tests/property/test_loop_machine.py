"""Pull, prune, restore, pull: round and round, on a server that lives, dying anywhere; and a model that remembers.

ARCHIVER_STEPS=20000 takes so many steps instead of a few, and tells with -s how often each was taken.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from archiver.archive import writer
from archiver.errors import OtherMailbox, Unreachable
from archiver.ops import prune as prune_module
from archiver.ops import restoring
from archiver.plan.prune import Policy
from archiver.rows import PrunedRow
from tests.mortal import Both, Killed, MortalAccount, MortalStore
from tests.property.loop_model import Asked, Model, ref_of
from tests.property.mailboxes import Box, InMemory, OnDovecot, Ref, Sight
from tests.require import require
from tests.scene import LAYOUTS, Scene, mail
from tests.servers.dovecot import Dovecot

FOLDERS = ("INBOX", "Work", "Old", "Trash")
START = datetime(2024, 1, 1, tzinfo=UTC)
ROUND = 30  # steps of one life of a mailbox

OF_RESTORE = ("changes", "fetch", "message", "message_ids", "make_folder", "append", "sent", "appended")

folders = st.sampled_from(("INBOX", "INBOX", "INBOX", "Work", "Work", *FOLDERS))  # so that one gets crowded
numbers = st.integers(0, 50)
flags = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "\\Draft", "$Work"]))
read = st.one_of(*[st.just(frozenset({"\\Seen"}))] * 3, flags)


@dataclass(frozen=True)
class Fall:
    """How a run ends: at the n-th step of a kind, before or after it; killed, or the line drops, once or for good."""

    step: str
    nth: int
    after: bool
    killed: bool
    away: bool


def falls(*steps: str) -> st.SearchStrategy[Fall | None]:
    """Fall in half of the runs; at a write to the store as often as at all the steps of the account."""
    fall = st.builds(
        Fall,
        step=st.sampled_from((*("put",) * len(steps), *steps)),
        nth=st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6]),
        after=st.booleans(),
        killed=st.booleans(),
        away=st.booleans(),
    )
    return st.one_of(st.none(), fall)


policies = st.builds(
    Policy,
    before=st.one_of(st.none(), st.none(), st.integers(1, 12).map(lambda n: START + timedelta(hours=n))),
    larger=st.sampled_from([None, None, None, None, 100, 200]),
    last=st.sampled_from([0, 0, 1, 2]),
    flagged=st.booleans(),
    drafts=st.booleans(),
    unread=st.sampled_from([True, True, False]),
    refetch=st.booleans(),
)


@dataclass(frozen=True)
class Deed:
    """What another client does to some message of a folder, or to the folder."""

    verb: str
    folder: str
    number: int
    to: str
    flags: frozenset[str]


VERBS = (
    *("deliver",) * 6,
    "expunge",
    "flag",
    "flag",
    "expunge",
    "move",
    "move",
    "spoil",
    "renumber",
    "make_or_delete",
    "rename",
)
deeds = st.builds(Deed, st.sampled_from(VERBS), folders, numbers, folders, read)
deliveries = st.builds(Deed, st.just("deliver"), folders, numbers, folders, read)


class Loop(RuleBasedStateMachine):
    """One mailbox and its archive; `check` after each step of archiver's holds both against the model."""

    boxes: Callable[[bool], Box]
    steps: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda descriptor: None)  # durability is the store contract's concern
        self.patch.setattr(prune_module, "CHUNK", 2)
        self.patch.setattr(restoring, "LEDGER_EVERY", 3)
        self.patch.setattr(writer, "CHECKPOINT_OBJECTS", 3)
        self.state = tempfile.TemporaryDirectory()
        self.delivered = 0
        self.model = Model()
        self.box: Box | None = None

    def teardown(self) -> None:
        try:
            if self.box is not None:
                self.laws()
        finally:
            if self.box is not None:
                self.box.close()
            self.patch.undo()
            self.state.cleanup()

    @initialize(
        layout=st.sampled_from(LAYOUTS),
        has_modseq=st.booleans(),
        first=st.lists(deliveries, min_size=1, max_size=12),
    )
    def begin(self, layout: str, has_modseq: bool, first: list[Deed]) -> None:
        self.scene = Scene(Path(self.state.name) / "state", layout)
        self.box = type(self).boxes(has_modseq)
        for name in FOLDERS[1:]:
            self.box.create(name)
        self.live(first)
        self.pull(None)

    @property
    def here(self) -> Box:
        assert self.box is not None
        return self.box

    def did(self, what: str) -> None:
        type(self).steps[what] += 1

    # --- the server lives -----------------------------------------------------------------------------

    @rule(deeds=st.lists(deeds, min_size=1, max_size=4))
    def live(self, deeds: list[Deed]) -> None:
        """Do what mail servers and other clients do."""
        self.did("others work")
        for deed in deeds:
            self.did(f"  {deed.verb}")
            getattr(self, deed.verb)(deed)
        self.model.see(self.here.look())
        self.model.settled = False

    def some(self, deed: Deed) -> Ref | None:
        there = sorted(self.here.look().of(deed.folder))
        return there[deed.number % len(there)] if there else None

    def deliver(self, deed: Deed) -> None:
        """Own content; own content of one size and second with others; without Message-ID too; or a copy."""
        self.delivered += 1
        kind = ("own", "twin", "same", "same", "bare")[deed.number % 5]
        number = self.delivered % 2 if kind == "same" else self.delivered
        raw = mail(f"number {number:04}", size=(number % 3) * 100 if kind == "own" else 0)
        if kind == "bare":
            raw = b"Subject: bare\r\n\r\nnumber %04d\r\n" % (number % 4)
        hours = 0 if kind == "twin" else deed.number % 12
        if deed.folder in self.here.look().epochs:
            self.here.deliver(deed.folder, raw, deed.flags, START + timedelta(hours=hours))

    def flag(self, deed: Deed) -> None:
        if ref := self.some(deed):
            self.here.flag(ref[0], ref[2], deed.flags)

    def expunge(self, deed: Deed) -> None:
        if ref := self.some(deed):
            self.here.expunge(ref[0], ref[2])

    def move(self, deed: Deed) -> None:
        if deed.folder != deed.to and deed.to in self.here.look().epochs and (ref := self.some(deed)):
            self.here.move(ref[0], ref[2], deed.to)

    def spoil(self, deed: Deed) -> None:
        if ref := self.some(deed):
            self.here.spoil(ref[0], ref[2], heal=deed.number % 3 > 0)

    def renumber(self, deed: Deed) -> None:
        if deed.folder in self.here.look().epochs:
            self.here.renumber(deed.folder)

    def make_or_delete(self, deed: Deed) -> None:
        if deed.folder not in self.here.look().epochs:
            self.here.create(deed.folder)
        elif deed.folder != "INBOX":
            self.here.delete(deed.folder)

    def rename(self, deed: Deed) -> None:
        epochs = self.here.look().epochs
        if deed.folder in epochs and deed.to not in epochs and deed.folder != "INBOX":
            self.here.rename(deed.folder, deed.to)

    # --- archiver works -------------------------------------------------------------------------------

    @contextmanager
    def running(self, verb: str, fall: Fall | None) -> Iterator[tuple[Both, MortalStore, list[bool]]]:
        """Run a program that may fall; the list holds True where it came to its end."""
        of_store = fall is not None and fall.step == "put"
        nth = fall.nth if fall is not None and of_store else 0
        store = MortalStore(self.scene.store, nth, after=fall is not None and fall.after)
        account = self.here.account()
        if fall is not None and not of_store:
            error: BaseException = Killed() if fall.killed else Unreachable("the line dropped")
            account = MortalAccount(
                account, store, error, step=fall.step, nth=fall.nth, after=fall.after, away=fall.away
            )
        came_through: list[bool] = []
        how = ""
        try:
            yield account, store, came_through
        except Killed:
            how = " killed"
        except Unreachable:
            how = " cut off"
        finally:
            account.close()
        assert bool(came_through) == (not how)
        if came_through and isinstance(account, MortalAccount) and account.fallen:
            how = " over a line that dropped"
        self.did(verb + how)
        if how:
            self.here.settle()

    def before(self) -> tuple[Sight, set[bytes]]:
        sight = self.here.look()
        self.model.see(sight)
        return sight, self.model.contents()

    def after(self, there: set[bytes]) -> Sight:
        """Look at both sides after a run: nothing is gone, and what is new in the archive is as it was sent."""
        sight = self.here.look()
        self.model.see(sight)
        archive = self.scene.open(unlock=True)
        archive.catch_up(self.scene.chain(archive), self.scene.catalog)
        entries = self.scene.entries()
        new = self.model.take_stock(entries, self.scene.catalog.head().seq)
        for entry, raw in archive.reader(self.scene.catalog).read_many(new):
            assert raw == self.model.seen[ref_of(entry)]
        assert there <= self.model.contents(), "a message is gone from both sides"
        return sight

    @rule(
        fall=falls("folders", "changes", "change", "fetch", "message", "message_ids"),
        again=st.sampled_from(["", "", "again", "laws", "anew"]),
        accept=st.sampled_from([True, True, True, False]),
    )
    def pull(self, fall: Fall | None, again: str = "", accept: bool = True) -> None:
        """Pull; and `again`: nothing is left to do; or hold all to the laws; or lose the catalog before."""
        if again == "anew":
            self.did("the catalog is lost")
            self.scene.forget_catalog()
        before, there = self.before()
        head = self.scene.chain().head()
        self.model.begin_pull()
        report = None
        with self.running("pull", fall) as (account, store, done):
            try:
                report = self.scene.pull(account=account, store=store, accept=accept)
            except OtherMailbox:
                assert not accept
                assert self.scene.chain().head() == head
                self.did("another mailbox")
            done.append(True)
        after = self.after(there)
        assert after == before
        if report is None or any(folder.error for folder in report.folders):
            self.model.certain = self.model.settled = False
            return
        assert all(folder.balance is not None and not folder.balance.unexplained for folder in report.folders)
        assert report.complete or self.model.spoilt()
        self.compare(after)
        self.model.pulled(after, sum(folder.vanished for folder in report.folders))
        if again == "laws":
            self.laws()
        if again == "again":
            self.did("pull again")
            keys = set(self.scene.store.keys())
            account = self.here.account()
            assert self.scene.pull(account=account).head == report.head or self.model.spoilt()
            account.close()
            assert set(self.scene.store.keys()) == keys or self.model.spoilt()

    def compare(self, sight: Sight) -> None:
        """Check that the archive shows as there what is there, as it is there."""
        shown = {ref_of(one): one.flags for one in self.scene.entries() if not one.vanished}
        assert set(shown) <= set(sight.messages)
        for ref, kept in sight.messages.items():
            assert shown.get(ref) == kept.flags or kept.spoilt, f"{ref}: {kept}, shown {shown.get(ref)}"
        for state in self.scene.catalog.folders():
            if not state.gone:
                assert not self.scene.catalog.intended(state.id, state.epoch)

    @precondition(lambda self: self.model.archived)
    @rule(
        first=st.booleans(),
        policy=policies,
        trash=st.booleans(),
        grace=st.booleans(),
        number=numbers,
        meanwhile=st.lists(deeds, max_size=2),
        fall=falls("look", "remove", "removed", "removed"),
    )
    def prune(
        self,
        first: bool,
        policy: Policy,
        trash: bool,
        grace: bool,
        number: int,
        meanwhile: list[Deed],
        fall: Fall | None,
    ) -> None:
        if first:
            self.pull(None)
        _, there = self.before()
        asked = Asked(policy, "Trash" if trash else None, None)
        manifests = self.scene.manifests()
        if grace:
            runs = sorted({*self.model.archived.values()})
            asked.settled = runs[number % len(runs)]
            policy = Policy(
                **{name: getattr(policy, name) for name in Policy.__struct_fields__ if name != "settled"},
                settled=manifests[asked.settled - 1].time,
            )
        fresh = self.model.settled and not meanwhile and fall is None
        bounds = self.model.bounds()
        sights: list[Sight] = []

        def between() -> None:
            if meanwhile:
                self.live(meanwhile)
            sight, contents = self.before()
            sights.append(sight)
            there.intersection_update(contents)  # what a client expunged before it was archived
            there.update(contents)

        with self.running("prune", fall) as (account, store, done):
            self.scene.prune(policy, account=account, store=store, to=asked.to, between=between)
            done.append(True)
        before = sights[0] if sights else self.model.last
        after = self.after(there)
        run = self.intent(len(manifests))
        gone = self.model.pruned(before, after, asked, run, bounds)
        self.did("message pruned" if gone else "nothing pruned")
        if done:
            assert sum(one.removed for one in self.scene.pruned.reports) >= len(gone)
            assert self.scene.pruned.run == run
        if fresh:
            due = {ref for ref in before.messages if self.model.may_go(ref, before, asked, surely=True)}
            assert due <= gone, f"not pruned: {due - gone}"

    def intent(self, known: int) -> int | None:
        """Find the run that a prune wrote its intents to, if it came to that."""
        archive = self.scene.open(unlock=True)
        for manifest in self.scene.manifests()[known:]:
            if any(
                isinstance(row, PrunedRow) and row.state == "intent" for row in archive.index(manifest)[1]
            ):
                return manifest.seq
        return None

    @precondition(lambda self: self.model.prunes)
    @rule(number=numbers, fall=falls(*OF_RESTORE), again=st.booleans())
    def restore_a_prune(self, number: int, fall: Fall | None, again: bool) -> None:
        runs = sorted(self.model.prunes)
        run = runs[number % len(runs)]
        bounds = self.model.prunes[run]
        before, there = self.before()
        reports = None
        with self.running("restore --pruned", fall) as (account, store, done):
            reports = self.scene.restore(account=account, store=store, pruned=run)
            done.append(True)
        after = self.after(there)
        if done and reports is None:
            assert not bounds.removed, f"run {run} removed what cannot be put back"
            assert after == before
            return
        self.model.restored(before, after, bounds.low, bounds.high, whole=bool(done))
        self.did("message restored" if after != before else "nothing restored")
        if again and done and not self.model.spoilt():
            self.restore_a_prune_again(run)

    def restore_a_prune_again(self, run: int) -> None:
        before, there = self.before()
        account = self.here.account()
        self.scene.restore(account=account, pruned=run)
        account.close()
        assert self.after(there) == before, "a second restore does more"

    @precondition(lambda self: self.model.archived)
    @rule(fall=falls(*OF_RESTORE))
    def restore(self, fall: Fall | None) -> None:
        low = self.model.believed() if self.model.certain else Counter()
        before, there = self.before()
        with self.running("restore", fall) as (account, store, done):
            self.scene.restore(account=account, store=store)
            done.append(True)
        after = self.after(there)
        self.model.restored(before, after, low, self.model.most(), whole=bool(done))

    def laws(self) -> None:
        """Audit the archive, read every message, and go through the journal of prunes."""
        archive = self.scene.open(unlock=True)
        archive.catch_up(self.scene.chain(archive), self.scene.catalog)
        if not self.model.archived:
            return
        self.scene.check()
        names = {state.id: state.folder.name for state in self.scene.catalog.folders()}
        rows = [(run.seq, row) for run in self.scene.manifests() for row in archive.index(run)[1]]
        self.model.check_rows(rows, names)


def run_loop(boxes: Callable[[bool], Box], rounds: int) -> None:
    """Live so many lives of ROUND steps, or the steps that the environment asks for; tell how often each was taken."""
    asked = int(os.environ.get("ARCHIVER_STEPS", "0"))
    counted: Counter[str] = Counter()
    machine = type("Loop", (Loop,), {"boxes": staticmethod(boxes), "steps": counted})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=max(1, asked // ROUND) if asked else rounds,
                stateful_step_count=ROUND,
                phases=[Phase.generate] if asked else list(Phase),  # a long run tells what it found as it is
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        for what, times in sorted(counted.items()):
            print(f"{times:8,} {what}")


@pytest.mark.timeout(0)
def test_in_memory_nothing_is_ever_lost_doubled_or_pruned_wrongly() -> None:
    run_loop(lambda has_modseq: InMemory(has_modseq=has_modseq), rounds=12)


@pytest.mark.timeout(0)
def test_on_dovecot_nothing_is_ever_lost_doubled_or_pruned_wrongly() -> None:
    require("dovecot")
    names = (f"user{number}" for number in count())
    with Dovecot([f"user{number}" for number in range(20_000)]) as server:
        run_loop(lambda has_modseq: OnDovecot(server, next(names)), rounds=3)
