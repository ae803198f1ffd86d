"""The jobs of a schedule, and when they are next due."""

from datetime import UTC, datetime

import pytest

from archiver.errors import UsageError
from archiver.model import When
from archiver.plan.schedule import jobs, next_run, parse_clock


def test_a_schedule_pulls_each_day_and_verifies_a_sample_on_sundays() -> None:
    pull, verify = jobs(When(2, 30), [])
    assert (pull.words[0], pull.when) == ("pull", When(2, 30))
    assert (verify.words[:2], verify.when) == (("verify", "--data=10%"), When(4, 30, 0))


def test_prune_comes_for_the_accounts_named_alone_and_as_a_schedule() -> None:
    _, prune, _ = jobs(When(2, 30), ["work", "work"], ["-q"])
    assert prune.words == ("prune", "work", "--scheduled", "--notify", "-q")
    assert (prune.when, prune.owner) == (When(3, 30), True)


def test_a_drill_comes_each_month_where_the_passphrase_can_be_had_and_as_the_owner() -> None:
    drill = jobs(When(2, 30), [], ["-q"], drill=True)[-1]
    assert (drill.words, drill.when) == (("drill", "--notify", "-q"), When(5, 30, day=1))
    assert drill.owner
    assert [job.name for job in jobs(When(2, 30), [])] == ["pull", "verify"]
    assert jobs(When(22, 0), [], drill=True)[-1].when == When(1, 0, day=2)


def test_what_follows_a_late_pull_is_on_the_next_day() -> None:
    _, prune, verify = jobs(When(23, 10), ["work"])
    assert (prune.when, verify.when) == (When(0, 10), When(1, 10, 1))


@pytest.mark.parametrize("text", ["2:30", "02:30"])
def test_a_time_of_day_is_read(text: str) -> None:
    assert parse_clock(text) == When(2, 30)


@pytest.mark.parametrize("text", ["", "24:00", "12:60", "2", "02:30:00", "half past two", "٠٢:٣٠"])
def test_no_other_text_is_a_time_of_day(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time of day"):
        parse_clock(text)


@pytest.mark.parametrize(
    ("when", "due"),
    [
        (When(2, 30), datetime(2026, 3, 5, 2, 30)),
        (When(23, 0), datetime(2026, 3, 4, 23, 0)),
        (When(12, 0), datetime(2026, 3, 5, 12, 0)),  # not now once more
        (When(4, 30, 0), datetime(2026, 3, 8, 4, 30)),
        (When(4, 30, 3), datetime(2026, 3, 11, 4, 30)),  # today, and over
        (When(14, 30, 3), datetime(2026, 3, 4, 14, 30)),
        (When(5, 30, day=1), datetime(2026, 4, 1, 5, 30)),
        (When(5, 30, day=5), datetime(2026, 3, 5, 5, 30)),
        (When(12, 0, day=4), datetime(2026, 4, 4, 12, 0)),  # not now once more
    ],
)
def test_the_next_run_is_the_first_one_after_now(when: When, due: datetime) -> None:
    wednesday = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    assert next_run(when, wednesday) == due.replace(tzinfo=UTC)


def test_the_next_run_of_a_month_may_be_in_another_year() -> None:
    december = datetime(2026, 12, 1, 5, 30, tzinfo=UTC)
    assert next_run(When(5, 30, day=1), december) == datetime(2027, 1, 1, 5, 30, tzinfo=UTC)
