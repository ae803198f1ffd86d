"""An account on the misbehaving double, and how tests look at what it gives."""

from collections.abc import Callable
from typing import TypeAlias

from archiver.accounts.connection import Server
from archiver.accounts.imap.account import ImapAccount
from archiver.model import Folder, Message, New, Remote, Secret
from tests.servers.imap_double import ImapDouble, Mail

INBOX = Folder("INBOX", "/")


def mails(count: int) -> dict[int, Mail]:
    """Make messages with the UIDs 1 to `count`."""
    return {uid: Mail(b"Subject: %d\r\n\r\nbody %d\r\n" % (uid, uid)) for uid in range(1, count + 1)}


class Client:
    """An account on the double, and how long it was told to wait."""

    def __init__(self, double: ImapDouble, limit: int = 1 << 30) -> None:
        self.waited: list[float] = []
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        self.account = ImapAccount(
            where,
            "ann",
            lambda: Secret("hunter2 é"),
            lambda text: None,
            literal_limit=limit,
            pause=self.waited.append,
        )

    def remotes(self) -> list[Remote]:
        """List all."""
        return [
            change.remote for change in self.account.changes(INBOX, None, dict) if isinstance(change, New)
        ]

    def got(self) -> tuple[dict[int, bytes], dict[int, str]]:
        """List and fetch all: bodies by UID, and reasons of the missed."""
        remotes = self.remotes()
        bodies: dict[int, bytes] = {}
        reasons: dict[int, str] = {}
        for item in self.account.fetch(remotes):
            uid = int(item.remote.ref.key)
            assert uid not in bodies, "given twice"
            assert uid not in reasons, "missed twice"
            if isinstance(item, Message):
                bodies[uid] = item.raw
            else:
                reasons[uid] = item.reason
        assert len(bodies) + len(reasons) == len(remotes)
        return bodies, reasons


Make: TypeAlias = Callable[..., Client]


def check_all_but(double: ImapDouble, bodies: dict[int, bytes], *bad: int) -> None:
    """Check that every message came to the byte, but the bad."""
    assert bodies == {uid: mail.raw for uid, mail in double.mails.items() if uid not in bad}
