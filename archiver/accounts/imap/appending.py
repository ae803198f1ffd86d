"""Putting mail into the folders of an account: by one connection, or by several where there is much to do."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from threading import Lock

from archiver.accounts.imap.append import Appender
from archiver.accounts.imap.lanes import Lane, Lanes
from archiver.accounts.imap.link import Link
from archiver.accounts.imap.session import Session
from archiver.errors import ArchiverError, Unreachable
from archiver.model import Appended, Folder, Outgoing, Refused

_log = logging.getLogger(__name__)

SPARES = 1
"""Connections beside the one that all else goes by. With two, a server of two processors is at work all the time."""

MANY_MESSAGES = 100
MANY_BYTES = 8 << 20
"""From here on, one of both, a folder is worth another connection."""

_SUSPICIONS = 5  # points of a message: one for each drop among others, two for each alone
_SPARE_DROPS = 2  # lost lines after which the account is served by one connection alone

Make = Callable[[Session], object]


class Appending:
    """Appends by the account's own link and by spare ones, which are opened when they are first needed.

    A spare connection that the server does not let in is never asked for again.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._spares: list[Link] = []
        self._spares_wanted = SPARES
        self._spare_drops = 0
        self._suspects: Counter[str] = (
            Counter()
        )  # digest -> points, for lines dropped while it was on its way

    def put(
        self, folder: Folder, mailbox: bytes, messages: Iterable[Outgoing], make: Make
    ) -> Iterator[Appended | Refused]:
        """See `CanAppend.append`; `make` makes the mailbox where the server says that it is not there.

        A dropped line is never tried again here: who knows what was taken. What was on its way then is sent
        alone the next time, and no more once it dropped the line alone.
        """
        hopeless: deque[Refused] = deque()
        source = iter(self._hopeful(messages, hopeless))
        first, more = _first(source)
        sessions = [self._link.session()]
        if more:
            self._link.run(Session.compress)
            sessions = [self._link.session(), *self._spare_sessions()]
        made = _Once(make)
        lanes = [
            Lane(one, Appender(one, mailbox, folder, partial(made, one), alone=self._suspects))
            for one in sessions
        ]
        done = False
        try:
            given = chain(first, source)
            answers = Lanes(lanes).put(given) if len(lanes) > 1 else _put(lanes[0], given)
            for answer in answers:
                yield from _all_of(hopeless)
                yield answer
            yield from _all_of(hopeless)
            done = True
        except ArchiverError:
            done = True
            raise
        finally:
            self._put_away(lanes, all_=not done)

    def close(self) -> None:
        """Log out of the spare connections."""
        for spare in self._spares:
            spare.close()
        self._spares = []

    def _hopeful(self, messages: Iterable[Outgoing], hopeless: deque[Refused]) -> Iterator[Outgoing]:
        """Leave out those that make the server drop the line, each by itself."""
        for message in messages:
            if self._suspects.get(message.digest, 0) < _SUSPICIONS:
                yield message
            else:
                hopeless.append(Refused(message.digest, "the server drops the line whenever it is sent"))

    def _spare_sessions(self) -> Iterator[Session]:
        """Give further sessions, as many as are wanted and the server allows."""
        while len(self._spares) < self._spares_wanted:
            self._spares.append(self._link.another())
        for spare in list(self._spares):
            try:
                yield _ready(spare)
            except ArchiverError as error:
                _log.info("going on with fewer connections: %s", error.text)
                spare.drop()
                self._spares.remove(spare)
                self._spares_wanted = len(self._spares)

    def _put_away(self, lanes: list[Lane], *, all_: bool) -> None:
        """Close the lines that were lost, and those with answers on their way that nobody waits for."""
        lost: Unreachable | None = None
        for lane in lanes:
            flying = lane.appender.flying
            if lane.dropped:
                for one in flying:
                    alone = len(flying) == 1 and one.digest in self._suspects
                    self._suspects[one.digest] += 2 if alone else 1
            if not (all_ or lane.dropped or flying):
                continue
            if self._link.holds(lane.session):
                self._link.drop()
                lost = lane.error if isinstance(lane.error, Unreachable) else None
                continue
            for spare in self._spares:
                spare.drop(lane.session)
            self._spare_drops += lane.dropped
        if self._spare_drops >= _SPARE_DROPS:
            self._spares_wanted = 0
            self.close()
        if lost is not None:
            self._link.lost(lost, tries=1)


class _Once:
    """Makes a mailbox once, whichever connection misses it first."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._lock = Lock()
        self._made = False

    def __call__(self, session: Session) -> None:
        with self._lock:
            if not self._made:
                self._make(session)
                self._made = True


def _ready(spare: Link) -> Session:
    """Open a spare connection; one that the server left after some idle time is opened again."""
    was_up = spare.was_up
    try:
        session = spare.session()
        session.run(b"NOOP")
        session.compress()
    except Unreachable:
        if not was_up:
            raise
        spare.drop()
        session = spare.session()
        session.compress()
    return session


def _put(lane: Lane, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
    try:
        yield from lane.appender.put(messages)
    except ArchiverError as error:
        lane.error = error
        raise


def _first(messages: Iterator[Outgoing]) -> tuple[list[Outgoing], bool]:
    """Take messages up to what is worth another connection, and tell whether there are so many."""
    taken: list[Outgoing] = []
    size = 0
    for message in messages:
        taken.append(message)
        size += len(message.raw)
        if len(taken) >= MANY_MESSAGES or size >= MANY_BYTES:
            return taken, True
    return taken, False


def _all_of(answers: deque[Refused]) -> Iterator[Refused]:
    while answers:
        yield answers.popleft()
