"""The bytes in flight of several runs, bounded together."""

import threading
from collections.abc import Callable

import pytest

from archiver.archive.budget import Budget, Share

LIMIT = 100


def begin(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def waits(thread: threading.Thread) -> bool:
    thread.join(0.05)
    return thread.is_alive()


def ends(thread: threading.Thread) -> bool:
    thread.join(10)
    return not thread.is_alive()


def test_one_waits_for_what_another_holds() -> None:
    budget = Budget(LIMIT)
    one, two = Share(budget), Share(budget)
    one.take(60)
    waiting = begin(lambda: two.take(60))
    assert waits(waiting)
    one.give(20)
    assert ends(waiting)
    assert (one.held, two.held) == (40, 60)


def test_what_is_larger_than_all_goes_alone_and_is_not_passed_by_the_small() -> None:
    budget = Budget(LIMIT)
    one, large, small = (Share(budget) for _ in range(3))
    one.take(10)
    first = begin(lambda: large.take(5 * LIMIT))
    assert waits(first)
    second = begin(lambda: small.take(1))
    assert waits(second), "who came first has room first"
    one.give(10)
    assert ends(first)
    assert waits(second)
    large.give(5 * LIMIT)
    assert ends(second)


def test_the_failure_of_one_ends_its_own_waiting_and_nobody_elses() -> None:
    budget = Budget(LIMIT)
    one, two, three = (Share(budget) for _ in range(3))
    failures: list[BaseException] = []

    def take() -> None:
        try:
            two.take(60)
        except OSError as failure:
            failures.append(failure)

    one.take(60)
    failing, waiting = begin(take), begin(lambda: three.take(60))
    assert waits(failing)
    broken = OSError("disk full")
    two.fail(broken)
    assert ends(failing)
    assert failures == [broken]
    assert waits(waiting)
    with pytest.raises(OSError, match="disk full"):
        two.take(1)
    one.give(60)
    assert ends(waiting)


def test_who_ends_frees_what_is_held_still() -> None:
    budget = Budget(LIMIT)
    one, two = Share(budget), Share(budget)
    one.take(60)
    waiting = begin(lambda: two.take(60))
    assert waits(waiting)
    one.close()
    assert ends(waiting)
    assert one.held == 0
