"""pull, for one folder: take in what changed, fetch what is new, and balance the account.

The cursor is recorded last, so that the manifest which commits it commits every message before it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from archiver.errors import FolderRefused, Interrupted
from archiver.events import FolderScanned, MessageArchived, MessageMissed, RunCommitted
from archiver.formats.index import hash_message_id
from archiver.model import (
    Change,
    Cursor,
    Done,
    Entry,
    Flags,
    Folder,
    FolderState,
    Message,
    New,
    Ref,
    Reflagged,
    Remote,
    RunKind,
    Vanished,
)
from archiver.ops.pull_report import FolderReport
from archiver.plan.pull import (
    Balance,
    Candidate,
    Selection,
    affordable,
    confirmed,
    newest_first,
    rebinding_candidates,
)
from archiver.ports import Account, Allowance, Reporter, Run

BATCH = 5_000  # messages listed before their bytes are fetched
SLICE = 500  # messages between two looks at what may still be downloaded today: sizes are a server's word


class Work(Struct, frozen=True):
    """What every folder of a pull needs."""

    name: str
    account: Account
    run: Run
    selection: Selection
    reporter: Reporter
    stop: Callable[[], bool]
    dry: bool = False
    allowance: Allowance | None = None
    partial: bool = False  # the account shows some folders of many: what it does not show is not gone

    def check_stop(self) -> None:
        """Raise `Interrupted` where the user asked to stop."""
        if self.stop():
            raise Interrupted("stopped as asked", "run again to go on; what was pulled is committed")

    def commit(self, kind: RunKind) -> None:
        """Commit what is recorded, and tell."""
        head = self.run.commit(kind)
        if head is not None:
            self.reporter.report(RunCommitted(self.name, head))


class FolderPull:
    """Pulls one folder. `recognise` may be asked before `take`."""

    def __init__(self, work: Work, folder: Folder, report: FolderReport, *, full: bool = False) -> None:
        self._work = work
        self.folder = folder
        self._catalog = work.run.catalog
        self._state = work.run.catalog.folder(folder.name)
        self._full = full or self._state is None or self._state.cursor is None or self._state.gone
        self.report = report
        self._gathered: list[Change] | None = None
        self._rebindings: Sequence[Candidate] | None = None
        self._epoch: str | None = None
        self._opened = False
        self._new: list[Remote] = []
        self._missed: set[str] = set()
        self._flags_of_missed: dict[str, Flags] = {}  # as this listing tells them; the ledger's may be older
        self._held = self._excluded = self._gone = 0
        self._done: Done

    @property
    def listed_in_full(self) -> bool:
        """Whether the folder was listed from its first message on, and compared."""
        return self._full

    def recognise(self) -> bool:
        """Tell whether a message that is held is still there, under its key or by its fingerprint."""
        self._gathered = list(self._changes())
        state = self._state
        if state is None or not state.held:
            return False
        vanished = {one.ref.key for one in self._gathered if isinstance(one, Vanished)}
        if _epoch_of(self._gathered) == state.epoch:
            if any(isinstance(one, Done) and one.same_mailbox for one in self._gathered):
                return True
            return len(self._catalog.known_among(state.id, state.epoch, list(vanished))) < state.held
        new = [one.remote for one in self._gathered if isinstance(one, New)]
        self._rebindings = self._find_rebindings(state, new)
        return bool(self._rebindings)

    def shows(self, held: Iterable[tuple[Entry, str | None]]) -> bool:
        """Tell whether one of these messages is among the new ones that `recognise` found."""
        new = [one.remote for one in self._gathered or () if isinstance(one, New)]
        return bool(self._confirmed(rebinding_candidates(new, held)))

    @property
    def held_before(self) -> int:
        """How many messages of the folder were held when the run began."""
        return self._state.held if self._state else 0

    @property
    def new(self) -> int:
        """How many messages `recognise` found that are not held."""
        return sum(isinstance(change, New) for change in self._gathered or ())

    def take(self) -> Balance:
        """Take the folder in, all but its new cursor. Raises what stops the account."""
        reflagged: dict[Flags, list[str]] = {}
        vanished: list[str] = []
        done: Done | None = None
        for change in self._changes() if self._gathered is None else self._gathered:
            match change:
                case New(remote):
                    self._take_new(remote)
                case Reflagged(ref, flags):
                    self._begin(ref.epoch)
                    reflagged.setdefault(flags, []).append(ref.key)
                case Vanished(ref):
                    self._begin(ref.epoch)
                    vanished.append(ref.key)
                case Done():
                    done = change
        if done is None:
            raise FolderRefused(f'folder "{self.folder.name}" was not listed to its end', "run again")
        self._begin(done.cursor.epoch)
        self._take_vanished(self._settle_intents(vanished))
        for flags, keys in reflagged.items():
            self._reflag(keys, flags)
        self._new = self._drop_known(self._new)  # before the retry archives some of them
        self._retry_missed()
        self._fetch_new()
        self._done = done
        waiting = self.report.waiting
        return Balance(done.exists, self._held, len(self._missed), self._excluded, self._gone, waiting)

    def advance(self) -> None:
        """Record the folder's new cursor, now that everything before it is recorded."""
        state, done = self._state, self._done
        if self.report.waiting:
            self._work.run.folder(self.folder, done.cursor.epoch, token=None, exists=done.exists)
            return  # what waits is still to be pulled by a later run
        if self._work.selection.since is not None:
            return  # so is what the date excluded
        unchanged = (
            state is not None
            and not self._opened
            and (state.cursor, state.exists, state.folder) == (done.cursor, done.exists, self.folder)
        )
        if not unchanged:
            self._work.run.folder(self.folder, done.cursor.epoch, token=done.cursor.token, exists=done.exists)

    def _changes(self) -> Iterator[Change]:
        state = self._state
        since = None
        if state is not None:
            since = Cursor(state.epoch, "") if self._full or state.cursor is None else state.cursor
        return self._work.account.changes(self.folder, since, self._known)

    def _known(self) -> dict[str, Flags]:
        state = self._state
        if state is None:
            return {}
        missed = {row.key: row.flags for row in self._catalog.missed(state.id, state.epoch)}
        return {**missed, **self._catalog.known(state.id, state.epoch)}

    def _begin(self, epoch: str) -> None:
        """Take up what is known under this epoch, at the first word of it."""
        if self._epoch == epoch:
            return
        if self._epoch is not None:
            raise FolderRefused(f'folder "{self.folder.name}" changed its UIDVALIDITY meanwhile', "run again")
        self._epoch = epoch
        state = self._state
        if state is not None and state.epoch == epoch:
            self._held = len(self._catalog.known(state.id, epoch)) if state.gone else state.held
            if state.missed or state.gone:
                self._missed = {row.key for row in self._catalog.missed(state.id, epoch)}

    def _open(self) -> None:
        """Record the folder before its first row, where the chain does not know it as it is now."""
        state, epoch = self._state, self._epoch
        assert epoch is not None
        if not self._opened and (state is None or state.epoch != epoch or state.gone):
            self._work.run.folder(self.folder, epoch, token=None, exists=None)
            self._opened = True

    def _take_new(self, remote: Remote) -> None:
        self._begin(remote.ref.epoch)
        self._new.append(remote)
        rebinds = self._state is not None and self._state.epoch != remote.ref.epoch
        if len(self._new) >= BATCH and not rebinds and self._work.allowance is None:
            self._fetch_new()

    def _fetch_new(self) -> None:
        new, self._new = self._drop_known(self._new), []
        taken = [remote for remote in new if self._work.selection.takes(remote)]
        self._excluded += len(new) - len(taken)
        if not taken:
            return
        self._open()
        taken = self._rebind(taken)
        size = sum(remote.size or 0 for remote in taken)
        self._work.reporter.report(FolderScanned(self._work.name, self.folder.name, len(taken), size))
        self._fetch_affordable(taken)

    def _fetch_affordable(self, remotes: Sequence[Remote]) -> None:
        """Fetch as much as may be downloaded today, newest first; the rest waits."""
        allowance = self._work.allowance
        if allowance is None or self._work.dry:
            self._fetch(remotes)
            return
        waiting = newest_first(remotes)
        while waiting and (count := affordable(waiting[:SLICE], allowance.left(), allowance.limit)):
            now, waiting = waiting[:count], waiting[count:]
            self._fetch(now)
        self.report.waiting += len(waiting)
        self.report.waiting_size += sum(remote.size or 0 for remote in waiting)

    def _drop_known(self, new: list[Remote]) -> list[Remote]:
        """Leave out what is held: an interrupted run got further than the cursor tells."""
        state = self._state
        if state is None or state.epoch != self._epoch or not new:
            return new
        known = self._catalog.known_among(state.id, state.epoch, [remote.ref.key for remote in new])
        for remote in new:
            if remote.ref.key in self._missed:
                self._flags_of_missed[remote.ref.key] = remote.flags
            elif known.get(remote.ref.key, remote.flags) != remote.flags:
                self._reflag([remote.ref.key], remote.flags)
        return [
            remote for remote in new if remote.ref.key not in known and remote.ref.key not in self._missed
        ]

    def _rebind(self, new: list[Remote]) -> list[Remote]:
        """After a change of UIDVALIDITY, bind what is held without fetching it; give back the rest."""
        state = self._state
        if state is None or state.epoch == self._epoch:
            return new
        if self._rebindings is None:
            self._rebindings = self._find_rebindings(state, new)
        bound = {one.remote.ref.key: one for one in self._rebindings}
        for one in bound.values():
            self._work.run.bind(one.remote, one.entry, one.message_id)
        self._held += len(bound)
        self.report.rebound += len(bound)
        return [remote for remote in new if remote.ref.key not in bound]

    def _find_rebindings(self, state: FolderState, new: Sequence[Remote]) -> Sequence[Candidate]:
        return self._confirmed(rebinding_candidates(new, self._catalog.fingerprints(state.id)))

    def _confirmed(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Keep those whose Message-ID on the server is the one that is held."""
        if not candidates:
            return []
        found = self._work.account.message_ids([one.remote for one in candidates])
        return confirmed(candidates, {key: hash_message_id(value) for key, value in found.items()})

    def _fetch(self, remotes: Sequence[Remote], tries: dict[str, int] | None = None) -> None:
        run, name = self._work.run, self.folder.name
        if self._work.dry:
            self.report.new += len(remotes)
            self.report.size += sum(remote.size or 0 for remote in remotes)
            return
        for found in self._work.account.fetch(remotes):
            key = found.remote.ref.key
            if isinstance(found, Message):
                self._missed.discard(key)
                stored = run.add(found)
                size = len(found.raw)
                if self._work.allowance is not None:
                    self._work.allowance.spend(size)
                self._held += 1
                self.report.new += 1
                self.report.size += size
                self.report.stored += size if stored else 0
                self.report.held_already += not stored
                self._work.reporter.report(MessageArchived(self._work.name, name, size, stored))
            elif found.gone:
                self._gone += 1
                if key in self._missed:
                    self._missed.discard(key)
                    run.vanish(name, found.remote.ref.epoch, [key])
            else:
                self._missed.add(key)
                run.miss(found, (tries or {}).get(key, 0) + 1)
                self._work.reporter.report(MessageMissed(self._work.name, name, key, found.reason))
            self._work.check_stop()
            if run.due:
                self._work.commit("checkpoint")

    def _retry_missed(self) -> None:
        state = self._state
        if state is None or not self._missed or self._epoch is None:
            return
        rows = [row for row in self._catalog.missed(state.id, self._epoch) if row.key in self._missed]
        refs = [Ref(self.folder.name, self._epoch, row.key) for row in rows]
        remotes = [
            Remote(ref, row.size, self._flags_of_missed.get(row.key, row.flags), row.received, row.kind)
            for ref, row in zip(refs, rows, strict=True)
        ]
        allowance = self._work.allowance
        if remotes and (allowance is None or allowance.left() > 0):
            self._fetch(remotes, {row.key: row.tries for row in rows})

    def _settle_intents(self, vanished: list[str]) -> list[str]:
        """Write down what became of a prune that was cut short; gives what vanished without it."""
        state, epoch = self._state, self._epoch
        intended = self._catalog.intended(state.id, epoch) if state is not None and epoch is not None else {}
        if not intended or epoch is None:
            return vanished
        self._open()
        outcome: dict[tuple[int, bool], list[str]] = {}
        gone = set(vanished)
        for key, run in intended.items():
            outcome.setdefault((run, key in gone), []).append(key)
        for (run, removed), keys in outcome.items():
            self._work.run.pruned(self.folder.name, epoch, keys, run, removed=removed)
            self._held -= len(keys) if removed else 0
        return [key for key in vanished if key not in intended]

    def _take_vanished(self, keys: list[str]) -> None:
        state, epoch = self._state, self._epoch
        if not keys or state is None or epoch is None:
            return
        held = self._catalog.known_among(state.id, epoch, keys)
        ended = [key for key in keys if key in held or key in self._missed]
        self._held -= len(held)
        self._missed.difference_update(ended)
        self.report.vanished += len(ended)
        if ended:
            self._open()
            self._work.run.vanish(self.folder.name, epoch, ended)

    def _reflag(self, keys: Sequence[str], flags: Flags) -> None:
        assert self._epoch is not None
        self._flags_of_missed.update((key, flags) for key in keys if key in self._missed)
        changed = self._changed_by(keys, flags)
        if changed:
            self._open()
            self.report.reflagged += len(changed)
            self._work.run.reflag(self.folder.name, self._epoch, changed, flags)

    def _changed_by(self, keys: Sequence[str], flags: Flags) -> Sequence[str]:
        """Leave out those recorded with these flags already: an earlier run that kept its cursor told them."""
        state = self._state
        if state is None or state.epoch != self._epoch:
            return keys
        known = dict(self._catalog.known_among(state.id, state.epoch, keys))
        if self._missed:
            known.update((row.key, row.flags) for row in self._catalog.missed(state.id, state.epoch))
        return [key for key in keys if known.get(key, flags) != flags]


def _epoch_of(changes: Sequence[Change]) -> str | None:
    """Find the epoch that a full set of changes is told under: its Done names it."""
    return next((change.cursor.epoch for change in changes if isinstance(change, Done)), None)
