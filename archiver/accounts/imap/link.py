"""Keep one session to the server alive: connect on first use, and again, patiently, when the line drops."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from archiver.accounts.imap import epoch as epochs
from archiver.accounts.imap import quirks, replies
from archiver.accounts.imap.connection import Server
from archiver.accounts.imap.events import Status
from archiver.accounts.imap.login import open_session
from archiver.accounts.imap.session import Selected, Session
from archiver.errors import FolderRefused, Forbidden, Unreachable
from archiver.model import Secret

_log = logging.getLogger(__name__)
T = TypeVar("T")

TRIES = 4
"""How often one step is tried before the account is called unreachable."""

_LONGEST_PAUSE_S = 8.0


class Link:
    """The owner of the session. A refused login is never tried again; a dropped line is."""

    def __init__(
        self,
        server: Server,
        user: str,
        password: Callable[[], Secret],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.owner = epochs.owner_of(server.host, user)
        self._server = server
        self._user = user
        self._password = password
        self._pause = pause
        self._session: Session | None = None
        self.was_up = False  # whether there ever was a session
        self._used: Secret | None = None

    def another(self) -> "Link":
        """Make a second link to the same account; it logs in with the password that this one asked for last."""
        return Link(self._server, self._user, lambda: self._used or self._password(), self._pause)

    def run(self, work: Callable[[Session], T]) -> T:
        """Do a step that may be done twice, on a session, again on another if the line drops under it."""
        tries = 0
        while True:
            try:
                return work(self.session())
            except Unreachable as error:
                tries += 1
                self.lost(error, tries)

    def session(self) -> Session:
        """Give the session, opening one if there is none."""
        if self._session is not None and self._session.streaming:
            self.drop()  # a reader of bodies stopped half-way; what is still to come is not for others
        if self._session is None:
            self._session = open_session(self._server, self._user, self._ask, self.owner)
            self.was_up = True
        return self._session

    def _ask(self) -> Secret:
        self._used = self._password()
        return self._used

    def lost(self, error: Unreachable, tries: int) -> None:
        """Drop the session and wait before the next try; raise `error` if there should be none.

        A server that never answered is not asked twice: host or port are wrong, more likely than not.
        """
        self.drop()
        busy = isinstance(error, replies.Busy)
        if tries >= TRIES or not (self.was_up or busy):
            raise error
        wait_s = error.wait_s if isinstance(error, replies.Busy) else None
        if wait_s is None:
            spread = random.uniform(0.5, 1.0)  # noqa: S311  (so that many clients do not come back at once)
            wait_s = min(_LONGEST_PAUSE_S, 0.25 * 4 ** (tries - 1)) * spread
        elif wait_s > quirks.LONGEST_WAIT_S:
            raise error
        _log.info("%s; trying again in %.1f s", error.text, wait_s)
        self._pause(wait_s)

    def drop(self, session: Session | None = None) -> None:
        """Close the line without a word, if it is still that of `session`: what it brings is not wanted."""
        if self._session is not None and session in (None, self._session):
            self._session.connection.close()
            self._session = None

    def holds(self, session: Session) -> bool:
        """Tell whether this is the session still."""
        return self._session is session

    def close(self) -> None:
        """Log out. Never raises."""
        if self._session is not None:
            self._session.logout()
            self._session = None

    def on(self, mailbox: bytes, name: str, epoch: str, work: Callable[[Session], T]) -> T:
        """Do a step, that may be done twice, with a mailbox open and still of this epoch."""

        def step(session: Session) -> T:
            reopen(session, mailbox, name, epoch)
            return work(session)

        return self.run(step)


def reopen(session: Session, mailbox: bytes, name: str, epoch: str) -> None:
    """Open a mailbox for reading unless it is. Raises `FolderRefused` also if it is another epoch's by now.

    One that was opened for writing is opened anew: there, what a server does amiss on reading would stay.
    """
    selected = session.selected
    if selected is None or selected.mailbox != mailbox or selected.by_select:
        selected = examine(session, mailbox, name)
    check_epoch(selected, name, epoch)


def examine(session: Session, mailbox: bytes, name: str) -> Selected:
    """Open a mailbox anew for reading. Raises `FolderRefused`, `Forbidden`, `Unreachable`."""
    return _opened(session, session.examine, mailbox, name)


def select(session: Session, mailbox: bytes, name: str) -> Selected:
    """Open a mailbox anew for writing. Raises as `examine` does, and `Forbidden` where it is read-only."""
    selected = _opened(session, session.select, mailbox, name)
    if selected.read_only:
        raise Forbidden(
            f'the server opens the folder "{name}" only for reading',
            "check the rights of the login on this folder; nothing was changed",
        )
    return selected


def _opened(
    session: Session, opening: Callable[[bytes], tuple[Selected, Status]], mailbox: bytes, name: str
) -> Selected:
    selected, status = opening(mailbox)
    if status.word != "OK" and quirks.is_unsafe_login(status.text):
        session.identify()
        selected, status = opening(mailbox)
    if status.word != "OK":
        raise replies.folder_refused(status, name)
    return check_epoch(selected, name)


def check_epoch(selected: Selected, name: str, epoch: str | None = None) -> Selected:
    """Make sure that UIDs mean something, and what they meant before. Raises `FolderRefused`."""
    if selected.uidvalidity is None:
        raise FolderRefused(
            f'the server gives the folder "{name}" no UIDVALIDITY, so its messages cannot be told apart',
            "archive it by another way, POP3 or a copy on disk",
        )
    if epoch is not None and selected.epoch != epoch:
        raise FolderRefused(
            f'the server renumbered the folder "{name}" during the run', "run again; nothing was lost"
        )
    return selected
