"""EwsAccount keeps the contract, on the double of Exchange."""

from collections.abc import Iterator
from itertools import count
from typing import Any, ClassVar

import pytest

from tests.contract.account import AccountContract, Mailbox
from tests.contract.exchange import gist
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.server import EwsDouble

_numbers = count()


@pytest.fixture(scope="module")
def double() -> Iterator[EwsDouble]:
    """Run one double for all tests of this file, each with a mailbox of its own."""
    with EwsDouble() as running:
        yield running


class _OnDouble(AccountContract):
    has_order = False
    keeps_bytes = False
    export: ClassVar[bool] = True

    def gist(self, raw: bytes) -> Any:
        return gist(raw)

    @pytest.fixture
    def mailbox(self, double: EwsDouble) -> Iterator[Mailbox]:
        yield EwsMailbox(double, f"user{next(_numbers)}@example.com", export=self.export)


class TestOnDouble(_OnDouble):
    """With each item's export."""


class TestWithoutExport(_OnDouble):
    """MIME and fields alone."""

    export = False
