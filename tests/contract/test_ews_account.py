"""EwsAccount keeps its contracts, on the double of Exchange."""

from collections.abc import Iterator
from itertools import count
from typing import Any, ClassVar

import pytest

from archiver.model import Flags
from tests.contract.account import AccountContract
from tests.contract.append import CanAppendContract
from tests.contract.delete import CanDeleteContract
from tests.contract.exchange import gist
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.server import EwsDouble

_numbers = count()


@pytest.fixture(scope="module")
def double() -> Iterator[EwsDouble]:
    """Run one double for all tests of this file, each with a mailbox of its own."""
    with EwsDouble() as running:
        yield running


class _Exchange:
    """What a server of Exchange keeps."""

    has_order = False
    keeps_bytes = False
    export: ClassVar[bool] = True

    def gist(self, raw: bytes) -> Any:
        return gist(raw)

    def flags(self, *flags: str) -> Flags:
        return frozenset(flags) - {"\\Deleted"}

    @pytest.fixture
    def mailbox(self, double: EwsDouble) -> Iterator[EwsMailbox]:
        yield EwsMailbox(double, f"user{next(_numbers)}@example.com", export=self.export)


class TestAccount(_Exchange, AccountContract):
    """With each item's export."""


class TestAccountWithoutExport(_Exchange, AccountContract):
    """MIME and fields alone."""

    export = False


class TestAppend(_Exchange, CanAppendContract):
    """By MIME."""

    export = False


class TestDelete(_Exchange, CanDeleteContract):
    """Moved to the folder of deleted items, and removed for good."""

    TRASH = "Deleted Items"
    export = False
