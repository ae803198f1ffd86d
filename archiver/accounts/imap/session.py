"""One logged-in IMAP session: greeting, TLS, login, and the commands that reading needs.

Reading is by EXAMINE and PEEK, which change nothing (RFC 9051 sections 6.3.3 and 6.4.5). Only who removes
messages opens a mailbox by SELECT; nobody reads from it after that.
A session that raised `Unreachable` is dead; whoever owns it opens another.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgspec import Struct

from archiver.accounts.imap import quirks, replies, uidset, wire
from archiver.accounts.imap.connection import Connection
from archiver.accounts.imap.events import (
    Capabilities,
    Continue,
    Enabled,
    Event,
    Fetched,
    Found,
    Listed,
    MailboxStatus,
    Namespace,
    Other,
    Status,
)
from archiver.accounts.imap.fetched import parse_listing
from archiver.accounts.imap.scanner import WireError, text
from archiver.accounts.imap.selected import Selected, note_code, note_event
from archiver.errors import Interrupted, Unreachable

_log = logging.getLogger(__name__)

AHEAD = 8192
"""Bytes of commands sent ahead of their answers: they must fit into the buffers between, or both sides would
wait for each other to read."""

SENSELESS = 100
"""Responses without sense after which this is no IMAP server at all."""

Take: TypeAlias = Callable[[Event], None]


class Octets(Struct, frozen=True):
    """A part of a command that goes as a literal; a `binary` one may hold NUL (RFC 3516)."""

    data: bytes
    binary: bool = False

    def header(self, *, at_once: bool) -> bytes:
        """Write what announces the literal."""
        return b"%s{%d%s}\r\n" % (b"~" * self.binary, len(self.data), b"+" * at_once)


Piece: TypeAlias = bytes | Octets


class LiteralRefused(Unreachable):
    """The server ended a command rather than take its literal; what it said is in `status`."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"the server does not take a literal: {replies.words(status)}", "try again later")
        self.status = status


def astring(raw: bytes) -> Piece:
    """Write a string: quoted if it is plain ASCII, else as a literal (RFC 9051 section 4.3)."""
    if raw.isascii() and not any(byte in raw for byte in (b"\0", b"\r", b"\n")):
        return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return Octets(raw)


class Session:
    """A session on a connection. Methods raise `Unreachable` when the line or the server goes away."""

    def __init__(self, connection: Connection, owner: str) -> None:
        self.connection = connection
        self.owner = owner
        self.capabilities: frozenset[str] = frozenset()
        self.enabled: frozenset[str] = frozenset()
        self.selected: Selected | None = None
        self.tells_subscriptions = False  # whether the last listing did
        self.streaming = False
        """Whether bodies are on their way, so that nothing else may be asked here."""
        self._senseless = 0

    # --- sending and reading --------------------------------------------------------------------------

    def send(self, *pieces: Piece, shown: bytes | None = None) -> str:
        """Send one command and give its tag. A literal may have to wait for the server's word first."""
        tag = self.connection.tag()
        out = [tag.encode() + b" "]
        for piece in pieces:
            if isinstance(piece, bytes):
                out.append(piece)
            elif self.sends_literals_at_once:
                out += [piece.header(at_once=True), piece.data]
            else:
                self.connection.send(*out, piece.header(at_once=False), shown=shown)
                self._await_go(tag)
                out = [piece.data]
        self.connection.send(*out, b"\r\n", shown=shown)
        return tag

    @property
    def sends_literals_at_once(self) -> bool:
        """Tell whether LITERAL+ (RFC 7888) is there."""
        return "LITERAL+" in self.capabilities

    def _await_go(self, tag: str) -> None:
        while not isinstance(event := self.event(), Continue):
            if isinstance(event, Status) and event.tag == tag:
                raise LiteralRefused(event)
            self.note(event)

    def event(self) -> Event:
        """Read the next response as a value."""
        return self.parse(self.read())

    def read(self) -> wire.Response:
        """Read the next response that brings no body."""
        try:
            return self.connection.read()
        except WireError as error:
            raise Unreachable(f"the server does not speak IMAP: {error}", "try again later") from error

    def parse(self, response: wire.Response) -> Event:
        """Read a response as a value. One that makes no sense is passed over, as the next begins after it.

        What it may have told is not lost in silence: counts that do not add up are seen.
        """
        try:
            return wire.parse(response)
        except WireError as error:
            self._senseless += 1
            if self._senseless > SENSELESS:
                raise Unreachable(f"the server does not speak IMAP: {error}") from error
            _log.info("a response makes no sense: %s", error)
            return Other("")

    def finish(self, tag: str, take: Take | None = None) -> Status:
        """Read up to the end of the command `tag`, handing what comes to `take`."""
        while True:
            event = self.event()
            if isinstance(event, Status) and event.tag == tag:
                self._note_code(event)
                return event
            self.note(event)
            if take:
                take(event)

    def run(self, *pieces: Piece, take: Take | None = None, shown: bytes | None = None) -> Status:
        """Send one command and read up to its end."""
        return self.finish(self.send(*pieces, shown=shown), take)

    def run_all(self, commands: Iterable[list[Piece]], take: Take | None = None) -> list[Status]:
        """Send many commands, several at a time, and read them to their ends, in order."""
        flying: deque[tuple[str, int]] = deque()
        done = []
        for pieces in commands:
            waits = not self.sends_literals_at_once and any(isinstance(one, Octets) for one in pieces)
            size = sum(len(one) if isinstance(one, bytes) else len(one.data) for one in pieces)
            while flying and (waits or sum(each for _, each in flying) + size > AHEAD):
                done.append(self.finish(flying.popleft()[0], take))
            flying.append((self.send(*pieces), size))
        while flying:
            done.append(self.finish(flying.popleft()[0], take))
        return done

    def note(self, event: Event) -> None:
        """Keep what the server says unasked, at any time. Raises `Unreachable` for BYE."""
        if isinstance(event, Status):
            if event.word == "BYE":
                raise replies.goodbye(event)
            self._note_code(event)
        elif isinstance(event, Capabilities):
            self.capabilities = event.words
        elif isinstance(event, Enabled):
            self.enabled |= event.words
        elif self.selected is not None:
            note_event(self.selected, event)

    def _note_code(self, status: Status) -> None:
        if status.code == "CAPABILITY":
            self.capabilities = frozenset(text(status.argument).upper().split())
        elif self.selected is not None:
            note_code(self.selected, status)

    # --- mailboxes ------------------------------------------------------------------------------------

    @property
    def utf8(self) -> bool:
        """Tell whether names go as UTF-8 (RFC 6855)."""
        return "UTF8=ACCEPT" in self.enabled

    @property
    def has_condstore(self) -> bool:
        """Tell whether changes of flags can be asked for (RFC 7162)."""
        return bool({"CONDSTORE", "QRESYNC"} & self.capabilities)

    @property
    def has_qresync(self) -> bool:
        """Tell whether the server will tell what vanished: only if it said that it switched this on."""
        return "QRESYNC" in self.enabled

    def mailboxes(self) -> tuple[list[Listed], dict[bytes, MailboxStatus]]:
        """List all mailboxes, and, where a status can spare an EXAMINE, the status of each."""
        listed: list[Listed] = []
        told: dict[bytes, MailboxStatus] = {}

        def take(event: Event) -> None:
            if isinstance(event, Listed):
                listed.append(event)
            elif isinstance(event, MailboxStatus):
                told[event.mailbox] = event

        wanted = b"STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
        options = [b"SPECIAL-USE"] if "SPECIAL-USE" in self.capabilities else []
        options += [b"SUBSCRIBED"] if "LIST-EXTENDED" in self.capabilities else []
        options += [wanted] if self.has_condstore and "LIST-STATUS" in self.capabilities else []
        asked = bool(options) and bool({"LIST-EXTENDED", "LIST-STATUS"} & self.capabilities)
        if asked:
            status = self.run(b'LIST "" "*" RETURN (' + b" ".join(options) + b")", take=take)
        self.tells_subscriptions = asked and status.word == "OK" and b"SUBSCRIBED" in options
        if not asked or status.word != "OK":
            listed.clear()
            told.clear()
            status = self.run(b'LIST "" "*"', take=take)
        if status.word != "OK":
            raise replies.list_refused(status)
        if self.has_condstore and not told:
            names = [one.mailbox for one in listed if is_selectable(one)]
            self.run_all(([b"STATUS ", astring(name), b" " + wanted[7:]] for name in names), take)
        if self.selected is not None:  # of the open mailbox, STATUS tells what this session saw, not what is
            told.pop(self.selected.mailbox, None)
        return listed, told

    def examine(self, mailbox: bytes, since: tuple[int, int] | None = None) -> tuple[Selected, Status]:
        """Open a mailbox for reading; `since` is UIDVALIDITY and MODSEQ for QRESYNC. Look at the status."""
        parameters = b" (QRESYNC (%d %d))" % since if since and self.has_qresync else b""
        return self._open(Selected(mailbox, self.owner), b"EXAMINE ", parameters)

    def select(self, mailbox: bytes) -> tuple[Selected, Status]:
        """Open a mailbox for writing. Look at the status, and at whether it is read-only."""
        return self._open(Selected(mailbox, self.owner, by_select=True), b"SELECT ")

    def _open(self, opened: Selected, verb: bytes, parameters: bytes = b"") -> tuple[Selected, Status]:
        self.selected = opened

        def take(event: Event) -> None:
            if isinstance(event, Fetched):
                opened.changed.append(event)

        status = self.run(verb, astring(opened.mailbox), parameters, take=take)
        if status.word != "OK":
            self.selected = None
        return opened, status

    # --- messages -------------------------------------------------------------------------------------

    def listing(
        self, what: bytes, items: bytes, *, since: int | None = None, by_uid: bool = True
    ) -> tuple[list[Fetched], Status]:
        """List messages: `what` is a set, `items` such as `UID FLAGS`; `since` asks for what changed only.

        What the server says unasked is among the rows. Look at the status.
        """
        command = b"UID FETCH " if by_uid else b"FETCH "
        modifier = b" (CHANGEDSINCE %d)" % since if since else b""
        tag = self.send(command + what + b" (" + items + b")" + modifier)
        rows: list[Fetched] = []
        read = self.read
        while True:
            response = read()
            row = parse_listing(response[0]) if len(response) == 1 else None
            event = row or self.parse(response)
            if isinstance(event, Fetched):
                rows.append(event)
            elif isinstance(event, Status) and event.tag == tag:
                self._note_code(event)
                return rows, event
            else:
                self.note(event)

    def uids(self, last: int) -> uidset.Ranges | None:
        """List the UIDs up to `last` in the short form of ESEARCH (RFC 4731); None if the server cannot."""
        if "ESEARCH" not in self.capabilities:
            return None
        found: list[Found] = []
        status = self.run(
            b"UID SEARCH RETURN (ALL) UID 1:%d" % last,
            take=lambda event: found.append(event) if isinstance(event, Found) else None,
        )
        return found[-1].uids if status.word == "OK" and found else None

    def namespace(self) -> Namespace:
        """Tell the user's own namespaces (RFC 2342); empty where the server does not say."""
        found: list[Namespace] = []
        if "NAMESPACE" in self.capabilities:
            self.run(
                b"NAMESPACE",
                take=lambda event: found.append(event) if isinstance(event, Namespace) else None,
            )
        return found[-1] if found else Namespace(())

    def compress(self) -> None:
        """Compress what goes over a long line (RFC 4978), where the server can and is to be trusted with it."""
        can = self.capabilities
        wanted = "COMPRESS=DEFLATE" in can and not quirks.breaks_compressed_sessions(can)
        if wanted and self.connection.wants_compression and self.run(b"COMPRESS DEFLATE").word == "OK":
            self.connection.start_compression()

    def identify(self) -> None:
        """Say who is calling (RFC 2971); some servers serve no stranger."""
        fields = b" ".join(b'"%s" "%s"' % (k.encode(), v.encode()) for k, v in quirks.identity().items())
        self.run(b"ID (" + fields + b")")

    def logout(self) -> None:
        """Say goodbye and close. Never raises."""
        try:
            self.connection.send(self.connection.tag().encode() + b" LOGOUT\r\n")
        except (Unreachable, Interrupted):
            _log.debug("the line was closed before the logout")
        self.connection.close()


def is_selectable(listed: Listed) -> bool:
    """Tell whether a mailbox can be opened at all (RFC 9051 section 7.3.1)."""
    return not {"\\noselect", "\\nonexistent"} & {name.lower() for name in listed.attributes}
