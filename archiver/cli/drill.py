"""archiver drill: restore a sample of the archive, and compare."""

import fcntl
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from archiver.archive.archive import Archive
from archiver.catalog.sqlite import SqliteCatalog
from archiver.cli.names import account_names
from archiver.cli.notified import notify_option
from archiver.cli.output import number, print_json, say, shown, size
from archiver.cli.session import Session, archive_option, passphrase_option, shared_options
from archiver.cli.stop import stoppable
from archiver.config import ArchiveSettings
from archiver.errors import ArchiverError, Damaged, StoreFailed, UsageError
from archiver.ops.drill import DrillReport, Failed, drill
from archiver.ports import Reporter

PREFIX = "archiver-drill-"


@click.command("drill")
@click.argument("name", required=False, shell_complete=account_names)
@click.option(
    "--messages",
    "count",
    type=click.IntRange(1, 10_000),
    default=20,
    metavar="N",
    help="Messages to restore of each account; 20 if not given.",
)
@archive_option
@passphrase_option
@shared_options
@notify_option("drill")
def command(
    session: Session, name: str | None, count: int, archive_name: str | None, passphrase_command: str | None
) -> None:
    """Restore some messages, chosen at random, to a temporary folder, and compare them with what was archived.

    It shows that the passphrase opens the archive, and that what comes out of it is what went in. The folder is
    removed afterwards. Needs the passphrase.

    \b
      archiver drill
      archiver drill work --messages 200
    """
    reports: list[DrillReport] = []

    def check(settings: ArchiveSettings) -> None:
        archive = session.unlocked(settings, passphrase_command)
        for chain in archive.chains():
            with session.progress() as progress, stoppable(), _place() as place:
                report = _drill(archive, chain, name, count, place, progress)
            if report is not None:
                reports.append(report)

    failure = session.in_each(session.archives(archive_name, [name] if name else []), check)
    if name and not reports and failure is None:
        raise UsageError(f'nothing is archived of account "{name}"', f"pull it: archiver pull {name}")
    reports.sort(key=lambda report: report.account)
    _tell(session, reports)
    if failure is not None:
        raise failure
    failed = sum(len(report.failed) for report in reports)
    if failed:
        raise Damaged(
            f"{number(failed, 'message')} could not be restored as archived",
            "see what is affected with: archiver verify --read; then put the files back from a copy of the archive",
        )


def _drill(
    archive: Archive, name: str, account: str | None, count: int, place: Path, reporter: Reporter
) -> DrillReport | None:
    """Try one chain, from its indexes and not from the local cache; None where it is another account's."""
    began = time.monotonic()
    with ExitStack() as stack:
        catalog = SqliteCatalog()
        stack.callback(catalog.close)
        broken: ArchiverError | None = None
        try:
            archive.replay_verified(archive.chain(name), catalog)
        except Damaged as error:
            broken = error
        header = catalog.header()
        if (header is None and broken is None) or (header and account not in (None, header.account)):
            return None
        report = DrillReport(name, header.account if header else "")
        drill(
            report, catalog, archive.reader(catalog), place, count, random.SystemRandom().randrange, reporter
        )
        if broken is not None:
            report.failed.append(Failed("", "", broken.text))
        report.took_s = time.monotonic() - began
        return report


@contextmanager
def _place() -> Iterator[Path]:
    """Make a folder that only its owner may enter, and remove it whatever happens.

    What a drill left that was killed is removed by the next one: its lock went with it.
    """
    try:
        for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            _remove_left(left)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # 0700
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        inner = folder / "restored"
        inner.mkdir(mode=0o700)
    except OSError as error:
        raise StoreFailed(
            f"there is no temporary folder to restore to: {error.strerror}",
            "name one that can be written: TMPDIR",
        ) from error
    try:
        yield inner
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        if folder.exists():
            say(f'warning: "{folder}" could not be removed; it holds mail')


def _remove_left(folder: Path) -> None:
    with suppress(OSError):
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held: a drill that goes on
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _tell(session: Session, reports: list[DrillReport]) -> None:
    documents = [_document(report) for report in reports]
    session.details += documents
    if session.json:
        print_json({"type": "drilled", "chains": documents})
        return
    for report in reports:
        what = f"{number(report.messages, 'message')} ({size(report.size)}) of {report.archived:,} restored"
        state = "FAILED" if report.failed else "as archived"
        account = report.account or f"chain {report.chain}"
        session.say(f"{account}: {what}, {state}; head {report.head.seq} {report.head.sha256}")
        for one in report.failed:
            where = f'message {one.digest[:12]} of folder "{one.folder}": ' if one.digest else ""
            click.echo(f"  failed: {shown(where + one.reason)}")


def _document(report: DrillReport) -> dict[str, Any]:
    return {
        "chain": report.chain,
        "account": report.account or None,
        "head": {"seq": report.head.seq, "sha256": report.head.sha256},
        "archived": report.archived,
        "tried": report.tried,
        "messages": report.messages,
        "size": report.size,
        "parsed": report.parsed,
        "failed": [
            {"sha256": one.digest, "folder": one.folder, "reason": one.reason} for one in report.failed
        ],
        "took_s": round(report.took_s, 3),
    }
