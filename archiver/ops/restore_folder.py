"""restore, for one folder: what the target lacks, put there, and noted in the ledger.

What is there already is known by this tool's own ledger, by Message-ID and size, and, in doubt, by content. A server
that knows mail alone gets the mail of a record, and it is this mail that is held against what is there. One that
takes items of other kinds gets the record whole; it finds by itself what it has already, since its sizes and its
bytes are never those that it was given.
"""

import hashlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

from msgspec import Struct
from msgspec.structs import replace

from archiver.errors import ArchiverError, FolderRefused, Interrupted, Unreachable
from archiver.events import FolderScanned, MessageRestored, Warned
from archiver.formats.message import for_the_wire, gist
from archiver.formats.message_id import message_id
from archiver.formats.record import mail_in
from archiver.model import (
    Appended,
    Done,
    Entry,
    Flags,
    Folder,
    Kind,
    Message,
    New,
    Outgoing,
    Ref,
    Refused,
    Remote,
)
from archiver.ops.restoring import FolderRestored, Ledger, Left, Restoring
from archiver.plan.labels import label_flags
from archiver.plan.restore import Doubt, claims_by_id, wanted, without_slashes
from archiver.ports import Account

DROPS = 4  # dropped lines without a message more in the folder, after which it is given up


class FolderRestore:
    """Restores one folder."""

    def __init__(self, work: Restoring, report: FolderRestored, ledger: Ledger) -> None:
        self._work = work
        self._report = report
        self._ledger = ledger
        self._given_up: set[str] = set()  # digests that the server refuses or nobody can read
        self._nameless: list[Entry] = []  # taken, and the server did not say under which key
        self._entries: dict[str, Entry] = {}
        self._wanted: Counter[str] = Counter()  # copies of each digest that the folder shall have
        self._takes_items = any(work.target.takes(kind) for kind in Kind if kind is not Kind.MAIL)
        self._unwraps = work.records and not self._takes_items
        self._mails: dict[str, _Mail] = {}  # digest of a record -> the mail in it, where that is what is sent
        # messages with NUL, which servers replace without a word: digest -> digest of what is sent
        self._fragile: dict[str, str] = {}
        self._to_compare: list[Remote] = []
        self._flags: dict[str, Flags] = {}  # digest -> flags; of equal messages, those that all have
        self._flagged: dict[str, dict[str, str]] = {}  # epoch -> key -> digest of what was put in with flags
        self._altered: set[str] = set()  # digests that were told of
        # epoch -> key -> digest of what is there already, without all of its labels
        self._unlabelled: dict[str, dict[str, str]] = {}

    def restore(self, present: Sequence[Folder], like: Folder, entries: Sequence[Entry]) -> None:
        self._entries = {entry.digest: entry for entry in entries}
        self._wanted = Counter(entry.digest for entry in entries)
        for entry in entries:
            self._flags[entry.digest] = entry.flags & self._flags.get(entry.digest, entry.flags)
        target = self._folder({folder.name: folder for folder in present}, like)
        drops = 0
        while True:
            before = self._report.appended + len(self._given_up)
            there, epoch = _listing(self._work.target, target) if target else ([], "")
            missing = self._missing(entries, there, epoch)
            if target is None or self._work.dry:
                self._report.appended = len(missing)
                self._report.size = sum(entry.size for entry in missing)
                return
            try:
                self._append(target, missing)
            except Unreachable as error:
                drops = drops + 1 if self._report.appended + len(self._given_up) == before else 1
                if drops >= DROPS:
                    raise
                self._nameless = []  # the new listing tells
                text = f'folder "{target.name}" is listed again to see what it took: {error.text}'
                self._work.reporter.report(Warned(text))
                continue
            self._find_nameless(target, there)
            self._compare()
            self._check_flags(target)
            return

    def _folder(self, present: Mapping[str, Folder], like: Folder) -> Folder | None:
        """Find the folder, or make it; where the server takes no `/` in a name, under another name."""
        name = self._report.target
        plain = without_slashes(name)
        for one in (name, plain):
            if one in present:
                self._report.target = one
                return present[one]
        if self._work.dry:
            return None
        try:
            return self._work.target.make_folder(replace(like, name=name))
        except FolderRefused:
            if plain == name:
                raise
        self._report.target = plain
        return self._work.target.make_folder(replace(like, name=plain))

    # --- what is there already ------------------------------------------------------------------------

    def _missing(self, entries: Sequence[Entry], there: Sequence[Remote], epoch: str) -> list[Entry]:
        first = not self._report.appended and not self._given_up
        ledger = self._ledger.known(self._report.target, epoch)
        if self._unwraps and any(one.ref.key not in ledger for one in there):
            entries = self._as_sent(
                entries, Counter(ledger[one.ref.key] for one in there if one.ref.key in ledger)
            )
        plan = wanted(entries, there, ledger)
        for remote in there:
            self._note_labels(remote, ledger.get(remote.ref.key))
        missing = [*plan.missing, *self._decide(plan.doubts)]
        self._report.there = len(entries) - len(missing) - self._report.appended
        missing = [entry for entry in missing if entry.digest not in self._given_up]
        if first:
            size = sum(entry.size for entry in missing)
            self._work.reporter.report(
                FolderScanned(self._work.account, self._report.target, len(missing), size)
            )
        return missing

    def _as_sent(self, entries: Sequence[Entry], known: Mapping[str, int]) -> list[Entry]:
        """Give entries with the size of what is sent of them, by which the target's messages are told from ours."""
        wanted_too = {digest for digest, count in self._wanted.items() if known.get(digest, 0) < count}
        fresh = [entry for entry in entries if entry.digest in wanted_too - self._mails.keys()]
        for entry, raw in self._read(fresh):
            if isinstance(raw, bytes):
                sent = for_the_wire(raw)
                self._mails[entry.digest] = _Mail(len(sent), hashlib.sha256(sent).hexdigest())
        mails = self._mails
        return [
            replace(entry, size=mails[entry.digest].size) if entry.digest in mails else entry
            for entry in entries
        ]

    def _decide(self, doubts: Sequence[Doubt]) -> list[Entry]:
        """Give those in doubt that the target does not have; each of its messages stands for one of ours."""
        if not doubts:
            return []
        remotes = {one.ref.key: one for doubt in doubts for one in (*doubt.same_size, *doubt.same_second)}
        theirs = {
            key: "".join(value.split())
            for key, value in self._work.target.message_ids(list(remotes.values())).items()
        }
        own: dict[str, str] = {}
        for entry, raw in self._read([doubt.entry for doubt in doubts]):
            found = message_id(raw) if isinstance(raw, bytes) else None
            if found is not None:
                own[entry.digest] = found
        claimed, by_content = claims_by_id(doubts, own, theirs)
        taken = set(claimed.values())
        self._claim_by_content(doubts, by_content, claimed, taken)
        for number, key in claimed.items():
            self._note_labels(remotes[key], doubts[number].entry.digest)
        return self._claim_by_gist(doubts, claimed, taken, own, theirs)

    def _claim_by_content(
        self, doubts: Sequence[Doubt], numbers: Sequence[int], claimed: dict[int, str], taken: set[str]
    ) -> None:
        wanted_here = {one.ref.key: one for number in numbers for one in doubts[number].same_size}
        by_digest: dict[str, list[str]] = {}
        for key, raw in self._fetch([one for key, one in wanted_here.items() if key not in taken]):
            by_digest.setdefault(hashlib.sha256(raw).hexdigest(), []).append(key)
        for number in numbers:
            digest = doubts[number].entry.digest
            keys = by_digest.get(self._mails[digest].digest if digest in self._mails else digest)
            if keys:
                claimed[number] = keys.pop()
                taken.add(claimed[number])

    def _claim_by_gist(
        self,
        doubts: Sequence[Doubt],
        claimed: Mapping[int, str],
        taken: set[str],
        own: Mapping[str, str],
        theirs: Mapping[str, str],
    ) -> list[Entry]:
        """Know a message that the server rewrote: same second, same Message-ID, saying the same."""
        left = [doubt for number, doubt in enumerate(doubts) if number not in claimed]
        candidates: dict[str, list[Remote]] = {}
        for doubt in left:
            digest = doubt.entry.digest
            some = [
                one
                for one in doubt.same_second
                if one.ref.key not in taken and theirs.get(one.ref.key) == own.get(digest)
            ]
            if some:
                candidates[digest] = some
        fetched = {one.ref.key: one for some in candidates.values() for one in some}
        gists = {key: gist(mail_in(raw)) for key, raw in self._fetch(list(fetched.values()))}
        ours = {
            entry.digest: gist(mail_in(raw))
            for entry, raw in self._read([self._entries[digest] for digest in candidates])
            if isinstance(raw, bytes)
        }
        missing = []
        for doubt in left:
            digest = doubt.entry.digest
            for one in candidates.get(digest, ()):
                key = one.ref.key
                if key not in taken and digest in ours and gists.get(key) == ours[digest]:
                    taken.add(key)
                    self._note_labels(one, digest)
                    break
            else:
                missing.append(doubt.entry)
        return missing

    def _fetch(self, remotes: Sequence[Remote]) -> Iterator[tuple[str, bytes]]:
        for found in self._work.target.fetch(remotes) if remotes else ():
            if isinstance(found, Message):
                yield found.remote.ref.key, found.raw

    def _read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ArchiverError]]:
        wanted_now = {entry.digest: self._entries[entry.digest] for entry in entries}  # as they are archived
        for found in self._work.reader.read_many(wanted_now.values()):
            if self._work.stop():
                raise _interrupted()
            entry, raw = found
            yield entry, mail_in(raw) if self._unwraps and isinstance(raw, bytes) else raw

    # --- putting in -----------------------------------------------------------------------------------

    def _append(self, target: Folder, missing: Sequence[Entry]) -> None:
        if not missing:
            return
        # closed here, whatever ends this: left to the collector of garbage, it would wait for its threads there
        with closing(self._outgoing(missing)) as outgoing:
            for answer in self._work.target.append(target, outgoing):
                self._take(target, answer)

    def _take(self, target: Folder, answer: Appended | Refused) -> None:
        report = self._report
        if isinstance(answer, Refused):
            self._give_up(answer.digest, answer.reason, report.refused)
            return
        entry = self._entries[answer.digest]
        report.appended += 1
        report.size += entry.size
        if answer.ref is not None:
            self._ledger.note(target.name, answer)
            self._note_flags(answer.ref, answer.digest)
            if answer.digest in self._fragile:
                self._to_compare.append(Remote(answer.ref))
        else:
            self._nameless.append(entry)
        if answer.altered:
            self._tell_altered(answer.digest, answer.altered)
        self._work.reporter.report(MessageRestored(target.name, entry.size))

    def _note_flags(self, ref: Ref, digest: str) -> None:
        if self._flags[digest]:
            self._flagged.setdefault(ref.epoch, {})[ref.key] = digest

    def _note_labels(self, there: Remote, digest: str | None) -> None:
        """Note what lacks labels: a restore that was cut short puts messages in, and labels them only in the end."""
        if digest is not None and not label_flags(self._flags.get(digest, frozenset())) <= there.flags:
            self._unlabelled.setdefault(there.ref.epoch, {})[there.ref.key] = digest

    def _check_flags(self, target: Folder) -> None:
        """Set again what flags the server forgot, and labels; tell what it does not keep."""
        unlabelled = self._unlabelled if self._unlabelled and self._work.target.keeps_labels() else {}
        for epoch in {**self._flagged, **unlabelled}:
            put, there = self._flagged.get(epoch, {}), unlabelled.get(epoch, {})
            digests = {**there, **put}
            wanted = {key: label_flags(self._flags[digest]) for key, digest in there.items()}
            wanted |= {key: self._flags[digest] for key, digest in put.items()}
            for key, lost in self._work.target.keep_flags(target, epoch, wanted).items():
                if digests[key] not in self._altered:  # what it refused was told already
                    names = ", ".join(f'"{flag}"' for flag in sorted(lost))
                    self._tell_altered(digests[key], f"the server did not keep the flag {names}")

    def _tell_altered(self, digest: str, reason: str) -> None:
        self._altered.add(digest)
        self._report.altered.append(Left(digest, reason))
        self._work.reporter.report(Warned(f"message {digest[:12]}: {reason}"))

    def _compare(self) -> None:
        """Fetch what a server may have changed in silence, and tell if it did."""
        by_epoch: dict[str, list[Remote]] = {}
        for one in self._to_compare:
            by_epoch.setdefault(one.ref.epoch, []).append(one)
        for epoch, remotes in by_epoch.items():
            put = self._ledger.known(self._report.target, epoch)
            for key, raw in self._fetch(remotes):
                digest = put.get(key, "")
                if hashlib.sha256(raw).hexdigest() != self._fragile.get(digest):
                    self._tell_altered(digest, "the server replaced the NUL characters in it")

    def _give_up(self, digest: str, reason: str, where: list[Left]) -> None:
        self._given_up.add(digest)
        where.append(Left(digest, reason))
        text = f'message {digest[:12]} is not in folder "{self._report.target}": {reason}'
        self._work.reporter.report(Warned(text))

    def _outgoing(self, missing: Sequence[Entry]) -> Generator[Outgoing, None, None]:
        by_digest: dict[str, list[Entry]] = {}
        for entry in missing:
            by_digest.setdefault(entry.digest, []).append(entry)
        copies = {digest: self._wanted[digest] - len(some) for digest, some in by_digest.items()}
        for first, raw in self._read(missing):
            if isinstance(raw, ArchiverError):
                for _ in by_digest[first.digest]:
                    self._give_up(first.digest, raw.text, self._report.unreadable)
                continue
            sent = for_the_wire(raw)
            if b"\0" in raw and not self._takes_items:
                self._fragile[first.digest] = hashlib.sha256(sent).hexdigest()
            for copy, entry in enumerate(by_digest[first.digest], copies[first.digest]):
                yield Outgoing(entry.digest, sent, entry.flags, entry.received, entry.kind, copy)

    def _find_nameless(self, target: Folder, before: Sequence[Remote]) -> None:
        """Learn the keys of what was put in, where the server did not tell them (no UIDPLUS)."""
        if not self._nameless:
            return
        known = {one.ref.key for one in before}
        now, epoch = _listing(self._work.target, target)
        ledger = self._ledger.known(target.name, epoch)
        fresh = [one for one in now if one.ref.key not in known and one.ref.key not in ledger]
        theirs = self._work.target.message_ids(fresh) if fresh else {}
        keys: dict[str, list[str]] = {}
        for one in fresh:
            keys.setdefault("".join(theirs.get(one.ref.key, "").split()), []).append(one.ref.key)
        own: dict[str, str] = {}
        for entry, raw in self._read(self._nameless):
            own[entry.digest] = (message_id(raw) or "") if isinstance(raw, bytes) else ""
        for entry in self._nameless:
            found = keys.get(own[entry.digest])
            ref = Ref(target.name, epoch, found.pop(0)) if found and own[entry.digest] else None
            self._ledger.note(target.name, Appended(entry.digest, ref))
            if ref is not None:
                self._note_flags(ref, entry.digest)
        self._nameless = []


class _Mail(Struct, frozen=True):
    """What is sent of a record, where that is the mail in it."""

    size: int
    digest: str


def _interrupted() -> Interrupted:
    return Interrupted("stopped as asked", "run again to go on; what was restored is not done twice")


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
