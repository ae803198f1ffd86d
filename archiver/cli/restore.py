"""archiver restore: put archived mail onto a server."""

from contextlib import ExitStack
from functools import partial
from typing import Any

import click

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.archive.writer import ChainOwner
from archiver.catalog.several import SeveralCatalogs
from archiver.cli.choose import Chosen, account_catalogs, chosen, filter_options
from archiver.cli.kinds import FILES, ITEMS
from archiver.cli.names import account_names
from archiver.cli.output import number, print_json, size
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.cli.stop import stoppable
from archiver.errors import Damaged, Incomplete, RefusedForSafety, UsageError
from archiver.model import Entry
from archiver.ops.read import list_messages
from archiver.ops.restore import Restore
from archiver.ops.restoring import FolderRestored, Left, Restoring
from archiver.plan.restore import before_prune, once
from archiver.ports import Run


@click.command("restore")
@click.argument("name", shell_complete=account_names)
@click.option(
    "--to",
    "target_name",
    metavar="ACCOUNT",
    help="Another account than the one it came from.",
    shell_complete=account_names,
)
@click.option("--into", metavar="FOLDER", help="Below this folder, which is made if need be.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="These messages alone, as list shows them.")
@click.option("--vanished", is_flag=True, help="Also what the server no longer had when it was last pulled.")
@click.option(
    "--pruned", type=click.IntRange(1), metavar="RUN", help="What this prune removed from the server."
)
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
    pruned: int | None,
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
      archiver restore work --pruned 17
    """
    wanted = chosen(options)
    if pruned is not None and wanted.as_of is not None:
        raise UsageError(
            "--pruned and --as-of exclude each other", "a pruned run is put back as it was before it"
        )
    target = session.settings.account(target_name or name)
    archive = session.unlocked(session.archive_of(name), passphrase_command)
    account = wiring.open_target(target, session.say)
    with ExitStack() as stack:
        stack.callback(account.close)
        run = None if dry_run else _ledger(stack, session, archive, name)
        as_of = wanted.as_of if pruned is None else str(pruned - 1)  # as it was before that run
        catalogs = stack.enter_context(account_catalogs(session, archive, name, as_of))
        now = catalogs
        if as_of is not None:  # what was restored since is known today alone
            now = stack.enter_context(account_catalogs(session, archive, name, None))
        session.warn_unmatched(wanted.filter.folders, {folder.name for folder in catalogs.folders()})
        reader = archive.reader(catalogs)
        entries = _entries(catalogs, wanted, ids, vanished=vanished)
        if pruned is not None:
            entries = _before_prune(entries, now, name, pruned)
        if wanted.sender is not None:
            entries = [one.entry for one in list_messages(entries, reader, wanted.sender)]
        if not entries:
            session.say(
                "nothing to restore: see what is archived with: archiver list; --vanished takes in more"
            )
        same = target.name == name
        restore = Restore(
            Restoring(
                account=target.name,
                target=account,
                reader=reader,
                ledger=partial(now.ledger, target.name, same=same),
                run=run,
                reporter=stack.enter_context(session.progress()),
                stop=stack.enter_context(stoppable()),
                same=same,
                into=into,
                dry=dry_run,
                records=catalogs.hold_records(),
            )
        )
        try:
            restore(entries, catalogs.folders())
        except BaseException:
            stack.close()
            if restore.reports:
                _tell(session, name, target.name, restore, dry=dry_run)
            raise
    _tell(session, name, target.name, restore, dry=dry_run)
    _check(target.name, restore.reports)


def _entries(
    catalogs: SeveralCatalogs, wanted: Chosen, ids: tuple[str, ...], *, vanished: bool
) -> list[Entry]:
    entries = wanted.filter.apply(catalogs.entries())
    if not ids:
        return once(entries, vanished=vanished)
    beginnings = tuple(one.lower() for one in ids)
    found = once((entry for entry in entries if entry.digest.startswith(beginnings)), vanished=True)
    for one in beginnings:
        if len(one) < 4:
            raise UsageError(f'"{one}" is not the id of a message', "ids are shown by: archiver list NAME")
        digests = {entry.digest for entry in found if entry.digest.startswith(one)}
        if not digests:
            raise UsageError(f'no archived message has the id "{one}"', "look it up: archiver list NAME")
        if len(digests) > 1:
            raise UsageError(f'"{one}" is the beginning of {len(digests)} ids', "type more of it")
    there = {entry.digest for entry in found if not entry.vanished}
    return [entry for entry in found if vanished or not entry.vanished or entry.digest not in there]


def _before_prune(entries: list[Entry], now: SeveralCatalogs, name: str, run: int) -> list[Entry]:
    found = before_prune(entries, now.entries(), run)
    if found is None:
        pruned = sorted({entry.pruned for entry in now.entries() if entry.pruned is not None})
        raise UsageError(
            f"run {run} removed nothing from the server",
            f"these did: {', '.join(map(str, pruned[-10:]))}"
            if pruned
            else f'nothing of account "{name}" was ever pruned',
        )
    return found


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


def _tell(session: Session, name: str, target: str, restore: Restore, *, dry: bool) -> None:
    reports = restore.reports
    if session.json:
        documents = [_document(one) for one in reports]
        left_out = [
            {"folder": one.folder, "kind": one.kind.value, "messages": one.messages}
            for one in restore.left_out
        ]
        print_json(
            {
                "type": "restored",
                "account": target,
                "dry_run": dry,
                "folders": documents,
                "left_out": left_out,
            }
        )
        return
    for kind, what in ITEMS.items():
        count = sum(one.messages for one in restore.left_out if one.kind is kind)
        if count:
            session.say(
                f'note: account "{target}" takes no {what}: {count:,} left out; '
                f"as files: archiver export {name} --to {FILES[kind]} PATH"
            )
    for one in reports if dry else ():
        session.say(f"{one.target}: {one.appended:,} to restore, {one.there:,} there already")
    new, there = sum(one.appended for one in reports), sum(one.there for one in reports)
    text = f"{number(new, 'message')} {'to restore' if dry else 'restored'}"
    text += f" ({size(sum(one.size for one in reports))}), {there:,} there already"
    altered = sum(len(one.altered) for one in reports)
    text += f", {altered:,} not in all as archived: see above" if altered else ""
    session.say(f"{target}: {text}")


def _document(report: FolderRestored) -> dict[str, object]:
    return {
        "sources": report.sources,
        "folder": report.target,
        "restored": report.appended,
        "size": report.size,
        "there": report.there,
        "altered": [_left(one) for one in report.altered],
        "refused": [_left(one) for one in report.refused],
        "unreadable": [_left(one) for one in report.unreadable],
        "error": report.error,
    }


def _left(left: Left) -> dict[str, str]:
    return {"sha256": left.sha256, "reason": left.reason}


def _check(target: str, reports: list[FolderRestored]) -> None:
    unreadable = sum(len(one.unreadable) for one in reports)
    left = unreadable + sum(len(one.refused) for one in reports)
    failed = sum(one.error is not None for one in reports)
    if not left and not failed:
        return
    parts = [number(left, "message")] * bool(left) + [number(failed, "folder")] * bool(failed)
    what = f'account "{target}": {" and ".join(parts)} {"was" if left + failed == 1 else "were"} not restored'
    if unreadable:
        raise Damaged(what)
    raise Incomplete(what, "the reasons stand above; run again to try them again")
