"""What is tried again, when, and how often."""

import pytest

from archiver.errors import (
    ArchiverError,
    Forbidden,
    Locked,
    LoginRefused,
    StoreFailed,
    Unreachable,
    Untrusted,
    UsageError,
)
from archiver.plan.retry import (
    FIRST_PAUSE_S,
    LOCK_PAUSE_S,
    LONGEST_PAUSE_S,
    Patience,
    backoff_s,
    parse_duration,
    pause_s,
)

THREE = Patience(retries=3, lock_s=10)


def test_what_trying_later_cures_is_tried_so_often_and_not_once_more() -> None:
    busy = Unreachable("busy")
    pauses = [pause_s(busy, failures, 0, THREE, 1.0) for failures in (1, 2, 3, 4)]
    assert pauses == [FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 16 * FIRST_PAUSE_S, None]
    assert pause_s(busy, 1, 0, Patience(), 1.0) is None


@pytest.mark.parametrize(
    "error",
    [
        LoginRefused("no"),
        Untrusted("no"),
        Forbidden("no"),
        StoreFailed("no"),
        ArchiverError("no"),
        ValueError("a bug"),
    ],
)
def test_what_needs_somebody_is_not_tried_again(error: Exception) -> None:
    assert pause_s(error, 1, 0, THREE, 1.0) is None


def test_a_lock_is_looked_at_until_its_time_is_over() -> None:
    locked = Locked("another run")
    assert pause_s(locked, 0, 0, THREE, 1.0) == LOCK_PAUSE_S
    assert pause_s(locked, 0, 9.5, THREE, 1.0) == 0.5
    assert pause_s(locked, 0, 10, THREE, 1.0) is None
    assert pause_s(locked, 0, 0, Patience(retries=3), 1.0) is None


def test_pauses_grow_are_spread_and_have_an_end() -> None:
    assert backoff_s(2, 0.5, FIRST_PAUSE_S, LONGEST_PAUSE_S) == 2 * FIRST_PAUSE_S
    assert backoff_s(1_000_000, 1.0, FIRST_PAUSE_S, LONGEST_PAUSE_S) == LONGEST_PAUSE_S


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("0s", 0)])
def test_a_time_to_wait_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-1s", "1d", "1.5h", "5 m", "5m\n"])
def test_no_other_text_is_a_time_to_wait(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time to wait"):
        parse_duration(text)
