"""The in-memory account keeps the contract, with and without a memory for changes."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import pytest

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.errors import Unreachable
from archiver.model import Missed
from archiver.ports import Account
from tests.contract.account import AccountContract, Mailbox, listed, mail


class _Server(FakeMailbox):
    def account(self) -> Account:
        return FakeAccount(self)

    def deliver(  # type: ignore[override]  # the contract's mailbox passes by position
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        return super().deliver(folder, raw, flags=flags, received=received)


class TestFakeAccount(AccountContract):
    """A server that remembers what changed."""

    @pytest.fixture
    def mailbox(self) -> Iterator[Mailbox]:
        yield _Server()


class TestFakeAccountWithoutModseq(AccountContract):
    """A server that does not."""

    @pytest.fixture
    def mailbox(self) -> Iterator[Mailbox]:
        yield _Server(has_modseq=False)


def test_a_spoilt_message_is_missed_with_its_reason_until_it_is_healed() -> None:
    mailbox = FakeMailbox()
    key = mailbox.deliver("INBOX", mail(1))
    account = FakeAccount(mailbox)
    mailbox.spoil("INBOX", key, "on fire")
    remotes = listed(account)
    assert list(account.fetch(remotes)) == [Missed(remotes[0], "on fire")]
    mailbox.heal("INBOX", key)
    assert not isinstance(next(account.fetch(remotes)), Missed)


def test_an_ordered_fault_comes_at_its_step_and_once() -> None:
    mailbox = FakeMailbox()
    for number in range(3):
        mailbox.deliver("INBOX", mail(number))
    account = FakeAccount(mailbox)
    remotes = listed(account)
    mailbox.fail("message", 2, Unreachable("cut"))
    given = account.fetch(remotes)
    next(given)
    with pytest.raises(Unreachable):
        next(given)
    assert len(list(account.fetch(remotes))) == 3


def test_a_moved_message_vanishes_here_and_is_new_there() -> None:
    mailbox = FakeMailbox()
    mailbox.create("Archive")
    key = mailbox.deliver("INBOX", mail(1), flags=["\\Seen"])
    mailbox.move("INBOX", key, "Archive")
    account = FakeAccount(mailbox)
    assert listed(account) == []
    (remote,) = listed(account, "Archive")
    assert remote.flags == {"\\Seen"}
