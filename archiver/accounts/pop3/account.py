"""POP3 as archiver's door to mail: `ports.Account` with one folder, and `ports.CanDelete` beside it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from archiver.accounts.connection import Server
from archiver.accounts.leash import Leash
from archiver.accounts.link import Link
from archiver.accounts.owner import owner_of
from archiver.accounts.pop3 import maildrop, quirks
from archiver.accounts.pop3.bodies import Bodies
from archiver.accounts.pop3.connection import BODY_LIMIT
from archiver.accounts.pop3.listing import Lister
from archiver.accounts.pop3.login import open_session
from archiver.accounts.pop3.maildrop import Row
from archiver.accounts.pop3.removal import remove
from archiver.accounts.pop3.session import Session
from archiver.errors import FolderRefused, RefusedForSafety
from archiver.formats.message_id import message_id
from archiver.model import (
    Change,
    Cursor,
    Done,
    Folder,
    Looked,
    Message,
    Missed,
    New,
    Ref,
    Remote,
    Removed,
    Secret,
    Unremoved,
    Vanished,
)
from archiver.ports import Known

_log = logging.getLogger(__name__)

INBOX = "INBOX"
"""The one folder that POP3 has."""


class Pop3Account:
    """An account on a POP3 server; connects on first use. The contract is that of `ports.Account`.

    `body_limit` is the largest message taken, bytes; `pause` waits, in seconds, between tries.
    """

    def __init__(
        self,
        server: Server,
        user: str,
        password: Callable[[], Secret],
        on_warning: Callable[[str], None] | None = None,
        *,
        body_limit: int = BODY_LIMIT,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._leash = Leash()
        server = replace(server, leash=self._leash)
        self._link: Link[Session] = Link(
            lambda: open_session(server, user, password), pause or self._leash.pause
        )
        self._server = server
        self._warn = on_warning or _log.warning
        self._limit = body_limit
        self._epoch = f"pop3.{owner_of(server.host, quirks.plain_user(user))}"
        self._has_warned = False
        if server.security == "plaintext":
            self._warn(f'the password goes to "{server.host}" in the clear')
        if quirks.is_gmail(server.host):
            self._warn(quirks.GMAIL_WARNING)

    def folders(self) -> Sequence[Folder]:
        """Give the one folder, after a login."""
        self._link.run(lambda session: session)
        return [Folder(INBOX)]

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """Tell what changed, always by a listing in full: UIDL and LIST tell all in two commands."""
        self._check(folder.name)
        listed, exists = self._listing()
        token = maildrop.token(list(listed))
        same = since is not None and since.epoch == self._epoch
        if since is None or not same or since.token != token:
            held = known() if same else {}
            for key, row in listed.items():
                if key not in held:
                    yield New(self._remote(key, row))
            for key in held:
                if key not in listed:
                    yield Vanished(Ref(INBOX, self._epoch, key))
        yield Done(Cursor(self._epoch, token), exists, same_mailbox=True)

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give the bodies by RETR; with each the date of receipt that it tells itself, since POP3 has none."""
        if not remotes:
            return
        self._check(remotes[0].ref.folder, remotes[0].ref.epoch)
        self._link.run(self._warn_of_reading)
        yield from Bodies(self._link, remotes, limit=self._limit)

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """Read the Message-ID by TOP; by RETR where the server has no TOP or the message no id."""
        found: dict[str, str] = {}
        if not remotes:
            return found
        self._check(remotes[0].ref.folder, remotes[0].ref.epoch)
        heads: dict[str, bytes] = {}
        self._link.run(lambda session: _read_heads(session, remotes, heads))
        rest = [remote for remote in remotes if remote.ref.key not in heads]
        for message in self.fetch(rest):
            if isinstance(message, Message):
                heads[message.remote.ref.key] = message.raw
        for key, head in heads.items():
            value = message_id(head)
            if value:
                found[key] = value
        return found

    def trash(self) -> Folder | None:
        """Give None: POP3 has no folder but the one."""
        return None

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        """Tell sizes, in a new session; a server of POP3 tells no date and no flags."""
        self._check(folder.name, epoch)
        listed, exists = self._listing(anew=True)
        found = {key: self._remote(key, listed[key]) for key in keys if key in listed}
        return Looked(exists, found, dates=False, flags=False)

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        """Delete for good, by DELE and QUIT, and list again in a new session."""
        if to is not None:
            raise RefusedForSafety(
                "POP3 has no folder to move mail to, and no trash", "to delete for good: --expunge"
            )
        self._check(folder.name, epoch)
        return remove(self._link, Lister(self._limit), keys)

    def cut(self) -> None:
        """See `CanBeCut.cut`."""
        self._leash.cut()

    def close(self) -> None:
        """Log out, without leave to the server to change anything."""
        self._link.close()

    def _listing(self, *, anew: bool = False) -> tuple[dict[str, Row], int]:
        """List in a session that has told no listing before: a session never sees what came after its login."""
        if anew or self._link.run(lambda session: session.told):
            self._link.close()
        lister = Lister(self._limit)

        def step(session: Session) -> tuple[dict[str, Row], int]:
            if any(row.key is None for row in session.rows()):
                self._warn_of_reading(session)
            listed = lister.list(session)
            session.told = True
            return listed, session.exists

        return self._link.run(step)

    def _warn_of_reading(self, session: Session) -> None:
        """Say, before the first message is read, what the server may take reading for."""
        if self._has_warned:
            return
        self._has_warned = True
        if quirks.is_gmail(self._server.host):
            self._warn(quirks.GMAIL_WARNING)
        if quirks.deletes_what_is_read(session.capabilities):
            self._warn(quirks.EXPIRE_WARNING)

    def _remote(self, key: str, row: Row) -> Remote:
        return Remote(Ref(INBOX, self._epoch, key), row.size)

    def _check(self, folder: str, epoch: str | None = None) -> None:
        if folder != INBOX:
            raise FolderRefused(f'POP3 has no folder "{folder}"', f'the one folder is "{INBOX}"')
        if epoch not in (None, self._epoch):
            raise FolderRefused(
                "the messages are those of another host or user", "run again; nothing was lost"
            )


def _read_heads(session: Session, remotes: Sequence[Remote], heads: dict[str, bytes]) -> None:
    numbers = {row.key: row.number for row in session.rows() if row.key}
    for remote in remotes:
        number = numbers.get(remote.ref.key)
        if number is None or remote.ref.key in heads:
            continue
        session.touched = True
        status, body = session.lines(b"TOP %d 0" % number)
        if not status.ok:
            return
        heads[remote.ref.key] = quirks.without_second_ok(body)
