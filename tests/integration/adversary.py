"""One script against a server that lies: pull, prune, and hold what was taken out against the truth."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import structs

from archiver.accounts.connection import Server
from archiver.accounts.imap import epoch as epochs
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.owner import owner_of
from archiver.errors import ArchiverError
from archiver.model import Entry, Secret
from archiver.plan.prune import Policy
from tests.scene import Scene, mail
from tests.servers.lying_double import Held, LyingDouble, Taken, digest
from tests.servers.stateful_double import Box, Deed

BASE = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+"
LIMIT = datetime(2024, 1, 1, tzinfo=UTC)
OWNER = owner_of("127.0.0.1", "ann")

# What becomes of a message that a command of ours took out. Those of WRONG must never be.
RIGHT = "archived, and allowed"
NOT_PLANNED = "wrong: never planned"
NOT_THE_SAME = "wrong: the server had told another size or date"
FORBIDDEN = "wrong: the server had told what forbids it"
NOT_ARCHIVED = "wrong: not archived, and it could be known"
NOT_LOOKED_AT = "wrong: not looked at again after the plan"
WENT_ON = "wrong: went on after the server had taken more"
WRONG = {NOT_PLANNED, NOT_THE_SAME, FORBIDDEN, NOT_ARCHIVED, NOT_LOOKED_AT, WENT_ON}
BEYOND = "the server took what was not named"
BEYOND_LOST = "the server took what was not named, nor archived"
CONSISTENT = "another content of the same UID, size and date: --refetch alone can know"
IN_THE_MOMENT = "another content after the last look, of the same UID"
MARKED_IN_THE_MOMENT = "marked after the last look"
YOUNG = "younger than the server says; archived"


def date_text(at: datetime) -> str:
    """Write an INTERNALDATE."""
    return at.strftime("%d-%b-%Y %H:%M:%S +0000")


def date_of(text: str | None) -> datetime | None:
    """Read what `date_text` wrote; None for anything else."""
    try:
        return datetime.strptime(text or "", "%d-%b-%Y %H:%M:%S %z")
    except ValueError:
        return None


@dataclass
class Tally:
    """What came of scripts of one kind."""

    scripts: int = 0
    decisions: int = 0
    planned: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    searches: list[bytes] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """How many messages commands of ours took out."""
        return self.fates.total()


class Script:
    """A mailbox, an archive, and what is to happen between the steps.

    `at_pull`, `at_plan`, `at_removal` happen before that step, once; a lie may add to them, turn the knobs of
    `double`, and change the `policy`.
    """

    def __init__(self, seed: str, state: Path) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.scene = Scene(state)
        self.expunges = self.random.random() < 0.4
        power = self.random.choice(["UIDPLUS MOVE", "UIDPLUS MOVE", "UIDPLUS"])
        self.double = LyingDouble(capabilities=f"{BASE} {power}")
        self.policy = Policy(
            before=LIMIT if self.random.random() < 0.9 else None,
            larger=self.random.choice([None, None, None, 300]),
            last=self.random.choice([0, 0, 3]),
            unread=self.random.random() < 0.2,
            refetch=self.random.random() < 0.3,
        )
        self.at_pull: list[Deed] = []
        self.at_plan: list[Deed] = []
        self.at_removal: list[Deed] = []
        self.number = 0
        self.planned_at = 0
        boxes = self.double.boxes
        boxes["INBOX"] = Box(uidvalidity=7)
        boxes["Trash"] = Box(uidvalidity=38, attributes=b"\\Trash", uidnext=self.random.randint(1, 9))
        for _ in range(self.random.randint(10, 40)):
            self.deliver()
        for uid in self.some(3):
            del self.inbox.mails[uid]  # so that UIDs have gaps

    @property
    def inbox(self) -> Box:
        """The folder that all is about."""
        return self.double.boxes["INBOX"]

    def some(self, count: int) -> list[int]:
        """Choose messages of the folder."""
        uids = sorted(self.inbox.mails)
        return self.random.sample(uids, min(len(uids), self.random.randint(1, count)))

    def new(self, at: datetime | None = None, flags: str | None = None) -> Held:
        """Make a message like no other."""
        self.number += 1
        chosen = self.random
        days = chosen.choice([chosen.randint(-2000, -30), chosen.randint(-2000, -30), chosen.randint(0, 700)])
        at = at or LIMIT + timedelta(days=days, seconds=chosen.randint(0, 86399))
        marks = [
            "\\Seen",
            "\\Seen",
            "\\Seen",
            "\\Seen",
            "",
            "\\Seen \\Flagged",
            "\\Seen \\Draft",
            "\\Seen Work",
        ]
        raw = mail(f"{self.seed} {self.number}", size=chosen.choice([0, 0, 200, 900]))
        return Held(
            raw, chosen.choice(marks) if flags is None else flags, None, date_text(at), self.double.clock, at
        )

    def deliver(self, one: Held | None = None) -> int:
        """Let a message arrive."""
        return self.double.hold("INBOX", one or self.new())

    # --- running ------------------------------------------------------------------------------------

    def account(self) -> ImapAccount:
        """Open the account, as each run of the program does."""
        where = Server("127.0.0.1", self.double.port, "plaintext", None, 5)
        return ImapAccount(where, "ann", lambda: Secret("x"), lambda text: None, pause=lambda wait_s: None)

    def play(self, tally: Tally) -> None:
        """Pull, prune, and a second time, with what comes in and changes between; then judge."""
        tally.scripts += 1
        with self.double:
            for _ in range(2):
                self._happen(self.at_pull)
                self._try(tally, self._pull)
                self._happen(self.at_plan)
                before = len(self.double.taken)
                planned: dict[tuple[str, str], Entry] = {}
                seen = len(self.double.seen)
                self._try(tally, lambda tally: self._prune(tally, planned))  # noqa: B023  (called at once)
                tally.searches += [one for one in self.double.seen[seen:] if b"SEARCH" in one.upper()]
                self._judge(tally, self.double.taken[before:], planned)
                for _ in range(self.random.randint(0, 5)):
                    self.deliver()
            assert self.scene.damage() == []

    @staticmethod
    def _happen(deeds: list[Deed]) -> None:
        while deeds:
            deeds.pop(0)()

    def _try(self, tally: Tally, step: Callable[[Tally], None]) -> None:
        try:
            step(tally)
        except ArchiverError as error:
            assert error.hint, error
            tally.errors[f"{error.code}: {type(error).__name__}"] += 1

    def _pull(self, tally: Tally) -> None:
        account = self.account()
        try:
            self.scene.pull(account=account, accept=True)
        finally:
            account.close()

    def _prune(self, tally: Tally, planned: dict[tuple[str, str], Entry]) -> None:
        account = self.account()

        def between() -> None:
            plans = self.scene.pruned.plans
            tally.decisions += sum(len(one.removable) + sum(map(len, one.kept.values())) for one in plans)
            for one in plans:
                for entry in one.removable:
                    planned[entry.ref.folder, entry.ref.key] = entry
            tally.planned += len(planned)
            self._happen(self.at_removal)
            self.planned_at = self.double.clock

        try:
            to = None if self.expunges else "Trash"
            self.scene.prune(self.policy, account=account, to=to, between=between)
        finally:
            account.close()

    # --- judging ------------------------------------------------------------------------------------

    def held(self) -> set[str]:
        """Read the archive, all of it: the digests of what comes out."""
        reader = self.scene.open(unlock=True).reader(self.scene.catalog)
        found = set()
        for _, raw in reader.read_many(self.scene.entries()):
            assert isinstance(raw, bytes), raw
            found.add(digest(raw))
        return found

    def _judge(self, tally: Tally, taken: list[Taken], planned: dict[tuple[str, str], Entry]) -> None:
        if not taken:
            return
        held = self.held()
        first_beyond = next((one.command for one in taken if not one.named), None)
        for one in taken:
            fate = self._fate(one, planned.get((one.slot[0], str(one.slot[2]))), held)
            if not one.named and one.command != first_beyond:
                fate = WENT_ON
            tally.fates[fate] += 1
            if fate in WRONG:
                tally.wrong.append(f"{self.seed}: {one.slot} {fate}: {one.told}")

    def _fate(self, one: Taken, entry: Entry | None, held: set[str]) -> str:  # noqa: PLR0911  (one for each)
        told = one.told
        if not one.named:
            return BEYOND if one.digest in held else BEYOND_LOST
        if entry is None or epochs.read(entry.ref.epoch, OWNER) != one.slot[1]:
            return NOT_PLANNED
        if told.at <= self.planned_at:
            return NOT_LOOKED_AT
        date = date_of(told.date)
        if told.size != entry.named_size or date != entry.received:
            return NOT_THE_SAME
        if self._is_forbidden(told.flags) or (
            self.policy.before and (not date or date >= self.policy.before)
        ):
            return FORBIDDEN
        if one.digest not in held:
            if one.mail.since > told.at:
                return IN_THE_MOMENT
            if not self.policy.refetch:
                return CONSISTENT
            return IN_THE_MOMENT if one.mail.since > told.body_at >= 0 else NOT_ARCHIVED
        if self._is_forbidden(one.flags):
            return MARKED_IN_THE_MOMENT
        if self.policy.before and one.mail.at >= self.policy.before:
            return YOUNG
        return RIGHT

    def _is_forbidden(self, flags: frozenset[str]) -> bool:
        unread = "\\Seen" not in flags and not self.policy.unread
        return unread or "\\Flagged" in flags or "\\Draft" in flags

    def refetch(self) -> None:
        """Hold every message to its content."""
        self.policy = structs.replace(self.policy, refetch=True)
