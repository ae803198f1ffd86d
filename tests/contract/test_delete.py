"""The accounts that mail can be taken out of keep their contract: in memory, and on a real Dovecot of several kinds."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

import pytest

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.errors import Forbidden, RefusedForSafety
from archiver.model import Removed, Unremoved
from archiver.ports import Source
from tests.contract.account import find, mail
from tests.contract.delete import CanDeleteContract, SourceMailbox, contents, epoch_of, there
from tests.contract.test_imap_account import server, users  # noqa: F401 -- fixtures
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Owner


class _Server(FakeMailbox):
    def __init__(self) -> None:
        super().__init__()
        super().create("Trash", special_use="\\Trash")

    def account(self) -> Source:
        return FakeAccount(self)

    def create(self, folder: str, **more: Any) -> None:  # type: ignore[override]  # the contract passes by position
        super().create(folder, **more)

    def deliver(  # type: ignore[override]  # the contract's mailbox passes by position
        self,
        folder: str,
        raw: bytes,
        flags: Iterable[str] = (),
        received: datetime | None = None,
        **more: Any,
    ) -> str:
        return super().deliver(folder, raw, flags=flags, received=received, **more)


class TestFakeAccount(CanDeleteContract):
    """In memory."""

    @pytest.fixture
    def mailbox(self) -> Iterator[SourceMailbox]:
        yield _Server()


class _OnDovecot(CanDeleteContract):
    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def mailbox(self, server: Dovecot, users: Iterator[str]) -> Iterator[SourceMailbox]:  # noqa: F811 -- the fixtures
        owner = Owner(server, next(users))
        owner.create(self.TRASH)
        yield owner
        owner.close()


class TestOnMdbox(_OnDovecot):
    """MOVE, UIDPLUS, QRESYNC: what goes is told by its UID."""


class TestWithoutQresync(_OnDovecot):
    """MOVE and UIDPLUS; what goes is told by its number."""

    options: ClassVar[dict[str, Any]] = {"without": ["QRESYNC"]}


class TestWithoutMove(_OnDovecot):
    """UIDPLUS alone: copied, marked and expunged."""

    options: ClassVar[dict[str, Any]] = {"without": ["MOVE"]}


class TestOnMaildirBelowInbox(_OnDovecot):
    """Maildir, `.` between the components, all folders below `INBOX.`; no special use is told."""

    TRASH = "INBOX/Trash"
    options: ClassVar[dict[str, Any]] = {
        "mail_location": "maildir:~/Maildir",
        "separator": ".",
        "prefix": "INBOX.",
        "without": ["MOVE", "SPECIAL-USE"],
    }


class TestWithoutUidplus(_OnDovecot):
    """MOVE alone: nothing can be removed for good."""

    expunges = False
    options: ClassVar[dict[str, Any]] = {"without": ["UIDPLUS"]}

    def test_what_cannot_be_done_safely_is_refused_and_nothing_is_changed(
        self, mailbox: SourceMailbox, account: Source
    ) -> None:
        check_refused(mailbox, account, to_trash=False)


class TestPlain(_OnDovecot):
    """IMAP4rev1 as it was: nothing can be taken out that would not take others' marks along."""

    moves = expunges = False
    options: ClassVar[dict[str, Any]] = {"without": ["UIDPLUS", "MOVE"]}

    @pytest.mark.parametrize("to_trash", [False, True])
    def test_what_cannot_be_done_safely_is_refused_and_nothing_is_changed(
        self, mailbox: SourceMailbox, account: Source, to_trash: bool
    ) -> None:
        check_refused(mailbox, account, to_trash=to_trash)


def check_refused(mailbox: SourceMailbox, account: Source, *, to_trash: bool) -> None:
    """Check that nothing happens, and that the user learns what to do."""
    keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
    mailbox.flag("INBOX", keys[2], ["\\Deleted"])
    to = account.trash() if to_trash else None
    with pytest.raises(RefusedForSafety) as refused:
        list(account.remove(find(account, "INBOX"), epoch_of(account), keys[:2], to))
    assert refused.value.hint
    assert ("trash" in refused.value.hint) == (not to_trash)
    assert contents(account) == {key: mail(n) for n, key in enumerate(keys)}
    assert [one.flags for one in there(account)] == [frozenset(), frozenset(), {"\\Deleted"}]


class TestWithRights:
    """A Dovecot with access control (RFC 4314): what the login may not do is refused, and nothing is changed."""

    options: ClassVar[dict[str, Any]] = {
        "settings": "mail_plugins = acl\n"
        "protocol imap {\n  mail_plugins = acl imap_acl\n}\n"
        "plugin {\n  acl = vfile\n}\n"
    }

    @pytest.fixture
    def owner(self, server: Dovecot, users: Iterator[str]) -> Iterator[Owner]:  # noqa: F811 -- the fixtures
        owner = Owner(server, next(users))
        owner.create("Trash")
        yield owner
        owner.close()

    @pytest.mark.parametrize(
        ("rights", "to_trash"),
        [("lr", True), ("lr", False), ("lrs", True), ("lrs", False), ("lrswt", True), ("lrswe", False)],
    )
    def test_a_folder_that_may_only_be_read_is_left_alone(
        self, owner: Owner, rights: str, to_trash: bool
    ) -> None:
        keys = [owner.deliver("INBOX", mail(n)) for n in range(3)]
        owner.allow("INBOX", rights)
        account = owner.account()
        to = account.trash() if to_trash else None
        answers: list[Removed | Unremoved] = []
        with pytest.raises(Forbidden) as refused:
            for one in account.remove(find(account, "INBOX"), epoch_of(account), keys, to):
                answers.append(one)
        assert refused.value.hint
        assert not [one for one in answers if isinstance(one, Removed)]
        assert contents(account) == {key: mail(n) for n, key in enumerate(keys)}
        assert {one.flags for one in there(account)} == {frozenset()}
        assert there(account, "Trash") == []
        account.close()

    def test_an_expunge_that_the_server_passes_over_leaves_no_mark(self, owner: Owner) -> None:
        keys = [owner.deliver("INBOX", mail(n)) for n in range(3)]
        owner.allow("INBOX", "lrswt")
        account = owner.account()
        told = list(account.remove(find(account, "INBOX"), epoch_of(account), keys, None))
        assert told == [Unremoved(key, "the server keeps it") for key in keys]
        assert {one.flags for one in there(account)} == {frozenset()}
        account.close()

    def test_a_trash_that_takes_nothing_keeps_all_where_it_is(self, owner: Owner) -> None:
        keys = [owner.deliver("INBOX", mail(n)) for n in range(3)]
        owner.allow("Trash", "lr")
        account = owner.account()
        with pytest.raises(Forbidden):
            list(account.remove(find(account, "INBOX"), epoch_of(account), keys, account.trash()))
        assert contents(account) == {key: mail(n) for n, key in enumerate(keys)}
        account.close()
