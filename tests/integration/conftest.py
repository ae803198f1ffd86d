"""What the tests of odd servers share."""

from collections.abc import Iterator

import pytest

from tests.integration.double_client import Client, Make
from tests.servers.imap_double import ImapDouble


@pytest.fixture
def client() -> Iterator[Make]:
    """Open accounts that are closed in the end."""
    opened: list[Client] = []

    def make(double: ImapDouble, **options: int) -> Client:
        opened.append(Client(double, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.account.close()
