"""What every account must do, whatever the server behind it can: one class, one subclass for each account."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Protocol, TypeVar

import pytest
from msgspec.structs import replace

from archiver.errors import FolderRefused
from archiver.model import (
    Change,
    Cursor,
    Done,
    Flags,
    Folder,
    Message,
    Missed,
    New,
    Reflagged,
    Remote,
    Vanished,
)
from archiver.ports import Account

T = TypeVar("T")

WHEN = datetime(2021, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=-7)))


class Mailbox(Protocol):
    """The server's side, as a test moves it."""

    def account(self) -> Account:
        """Open a new account on it, as each run does."""
        ...

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        """Put a message in and give its key."""
        ...

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        """Give a message exactly these flags."""
        ...

    def expunge(self, folder: str, *keys: str) -> None:
        """Remove messages."""
        ...

    def create(self, folder: str) -> None:
        """Make a folder."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename a folder."""
        ...

    def delete(self, folder: str) -> None:
        """Remove a folder."""
        ...

    def renumber(self, folder: str) -> None:
        """Change the UIDVALIDITY of a folder."""
        ...


def mail(number: int, body: str = "hello") -> bytes:
    """Make a message with CRLF ends, as every server keeps it."""
    return f"Message-ID: <{number}@example.org>\r\nSubject: {number}\r\n\r\n{body}\r\n".encode()


class Copy:
    """What an archive would know of one folder after each run."""

    def __init__(self, folder: str = "INBOX") -> None:
        self.folder = folder
        self.flags: dict[str, Flags] = {}
        self.cursor: Cursor | None = None
        self.exists: int | None = None

    def known(self) -> Mapping[str, Flags]:
        """Answer what `changes` may ask."""
        return dict(self.flags)

    def update(self, account: Account) -> list[Change]:
        """Take in the changes of one run, as the contract lays them down."""
        folder = find(account, self.folder)
        told = list(account.changes(folder, self.cursor, self.known))
        for change in told:
            match change:
                case New(remote):
                    if self.cursor is not None and self.cursor.epoch != remote.ref.epoch:
                        self.flags, self.cursor = {}, None
                    assert remote.ref.key not in self.flags, "told as new, and was known"
                    self.flags[remote.ref.key] = remote.flags
                case Reflagged(ref, flags):
                    assert ref.key in self.flags, "told as reflagged, and was not known"
                    self.flags[ref.key] = flags
                case Vanished(ref):
                    del self.flags[ref.key]
                case Done(cursor, exists):
                    self.cursor, self.exists = cursor, exists
        assert isinstance(told[-1], Done)
        assert sum(isinstance(change, Done) for change in told) == 1
        return told


def find(account: Account, name: str) -> Folder:
    """Find a folder by name."""
    return next(folder for folder in account.folders() if folder.name == name)


def news(changes: Iterable[Change]) -> list[Remote]:
    """Pick what is new."""
    return [change.remote for change in changes if isinstance(change, New)]


def listed(account: Account, folder: str = "INBOX") -> list[Remote]:
    """List a folder as if for the first time."""
    return news(account.changes(find(account, folder), None, dict))


class OneFolderContract:
    """The contract of `ports.Account` for what every protocol has. A subclass gives the fixture `mailbox`.

    Without `has_flags`, every message has none. Without `has_dates`, no date is told with a new message, and one that
    is fetched brings the date that it tells itself. Without `has_order`, messages are listed in any order. A server
    that does not keep the bytes of a message keeps its `gist`, which tells it from every other one.
    """

    has_flags: ClassVar[bool] = True
    has_dates: ClassVar[bool] = True
    has_order: ClassVar[bool] = True
    keeps_bytes: ClassVar[bool] = True

    def gist(self, raw: bytes) -> object:
        """Give what such a server keeps of a message: all of it."""
        return raw

    def gists(self, raws: Iterable[bytes]) -> list[Any]:
        """Give the gist of each."""
        return [self.gist(raw) for raw in raws]

    def ordered(self, keys: Iterable[T]) -> list[T]:
        """Put keys, or what stands for them, as such an account lists them, as far as it can be told."""
        return list(keys) if self.has_order else sorted(keys, key=repr)

    def flags(self, *flags: str) -> Flags:
        """Give these flags as such an account tells them."""
        return frozenset(flags) if self.has_flags else frozenset()

    @pytest.fixture
    def mailbox(self) -> Iterator[Mailbox]:
        """Give an empty mailbox with an INBOX."""
        raise NotImplementedError

    @pytest.fixture
    def account(self, mailbox: Mailbox) -> Iterator[Account]:
        """Give one account on it."""
        account = mailbox.account()
        yield account
        account.close()

    # --- changes ------------------------------------------------------------------------------------

    def test_an_empty_folder_has_only_an_end(self, account: Account) -> None:
        copy = Copy()
        assert len(copy.update(account)) == 1
        assert copy.exists == 0
        assert len(copy.update(account)) == 1

    def test_without_a_cursor_every_message_is_new(self, mailbox: Mailbox, account: Account) -> None:
        keys = [mailbox.deliver("INBOX", mail(n), ["\\Seen", "$Label1"] if n == 2 else []) for n in range(5)]
        copy = Copy()
        remotes = news(copy.update(account))
        assert self.ordered(remote.ref.key for remote in remotes) == self.ordered(keys)
        assert {remote.ref.key: remote.flags for remote in remotes}[keys[2]] == self.flags(
            "\\Seen", "$Label1"
        )
        assert copy.exists == 5

    def test_with_an_epoch_and_no_token_the_folder_is_compared_with_what_is_known(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
        copy = Copy()
        copy.update(account)
        mailbox.expunge("INBOX", keys[0])
        if self.has_flags:
            mailbox.flag("INBOX", keys[1], ["\\Seen"])
        keys.append(mailbox.deliver("INBOX", mail(3)))
        assert copy.cursor is not None
        copy.cursor = Cursor(copy.cursor.epoch, "")
        assert len(copy.update(account)) == 3 + self.has_flags
        assert copy.flags == {keys[1]: self.flags("\\Seen"), keys[2]: frozenset(), keys[3]: frozenset()}

    def test_size_and_date_are_told_with_a_new_message(self, mailbox: Mailbox, account: Account) -> None:
        mailbox.deliver("INBOX", mail(1), received=WHEN)
        (remote,) = listed(account)
        assert remote.size == len(mail(1)) if self.keeps_bytes else remote.size
        assert remote.received == (WHEN if self.has_dates else None)

    def test_nothing_new_tells_only_the_end_with_the_same_cursor(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        for number in range(3):
            mailbox.deliver("INBOX", mail(number))
        copy = Copy()
        copy.update(account)
        before = copy.cursor
        assert len(copy.update(account)) == 1
        assert copy.cursor == before
        assert copy.exists == 3

    def test_what_comes_after_a_cursor_is_told_once(self, mailbox: Mailbox, account: Account) -> None:
        mailbox.deliver("INBOX", mail(1))
        copy = Copy()
        copy.update(account)
        keys = [mailbox.deliver("INBOX", mail(2), ["\\Flagged"]), mailbox.deliver("INBOX", mail(3))]
        assert self.ordered(remote.ref.key for remote in news(copy.update(account))) == self.ordered(keys)
        assert news(copy.update(account)) == []

    def test_other_flags_are_told_as_they_are_now(self, mailbox: Mailbox, account: Account) -> None:
        keys = [mailbox.deliver("INBOX", mail(n), ["\\Seen"]) for n in range(3)]
        copy = Copy()
        copy.update(account)
        mailbox.flag("INBOX", keys[0], ["\\Seen", "\\Answered", "Work"])
        mailbox.flag("INBOX", keys[2], [])
        told = copy.update(account)
        changed = {keys[0], keys[2]} if self.has_flags else set()
        assert {change.ref.key for change in told if isinstance(change, Reflagged)} == changed
        assert copy.flags == {
            keys[0]: self.flags("\\Seen", "\\Answered", "Work"),
            keys[1]: self.flags("\\Seen"),
            keys[2]: frozenset(),
        }

    def test_what_is_expunged_vanishes(self, mailbox: Mailbox, account: Account) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(5)]
        copy = Copy()
        copy.update(account)
        mailbox.expunge("INBOX", keys[1], keys[4])
        told = copy.update(account)
        assert {change.ref.key for change in told if isinstance(change, Vanished)} == {keys[1], keys[4]}
        assert set(copy.flags) == {keys[0], keys[2], keys[3]}
        assert copy.exists == 3

    def test_everything_at_once_is_told(self, mailbox: Mailbox, account: Account) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(6)]
        copy = Copy()
        copy.update(account)
        mailbox.expunge("INBOX", keys[0], keys[3])
        mailbox.flag("INBOX", keys[1], ["\\Seen"])
        new = mailbox.deliver("INBOX", mail(7), ["\\Draft"])
        passing = mailbox.deliver("INBOX", mail(8))
        mailbox.expunge("INBOX", passing)
        copy.update(account)
        assert copy.flags == {
            keys[1]: self.flags("\\Seen"),
            keys[2]: frozenset(),
            keys[4]: frozenset(),
            keys[5]: frozenset(),
            new: self.flags("\\Draft"),
        }

    def test_a_folder_that_was_emptied_vanishes_message_by_message(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
        copy = Copy()
        copy.update(account)
        mailbox.expunge("INBOX", *keys)
        copy.update(account)
        assert copy.flags == {}
        assert copy.exists == 0

    def test_a_message_that_was_missed_never_hides_another(self, mailbox: Mailbox, account: Account) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
        copy = Copy()
        copy.update(account)
        del copy.flags[keys[1]]  # its body could not be had, so the archive does not hold it
        new = mailbox.deliver("INBOX", mail(4))
        told = copy.update(account)
        assert new in [remote.ref.key for remote in news(told)]
        assert not any(isinstance(change, Vanished) for change in told)

    def test_any_history_leaves_the_copy_like_the_server(self, mailbox: Mailbox, account: Account) -> None:
        chance = random.Random(7)
        truth: dict[str, frozenset[str]] = {}
        copy = Copy()
        for turn in range(8):
            for _ in range(chance.randrange(6)):
                flags = frozenset(chance.sample(["\\Seen", "\\Flagged", "\\Answered", "$Junk"], 2))
                truth[mailbox.deliver("INBOX", mail(turn), flags)] = flags
            for key in chance.sample(sorted(truth), min(len(truth), chance.randrange(4))):
                truth[key] = frozenset(chance.sample(["\\Seen", "\\Flagged", "Work"], chance.randrange(3)))
                mailbox.flag("INBOX", key, truth[key])
            for key in chance.sample(sorted(truth), min(len(truth), chance.randrange(3))):
                del truth[key]
                mailbox.expunge("INBOX", key)
            told = copy.update(account)
            assert copy.flags == {key: self.flags(*flags) for key, flags in truth.items()}
            assert copy.exists == len(truth)
            assert len(fetched(account, news(told))) == len(news(told))

    # --- bodies -------------------------------------------------------------------------------------

    def test_the_bytes_are_the_servers_own(self, mailbox: Mailbox, account: Account) -> None:
        raws = [
            mail(n, body) for n, body in enumerate(("", "x" * 200_000, "(UID 9 BODY[] {3}\r\na9 OK", ")\r\n"))
        ]
        for raw in raws:
            mailbox.deliver("INBOX", raw)
        messages = fetched(account, listed(account))
        assert sorted(self.gists(message.raw for message in messages)) == sorted(self.gists(raws))

    def test_a_message_carries_the_remote_that_was_asked_for(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        for number in range(3):
            mailbox.deliver("INBOX", mail(number))
        remotes = listed(account)
        carried = [message.remote for message in fetched(account, remotes)]
        if not self.has_dates:
            carried = [replace(remote, received=None) for remote in carried]
        assert {remote.ref: remote for remote in carried} == {remote.ref: remote for remote in remotes}

    def test_reading_sets_no_flag(self, mailbox: Mailbox, account: Account) -> None:
        for number in range(3):
            mailbox.deliver("INBOX", mail(number))
        before = listed(account)
        fetched(account, before)
        account.message_ids(before)
        other = mailbox.account()
        assert {remote.flags for remote in listed(other)} == {frozenset()}
        other.close()

    def test_a_message_that_went_away_is_missed_and_its_neighbours_are_not(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(5)]
        remotes = listed(account)
        mailbox.expunge("INBOX", keys[2])
        other = mailbox.account()
        told = list(other.fetch(remotes))
        other.close()
        assert {item.remote.ref.key for item in told if isinstance(item, Message)} == set(keys) - {keys[2]}
        (missed,) = [item for item in told if isinstance(item, Missed)]
        assert missed.remote.ref.key == keys[2]
        assert missed.gone
        assert missed.reason == "no longer on the server"

    def test_a_message_that_goes_away_while_the_folder_is_open_is_given_or_missed(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(5)]
        remotes = listed(account)
        mailbox.expunge("INBOX", keys[2])
        told = list(account.fetch(remotes))  # servers may keep the bytes for a session that still sees them
        assert sorted(item.remote.ref.key for item in told) == sorted(keys)
        missed = [item for item in told if isinstance(item, Missed)]
        assert [item.reason for item in missed] == ["no longer on the server"] * len(missed)

    def test_bodies_can_be_fetched_between_two_changes(self, mailbox: Mailbox, account: Account) -> None:
        for number in range(7):
            mailbox.deliver("INBOX", mail(number))
        raws = []
        ids: dict[str, str] = {}
        for change in account.changes(find(account, "INBOX"), None, dict):
            if isinstance(change, New):
                raws += [message.raw for message in fetched(account, [change.remote])]
                ids |= account.message_ids([change.remote])
        assert self.ordered(self.gists(raws)) == self.ordered(self.gists(mail(number) for number in range(7)))
        assert len(ids) == 7

    def test_nothing_asked_is_nothing_given(self, account: Account) -> None:
        assert list(account.fetch([])) == []
        assert account.message_ids([]) == {}

    def test_message_ids_are_unfolded_and_stripped(self, mailbox: Mailbox, account: Account) -> None:
        keys = [
            mailbox.deliver("INBOX", b"Message-Id:\r\n <folded@example.org> \r\nSubject: x\r\n\r\nbody\r\n"),
            mailbox.deliver("INBOX", b"Subject: none\r\n\r\nMessage-ID: <not-this@example.org>\r\n"),
            mailbox.deliver("INBOX", b"Message-ID: \r\n\r\nempty\r\n"),
            mailbox.deliver("INBOX", mail(3)),
        ]
        assert account.message_ids(listed(account)) == {
            keys[0]: "<folded@example.org>",
            keys[3]: "<3@example.org>",
        }

    def test_closing_twice_does_no_harm(self, mailbox: Mailbox, account: Account) -> None:
        mailbox.deliver("INBOX", mail(1))
        assert len(listed(account)) == 1
        account.close()
        account.close()


class AccountContract(OneFolderContract):
    """The whole contract of `ports.Account`: folders, and epochs that can end."""

    def test_each_folder_is_listed_once_with_its_decoded_name(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        for name in ("Archive/2024", "Été", "日本/台北", "A & B", "100%"):
            mailbox.create(name)
        names = [folder.name for folder in account.folders()]
        assert len(names) == len(set(names))
        assert {"INBOX", "Archive/2024", "Été", "日本/台北", "A & B", "100%"} <= set(names)

    def test_a_renamed_folder_is_listed_under_its_new_name(self, mailbox: Mailbox, account: Account) -> None:
        mailbox.create("Old")
        mailbox.deliver("Old", mail(1))
        mailbox.rename("Old", "New")
        assert "Old" not in [folder.name for folder in account.folders()]
        (message,) = fetched(account, listed(account, "New"))
        assert self.gist(message.raw) == self.gist(mail(1))

    def test_a_folder_deleted_in_mid_run_is_refused_and_the_others_are_served(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        mailbox.create("Doomed")
        mailbox.deliver("INBOX", mail(1))
        doomed = find(account, "Doomed")
        mailbox.delete("Doomed")
        with pytest.raises(FolderRefused):
            list(account.changes(doomed, None, dict))
        assert len(listed(account)) == 1

    def test_a_renumbered_folder_is_all_new_and_nothing_vanishes(
        self, mailbox: Mailbox, account: Account
    ) -> None:
        for number in range(3):
            mailbox.deliver("INBOX", mail(number))
        copy = Copy()
        copy.update(account)
        before = copy.cursor
        mailbox.renumber("INBOX")
        told = copy.update(account)
        assert [type(change) for change in told] == [New, New, New, Done]
        assert before and copy.cursor
        assert copy.cursor.epoch != before.epoch
        assert len(copy.update(account)) == 1


def fetched(account: Account, remotes: Sequence[Remote]) -> list[Message]:
    """Fetch messages that can all be had."""
    told = list(account.fetch(remotes))
    assert all(isinstance(item, Message) for item in told)
    return [item for item in told if isinstance(item, Message)]
