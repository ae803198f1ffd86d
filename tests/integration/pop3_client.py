"""An account on the misbehaving POP3 double, and how tests look at what it gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from archiver.accounts.connection import Server
from archiver.accounts.pop3.account import Pop3Account
from archiver.model import Folder, Message, Missed, New, Remote, Secret
from tests.servers.pop3_double import Mail, Pop3Double

INBOX = Folder("INBOX")


def mails(count: int) -> list[Mail]:
    """Make messages with the ids id1 to id`count`."""
    return [
        Mail(b"Subject: %d\r\nMessage-ID: <%d@example.org>\r\n\r\nbody %d\r\n" % (n, n, n), b"id%d" % n)
        for n in range(1, count + 1)
    ]


class Client:
    """An account on the double; what it warned of, and how long it was told to wait."""

    def __init__(self, double: Pop3Double, limit: int = 1 << 30, timeout_s: float = 5) -> None:
        self.waited: list[float] = []
        self.warned: list[str] = []
        where = Server("127.0.0.1", double.port, "plaintext", None, timeout_s)
        self.account = Pop3Account(
            where,
            "ann",
            lambda: Secret("hunter2 é"),
            self.warned.append,
            body_limit=limit,
            pause=self.waited.append,
        )

    @property
    def epoch(self) -> str:
        """The epoch of its mailbox."""
        return str(self.account._epoch)

    def remotes(self) -> list[Remote]:
        """List all."""
        changes = self.account.changes(INBOX, None, dict)
        return [change.remote for change in changes if isinstance(change, New)]

    def keys(self) -> list[str]:
        """List the keys of all."""
        return [remote.ref.key for remote in self.remotes()]

    def got(self) -> tuple[list[bytes], dict[str, str]]:
        """List and fetch all: bodies, sorted, and reasons of the missed by key."""
        remotes = self.remotes()
        told = list(self.account.fetch(remotes))
        assert sorted(item.remote.ref.key for item in told) == sorted(remote.ref.key for remote in remotes)
        bodies = sorted(item.raw for item in told if isinstance(item, Message))
        return bodies, {item.remote.ref.key: item.reason for item in told if isinstance(item, Missed)}


Make: TypeAlias = Callable[..., Client]


@contextmanager
def clients() -> Iterator[Make]:
    """Open accounts that are closed in the end."""
    opened: list[Client] = []

    def make(double: Pop3Double, limit: int = 1 << 30, timeout_s: float = 5) -> Client:
        opened.append(Client(double, limit, timeout_s))
        return opened[-1]

    yield make
    for each in opened:
        each.account.close()


def raws(double: Pop3Double, *but: int) -> list[bytes]:
    """Give the messages on the double, sorted, but the bad, counted from 1."""
    return sorted(mail.raw for number, mail in enumerate(double.mails, 1) if number not in but)
