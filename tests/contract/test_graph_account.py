"""GraphAccount keeps the contracts on a double of Microsoft Graph."""

from collections.abc import Iterator
from typing import Any

import pytest

from archiver.formats.message import gist as said
from archiver.formats.record import as_mail
from archiver.model import Flags
from archiver.ports import Source
from tests.contract.account import AccountContract
from tests.contract.append import CanAppendContract
from tests.contract.delete import CanDeleteContract, SourceMailbox
from tests.contract.exchange import gist
from tests.servers.graph.owner import GraphOwner
from tests.servers.graph.server import GraphDouble


@pytest.fixture
def double() -> Iterator[GraphDouble]:
    with GraphDouble() as running:
        yield running


class _Exchange:
    """What Exchange keeps: what a message says, not its bytes; nothing is marked as deleted there."""

    keeps_bytes = False
    many = 110  # items go in one by one, and pages of a listing are of 100
    export = False

    @pytest.fixture
    def mailbox(self, double: GraphDouble) -> Iterator[GraphOwner]:
        owner = GraphOwner(double, export=self.export)
        yield owner
        owner.close()

    def gist(self, raw: bytes) -> Any:
        return gist(raw)

    def flags(self, *flags: str) -> Flags:
        return frozenset(flags) - {"\\Deleted"}


class TestReading(_Exchange, AccountContract):
    """Item by item, without exports."""


class TestReadingWithExports(_Exchange, AccountContract):
    """Each item with its export, twenty at a time."""

    export = True


class TestTakingOut(_Exchange, CanDeleteContract):
    """Moved to the deleted items, or removed for good."""

    TRASH = "Deleted Items"

    def test_a_trash_that_is_not_there_any_more_is_made(
        self, mailbox: SourceMailbox, account: Source
    ) -> None:
        """Exchange keeps its own folders."""
        with pytest.raises(Exception, match="ErrorDeleteDistinguishedFolder"):
            mailbox.delete(self.TRASH)
        assert account.trash() is not None


class TestPuttingIn(_Exchange, CanAppendContract):
    """Made anew from JSON."""

    def gist(self, raw: bytes) -> Any:
        return said(as_mail(raw))  # Exchange gives a Message-ID to what has none
