"""A server and an archive in one place, for scenarios: pull, look at both, and hold the archive to its laws."""

import copy
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.archive.archive import Archive, Founding, create
from archiver.archive.chain import Chain
from archiver.archive.machine import Machine
from archiver.archive.writer import ChainOwner
from archiver.catalog.readings import SqliteReadings
from archiver.catalog.several import SeveralCatalogs
from archiver.catalog.sqlite import SqliteCatalog
from archiver.errors import Unreachable
from archiver.events import Event
from archiver.model import (
    Entry,
    Finding,
    Folder,
    Manifest,
    Message,
    Missed,
    Ref,
    Remote,
    Secret,
)
from archiver.ops.prune import FolderPlan, FolderPruned, Pruning, Removal, plan
from archiver.ops.pull import Pull
from archiver.ops.pull_folder import Work
from archiver.ops.pull_report import FolderReport, PullReport
from archiver.ops.restore import Restore
from archiver.ops.restoring import FolderRestored, Restoring
from archiver.ops.verify import VerifyReport, verify, verify_messages
from archiver.plan.prune import Policy, Why
from archiver.plan.pull import Selection
from archiver.plan.restore import before_prune, once
from archiver.ports import Account, Allowance, Reporter, Source, Store, Target
from archiver.rows import AnyRow, MessageRow, VolumeRow
from archiver.stores.memory import MemoryStore

PASSPHRASE = Secret("correct horse battery staple")
ARCHIVE = "3f0c7b1e9a5d4c02b8e61d7f90a2c344"
START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
OWNER = ChainOwner("post", "fake")
LAYOUTS = ("mbox", "maildir")
T = TypeVar("T")


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


def mail(subject: str, body: str = "", *, message_id: str | None = None, size: int = 0) -> bytes:
    """Write a small message; `size` fills it up with text that does not compress to nothing."""
    filling = "".join(f"line {number} of {subject}, {number * 7919}\r\n" for number in range(size // 24))
    identity = f"Message-ID: <{message_id or subject}@example.org>\r\n"
    return f"From: a@example.org\r\nSubject: {subject}\r\n{identity}\r\n{body}\r\n{filling}".encode()


class SceneAccount(FakeAccount):
    """The account of a scene: it remembers what was fetched."""

    def __init__(self, mailbox: FakeMailbox) -> None:
        super().__init__(mailbox)
        self.mailbox = mailbox
        self.fetched: list[Ref] = []

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """See `Account.fetch`."""
        for found in super().fetch(remotes):
            self.fetched.append(found.remote.ref)
            yield found


@dataclass
class Pruned:
    """A plan, and what came of it."""

    plans: list[FolderPlan]
    reports: list[FolderPruned]
    run: int | None = None

    @property
    def removable(self) -> set[tuple[str, str]]:
        return {(one.folder.name, entry.ref.key) for one in self.plans for entry in one.removable}

    @property
    def kept(self) -> dict[tuple[str, str], Why]:
        return {
            (one.folder.name, entry.ref.key): why
            for one in self.plans
            for why, entries in one.kept.items()
            for entry in entries
        }


class Scene:
    """One server, one archive, one machine. Every `pull` opens all anew, as a program that is run again."""

    def __init__(self, state: Path, layout: str = "mbox", store: Store | None = None) -> None:
        self.server = FakeMailbox()
        self.store: Store = MemoryStore() if store is None else store
        self.state = state
        self.layout = layout
        self.catalog = SqliteCatalog()
        self.told = Told()
        self.account = SceneAccount(self.server)
        self._time = START
        founding = Founding(ARCHIVE, layout, "machine", START, log_n=10)
        _, self.owner = create(self.store, Machine(state), founding, PASSPHRASE)

    def clock(self) -> datetime:
        self._time += timedelta(minutes=1)
        return self._time

    def copy(self, state: Path) -> "Scene":
        """The same again, to be changed without the other."""
        shutil.copytree(self.state, state)
        other = Scene.__new__(Scene)
        other.__dict__.update(self.__dict__)
        other.state = state
        other.server = copy.deepcopy(self.server)
        other.account = SceneAccount(other.server)
        store = MemoryStore()
        store.objects = dict(self.memory())
        other.store = store
        other.catalog = other.rebuilt()
        return other

    # --- opening --------------------------------------------------------------------------------------

    def open(self, store: Store | None = None, *, unlock: bool = False) -> Archive:
        archive = Archive.open(store or self.store, Machine(self.state))
        if unlock:
            archive.unlock(self.owner.line)
        return archive

    def chain(self, archive: Archive | None = None) -> Chain:
        archive = archive or self.open()
        return archive.chain(archive.chain_of(OWNER.account))

    @property
    def readings(self) -> SqliteReadings:
        return SqliteReadings(self.state.with_name(f"{self.state.name}.readings"))

    def wait(self, days: int) -> None:
        """Let time pass."""
        self._time += timedelta(days=days)

    def forget_catalog(self) -> None:
        self.catalog = SqliteCatalog()

    def memory(self) -> dict[str, bytes]:
        """The objects, for tests that damage them."""
        assert isinstance(self.store, MemoryStore)
        return self.store.objects

    # --- the verb -------------------------------------------------------------------------------------

    def pull(
        self,
        *,
        account: Account | None = None,
        store: Store | None = None,
        selection: Selection | None = None,
        stop: Callable[[], bool] = lambda: False,
        dry: bool = False,
        accept: bool = False,
        allowance: Allowance | None = None,
    ) -> PullReport:
        archive = self.open(store)
        chain = self.chain(archive)
        archive.catch_up(chain, self.catalog)
        self.told = Told()
        with archive.begin(OWNER, chain, self.catalog, "default", self.clock) as run:
            work = Work(
                name=OWNER.account,
                account=account or self.account,
                run=run,
                selection=selection or Selection(),
                reporter=self.told,
                stop=stop,
                dry=dry,
                allowance=allowance,
            )
            return Pull(work, accept_other_mailbox=accept)()

    def prune(
        self,
        policy: Policy = Policy(),  # noqa: B008 -- frozen
        *,
        account: Source | None = None,
        store: Store | None = None,
        to: str | None = "Trash",
        selection: Selection | None = None,
        stop: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = lambda: None,
        dry: bool = False,
        named: Set[str] = frozenset(),
        records: bool = False,
    ) -> "Pruned":
        """Plan, and carry the plan out; `between` is what happens while the user thinks it over."""
        archive = self.open(store, unlock=True)
        chain = self.chain(archive)
        held = SqliteCatalog()
        times = archive.replay_verified(chain, held)
        archive.catch_up(chain, self.catalog)
        self.told = Told()
        work = Pruning(
            account=OWNER.account,
            source=account or self.account,
            held=held,
            times=times,
            reader=archive.reader(held),
            policy=policy,
            takes=(selection or Selection()).takes_folder,
            to=Folder(to) if to else None,
            reporter=self.told,
            stop=stop,
            named=named,
            records=records,
        )
        self.pruned = Pruned(plan(work), [])
        if dry:
            return self.pruned
        between()
        with archive.begin(OWNER, chain, self.catalog, "default", self.clock) as run:
            removal = Removal(work, run, self.pruned.plans)
            self.pruned.reports = removal.reports
            removal()
            self.pruned.run = removal.intent
        return self.pruned

    def restore(
        self,
        *,
        account: Target | None = None,
        store: Store | None = None,
        to: str = OWNER.account,
        into: str | None = None,
        vanished: bool = False,
        until: int | None = None,
        pruned: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        dry: bool = False,
        ledger: bool = True,
        records: bool = False,
    ) -> list[FolderRestored] | None:
        """Restore; None where the run `pruned` removed nothing. What the target does not take is in `left_out`."""
        archive = self.open(store, unlock=True)
        chain = self.chain(archive)
        archive.catch_up(chain, self.catalog)
        then = self.catalog
        if pruned is not None:
            until = pruned - 1
        if until is not None:
            then = SqliteCatalog()
            archive.replay(chain, then, until)
        catalogs, now = SeveralCatalogs([then]), SeveralCatalogs([self.catalog])
        entries: list[Entry] | None = once(then.entries(), vanished=vanished)
        if pruned is not None:
            entries = before_prune(entries or [], now.entries(), pruned)
        if entries is None:
            return None
        same = to == OWNER.account
        self.told = Told()
        with archive.begin(OWNER, chain, self.catalog, "default", self.clock) as run:
            work = Restoring(
                account=to,
                target=account or self.account,
                reader=archive.reader(catalogs),
                ledger=partial(now.ledger, to, same=same),
                run=run if ledger and not dry else None,
                reporter=self.told,
                stop=stop,
                same=same,
                into=into,
                dry=dry,
                records=records,
            )
            restore = Restore(work)
            reports = restore(entries, catalogs.folders())
            self.left_out = restore.left_out
            return reports

    # --- what the archive holds -----------------------------------------------------------------------

    def entries(self, catalog: SqliteCatalog | None = None) -> list[Entry]:
        return list((catalog or self.catalog).entries())

    def read(self) -> dict[Ref, bytes]:
        """Read every message; fails for one that cannot be read."""
        found: dict[Ref, bytes] = {}
        for entry, raw in self.open(unlock=True).reader(self.catalog).read_many(self.entries()):
            assert isinstance(raw, bytes), raw
            assert entry.ref not in found
            found[entry.ref] = raw
        return found

    def here(self) -> dict[tuple[str, str], bytes]:
        """Read what the server still has: (folder, key) -> raw."""
        gone = {entry.ref for entry in self.entries() if entry.vanished}
        return {(ref.folder, ref.key): raw for ref, raw in self.read().items() if ref not in gone}

    def on_server(self) -> dict[tuple[str, str], bytes]:
        return {
            (name, str(uid)): one.raw
            for name, folder in self.server.folders().items()
            for uid, one in folder.messages.items()
        }

    def flags(self) -> dict[tuple[str, str], frozenset[str]]:
        return {(one.ref.folder, one.ref.key): one.flags for one in self.entries() if not one.vanished}

    def rows(self) -> list[AnyRow]:
        """All rows of all runs, in order."""
        archive = self.open(unlock=True)
        return [row for manifest in self.manifests() for row in archive.index(manifest)[1]]

    def manifests(self) -> list[Manifest]:
        return [manifest for manifest, _ in self.chain().runs()]

    def verify(
        self, *, messages: bool = False, share: float = 1.0, reporter: Reporter | None = None
    ) -> VerifyReport:
        """Audit the chain, all of it or a share; with `messages`, read each one too."""
        archive = self.open(unlock=True)
        audit = archive.audit(self.chain(archive))
        report = verify(audit, reporter or Told(), self.readings, self._time, share=share)
        if messages:
            verify_messages(report, self.catalog, archive.reader(self.catalog), Told())
        return report

    def damage(self) -> list[Finding]:
        return [one for one in self.verify().findings if one.severity == "damage"]

    # --- its laws -------------------------------------------------------------------------------------

    def check(self) -> None:
        """Hold the archive to its laws: sound, nothing twice, every message readable, catalog = archive."""
        assert self.damage() == []
        rows = self.rows()
        messages = [row for row in rows if isinstance(row, MessageRow)]
        refs = Counter((row.folder, row.epoch, row.key) for row in messages)
        assert [ref for ref, times in refs.items() if times > 1] == []
        places = {(row.sha256, row.volume, row.offset, row.length) for row in messages}
        assert len(places) == len({row.sha256 for row in messages}), "a message is stored twice"
        volumes = [row for row in rows if isinstance(row, VolumeRow)]
        named = [one.key for run in self.manifests() for one in run.objects if one.role == "volume"]
        assert sorted(row.key for row in volumes) == sorted(named)
        told = sum(frame.size for row in volumes for frame in row.frames)
        assert told == sum(length for *_, length in places), "a volume holds what no row names"
        self.read()
        assert dump(self.rebuilt()) == dump(self.catalog)

    def rebuilt(self) -> SqliteCatalog:
        """Make the catalog anew, from the archive alone."""
        catalog = SqliteCatalog()
        archive = self.open()
        archive.catch_up(self.chain(archive), catalog)
        return catalog

    def check_no_op(self) -> None:
        """Pull again: nothing may happen."""
        before = set(self.store.keys())
        head = self.chain().head()
        report = self.pull()
        assert report.head == head
        assert set(self.store.keys()) == before


def dump(catalog: SqliteCatalog) -> object:
    """Everything that a catalog knows."""
    states = catalog.folders()
    return (
        catalog.head(),
        catalog.header(),
        states,
        [(entry, catalog.volume(entry.place.volume)) for entry in catalog.entries()],
        [sorted(catalog.missed(state.id, state.epoch), key=lambda row: row.key) for state in states],
        [list(catalog.fingerprints(state.id)) for state in states],
    )


def by_name(report: PullReport) -> dict[str, FolderReport]:
    return {folder.folder: folder for folder in report.folders}


def in_the_end(do: Callable[[], object], runs: int = 20) -> None:
    """Do something, and again where the server could not be reached or did not give all, as a schedule does."""
    for _ in range(runs):
        with suppress(Unreachable):
            if getattr(do(), "complete", True):
                return
    raise AssertionError(f"it was not done in {runs} runs")
