"""Putting mail into a mailbox: APPEND, many messages a command where the server has MULTIAPPEND (RFC 3502).

With LITERAL+ (RFC 7888) the next command is sent before the last one is answered. A batch that is refused is
halved until the one message is found that the server does not take; that one is tried in other forms, and the
bytes are never altered.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from archiver.accounts.imap import epoch as epochs
from archiver.accounts.imap import quirks, replies, uidset
from archiver.accounts.imap.events import Event, MailboxStatus, Status
from archiver.accounts.imap.session import LiteralRefused, Octets, Piece, Session, astring
from archiver.errors import ArchiverError, FolderRefused, Forbidden, Unreachable
from archiver.model import Appended, Flags, Folder, Outgoing, Ref, Refused

BATCH_MESSAGES = 500
BATCH_BYTES = 4 << 20
AHEAD = 4
"""Commands on their way at a time: one is taken in while the next is read from the archive and sent."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ATOM = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_SYSTEM = frozenset({"\\seen", "\\answered", "\\flagged", "\\deleted", "\\draft"})
_NEVER_SET = frozenset({"\\recent", "\\*"})  # the server's own: no client sets them, and none misses them


class Appender:
    """Puts messages into one mailbox of a session, and learns what the server refuses.

    `make` makes the mailbox where the server says TRYCREATE. Messages of `alone` (they were on their way when
    the line dropped) are sent one by one. After an `Unreachable`, `flying` are those that the server may have
    taken.
    """

    def __init__(
        self,
        session: Session,
        mailbox: bytes,
        folder: Folder,
        make: Callable[[], object],
        alone: Collection[str] = (),
    ) -> None:
        self._session = session
        self._mailbox = mailbox
        self._folder = folder
        self._make: Callable[[], object] | None = make
        self._alone = alone
        self._refused_flags: set[str] = set()
        self._flying: deque[tuple[str, list[Outgoing]]] = deque()
        self._sent: Sequence[Outgoing] = ()

    @property
    def flying(self) -> list[Outgoing]:
        """Those messages whose fate is not known."""
        return [*(message for _, batch in self._flying for message in batch), *self._sent]

    def put(self, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put messages in. Raises `Forbidden` for a full quota, `FolderRefused`; answers what was taken first."""
        limit = append_limit(self._session, self._mailbox)
        try:
            for batch in self._batches(messages):
                while len(self._flying) >= AHEAD:
                    yield from self._land()
                taken = [one for one in batch if limit is None or len(one.raw) <= limit]
                for one in batch:
                    if limit is not None and len(one.raw) > limit:
                        what = f"{len(one.raw)} bytes are more than the {limit} that the server takes"
                        yield Refused(one.digest, what)
                if taken and self._streams(taken):
                    self._sent = taken
                    tag = self._session.send(*self._command(taken))
                    self._flying.append((tag, taken))
                    self._sent = ()
                elif taken:
                    yield from self._land_all()
                    yield from self._settle(taken, self._send(taken))
        except Unreachable:
            raise
        except ArchiverError:  # not the server's: the messages ran out early; what is on its way arrives
            yield from self._land_all()
            raise
        yield from self._land_all()

    def _batches(self, messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
        """Gather messages for one command each: many, unless the server takes one at a time."""
        many = "MULTIAPPEND" in self._session.capabilities
        batch: list[Outgoing] = []
        size = 0
        for message in messages:
            alone = not many or message.digest in self._alone
            full = len(batch) >= BATCH_MESSAGES or size + len(message.raw) > BATCH_BYTES
            if batch and (full or alone):
                yield batch
                batch, size = [], 0
            batch.append(message)
            size += len(message.raw)
            if alone:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _streams(self, batch: Sequence[Outgoing]) -> bool:
        alone = len(batch) == 1 and batch[0].digest in self._alone
        return self._session.sends_literals_at_once and not alone

    # --- answers --------------------------------------------------------------------------------------

    def _land(self) -> Iterator[Appended | Refused]:
        tag, batch = self._flying[0]
        status = self._session.finish(tag)
        if status.word == "OK":
            self._flying.popleft()
            yield from self._taken(status, batch)
        else:
            yield from self._land_all(status)

    def _land_all(self, first: Status | None = None) -> Iterator[Appended | Refused]:
        """Read the answers to all that was sent; what was refused is sent again only after that."""
        refused: list[tuple[list[Outgoing], Status]] = []
        while self._flying:
            tag, batch = self._flying[0]
            status = first or self._session.finish(tag)
            first = None
            self._flying.popleft()
            if status.word == "OK":
                yield from self._taken(status, batch)
            else:
                refused.append((batch, status))
        for batch, status in refused:
            yield from self._settle(batch, status, stale=True)

    def _taken(
        self, status: Status, batch: Sequence[Outgoing], altered: str | None = None
    ) -> Iterator[Appended]:
        refs = _refs(status, self._folder, len(batch), self._session.owner)
        for one, ref in zip(batch, refs, strict=True):
            lost = self._unset(one.flags)
            told = altered or (f"the server cannot keep {_quoted(lost)}" if lost else None)
            yield Appended(one.digest, ref, told)

    def _settle(
        self, batch: Sequence[Outgoing], status: Status, *, stale: bool = False
    ) -> Iterator[Appended | Refused]:
        """Answer for a batch by its status; halve one that was refused, or try other forms.

        A `stale` status is of a command sent before the answers to others were known.
        """
        if status.word == "OK":
            yield from self._taken(status, batch)
            return
        self._stop_for(status, len(batch))
        learned = stale and any(flag.lower() in self._refused_flags for one in batch for flag in one.flags)
        if status.code == "TRYCREATE":
            self._ensure_made(status, stale=stale)
            yield from self._settle(batch, self._send(batch))
        elif learned:
            yield from self._settle(batch, self._send(batch))
        elif len(batch) > 1:
            half = len(batch) // 2
            for part in (batch[:half], batch[half:]):
                yield from self._settle(part, self._send(part))
        else:
            yield from self._other_forms(batch[0], status)

    def _ensure_made(self, status: Status, *, stale: bool) -> None:
        """Make the mailbox that is not there (any more), once."""
        make, self._make = self._make, None
        if make is not None:
            make()
        elif not stale:
            what = f'the folder "{self._folder.name}" is not there: {replies.words(status)}'
            raise FolderRefused(what, "run again")

    def _stop_for(self, status: Status, count: int) -> None:
        """Raise what no other form of the message can help."""
        if status.code == "OVERQUOTA" or quirks.is_over_quota(status.text):
            if count > 1:
                return  # some of them may fit
            raise Forbidden(
                f"the mailbox is full: {replies.words(status)}",
                "make room on the server, then run again: it goes on",
            )
        busy = replies.busy(status) if status.code != "LIMIT" else None  # LIMIT is about this message
        if busy is not None:
            raise busy

    # --- other forms ----------------------------------------------------------------------------------

    def _other_forms(self, message: Outgoing, refusal: Status) -> Iterator[Appended | Refused]:
        """Try what servers are known to refuse otherwise; what helped is tried first with the next."""
        words = replies.words(refusal)
        if b"\0" in message.raw and "BINARY" in self._session.capabilities:  # RFC 3516: literal8 holds NUL
            status = self._send([message], binary=True)
            if status.word == "OK":
                yield from self._taken(status, [message])
                return
            self._stop_for(status, 1)
        if self._session.utf8 and not message.raw.isascii():  # RFC 6855 section 4: UTF-8 in headers
            status = self._send([message], utf8=True)
            if status.word == "OK":
                yield from self._taken(status, [message])
                return
            self._stop_for(status, 1)
        for form, without in _forms(message, self._unset(message.flags)):
            status = self._send([form])
            if status.word == "OK":
                if form.received == message.received:
                    self._refused_flags |= {flag.lower() for flag in message.flags - form.flags}
                yield from self._taken(status, [form], f"the server took it without {without}: {words}")
                return
            self._stop_for(status, 1)
        yield Refused(message.digest, f"the server does not take it: {words}")

    def _unset(self, flags: frozenset[str]) -> frozenset[str]:
        """Tell which flags do not go along: those that are no atom (RFC 9051), and those once refused."""
        return frozenset(
            flag
            for flag in flags
            if not is_servers_own(flag) and (not can_be_set(flag) or flag.lower() in self._refused_flags)
        )

    # --- commands -------------------------------------------------------------------------------------

    def _send(self, batch: Sequence[Outgoing], *, binary: bool = False, utf8: bool = False) -> Status:
        self._sent = batch
        try:
            status = self._session.run(*self._command(batch, binary=binary, utf8=utf8))
        except LiteralRefused as refused:
            status = refused.status
        self._sent = ()
        return status

    def _command(self, batch: Sequence[Outgoing], *, binary: bool = False, utf8: bool = False) -> list[Piece]:
        pieces: list[Piece] = [b"APPEND ", astring(self._mailbox)]
        for message in batch:
            flags = message.flags
            if self._refused_flags:
                flags -= self._unset(flags)
            pieces.append(_attributes(flags, message.received))
            literal = Octets(message.raw, binary or utf8)
            pieces += [b"UTF8 (", literal, b")"] if utf8 else [literal]
        return pieces


def _forms(message: Outgoing, unset: frozenset[str]) -> Iterator[tuple[Outgoing, str]]:
    """Give the other forms of a message, from the least loss to the greatest, with what each goes without."""
    flags = frozenset(flag for flag in message.flags - unset if not is_servers_own(flag))
    keywords = sorted(flag for flag in flags if flag.lower() not in _SYSTEM)
    without = [frozenset({one}) for one in keywords]
    without += [
        frozenset(some) for some in (keywords, flags) if frozenset(some) not in [*without, frozenset()]
    ]
    for some in without:
        yield Outgoing(message.digest, message.raw, flags - some, message.received), _quoted(some)
    if message.received is not None:
        yield Outgoing(message.digest, message.raw, flags, None), "its date of receipt"
        for some in without:
            what = f"{_quoted(some)} and its date of receipt"
            yield Outgoing(message.digest, message.raw, flags - some, None), what


def _quoted(flags: Iterable[str]) -> str:
    return "the flag " + ", ".join(f'"{flag}"' for flag in sorted(flags))


def append_limit(session: Session, mailbox: bytes) -> int | None:
    """Tell the largest message that the server takes here, in bytes (RFC 7889); None where it does not say.

    `APPENDLIMIT=n` is for all mailboxes; where the word stands alone, each has one of its own, or none.
    """
    for word in session.capabilities:
        name, _, size = word.partition("=")
        if name == "APPENDLIMIT" and size.isdecimal() and len(size) < 20:
            return int(size)
    if "APPENDLIMIT" not in session.capabilities:
        return None
    told: list[int] = []

    def take(event: Event) -> None:
        if isinstance(event, MailboxStatus) and "APPENDLIMIT" in event.values:
            told.append(event.values["APPENDLIMIT"])

    session.run(b"STATUS ", astring(mailbox), b" (APPENDLIMIT)", take=take)
    return told[-1] if told else None


def _attributes(flags: Flags, received: datetime | None) -> bytes:
    date = f' "{internal_date(received)}" ' if received is not None else " "
    return (_flag_list(flags) + date).encode("ascii")


# few sets of flags stand beside many messages
@lru_cache(maxsize=1024)
def _flag_list(flags: Flags) -> str:
    settable = sorted(flag for flag in flags if can_be_set(flag))
    return f" ({' '.join(settable)})" if settable else ""


@lru_cache(maxsize=1024)
def _odd(flags: Flags) -> Flags:
    return frozenset(flag for flag in flags if not is_servers_own(flag) and not can_be_set(flag))


def can_be_set(flag: str) -> bool:
    r"""Tell whether APPEND can carry a flag: no `\Recent` or other unknown `\Word`, and an atom (RFC 9051)."""
    return flag.lower() in _SYSTEM or _ATOM.fullmatch(flag) is not None


def is_servers_own(flag: str) -> bool:
    r"""Tell whether no client sets this flag, and none misses it: `\Recent`."""
    return flag.lower() in _NEVER_SET


def internal_date(at: datetime) -> str:
    """Write a date-time as APPEND takes it (RFC 9051 section 9), in the zone it was archived with."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    minutes = int((at.utcoffset() or timedelta()).total_seconds()) // 60
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
    time = f"{at.hour:02d}:{at.minute:02d}:{at.second:02d}"
    return f"{at.day:2d}-{_MONTHS[at.month - 1]}-{at.year:04d} {time} {zone}"


def _refs(status: Status, folder: Folder, count: int, owner: str) -> list[Ref | None]:
    """Read APPENDUID (RFC 4315 section 3); without it, nobody knows the UIDs."""
    if status.code != "APPENDUID":
        return [None] * count
    try:
        uidvalidity, uids = status.argument.split()
        pairs = uidset.read(uids)
    except (ValueError, uidset.BadSet):
        return [None] * count
    if uidset.count(pairs) != count or not uidvalidity.isdigit() or len(uidvalidity) > 19:
        return [None] * count
    epoch = epochs.write(int(uidvalidity), owner)
    return [Ref(folder.name, epoch, str(uid)) for uid in uidset.each(pairs)]
