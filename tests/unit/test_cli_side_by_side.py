"""Several accounts at work at a time, and how they are supervised."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from archiver.cli import side_by_side
from archiver.cli.side_by_side import Hold, SideBySide
from archiver.cli.stop import Stop
from archiver.errors import ArchiverError, Interrupted, Locked, LoginRefused, Unreachable
from archiver.plan import retry
from archiver.plan.retry import Patience
from archiver.plan.turns import Lane, Limits, lane
from archiver.ports import Account

Told = list[tuple[int, str]]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(retry, "LOCK_PAUSE_S", 0.01)


def lanes(count: int) -> list[Lane]:
    return [lane("host", f"user{number}") for number in range(count)]


def run(
    work: Callable[[int, Hold], Any],
    where: Sequence[Lane],
    *,
    limits: Limits | None = None,
    patience: Patience | None = None,
    told: Told | None = None,
) -> list[Any]:
    def retried(number: int, error: ArchiverError, pause_s: float) -> None:
        if told is not None:
            told.append((number, error.code))

    with SideBySide(where, work, limits or Limits(), patience or Patience(), retried) as side:
        return list(side.outcomes(Stop(side.wake)))


class Crowd:
    """Counts who is at work, and lets nobody go before so many are."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._changed = threading.Condition()
        self._here: list[int] = []
        self._came = 0
        self.most = 0

    def __call__(self, number: int, hold: Hold) -> int:
        with self._changed:
            self._here.append(number)
            self._came += 1
            self.most = max(self.most, len(self._here))
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._came >= self._wanted, 20), "they do not come"
            self._here.remove(number)
        return number


def test_as_many_work_at_a_time_as_may_and_results_come_in_order() -> None:
    crowd = Crowd(3)
    assert run(crowd, lanes(7), limits=Limits(3)) == list(range(7))
    assert crowd.most == 3


def test_one_at_a_time_is_in_order_too() -> None:
    crowd = Crowd(1)
    assert run(crowd, lanes(4), limits=Limits(1)) == list(range(4))
    assert crowd.most == 1


def test_a_mailbox_under_two_names_is_never_worked_on_twice_at_once() -> None:
    crowd = Crowd(1)
    assert run(crowd, [lane("host", "ann")] * 5) == list(range(5))
    assert crowd.most == 1


def test_what_ends_late_is_told_in_its_place() -> None:
    others = threading.Semaphore(0)

    def work(number: int, hold: Hold) -> int:
        if number == 0:
            assert all(others.acquire(timeout=20) for _ in range(3))
        else:
            others.release()
        return number

    assert run(work, lanes(4)) == [0, 1, 2, 3]


def test_a_failure_and_a_bug_are_outcomes_and_stop_nobody() -> None:
    def work(number: int, hold: Hold) -> int:
        if number == 1:
            raise LoginRefused("no")
        if number == 2:
            raise ZeroDivisionError
        return number

    found = run(work, lanes(4), patience=Patience(3))
    assert [type(each) for each in found] == [int, LoginRefused, ZeroDivisionError, int]


def test_what_later_cures_is_tried_again_and_what_does_not_is_not() -> None:
    tries: dict[int, int] = {}
    told: Told = []

    def work(number: int, hold: Hold) -> int:
        tries[number] = tries.get(number, 0) + 1
        if number == 0 and tries[0] < 3:
            raise Unreachable("away")
        if number == 1:
            raise LoginRefused("no")
        if number == 2:
            raise Unreachable("away")
        return number

    found = run(work, lanes(3), patience=Patience(2), told=told)
    assert [type(each) for each in found] == [int, LoginRefused, Unreachable]
    assert tries == {0: 3, 1: 1, 2: 3}
    assert sorted(told) == [(0, "unreachable")] * 2 + [(2, "unreachable")] * 2


def test_who_waits_to_be_tried_again_keeps_nobodys_place() -> None:
    done = threading.Event()

    def work(number: int, hold: Hold) -> int:
        if number == 0 and not done.is_set():
            raise Unreachable("away")
        done.set()
        return number

    assert run(work, lanes(2), limits=Limits(1), patience=Patience(100)) == [0, 1]


def test_a_lock_is_waited_for_and_told_of_once() -> None:
    told: Told = []
    left = iter(range(20))

    def work(number: int, hold: Hold) -> int:
        if next(left, None) is not None:
            raise Locked("another run")
        return number

    assert run(work, lanes(1), patience=Patience(lock_s=600), told=told) == [0]
    assert told == [(0, "locked")]
    left = iter(range(20))
    (found,) = run(work, lanes(1))
    assert isinstance(found, Locked)


class Slow:
    """An account whose server says nothing more; `cut` is what ends the waiting."""

    def __init__(self) -> None:
        self.is_cut = threading.Event()

    def cut(self) -> None:
        self.is_cut.set()


def test_asked_to_stop_who_works_commits_and_who_waits_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "GRACE_S", 0.1)
    working = threading.Barrier(3)
    begun: list[int] = []
    committed: list[int] = []

    def work(number: int, hold: Hold) -> int:
        begun.append(number)
        account = Slow()
        hold.take(cast(Account, account))
        hold()
        working.wait(20)
        assert account.is_cut.wait(20)
        committed.append(number)
        raise Interrupted("stopped as asked")

    with SideBySide(lanes(5), work, Limits(2), Patience(5), lambda *_: None) as side:
        stop = Stop(side.wake)

        def ask() -> None:
            working.wait(20)
            stop.take(15, None)

        asking = threading.Thread(target=ask)
        asking.start()
        found = list(side.outcomes(stop))
        asking.join()
    assert [type(each) for each in found] == [Interrupted] * 5
    assert sorted(begun) == sorted(committed) == [0, 1]


@pytest.mark.parametrize("holding", [False, True], ids=["nothing to commit", "something to commit"])
def test_who_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch, holding: bool) -> None:
    monkeypatch.setattr(side_by_side, "GRACE_S", 0.05)
    monkeypatch.setattr(side_by_side, "PATIENCE_S", 0.1 if holding else 1000)
    hanging, end = threading.Event(), threading.Event()

    def work(number: int, hold: Hold) -> None:
        if holding:
            hold()
        hanging.set()
        end.wait(20)

    with SideBySide(lanes(1), work, Limits(), Patience(), lambda *_: None) as side:
        stop = Stop(side.wake)

        def ask() -> None:
            hanging.wait(20)
            stop.take(15, None)

        asking = threading.Thread(target=ask)
        asking.start()
        with pytest.raises(KeyboardInterrupt):
            list(side.outcomes(stop))
        asking.join()
        assert side_by_side.anyone_left()
    end.set()


def test_an_account_that_is_opened_after_the_cut_is_cut_too() -> None:
    account, hold = Slow(), Hold(Stop())
    hold.cut()
    hold.take(cast(Account, account))
    assert account.is_cut.is_set()
