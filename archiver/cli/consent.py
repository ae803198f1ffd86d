"""Asking before something is done that cannot be undone: on a terminal a question, elsewhere `--yes`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from archiver.cli.output import shown
from archiver.errors import Interrupted, UsageError
from archiver.secrets import can_prompt

F = TypeVar("F", bound=Callable[..., Any])


def agree(question: str, *, yes: bool) -> None:
    """Ask, and return if the answer is yes; `yes` is what `--yes` says, and answers beforehand.

    The plan that the question is about has been shown by then. Raises `UsageError` where there is no terminal
    to ask at, `Interrupted` where the answer is no.
    """
    if yes:
        return
    if not can_prompt():
        raise UsageError(
            "this is done only after a yes, and there is no terminal to ask at",
            "see the plan with --dry-run; agree to it with --yes",
        )
    if not click.confirm(shown(question), default=False, err=True):
        raise Interrupted("nothing was done", "the answer was not yes; run again to be asked again")


def yes_option(function: F) -> F:
    """Give a command `--yes`."""
    return click.option("--yes", is_flag=True, help="Do it without asking.")(function)
