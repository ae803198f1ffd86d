"""`--retry` and `--retry-lock`: how patient a run is with servers and with other runs."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from archiver.cli.session import Session
from archiver.config.pull import MOST_RETRIES
from archiver.plan.retry import Patience, parse_duration

F = TypeVar("F", bound=Callable[..., Any])


def retry_lock_option(function: F) -> F:
    """Give a command `--retry-lock`, and `lock_s` in its place, in seconds; stands below `shared_options`."""

    @click.option("--retry-lock", metavar="TIME", help="Wait so long for another run to end: 30s, 5m, 1h.")
    @wraps(function)
    def wrapped(session: Session, *, retry_lock: str | None, **rest: Any) -> Any:
        if retry_lock is not None:
            return function(session, lock_s=parse_duration(retry_lock), **rest)
        return function(session, lock_s=session.settings.pull.retry_lock_s or 0.0, **rest)

    return wrapped  # type: ignore[return-value]  # as in `shared_options`


def patience_options(function: F) -> F:
    """Give a command `--retry` too, and a `Patience` in the place of both; stands below `shared_options`."""

    @click.option(
        "--retry",
        type=click.IntRange(0, MOST_RETRIES),
        metavar="N",
        help="Try an account again, up to N times, where its server cannot be reached or is busy.",
    )
    @retry_lock_option
    @wraps(function)
    def wrapped(session: Session, *, retry: int | None, lock_s: float, **rest: Any) -> Any:
        retries = retry if retry is not None else session.settings.pull.retry or 0
        return function(session, patience=Patience(retries, lock_s), **rest)

    return wrapped  # type: ignore[return-value]  # as above
