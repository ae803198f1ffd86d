"""Fetch bodies: several commands in flight, each message told as soon as its literal is read."""

import logging
import re
from collections import deque
from collections.abc import Iterator, Sequence

from archiver.accounts.imap import quirks, replies, uidset, wire
from archiver.accounts.imap.events import Event, Fetched, Section, Status
from archiver.accounts.imap.fetched import parse_body
from archiver.accounts.imap.link import Link, reopen
from archiver.accounts.imap.retrieval import Batch, Retrieval
from archiver.accounts.imap.scanner import WireError
from archiver.accounts.imap.session import Session
from archiver.accounts.link import TRIES, Busy
from archiver.accounts.reasons import EMPTY, GONE, STAND_IN
from archiver.errors import Unreachable
from archiver.formats.stand_in import is_stand_in
from archiver.model import Message, Missed, Remote

_log = logging.getLogger(__name__)

IN_FLIGHT = 4
"""Batches asked for ahead: up to 32 MiB, so that a line with 50 ms of way stays full."""

PART = 1 << 20
"""Bytes of one piece where a message is fetched piece by piece."""

DROPS = 20
"""Drops in a row without any message in between after which the server, not the mail, is at fault."""

_UID = re.compile(rb"\bUID (\d{1,10})\b")


class Bodies:
    """One `fetch`: yields every remote exactly once, as Message or Missed."""

    def __init__(
        self, link: Link, mailbox: bytes, name: str, remotes: Sequence[Remote], *, limit: int
    ) -> None:
        self._link = link
        self._mailbox = mailbox
        self._name = name
        self._epoch = remotes[0].ref.epoch
        self._plan = Retrieval(remotes)
        self._limit = limit
        self._flying: deque[tuple[str, Batch]] = deque()
        self._drops = 0
        self._busy = 0
        self._nameless = False

    def __iter__(self) -> Iterator[Message | Missed]:
        """Fetch to the end. What is still in flight when the reader stops early is left to a closed line."""
        session = None
        try:
            while self._plan.has_more():
                session = self._link.run(self._ready)
                try:
                    yield from self._serve(session)
                    session.streaming = False
                except (Unreachable, WireError) as error:
                    self._after(error, session)
            self._plan.give_up_rest()
            yield from self._plan.take_missed()
        finally:
            if self._flying and session is not None:
                self._link.drop(session)

    def _ready(self, session: Session) -> Session:
        reopen(session, self._mailbox, self._name, self._epoch)
        return session

    def _serve(self, session: Session) -> Iterator[Message | Missed]:
        """Ask and read until nothing is left to ask; raise when the line drops."""
        flying = self._flying
        while True:
            while len(flying) < IN_FLIGHT and (batch := self._plan.next(len(flying))):
                if batch.parts:
                    yield from self._piecemeal(session, batch)
                else:
                    command = b"UID FETCH " + uidset.write(uidset.ranges(batch.uids)) + b" (UID BODY.PEEK[])"
                    flying.append(("", batch))  # on its way from here on: the line may drop while it is sent
                    flying[-1] = (session.send(command), batch)
            session.streaming = bool(flying)
            if not flying:
                return
            answer = self._read(session)
            if answer is not None:
                yield answer
                answer = None  # or the next body would be read with this one still held
            if self._plan.missed:
                yield from self._plan.take_missed()

    def _read(self, session: Session) -> Message | Missed | None:
        response = session.connection.read(self._limit)
        body = parse_body(response)
        if body is not None:
            return self._came(*body)
        # with a literal it may be a body: that is not passed over, even if it makes no sense
        event = wire.parse(response) if len(response) > 1 else session.parse(response)
        if isinstance(event, Fetched):
            return self._odd(event)
        if isinstance(event, Status) and event.tag != "*":
            self._ended(event)
        session.note(event)
        return None

    def _came(self, uid: int, raw: bytes) -> Message | Missed | None:
        if not raw and uid in self._plan.outstanding and self._plan.outstanding[uid].size:
            self._plan.bodiless(uid)
            return None
        remote = self._plan.arrived(uid)
        if remote is None:
            return None
        self._drops = self._busy = 0
        return Missed(remote, STAND_IN) if is_stand_in(raw) else Message(remote, raw)

    def _odd(self, event: Fetched) -> Message | Missed | None:
        """Take a FETCH in an unusual form: other items, quoted strings, NIL, or without its UID."""
        section = next((one for one in event.sections if not one.name and one.origin is None), None)
        uid = event.uid
        if section is None:
            return None
        if uid is None and len(self._flying) == 1 and len(self._flying[0][1].uids) == 1:
            uid = self._flying[0][1].uids[0]  # only one was asked for, so this is it
        if uid is None:
            self._nameless = True
            return None
        if section.data is None:
            self._plan.bodiless(uid)
            return None
        return self._came(uid, section.data)

    def _ended(self, status: Status) -> None:
        """Take the end of a command. Raises `Busy` if the server wants to be left alone."""
        for place, (tag, batch) in enumerate(self._flying):
            if tag != status.tag:
                continue
            if status.word != "OK" and quirks.backoff_s(status.text) is not None:
                raise replies.busy(status) or Unreachable(replies.words(status))
            del self._flying[place]
            if status.word == "OK" or status.code == "EXPUNGEISSUED":  # RFC 5530: gone while we asked
                self._plan.answered(batch, nameless=self._nameless)
            else:
                _log.debug("a fetch of %d messages was refused: %s", len(batch.uids), replies.words(status))
                self._plan.refused(batch, f"the server refuses it: {replies.words(status)}")
            return

    # --- when the line drops --------------------------------------------------------------------------

    def _after(self, error: Exception, session: Session) -> None:
        """Take stock after a drop and prepare to go on. Raises `Unreachable` when there is no sense in it."""
        batches = [batch for _, batch in self._flying]
        self._flying.clear()
        if not self._link.holds(session):  # the line was not lost, but taken for another question
            self._plan.again(batches)
            return
        if isinstance(error, Busy):
            self._plan.again(batches)
            self._busy += 1
            self._link.lost(error, self._busy)
            return
        self._drops += 1
        lost = error if isinstance(error, Unreachable) else Unreachable(f"the connection was lost: {error}")
        if self._drops >= DROPS:
            raise lost
        suspect = _suspect(error)
        if isinstance(error, wire.TooLarge) and suspect is not None:
            self._plan.give_up(suspect, f"larger than archiver takes: {error.size} bytes")
            self._plan.again(batches)
        else:
            self._plan.dropped(batches, suspect)
        self._link.lost(lost, min(self._drops, TRIES - 1))

    # --- piece by piece -------------------------------------------------------------------------------

    def _piecemeal(self, session: Session, batch: Batch) -> Iterator[Message | Missed]:
        """Fetch one message by parts (RFC 9051 section 6.4.5) until the one beyond its end is empty."""
        uid = batch.uids[0]
        self._flying.append(("", batch))
        pieces: list[bytes] = []
        at = 0
        reason = batch.reason
        while True:
            piece, whole, refusal = self._piece(session, uid, at)
            if whole:
                break
            if piece is None or len(piece) > PART or at > self._limit:
                reason = refusal or reason
                pieces.clear()
                break
            pieces.append(piece)
            at += len(piece)
            if not piece:
                break
        self._flying.clear()
        if whole and piece:
            pieces = [piece]
        remote = self._plan.outstanding.get(uid)
        if remote is None:
            return
        if not pieces or (at == 0 and not whole and remote.size):
            self._plan.give_up(uid, reason or EMPTY)
        else:
            came = self._came(uid, b"".join(pieces))
            if came is not None:
                yield came

    def _piece(self, session: Session, uid: int, at: int) -> tuple[bytes | None, bool, str]:
        """Ask for one piece: its bytes or None, whether it is the whole message, and the refusal if any."""
        got: list[Section] = []

        def take(event: Event) -> None:
            if isinstance(event, Fetched) and event.uid in (uid, None):
                got.extend(section for section in event.sections if not section.name)

        tag = session.send(b"UID FETCH %d (UID BODY.PEEK[]<%d.%d>)" % (uid, at, PART))
        while True:
            event = session.parse(session.connection.read(self._limit))
            if isinstance(event, Status) and event.tag == tag:
                break
            session.note(event)
            take(event)
        if event.word != "OK":
            return None, False, f"the server refuses it: {replies.words(event)}"
        if not got:
            return None, False, GONE
        section = got[0]
        if section.origin not in (at, None):
            return None, False, ""
        if section.data is None:
            return (b"" if at else None), False, ""
        if section.origin is None:  # the server knows no parts and gave all
            return (section.data, True, "") if at == 0 and section.data else (None, False, "")
        return section.data, False, ""


def _suspect(error: Exception) -> int | None:
    """Find the message that was being read when the line dropped."""
    if not isinstance(error, wire.Cut | wire.TooLarge) or not error.response:
        return None
    found = _UID.search(error.response[0])
    return int(found[1]) if found else None
