"""A sample goes round: what was read longest ago comes first, and nothing is left out for long."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Drop, Manifest, Sealed
from archiver.plan.sample import objects_of, oldest, read_since
from archiver.ports import Reading

START = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)
Objects = dict[str, tuple[Sealed, datetime]]


def stored(*sizes: int, at: datetime = START, before: int = 0) -> Objects:
    names = [f"o{before + number:04}" for number in range(len(sizes))]
    return {
        name: (Sealed("volume", size, "0" * 64, name), at) for name, size in zip(names, sizes, strict=True)
    }


def run(seq: int, at: datetime, *keys: str, drops: tuple[str, ...] = ()) -> Manifest:
    objects = tuple(Sealed("volume", 1, "0" * 64, key) for key in keys)
    gone = tuple(Drop("0" * 64, key, "superseded") for key in drops)
    return Manifest("a", "c", seq, "0" * 64, 1, "0" * 64, at, "run", objects, gone)


def test_what_a_chain_has_still_is_told_in_its_order_with_its_times() -> None:
    found = objects_of([run(1, START, "b", "a"), run(2, START + WEEK, "c", drops=("b",))])
    assert [(key, at) for key, (_, at) in found.items()] == [("a", START), ("c", START + WEEK)]


def test_before_anything_was_read_the_oldest_objects_come_first() -> None:
    assert oldest(stored(*[10] * 10), {}, 0.2) == {"o0000", "o0001"}


def test_what_was_read_longest_ago_comes_first_and_the_order_of_the_chain_breaks_ties() -> None:
    objects = stored(*[10] * 5)
    last = {key: Reading(START + WEEK * (2 if key in ("o0000", "o0003") else 1)) for key in objects}
    assert oldest(objects, last, 0.4) == {"o0001", "o0002"}
    assert oldest(objects, last, 0.8) == {"o0001", "o0002", "o0004", "o0000"}


def test_a_share_is_one_of_bytes_and_is_never_less() -> None:
    objects = stored(70, 10, 10, 10)
    assert oldest(objects, {}, 0.1) == {"o0000"}
    assert oldest(objects, {}, 0.71) == {"o0000", "o0001"}
    assert oldest(objects, {}, 0.0) == frozenset()
    assert oldest({}, {}, 0.5) == frozenset()


def test_new_objects_do_not_push_the_old_ones_back() -> None:
    objects = stored(10, 10) | stored(10, 10, at=START + 2 * WEEK, before=2)
    last = {"o0000": Reading(START + WEEK), "o0001": Reading(START + WEEK)}
    assert oldest(objects, last, 0.5) == {"o0000", "o0001"}


def test_a_damaged_object_is_read_each_time_beside_the_others() -> None:
    objects = stored(*[10] * 10)
    last = {"o0007": Reading(START + 50 * WEEK, sound=False), "gone": Reading(START, sound=False)}
    assert oldest(objects, last, 0.1) == {"o0007", "o0000"}


def test_since_when_all_was_read_is_told_where_all_was() -> None:
    objects = stored(1, 1)
    first, second = Reading(START), Reading(START + WEEK)
    assert read_since(objects, {"o0000": second, "o0001": first, "other": Reading(START - WEEK)}) == START
    assert read_since(objects, {"o0000": second}) is None
    assert read_since(objects, {"o0000": second, "o0001": Reading(START, sound=False)}) is None
    assert read_since({}, {}) is None


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=40),
    st.lists(st.lists(st.integers(1, 10**9), max_size=6), min_size=10, max_size=30),
    st.sampled_from([(0.1, 10), (0.2, 5), (0.25, 4), (0.5, 2), (1.0, 1)]),
)
def test_each_object_is_read_again_in_time_however_the_archive_grows(
    first: list[int], weekly: list[list[int]], pace: tuple[float, int]
) -> None:
    share, runs = pace
    objects, last = stored(*first), dict[str, Reading]()
    for week, new in enumerate(weekly, start=1):
        now = START + week * WEEK
        last |= dict.fromkeys(oldest(objects, last, share), Reading(now))
        for key, (_, written) in objects.items():
            waited = now - (last[key].at if key in last else written)
            assert waited < runs * WEEK
        objects |= stored(*new, at=now, before=len(objects))


@pytest.mark.parametrize("count", [1, 3, 9, 10, 11, 97])
def test_ten_tenths_are_all_of_it(count: int) -> None:
    objects, last = stored(*[7] * count), dict[str, Reading]()
    for week in range(10):
        last |= dict.fromkeys(oldest(objects, last, 0.1), Reading(START + (week + 1) * WEEK))
    assert set(last) == set(objects)
