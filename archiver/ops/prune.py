"""prune: take from a server what is proven to be archived.

`plan` looks and reads back, and changes nothing. `Removal` carries a plan out: the intent is committed before the
first removal; each message is looked at and decided again just before it goes; the outcome is committed after.
A run that is killed between leaves intents without outcome, which the next pull settles.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime

from msgspec import Struct, field, structs

from archiver.errors import ArchiverError, Damaged, FolderRefused, Interrupted, Unreachable
from archiver.events import FolderFailed, MessagePruned, MessageRead, RunCommitted, Warned
from archiver.formats.record import essence
from archiver.formats.stand_in import is_stand_in
from archiver.model import Entry, Folder, FolderState, Looked, Message, Removed
from archiver.plan.prune import Cut, Evidence, Policy, Proof, Why, last_of, why_kept, why_not_chosen
from archiver.ports import Catalog, Reader, Reporter, Run, Source

CHUNK = 1_000  # messages between a look and their removal: a removal lists its folder anew
DROPS = 3  # dropped lines in a row, without a message removed, before a folder is given up


class Pruning(Struct, frozen=True):
    """What a prune needs.

    `held` is the verified chain itself, replayed, not a cache of it; `times` tells when each of its runs was
    committed; `to` is the folder that messages are moved to, None to remove them for good. `named` are folders
    whose whole names were given; `records` says that items of a groupware server are archived.
    """

    account: str
    source: Source
    held: Catalog
    times: Mapping[int, datetime]
    reader: Reader
    policy: Policy
    takes: Callable[[Folder], bool]
    to: Folder | None
    reporter: Reporter
    stop: Callable[[], bool]
    named: Set[str] = frozenset()
    records: bool = False

    def check_stop(self) -> None:
        """Raise `Interrupted` where the user asked to stop."""
        if self.stop():
            raise Interrupted("stopped as asked", "what was removed is written down; run again to go on")


class FolderPlan(Struct):
    """What may be removed from a folder, and why the rest stays."""

    folder: Folder
    epoch: str
    evidence: Evidence
    policy: Policy
    held: int = 0
    missed: int = 0
    removable: list[Entry] = field(default_factory=list)
    kept: dict[Why, list[Entry]] = field(default_factory=dict)
    error: str | None = None

    @property
    def cut(self) -> Cut:
        """What the plan takes from the folder."""
        return Cut(self.folder.name, len(self.removable), self.held, self.evidence.looked.exists)

    def decide(self, entries: Sequence[Entry]) -> None:
        """Sort messages into those that may go and those that stay."""
        self.removable, self.kept = [], {}
        for entry in entries:
            why = why_kept(entry, self.policy, self.evidence)
            if why is None:
                self.removable.append(entry)
            else:
                self.kept.setdefault(why, []).append(entry)


def plan(work: Pruning) -> list[FolderPlan]:
    """Decide for every message of the account. Raises `Damaged` where a stored copy cannot be read back."""
    plans, entries = [], []
    for state in work.held.folders():
        if state.gone or not work.takes(state.folder):
            continue
        work.check_stop()
        here = list(work.held.entries(state.folder.name, vanished=False))
        plans.append(_look(work, state, here))
        entries.append(here)
    proofs = _read_back(work, [entry for one in plans for entry in one.removable])
    for one, here in zip(plans, entries, strict=True):
        one.evidence = structs.replace(one.evidence, proofs=proofs)
        fetched = _fetch(work, one, one.removable) if one.policy.refetch else None
        one.evidence = structs.replace(one.evidence, fetched=fetched)
        if one.error is None:
            one.decide(here)
    return plans


def _look(work: Pruning, state: FolderState, entries: Sequence[Entry]) -> FolderPlan:
    """Ask the server about the messages that the policy chooses, and leave those that a guard keeps."""
    policy = structs.replace(work.policy, items=state.folder.name in work.named)
    in_trash = work.to is not None and work.to.name == state.folder.name
    made = FolderPlan(
        folder=state.folder,
        epoch=state.epoch,
        evidence=Evidence(work.times, frozenset(), Looked(0, {}), in_trash=in_trash),
        policy=policy,
        held=len(entries),
        missed=state.missed,
    )
    # which are the last depends on which are there still, so all are looked at
    chosen = [
        one.ref.key for one in entries if policy.last or why_not_chosen(one, policy, frozenset()) is None
    ]
    if chosen:
        try:
            looked = work.source.look(state.folder, state.epoch, chosen)
        except FolderRefused as error:
            made.error = error.text
            work.reporter.report(FolderFailed(work.account, state.folder.name, error.text))
            return made
        last = last_of((one for one in entries if one.ref.key in looked.messages), policy.last)
        made.evidence = structs.replace(made.evidence, last=last, looked=looked)
        if not looked.dates:  # then content alone tells that a message is the one archived
            made.policy = structs.replace(policy, refetch=True)
    made.decide(entries)
    return made


def _read_back(work: Pruning, entries: Sequence[Entry]) -> dict[str, Proof]:
    """Read each stored copy; what is not the very bytes archived stops all."""
    proofs: dict[str, Proof] = {}
    broken: list[ArchiverError] = []
    for entry, found in work.reader.read_many({entry.digest: entry for entry in entries}.values()):
        work.check_stop()
        if not isinstance(found, bytes):
            broken.append(found)
            continue
        if hashlib.sha256(found).hexdigest() == entry.digest:
            proofs[entry.digest] = Proof(is_stand_in(found), essence(found) if work.records else None)
        work.reporter.report(MessageRead(entry.size))
    if broken:
        raise Damaged(
            f"{len(broken)} of {len(broken) + len(proofs)} messages cannot be read back, so nothing is removed:"
            f" {broken[0].text}",
            "see what is affected with: archiver verify --read; then mend it with: archiver repair",
        )
    return proofs


def _fetch(work: Pruning, one: FolderPlan, entries: Sequence[Entry]) -> dict[str, str]:
    """Fetch what is to go once more: key -> digest of what the server gives, or of what is archived if it is that."""
    found = {}
    archived = {entry.ref.key: entry.digest for entry in entries}
    proofs = one.evidence.proofs or {}
    remotes = [one.evidence.looked.messages[entry.ref.key] for entry in entries]
    for message in work.source.fetch(remotes) if remotes else ():
        work.check_stop()
        if isinstance(message, Message):
            key = message.remote.ref.key
            proof = proofs.get(archived.get(key, ""))
            same = proof is not None and proof.essence is not None and proof.essence == essence(message.raw)
            found[key] = archived[key] if same else hashlib.sha256(message.raw).hexdigest()
    return found


class FolderPruned(Struct):
    """What a prune did in one folder, and what it kept after all, with the reason."""

    folder: str
    removed: int = 0
    size: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)  # digest, reason
    refused: list[tuple[str, str]] = field(default_factory=list)  # the server did not remove it
    unknown: int = 0  # the line dropped, and the server could not be asked again: the next pull tells
    error: str | None = None


class Removal:
    """Carries plans out; `reports` grows folder by folder and tells what was done, however it ends."""

    def __init__(self, work: Pruning, run: Run, plans: Sequence[FolderPlan]) -> None:
        self._work = work
        self._run = run
        self._plans = [one for one in plans if one.removable]
        self.intent: int | None = None
        self.reports: list[FolderPruned] = []

    def __call__(self) -> list[FolderPruned]:
        """Remove. Raises what stops the account; what is known of the outcome is committed all the same."""
        if not self._plans:
            return []
        for one in self._plans:
            self.intent = self._run.intend(one.folder.name, one.epoch, [e.ref.key for e in one.removable])
        self._commit()
        waiting = list(self._plans)
        try:
            while waiting:
                self._folder(waiting.pop(0))
        finally:
            for one in waiting:
                self._note(one, [], [entry.ref.key for entry in one.removable])
            self._commit()
        return self.reports

    def _folder(self, one: FolderPlan) -> None:
        report = FolderPruned(one.folder.name)
        self.reports.append(report)
        removal = _FolderRemoval(self._work, one, report)
        try:
            removal.remove()
        except FolderRefused as error:
            report.error = error.text
            self._work.reporter.report(FolderFailed(self._work.account, one.folder.name, error.text))
        finally:
            self._note(one, removal.removed, removal.kept)
        self._commit()

    def _note(self, one: FolderPlan, removed: Sequence[str], kept: Sequence[str]) -> None:
        assert self.intent is not None
        for keys, is_removed in ((removed, True), (kept, False)):
            if keys:
                self._run.pruned(one.folder.name, one.epoch, keys, self.intent, removed=is_removed)

    def _commit(self) -> None:
        head = self._run.commit("prune")
        if head is not None:
            self._work.reporter.report(RunCommitted(self._work.account, head))


class _FolderRemoval:
    """Removes from one folder; afterwards `removed` and `kept` are the keys whose outcome is known."""

    def __init__(self, work: Pruning, plan: FolderPlan, report: FolderPruned) -> None:
        self._work = work
        self._plan = plan
        self._report = report
        self._waiting = {entry.ref.key: entry for entry in plan.removable}
        self._asked: set[str] = set()  # the server was told to remove these
        self.removed: list[str] = []
        self.kept: list[str] = []

    def remove(self) -> None:
        """Look, decide again, and remove, a chunk at a time."""
        drops = 0
        try:
            while self._waiting:
                self._work.check_stop()
                before = len(self._waiting)
                try:
                    self._chunk(list(self._waiting)[:CHUNK])
                except Unreachable as error:
                    drops = drops + 1 if len(self._waiting) == before else 1
                    if drops >= DROPS:
                        raise
                    text = f'folder "{self._plan.folder.name}" is looked at again: {error.text}'
                    self._work.reporter.report(Warned(text))
        finally:
            self._settle_rest()

    def _chunk(self, keys: Sequence[str]) -> None:
        """Remove what may still go; what a dropped line leaves in doubt waits for the next look."""
        plan, fetched = self._plan, self._plan.evidence.fetched
        if self._work.policy.refetch:  # before the look, which is to be the last word
            fetched = _fetch(self._work, plan, [self._waiting[key] for key in keys])
        going = []
        for key, why in self._look(keys, fetched).items():
            if why is None:
                going.append(key)
            elif why is Why.NOT_THERE and key in self._asked:
                self._take_out(key)
            else:
                self._keep(key, why.value)
        if not going:
            return
        self._asked.update(going)
        for answer in self._work.source.remove(plan.folder, plan.epoch, going, self._work.to):
            if answer.key not in self._waiting:
                continue
            if isinstance(answer, Removed):
                self._take_out(answer.key)
            else:
                self._refuse(answer.key, answer.reason)
        for key in going:
            if key in self._waiting:
                self._refuse(key, "the server did not answer for it")

    def _look(self, keys: Sequence[str], fetched: Mapping[str, str] | None = None) -> dict[str, Why | None]:
        plan, last = self._plan, self._plan.evidence.last
        looked = self._work.source.look(plan.folder, plan.epoch, [*keys, *last])
        taken = sum(key not in looked.messages for key in last)  # by others; the next ones take their place
        removed = set(self.removed) if taken else set()
        left = (entry for entry in plan.removable if entry.ref.key not in removed)
        evidence = structs.replace(
            plan.evidence, looked=looked, last=last | last_of(left, taken), fetched=fetched
        )
        return {key: why_kept(self._waiting[key], plan.policy, evidence) for key in keys}

    def _settle_rest(self) -> None:
        """Find out, where the run ends early, what became of that which was asked for."""
        doubtful = [key for key in self._waiting if key in self._asked]
        if doubtful:
            with suppress(ArchiverError):  # what ended the run is told; the next pull finds out the rest
                for key, why in self._look(doubtful).items():
                    if why is Why.NOT_THERE:
                        self._take_out(key)
                    else:
                        self._keep(key, "the run ended before it was removed")
        for key in [key for key in self._waiting if key not in self._asked]:
            self._keep(key, "the run ended before its turn")
        self._report.unknown = len(self._waiting)

    def _take_out(self, key: str) -> None:
        entry = self._waiting.pop(key)
        self.removed.append(key)
        self._report.removed += 1
        self._report.size += entry.size
        self._work.reporter.report(MessagePruned(self._plan.folder.name, entry.size))

    def _refuse(self, key: str, reason: str) -> None:
        self.kept.append(key)
        self._report.refused.append((self._waiting.pop(key).digest, reason))

    def _keep(self, key: str, reason: str) -> None:
        self.kept.append(key)
        self._report.kept.append((self._waiting.pop(key).digest, reason))
