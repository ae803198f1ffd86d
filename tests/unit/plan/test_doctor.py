"""What doctor's checks make of what they find."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.errors import NoArchive, WrongKey
from archiver.plan.doctor import (
    NEEDED_BYTES,
    Check,
    Rights,
    Space,
    State,
    doubted,
    failed,
    first_failure,
    judge_certificate,
    judge_clock,
    judge_key_age,
    judge_limit,
    judge_rights,
    judge_sign_in,
    judge_space,
    passed,
)
from archiver.plan.sign_in import Outlook, Standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ME = 1000
FULL = 100 << 30


def sound(check: Check, state: State) -> None:
    """Hold what every check has: a remedy where it is not well, an error where it failed."""
    assert check.state is state, check
    assert (check.hint is not None) is (state is not State.OK)
    assert (check.error is not None) is (state is State.FAIL)


@pytest.mark.parametrize(
    ("mode", "owner", "secret", "state"),
    [
        (0o40700, ME, True, State.OK),
        (0o40700, 0, True, State.OK),
        (0o40700, ME + 1, True, State.FAIL),
        (0o40750, ME, True, State.WARN),
        (0o40720, ME, True, State.WARN),
        (0o40705, ME, True, State.FAIL),
        (0o40701, ME, True, State.FAIL),
        (0o40702, ME, True, State.FAIL),
        (0o100600, ME, False, State.OK),
        (0o100644, ME, False, State.OK),
        (0o100664, ME, False, State.WARN),
        (0o100646, ME, False, State.FAIL),
        (0o100600, ME + 1, False, State.FAIL),
    ],
)
def test_rights(mode: int, owner: int, secret: bool, state: State) -> None:
    check = judge_rights("state rights", "here", Rights("/x", mode, owner), ME, secret=secret)
    sound(check, state)
    assert '"/x"' in check.text


@pytest.mark.parametrize(
    ("space", "state"),
    [
        (Space(FULL, FULL // 2), State.OK),
        (Space(FULL, FULL // 10 + (1 << 20)), State.OK),
        (Space(FULL, FULL // 10), State.WARN),
        (Space(FULL, NEEDED_BYTES), State.WARN),
        (Space(FULL, NEEDED_BYTES - 1), State.FAIL),
        (Space(0, 0), State.FAIL),
    ],
)
def test_space(space: Space, state: State) -> None:
    sound(judge_space("mail", "/x", space), state)


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (90 * DAY, State.OK),
        (14 * DAY, State.OK),
        (14 * DAY - timedelta(seconds=1), State.WARN),
        (timedelta(hours=1), State.WARN),
        (timedelta(0), State.FAIL),
        (-DAY, State.FAIL),
    ],
)
def test_certificate(left: timedelta, state: State) -> None:
    sound(judge_certificate("ann", "mail.example.org", NOW + left, NOW), state)


@pytest.mark.parametrize(
    ("found", "state", "remedy"),
    [
        (Outlook(Standing.GOOD), State.OK, None),
        (Outlook(Standing.GOOD, NOW), State.OK, None),
        (Outlook(Standing.SOON, NOW), State.WARN, "archiver account login ann"),
        (Outlook(Standing.SOON, NOW, by_idling=True), State.WARN, "archiver pull ann"),
        (Outlook(Standing.NONE), State.FAIL, "archiver account login ann"),
        (Outlook(Standing.LOST, why="it has expired"), State.FAIL, "archiver account login ann"),
    ],
)
def test_sign_in(found: Outlook, state: State, remedy: str | None) -> None:
    check = judge_sign_in("ann", found)
    sound(check, state)
    assert check.hint == remedy


@pytest.mark.parametrize(("left", "state"), [(1, State.OK), (0, State.WARN), (-5, State.WARN)])
def test_limit(left: int, state: State) -> None:
    sound(judge_limit("ann", left, 1000), state)


@pytest.mark.parametrize(
    ("last_run", "newest", "state"),
    [
        (None, None, State.OK),
        (NOW + timedelta(minutes=5), NOW + DAY, State.OK),
        (NOW + timedelta(minutes=6), None, State.FAIL),
        (NOW, NOW + DAY + timedelta(seconds=1), State.WARN),
        (NOW + DAY, NOW + 9 * DAY, State.FAIL),
    ],
)
def test_clock(last_run: datetime | None, newest: datetime | None, state: State) -> None:
    sound(judge_clock("mail", NOW, last_run, newest), state)


@pytest.mark.parametrize(
    ("tried", "state", "text"),
    [
        (NOW, State.OK, "today"),
        (NOW - DAY, State.OK, "1 day ago"),
        (NOW - 90 * DAY + timedelta(seconds=1), State.OK, "89 days ago"),
        (NOW - 90 * DAY, State.WARN, "90 days ago"),
    ],
)
def test_key_age(tried: datetime, state: State, text: str) -> None:
    check = judge_key_age("mail", tried, NOW)
    sound(check, state)
    assert text in check.text


def test_the_first_failure_counts_and_a_warning_is_none() -> None:
    well, warned = passed("a", "x", "fine"), doubted("b", "x", "odd", "do that")
    assert first_failure([well, warned]) is None
    first, second = failed("c", "x", NoArchive("gone", "mount it")), failed("d", "x", WrongKey("no", "other"))
    assert first_failure([well, warned, first, second]) is first
    assert (first.text, first.hint) == ("gone", "mount it")
