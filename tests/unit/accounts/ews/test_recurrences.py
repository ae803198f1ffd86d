"""Recurrences go to Exchange and come back."""

from datetime import date

import pytest

from archiver.accounts.ews.recurrences import exchange_recurrence, recurrence_of
from archiver.items import Recurrence

START = date(2026, 3, 4)


@pytest.mark.parametrize(
    "given",
    [
        Recurrence("DAILY", 3, count=10),
        Recurrence("WEEKLY", 2, days=("MO", "FR"), first_weekday="SU", until=date(2026, 12, 31)),
        Recurrence("MONTHLY", 1, month_day=31),
        Recurrence("MONTHLY", 2, days=("TU",), week=-1, count=5),
        Recurrence("MONTHLY", 1, days=("MO", "TU", "WE", "TH", "FR"), week=1),
        Recurrence("YEARLY", month=2, month_day=29),
        Recurrence("YEARLY", month=11, days=("TH",), week=4),
        Recurrence("DAILY", 5, regenerates=True),
        Recurrence("YEARLY", 1, regenerates=True, count=3),
    ],
)
def test_a_recurrence_comes_back_as_it_was(given: Recurrence) -> None:
    written = exchange_recurrence(given, START, of_task=given.regenerates)
    assert recurrence_of(written) == given


def test_what_a_rule_leaves_to_its_first_day_is_taken_from_it() -> None:
    assert recurrence_of(exchange_recurrence(Recurrence("MONTHLY"), START)) == Recurrence(
        "MONTHLY", month_day=4
    )
    weekly = recurrence_of(exchange_recurrence(Recurrence("WEEKLY"), START))
    assert weekly is not None
    assert weekly.days == ("WE",)


def test_no_recurrence_is_none() -> None:
    assert recurrence_of(None) is None
