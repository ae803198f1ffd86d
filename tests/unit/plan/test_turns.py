"""Whose turn it is, of several accounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.plan.turns import Lane, Limits, lane, next_turn

lanes = st.builds(Lane, st.sampled_from(["", "one", "two"]), st.sampled_from(["ann", "bob", "eve"]))


def test_the_first_that_waits_goes_first() -> None:
    waiting = [lane("one", "ann"), lane("one", "bob")]
    assert next_turn(waiting, [], Limits()) == 0
    assert next_turn([], [], Limits()) is None


def test_who_has_a_mailbox_that_is_busy_is_passed_by() -> None:
    waiting = [lane("ONE.example.", "Ann"), lane("one.example", "bob"), lane("two.example", "ann")]
    assert next_turn(waiting, [lane("one.example", "ann")], Limits()) == 1
    assert next_turn(waiting[:1], [lane("one.example", "ann")], Limits()) is None


def test_no_more_work_at_a_time_than_is_allowed() -> None:
    running = [lane("one", "a"), lane("two", "b")]
    assert next_turn([lane("three", "c")], running, Limits(jobs=2)) is None
    assert next_turn([lane("three", "c")], running, Limits(jobs=3)) == 0


def test_a_server_that_has_its_number_lets_others_go_first() -> None:
    waiting, running = [lane("one", "b"), lane("two", "b")], [lane("one", "a")]
    assert next_turn(waiting, running, Limits(4, jobs_per_host=1)) == 1
    assert next_turn(waiting, running, Limits(4, jobs_per_host=2)) == 0


def test_mail_in_files_has_no_server_to_spare() -> None:
    running = [lane("", "/one")]
    assert next_turn([lane("", "/two")], running, Limits(4, jobs_per_host=1)) == 0
    assert next_turn([lane("", "/one")], running, Limits(4)) is None


@given(st.lists(lanes), st.integers(1, 5), st.none() | st.integers(1, 3))
def test_all_have_their_turn_and_no_limit_is_passed(
    waiting: list[Lane], jobs: int, jobs_per_host: int | None
) -> None:
    limits, running, done = Limits(jobs, jobs_per_host), list[Lane](), 0
    total = len(waiting)
    while waiting or running:
        chosen = next_turn(waiting, running, limits)
        if chosen is None:
            assert running, "somebody waits, and nobody works"
            running.pop(0)
            done += 1
            continue
        running.append(waiting.pop(chosen))
        assert len(running) <= jobs
        assert len(set(running)) == len(running)
        hosts = [one.host for one in running if one.host]
        assert jobs_per_host is None or all(hosts.count(host) <= jobs_per_host for host in hosts)
    assert done == total


@pytest.mark.parametrize("jobs", [1, 4])
def test_nobody_who_may_begin_is_kept_waiting(jobs: int) -> None:
    assert next_turn([lane("a", "a")], [lane("b", "b")] * (jobs - 1), Limits(jobs)) == 0
