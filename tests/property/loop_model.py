"""What a mailbox and its archive must look like after each step: a model that computes its own view of both."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from archiver.model import Entry
from archiver.plan.prune import Policy
from archiver.rows import AnyRow, PrunedRow, VanishedRow
from tests.property.mailboxes import Ref, Sight

Content = tuple[str, str]  # folder, digest


@lru_cache(4096)
def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def plain(epoch: str) -> str:
    """Give the UIDVALIDITY of an epoch, which may name the owner of a shared mailbox too."""
    return epoch.partition(".")[0]


def ref_of(entry: Entry) -> Ref:
    return entry.ref.folder, plain(entry.ref.epoch), entry.ref.key


@dataclass
class Bounds:
    """How many copies of each content a folder had before a prune, as the archive knew: at least, and at most."""

    low: Counter[Content] = field(default_factory=Counter)
    high: Counter[Content] = field(default_factory=Counter)
    removed: Counter[Content] = field(default_factory=Counter)


@dataclass
class Asked:
    """A prune as the user asked for it; `settled` is the run whose commit is the last that may go."""

    policy: Policy
    to: str | None
    settled: int | None


class Model:
    """What was ever seen on the server and in the archive, and what follows from it."""

    def __init__(self) -> None:
        self.seen: dict[Ref, bytes] = {}
        self.archived: dict[Ref, int] = {}  # the run up to which it was not archived, plus one at least
        self.dates: dict[Content, set[datetime]] = {}
        self.alive: set[Ref] = set()  # what the archive may think to be on the server
        self.epochs: dict[str, str] = {}  # as the last whole pull saw the folders
        self.certain = True  # no pull was cut short since the last whole one
        self.settled = True  # nor has the server changed, nor was it pruned or restored to
        self.missed: set[Ref] = set()  # could not be fetched by some pull
        self.removed: dict[Ref, int] = {}
        self.intended: set[Ref] = set()  # by prunes whose outcome is not written down
        self.prunes: dict[int, Bounds] = {}

    # --- the server -----------------------------------------------------------------------------------

    def see(self, sight: Sight) -> None:
        """Take in what the server has; what a ref names never changes."""
        for ref, kept in sight.messages.items():
            assert self.seen.setdefault(ref, kept.raw) == kept.raw
        self.last = sight

    def spoilt(self) -> bool:
        return any(kept.spoilt for kept in self.last.messages.values())

    # --- the archive ----------------------------------------------------------------------------------

    def take_stock(self, entries: Iterable[Entry], head: int) -> list[Entry]:
        """Compare what is archived with what was: nothing less, nothing else, nothing twice. Gives what is new."""
        found: dict[Ref, Entry] = {}
        self.intended = set()
        for entry in entries:
            ref = ref_of(entry)
            assert ref not in found, f"archived twice: {ref}"
            found[ref] = entry
            assert entry.digest == digest(self.seen[ref]), f"another content: {ref}"
            if entry.pruned is not None and not entry.vanished:
                self.intended.add(ref)
        assert set(self.archived) <= set(found), "the archive lost a message"
        new = [entry for ref, entry in found.items() if ref not in self.archived]
        for ref, entry in found.items():
            if ref not in self.archived:
                self.archived[ref] = head
                self.alive.add(ref)
                if entry.received:
                    self.dates.setdefault((ref[0], entry.digest), set()).add(entry.received)
        return new

    def contents(self) -> set[bytes]:
        """Every content that exists anywhere."""
        kept = {one.raw for one in self.last.messages.values()}
        return kept | {self.seen[ref] for ref in self.archived}

    def believed(self) -> Counter[Content]:
        """Count what the archive shows as being on the server: per folder and content."""
        here = (ref for ref in self.alive if self.epochs.get(ref[0]) == ref[1])
        return Counter((ref[0], digest(self.seen[ref])) for ref in here)

    def most(self) -> Counter[Content]:
        """Count what the archive may think to be on the server, however its pulls were cut short."""
        return Counter((ref[0], digest(self.seen[ref])) for ref in self.alive)

    # --- pull -----------------------------------------------------------------------------------------

    def pulled(self, sight: Sight, vanished: int) -> None:
        """Take in a whole pull that told of so many vanished messages."""
        gone = {
            ref
            for ref in self.alive - set(sight.messages) - self.intended_before
            if sight.epochs.get(ref[0]) == ref[1]
        }
        missed = {
            ref
            for ref in self.missed - set(sight.messages) - set(self.archived)
            if sight.epochs.get(ref[0]) == ref[1]
        }
        assert vanished <= len(gone | missed), (vanished, gone, missed)
        if self.certain:
            assert vanished >= len(gone), (vanished, gone)
        elsewhere = {ref for ref in self.alive if ref[0] not in sight.epochs}
        self.alive = {ref for ref in sight.messages if ref in self.archived} | elsewhere
        self.epochs = dict(sight.epochs)
        self.certain = self.settled = True

    def begin_pull(self) -> None:
        self.missed |= {ref for ref, kept in self.last.messages.items() if kept.spoilt}
        self.intended_before = set(self.intended)

    # --- prune ----------------------------------------------------------------------------------------

    def bounds(self) -> Bounds:
        """Tell, before a prune, what a restore of it may put back at most, and at least where that is certain."""
        return Bounds(self.believed() if self.certain else Counter(), self.most())

    def may_go(self, ref: Ref, sight: Sight, asked: Asked, *, surely: bool = False) -> bool:
        """Decide anew whether a prune may take a message; with `surely`, whether it has to."""
        kept = sight.messages[ref]
        policy, flags = asked.policy, {flag.lower() for flag in kept.flags}
        run = self.archived.get(ref)
        if (
            run is None
            or (asked.settled is not None and run > asked.settled)
            or (policy.before is not None and kept.received >= policy.before)
            or (policy.larger is not None and len(kept.raw) <= policy.larger)
            or (ref[0] == asked.to)
            or (policy.refetch and kept.spoilt)
            or ("\\flagged" in flags and not policy.flagged)
            or ("\\draft" in flags and not policy.drafts)
            or ("\\seen" not in flags and not policy.unread)
        ):
            return False
        others = [
            one.received
            for other, one in sight.messages.items()
            if other != ref and other[:2] == ref[:2] and other in self.archived
        ]
        later = sum(at > kept.received if surely else at >= kept.received for at in others)
        return later >= policy.last

    def pruned(self, before: Sight, after: Sight, asked: Asked, run: int | None, bounds: Bounds) -> set[Ref]:
        """Hold what a prune took against what it might take, and what it left against what was there."""
        gone = set(before.messages) - set(after.messages)
        for ref in gone:
            assert self.may_go(ref, before, asked), f"pruned what stays: {ref} {before} {asked}"
        new = {ref: kept for ref, kept in after.messages.items() if ref not in before.messages}
        assert all(after.messages[ref] == before.messages[ref] for ref in set(before.messages) - gone)
        moved = Counter((kept.raw, kept.flags, kept.received) for kept in new.values())
        taken = Counter(
            (before.messages[ref].raw, before.messages[ref].flags, before.messages[ref].received)
            for ref in gone
        )
        assert {ref[0] for ref in new} <= {asked.to}
        assert moved == (taken if asked.to else Counter()), "what was moved is not what was taken"
        assert {name: epoch for name, epoch in after.epochs.items() if name in before.epochs} == before.epochs
        assert not gone or run is not None, "removed without a run that says so"
        if run is not None:
            bounds.removed = Counter((ref[0], digest(self.seen[ref])) for ref in gone)
            here = [ref for ref in after.messages if ref in self.archived]
            known = bounds.removed + Counter((ref[0], digest(self.seen[ref])) for ref in here)
            bounds.low = Counter({one: max(bounds.low[one], known[one]) for one in bounds.removed})
            self.prunes[run] = bounds
            self.removed.update(dict.fromkeys(gone, run))
        self.alive -= gone - self.intended  # of an open intent the archive still says that it is there
        self.settled = False
        return gone

    # --- restore --------------------------------------------------------------------------------------

    def restored(
        self, before: Sight, after: Sight, low: Counter[Content], high: Counter[Content], *, whole: bool
    ) -> None:
        """Check that a restore took nothing, changed nothing, and put in what was missing and no more."""
        assert {ref: after.messages.get(ref) for ref in before.messages} == dict(before.messages)
        assert {name: after.epochs.get(name) for name in before.epochs} == dict(before.epochs)
        spoilt = {ref[0] for ref, kept in before.messages.items() if kept.spoilt}  # cannot be compared
        was, now = counted(before), counted(after)
        for ref, kept in after.messages.items():
            if ref not in before.messages:
                what = (ref[0], digest(kept.raw))
                assert kept.received in self.dates[what], f"restored with another date: {ref} {kept}"
                if ref[0] not in spoilt:
                    assert now[what] <= max(was[what], high[what]), f"restored too often: {ref} {now[what]}"
        if whole:
            for what, copies in low.items():
                assert now[what] >= copies, f"not restored: {what} {now[what]} of {copies}"
        self.settled = False

    # --- the rows -------------------------------------------------------------------------------------

    def check_rows(self, rows: Iterable[tuple[int, AnyRow]], names: dict[int, str]) -> None:
        """Hold the journal of prunes to its laws; `rows` come with their runs."""
        intents: dict[Ref, set[int]] = {}
        for run, row in rows:
            if isinstance(row, VanishedRow):
                told = {(names[row.folder], plain(row.epoch), key) for key in row.keys}
                assert not told & set(self.removed), f"called vanished: {told & set(self.removed)}"
            if isinstance(row, PrunedRow):
                for key in row.keys:
                    ref = (names[row.folder], plain(row.epoch), key)
                    if row.state == "intent":
                        assert row.run == run
                        intents.setdefault(ref, set()).add(run)
                    else:
                        assert row.run < run, "the outcome is told with the intent"
                        assert row.run in intents.get(ref, ()), f"an outcome without intent: {ref}"
                        assert row.state == "removed" or self.removed.get(ref) != row.run, f"not kept: {ref}"
        for ref, run in self.removed.items():
            assert run in intents.get(ref, ()), f"removed without intent: {ref}"


def counted(sight: Sight) -> Counter[Content]:
    return Counter((ref[0], digest(kept.raw)) for ref, kept in sight.messages.items())
