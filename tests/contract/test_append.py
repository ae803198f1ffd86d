"""The accounts that take mail keep their contract: in memory, and on a real Dovecot of several kinds."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.accounts.imap import appending
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.imap.connection import Connection
from archiver.model import Secret
from archiver.ports import Target
from tests.contract.account import mail
from tests.contract.append import CanAppendContract, TargetMailbox, content, outgoing, put
from tests.contract.test_imap_account import server, users  # noqa: F401 -- fixtures
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Owner


class _Server(FakeMailbox):
    def account(self) -> Target:
        return FakeAccount(self)

    def deliver(  # type: ignore[override]  # the contract's mailbox passes by position
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        return super().deliver(folder, raw, flags=flags, received=received)


class TestFakeAccount(CanAppendContract):
    """In memory."""

    @pytest.fixture
    def mailbox(self) -> Iterator[TargetMailbox]:
        yield _Server()


class _OnDovecot(CanAppendContract):
    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def mailbox(self, server: Dovecot, users: Iterator[str]) -> Iterator[TargetMailbox]:  # noqa: F811 -- the fixtures
        owner = Owner(server, next(users))
        yield owner
        owner.close()


class TestOnMdbox(_OnDovecot):
    """MULTIAPPEND, LITERAL+, UIDPLUS."""


class TestOnMaildirBelowInbox(_OnDovecot):
    """Maildir, `.` between the components, all folders below `INBOX.`."""

    options: ClassVar[dict[str, Any]] = {
        "mail_location": "maildir:~/Maildir",
        "separator": ".",
        "prefix": "INBOX.",
    }


class TestWithoutMultiappend(_OnDovecot):
    """One message a command, several on their way."""

    options: ClassVar[dict[str, Any]] = {"without": ["MULTIAPPEND"]}


class TestWithoutLiteralPlus(_OnDovecot):
    """Every message waits for the server's word."""

    options: ClassVar[dict[str, Any]] = {"without": ["LITERAL+"]}


class TestPlain(_OnDovecot):
    """IMAP4rev1 as it was: one message at a time, and no word of its UID."""

    options: ClassVar[dict[str, Any]] = {"without": ["MULTIAPPEND", "LITERAL+", "UIDPLUS", "NAMESPACE"]}


class _Compressing(Owner):
    def account(self) -> ImapAccount:
        where = Server("localhost", self.server.imaps, "tls", self.server.ca_file, 20, compress=True)
        return ImapAccount(where, self.user, lambda: Secret(self.server.password))


class TestCompressed(_OnDovecot):
    """COMPRESS=DEFLATE (RFC 4978), below TLS, on two connections."""

    options: ClassVar[dict[str, Any]] = {
        "settings": "protocol imap {\n mail_plugins = $mail_plugins imap_zlib\n}\n",
    }

    @pytest.fixture
    def compressed(self, monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
        """Those connections that compress."""
        found: list[Connection] = []
        start = Connection.start_compression

        def counted(self: Connection) -> None:
            found.append(self)
            start(self)

        monkeypatch.setattr(Connection, "start_compression", counted)
        monkeypatch.setattr(appending, "MANY_MESSAGES", 1)
        return found

    @pytest.fixture
    def mailbox(
        self,
        server: Dovecot,  # noqa: F811 -- the fixtures
        users: Iterator[str],  # noqa: F811
        compressed: list[Connection],
    ) -> Iterator[TargetMailbox]:
        owner = _Compressing(server, next(users))
        yield owner
        owner.close()

    def test_each_connection_is_compressed_once(self, account: Target, compressed: list[Connection]) -> None:
        for name in ("One", "Two"):
            folder = self.folder(account, name)
            given = [outgoing(mail(number, f"{number} " * 100_000)) for number in range(40)]
            put(account, folder, *given)
            assert set(content(account, folder.name)) == {one.digest for one in given}
        assert len(compressed) == len(set(compressed)) == 2
