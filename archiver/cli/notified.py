"""`--notify`: who was not there is told how a run ended."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, Literal, TypeVar

import click

from archiver import wiring
from archiver.cli.failure import BUG, as_archiver_error
from archiver.cli.output import say
from archiver.cli.session import Session
from archiver.errors import Incomplete, Interrupted
from archiver.model import Notice

F = TypeVar("F", bound=Callable[..., Any])


def notify_option(name: str) -> Callable[[F], F]:
    """Give the command of this name `--notify`; stands below `shared_options`."""

    def decorate(function: F) -> F:
        @click.option(
            "--notify", is_flag=True, help="Tell how it ended, as [notify] of the configuration says."
        )
        @wraps(function)
        def wrapped(session: Session, *, notify: bool, **rest: Any) -> Any:
            if not notify or rest.get("dry_run") or session.settings.notify is None:
                return function(session, **rest)
            herald = wiring.herald(session.settings.notify, say)
            named = rest.get("names") or rest.get("name") or ()
            accounts = (named,) if isinstance(named, str) else tuple(named)
            began = wiring.now()
            herald.begin()
            try:
                result = function(session, **rest)
            except BaseException as error:
                herald.tell(_notice(name, accounts, began, error))
                raise
            herald.tell(_notice(name, accounts, began, None))
            return result

        return wrapped  # type: ignore[return-value]  # as in `shared_options`

    return decorate


def _notice(command: str, accounts: tuple[str, ...], began: datetime, error: BaseException | None) -> Notice:
    outcome: Literal["ok", "warning", "failure"] = "ok"
    code, exit_code, text, hint = "ok", 0, "", None
    if error is not None:
        known = as_archiver_error(error)
        # of a bug the name alone: what it says of itself may hold mail
        code, exit_code, text = "bug", BUG, f"a bug in archiver: {type(error).__name__}"
        outcome = "warning" if isinstance(known, Incomplete | Interrupted) else "failure"
        if known is not None:
            code, exit_code, text, hint = known.code, known.exit, known.text, known.hint
    host, ended = wiring.machine_name(), wiring.now()
    return Notice(command, accounts, outcome, code, exit_code, text, hint, host, began, ended)
