"""Keep one session to the server alive: connect on first use, and again, patiently, when the line drops."""

import logging
import random
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from archiver.errors import LoginRefused, Unreachable
from archiver.model import AccessToken, Secret
from archiver.plan.retry import backoff_s

_log = logging.getLogger(__name__)

TRIES = 4
"""How often one step is tried before the account is called unreachable."""

LONGEST_WAIT_S = 300.0
"""A server that asks for more than five minutes is told of to the user, who decides."""

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 8.0


class Busy(Unreachable):
    """The server serves others now, or wants to be left alone; for `wait_s` seconds if it said so."""

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text, "try again later")
        self.wait_s = wait_s


class Closable(Protocol):
    """A line that can be closed without a word."""

    def close(self) -> None:
        """Close it. Never raises."""
        ...


class Kept(Protocol):
    """A session as a link keeps it. While `streaming`, bodies are on their way: nothing else may be asked."""

    streaming: bool

    @property
    def connection(self) -> Closable:
        """The line it goes over."""
        ...

    def logout(self) -> None:
        """End it as the protocol says, and close the line. Never raises."""
        ...


S = TypeVar("S", bound=Kept)
T = TypeVar("T")


def logged_in(password: Callable[[], Secret], connect: Callable[[Callable[[], Secret]], S]) -> S:
    """Open a session by `connect`, which asks for the password; a password that is refused is not tried again.

    A token that is refused is renewed, once: the provider may have ended it before its time.
    """
    secret: Secret | None = None

    def ask() -> Secret:
        nonlocal secret
        secret = password()
        return secret

    try:
        return connect(ask)
    except LoginRefused:
        renew = secret.renew if isinstance(secret, AccessToken) else None
        if renew is None:
            raise
        _log.info("the server refuses a token that should be good still; asking for another")
    return connect(renew)


class Link(Generic[S]):
    """The owner of the session. A refused login is never tried again; a dropped line is."""

    def __init__(self, connect: Callable[[], S], pause: Callable[[float], None]) -> None:
        self._connect = connect
        self._pause = pause
        self._session: S | None = None
        self.was_up = False  # whether there ever was a session

    def run(self, work: Callable[[S], T]) -> T:
        """Do a step that may be done twice, on a session, again on another if the line drops under it."""
        tries = 0
        while True:
            try:
                return work(self.session())
            except Unreachable as error:
                tries += 1
                self.lost(error, tries)

    def session(self) -> S:
        """Give the session, opening one if there is none."""
        if self._session is not None and self._session.streaming:
            self.drop()  # a reader of bodies stopped half-way; what is still to come is not for others
        if self._session is None:
            self._session = self._connect()
            self.was_up = True
        return self._session

    def lost(self, error: Unreachable, tries: int) -> None:
        """Drop the session and wait before the next try; raise `error` if there should be none.

        A server that never answered is not asked twice: host or port are wrong, more likely than not.
        """
        self.drop()
        busy = isinstance(error, Busy)
        if tries >= TRIES or not (self.was_up or busy):
            raise error
        wait_s = error.wait_s if isinstance(error, Busy) else None
        if wait_s is None:
            spread = random.uniform(0.5, 1.0)  # noqa: S311  (so that many clients do not come back at once)
            wait_s = backoff_s(tries, spread, _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        elif wait_s > LONGEST_WAIT_S:
            raise error
        _log.info("%s; trying again in %.1f s", error.text, wait_s)
        self._pause(wait_s)

    def drop(self, session: S | None = None) -> None:
        """Close the line without a word, if it is still that of `session`: what it brings is not wanted."""
        if self._session is not None and session in (None, self._session):
            self._session.connection.close()
            self._session = None

    def holds(self, session: S) -> bool:
        """Tell whether this is the session still."""
        return self._session is session

    def close(self) -> None:
        """Log out. Never raises."""
        if self._session is not None:
            self._session.logout()
            self._session = None
