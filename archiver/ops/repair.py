"""repair: make good what verify finds, as far as that can be done from the archive itself and from the server.

First a chain is examined, which changes nothing; what was found is the plan. Carrying it out removes no object
that a manifest names and changes none: messages get another copy, in a run of kind `repair`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from msgspec import Struct

from archiver.errors import ArchiverError, Damaged, FolderRefused, Interrupted, Locked, StoreFailed
from archiver.events import MessageRead, ObjectChecked, RunCommitted, Warned
from archiver.formats.manifest import seq_of
from archiver.formats.object_key import run_of
from archiver.model import EMPTY_HEAD, Entry, Finding, Head, Message, Missed, Ref, Remote
from archiver.plan.repair import (
    Leftover,
    Mend,
    Stored,
    Sweep,
    Way,
    find_doubts,
    of_way,
    plan_mends,
    plan_sweep,
)
from archiver.ports import Account, Audit, Catalog, Reader, Reporter, Run, Store


class Patient(Struct, frozen=True):
    """One chain to be repaired. `catalog` is filled from its indexes; None where they cannot be read.

    `own` says that this machine writes it, and holds its lock: no other chain is changed.
    """

    chain: str
    account: str | None
    own: bool
    store: Store
    audit: Callable[[], Audit]
    catalog: Catalog | None
    reporter: Reporter
    asks_server: bool = False


class Diagnosis(Struct):
    """What is wrong with a chain, and what is going to be done about it."""

    head: Head
    broken: list[Finding] = []  # the chain itself: nothing can be repaired from it
    damaged: list[Finding] = []  # objects that something depends on, or may depend on
    spare: list[Finding] = []  # objects that no message depends on: each has another copy
    sweep: Sweep = Sweep()
    mends: list[Mend] = []
    untreated: bool = False  # some of `damaged` can do harm, and nothing is done about it here
    missed: int = 0
    catalog: str | None = None  # what is wrong with the local catalog, which is made anew

    @property
    def treatable(self) -> bool:
        """Whether there is something to be done."""
        known = [
            mend for mend in self.mends if mend.way is Way.LOST and all(one.lost for one in mend.entries)
        ]
        return bool(self.sweep.remove or self.catalog or len(self.mends) > len(known))


def examine(patient: Patient, reader: Callable[[], Reader]) -> Diagnosis:
    """Look for all that is wrong with a chain. `reader` is called where messages are in doubt."""
    audit = patient.audit()
    found = Diagnosis(EMPTY_HEAD, broken=list(audit.manifests()))
    found.head = audit.head
    roles = {one.key: one.role for run in audit.runs for one in run.objects}
    findings: list[Finding] = []
    for one in audit.objects(lambda _: not found.broken):
        if isinstance(one, ObjectChecked):
            patient.reporter.report(one)
        else:
            findings.append(one)
    found.damaged = [one for one in findings if one.severity == "damage"]
    if found.broken:
        return found
    found.sweep = plan_sweep(_leftovers(patient, _notes(findings)), audit.head.seq)
    if patient.catalog is None:
        found.untreated = bool(found.damaged)
        return found
    found.missed = sum(state.missed for state in patient.catalog.folders())
    bad = {key for one in found.damaged for key in one.objects if roles[key] == "volume"}
    doubts = find_doubts(patient.catalog.entries(), bad)
    needed = {entry.place.volume for doubt in doubts for entry in doubt.entries} | (roles.keys() - bad)
    found.spare = [one for one in found.damaged if needed.isdisjoint(one.objects)]
    found.damaged = [one for one in found.damaged if not needed.isdisjoint(one.objects)]
    foreign_or_index = [one for one in found.damaged if not patient.own or not bad.issuperset(one.objects)]
    found.untreated = bool(foreign_or_index)
    if doubts and patient.own:
        readable = _readable(reader(), [source for doubt in doubts for source in doubt.sources], patient)
        found.mends = plan_mends(doubts, bad, readable, server=patient.asks_server)
    return found


def _notes(findings: Sequence[Finding]) -> list[str]:
    return [key for one in findings if one.severity == "note" for key in one.objects]


def _leftovers(patient: Patient, unnamed: Sequence[str]) -> list[Leftover]:
    prefix = f"chains/{patient.chain}/"
    found = [Leftover(key, run_of(patient.chain, key)) for key in unnamed]
    manifests = patient.store.keys(f"{prefix}manifests/")
    found += [Leftover(key, None) for key in manifests if seq_of(key) is None]
    for path, key in patient.store.unfinished(prefix):
        found.append(Leftover(path, run_of(patient.chain, key), unfinished=True))
    return found


def _readable(reader: Reader, sources: Sequence[Entry], patient: Patient) -> set[Stored]:
    readable = set()
    for entry, found in reader.read_many(sources):
        if isinstance(found, bytes):
            readable.add((entry.digest, entry.place))
            patient.reporter.report(MessageRead(entry.size))
    return readable


_GONE = "it cannot be read, and the server had it no more when it was last pulled"


class Loss(Struct, frozen=True):
    """A message that cannot be had from anywhere: the entries of it in one folder, and why."""

    folder: str
    digest: str
    reason: str


class Outcome(Struct):
    """What a repair did in one chain."""

    head: Head
    removed: int = 0
    copied: int = 0
    salvaged: int = 0
    fetched: int = 0
    lost: list[Loss] = []


class Tools(Struct, frozen=True):
    """What carrying out a plan needs."""

    reader: Callable[[], Reader]
    run: Callable[[], AbstractContextManager[Run]]
    server: Callable[[], AbstractContextManager[Account]]
    stop: Callable[[], bool]


class Repair:
    """Carries out what `examine` found in one own chain; call it once."""

    def __init__(self, patient: Patient, found: Diagnosis, tools: Tools) -> None:
        self._patient = patient
        self._found = found
        self._tools = tools
        self.outcome = Outcome(found.head)

    def __call__(self) -> Outcome:
        """Do it. Raises what stops it; what was committed until then stays."""
        self._sweep()
        if self._found.mends:
            with self._tools.run() as run:
                try:
                    self._mend(run)
                except (StoreFailed, Damaged):
                    raise  # nothing more may be written
                except ArchiverError:
                    self._commit(run)
                    raise
                self._commit(run)
        return self.outcome

    def _sweep(self) -> None:
        """Remove leftovers, if the chain is still sound, still the same, and nobody has written to it since."""
        sweep, patient = self._found.sweep, self._patient
        if not sweep.remove:
            return
        audit = patient.audit()
        if list(audit.manifests()) or audit.head != self._found.head:
            raise Damaged(
                f"chain {patient.chain} has changed since it was examined: nothing was removed",
                "run again: archiver repair",
            )
        unnamed = [one for one in audit.objects(lambda _: False) if isinstance(one, Finding)]
        now = {one.path for one in _leftovers(patient, _notes(unnamed))}
        if now - {*(one.path for one in sweep.remove), *sweep.strangers}:
            raise Locked(
                f"something is writing to chain {patient.chain}: nothing was removed",
                "is another machine at work with a copy of this machine's state? Let one of them have it",
            )
        for leftover in sweep.remove:
            if leftover.path in now:
                patient.store.delete(leftover.path)
                self.outcome.removed += 1

    def _mend(self, run: Run) -> None:
        at_hand = of_way(self._found.mends, Way.COPY, Way.SALVAGE)
        again = of_way(self._found.mends, Way.FETCH)
        by_source = {(mend.digest, mend.source.place): mend for mend in at_hand}
        if at_hand:
            for entry, found in self._tools.reader().read_many([mend.source for mend in at_hand]):
                mend = by_source[entry.digest, entry.place]
                if not isinstance(found, bytes):  # it was read when the plan was made
                    again.append(mend)
                elif mend.way is Way.COPY:
                    run.renew(mend.entries, found, entry.place)
                    self.outcome.copied += 1
                else:
                    run.renew(mend.entries, found)
                    self.outcome.salvaged += 1
                self._go_on(run, mend)
            self._commit(run)
        if again:
            self._fetch(run, again)
        asks = self._patient.asks_server
        for mend in of_way(self._found.mends, Way.LOST):
            self._lose(
                run, mend, _GONE if asks else "it cannot be read, and its account is not configured here"
            )

    def _fetch(self, run: Run, mends: Sequence[Mend]) -> None:
        """Ask the server for messages, under one ref after another as long as one is left."""
        waiting = {mend.digest: [one for one in mend.entries if not one.vanished] for mend in mends}
        reasons = dict.fromkeys(waiting, _GONE)
        by_digest = {mend.digest: mend for mend in mends}
        if self._patient.asks_server and any(waiting.values()):
            with self._tools.server() as account:
                while asked := {digest: refs.pop(0) for digest, refs in waiting.items() if refs}:
                    for digest, found in self._ask(account, asked):
                        if isinstance(found, str):
                            reasons[digest] = found
                            continue
                        run.renew(by_digest[digest].entries, found)
                        self.outcome.fetched += 1
                        del waiting[digest]
                        self._go_on(run, by_digest[digest])
        for digest in waiting:
            self._lose(run, by_digest[digest], reasons[digest])

    def _ask(self, account: Account, asked: Mapping[str, Entry]) -> Iterator[tuple[str, bytes | str]]:
        """Give for each digest the message, or why the server does not have it."""
        groups: dict[tuple[str, str], dict[Ref, Entry]] = {}
        for entry in asked.values():
            groups.setdefault((entry.ref.folder, entry.ref.epoch), {})[entry.ref] = entry
        for entries in groups.values():
            try:
                for found in account.fetch([_remote(entry) for entry in entries.values()]):
                    entry = entries.pop(found.remote.ref)
                    yield entry.digest, self._judge(entry, found)
            except FolderRefused as error:
                for entry in entries.values():
                    yield entry.digest, f"it cannot be read, and {error.text}"

    def _judge(self, entry: Entry, found: Message | Missed) -> bytes | str:
        """Take what the server gave only where it is, to the byte, what was archived."""
        if isinstance(found, Missed):
            return f"it cannot be read, and the server does not give it: {found.reason}"
        if hashlib.sha256(found.raw).hexdigest() == entry.digest:
            return found.raw
        where = f'folder "{entry.ref.folder}", key {entry.ref.key}'
        text = f"{where}: the server has other bytes there than were archived; nothing was overwritten"
        self._patient.reporter.report(Warned(text))
        return "it cannot be read, and the server has other bytes in its place now, which were not taken"

    def _go_on(self, run: Run, done: Mend) -> None:
        self._patient.reporter.report(MessageRead(done.source.size))
        if run.due:
            self._commit(run)
        if self._tools.stop():
            raise Interrupted("interrupted", "run again to go on; what was committed is safe")

    def _commit(self, run: Run) -> None:
        head = run.commit("repair")
        if head is not None:
            self.outcome.head = head
            if self._patient.account:
                self._patient.reporter.report(RunCommitted(self._patient.account, head))

    def _lose(self, run: Run, mend: Mend, reason: str) -> None:
        """Write down once that a message is lost, so that nothing new is pointed to its damaged copy."""
        run.lose([entry for entry in mend.entries if not entry.lost])
        folders = dict.fromkeys(entry.ref.folder for entry in mend.entries)
        self.outcome.lost += [Loss(folder, mend.digest, reason) for folder in folders]


def _remote(entry: Entry) -> Remote:
    return Remote(entry.ref, entry.named_size, entry.flags, entry.received, entry.kind)
