"""Pop3Account keeps the contract on a real Dovecot: one folder, no flags, no dates."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from archiver.errors import FolderRefused
from archiver.model import Done, Folder, Message, Missed, New, Vanished
from archiver.ports import Account
from tests.contract.account import Copy, Mailbox, OneFolderContract, fetched, find, listed, mail
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Pop3Owner


@pytest.fixture(scope="class")
def server(request: pytest.FixtureRequest) -> Iterator[Dovecot]:
    """Run one Dovecot for a class, as its `options` say."""
    require("dovecot")
    with Dovecot([f"user{n}" for n in range(60)], pop3=True, **request.cls.options) as running:
        yield running


@pytest.fixture(scope="class")
def users(server: Dovecot) -> Iterator[str]:
    """Give each test a mailbox of its own."""
    return iter(server.users)


class _OnDovecot(OneFolderContract):
    options: ClassVar[dict[str, Any]] = {}
    has_flags = False
    has_dates = False

    @pytest.fixture
    def mailbox(self, server: Dovecot, users: Iterator[str]) -> Iterator[Mailbox]:
        owner = Pop3Owner(server, next(users))
        yield owner
        owner.close()

    def test_the_one_folder_is_listed_and_no_other(self, mailbox: Mailbox, account: Account) -> None:
        mailbox.create("Work")
        assert [folder.name for folder in account.folders()] == ["INBOX"]
        with pytest.raises(FolderRefused):
            list(account.changes(Folder("Work"), None, dict))

    def test_other_ids_are_other_messages_of_the_same_mailbox(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        for number in range(3):
            mailbox.deliver("INBOX", mail(number))
        copy = Copy()
        copy.update(account)
        mailbox.renumber("INBOX")
        told = copy.update(account)
        assert [type(change) for change in told] == [New, New, New, Vanished, Vanished, Vanished, Done]
        assert [change.same_mailbox for change in told if isinstance(change, Done)] == [True]
        assert len(copy.update(account)) == 1

    def test_a_message_brings_its_own_date(self, mailbox: Mailbox, account: Account) -> None:
        mailbox.deliver("INBOX", b"Date: Thu, 4 Mar 2021 05:06:07 -0700\r\n\r\nhello\r\n")
        (message,) = fetched(account, listed(account))
        assert message.remote.received is not None
        assert message.remote.received.isoformat() == "2021-03-04T05:06:07-07:00"

    def test_dots_and_empty_lines_come_to_the_byte(self, mailbox: Mailbox, account: Account) -> None:
        body = ".\r\n..\r\n.a\r\n\r\n" + "x" * 5000 + "\r\n" + "." * 5000 + "\r\n\r\n\r\n.\r\n"
        raws = [mail(1, body), mail(2, "\r\n"), b"..\r\n\r\n.\r\n", b".a: b\r\n\r\n", b"...\r\n"]
        for raw in raws:
            mailbox.deliver("INBOX", raw)
        assert [message.raw for message in fetched(account, listed(account))] == raws

    def test_a_first_line_of_one_dot_that_dovecot_does_not_stuff_passes_for_no_other_message(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        mailbox.deliver("INBOX", mail(1))
        bad = mailbox.deliver("INBOX", b".\r\n+OK 9 octets\r\nforged\r\n.\r\n")
        mailbox.deliver("INBOX", mail(2))
        told = list(account.fetch(listed(account)))
        assert sorted(item.raw for item in told if isinstance(item, Message)) == [mail(1), mail(2)]
        assert [(item.remote.ref.key, item.gone) for item in told if isinstance(item, Missed)] == [
            (bad, False)
        ]

    def test_a_listing_is_never_that_of_an_earlier_session(self, mailbox: Mailbox, account: Account) -> None:
        assert listed(account) == []
        mailbox.deliver("INBOX", mail(1))
        assert len(listed(account)) == 1
        assert len(list(account.changes(find(account, "INBOX"), None, dict))) == 2


class TestWithEverything(_OnDovecot):
    """PIPELINING, UIDL, SASL."""


class TestOnMaildir(_OnDovecot):
    """Messages are kept with LF on disk."""

    options: ClassVar[dict[str, Any]] = {"mail_location": "maildir:~/Maildir"}
