"""What doctor tries on a store is undone, and known to repair should it stay."""

from collections.abc import Iterable

import pytest

from archiver.errors import ObjectExists, StoreFailed
from archiver.formats.object_key import run_of
from archiver.ops.doctor import PROBE, probe_key, probe_store
from archiver.plan.repair import Leftover, plan_sweep
from archiver.stores.memory import MemoryStore

KEY = probe_key("k7q2m9xa", "0123abcd")


def test_nothing_is_left_of_a_probe() -> None:
    store = MemoryStore()
    store.put("other", [b"x"])
    probe_store(store, KEY)
    assert list(store.keys()) == ["other"]


def test_repair_takes_what_is_left_of_a_probe_for_a_leftover() -> None:
    leftover = Leftover(KEY, run_of("k7q2m9xa", KEY))
    assert plan_sweep([leftover], 0).remove == (leftover,)
    assert plan_sweep([leftover], 900).remove == (leftover,)


def test_no_reader_sees_what_is_left_where_there_is_no_chain_yet() -> None:
    name = probe_key(None, "0123abcd")
    assert "/" not in name
    assert name.startswith(".")
    assert name.endswith(".0123abcd.tmp")


class Forgetful(MemoryStore):
    """Gives other bytes than it was given."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return super().get(key, start, length)[:-1] + b"?"


def test_bytes_that_change_are_a_failure_and_the_probe_is_removed() -> None:
    store = Forgetful()
    with pytest.raises(StoreFailed, match="read back as something else"):
        probe_store(store, KEY)
    assert list(store.keys()) == []


def test_an_object_that_is_there_is_neither_overwritten_nor_removed() -> None:
    store = MemoryStore()
    store.put(KEY, [b"another's"])
    with pytest.raises(ObjectExists):
        probe_store(store, KEY)
    assert store.get(KEY) == b"another's"


class Full(MemoryStore):
    """Takes nothing."""

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
        raise StoreFailed("no", "yes")


def test_a_store_that_takes_nothing_is_a_failure() -> None:
    with pytest.raises(StoreFailed):
        probe_store(Full(), KEY)
    assert PROBE.endswith(b"\n")
