"""What happens to a mailbox in a year, day by day, and what is in it: the owner's side, which knows no archiver."""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.servers.dovecot import Dovecot
from tests.servers.owner import Owner

FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "$Forwarded")
FOLDERS = ("Archive", "Sent", "Grüße", "Trash")
QUIET_EVERY = 6  # a day on which nothing happens
TRASH = "Trash"
BEFORE = 120  # messages that are there when the year begins


@dataclass
class Kept:
    """A message in a folder: the SHA-256 of its bytes, its flags, when it came."""

    digest: str
    flags: frozenset[str]
    received: datetime


@dataclass
class Life:
    """The mailbox of one user. `present` is folder -> UID -> message, kept by what was done to it."""

    server: Dovecot
    user: str
    rolls: random.Random
    begins: datetime
    present: dict[str, dict[str, Kept]] = field(default_factory=lambda: {"INBOX": {}})
    done: Counter[str] = field(default_factory=Counter)
    delivered: set[str] = field(default_factory=set)  # by SHA-256
    _recent: list[bytes] = field(default_factory=list)  # some are delivered again, elsewhere

    def __post_init__(self) -> None:
        self.wake()
        for folder in FOLDERS:
            self._make(folder)
        for _ in range(BEFORE):
            self.arrive(self.begins - timedelta(days=self.rolls.randint(1, 150)), 1)

    # --- the server ---------------------------------------------------------------------------------

    def sleep(self) -> None:
        """Log out, before the server goes down."""
        self._owner.close()

    def wake(self) -> None:
        """Log in."""
        self._owner = Owner(self.server, self.user)

    # --- a day --------------------------------------------------------------------------------------

    def day(self, number: int, evening: datetime) -> bool:
        """Live a day that ends at `evening`; tell whether anything happened."""
        if number % QUIET_EVERY == 0:
            return False
        self.arrive(evening, self.rolls.randint(1, 9))
        for _ in range(self.rolls.randint(0, 5)):
            self._flag()
        for _ in range(self.rolls.randint(0, 2)):
            self._move()
        for _ in range(self.rolls.randint(0, 2)):
            self._expunge()
        if number % 9 == 4:
            self._copy(evening)
        self._folders(number, evening)
        return True

    def arrive(self, evening: datetime, count: int) -> None:
        """Have messages delivered."""
        for _ in range(count):
            raw = self._write(evening)
            folder = self.rolls.choices(("INBOX", "Sent", "Grüße"), (7, 2, 1))[0]
            flags = ["\\Seen"] if folder == "Sent" or self.rolls.random() < 0.7 else []
            self._append(folder, raw, flags, evening - timedelta(minutes=self.rolls.randint(1, 1000)))

    def renumber(self, folder: str) -> None:
        """Give a folder another UIDVALIDITY."""
        self._owner.renumber(folder)
        self.done["renumbered"] += 1
        self.present[folder] = {}
        self.look()

    def empty_trash(self) -> bool:
        """Expunge all that is in the Trash; tell whether there was anything."""
        thrown, self.present[TRASH] = self.present[TRASH], {}
        if thrown:
            self._owner.expunge(TRASH, *thrown)
        self.done["expunged"] += len(thrown)
        return bool(thrown)

    # --- looking ------------------------------------------------------------------------------------

    def look(self) -> tuple[dict[tuple[str, str], Kept], dict[tuple[str, str], Kept]]:
        """Read from the server what is in it now; give what is gone and what is new since it was last known."""
        gone: dict[tuple[str, str], Kept] = {}
        new: dict[tuple[str, str], Kept] = {}
        for folder in self._owner.folders():
            before = self.present.get(folder, {})
            now: dict[str, Kept] = {}
            _, found = self._owner.read(folder)
            for uid, flags, received, raw in found:
                now[uid] = Kept(hashlib.sha256(raw).hexdigest(), flags, received)
            gone |= {(folder, uid): kept for uid, kept in before.items() if uid not in now}
            new |= {(folder, uid): kept for uid, kept in now.items() if uid not in before}
            self.present[folder] = now
        return gone, new

    def check(self) -> None:
        """Hold what was kept by what was done against what the server says."""
        before = _flat(self.present)
        self.look()
        after = _flat(self.present)
        assert before == after, sorted({*before} ^ {*after})

    def wait_until_alone(self) -> None:
        """Wait until the server has done all that a process which died had told it."""
        self._owner.wait_until_alone()

    # --- what is done -------------------------------------------------------------------------------

    def _write(self, at: datetime) -> bytes:
        self.done["delivered"] += 1
        number = self.done["delivered"]
        size = self.rolls.choices((400, 3_000, 20_000, 300_000), (40, 40, 15, 1))[0]
        body = self.rolls.randbytes(self.rolls.randint(size // 4, size // 2)).hex()
        lines = [body[start : start + 72] for start in range(0, len(body), 72)]
        head = [
            f"From: Bob <bob{number % 13}@example.org>",
            "To: ann@example.org",
            f"Subject: message {number}",
            f"Date: {at:%a, %d %b %Y %H:%M:%S} +0000",
            f"Message-ID: <{number}@example.org>",
        ]
        return "\r\n".join([*head, "", *lines, "From here on nothing", ""]).encode()

    def _append(self, folder: str, raw: bytes, flags: list[str], received: datetime) -> None:
        uid = self._owner.deliver(folder, raw, flags, received)
        digest = hashlib.sha256(raw).hexdigest()
        self.present[folder][uid] = Kept(digest, frozenset(flags), received)
        self.delivered.add(digest)
        self._recent = [*self._recent[-49:], raw]

    def _copy(self, evening: datetime) -> None:
        self._append("Archive", self.rolls.choice(self._recent), [], evening)
        self.done["copied"] += 1

    def _choose(self, *folders: str) -> tuple[str, str] | None:
        """Choose a message, a young one rather than an old one."""
        found = [(folder, uid) for folder in folders for uid in list(self.present[folder])[-60:]]
        return self.rolls.choice(found) if found else None

    def _flag(self) -> None:
        chosen = self._choose(*self.present)
        if chosen is not None:
            folder, uid = chosen
            flags = frozenset(flag for flag in FLAGS if self.rolls.random() < 0.4)
            self._owner.flag(folder, uid, flags)
            self.present[folder][uid].flags = flags
            self.done["flagged"] += 1

    def _move(self) -> None:
        chosen = self._choose("INBOX")
        if chosen is not None:
            uid = self._owner.move("INBOX", chosen[1], "Archive")
            self.present["Archive"][uid] = self.present["INBOX"].pop(chosen[1])
            self.done["moved"] += 1

    def _expunge(self) -> None:
        chosen = self._choose("INBOX", "Archive")
        if chosen is not None:
            folder, uid = chosen
            self._owner.expunge(folder, uid)
            del self.present[folder][uid]
            self.done["expunged"] += 1

    def _folders(self, number: int, evening: datetime) -> None:
        projects = sorted(folder for folder in self.present if folder.startswith("Project"))
        if number % 23 == 7:
            self._make(name := f"Project {number}")
            for _ in range(3):
                self._append(name, self._write(evening), ["\\Seen"], evening)
        elif number % 23 == 14 and projects:
            self._owner.rename(projects[-1], new := f"Done {projects[-1].split()[1]}")
            self.present[new] = self.present.pop(projects[-1])
            self.done["folders renamed"] += 1
        elif number % 23 == 20:
            old = sorted(folder for folder in self.present if folder.startswith("Done"))
            if len(old) > 1:
                self._owner.delete(old[0])
                del self.present[old[0]]
                self.done["folders deleted"] += 1

    def _make(self, folder: str) -> None:
        self._owner.create(folder)
        self.present[folder] = {}
        self.done["folders made"] += 1


def _flat(present: dict[str, dict[str, Kept]]) -> list[str]:
    return sorted(
        f"{folder} {uid} {kept.digest} {sorted(kept.flags)} {kept.received.isoformat()}"
        for folder, messages in present.items()
        for uid, kept in messages.items()
    )
