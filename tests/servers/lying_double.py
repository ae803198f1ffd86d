"""The server with a memory, taught to lie, and to write down the truth while it does.

What it says of sizes, dates, counts and bodies is bent by functions; which message was really taken out by a
command of the client, what it was, and what the client had been told of it by then, is kept in `taken`.
"""

import hashlib
import random
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from tests.servers.imap_double import Dropped, Mail
from tests.servers.stateful_double import Box, StatefulDouble

Slot: TypeAlias = tuple[str, int, int]
"""Folder, UIDVALIDITY, UID."""


_ROW = 'UID {uid} FLAGS ({flags}) INTERNALDATE "{date}" RFC822.SIZE {size}'
_SHORT_ROW = "UID {uid} FLAGS ({flags})"


@dataclass
class Held(Mail):
    """A message in truth; `since` is when it came under its UID, by the server's own clock."""

    since: int = 0
    at: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    """When it was received, in truth; `date` says the same."""


@dataclass
class Told:
    """What the client was told of a slot: the last row with size and date, and what it was told of flags."""

    at: int = -1
    size: int | None = None
    date: str | None = None
    flags: frozenset[str] = frozenset()
    later_flags: frozenset[str] | None = None
    """Flags told by a row that names no size: those of a listing in passing."""
    body: str | None = None
    """SHA-256 of the last body given."""
    body_at: int = -1


@dataclass
class Taken:
    """A message that a command of the client took out of a folder."""

    slot: Slot
    digest: str
    mail: Held
    told: Told
    named: bool
    """Whether the command named it."""
    command: int
    flags: frozenset[str]


def digest(raw: bytes) -> str:
    """Give the SHA-256 that archiver would."""
    return hashlib.sha256(raw).hexdigest()


@dataclass
class LyingDouble(StatefulDouble):
    """The server. Its own clock counts commands."""

    size_lie: Callable[[int, Held], int | None] = lambda uid, mail: len(mail.raw)
    date_lie: Callable[[int, Held], str] = lambda uid, mail: mail.date
    body_lie: Callable[[int, Held], bytes] = lambda uid, mail: mail.raw
    exists_lie: Callable[[int], int] = lambda count: count
    shuffled: random.Random | None = None
    """Where it is set, the rows of a listing come in any order."""
    strangers: int = 0
    """Rows that nobody asked for: 1 without a UID, 2 also with UID 0, 3 also of a message that is not there."""
    taken: list[Taken] = field(default_factory=list)
    told: dict[Slot, Told] = field(default_factory=dict)
    clock: int = 0
    sessions: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._asked_for: set[int] = set()
        self._opened = threading.local()

    def hold(self, name: str, mail: Held, uid: int | None = None) -> int:
        """Take in a message, in truth, under the next UID or under one that was used before."""
        with self._lock:
            self.clock += 1
            mail.since = self.clock
            if uid is None:
                return self.boxes[name].put(mail)
            self.boxes[name].mails[uid] = mail
            return uid

    # --- what is played -----------------------------------------------------------------------------

    def _play(self, tag: bytes, command: bytes, parts: list[bytes]) -> list[bytes]:
        self.clock += 1
        words = command.upper().split(b" ")
        self._asked_for = set()
        if words[0] in (b"LOGIN", b"AUTHENTICATE"):
            self.sessions += 1
        uses_uids = words[0] in (b"UID", b"FETCH", b"NOOP") and self._mine.box in self.boxes
        if uses_uids and self._box().uidvalidity != self._opened.uidvalidity:
            raise Dropped  # no server goes on with UIDs that are no more
        if words[0] == b"UID" and b"HEADER.FIELDS (MESSAGE-ID)" in command.upper():
            return self._message_ids(tag, command)
        self.row = _ROW if b"RFC822.SIZE" in command.upper() else _SHORT_ROW
        if (
            words[0] == b"UID"
            and words[1] in (b"MOVE", b"EXPUNGE", b"STORE")
            and self._mine.box in self.boxes
        ):
            self._asked_for = set(self._named(command))
        said = super()._play(tag, command, parts)
        if words[:2] == [b"UID", b"FETCH"] and not command.upper().count(b"BODY"):
            said = self._disorder(said)
        return said

    def _message_ids(self, tag: bytes, command: bytes) -> list[bytes]:
        rows = []
        for number, uid, one in super()._asked(command):
            found = re.search(rb"^Message-ID:[^\r\n]*\r\n", one.raw, re.MULTILINE)
            header = (found[0] if found else b"") + b"\r\n"
            item = b"BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s" % (len(header), header)
            rows.append(b"* %d FETCH (UID %d %s)\r\n" % (number, uid, item))
        return [*rows, tag + b" OK fetched\r\n"]

    def _select(self, command: bytes) -> tuple[bytes, list[bytes]]:
        word, lines = super()._select(command)
        if lines:
            self._opened.uidvalidity = self._box().uidvalidity
            lines[0] = b"* %d EXISTS\r\n" % max(0, self.exists_lie(len(self._mine.seen)))
        return word, lines

    def _disorder(self, said: list[bytes]) -> list[bytes]:
        rows, last = said[:-1], said[-1:]
        if self.strangers:
            others = sorted(self._box().mails) if self._mine.box in self.boxes else []
            for uid in others[:3]:
                flags = self._box().mails[uid].flags
                rows.insert(len(rows) // 2, b"* %d FETCH (FLAGS (%s))\r\n" % (uid, flags.encode()))
        if self.strangers > 1:
            rows.insert(0, b"* 1 FETCH (UID 0 FLAGS (\\Seen) RFC822.SIZE 7)\r\n")
        if self.strangers > 2:
            rows.append(b"* 9 FETCH (UID 999999 FLAGS (\\Seen) RFC822.SIZE 7)\r\n")
        if self.shuffled is not None and not any(b"EXPUNGE" in row or b"EXISTS" in row for row in rows):
            self.shuffled.shuffle(rows)
        return [*rows, *last]

    # --- what is told -------------------------------------------------------------------------------

    def _asked(self, command: bytes) -> list[tuple[int, int, Mail]]:
        found = super()._asked(command)
        return [(number, uid, self._tell(command, uid, mail)) for number, uid, mail in found]

    def _tell(self, command: bytes, uid: int, mail: Mail) -> Mail:
        if not isinstance(mail, Held):  # a copy that the server made
            mail = Held(mail.raw, mail.flags, mail.size, mail.date, self.clock)
            self._box().mails[uid] = mail
        told = self.told.setdefault((self._mine.box or "", self._box().uidvalidity, uid), Told())
        if b"BODY.PEEK[]" in command.upper():
            raw = self.body_lie(uid, mail)
            told.body, told.body_at = digest(raw), self.clock
            return replace(mail, raw=raw)
        size, date = self.size_lie(uid, mail), self.date_lie(uid, mail)
        if b"(UID)" in command or uid in self.hides | self.garbles:
            return mail
        told.later_flags = frozenset(mail.flags.split())
        if b"RFC822.SIZE" in command.upper():
            told.at, told.size, told.date = self.clock, size, date
            told.flags, told.later_flags = frozenset(mail.flags.split()), None
        return replace(mail, size=size, date=date)

    # --- what is done -------------------------------------------------------------------------------

    def _take_out(self, box: Box, uids: Iterable[int]) -> None:
        name = next((name for name, one in self.boxes.items() if one is box), "")
        for uid in list(uids):
            mail = box.mails.get(uid)
            if isinstance(mail, Held):
                slot = (name, box.uidvalidity, uid)
                told = replace(self.told.get(slot, Told()))
                flags = frozenset(mail.flags.split())
                self.taken.append(
                    Taken(slot, digest(mail.raw), mail, told, uid in self._asked_for, self.clock, flags)
                )
        super()._take_out(box, uids)
