"""A double of Exchange Web Services with one mailbox, for each test."""

from collections.abc import Iterator

import pytest

from tests.integration.ews.client import ANN
from tests.servers.ews.builder import Owner
from tests.servers.ews.server import EwsDouble
from tests.servers.fault_proxy import FaultProxy


@pytest.fixture
def double() -> Iterator[EwsDouble]:
    """Start the double; what broke the schemas fails the test in the end."""
    with EwsDouble() as started:
        yield started


@pytest.fixture
def ann(double: EwsDouble) -> Owner:
    """Make a mailbox on it, with an in-place archive."""
    return double.add_mailbox(ANN, archive=True)


@pytest.fixture
def proxy(double: EwsDouble) -> Iterator[FaultProxy]:
    """Put a proxy before it."""
    with FaultProxy(double.url) as started:
        yield started
