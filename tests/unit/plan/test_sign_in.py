"""When a sign-in dies, and how early that is told."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.plan.sign_in import SignIn, Standing, outlook

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAY_S = 86_400


def test_without_a_sign_in_there_is_none() -> None:
    assert outlook(None, NOW).standing is Standing.NONE


def test_one_that_never_dies_is_good() -> None:
    found = outlook(SignIn(NOW - 3000 * DAY, NOW - 2000 * DAY), NOW)
    assert (found.standing, found.dies) == (Standing.GOOD, None)


@pytest.mark.parametrize(
    ("signed_in", "lives", "standing"),
    [
        (0, 7, Standing.GOOD),  # Google's clients "in testing"
        (4, 7, Standing.GOOD),
        (5, 7, Standing.SOON),
        (7, 7, Standing.LOST),
        (8, 7, Standing.LOST),
        (75, 90, Standing.GOOD),
        (77, 90, Standing.SOON),
    ],
)
def test_a_known_end_is_told_two_weeks_before_or_in_the_last_third(
    signed_in: int, lives: int, standing: Standing
) -> None:
    at = NOW - signed_in * DAY
    found = outlook(SignIn(at, NOW, until=at + lives * DAY), NOW)
    assert found.standing is standing
    assert found.dies == at + lives * DAY
    assert not found.by_idling


@pytest.mark.parametrize(
    ("unused", "standing"),
    [(0, Standing.GOOD), (75, Standing.GOOD), (76, Standing.SOON), (89, Standing.SOON), (90, Standing.LOST)],
)
def test_idling_counts_from_the_last_use(unused: int, standing: Standing) -> None:
    used = NOW - unused * DAY
    found = outlook(SignIn(NOW - 400 * DAY, used, idle_s=90 * DAY_S), NOW)
    assert found.standing is standing
    assert found.dies == used + 90 * DAY
    assert found.by_idling


def test_the_earlier_end_counts() -> None:
    found = outlook(SignIn(NOW, NOW, until=NOW + 30 * DAY, idle_s=90 * DAY_S), NOW)
    assert (found.dies, found.by_idling) == (NOW + 30 * DAY, False)
    found = outlook(SignIn(NOW, NOW, until=NOW + 300 * DAY, idle_s=90 * DAY_S), NOW)
    assert (found.dies, found.by_idling) == (NOW + 90 * DAY, True)


def test_one_that_was_refused_is_lost_whatever_its_dates_say() -> None:
    found = outlook(SignIn(NOW, NOW, until=NOW + 30 * DAY, lost="revoked"), NOW)
    assert (found.standing, found.why) == (Standing.LOST, "revoked")
