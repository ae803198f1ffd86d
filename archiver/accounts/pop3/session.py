"""One logged-in POP3 session: the commands that archiver needs (RFC 1939, RFC 2449).

A session that raised `Unreachable` is dead; whoever owns it opens another.
"""

import contextlib
import logging
from collections.abc import Mapping

from archiver.accounts.pop3 import maildrop, quirks, replies, wire
from archiver.accounts.pop3.connection import BODY_LIMIT, Connection
from archiver.accounts.pop3.wire import Status, WireError
from archiver.errors import ArchiverError, Unreachable

_log = logging.getLogger(__name__)

_GOODBYE_S = 5.0
"""How long the answer to a QUIT is waited for where nothing depends on it."""


class Session:
    """A session on a connection. Methods raise `Unreachable` when the line or the server goes away."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.capabilities: Mapping[str, tuple[str, ...]] = {}
        self.streaming = False
        """Whether answers are on their way that nobody has read, so that nothing else may be asked here."""
        self.touched = False
        """Whether a message was read in it: what a server may take as a reason to change something at QUIT."""
        self.told = False
        """Whether its listing was told as the present state once; a session never sees what came after its login."""
        self.exists = 0
        self.digests: dict[int, str] = {}
        """The contents that were read, by number, of messages that are known by nothing else."""
        self._rows: list[maildrop.Row] | None = None

    # --- asking ---------------------------------------------------------------------------------------

    def send(self, command: bytes, shown: bytes | None = None) -> None:
        """Send one command."""
        self.connection.send(command + b"\r\n", shown=shown)

    def status(self) -> Status:
        """Read the first line of an answer."""
        try:
            line = self.connection.read_line()
        except WireError as error:
            raise _senseless(error) from error
        return self.parse(line)

    def parse(self, line: bytes) -> Status:
        """Take a line for the first of an answer."""
        try:
            status = wire.parse_status(line)
        except WireError as error:
            raise _senseless(error) from error
        _log.debug("came %s", status)
        return status

    def run(self, command: bytes, shown: bytes | None = None) -> Status:
        """Do a command with an answer of one line."""
        self.send(command, shown)
        return self.status()

    def lines(self, command: bytes) -> tuple[Status, bytes]:
        """Do a command with an answer of several lines; those behind the first are empty if it is refused."""
        self.send(command)
        return self._lines()

    def _lines(self) -> tuple[Status, bytes]:
        status = self.status()
        try:
            return status, self.body() if status.ok else b""
        except WireError as error:
            raise _senseless(error) from error

    def body(self, limit: int = BODY_LIMIT, size: int | None = None) -> bytes:
        """Read the lines of an answer behind its first."""
        return self.connection.read_body(limit, size)

    @property
    def is_pipelined(self) -> bool:
        """Whether commands may be sent ahead of the answers (RFC 2449 section 6.6)."""
        return "PIPELINING" in self.capabilities

    @property
    def login_delay_s(self) -> float | None:
        """The time that the server wants between two logins (RFC 2449 section 6.5), if it says so."""
        told = self.capabilities.get("LOGIN-DELAY", ())[:1]
        return float(told[0]) if told and told[0].isdecimal() else None

    def ask_capabilities(self) -> bool:
        """Ask what the server can do; one that does not know the question is served without."""
        status, body = self.lines(b"CAPA")
        self.capabilities = wire.parse_capabilities(body)
        return status.ok

    # --- the mailbox ----------------------------------------------------------------------------------

    def rows(self) -> list[maildrop.Row]:
        """List the messages, by STAT, LIST and UIDL, once in a session. Raises `FolderRefused`."""
        if self._rows is None:
            commands = (b"STAT", b"LIST", b"UIDL")
            if self.is_pipelined:
                self.send(b"\r\n".join(commands))
            count = wire.parse_count(self.status() if self.is_pipelined else self.run(commands[0]))
            listed, sizes = self._lines() if self.is_pipelined else self.lines(commands[1])
            told, ids = self._lines() if self.is_pipelined else self.lines(commands[2])
            if not listed.ok and count != 0:  # some refuse to list what is empty
                raise replies.listing_refused(listed)
            if not told.ok:
                later = replies.busy(told)
                if later:
                    raise later
                _log.info("the server tells no ids: %s", replies.words(told))
            self._rows = maildrop.rows(wire.parse_sizes(sizes), wire.parse_ids(ids))
            self.exists = len(self._rows) if count is None else count
        return self._rows

    def read(self, row: maildrop.Row, limit: int = BODY_LIMIT) -> tuple[Status, bytes]:
        """Read one message whole, by RETR: TOP is cut, and worse, at many servers (fetchmail FAQ I3, I7, I8, S7)."""
        self.send(b"RETR %d" % row.number)
        self.touched = True
        status = self.status()
        return status, self.body(limit, row.size) if status.ok else b""

    # --- the end --------------------------------------------------------------------------------------

    def quit(self) -> Status:
        """Say QUIT: now the server deletes what DELE marked, and only now (RFC 1939 section 6)."""
        return self.run(b"QUIT")

    @property
    def quits(self) -> bool:
        """Whether it may end with QUIT: not where the server would take that as leave to change something."""
        changes = quirks.deletes_what_is_read(self.capabilities) or quirks.is_gmail(
            self.connection.server.host
        )
        return not (self.touched and changes)

    def logout(self) -> None:
        """Say QUIT, where that changes nothing, and close the line. Never raises."""
        if self.quits and not self.streaming:
            with contextlib.suppress(ArchiverError, OSError, ValueError):
                self.connection.socket.settimeout(_GOODBYE_S)
                self.quit()
        self.connection.close()


def _senseless(error: WireError) -> Unreachable:
    return Unreachable(f"the server does not speak POP3: {error}", "check host and port")
