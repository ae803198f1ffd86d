"""`--nice`: leave the processor and the disk to others."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from archiver import wiring
from archiver.cli.session import Session

NICENESS = 10  # as nice(1) has it, and the units of systemd

F = TypeVar("F", bound=Callable[..., Any])


def nice_option(function: F) -> F:
    """Give a command `--nice`; stands below `shared_options`."""

    @click.option("--nice", is_flag=True, help="Leave the processor and the disk to others.")
    @wraps(function)
    def wrapped(session: Session, *, nice: bool, **rest: Any) -> Any:
        if nice:
            _be_nice(session)
        return function(session, **rest)

    return wrapped  # type: ignore[return-value]  # as in `shared_options`


def _be_nice(session: Session) -> None:
    """Lower both priorities, before there are other threads: each begins with those of the one that starts it."""
    if os.nice(0) < NICENESS:
        os.nice(NICENESS - os.nice(0))
    why = wiring.yield_disk()
    if why is not None:
        session.say(f"note: the processor is left to others, the disk is not: {why}")
