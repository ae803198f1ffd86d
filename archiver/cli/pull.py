"""archiver pull: bring the archive up to the server."""

from functools import partial
from typing import Any

import click

from archiver import wiring
from archiver.cli.failure import as_archiver_error, bug_of
from archiver.cli.names import account_names, folder_names, folders_option
from archiver.cli.nice import nice_option
from archiver.cli.notified import notify_option
from archiver.cli.output import number, print_json, say, size
from archiver.cli.patience import patience_options
from archiver.cli.progress import Progress
from archiver.cli.pulling import Pulling, Wanted
from archiver.cli.session import Session, shared_options
from archiver.cli.side_by_side import SideBySide
from archiver.cli.stop import stoppable
from archiver.config import AccountSettings
from archiver.config.pull import MOST_JOBS
from archiver.errors import ArchiverError, Incomplete, Interrupted, Locked
from archiver.events import AccountFailed
from archiver.ops.pull_report import FolderReport, PullReport
from archiver.plan.alerts import Counted, shrunk
from archiver.plan.retry import Patience
from archiver.plan.select import parse_time
from archiver.plan.turns import JOBS, Limits


@click.command("pull")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=account_names)
@folders_option("These folders alone.")
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Not these folders.", shell_complete=folder_names
)
@click.option("--since", metavar="DATE", help="Not what was received before: 2024-05-31, 30d, 1y.")
@click.option("--dry-run", is_flag=True, help="Tell what would be pulled.")
@click.option("--accept-other-mailbox", is_flag=True, help="Go on though none of the known mail is there.")
@click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    metavar="N",
    help=f"So many accounts at a time; {JOBS} if not given.",
)
@shared_options
@notify_option("pull")
@patience_options
@nice_option
def command(
    session: Session,
    names: tuple[str, ...],
    folders: tuple[str, ...],
    exclude: tuple[str, ...],
    since: str | None,
    dry_run: bool,
    accept_other_mailbox: bool,
    jobs: int | None,
    patience: Patience,
) -> None:
    """Bring the archive up to the server: all accounts, or those named. Asks for no passphrase.

    \b
      archiver pull
      archiver pull work --folder 'INBOX' --folder 'Archive/*'
    """
    at = parse_time(since, wiring.now().astimezone()) if since else None
    accounts = session.accounts(names)
    wanted = Wanted(folders, exclude, at, dry_run, accept_other_mailbox)
    configured = session.settings.pull
    limits = Limits(jobs or configured.jobs or JOBS, configured.jobs_per_host)
    failures: dict[str, ArchiverError] = {}
    seen: set[str] = set()
    interrupted = bug = None
    try:
        with session.progress() as progress:
            pulling = Pulling(session, accounts, wanted, progress)
            retried = partial(_tell_retried, session, accounts, progress)
            with (
                SideBySide(pulling.lanes, pulling, limits, patience, retried) as side,
                stoppable(side.wake) as stop,
            ):
                for account, outcome in zip(accounts, side.outcomes(stop), strict=True):
                    if isinstance(outcome, PullReport):
                        seen.update(folder.folder for folder in outcome.folders)
                        _note(session, outcome)
                        with progress.aside():
                            _tell(session, outcome, dry=dry_run)
                        if not outcome.complete and not dry_run:
                            error = _incomplete(outcome, account.daily_download_limit)
                            failures[account.name] = error
                            session.failed.append(AccountFailed(account.name, error.code, error.text))
                        continue
                    known = as_archiver_error(outcome)
                    if isinstance(known, Interrupted):
                        interrupted = known
                        _note_failed(session, account.name, known)
                        continue
                    if known is None:
                        bug = bug or outcome  # the others are worth their mail all the same
                    else:
                        failures[account.name] = known
                    with progress.aside():
                        _tell_failed(
                            session, account.name, known or bug_of(outcome), alone=len(accounts) == 1
                        )
    finally:
        for name in [*session.unfinished]:  # the second Ctrl-C ended the run before they were asked
            _note_failed(session, name, Interrupted("interrupted"))
    if bug or interrupted:
        raise bug or interrupted or AssertionError
    if seen:
        session.warn_unmatched((*folders, *exclude), seen)
    if failures:
        raise _worst(failures, len(accounts))


def _worst(failures: dict[str, ArchiverError], accounts: int) -> ArchiverError:
    """Choose what the run ends with: what trying later cures, and what was done in part, count less."""
    error = min(failures.values(), key=lambda error: (isinstance(error, Incomplete), error.transient))
    if accounts == 1:
        return error
    which = ", ".join(f'"{name}"' for name in failures)
    return error.retold(f"{len(failures)} of {accounts} accounts failed: {which}")


def _incomplete(report: PullReport, limit: int | None) -> Incomplete:
    missed = sum(folder.balance.missed for folder in report.folders if folder.balance)
    failed = [folder.folder for folder in report.folders if folder.error]
    unexplained = [f.folder for f in report.folders if f.balance and f.balance.unexplained]
    what = [number(missed, "message") + " missed"] if missed else []
    what += [f"{number(len(failed), 'folder')} not read"] if failed else []
    what += [f"{number(len(unexplained), 'folder')} not accounted for"] if unexplained else []
    if report.waiting and limit:
        days = -(-report.waiting_size // limit)
        what.append(f"{number(report.waiting, 'message')} ({size(report.waiting_size)}) wait for another day")
        if len(what) == 1:
            return Incomplete(
                f'account "{report.account}": {what[0]}',
                f"the daily limit of {size(limit)} is reached; pull again tomorrow: about {number(days, 'day')} to go",
            )
    return Incomplete(
        f'account "{report.account}": {", ".join(what)}',
        "the archive is sound; they are tried again by the next pull, see: archiver status",
    )


def _tell_retried(
    session: Session,
    accounts: list[AccountSettings],
    progress: Progress,
    which: int,
    error: ArchiverError,
    pause_s: float,
) -> None:
    """Tell that an account is going to be tried again."""
    name = accounts[which].name
    again = "waiting for it" if isinstance(error, Locked) else f"trying again in {pause_s:.0f} s"
    with progress.aside():
        if session.json:
            told = {"account": name, "code": error.code, "message": error.text, "in_s": round(pause_s)}
            print_json({"type": "account-retried", **told})
        session.say(f"{name}: {error.text}; {again}")


def _tell_failed(session: Session, account: str, error: ArchiverError, *, alone: bool) -> None:
    """Note it for the report, and tell one of several; the last line of the run tells of them all."""
    told = _note_failed(session, account, error)
    session.failed.append(AccountFailed(account, error.code, error.text))
    if alone:
        return
    if session.json:
        print_json({"type": "account-failed", "account": account, **told})
    say(f"{account}: {error.text}")


def _note_failed(session: Session, account: str, error: ArchiverError) -> dict[str, Any]:
    """Note what the report of the run is to say of an account that was not pulled to its end; give why."""
    told = {"code": error.code, "exit": error.exit, "message": error.text, "hint": error.hint}
    stopped = session.unfinished.pop(account, None)
    done = report_document(stopped) if stopped is not None else {"account": account}
    session.details.append({**done, **told})
    return told


def _note(session: Session, report: PullReport) -> None:
    """Note what the report of the run is to say of an account that was pulled to its end."""
    session.details.append(report_document(report))
    session.well.append(report.account)
    session.alerts += shrunk(
        report.account,
        [
            Counted(
                one.folder,
                one.before,
                one.balance.exists if one.balance else 0,
                one.held_already,
                one.special_use,
            )
            for one in report.folders
            if one.before is not None and (one.balance is not None or one.gone)
        ],
    )


def _tell(session: Session, report: PullReport, *, dry: bool) -> None:
    if session.json:
        print_json({"type": "pull", "dry_run": dry, **report_document(report)})
        return
    folders = report.folders
    new, length = sum(f.new for f in folders), sum(f.size for f in folders)
    parts = [f"{number(new, 'message')} {'to pull' if dry else 'pulled'} ({size(length)})"]
    for count, what in (
        (sum(f.rebound for f in folders), "bound again"),
        (sum(f.reflagged for f in folders), "with other flags"),
        (sum(f.vanished for f in folders), "no longer on the server"),
    ):
        parts += [f"{count:,} {what}"] if count else []
    head = f"; head {report.head.seq} {report.head.sha256[:16]}" if report.head.seq and not dry else ""
    session.say(f"{report.account}: {', '.join(parts)}{head}")


def report_document(report: PullReport) -> dict[str, Any]:
    """Give a pull's report as JSON takes it."""
    return {
        "account": report.account,
        "head": {"seq": report.head.seq, "sha256": report.head.sha256},
        "complete": report.complete,
        "took_s": round(report.took_s, 3),
        "folders": [_folder_document(folder) for folder in report.folders],
    }


def _folder_document(folder: FolderReport) -> dict[str, Any]:
    balance = folder.balance
    return {
        "folder": folder.folder,
        "excluded_by_rule": folder.excluded,
        "before": folder.before,
        "new": folder.new,
        "size": folder.size,
        "stored": folder.stored,
        "held_already": folder.held_already,
        "rebound": folder.rebound,
        "reflagged": folder.reflagged,
        "vanished": folder.vanished,
        "waiting": folder.waiting,
        "waiting_size": folder.waiting_size,
        "gone": folder.gone,
        "took_s": round(folder.took_s, 3),
        "error": folder.error,
        "balance": None
        if balance is None
        else {
            "exists": balance.exists,
            "held": balance.held,
            "missed": balance.missed,
            "excluded": balance.excluded,
            "gone": balance.gone,
            "waiting": balance.waiting,
            "unexplained": balance.unexplained,
        },
    }
