"""The misbehaving server with a memory: folders, marks, moves and expunges, each connection with its own view.

Every step of it can be bent: which of the messages named are really stored to, copied, moved and expunged, what
is told of it, what others do just before or after a command, and where the line drops. What each knob does is
what some server did, or might; a campaign can turn them at random, and compare `snapshot` before and after.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from archiver.accounts.imap import uidset
from tests.servers.imap_double import Dropped, ImapDouble, Mail

_NAME = re.compile(rb'(?:SELECT|EXAMINE|CREATE|APPEND|UID MOVE \S+|UID COPY \S+) "?([^"]*)"?', re.IGNORECASE)
_STORE = re.compile(rb"UID STORE (\S+) ([+-]?)FLAGS(?:\.SILENT)? \(([^)]*)\)", re.IGNORECASE)

_STORE_LABELS = re.compile(rb"UID STORE (\S+) \+X-GM-LABELS \((.*)\)$", re.IGNORECASE)
_ESCAPE = re.compile(rb"\\(.)")


@dataclass
class Box:
    """A folder; `permanent` is what PERMANENTFLAGS says, where it says something."""

    mails: dict[int, Mail] = field(default_factory=dict)
    uidvalidity: int = 7
    attributes: bytes = b""
    read_only: bool = False
    permanent: bytes | None = None
    uidnext: int = 0

    def put(self, mail: Mail) -> int:
        """Take in a message under the next UID."""
        uid = max(self.uidnext, max(self.mails, default=0) + 1)
        self.uidnext = uid + 1
        self.mails[uid] = mail
        return uid

    def marked(self) -> list[int]:
        """Tell which UIDs are marked as deleted."""
        return [uid for uid, mail in self.mails.items() if "\\Deleted" in mail.flags.split()]

    def mark(self, *uids: int) -> None:
        """Mark as deleted, as another client would."""
        for uid in uids:
            self.mails[uid].flags = " ".join(sorted({*self.mails[uid].flags.split(), "\\Deleted"}))


Chosen: TypeAlias = Callable[[Box, list[int]], Iterable[int]]
"""Of the UIDs named, in the order of the command, those that it is really done to; or any others."""

Deed: TypeAlias = Callable[[], object]


def as_asked(box: Box, uids: list[int]) -> Iterable[int]:
    """Do what was asked for."""
    return uids


def nothing(box: Box, uids: list[int]) -> Iterable[int]:
    """Do nothing, and say OK."""
    return ()


def all_marked(box: Box, uids: list[int]) -> Iterable[int]:
    """Take all that is marked, as a plain EXPUNGE does."""
    return box.marked()


class _Connection(threading.local):
    box: str | None = None
    read_only = True
    seen: Sequence[int] = ()  # the UIDs that this connection knows of, by their numbers
    vanishes = False  # whether QRESYNC is on


@dataclass
class StatefulDouble(ImapDouble):
    """The server. `boxes` are its folders; all else is a knob, at rest unless it is turned."""

    capabilities: str = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ UIDPLUS MOVE"
    boxes: dict[str, Box] = field(default_factory=dict)
    stores: Chosen = as_asked
    copies: Chosen = as_asked
    moves: Chosen = as_asked
    expunges: Chosen = as_asked
    """Of the UIDs named that are marked."""
    copyuid: Callable[[list[tuple[int, int]]], list[tuple[int, int]]] = lambda pairs: pairs
    """What COPYUID tells of the pairs that are so; with none, there is no COPYUID."""
    copyuid_tagged: bool = False
    """Whether a MOVE tells it in its last line and not before."""
    tells_expunges: bool = True
    tells_late: bool = False
    """Whether it tells an expunge only in the answer to the next command."""
    untold: set[int] = field(default_factory=set)
    """UIDs whose expunge is told to nobody."""
    expunges_on_store: bool = False
    """Whether a mark removes at once, as the auto-expunge of Gmail does."""
    gmail: bool = False
    """Whether folders are labels: an expunge outside of the trash keeps the message in all others.

    One `Mail` is one message, in whichever folders; X-GM-LABELS tells the folders it is in, but the open one.
    """
    before: list[tuple[bytes, Deed]] = field(default_factory=list)
    """What happens just before a command that matches is carried out; each once, in order."""
    after: list[tuple[bytes, Deed]] = field(default_factory=list)
    """What happens just after, before it is answered."""
    drops_before: list[bytes] = field(default_factory=list)
    """Commands at which the line drops, each once, and nothing is done."""
    drops_after: list[bytes] = field(default_factory=list)
    """Commands that are carried out and never answered, as the line drops; each once."""
    unasked: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Lines that come before the end of every command that matches."""
    hides: set[int] = field(default_factory=set)
    """UIDs that no listing shows."""
    garbles: set[int] = field(default_factory=set)
    """UIDs whose row in a listing makes no sense."""

    def __post_init__(self) -> None:
        self._mine = _Connection()
        self._lock = threading.RLock()

    def snapshot(self) -> Mapping[str, Mapping[int, tuple[bytes, str]]]:
        """Tell what every folder holds: UID -> bytes and flags."""
        with self._lock:
            return {
                name: {uid: (mail.raw, mail.flags) for uid, mail in box.mails.items()}
                for name, box in self.boxes.items()
            }

    def everywhere(self) -> set[bytes]:
        """Give the bytes of all that is left in any folder."""
        return {raw for box in self.snapshot().values() for raw, _ in box.values()}

    # --- serving ------------------------------------------------------------------------------------

    def _answer(self, tag: bytes, command: bytes, parts: list[bytes]) -> list[bytes]:
        with self._lock:
            _happen(self.before, command)
            _drop(self.drops_before, command)
            said = self._play(tag, command, parts)
            _happen(self.after, command)
            _drop(self.drops_after, command)
            lines = [line for pattern, line in self.unasked if re.match(pattern, command, re.IGNORECASE)]
            return [*said[:-1], *lines, *said[-1:]]

    def _play(self, tag: bytes, command: bytes, parts: list[bytes]) -> list[bytes]:
        for pattern, answer in self.answers:
            found = re.match(pattern, command, re.IGNORECASE)
            said = (answer(found) if callable(answer) else answer) if found else None
            if said == b"DROP":
                raise Dropped
            if said is not None:
                return [said.replace(b"%t", tag)]
        verb = b" ".join(command.upper().split(b" ")[: 2 if command.upper().startswith(b"UID ") else 1])
        play = {
            b"SELECT": self._select,
            b"EXAMINE": self._select,
            b"CREATE": self._create,
            b"ENABLE": self._enable,
            b"NOOP": lambda command: (b"OK nothing", []),
            b"UID STORE": self._store_labels if b"X-GM-LABELS" in command else self._store,
            b"UID COPY": self._copy,
            b"UID MOVE": self._move,
            b"UID EXPUNGE": self._uid_expunge,
            b"EXPUNGE": self._plain_expunge,
            b"CLOSE": self._plain_expunge,
        }.get(verb)
        if play is None:
            self.folders = [
                b'(%s) "/" "%s"' % (box.attributes, name.encode()) for name, box in self.boxes.items()
            ]
            return super()._answer(tag, command, parts)
        earlier = self._news() if self.tells_late and verb not in (b"SELECT", b"EXAMINE") else []
        word, lines = play(command)
        later = [] if self.tells_late else self._news()
        return [*lines, *earlier, *later, tag + b" " + word + b"\r\n"]

    def _box(self) -> Box:
        return self.boxes[self._mine.box or ""]

    def _news(self) -> list[bytes]:
        """Tell this connection what changed in its folder since it was told last."""
        if self._mine.box not in self.boxes:
            return []
        now = sorted(self._box().mails)
        gone = [uid for uid in self._mine.seen if uid not in self._box().mails and uid not in self.untold]
        lines: list[bytes] = []
        if gone and self._mine.vanishes:
            lines.append(b"* VANISHED %s\r\n" % uidset.of(gone))
        elif gone:
            numbers = [number for number, uid in enumerate(self._mine.seen, 1) if uid in set(gone)]
            lines += [b"* %d EXPUNGE\r\n" % number for number in reversed(numbers)]
        if not self.tells_expunges:
            lines = []
        if set(now) - set(self._mine.seen):
            lines.append(b"* %d EXISTS\r\n" % len(now))
        self._mine.seen = now
        return lines

    # --- commands -----------------------------------------------------------------------------------

    def _select(self, command: bytes) -> tuple[bytes, list[bytes]]:
        name = _name(command)
        self._mine.box = None
        if name not in self.boxes:
            return b"NO [NONEXISTENT] no such folder", []
        box = self.boxes[name]
        self._mine.box, self._mine.seen = name, sorted(box.mails)
        self._mine.read_only = box.read_only or command.upper().startswith(b"EXAMINE")
        lines = [
            b"* %d EXISTS\r\n" % (len(box.mails) if self.exists is None else self.exists),
            b"* OK [UIDVALIDITY %d] valid\r\n" % box.uidvalidity,
            b"* OK [UIDNEXT %d] next\r\n" % max(box.uidnext, max(box.mails, default=0) + 1),
        ]
        if box.permanent is not None:
            lines.append(b"* OK [PERMANENTFLAGS (%s)] kept\r\n" % box.permanent)
        return (b"OK [READ-ONLY] opened" if self._mine.read_only else b"OK [READ-WRITE] opened"), lines

    def _create(self, command: bytes) -> tuple[bytes, list[bytes]]:
        if _name(command) in self.boxes:
            return b"NO [ALREADYEXISTS] there", []
        self.boxes[_name(command)] = Box(uidvalidity=90 + len(self.boxes))
        return b"OK made", []

    def _enable(self, command: bytes) -> tuple[bytes, list[bytes]]:
        self._mine.vanishes = b"QRESYNC" in command.upper()
        return b"OK enabled", [b"* ENABLED QRESYNC\r\n"] if self._mine.vanishes else []

    def _named(self, command: bytes) -> list[int]:
        asked = uidset.read(command.split(b" ")[2].replace(b"*", b"4294967295"))
        return [uid for uid in sorted(self._box().mails) if any(low <= uid <= high for low, high in asked)]

    def _store(self, command: bytes) -> tuple[bytes, list[bytes]]:
        found = _STORE.match(command)
        if self._mine.read_only or found is None:
            return b"NO [READ-ONLY] not here", []
        box = self._box()
        chosen = list(self.stores(box, self._named(command)))
        for uid in chosen:
            flags, named = set(box.mails[uid].flags.split()), set(found[3].decode().split())
            flags = flags - named if found[2] == b"-" else flags | named if found[2] else named
            box.mails[uid].flags = " ".join(sorted(flags))
        if self.expunges_on_store and found[2] == b"+":
            self._take_out(box, [uid for uid in chosen if uid in box.marked()])
        return b"OK stored", []

    def _store_labels(self, command: bytes) -> tuple[bytes, list[bytes]]:
        """Put messages into the folders of labels (Gmail); a label that is no folder is refused.

        That a message was sent, or is a draft, cannot be said so: Gmail says OK and does nothing.
        """
        found = _STORE_LABELS.match(command)
        if self._mine.read_only or found is None or not self.gmail:
            return b"NO [READ-ONLY] not here", []
        by_label = {self._label(name): box for name, box in self.boxes.items()}
        named = [_ESCAPE.sub(rb"\1", one) for one in re.findall(rb'"((?:[^"\\]|\\.)*)"', found[2])]
        if not named or any(one not in by_label for one in named):
            return b"NO [CANNOT] no such label", []
        for uid in self._named(command):
            mail = self._box().mails[uid]
            for box in (by_label[one] for one in named if one not in (b"\\Sent", b"\\Draft")):
                if all(held is not mail for held in box.mails.values()):
                    box.put(mail)
        return b"OK stored", []

    def _label(self, name: str) -> bytes | None:
        """Tell the label whose folder this is; None for all mail, spam, trash and what cannot be opened."""
        use = self.boxes[name].attributes.split()
        if set(use) & {b"\\All", b"\\Junk", b"\\Trash", b"\\Noselect"}:
            return None
        if name == "INBOX":
            return b"\\Inbox"
        known = {b"\\Flagged": b"\\Starred", b"\\Drafts": b"\\Draft"}
        special = [one for one in use if one in (b"\\Sent", b"\\Important", *known)]
        return known.get(special[0], special[0]) if special else name.encode()

    def _labels(self, mail: Mail) -> bytes:
        there = [
            self._label(name)
            for name, box in self.boxes.items()
            if name != self._mine.box and any(held is mail for held in box.mails.values())
        ]
        quoted = (b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", one) for one in there if one is not None)
        return b" ".join(quoted) or mail.labels

    def _append(self, parts: list[bytes]) -> bytes:
        """Take a message into its folder; at Gmail, into all mail too."""
        name = _name(parts[0])
        if name not in self.boxes:
            return b"NO [TRYCREATE] no such folder"
        self.mails = {}
        said = super()._append(parts)
        if said.startswith(b"OK"):
            uids = []
            every = next((box for box in self.boxes.values() if b"\\All" in box.attributes), None)
            for mail in self.mails.values():
                uids.append(self.boxes[name].put(mail))
                if self.gmail and every is not None and self._label(name) is not None:
                    every.put(mail)
            said = b"OK [APPENDUID %d %s] taken" % (self.boxes[name].uidvalidity, uidset.of(uids))
        return said

    def _uid_expunge(self, command: bytes) -> tuple[bytes, list[bytes]]:
        if "UIDPLUS" not in self.capabilities:
            return b"BAD what is that", []
        if self._mine.read_only:
            return b"NO [READ-ONLY] not here", []
        box = self._box()
        marked = set(box.marked())
        self._take_out(box, self.expunges(box, [uid for uid in self._named(command) if uid in marked]))
        return b"OK expunged", []

    def _plain_expunge(self, command: bytes) -> tuple[bytes, list[bytes]]:
        self._take_out(self._box(), self._box().marked())
        return b"OK expunged", []

    def _take_out(self, box: Box, uids: Iterable[int]) -> None:
        for uid in list(uids):
            box.mails.pop(uid, None)

    def _copy(self, command: bytes) -> tuple[bytes, list[bytes]]:
        return self._transfer(command, self.copies, moving=False)

    def _move(self, command: bytes) -> tuple[bytes, list[bytes]]:
        if "MOVE" not in self.capabilities:
            return b"BAD what is that", []
        if self._mine.read_only:
            return b"NO [READ-ONLY] not here", []
        return self._transfer(command, self.moves, moving=True)

    def _transfer(self, command: bytes, choose: Chosen, *, moving: bool) -> tuple[bytes, list[bytes]]:
        target = self.boxes.get(_name(command))
        if target is None:
            return b"NO [TRYCREATE] no such folder", []
        box = self._box()
        pairs: list[tuple[int, int]] = []
        for uid in list(choose(box, self._named(command))):
            mail = box.mails[uid]
            kept = mail if self.gmail else Mail(mail.raw, mail.flags, mail.size, mail.date)
            pairs.append((uid, target.put(kept)))
            if self.gmail and b"Trash" in target.attributes:
                for other in self.boxes.values():
                    if other is not target:
                        self._take_out(other, [one for one, held in other.mails.items() if held is mail])
            elif moving:
                self._take_out(box, [uid])
        told = self.copyuid(pairs)
        if not told or "UIDPLUS" not in self.capabilities:
            return b"OK done", []
        here, there = (b",".join(b"%d" % pair[side] for pair in told) for side in (0, 1))
        code = b"[COPYUID %d %s %s]" % (target.uidvalidity, here, there)
        if moving and not self.copyuid_tagged:
            return b"OK done", [b"* OK " + code + b" moved\r\n"]
        return b"OK " + code + b" done", []

    # --- listings -----------------------------------------------------------------------------------

    def _asked(self, command: bytes) -> list[tuple[int, int, Mail]]:
        numbers = {uid: number for number, uid in enumerate(self._mine.seen, 1)}
        return [(numbers.get(uid, 1), uid, self._box().mails[uid]) for uid in self._named(command)]

    def _rows(self, tag: bytes, command: bytes) -> list[bytes]:
        news = self._news()
        if b"(UID)" not in command:
            shown = self._shown(super()._rows(tag, command)[:-1])
        else:
            shown = self._shown([b"* %d FETCH (UID %d)\r\n" % row[:2] for row in self._asked(command)])
        return [*news, *shown, tag + b" OK listed\r\n"]

    def _shown(self, rows: list[bytes]) -> list[bytes]:
        found = []
        for row in rows:
            told = re.search(rb"UID (\d+)", row)
            uid = int(told[1]) if told else 0
            if uid in self.garbles:
                found.append(b"* 1 FETCH (UID (\r\n")
            elif uid not in self.hides:
                found.append(row)
        return found


def _name(command: bytes) -> str:
    found = _NAME.match(command)
    return found[1].decode() if found else ""


def _happen(deeds: list[tuple[bytes, Deed]], command: bytes) -> None:
    for one in list(deeds):
        if re.match(one[0], command, re.IGNORECASE):
            deeds.remove(one)
            one[1]()
            return


def _drop(patterns: list[bytes], command: bytes) -> None:
    for pattern in list(patterns):
        if re.match(pattern, command, re.IGNORECASE):
            patterns.remove(pattern)
            raise Dropped
