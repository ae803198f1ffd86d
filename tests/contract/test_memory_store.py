"""The store in memory is a store."""

import pytest

from archiver.stores.memory import MemoryStore
from tests.contract.store import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
