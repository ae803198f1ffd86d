"""What every account that takes mail must do, whatever its server can."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Protocol

import pytest

from archiver.errors import Interrupted
from archiver.model import Appended, Folder, Message, New, Outgoing, Refused, Remote
from archiver.ports import Target
from tests.contract.account import WHEN, Mailbox, find, mail


class TargetMailbox(Mailbox, Protocol):
    """The server's side, of which accounts take mail."""

    def account(self) -> Target:
        """Open a new account on it."""
        ...


def outgoing(raw: bytes, *flags: str, received: datetime | None = WHEN) -> Outgoing:
    return Outgoing(hashlib.sha256(raw).hexdigest(), raw, frozenset(flags), received)


def put(account: Target, folder: Folder, *messages: Outgoing) -> list[Appended]:
    """Put in what the server takes as it is."""
    answers = list(account.append(folder, iter(messages)))
    taken = [one for one in answers if isinstance(one, Appended)]
    assert len(taken) == len(messages), answers
    return taken


def there(account: Target, folder: str) -> list[Remote]:
    return [one.remote for one in account.changes(find(account, folder), None, dict) if isinstance(one, New)]


def content(
    account: Target,
    folder: str,
    digest_of: Callable[[bytes], str] = lambda raw: hashlib.sha256(raw).hexdigest(),
) -> dict[str, Remote]:
    """Give what a folder has: digest -> message. Fails for a message that is there twice."""
    found: dict[str, Remote] = {}
    for one in account.fetch(there(account, folder)):
        assert isinstance(one, Message), one
        digest = digest_of(one.raw)
        assert digest not in found
        found[digest] = one.remote
    return found


class CanAppendContract:
    """The contract of `ports.CanAppend`. A server that does not keep the bytes of a message keeps its `gist`."""

    many = 1_100
    """More messages than go to such a server at a time, by far."""

    def gist(self, raw: bytes) -> object:
        """Give what such a server keeps of a message: all of it."""
        return raw

    def digest(self, raw: bytes) -> str:
        """Condense that."""
        return hashlib.sha256(repr(self.gist(raw)).encode()).hexdigest()

    @pytest.fixture
    def mailbox(self) -> Iterator[TargetMailbox]:
        raise NotImplementedError

    @pytest.fixture
    def account(self, mailbox: TargetMailbox) -> Iterator[Target]:
        opened = mailbox.account()
        yield opened
        opened.close()

    def folder(self, account: Target, name: str) -> Folder:
        return account.make_folder(Folder(account.home() + name))

    # --- folders ------------------------------------------------------------------------------------

    def test_a_folder_is_made_with_those_above_it_and_is_listed_under_its_name(self, account: Target) -> None:
        made = self.folder(account, "Letters/Grüße/2024")
        assert made.name == account.home() + "Letters/Grüße/2024"
        put(account, made, outgoing(mail(1)))
        assert len(there(account, made.name)) == 1

    def test_a_folder_is_subscribed_to_unless_it_is_not_to_be(
        self, mailbox: TargetMailbox, account: Target
    ) -> None:
        self.folder(account, "Read")
        account.make_folder(Folder(account.home() + "Unread", subscribed=False))
        other = mailbox.account()
        told = {one.name.removeprefix(account.home()): one.subscribed for one in other.folders()}
        other.close()
        if told["Read"] is not None:  # where the server tells
            assert (told["Read"], told["Unread"]) == (True, False)

    def test_making_a_folder_that_is_there_leaves_it_as_it_is(
        self, mailbox: TargetMailbox, account: Target
    ) -> None:
        made = self.folder(account, "Letters")
        put(account, made, outgoing(mail(1)))
        other = mailbox.account()
        assert self.folder(other, "Letters").name == made.name
        assert len(there(other, made.name)) == 1
        other.close()

    # --- messages -----------------------------------------------------------------------------------

    def test_labels_go_as_no_flags_and_are_told_where_they_are_not_kept(self, account: Target) -> None:
        folder = self.folder(account, "Labelled")
        flags = frozenset({"\\Seen", "label: To do (soon)"})
        put(account, folder, outgoing(mail(1), *flags))
        (one,) = there(account, folder.name)
        assert one.flags - {"\\Recent"} == {"\\Seen"}
        lost = account.keep_flags(folder, one.ref.epoch, {one.ref.key: flags})
        assert lost == ({} if account.keeps_labels() else {one.ref.key: {"label: To do (soon)"}})

    def test_bytes_flags_and_date_come_back_as_they_were_given(self, account: Target) -> None:
        folder = self.folder(account, "Kept")
        given = [
            outgoing(mail(1), "\\Seen", "\\Flagged", "$Forwarded", "Work"),
            outgoing(mail(2, "x" * 200_000)),
            outgoing(mail(3), "\\Answered", "\\Draft", received=WHEN + timedelta(days=1234, seconds=5)),
            outgoing(
                mail(4), received=datetime(1999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=13)))
            ),
            outgoing(b"Subject: no end of line\r\n\r\nend"),
            outgoing(b"no header at all"),
        ]
        put(account, folder, *given)
        found = content(account, folder.name, self.digest)
        assert set(found) == {self.digest(one.raw) for one in given}
        for one in given:
            assert found[self.digest(one.raw)].flags == one.flags
            assert found[self.digest(one.raw)].received == one.received

    def test_recent_is_nobodys_to_set(self, account: Target) -> None:
        folder = self.folder(account, "Kept")
        (taken,) = put(account, folder, outgoing(mail(1), "\\Recent", "\\Seen"))
        assert taken.altered is None
        (found,) = there(account, folder.name)
        assert found.flags - {"\\Recent"} == {"\\Seen"}

    def test_equal_messages_are_put_in_as_often_as_they_are_given(self, account: Target) -> None:
        folder = self.folder(account, "Twice")
        put(account, folder, outgoing(mail(1)), outgoing(mail(1)))
        assert len(there(account, folder.name)) == 2

    def test_many_messages_are_answered_once_each_with_their_keys_or_none(self, account: Target) -> None:
        folder = self.folder(account, "Many")
        given = [outgoing(mail(number, "x" * (number * 37 % 9000))) for number in range(self.many)]
        taken = put(account, folder, *given)
        assert sorted(one.digest for one in taken) == sorted(one.digest for one in given)
        found = content(account, folder.name, self.digest)
        raws = {one.digest: one.raw for one in given}
        assert set(found) == {self.digest(raw) for raw in raws.values()}
        for one in taken:
            if one.ref is not None:
                assert one.ref == found[self.digest(raws[one.digest])].ref

    def test_no_messages_change_nothing(self, account: Target) -> None:
        folder = self.folder(account, "None")
        assert list(account.append(folder, iter(()))) == []
        assert there(account, folder.name) == []

    def test_what_the_messages_raise_comes_after_the_answers_to_all_that_was_taken(
        self, account: Target
    ) -> None:
        folder = self.folder(account, "Stopped")
        raws = {outgoing(mail(number)).digest: mail(number) for number in range(self.many)}

        def some() -> Iterator[Outgoing]:
            for raw in raws.values():
                yield outgoing(raw)
            raise Interrupted("stopped")

        answers: list[Appended | Refused] = []
        with pytest.raises(Interrupted):
            for one in account.append(folder, some()):
                answers.append(one)
        taken = {self.digest(raws[one.digest]) for one in answers}
        assert taken == set(content(account, folder.name, self.digest))
        put(account, folder, outgoing(mail(0)))

    def test_an_account_can_be_read_after_an_append_that_nobody_ended(self, account: Target) -> None:
        folder = self.folder(account, "Left")
        answers = iter(account.append(folder, (outgoing(mail(number)) for number in range(self.many))))
        next(answers)
        del answers
        assert len(there(account, folder.name)) >= 1

    def test_flags_put_in_are_kept_and_others_are_left_alone(self, account: Target) -> None:
        folder = self.folder(account, "Flagged")
        keys: list[str] = []
        for one in (outgoing(mail(1), "\\Seen"), outgoing(mail(2)), outgoing(mail(3))):
            put(account, folder, one)
            remotes = there(account, folder.name)
            keys += [one.ref.key for one in remotes if one.ref.key not in keys]
        epoch = remotes[0].ref.epoch
        wanted = {keys[0]: frozenset({"\\Flagged", "\\Recent"}), keys[1]: frozenset({"Work"})}
        assert account.keep_flags(folder, epoch, wanted) == {}
        assert account.keep_flags(folder, epoch, wanted) == {}
        found = {one.ref.key: one.flags - {"\\Recent"} for one in there(account, folder.name)}
        assert found == {keys[0]: {"\\Seen", "\\Flagged"}, keys[1]: {"Work"}, keys[2]: set()}

    def test_a_message_that_is_gone_lacks_no_flag(self, account: Target) -> None:
        folder = self.folder(account, "Flagged")
        put(account, folder, outgoing(mail(1)))
        (one,) = there(account, folder.name)
        assert account.keep_flags(folder, one.ref.epoch, {"77": frozenset({"Work"})}) == {}
