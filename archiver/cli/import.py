"""archiver import: take mail that lies in files into an archive."""  # noqa: N999 -- a command is named as it is typed

import os
from collections.abc import Mapping
from pathlib import Path

import click

from archiver import wiring
from archiver.accounts.files.account import FilesAccount
from archiver.accounts.files.disk import text_of
from archiver.archive.writer import ChainOwner
from archiver.cli.names import account_names
from archiver.cli.output import number, print_json, size
from archiver.cli.pull import report_document
from archiver.cli.session import Session, archive_option, shared_options
from archiver.cli.stop import stoppable
from archiver.config import AccountSettings
from archiver.config.reader import MBOX_FORMS
from archiver.config.settings import MboxForm
from archiver.config.table import NAME
from archiver.errors import Incomplete, Unreachable, UsageError
from archiver.ops.adding import Adding
from archiver.ops.pull import Pull
from archiver.ops.pull_folder import Work
from archiver.ops.pull_report import PullReport
from archiver.plan.pull import Selection


@click.command("import", short_help="Take in mail that lies in files.")
@click.argument("path", metavar="PATH")
@click.option(
    "--to",
    "name",
    required=True,
    metavar="NAME",
    help="The account to record the mail as.",
    shell_complete=account_names,
)
@click.option("--form", type=click.Choice(MBOX_FORMS), help="How mbox files are quoted, where you know it.")
@archive_option
@click.option("--dry-run", is_flag=True, help="Tell what would be taken in.")
@shared_options
def command(
    session: Session, path: str, name: str, form: MboxForm | None, archive_name: str | None, dry_run: bool
) -> None:
    """Take in mail that lies in files: Maildir, mbox, single messages, of many programs. Changes no file.

    \b
      archiver import ~/Maildir --to old-laptop
      archiver import 'All mail.mbox' --to gmail-takeout --dry-run
    """
    settings = _settings(session, Path(path).expanduser().absolute(), name, form, archive_name)
    account = wiring.open_account(settings, lambda text: session.say(f"warning: {text}"))
    assert isinstance(account, FilesAccount)
    report = _import(session, settings, account, dry=dry_run)
    forms = account.forms()
    if session.json:
        print_json(
            {
                "type": "imported",
                "path": text_of(path),
                "dry_run": dry_run,
                "forms": forms,
                **report_document(report),
            }
        )
    else:
        _tell(session, report, forms, dry=dry_run)
    if not report.complete and not dry_run:
        raise _incomplete(report)


_WHAT = "name a file or a folder with mail, such as a Maildir, an mbox file, or a folder of .eml files"


def _settings(
    session: Session, path: Path, name: str, form: MboxForm | None, archive_name: str | None
) -> AccountSettings:
    """Make the settings of an account for this import. Raises `UsageError` for what cannot be."""
    if not os.path.lexists(path):
        raise UsageError(f'there is no "{path}"', _WHAT)
    if not NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" cannot be the name of an account', "use letters, digits, dots, hyphens, underscores"
        )
    configured = session.settings.accounts.get(name)
    if configured is not None:
        if configured.kind != "files":
            raise _other_kind(name, configured.kind)
        if archive_name not in (None, configured.archive):
            raise UsageError(f'account "{name}" fills archive "{configured.archive}"', "leave --archive out")
        archive_name = configured.archive
    archive = session.archive_settings(archive_name)
    return AccountSettings(
        name=name, archive=archive.name, kind="files", host="", user="", path=path, form=form
    )


def _import(session: Session, settings: AccountSettings, account: FilesAccount, *, dry: bool) -> PullReport:
    where = session.settings.archive(settings.archive)
    archive = session.archive(where)
    with stoppable() as stop, archive.lock(settings.name), session.progress() as progress:
        chain = archive.chain(archive.chain_of(settings.name))
        catalog = wiring.open_catalog(archive, chain)
        try:
            header = catalog.header()
            if header is not None and header.kind != settings.kind:
                raise _other_kind(settings.name, header.kind)
            owner = ChainOwner(settings.name, settings.kind)
            with archive.begin(owner, chain, catalog, where.compression, wiring.now) as run:
                work = Work(
                    settings.name, Adding(account), run, Selection(), progress, stop, dry, partial=True
                )
                return Pull(work, accept_other_mailbox=True)()
        except Unreachable as error:
            raise UsageError(error.text, _WHAT) from error
        finally:
            account.close()
            catalog.close()


def _other_kind(name: str, kind: str) -> UsageError:
    return UsageError(
        f'account "{name}" is of kind "{kind}": mail from files beside it would look removed to its next pull',
        "import to a name of its own: --to NAME",
    )


def _incomplete(report: PullReport) -> Incomplete:
    missed = sum(folder.balance.missed for folder in report.folders if folder.balance)
    failed = sum(folder.error is not None for folder in report.folders)
    what = [number(missed, "message") + " missed"] if missed else []
    what += [number(failed, "folder") + " not read"] if failed else []
    return Incomplete(
        f'account "{report.account}": {", ".join(what) or "some messages are not accounted for"}',
        "the rest is archived; mend what is told above, and run the same command again",
    )


def _tell(session: Session, report: PullReport, forms: Mapping[str, str], *, dry: bool) -> None:
    for folder in report.folders:
        held = number(folder.new, "message")
        session.say(f"{folder.folder}: {forms.get(folder.folder, '')}, {held} new")
    new, length = sum(f.new for f in report.folders), sum(f.size for f in report.folders)
    done = "to import" if dry else "imported"
    head = f"; head {report.head.seq} {report.head.sha256[:16]}" if report.head.seq and not dry else ""
    session.say(f"{report.account}: {number(new, 'message')} {done} ({size(length)}){head}")
