"""The session to an IMAP server, and how a mailbox is opened on it."""

import time
from collections.abc import Callable
from typing import TypeVar

from archiver.accounts import link as links
from archiver.accounts.connection import Server
from archiver.accounts.imap import quirks, replies
from archiver.accounts.imap.events import Status
from archiver.accounts.imap.login import open_session
from archiver.accounts.imap.selected import Selected
from archiver.accounts.imap.session import Session
from archiver.accounts.owner import owner_of
from archiver.errors import FolderRefused, Forbidden
from archiver.model import AccessToken, Secret

T = TypeVar("T")


class Link(links.Link[Session]):
    """The owner of the session, of whose mailboxes `owner` is the mark."""

    def __init__(
        self,
        server: Server,
        user: str,
        password: Callable[[], Secret],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.owner = owner_of(server.host, user)
        self._server = server
        self._user = user
        self._password = password
        self._used: Secret | None = None
        super().__init__(lambda: open_session(server, user, self._ask, self.owner), pause)

    def another(self) -> "Link":
        """Make a second link to the same account; it logs in with the password that this one asked for last.

        A token is asked for anew: it may have died since.
        """

        def ask() -> Secret:
            if self._used is None or isinstance(self._used, AccessToken):
                return self._password()
            return self._used

        return Link(self._server, self._user, ask, self._pause)

    def _ask(self) -> Secret:
        self._used = self._password()
        return self._used

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
