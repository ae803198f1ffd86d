"""A small IMAP server that misbehaves on order: one mailbox, loopback, in the clear, a thread a client.

It plays the servers of the field that no package installs: what each attribute does is what some server did.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

from archiver.accounts.imap import uidset

Answer: TypeAlias = "bytes | Callable[[re.Match[bytes]], bytes | None]"


@dataclass
class Mail:
    """A message; `size` is what the server claims, `date` goes out as it stands."""

    raw: bytes
    flags: str = ""
    size: int | None = None
    date: str = "17-Jul-1996 02:44:25 -0700"
    labels: bytes = field(default=b"", kw_only=True)
    """What stands in the parentheses of X-GM-LABELS."""


@dataclass
class Posted:
    """A message as a client appends it: what stands before its bytes, and whether as literal8 (RFC 3516)."""

    flags: frozenset[str]
    date: str | None
    raw: bytes
    binary: bool = False
    utf8: bool = False
    """Whether it came as `UTF8 (...)` (RFC 6855)."""


class Dropped(Exception):
    pass


@dataclass
class ImapDouble:
    """The server. Start it as a context manager; `port` is where it listens, `seen` the commands it got."""

    mails: dict[int, Mail] = field(default_factory=dict)
    capabilities: str = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ ID"
    greeting: bytes = b"* OK ready\r\n"
    folders: list[bytes] = field(default_factory=lambda: [b'() "/" INBOX'])
    uidvalidity: int | None = 7
    uidnext: bool = True
    modseq: int | None = None
    exists: int | None = None
    """The EXISTS it claims, where that is not the truth."""
    row: str = 'UID {uid} FLAGS ({flags}) INTERNALDATE "{date}" RFC822.SIZE {size}'
    """A listing's row; the order of items differs between servers."""
    uid_last: bool = False
    without_uid: bool = False
    quoted: bool = False
    nil: set[int] = field(default_factory=set)
    nil_parts: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    refused_parts: set[int] = field(default_factory=set)
    refusal: bytes = b"NO Some messages could not be FETCHed (Failure)"
    unanswered: set[int] = field(default_factory=set)
    drops: dict[int, int] = field(default_factory=dict)
    """UID -> how many times the line drops in the middle of it."""
    chatter: bytes = b""
    """What it says unasked, before each row of a FETCH."""
    changed: set[int] = field(default_factory=set)
    """The UIDs that a CHANGEDSINCE is answered with."""
    answers: list[tuple[bytes, Answer]] = field(default_factory=list)
    """Patterns of commands and what is answered in place of the usual, `%t` standing for the tag; the first
    that matches and does not give None wins. A function may drop the line by giving `b"DROP"`."""
    takes: Callable[[Posted], bytes | None] = lambda posted: None
    """What it says against a message that is appended, such as `NO [TOOBIG] ...`; `DROP` drops the line before
    and `TAKE` after it took the command. A command is taken whole or not at all (RFC 3502)."""
    refuses_literal: Callable[[int], bytes | None] = lambda size: None
    """What it says in place of `+ go`, by the size announced, for literals that wait."""
    posted: list[Posted] = field(default_factory=list)
    """What was appended and taken, in order."""
    seen: list[bytes] = field(default_factory=list)
    logins: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._taking = threading.Lock()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)

    def commands(self, pattern: bytes) -> list[bytes]:
        """Give the commands that match, without their tags."""
        return [line for line in self.seen if re.match(pattern, line)]

    # --- serving ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients.append(client)
            thread = threading.Thread(target=self._client, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _client(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as reader, contextlib.suppress(OSError, Dropped):
            client.sendall(self.greeting)
            while line := reader.readline():
                parts: list[bytes] = []
                refusal = None
                while found := re.search(rb"\{(\d+)(\+?)\}\r\n$", line):
                    refusal = None if found[2] else self.refuses_literal(int(found[1]))
                    if refusal is not None:
                        break
                    if not found[2]:
                        client.sendall(b"+ go\r\n")
                    parts += [line[: found.start()], reader.read(int(found[1]))]
                    line = reader.readline()
                parts.append(line.rstrip(b"\r\n"))
                tag, _, parts[0] = parts[0].partition(b" ")
                command = b"".join(parts)
                self.seen.append(command)
                answer = [tag + b" " + refusal + b"\r\n"] if refusal else self._answer(tag, command, parts)
                for piece in answer:
                    client.sendall(piece)
                if command == b"LOGOUT":
                    return

    def _answer(self, tag: bytes, command: bytes, parts: list[bytes]) -> list[bytes]:  # noqa: PLR0911  (one for each command)
        for pattern, answer in self.answers:
            found = re.match(pattern, command, re.IGNORECASE)
            said = (answer(found) if callable(answer) else answer) if found else None
            if said == b"DROP":
                raise Dropped
            if said is not None:
                return [said.replace(b"%t", tag)]
        words = command.upper().split(b" ")
        if words[0] in (b"LOGIN", b"AUTHENTICATE"):
            self.logins += 1
            return [b"%s OK [CAPABILITY %s] in\r\n" % (tag, self.capabilities.encode())]
        if words[0] == b"CAPABILITY":
            return [b"* CAPABILITY %s\r\n%s OK\r\n" % (self.capabilities.encode(), tag)]
        if words[0] == b"LIST":
            return [*(b"* LIST %s\r\n" % row for row in self.folders), tag + b" OK listed\r\n"]
        if words[0] == b"APPEND":
            with self._taking:  # several clients may append at a time
                return [tag + b" " + self._append(parts) + b"\r\n"]
        if words[0] == b"EXAMINE":
            return [self._examine(), tag + b" OK [READ-ONLY] opened\r\n"]
        if words[:2] == [b"UID", b"FETCH"] and b"BODY.PEEK[]" in command.upper():
            return self._bodies(tag, command)
        if words[:2] == [b"UID", b"FETCH"]:
            return self._rows(tag, command)
        return [tag + b" OK done\r\n"]

    def _append(self, parts: list[bytes]) -> bytes:
        given = []
        for before, raw in zip(parts[::2], parts[1::2], strict=False):
            flags = re.search(rb' \(([^)"]*)\)(?: "[^"]*")? (?:UTF8 \()?~?$', before)
            date = re.search(rb'"([^"]*-[^"]*)" (?:UTF8 \()?~?$', before)
            given.append(
                Posted(
                    frozenset(flags[1].decode().split()) if flags else frozenset(),
                    date[1].decode() if date else None,
                    raw,
                    before.endswith(b"~"),
                    before.endswith(b"UTF8 (~"),
                )
            )
        said = [self.takes(one) for one in given]
        if b"DROP" in said:
            raise Dropped
        against = [one for one in said if one not in (None, b"TAKE")]
        if against:
            return against[0] or b""
        first = max(self.mails, default=0) + 1
        for uid, one in enumerate(given, first):
            at = one.date or "17-Jul-1996 02:44:25 -0700"
            self.mails[uid] = Mail(one.raw, " ".join(sorted(one.flags)), date=at)
        self.posted += given
        if b"TAKE" in said:
            raise Dropped
        if "UIDPLUS" not in self.capabilities:
            return b"OK taken"
        uids = b"%d:%d" % (first, first + len(given) - 1) if len(given) > 1 else b"%d" % first
        return b"OK [APPENDUID %d %s] taken" % (self.uidvalidity or 0, uids)

    def _examine(self) -> bytes:
        count = len(self.mails) if self.exists is None else self.exists
        out = b"* FLAGS (\\Seen)\r\n* %d EXISTS\r\n" % count
        if self.uidvalidity is not None:
            out += b"* OK [UIDVALIDITY %d] valid\r\n" % self.uidvalidity
        if self.uidnext:
            out += b"* OK [UIDNEXT %d] next\r\n" % (max(self.mails, default=0) + 1)
        if self.modseq is not None:
            out += b"* OK [HIGHESTMODSEQ %d] highest\r\n" % self.modseq
        return out

    def _asked(self, command: bytes) -> list[tuple[int, int, Mail]]:
        text = command.split(b" ")[2].replace(b"*", b"4294967295")
        wanted = uidset.read(text)
        return [
            (number, uid, self.mails[uid])
            for number, uid in enumerate(sorted(self.mails), 1)
            if any(low <= uid <= high for low, high in wanted)
        ]

    def _rows(self, tag: bytes, command: bytes) -> list[bytes]:
        out = []
        for number, uid, mail in self._asked(command):
            if b"CHANGEDSINCE" in command and uid not in self.changed:
                continue
            size = len(mail.raw) if mail.size is None else mail.size
            row = self.row.format(uid=uid, flags=mail.flags, date=mail.date, size=size)
            told = row.encode()
            if b"X-GM-LABELS" in command:
                told += b" X-GM-LABELS (" + self._labels(mail) + b")"
            out.append(self.chatter + b"* %d FETCH (%s)\r\n" % (number, told))
        return [*out, tag + b" OK listed\r\n"]

    def _labels(self, mail: Mail) -> bytes:
        return mail.labels

    def _bodies(self, tag: bytes, command: bytes) -> list[bytes]:
        part = re.search(rb"<(\d+)\.(\d+)>", command)
        refused = self.refused_parts if part else self.refused
        out: list[bytes] = []
        bad = False
        for number, uid, mail in self._asked(command):
            if uid in refused:
                bad = True
                continue
            if uid in self.unanswered:
                continue
            if self.drops.get(uid, 0) > 0:
                self.drops[uid] -= 1
                self._drop(
                    b"".join(out) + b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (number, uid, 1000) + b"x" * 9
                )
            out.append(self.chatter + self._body(number, uid, mail, part))
        return [*out, tag + (b" " + self.refusal if bad else b" OK fetched") + b"\r\n"]

    def _drop(self, last: bytes) -> None:
        client = self._clients[-1]
        client.sendall(last)
        client.shutdown(socket.SHUT_RDWR)
        raise Dropped

    def _body(self, number: int, uid: int, mail: Mail, part: re.Match[bytes] | None) -> bytes:
        raw, item = mail.raw, b"BODY[]"
        if part:
            start, size = int(part[1]), int(part[2])
            raw, item = raw[start : start + size], b"BODY[]<%d>" % start
        if uid in (self.nil_parts if part else self.nil):
            data = b"NIL"
        elif self.quoted and b"\n" not in raw:
            data = b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        else:
            data = b"{%d}\r\n" % len(raw) + raw
        if self.without_uid:
            return b"* %d FETCH (%s %s)\r\n" % (number, item, data)
        if self.uid_last:
            return b"* %d FETCH (%s %s FLAGS (\\Seen) UID %d)\r\n" % (number, item, data, uid)
        return b"* %d FETCH (UID %d %s %s)\r\n" % (number, uid, item, data)
