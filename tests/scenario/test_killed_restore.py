"""Processes that are killed while they put items into Exchange by their exports; the next one makes no second copy."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from archiver.accounts.ews.account import EwsAccount
from archiver.formats.record import pack, unpack
from archiver.model import Appended, Kind, Message, Outgoing
from tests.contract.account import find, listed, mail
from tests.contract.append import outgoing
from tests.mortal import Killed, MortalHttp
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.filling import fill
from tests.servers.ews.markup import text
from tests.servers.ews.plans import When
from tests.servers.ews.server import EwsDouble
from tests.servers.ews.state import Item

_numbers = count()
MARK = "00020329-0000-0000-c000-000000000046 name archiver-id"
ALIKE = mail(500)


@pytest.fixture(scope="module")
def double() -> Iterator[EwsDouble]:
    with EwsDouble() as running:
        yield running


@pytest.fixture(scope="module")
def messages(double: EwsDouble) -> list[Outgoing]:
    """Give items of all kinds, as archived: with twins, and with two contents that look alike."""
    source = EwsMailbox(double, f"source{next(_numbers)}@example.com")
    fill(source.owner, 120)
    account = source.account()
    found: dict[tuple[str, str], Message] = {}
    for folder in account.folders():
        for one in account.fetch(listed(account, folder.name)):
            assert isinstance(one, Message)
            details = unpack(one.raw).details
            found.setdefault((details.item_class, type(details.item).__name__), one)
            if details.kind is not Kind.MAIL or len(found) < 4:
                found[folder.name, details.subject] = one
    account.close()
    made = [outgoing(one.raw) for one in list(found.values())[::2]]
    assert {unpack(one.raw).details.kind for one in made} == set(Kind)
    record = unpack(made[0].raw)
    flagged = pack(replace(record, details=replace(record.details, flags=frozenset({"\\Flagged"}))))
    return [*made, replace(made[0], copy=1), replace(made[1], copy=1), outgoing(flagged)]


def wanted(messages: list[Outgoing]) -> Counter[str]:
    return Counter(f"{one.digest}.{one.copy}" for one in messages)


def marks(items: list[Item]) -> Counter[str]:
    return Counter(text(one.properties[MARK], "Value") or "" for one in items if MARK in one.properties)


def put(account: EwsAccount, messages: list[Outgoing]) -> None:
    answers = list(account.append(find(account, "Back"), iter(messages)))
    assert all(isinstance(one, Appended) and one.ref is not None for one in answers)
    assert Counter(one.digest for one in answers) == Counter(one.digest for one in messages)


class Ews:
    """A mailbox with a folder to restore to, in which there is something already, and the notes of this machine."""

    def __init__(self, double: EwsDouble, tmp_path: Path) -> None:
        self.mailbox = EwsMailbox(double, f"target{next(_numbers)}@example.com")
        self.notes = tmp_path / f"notes{next(_numbers)}"
        self.notes.mkdir(mode=0o700)
        self.own = [self.mailbox.item(self.mailbox.deliver("Back", mail(501)))]

    def run(self, messages: list[Outgoing], doom: MortalHttp | None = None) -> None:
        account = self.mailbox.account(self.notes)
        if doom is None:
            put(account, messages)
        else:
            with doom.living():
                put(account, messages)
        account.close()

    def meanwhile(self) -> None:
        """Put in what a user may put in between two restores."""
        self.own += [self.mailbox.item(self.mailbox.deliver("Back", mail(number))) for number in (502, 503)]

    def check(self, messages: list[Outgoing]) -> None:
        items = self.mailbox.place("Back").items
        assert marks(items) == wanted(messages)
        unmarked = [one.id for one in items if MARK not in one.properties]
        assert sorted(unmarked) == sorted(one.id for one in self.own)
        assert list(self.notes.iterdir()) == [], "nothing is open any more"
        assert self.mailbox.warnings == []


def test_a_restore_by_export_that_is_killed_at_any_request_puts_each_item_in_once(
    double: EwsDouble, messages: list[Outgoing], tmp_path: Path
) -> None:
    clean = Ews(double, tmp_path)
    whole = MortalHttp(0, after=False, kept=clean.notes)
    clean.run(messages, whole)
    clean.check(messages)
    assert whole.told > 12
    for nth in range(1, whole.told + 1):
        for after in (False, True):
            target = Ews(double, tmp_path)
            doom = MortalHttp(nth, after=after, kept=target.notes)
            target.run(messages, doom)
            assert doom.dead
            target.meanwhile()
            target.run(messages)
            target.check(messages)
