"""Requests to Exchange, each repeated where that does no harm: by the one link that every kind of account has."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from archiver.accounts import link as links
from archiver.accounts.ews.refusals import KNOWN, Incomprehensible, Unknown, translate
from archiver.accounts.ews.transport import Endpoint, Session, open_session
from archiver.errors import ArchiverError, LoginRefused, Unreachable
from archiver.model import Secret

_log = logging.getLogger(__name__)

T = TypeVar("T")

# what exchangelib stumbles over in a reply that is well formed and makes no sense
_STUMBLES = (AttributeError, KeyError, IndexError, TypeError, ValueError)


class Service:
    """The owner of the session to one mailbox."""

    def __init__(
        self, endpoint: Endpoint, password: Callable[[], Secret], pause: Callable[[float], None]
    ) -> None:
        self.endpoint = endpoint
        self.unknown: set[str] = set()
        """Requests that the server turned out not to know."""
        self._link = links.Link(
            lambda: links.logged_in(password, lambda ask: open_session(endpoint, ask)), pause
        )

    def run(self, work: Callable[[Any], T]) -> T:
        """Do a step that may be done twice, with exchangelib's account; what it met is raised in the house's words."""

        def step(session: Session) -> T | Unknown:
            try:
                return self._guarded(session, work)
            except Unknown as error:  # no other try would end otherwise
                return error

        found = self._renewing(lambda: self._link.run(step))
        if isinstance(found, Unknown):
            raise found
        return found

    def once(self, work: Callable[[Any], T]) -> T:
        """Do a step that must not be done twice unasked. After `Unreachable` it was done, or it was not."""
        return self._renewing(lambda: self._guarded(self._opened(), work))

    def wait(self, error: Unreachable, tries: int) -> None:
        """Wait before a step is tried again; raise `error` if there should be no other try."""
        self._link.lost(error, tries)

    def refused(self, error: Exception) -> ArchiverError:
        """Say what the mailbox as a whole met, in the house's words."""
        return translate(error, self.endpoint.address)

    def close(self) -> None:
        """End the session. Never raises."""
        self._link.close()

    def _opened(self) -> Session:
        return self._link.run(lambda session: session)

    def _renewing(self, step: Callable[[], T]) -> T:
        """Log in once more where a login that was good is refused meanwhile: a token has come of age."""
        was_up = self._link.was_up
        try:
            return step()
        except LoginRefused:
            if not was_up:
                raise
            self._link.drop()
            _log.info("the server refuses a login that it took before; logging in again")
        return step()

    def _guarded(self, session: Session, work: Callable[[Any], T]) -> T:
        try:
            return work(session.account)
        except KNOWN as error:
            raise translate(error, self.endpoint.address) from error
        except _STUMBLES as error:
            _log.debug("a reply that exchangelib cannot read: %s", type(error).__name__)
            raise translate(
                Incomprehensible("the reply cannot be understood"), self.endpoint.address
            ) from error
