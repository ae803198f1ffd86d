"""Fetch bodies by RETR: many in flight where the server takes them so, each message told as soon as it is read."""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import NoReturn

from msgspec.structs import replace

from archiver.accounts.link import TRIES, Busy, Link
from archiver.accounts.pop3 import maildrop, quirks, replies
from archiver.accounts.pop3.connection import Stalled, TooLarge
from archiver.accounts.pop3.session import Session
from archiver.accounts.pop3.wire import WireError
from archiver.accounts.reasons import DROPPED, EMPTY, GONE, STAND_IN
from archiver.errors import Unreachable
from archiver.formats.message import received_date
from archiver.formats.stand_in import is_stand_in
from archiver.model import Message, Missed, Remote

_log = logging.getLogger(__name__)

IN_FLIGHT = 100
"""Messages asked for ahead: 1,200 bytes of commands at most, so that nobody waits for the other to read."""

STRIKES = 2
"""How often the line may drop at one message before it is given up."""

DROPS = 20
"""Drops in a row without any message in between after which the server, not the mail, is at fault."""

UNREADABLE = "the server gives it no id and does not let it be read"


class _OutOfStep(WireError):
    """Answers can no longer be told apart: the line is given up, and no message is to blame."""


class _RunTogether(_OutOfStep):
    """The end of a message was not found before the next began."""


class Bodies:
    """One `fetch`: yields every remote exactly once, as Message or Missed."""

    def __init__(self, link: Link[Session], remotes: Sequence[Remote], *, limit: int) -> None:
        self._link = link
        self._limit = limit
        self._waiting = deque(remotes)
        self._flying: deque[Remote] = deque()
        self._refused: dict[str, tuple[Remote, str]] = {}
        self._missed: list[Missed] = []
        self._final = False  # whether a refusal counts: the second one does
        self._alone = False
        self._strikes: Counter[str] = Counter()
        self._reading: maildrop.Row | None = None  # one without id, which may be that which is wanted or not
        self._dropping: set[maildrop.Row] = set()
        self._drops = self._busy = 0

    def __iter__(self) -> Iterator[Message | Missed]:
        """Fetch to the end. What is still in flight when the reader stops early is left to a closed line."""
        session = None
        try:
            while self._waiting:
                session = self._link.run(_ready)
                try:
                    yield from self._serve(session)
                except (Unreachable, WireError) as error:
                    yield from self._after(error, session)
                yield from self._take_missed()
                if not self._waiting and self._refused:
                    yield from self._ask_again(session)
        finally:
            if self._flying and session is not None:
                self._link.drop(session)

    def _serve(self, session: Session) -> Iterator[Message | Missed]:
        """Ask and read until nothing is left to ask; raise when the line drops."""
        numbers = {row.key: row.number for row in session.rows() if row.key}
        while self._waiting or self._flying:
            yield from self._send(session, numbers)
            if self._flying:
                answer = self._read(session)
                session.streaming = bool(self._flying)
                if answer is not None:
                    yield answer
                    answer = None  # or the next body would be read with this one still held
            yield from self._take_missed()

    def _send(self, session: Session, numbers: dict[str, int]) -> Iterator[Message | Missed]:
        """Ask for as many as may be in flight; what has gone, or is known by its content alone, is answered now."""
        commands = []
        while self._waiting and len(self._flying) < self._window(session):
            key = self._waiting[0].ref.key
            if maildrop.id_of(key) is None:
                if self._flying:
                    break
                answer = self._by_content(session)
                if answer is not None:
                    yield answer
            elif key in numbers:
                commands.append(b"RETR %d" % numbers[key])
                self._flying.append(self._waiting.popleft())
            else:
                yield Missed(self._waiting.popleft(), GONE, gone=True)
        if commands:
            if len(commands) == len(self._flying) and session.connection.has_more:
                raise _OutOfStep("the server says more than it was asked for")
            session.touched = session.streaming = True
            session.send(b"\r\n".join(commands))

    def _window(self, session: Session) -> int:
        if not session.is_pipelined or self._alone or self._strikes[self._waiting[0].ref.key]:
            return 1
        if not self._flying:
            return IN_FLIGHT
        # asked for by the dozen, not one by one
        full = self._strikes[self._flying[0].ref.key] or len(self._flying) > IN_FLIGHT // 2
        return 0 if full else IN_FLIGHT

    def _read(self, session: Session) -> Message | Missed | None:
        remote = self._flying[0]
        status = session.status()
        if not status.ok:
            self._flying.popleft()
            self._refuse(remote, f"the server refuses it: {replies.words(status)}")
            return None
        raw = session.body(self._limit, remote.size)
        if len(self._flying) > 1 and quirks.is_run_together(raw, remote.size):
            raise _RunTogether("two answers run together")
        self._flying.popleft()
        return self._judge(remote, raw)

    def _judge(self, remote: Remote, raw: bytes) -> Message | Missed:
        if not raw and remote.size:
            self._empty(remote)
        self._drops = self._busy = 0
        if is_stand_in(raw):
            return Missed(remote, STAND_IN)
        return Message(replace(remote, received=received_date(raw)), raw)

    def _empty(self, remote: Remote) -> NoReturn:
        """Give up a line whose next answer may be what is missing in this one: a first line of one dot alone.

        Dovecot 2.3 does not stuff that line, so a message made for it could pass its rest off as another message.
        """
        self._refuse(remote, EMPTY)
        raise _OutOfStep(EMPTY)

    def _by_content(self, session: Session) -> Message | Missed | None:
        """Read messages without id until one is that which is wanted: equal bytes are the same message."""
        remote = self._waiting.popleft()
        self._flying.append(remote)
        wanted = maildrop.digest_of(remote.ref.key)
        refusal = None
        for row in session.rows():
            known = session.digests.get(row.number)
            if row.key is not None or (row.size != remote.size if known is None else known != wanted):
                continue
            if row in self._dropping:
                refusal = DROPPED
                continue
            self._reading = row
            status, raw = session.read(row, self._limit)
            self._reading = None
            if not status.ok:
                refusal = f"the server refuses it: {replies.words(status)}"
                continue
            session.digests[row.number] = found = maildrop.digest(raw)
            if found == wanted:
                self._flying.clear()
                return self._judge(remote, raw)
        self._flying.clear()
        if maildrop.is_unreadable(remote.ref.key):
            return Missed(remote, UNREADABLE)
        if refusal is None:
            return Missed(remote, GONE, gone=True)
        self._refuse(remote, refusal)
        return None

    # --- when it does not go well ---------------------------------------------------------------------

    def _refuse(self, remote: Remote, reason: str) -> None:
        if self._final:
            self._missed.append(Missed(remote, reason))
        else:
            self._refused[remote.ref.key] = (remote, reason)

    def _take_missed(self) -> Iterator[Missed]:
        while self._missed:
            yield self._missed.pop(0)

    def _ask_again(self, session: Session) -> Iterator[Missed]:
        """Ask once more for what was refused, in a new session: only that one tells whether it is there still."""
        refused, self._refused = self._refused, {}
        self._final = True
        if session.login_delay_s:  # the server would not let us in again
            yield from (Missed(remote, reason) for remote, reason in refused.values())
            return
        self._link.close()
        try:
            self._link.run(_ready)
        except Unreachable as error:
            _log.info("no second try for %d messages: %s", len(refused), error)
            yield from (Missed(remote, reason) for remote, reason in refused.values())
            return
        self._alone = True
        self._waiting.extend(remote for remote, _ in refused.values())

    def _after(self, error: Exception, session: Session) -> Iterator[Message | Missed]:
        """Take stock after a drop and prepare to go on. Raises `Unreachable` when there is no sense in it."""
        flying = list(self._flying)
        self._flying.clear()
        self._waiting.extendleft(reversed(flying))
        if not self._link.holds(session):  # the line was not lost, but taken for another question
            return
        if isinstance(error, Busy):
            self._busy += 1
            self._link.lost(error, self._busy)
            return
        self._drops += 1
        lost = error if isinstance(error, Unreachable) else Unreachable(f"the connection was lost: {error}")
        if self._drops >= DROPS:
            raise lost
        if isinstance(error, _OutOfStep):
            self._alone = self._alone or isinstance(error, _RunTogether)
            self._link.drop()
            return
        if flying and isinstance(error, Stalled):
            whole = quirks.ended_without_line(error.partial, flying[0].size)
            if whole is not None:
                self._alone = True
                self._link.drop()
                if len(flying) == 1:  # or it would be several, run together
                    yield self._judge(self._waiting.popleft(), whole)
                return
        if flying:
            yield from self._suspect(error)
        self._link.lost(lost, min(self._drops, TRIES - 1))

    def _suspect(self, error: Exception) -> Iterator[Missed]:
        """Hold a drop against the message that was on its way."""
        if self._reading is not None:
            self._dropping.add(self._reading)
            self._reading = None
            return
        key = self._waiting[0].ref.key
        self._strikes[key] += 1
        if isinstance(error, TooLarge):
            yield Missed(self._waiting.popleft(), f"larger than archiver takes: {self._limit} bytes")
        elif self._strikes[key] >= STRIKES:
            yield Missed(self._waiting.popleft(), DROPPED)


def _ready(session: Session) -> Session:
    session.rows()
    return session
