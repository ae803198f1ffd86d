"""Read `[pull]`: how many accounts are pulled at a time, and how patiently."""

from archiver.config.settings import PullSettings
from archiver.config.table import Table
from archiver.plan.retry import parse_duration

PULL_KEYS = ("jobs", "jobs-per-host", "retry", "retry-lock")
MOST_JOBS = 64
MOST_RETRIES = 100


def read_pull(top: Table) -> PullSettings:
    """Read the table; all of it may be missing. What is wrong is noted with the file."""
    table = top.below("pull", " of the form [pull]")
    if table is None:
        return PullSettings()
    table.refuse_unknown(PULL_KEYS)
    return PullSettings(
        jobs=table.number("jobs", int, 1, MOST_JOBS),
        jobs_per_host=table.number("jobs-per-host", int, 1, MOST_JOBS),
        retry=table.number("retry", int, 0, MOST_RETRIES),
        retry_lock_s=table.understood("retry-lock", parse_duration),
    )
