"""How a run ended: kept in a report, and told by `--notify` to who was not there."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from archiver import wiring
from archiver.cli.alerts import last_runs, late, standing, warn
from archiver.cli.failure import as_archiver_error, bug_of
from archiver.cli.output import say
from archiver.cli.session import Session
from archiver.errors import ArchiverError, Incomplete, Interrupted, UsageError
from archiver.events import WARNED, Alert, Notice
from archiver.plan.notify import REMIND_AFTER_DAYS, untold

if TYPE_CHECKING:
    from archiver.notices.herald import Herald

F = TypeVar("F", bound=Callable[..., Any])


def notify_option(name: str) -> Callable[[F], F]:
    """Give the command of this name `--notify`; stands below `shared_options`."""

    def decorate(function: F) -> F:
        @click.option(
            "--notify", is_flag=True, help="Tell how it ended, as [notify] of the configuration says."
        )
        @wraps(function)
        def wrapped(session: Session, *, notify: bool, **rest: Any) -> Any:
            if rest.get("dry_run"):
                return function(session, **rest)
            named = rest.get("names") or rest.get("name") or ()
            run = _Run(session, name, (named,) if isinstance(named, str) else tuple(named))
            try:
                if notify:
                    run.begin()
                result = function(session, **rest)
            except BaseException as error:
                run.end(error)
                raise
            run.end(None)
            return result

        return wrapped  # type: ignore[return-value]  # as in `shared_options`

    return decorate


class _Run:
    """A run whose end is kept in a report, and told to who is to be told."""

    def __init__(self, session: Session, command: str, accounts: tuple[str, ...]) -> None:
        self._session = session
        self._command = command
        self._accounts = accounts
        self._began = wiring.now()
        self._last_runs = last_runs(session, accounts)
        self._herald: Herald | None = None

    def begin(self) -> None:
        """Tell that it begins."""
        settings = self._session.settings.notify
        if settings is None:
            return
        try:
            self._herald = wiring.herald(settings, say)
        except ArchiverError as failure:
            say(f"warning: nobody can be told of this run: {failure.text}")
        else:
            self._herald.begin()

    def end(self, error: BaseException | None) -> None:
        """Tell how it ended. Never raises: what went wrong with the run itself is what counts."""
        known = as_archiver_error(error) if error is not None else None
        if self._herald is None and isinstance(known, UsageError):
            return  # a slip of who types is no run
        alerts = [] if isinstance(known, Interrupted) else self._alerts()
        warn(self._untold(alerts) if self._session.quiet else alerts)
        notice = self._notice(error, known, tuple(alerts))
        try:
            if self._session.well:
                wiring.last_pulls().note(self._session.well, notice.ended)
            wiring.reports().keep(notice, self._session.details)
        except ArchiverError as failure:
            say(f"warning: {failure.text}")
        if self._herald is not None:
            self._herald.tell(notice)

    def _untold(self, alerts: list[Alert]) -> list[Alert]:
        """Leave out what the runs before have said: of each night's output cron makes a mail."""
        this = self._command, self._accounts
        try:
            alike = (one for one in wiring.reports().newest() if (one.command, one.accounts) == this)
            return untold(alerts, alike, self._began, timedelta(days=REMIND_AFTER_DAYS))
        except (ArchiverError, OSError):
            return alerts

    def _alerts(self) -> list[Alert]:
        session = self._session
        found = [*session.alerts, *late(session, self._last_runs, self._began)]
        return found + standing(session, self._accounts)

    def _notice(
        self, error: BaseException | None, known: ArchiverError | None, alerts: tuple[Alert, ...]
    ) -> Notice:
        outcome: Literal["ok", "warning", "failure"] = "ok"
        code, exit_code, text, hint = "ok", 0, "\n".join(one.text for one in alerts), None
        if error is None and alerts:
            outcome, code = "warning", WARNED
        if error is not None:
            outcome = "warning" if isinstance(known, Incomplete | Interrupted) else "failure"
            told = known or bug_of(error)
            code, exit_code, text, hint = told.code, told.exit, told.text, told.hint
        return Notice(
            command=self._command,
            accounts=self._accounts,
            outcome=outcome,
            code=code,
            exit=exit_code,
            text=text,
            hint=hint,
            host=wiring.machine_name(),
            began=self._began,
            ended=wiring.now(),
            failed=tuple(self._session.failed),
            warnings=alerts,
        )
