"""restore: put archived mail onto a server, with its flags and dates, nothing twice.

What the target has already is known by this tool's own ledger, by Message-ID and size, and, in doubt, by
content. So a restore that was cut short goes on, and one that is done does nothing.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from archiver.errors import ArchiverError, FolderRefused, Interrupted
from archiver.events import FolderScanned, MessageRestored, RunCommitted, Warned
from archiver.formats.message import message_id
from archiver.model import Appended, Done, Entry, Folder, Message, New, Outgoing, Refused, Remote
from archiver.plan.restore import Doubt, target_name, wanted
from archiver.ports import Account, CanAppend, Reader, Reporter, Run

LEDGER_EVERY = 2_000  # messages between two commits of the ledger


class Target(Account, CanAppend, Protocol):
    """An account that takes mail."""


class FolderRestored(Struct):
    """What a restore did in one folder of the target."""

    source: str
    target: str
    appended: int = 0
    size: int = 0
    there: int = 0
    altered: int = 0
    refused: int = 0
    unreadable: int = 0
    error: str | None = None


class Restoring(Struct, frozen=True):
    """What a restore needs. Without `run` (a machine that may not write) no ledger is kept."""

    account: str
    target: Target
    reader: Reader
    ledger: Callable[[str, str], Mapping[str, str]]  # folder, epoch there -> what was put there before
    run: Run | None
    reporter: Reporter
    stop: Callable[[], bool]
    into: str | None = None
    dry: bool = False


def restore(work: Restoring, entries: Iterable[Entry], sources: Sequence[Folder]) -> list[FolderRestored]:
    """Put entries into the target's folders; what a folder refuses never stops the next."""
    by_folder: dict[str, list[Entry]] = {}
    for entry in entries:
        by_folder.setdefault(entry.ref.folder, []).append(entry)
    present = list(work.target.folders())
    home = work.target.home()
    reports = []
    for source in sources:
        if source.name not in by_folder:
            continue
        name = target_name(source, sources, present, home=home, into=work.into)
        report = FolderRestored(source.name, name)
        reports.append(report)
        try:
            _FolderRestore(work, report, present).restore(by_folder[source.name])
        except FolderRefused as error:
            report.error = error.text
            work.reporter.report(Warned(f'folder "{name}": {error.text}'))
        finally:
            _commit(work)
    return reports


def _commit(work: Restoring) -> None:
    head = work.run.commit() if work.run is not None else None
    if head is not None:
        work.reporter.report(RunCommitted(work.account, head))


class _FolderRestore:
    def __init__(self, work: Restoring, report: FolderRestored, present: Sequence[Folder]) -> None:
        self._work = work
        self._report = report
        self._present = {folder.name: folder for folder in present}

    def restore(self, entries: Sequence[Entry]) -> None:
        target = self._present.get(self._report.target)
        there: list[Remote] = []
        epoch = ""
        if target is not None:
            there, epoch = _listing(self._work.target, target)
        ledger = self._work.ledger(self._report.target, epoch)
        plan = wanted(entries, there, ledger)
        missing = [*plan.missing, *self._decide(plan.doubts)]
        self._report.there = len(entries) - len(missing)
        size = sum(entry.size for entry in missing)
        self._work.reporter.report(FolderScanned(self._work.account, self._report.target, len(missing), size))
        if self._work.dry:
            self._report.appended, self._report.size = len(missing), size
        elif missing:
            self._append(target or self._work.target.make_folder(self._report.target), missing)

    def _decide(self, doubts: Sequence[Doubt]) -> Iterator[Entry]:
        """Give those in doubt that the target does not have; each of its messages stands for one of ours."""
        if not doubts:
            return
        candidates = {remote.ref.key: remote for doubt in doubts for remote in doubt.remotes}
        message_ids = self._work.target.message_ids(list(candidates.values()))
        taken: set[str] = set()
        by_digest: dict[str, list[Doubt]] = {}
        for doubt in doubts:
            by_digest.setdefault(doubt.entry.digest, []).append(doubt)
        for entry, raw in self._work.reader.read_many([same[0].entry for same in by_digest.values()]):
            for doubt in by_digest[entry.digest]:
                free = [one for one in doubt.remotes if one.ref.key not in taken]
                same = self._same(raw, entry, free, message_ids) if isinstance(raw, bytes) else None
                if same is None:
                    yield doubt.entry
                else:
                    taken.add(same)

    def _same(
        self, raw: bytes, entry: Entry, free: Sequence[Remote], message_ids: Mapping[str, str]
    ) -> str | None:
        """Find the message of the target that is ours: by Message-ID, and without one by content."""
        own = message_id(raw)
        if own is not None:
            return next((one.ref.key for one in free if message_ids.get(one.ref.key) == own), None)
        nameless = [one for one in free if one.ref.key not in message_ids]
        for found in self._work.target.fetch(nameless) if nameless else ():
            if isinstance(found, Message) and hashlib.sha256(found.raw).hexdigest() == entry.digest:
                return found.remote.ref.key
        return None

    def _append(self, target: Folder, missing: Sequence[Entry]) -> None:
        fresh: list[Appended] = []
        sizes = {entry.digest: entry.size for entry in missing}
        try:
            for answer in self._work.target.append(target, self._outgoing(missing)):
                if isinstance(answer, Refused):
                    self._report.refused += 1
                    self._work.reporter.report(
                        Warned(f'{answer.digest[:12]} is not in folder "{target.name}": {answer.reason}')
                    )
                    continue
                fresh.append(answer)
                self._report.appended += 1
                self._report.size += sizes[answer.digest]
                if answer.altered:
                    self._report.altered += 1
                    self._work.reporter.report(Warned(f"{answer.digest[:12]}: {answer.altered}"))
                self._work.reporter.report(MessageRestored(target.name, sizes[answer.digest]))
                if len(fresh) >= LEDGER_EVERY:
                    self._note(target, fresh)
                    _commit(self._work)
        finally:
            self._note(target, fresh)

    def _note(self, target: Folder, fresh: list[Appended]) -> None:
        if self._work.run is not None and fresh:
            self._work.run.restored(self._work.account, target.name, fresh)
        fresh.clear()

    def _outgoing(self, missing: Sequence[Entry]) -> Iterator[Outgoing]:
        by_digest: dict[str, list[Entry]] = {}
        for entry in missing:
            by_digest.setdefault(entry.digest, []).append(entry)
        for first, raw in self._work.reader.read_many([same[0] for same in by_digest.values()]):
            if self._work.stop():
                raise Interrupted(
                    "stopped as asked", "run again to go on; what was restored is not done twice"
                )
            if isinstance(raw, ArchiverError):
                self._report.unreadable += len(by_digest[first.digest])
                self._work.reporter.report(Warned(f"message {first.digest[:12]} is left out: {raw.text}"))
                continue
            for entry in by_digest[first.digest]:
                yield Outgoing(entry.digest, raw, entry.flags, entry.received)


def _listing(target: Account, folder: Folder) -> tuple[list[Remote], str]:
    """List a folder of the target: its messages, and the epoch of their keys."""
    found: list[Remote] = []
    epoch = ""
    for change in target.changes(folder, None, dict):
        if isinstance(change, New):
            found.append(change.remote)
        elif isinstance(change, Done):
            epoch = change.cursor.epoch
    return found, epoch
