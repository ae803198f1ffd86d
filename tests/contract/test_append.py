"""The accounts that take mail keep their contract: in memory, and on a real Dovecot of several kinds."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

import pytest

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.ports import Target
from tests.contract.append import CanAppendContract, TargetMailbox
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
