"""archiver restore: put archived mail onto a server."""

from contextlib import ExitStack
from typing import Any

import click

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.archive.writer import ChainOwner
from archiver.catalog.several import SeveralCatalogs
from archiver.cli.choose import Chosen, account_catalogs, chosen, filter_options
from archiver.cli.output import number, print_json, size
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.cli.stop import stoppable
from archiver.errors import Incomplete, RefusedForSafety, UsageError
from archiver.model import Entry
from archiver.ops.read import list_messages
from archiver.ops.restore import FolderRestored, Restoring, restore
from archiver.ports import Run


@click.command("restore")
@click.argument("name")
@click.option("--to", "target_name", metavar="ACCOUNT", help="Another account than the one it came from.")
@click.option("--into", metavar="FOLDER", help="Below this folder, which is made if need be.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="These messages alone, as list shows them.")
@click.option("--vanished", is_flag=True, help="Also what the server no longer had when it was last pulled.")
@click.option("--dry-run", is_flag=True, help="Tell what would be restored.")
@filter_options
@passphrase_option
@shared_options
def command(
    session: Session,
    name: str,
    target_name: str | None,
    into: str | None,
    ids: tuple[str, ...],
    vanished: bool,
    dry_run: bool,
    passphrase_command: str | None,
    **options: Any,
) -> None:
    """Put archived mail of an account onto a server, with its folders, flags and dates; nothing twice.

    What the server had at the last pull is restored, or at the run or time of --as-of. Run again, it goes on
    where it stopped.

    \b
      archiver restore work --to new --dry-run
      archiver restore work --to new
      archiver restore work --as-of 2024-05-31 --into Restored --folder INBOX
      archiver restore work --id 3f0c7b1e9a5d --into Restored
    """
    wanted = chosen(options)
    target = session.settings.account(target_name or name)
    settings = session.archive_of(name)
    archive = session.unlocked(settings, passphrase_command)
    account = wiring.open_target(target, session.say)
    with ExitStack() as stack:
        stack.callback(account.close)
        catalogs = stack.enter_context(account_catalogs(session, archive, name, wanted.as_of))
        reader = archive.reader(catalogs)
        entries = _entries(catalogs, wanted, ids, vanished=vanished)
        if wanted.sender is not None:
            entries = [one.entry for one in list_messages(entries, reader, wanted.sender)]
        if not entries:
            session.say(
                "nothing to restore: see what is archived with: archiver list; --vanished takes in more"
            )
            return
        run = None if dry_run else _ledger(stack, session, archive, name)
        progress = stack.enter_context(session.progress())
        work = Restoring(
            account=target.name,
            target=account,
            reader=reader,
            ledger=lambda folder, epoch: catalogs.restored(target.name, folder, epoch),
            run=run,
            reporter=progress,
            stop=stack.enter_context(stoppable()),
            into=into,
            dry=dry_run,
        )
        reports = restore(work, entries, catalogs.folders())
    _tell(session, target.name, reports, dry=dry_run)


def _entries(
    catalogs: SeveralCatalogs, wanted: Chosen, ids: tuple[str, ...], *, vanished: bool
) -> list[Entry]:
    chosen_entries = wanted.filter.apply(catalogs.entries())
    if not ids:
        return [entry for entry in chosen_entries if vanished or not entry.vanished]
    found = [entry for entry in chosen_entries if entry.digest.startswith(tuple(one.lower() for one in ids))]
    for one in ids:
        if not any(entry.digest.startswith(one.lower()) for entry in found):
            raise UsageError(f'no archived message has the id "{one}"', "look it up: archiver list NAME")
    return list({entry.digest: entry for entry in found}.values())


def _ledger(stack: ExitStack, session: Session, archive: Archive, name: str) -> Run | None:
    """Open a run for the ledger; a machine that may not write restores without one."""
    chain = archive.chain(archive.chain_of(name))
    stack.enter_context(archive.lock(name))
    catalog = wiring.open_catalog(archive, chain)
    stack.callback(catalog.close)
    header = catalog.header()
    owner = ChainOwner(name, header.kind if header else "imap")
    try:
        run = archive.begin(owner, chain, catalog, "default", wiring.now)
    except RefusedForSafety:
        session.say("note: this machine may not write to the archive, so no ledger of this restore is kept")
        return None
    return stack.enter_context(run)


def _tell(session: Session, target: str, reports: list[FolderRestored], *, dry: bool) -> None:
    if session.json:
        documents = [{name: getattr(one, name) for name in one.__struct_fields__} for one in reports]
        print_json({"type": "restored", "account": target, "dry_run": dry, "folders": documents})
    else:
        new, there = sum(one.appended for one in reports), sum(one.there for one in reports)
        text = f"{number(new, 'message')} {'to restore' if dry else 'restored'}"
        text += f" ({size(sum(one.size for one in reports))}), {there:,} there already"
        altered = sum(one.altered for one in reports)
        text += f", {altered:,} without a flag or a date that the server refused" if altered else ""
        session.say(f"{target}: {text}")
    left = sum(one.refused + one.unreadable for one in reports)
    failed = [one.target for one in reports if one.error]
    if left or failed:
        what = f"{number(left, 'message')} and {number(len(failed), 'folder')} were not restored"
        raise Incomplete(
            f'account "{target}": {what}', "the reasons stand above; run again to try them again"
        )
