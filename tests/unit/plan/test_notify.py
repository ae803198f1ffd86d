"""A notice is sent for each trouble once, and for its end once."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from archiver.model import Notice
from archiver.plan.notify import Occasion, Told, due, remembered

NIGHT = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
Outcome = Literal["ok", "warning", "failure"]


def notice(outcome: Outcome, code: str = "", night: int = 0) -> Notice:
    code = code or {"ok": "ok", "warning": "incomplete", "failure": "login-refused"}[outcome]
    at = NIGHT + timedelta(days=night)
    return Notice("pull", (), outcome, code, 0, "", None, "here", at, at)


def sent(occasion: Occasion, *nights: tuple[Outcome, str]) -> list[int]:
    """Play some nights; give those on which a notice went out."""
    told: Told | None = None
    found = []
    for night, (outcome, code) in enumerate(nights):
        one = notice(outcome, code, night)
        if due(occasion, one, told):
            found.append(night)
            told = remembered(occasion, one)
    return found


FINE: tuple[Outcome, str] = ("ok", "")
PART: tuple[Outcome, str] = ("warning", "")
WRONG: tuple[Outcome, str] = ("failure", "login-refused")
AWAY: tuple[Outcome, str] = ("failure", "unreachable")


def test_nothing_is_sent_while_all_is_well() -> None:
    assert sent("failure", FINE, FINE, FINE) == []


def test_a_failure_is_told_once_and_its_end_once() -> None:
    assert sent("failure", FINE, WRONG, WRONG, WRONG, FINE, FINE) == [1, 4]


def test_another_failure_is_told_too() -> None:
    assert sent("failure", WRONG, AWAY, AWAY, WRONG) == [0, 1, 3]


def test_a_failure_that_lasts_is_told_again_after_a_week() -> None:
    assert sent("failure", *[WRONG] * 16) == [0, 7, 14]


def test_what_was_done_in_part_is_told_where_warnings_are_asked_for() -> None:
    assert sent("failure", FINE, PART, PART, FINE) == []
    assert sent("warning", FINE, PART, PART, FINE) == [1, 3]


def test_a_failure_that_ends_in_part_has_ended() -> None:
    assert sent("failure", WRONG, PART, PART, FINE) == [0, 1]
    assert sent("warning", WRONG, PART, PART, FINE) == [0, 1, 3]


def test_a_run_that_was_stopped_ends_no_failure() -> None:
    assert sent("failure", WRONG, ("warning", "interrupted"), WRONG, FINE) == [0, 3]


@pytest.mark.parametrize("one", [FINE, PART, WRONG])
def test_always_is_always(one: tuple[Outcome, str]) -> None:
    assert sent("always", one, one, one) == [0, 1, 2]
