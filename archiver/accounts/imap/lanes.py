"""Several connections that put messages into one mailbox at a time, so that the server has more than one at work.

Each has a thread and an `Appender` of its own. The caller's thread reads the messages and lays them out in
portions; whichever connection is free takes the next. Within one connection their order stays. Where a line is
lost, the others go on to the end, and the loss is told then.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from archiver.accounts.imap.append import Appender
from archiver.accounts.imap.session import Session
from archiver.errors import ArchiverError, Unreachable
from archiver.model import Appended, Outgoing, Refused

_log = logging.getLogger(__name__)

PORTION_MESSAGES = 250
PORTION_BYTES = 2 << 20
WAITING = 2
"""Portions that wait to be taken: what is in memory beside what the connections have on their way."""

_TELL_EVERY_S = 0.2  # while the caller waits for the connections


class Lane:
    """One connection at work, and how it ended: `error` is None where it took all that it was given."""

    def __init__(self, session: Session, appender: Appender) -> None:
        self.session = session
        self.appender = appender
        self.error: ArchiverError | None = None

    @property
    def dropped(self) -> bool:
        """Whether the line was lost."""
        return isinstance(self.error, Unreachable)


class Lanes:
    """Puts messages in by all lanes; after any end, no thread of theirs is left."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._state = threading.Condition()
        self._portions: deque[list[Outgoing]] = deque()
        self._answers: deque[Appended | Refused] = deque()
        self._ended = False  # no portion comes any more
        self._stopped = False  # and those that wait are not wanted either
        self._working = len(lanes)
        self._fault: BaseException | None = None  # a mistake of ours

    def put(self, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put messages in; what goes wrong is raised after the answers to all that was sent.

        Raises what `messages` raises, what stopped a lane, and `Unreachable` where a line was lost.
        """
        threads = [
            threading.Thread(target=self._run, args=(lane,), name="append", daemon=True)
            for lane in self._lanes
        ]
        for thread in threads:
            thread.start()
        done = False
        try:
            yield from self._lay_out(messages)
            yield from self._rest()
            done = True
        except ArchiverError:  # the messages ran out early; what is on its way arrives
            yield from self._rest()
            done = True
            raise
        finally:
            self._end(cut=not done)
            for thread in threads:
                thread.join()
        self._raise()

    # --- the caller's thread --------------------------------------------------------------------------

    def _lay_out(self, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        for portion in _portions(messages):
            while not self._offer(portion):
                if self._closed():
                    return
                yield from self._told()
            yield from self._told()

    def _offer(self, portion: list[Outgoing]) -> bool:
        """Lay out a portion if there is room soon."""
        with self._state:
            room = self._state.wait_for(
                lambda: len(self._portions) < WAITING or self._closed(), _TELL_EVERY_S
            )
            if not room or self._closed():
                return False
            self._portions.append(portion)
            self._state.notify_all()
            return True

    def _closed(self) -> bool:
        return self._stopped or not self._working

    def _told(self) -> Iterator[Appended | Refused]:
        while self._answers:
            yield self._answers.popleft()

    def _rest(self) -> Iterator[Appended | Refused]:
        """Let the lanes come to their end, and give the answers that are still to come."""
        self._end()
        working = True
        while working:
            with self._state:
                working = not self._state.wait_for(lambda: not self._working, _TELL_EVERY_S)
            yield from self._told()

    def _end(self, *, cut: bool = False) -> None:
        with self._state:
            self._ended = True
            self._stopped = self._stopped or cut
            self._state.notify_all()
        for lane in self._lanes if cut else ():
            lane.session.connection.cut()

    def _raise(self) -> None:
        """Raise what ended the lanes; a lost line, a reason to look again, only where it is nothing worse."""
        if self._fault is not None:
            raise self._fault
        errors = [lane.error for lane in self._lanes if lane.error is not None]
        errors.sort(key=lambda error: isinstance(error, Unreachable))
        if errors:
            raise errors[0]

    # --- a lane's thread ------------------------------------------------------------------------------

    def _run(self, lane: Lane) -> None:
        try:
            self._answers.extend(lane.appender.put(self._taken()))
        except Unreachable as error:
            _log.info("a connection was lost: %s", error.text)
            lane.error = error
        except ArchiverError as error:  # a full mailbox, a folder that is gone: no other lane can help it
            lane.error = error
            self._stopped = True
        except BaseException as error:
            self._fault = error
            self._stopped = True
        finally:
            with self._state:
                self._working -= 1
                self._state.notify_all()

    def _taken(self) -> Iterator[Outgoing]:
        """Take portion after portion, whole, so that neighbours stay together."""
        while True:
            with self._state:
                self._state.wait_for(lambda: self._portions or self._ended or self._stopped)
                if self._stopped or not self._portions:
                    return
                portion = self._portions.popleft()
                self._state.notify_all()
            yield from portion


def _portions(messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    portion: list[Outgoing] = []
    size = 0
    for message in messages:
        if portion and (len(portion) >= PORTION_MESSAGES or size + len(message.raw) > PORTION_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(message)
        size += len(message.raw)
    if portion:
        yield portion
