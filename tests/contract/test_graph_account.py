"""GraphAccount keeps the contracts on a double of Microsoft Graph."""

from collections.abc import Iterator

import pytest

from tests.contract.account import AccountContract, Mailbox
from tests.servers.graph.owner import GraphOwner
from tests.servers.graph.server import GraphDouble


@pytest.fixture
def double() -> Iterator[GraphDouble]:
    with GraphDouble() as running:
        yield running


class TestReading(AccountContract):
    """The account, item by item."""

    keeps_bytes = False

    @pytest.fixture
    def mailbox(self, double: GraphDouble) -> Iterator[Mailbox]:
        owner = GraphOwner(double)
        yield owner
        owner.close()
