"""`--retry` and `--retry-lock`: how patient a run is with servers and with other runs."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from archiver.cli.session import Session
from archiver.config.pull import MOST_RETRIES
from archiver.plan.retry import Patience, parse_duration

F = TypeVar("F", bound=Callable[..., Any])


def patience_options(function: F) -> F:
    """Give a command `--retry` and `--retry-lock`, and a `Patience` in their place; stands below `shared_options`."""

    @click.option(
        "--retry",
        type=click.IntRange(0, MOST_RETRIES),
        metavar="N",
        help="Try an account again, up to N times, where its server cannot be reached or is busy.",
    )
    @click.option("--retry-lock", metavar="TIME", help="Wait so long for another run to end: 30s, 5m, 1h.")
    @wraps(function)
    def wrapped(session: Session, *, retry: int | None, retry_lock: str | None, **rest: Any) -> Any:
        lock_s = parse_duration(retry_lock) if retry_lock is not None else None
        configured = session.settings.pull
        patience = Patience(
            retries=retry if retry is not None else configured.retry or 0,
            lock_s=lock_s if lock_s is not None else configured.retry_lock_s or 0.0,
        )
        return function(session, patience=patience, **rest)

    return wrapped  # type: ignore[return-value]  # as in `shared_options`
