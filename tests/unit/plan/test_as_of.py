"""Which run a time means, in a chain whose clock was wrong now and then."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.plan.as_of import runs_until

FIRST = datetime(2027, 1, 1, 2, 30, tzinfo=UTC)


def on(*days: float) -> list[datetime]:
    return [FIRST + timedelta(days=day) for day in days]


@pytest.mark.parametrize(
    ("days", "until", "runs"),
    [
        ((), 0, 0),
        ((0, 1, 2), -1, 0),
        ((0, 1, 2), 1, 2),
        ((0, 1, 1, 2), 1, 3),
        ((0, 1, 2), 9, 3),
        # one night three years ahead: what came after it is not hidden
        ((0, 1, 1095, 3, 4), 3, 4),
        ((0, 1, 1095, 3, 4), 2, 2),
        ((0, 1, 1095, 3, 4), 999, 5),
        # one night two days back: it is not taken for a night earlier than it was
        ((0, 1, 2, 3, 1, 5, 6), 1, 2),
        ((0, 1, 2, 3, 1, 5, 6), 2, 3),
        ((0, 1, 2, 3, 1, 5, 6), 4, 4),
        ((0, 1, 2, 3, 1, 5, 6), 5, 6),
        # a clock that begins with 1970 whenever the machine does
        ((0, 1, -20000, 3, -20000, 5), 3, 4),
        ((0, 1, -20000, 3, -20000, 5), -100, 0),
        # at the ends
        ((1095, 1, 2), 1, 2),
        ((0, 1, 2, -9), 2, 4),
    ],
)
def test_a_wrong_clock_moves_no_other_night(days: tuple[int, ...], until: int, runs: int) -> None:
    assert runs_until(on(*days), FIRST + timedelta(days=until, hours=1)) == runs


@given(st.lists(st.integers(0, 50)), st.integers(-1, 51))
def test_where_the_clock_was_right_it_is_the_runs_until_then(days: list[int], until: int) -> None:
    times = on(*sorted(days))
    assert runs_until(times, FIRST + timedelta(days=until)) == sum(day <= until for day in days)


@given(st.lists(st.integers(0, 50)), st.integers(-1, 50))
def test_a_later_time_never_means_fewer_runs(days: list[int], until: int) -> None:
    times = on(*days)
    earlier, later = (runs_until(times, FIRST + timedelta(days=day)) for day in (until, until + 1))
    assert 0 <= earlier <= later <= len(times)
