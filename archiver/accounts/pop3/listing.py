"""List a mailbox: every message with its key, and those without a usable id read whole for it."""

from collections import Counter

from archiver.accounts.pop3 import maildrop
from archiver.accounts.pop3.bodies import STRIKES
from archiver.accounts.pop3.connection import TooLarge
from archiver.accounts.pop3.maildrop import Row
from archiver.accounts.pop3.session import Session
from archiver.errors import Unreachable


class Lister:
    """Lists, in as many tries as it takes: a message that drops the line twice is listed as unreadable."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._strikes: Counter[Row] = Counter()

    def list(self, session: Session) -> dict[str, Row]:
        """Give the messages by key, in the server's order. Raises `FolderRefused`, and `Unreachable`: then again."""
        keys = maildrop.ContentKeys()
        listed: dict[str, Row] = {}
        for row in session.rows():
            if row.key is not None:
                listed[row.key] = row
                continue
            digest = session.digests.get(row.number) or self._digest(session, row)
            listed[keys.next(digest) if digest else keys.unreadable(row.size)] = row
        return listed

    def _digest(self, session: Session, row: Row) -> str | None:
        if self._strikes[row] >= STRIKES:
            return None
        try:
            status, raw = session.read(row, self._limit)
        except TooLarge as error:
            self._strikes[row] = STRIKES
            raise Unreachable(f"the connection was given up: {error}") from error
        except Unreachable:
            self._strikes[row] += 1
            raise
        if not status.ok:
            return None
        if not raw and row.size:  # what comes next may be what is missing here
            self._strikes[row] = STRIKES
            raise Unreachable("the server gives a message no body")
        session.digests[row.number] = digest = maildrop.digest(raw)
        return digest
