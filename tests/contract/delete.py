"""What every account that mail can be taken out of must do, whatever its server can."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Protocol

import pytest

from archiver.errors import FolderRefused, RefusedForSafety
from archiver.model import Flags, Folder, Message, New, Ref, Remote, Removed, Unremoved
from archiver.ports import Source
from tests.contract.account import WHEN, Copy, Mailbox, find, mail


class SourceMailbox(Mailbox, Protocol):
    """The server's side, of which accounts take mail away."""

    def account(self) -> Source:
        """Open a new account on it."""
        ...


def there(account: Source, folder: str = "INBOX") -> list[Remote]:
    """List a folder as if for the first time."""
    return [one.remote for one in account.changes(find(account, folder), None, dict) if isinstance(one, New)]


def contents(account: Source, folder: str = "INBOX") -> dict[str, bytes]:
    """Give what a folder has: key -> bytes."""
    told = list(account.fetch(there(account, folder)))
    assert all(isinstance(one, Message) for one in told), told
    return {one.remote.ref.key: one.raw for one in told if isinstance(one, Message)}


def epoch_of(account: Source, folder: str = "INBOX") -> str:
    """Tell the epoch that a folder has now."""
    copy = Copy(folder)
    copy.update(account)
    assert copy.cursor is not None
    return copy.cursor.epoch


def removed(
    account: Source, keys: Sequence[str], to: Folder | None, folder: str = "INBOX"
) -> dict[str, Ref | None]:
    """Take out messages that all can be, each answered once: key -> where it is now."""
    answers = list(account.remove(find(account, folder), epoch_of(account, folder), keys, to))
    assert sorted(one.key for one in answers) == sorted(set(keys))
    assert not [one for one in answers if isinstance(one, Unremoved)]
    return {one.key: one.to for one in answers if isinstance(one, Removed)}


class CanDeleteContract:
    """The contract of `ports.CanDelete`. A subclass gives the fixture `mailbox`, with a folder `TRASH`."""

    TRASH = "Trash"
    moves = True
    """Whether the server can move."""
    expunges = True
    """Whether the server can remove single messages for good."""
    has_order = True
    """Whether messages are listed in the order of their arrival."""
    tells_where: ClassVar[bool | None] = True
    """Whether the server tells what a message is called where it was moved; None where nobody knows."""
    keeps_bytes = True
    """Whether the server keeps the bytes of a message, and so its size; else it keeps its gist."""

    many = 450
    """More messages than such a server is asked about, or told to remove, at a time."""

    def gist(self, raw: bytes) -> object:
        """Give what such a server keeps of a message: all of it."""
        return raw

    def flags(self, *flags: str) -> Flags:
        """Give these flags as such an account tells them."""
        return frozenset(flags)

    def ordered(self, keys: Iterable[str]) -> list[str]:
        """Put keys as such an account lists them, as far as it can be told."""
        return list(keys) if self.has_order else sorted(keys)

    def gists(self, found: Mapping[str, bytes]) -> dict[str, object]:
        """Give the gist of each message, by key."""
        return {key: self.gist(raw) for key, raw in found.items()}

    @pytest.fixture
    def mailbox(self) -> Iterator[SourceMailbox]:
        raise NotImplementedError

    @pytest.fixture
    def account(self, mailbox: SourceMailbox) -> Iterator[Source]:
        opened = mailbox.account()
        yield opened
        opened.close()

    @pytest.fixture(params=["to the trash", "for good"])
    def to(self, request: pytest.FixtureRequest, account: Source) -> Folder | None:
        able = self.moves if request.param == "to the trash" else self.expunges
        if not able:
            pytest.skip("refused by this kind of server, as another test tells")
        return account.trash() if request.param == "to the trash" else None

    # --- trash --------------------------------------------------------------------------------------

    def test_the_trash_is_found(self, account: Source) -> None:
        trash = account.trash()
        assert trash is not None
        assert trash.name == self.TRASH

    # --- look ---------------------------------------------------------------------------------------

    def test_a_look_tells_size_flags_and_date_and_leaves_out_what_is_not_there(
        self, mailbox: SourceMailbox, account: Source
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n, "x" * n), ["\\Flagged", "Work"], WHEN) for n in range(4)]
        mailbox.expunge("INBOX", keys[1])
        told = account.look(
            find(account, "INBOX"), epoch_of(account), [*keys[:3], "4711", "x", "-1", "", "007"]
        )
        assert told.exists == 3
        assert set(told.messages) == {keys[0], keys[2]}
        for number in (0, 2):
            remote = told.messages[keys[number]]
            assert remote.ref == Ref("INBOX", epoch_of(account), keys[number])
            assert remote.size == len(mail(number, "x" * number)) if self.keeps_bytes else remote.size
            assert remote.flags == {"\\Flagged", "Work"}
            assert remote.received == WHEN

    def test_a_look_shows_what_another_did_a_moment_ago(
        self, mailbox: SourceMailbox, account: Source
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n), ["\\Seen"]) for n in range(3)]
        inbox, epoch = find(account, "INBOX"), epoch_of(account)
        assert account.look(inbox, epoch, keys).exists == 3
        mailbox.flag("INBOX", keys[0], ["\\Seen", "\\Flagged"])
        mailbox.expunge("INBOX", keys[1])
        new = [mailbox.deliver("INBOX", mail(n)) for n in (7, 8)]
        told = account.look(inbox, epoch, [*keys, *new])
        assert told.exists == 4
        assert set(told.messages) == {keys[0], keys[2], *new}
        assert told.messages[keys[0]].flags == {"\\Seen", "\\Flagged"}

    def test_a_look_at_nothing_counts(self, mailbox: SourceMailbox, account: Source) -> None:
        mailbox.deliver("INBOX", mail(1))
        told = account.look(find(account, "INBOX"), epoch_of(account), [])
        assert (told.exists, dict(told.messages)) == (1, {})

    def test_a_look_under_another_epoch_is_refused(self, mailbox: SourceMailbox, account: Source) -> None:
        key = mailbox.deliver("INBOX", mail(1))
        before = epoch_of(account)
        mailbox.renumber("INBOX")
        with pytest.raises(FolderRefused):
            account.look(find(account, "INBOX"), before, [key])

    # --- remove -------------------------------------------------------------------------------------

    def test_only_the_named_messages_go(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(9)]
        going = [keys[number] for number in (1, 2, 5, 8)]
        removed(account, going, to)
        expected = {key: mail(n) for n, key in enumerate(keys) if key not in going}
        assert self.gists(contents(account)) == self.gists(expected)

    def test_what_comes_into_the_trash_is_what_left(self, mailbox: SourceMailbox, account: Source) -> None:
        if not self.moves:
            pytest.skip("it cannot move")
        flags = [["\\Seen", "\\Flagged", "$Label1"], [], ["\\Answered", "\\Draft"], ["Work"]]
        days = [WHEN + timedelta(days=n) for n in range(4)]
        keys = [mailbox.deliver("INBOX", mail(n, "é" * n), flags[n], days[n]) for n in range(4)]
        where = removed(account, keys[:3], account.trash())
        arrived = {one.ref: one for one in there(account, self.TRASH)}
        assert len(arrived) == 3
        raws = contents(account, self.TRASH)
        if self.tells_where is not None:
            assert (None not in where.values()) is self.tells_where
        by_gist = {repr(self.gist(raw)): key for key, raw in raws.items()}
        epoch = epoch_of(account, self.TRASH)
        for number, key in enumerate(keys[:3]):
            found = by_gist[repr(self.gist(mail(number, "é" * number)))]
            ref = where[key] or Ref(self.TRASH, epoch, found)
            assert self.gist(raws[ref.key]) == self.gist(mail(number, "é" * number))
            assert arrived[ref].flags == frozenset(flags[number])
            assert arrived[ref].received == days[number]
        assert self.ordered(contents(account)) == self.ordered(keys[3:])

    def test_many_messages_are_answered_once_each(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(self.many)]
        removed(account, keys[:20] + keys[30:-10] + keys[:3], to)
        assert self.ordered(contents(account)) == self.ordered(keys[20:30] + keys[-10:])
        if to is not None:
            assert len(there(account, self.TRASH)) == len(keys) - 20

    def test_what_others_marked_as_deleted_stays(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(5)]
        mailbox.flag("INBOX", keys[0], ["\\Deleted", "\\Seen"])
        mailbox.flag("INBOX", keys[4], ["\\Deleted"])
        removed(account, keys[1:4], to)
        left = {one.ref.key: one.flags for one in there(account)}
        assert left == {keys[0]: self.flags("\\Deleted", "\\Seen"), keys[4]: self.flags("\\Deleted")}

    def test_a_message_that_others_marked_as_deleted_can_go(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        key = mailbox.deliver("INBOX", mail(1), ["\\Deleted"])
        removed(account, [key], to)
        assert there(account) == []

    def test_what_is_not_there_is_removed_already(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
        mailbox.expunge("INBOX", keys[1])
        where = removed(account, [keys[1], "4711", keys[0], "x", "007", ""], to)
        assert [where[key] for key in (keys[1], "4711", "x", "007", "")] == [None] * 5
        assert list(contents(account)) == [keys[2]]

    def test_a_renumbered_folder_is_left_alone(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
        inbox, before = find(account, "INBOX"), epoch_of(account)
        mailbox.renumber("INBOX")
        with pytest.raises(FolderRefused):
            list(account.remove(inbox, before, keys, to))
        left = sorted(map(repr, self.gists(contents(account)).values()))
        assert left == sorted(repr(self.gist(mail(n))) for n in range(3))
        assert {one.flags for one in there(account)} == {frozenset()}

    def test_a_folder_that_is_not_there_is_refused(self, account: Source, to: Folder | None) -> None:
        epoch = epoch_of(account)
        with pytest.raises(FolderRefused):
            list(account.remove(Folder("Nowhere", "/"), epoch, ["1"], to))
        with pytest.raises(FolderRefused):
            account.look(Folder("Nowhere", "/"), epoch, ["1"])

    def test_no_messages_change_nothing(self, mailbox: SourceMailbox, account: Source) -> None:
        mailbox.deliver("INBOX", mail(1), ["\\Deleted"])
        for to in (None, account.trash()):
            assert list(account.remove(find(account, "INBOX"), epoch_of(account), [], to)) == []
        assert len(there(account)) == 1

    def test_a_folder_is_not_moved_into_itself(self, mailbox: SourceMailbox, account: Source) -> None:
        key = mailbox.deliver(self.TRASH, mail(1))
        trash = account.trash()
        assert trash is not None
        with pytest.raises(RefusedForSafety):
            list(account.remove(trash, epoch_of(account, self.TRASH), [key], trash))
        assert len(there(account, self.TRASH)) == 1

    def test_a_trash_that_is_not_there_any_more_is_made(
        self, mailbox: SourceMailbox, account: Source
    ) -> None:
        if not self.moves:
            pytest.skip("it cannot move")
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
        trash = account.trash()
        mailbox.delete(self.TRASH)
        removed(account, keys, trash)
        assert there(account) == []
        assert len(there(account, self.TRASH)) == 3

    def test_the_account_reads_on_and_other_readers_see_what_went(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(6)]
        copy = Copy()
        copy.update(account)
        remotes = there(account)
        removed(account, keys[2:4], to)
        told = list(account.fetch([one for one in remotes if one.ref.key not in keys[2:4]]))
        given = [one.remote.ref.key for one in told if isinstance(one, Message)]
        assert self.ordered(given) == self.ordered(keys[:2] + keys[4:])
        assert len(account.message_ids(remotes)) == 4
        new = mailbox.deliver("INBOX", mail(9))
        copy.update(account)
        assert set(copy.flags) == {*keys[:2], *keys[4:], new}
        assert set(copy.flags.values()) == {frozenset()}, "no flag was set by reading on"
        other = mailbox.account()
        seen = [one.ref.key for one in there(other)]
        assert self.ordered(seen) == self.ordered([*keys[:2], *keys[4:], new])
        other.close()

    def test_another_folder_may_be_read_between_two_answers(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        away = "".join(self.TRASH.rpartition("/")[:2]) + "Other"
        mailbox.create(away)
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(self.many // 2)]
        others = [mailbox.deliver(away, mail(n)) for n in range(self.many // 2)]
        other, epoch = find(account, away), epoch_of(account, away)
        answered = []
        for one in account.remove(find(account, "INBOX"), epoch_of(account), keys[:-10], to):
            answered.append(one.key)
            if len(answered) < 4:
                assert len(account.look(other, epoch, others).messages) == len(others)
        assert sorted(answered) == sorted(keys[:-10])
        assert self.ordered(contents(account)) == self.ordered(keys[-10:])
        assert len(there(account, away)) == len(others)

    def test_a_removal_that_nobody_ended_leaves_no_mark(
        self, mailbox: SourceMailbox, account: Source, to: Folder | None
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(self.many)]
        answers = iter(account.remove(find(account, "INBOX"), epoch_of(account), keys, to))
        answered = [next(answers).key, next(answers).key]
        del answers
        left = there(account)
        assert not set(answered) & {one.ref.key for one in left}
        assert {one.flags for one in left} <= {frozenset()}
        assert len(left) >= 1
