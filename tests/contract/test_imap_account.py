"""ImapAccount keeps the contract on a real Dovecot, whatever of its powers the server admits to."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tests.contract.account import AccountContract, Mailbox
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Owner


@pytest.fixture(scope="class")
def server(request: pytest.FixtureRequest) -> Iterator[Dovecot]:
    """Run one Dovecot for a class, as its `options` say."""
    require("dovecot")
    with Dovecot([f"user{n}" for n in range(60)], **request.cls.options) as running:
        yield running


@pytest.fixture(scope="class")
def users(server: Dovecot) -> Iterator[str]:
    """Give each test a mailbox of its own."""
    return iter(server.users)


class _OnDovecot(AccountContract):
    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def mailbox(self, server: Dovecot, users: Iterator[str]) -> Iterator[Mailbox]:
        owner = Owner(server, next(users))
        yield owner
        owner.close()


class TestWithEverything(_OnDovecot):
    """QRESYNC, LIST-STATUS, ESEARCH, LITERAL+; messages in mdbox."""


class TestWithoutQresync(_OnDovecot):
    """CONDSTORE alone, as at Gmail: flags are told, what vanished is not."""

    options: ClassVar[dict[str, Any]] = {"without": ["QRESYNC"]}


class TestWithoutQresyncAndEsearch(_OnDovecot):
    """CONDSTORE alone and no short list of UIDs; STATUS folder by folder."""

    options: ClassVar[dict[str, Any]] = {"without": ["QRESYNC", "ESEARCH", "LIST-STATUS"]}


class TestWithoutCondstore(_OnDovecot):
    """A plain IMAP4rev1 server: every run lists and compares."""

    options: ClassVar[dict[str, Any]] = {
        "without": ["QRESYNC", "CONDSTORE", "ESEARCH", "LIST-STATUS", "LIST-EXTENDED", "LITERAL+", "ENABLE"]
    }


class TestOnMaildirWithDots(_OnDovecot):
    """Maildir on disk, `.` between the components of a name."""

    options: ClassVar[dict[str, Any]] = {"mail_location": "maildir:~/Maildir", "separator": "."}


class TestOnSdboxWithCarets(_OnDovecot):
    """sdbox, `^` between the components of a name."""

    options: ClassVar[dict[str, Any]] = {"mail_location": "sdbox:~/sdbox", "separator": "^"}
