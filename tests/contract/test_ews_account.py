"""EwsAccount keeps its contracts, on the double of Exchange."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
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
from tests.servers.ews.temper import MICROSOFT, OTHER_MAKER, Temper

_numbers = count()


@pytest.fixture(scope="module")
def doubles() -> Iterator[Callable[[Temper], EwsDouble]]:
    """Run one double of each temper for all tests of this file, each with a mailbox of its own."""
    with ExitStack() as stack:
        yield cache(lambda temper: stack.enter_context(EwsDouble(temper=temper)))


class _Exchange:
    """What a server of Exchange keeps."""

    has_order = False
    keeps_bytes = False
    many = 220  # it is asked about 200 at a time, and 50 go in
    export: ClassVar[bool] = True
    temper: ClassVar[Temper] = MICROSOFT

    def gist(self, raw: bytes) -> Any:
        return gist(raw)

    def flags(self, *flags: str) -> Flags:
        return frozenset(flags) - {"\\Deleted"}

    @pytest.fixture
    def mailbox(self, doubles: Callable[[Temper], EwsDouble]) -> Iterator[EwsMailbox]:
        yield EwsMailbox(doubles(self.temper), f"user{next(_numbers)}@example.com", export=self.export)


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


class TestAccountOfAnotherMaker(TestAccount):
    """Exports are asked for, and there are none."""

    temper = OTHER_MAKER


class TestAppendOfAnotherMaker(TestAppend):
    """By MIME, to a server that knows nothing else."""

    export = True
    temper = OTHER_MAKER


class TestDeleteOfAnotherMaker(TestDelete):
    """Moved and removed where an old id is called invalid."""

    temper = OTHER_MAKER


class TestDeleteWithoutWord(TestDelete):
    """Moved where the server does not tell the new ids."""

    temper = replace(OTHER_MAKER, tells_moves=False)
    tells_where = False
