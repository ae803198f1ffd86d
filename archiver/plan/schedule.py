"""Which jobs a schedule has, and when each is next due."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from archiver.errors import UsageError
from archiver.model import Job, When

_MINUTES_OF_DAY = 24 * 60
_AFTER_PULL_MINUTES = 60  # prune, then verify: each waits for the one before
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def parse_clock(text: str) -> When:
    """Read a time of day such as `02:30`. Raises `UsageError`."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise UsageError(f'"{text}" is not a time of day', "write it as 02:30")
    return When(int(found[1]), int(found[2]))


def jobs(daily: When, pruned: Sequence[str], shared: Sequence[str] = (), *, drill: bool = False) -> list[Job]:
    """Give the jobs: pull each day, prune the accounts named an hour later, verify a sample on Sundays, and where
    the passphrase can be had (`drill`) restore one on the first of each month.

    `shared` are words for each command, such as `-q`.
    """
    pull = Job("pull", "Pull mail into the archive", ("pull", "--notify", *shared), daily)
    prune = [
        Job(
            f"prune-{name}",
            f"Remove archived mail of account {name} from its server",
            ("prune", name, "--scheduled", "--notify", *shared),
            _later(daily, _AFTER_PULL_MINUTES),
            owner=True,
        )
        for name in dict.fromkeys(pruned)
    ]
    sunday = _later(When(daily.hour, daily.minute, 0), 2 * _AFTER_PULL_MINUTES)
    words = ("verify", "--data=10%", "--notify", *shared)
    verify = Job("verify", "Verify a sample of the mail archive", words, sunday)
    first = _later(When(daily.hour, daily.minute, day=1), 3 * _AFTER_PULL_MINUTES)
    try_out = Job(
        "drill", "Restore a sample of the mail archive", ("drill", "--notify", *shared), first, owner=True
    )
    return [pull, *prune, verify, *([try_out] if drill else [])]


def next_run(when: When, now: datetime) -> datetime:
    """Tell when a job is next due, after `now`, in the zone that `now` has."""
    due = now.replace(hour=when.hour, minute=when.minute, second=0, microsecond=0)
    if when.day is not None:
        due = due.replace(day=when.day)
        return due if due > now else _next_month(due)
    days = 0 if when.weekday is None else (when.weekday - now.isoweekday()) % 7
    due += timedelta(days=days)
    if due <= now:
        due += timedelta(days=1 if when.weekday is None else 7)
    return due


def _next_month(at: datetime) -> datetime:
    years, month = divmod(at.month, 12)
    return at.replace(year=at.year + years, month=month + 1)


def _later(when: When, minutes: int) -> When:
    days, minute = divmod(when.hour * 60 + when.minute + minutes, _MINUTES_OF_DAY)
    weekday = None if when.weekday is None else (when.weekday + days) % 7
    return When(*divmod(minute, 60), weekday, None if when.day is None else when.day + days)
