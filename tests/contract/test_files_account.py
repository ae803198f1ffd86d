"""FilesAccount keeps the contract on a Maildir and on mbox files that programs write to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.model import Done
from archiver.ports import Account
from tests.contract.account import AccountContract, Copy, Mailbox, listed, mail
from tests.contract.files import MaildirBox, MboxBox


class _InFiles(AccountContract):
    def test_a_renumbered_folder_is_all_new_and_nothing_vanishes(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        """Files have no UIDVALIDITY: another numbering changes nothing of what a message is."""
        for number in range(3):
            mailbox.deliver("INBOX", mail(number))
        copy = Copy()
        copy.update(account)
        mailbox.renumber("INBOX")
        assert [type(change) for change in copy.update(account)] == [Done]
        assert {remote.ref.epoch for remote in listed(account)} == {"files"}


class TestMaildir(_InFiles):
    """A Maildir++ as Dovecot keeps it."""

    @pytest.fixture
    def mailbox(self, tmp_path: Path) -> Iterator[Mailbox]:
        yield MaildirBox(tmp_path / "Maildir")


class TestMbox(_InFiles):
    """A tree of mbox files."""

    @pytest.fixture
    def mailbox(self, tmp_path: Path) -> Iterator[Mailbox]:
        yield MboxBox(tmp_path / "mail")
