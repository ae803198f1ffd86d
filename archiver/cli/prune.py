"""archiver prune: free space on the server, by removing what is proven to be archived."""

from contextlib import ExitStack
from datetime import datetime
from typing import Any

import click
import msgspec

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.archive.writer import ChainOwner
from archiver.catalog.sqlite import SqliteCatalog
from archiver.cli.consent import agree, yes_option
from archiver.cli.names import account_names, folder_names, folders_option
from archiver.cli.nice import nice_option
from archiver.cli.notified import notify_option
from archiver.cli.output import number, print_json, say, size
from archiver.cli.patience import retry_lock_option
from archiver.cli.progress import Progress
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.cli.stop import Stop, stoppable
from archiver.config import AccountSettings
from archiver.config.settings import PruneSettings
from archiver.errors import Incomplete, RefusedForSafety, UsageError
from archiver.model import Folder, Head
from archiver.ops.prune import FolderPlan, FolderPruned, Pruning, Removal, plan
from archiver.plan.prune import CHOICE, HALF, Policy, brakes
from archiver.plan.pull import Selection
from archiver.plan.select import parse_share, parse_size, parse_time
from archiver.ports import Run, Source

GRACE_OF_SCHEDULE = "7d"


@click.command("prune")
@click.argument("name", shell_complete=account_names)
@click.option("--older-than", metavar="AGE", help="Received longer ago than 30d, 6m, 1y, or before a date.")
@click.option("--larger-than", metavar="SIZE", help="Larger than 300K, 5M, 2G.")
@click.option("--keep-last", type=click.IntRange(1), metavar="N", help="Not the last N messages of a folder.")
@folders_option("In these folders alone.")
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Not in these folders.", shell_complete=folder_names
)
@click.option("--flagged", is_flag=True, help="Flagged messages too.")
@click.option("--drafts", is_flag=True, help="Drafts too.")
@click.option("--unread", is_flag=True, help="Unread messages too.")
@click.option("--refetch", is_flag=True, help="Fetch each message again, and compare all of it.")
@click.option("--grace", metavar="AGE", help="Not what was archived less than this ago: 12h, 7d.")
@click.option("--trash", metavar="FOLDER", help="Move to this folder, not to the server's Trash.")
@click.option("--expunge", is_flag=True, help="Remove for good, not to the Trash.")
@click.option("--allow-empty", multiple=True, metavar="FOLDER", help="This folder may end up empty.")
@click.option("--max-share", metavar="PERCENT", help="Refuse to take more of the account; 50% if not given.")
@click.option("--scheduled", is_flag=True, help="Only as far as the configuration lets a schedule prune.")
@click.option("--dry-run", is_flag=True, help="Show the plan alone.")
@yes_option
@passphrase_option
@shared_options
@notify_option("prune")
@retry_lock_option
@nice_option
def command(
    session: Session,
    name: str,
    scheduled: bool,
    dry_run: bool,
    yes: bool,
    passphrase_command: str | None,
    lock_s: float,
    **options: Any,
) -> None:
    """Free space on the server: move what is proven to be archived to its Trash.

    Every message is read back from the archive first, and stays if anything about it is in doubt; so do flagged
    and unread messages and drafts. The plan is shown, and asked for. What to remove is said by --older-than,
    --larger-than and --keep-last, or by [account.NAME.prune] of the configuration.

    \b
      archiver prune work --older-than 1y --dry-run
      archiver prune work --older-than 1y --larger-than 5M --folder 'Archive/*'
      archiver restore work --pruned 17
    """
    settings = session.settings.account(name)
    rules = _rules(settings, options)
    if scheduled:
        rules = _scheduled(settings, rules)
    policy = _policy(rules, wiring.now().astimezone())
    archive_settings = session.settings.archive(settings.archive)
    archive = session.unlocked(archive_settings, passphrase_command)
    with ExitStack() as stack:
        stack.enter_context(archive.lock(name, lock_s))
        stop = stack.enter_context(stoppable())
        source = wiring.open_source(settings, session.say)
        stack.callback(source.close)
        with session.progress() as progress:
            work = _work(stack, archive, settings, rules, policy, source, progress, stop)
            plans = plan(work)
        session.warn_unmatched((*rules.folders, *rules.exclude), {one.folder.name for one in plans})
        _tell_plan(session, name, plans, work.to, dry=dry_run)
        _check_brakes(work, plans, rules, dry=dry_run)
        count = sum(len(one.removable) for one in plans)
        if dry_run or not count:
            _raise_for(name, plans, [])
            return
        stop.begin()  # an interrupt at the question ends it at once
        where = f'move them to "{work.to.name}"' if work.to else "remove them for good"
        agree(f'{number(count, "message")} of account "{name}": {where}?', yes=yes or scheduled)
        run = _run(stack, archive, settings, archive_settings.compression)
        reports = _remove(session, work, run, plans)
    _raise_for(name, plans, reports)


def _check_brakes(work: Pruning, plans: list[FolderPlan], rules: PruneSettings, *, dry: bool) -> None:
    held = sum(state.held for state in work.held.folders())
    share = HALF if rules.max_share is None else rules.max_share
    found = brakes([one.cut for one in plans], held, allow_empty=rules.allow_empty, max_share=share)
    for objection in found:
        say(f"{'note: would be refused' if dry else 'refused'}: {objection}")
    if found and not dry:
        raise RefusedForSafety(
            f"the plan takes too much to be meant: {found[0]}"
            + (f", and {len(found) - 1} more, see above" if len(found) > 1 else ""),
            "look at it with --dry-run; if it is right, say so with the options named above",
        )


def _remove(session: Session, work: Pruning, run: Run, plans: list[FolderPlan]) -> list[FolderPruned]:
    entries = [entry for one in plans for entry in one.removable]
    with session.progress() as progress:
        progress.expect(len(entries), sum(entry.size for entry in entries))
        removal = Removal(msgspec.structs.replace(work, reporter=progress), run, plans)
        try:
            return removal()
        finally:
            progress.clear()
            _tell(session, work.account, removal, work.to, run.head)


def _rules(settings: AccountSettings, options: dict[str, Any]) -> PruneSettings:
    """Put what was typed over what is configured; who types what to remove, types all of it."""
    chosen = ("older_than", "larger_than", "keep_last", "folders", "exclude")
    rules = settings.prune
    if any(options[key] for key in chosen):
        rules = msgspec.structs.replace(
            rules, older_than=None, larger_than=None, keep_last=None, folders=(), exclude=()
        )
    typed = {key: value for key, value in options.items() if value}
    if "larger_than" in typed:
        typed["larger_than"] = parse_size(typed["larger_than"])
    if "max_share" in typed:
        typed["max_share"] = parse_share(typed["max_share"])
    if "trash" in typed and "expunge" not in typed:
        typed["expunge"] = False
    rules = msgspec.structs.replace(rules, **typed)
    if rules.older_than is None and rules.larger_than is None and rules.keep_last is None:
        raise UsageError(
            f'nothing says which messages of account "{settings.name}" to remove',
            f"say it: archiver prune {settings.name} --older-than 1y --dry-run",
        )
    if rules.expunge and options["trash"]:
        raise UsageError("--expunge contradicts --trash", "keep one of them")
    return rules


def _scheduled(settings: AccountSettings, rules: PruneSettings) -> PruneSettings:
    if not settings.prune.scheduled:
        raise RefusedForSafety(
            f'the configuration does not let a schedule prune account "{settings.name}"',
            f"allow it with scheduled = true in [account.{settings.name}.prune]",
        )
    return msgspec.structs.replace(rules, grace=rules.grace or GRACE_OF_SCHEDULE)


def _policy(rules: PruneSettings, now: datetime) -> Policy:
    return Policy(
        before=parse_time(rules.older_than, now) if rules.older_than else None,
        larger=rules.larger_than,
        last=rules.keep_last or 0,
        settled=parse_time(rules.grace, now) if rules.grace else None,
        flagged=rules.flagged,
        drafts=rules.drafts,
        unread=rules.unread,
        refetch=rules.refetch,
    )


def _work(
    stack: ExitStack,
    archive: Archive,
    settings: AccountSettings,
    rules: PruneSettings,
    policy: Policy,
    source: Source,
    progress: Progress,
    stop: Stop,
) -> Pruning:
    held = SqliteCatalog()
    stack.callback(held.close)
    times = archive.replay_verified(archive.chain(archive.chain_of(settings.name)), held)
    if not times:
        raise UsageError(
            f'nothing is archived of account "{settings.name}" by this machine',
            f"pull it: archiver pull {settings.name}",
        )
    return Pruning(
        account=settings.name,
        source=source,
        held=held,
        times=times,
        reader=archive.reader(held),
        policy=policy,
        takes=Selection(rules.folders, rules.exclude).takes_folder,
        to=None if rules.expunge else _trash(settings, rules, source),
        reporter=progress,
        stop=stop,
        named=frozenset(rules.folders),
        records=settings.kind == "exchange",
    )


def _trash(settings: AccountSettings, rules: PruneSettings, source: Source) -> Folder:
    if rules.trash is not None:
        for folder in source.folders():
            if folder.name == rules.trash:
                return folder
        raise UsageError(
            f'account "{settings.name}" has no folder "{rules.trash}"',
            f"see: archiver folders {settings.name}",
        )
    found = source.trash()
    if found is None:
        raise RefusedForSafety(
            f'the server of account "{settings.name}" does not tell which folder is its Trash',
            "name one: --trash FOLDER; or remove for good: --expunge",
        )
    return found


def _run(stack: ExitStack, archive: Archive, settings: AccountSettings, compression: str) -> Run:
    chain = archive.chain(archive.chain_of(settings.name))
    catalog = wiring.open_catalog(archive, chain)
    stack.callback(catalog.close)
    owner = ChainOwner(settings.name, settings.kind)
    return stack.enter_context(archive.begin(owner, chain, catalog, compression, wiring.now))


def _tell_plan(session: Session, name: str, plans: list[FolderPlan], to: Folder | None, *, dry: bool) -> None:
    if session.json:
        folders = [_plan_document(one) for one in plans]
        print_json(
            {
                "type": "prune-plan",
                "account": name,
                "dry_run": dry,
                "to": to.name if to else None,
                "folders": folders,
            }
        )
        return
    for one in plans:
        if not one.held and not one.error:
            continue
        stays = [f"{len(entries):,} {why.value}" for why, entries in one.kept.items()]
        stays += [f"{one.missed:,} never archived"] if one.missed else []
        text = f"{len(one.removable):,} of {number(one.held, 'message')} to remove"
        text = one.error or text + (f"; what stays: {', '.join(stays)}" if stays else "")
        session.say(f"{one.folder.name}: {text}")
    count = sum(len(one.removable) for one in plans)
    length = sum(entry.size for one in plans for entry in one.removable)
    kept = sum(len(entries) for one in plans for entries in one.kept.values())
    where = f'to move to "{to.name}"' if to else "to remove for good"
    session.say(f"{name}: {number(count, 'message')} ({size(length)}) {where}; {kept:,} stay")


def _plan_document(one: FolderPlan) -> dict[str, Any]:
    decided = [(entry, None) for entry in one.removable]
    guarded = [(entry, why.value) for why, some in one.kept.items() if why not in CHOICE for entry in some]
    return {
        "folder": one.folder.name,
        "held": one.held,
        "on_server": one.evidence.looked.exists,
        "missed": one.missed,
        "removable": len(one.removable),
        "size": sum(entry.size for entry in one.removable),
        "kept": {why.value: len(some) for why, some in one.kept.items()},
        "messages": [
            {"sha256": entry.digest, "key": entry.ref.key, "kept": why} for entry, why in (*decided, *guarded)
        ],
        "error": one.error,
    }


def _tell(session: Session, name: str, removal: Removal, to: Folder | None, head: Head) -> None:
    reports = removal.reports
    pruned = {
        "account": name,
        "run": removal.intent,
        "head": {"seq": head.seq, "sha256": head.sha256},
        "to": to.name if to else None,
        "folders": [_document(one) for one in reports],
    }
    session.details.append(pruned)
    if session.json:
        print_json({"type": "pruned", **pruned})
        return
    for one in reports:
        for digest, reason in (*one.kept, *one.refused):
            session.say(f"{one.folder}: message {digest[:12]} stays: {reason}")
    count, length = sum(one.removed for one in reports), sum(one.size for one in reports)
    where = f'moved to "{to.name}"' if to else "removed for good"
    text = f"{name}: {number(count, 'message')} ({size(length)}) {where}"
    unknown = sum(one.unknown for one in reports)
    text += f"; of {unknown:,} the outcome is not known: archiver pull {name} finds it out" if unknown else ""
    session.say(text)
    if count:
        session.say(
            f"they stay archived; to put them back: archiver restore {name} --pruned {removal.intent}"
        )


def _document(one: FolderPruned) -> dict[str, Any]:
    return {
        "folder": one.folder,
        "removed": one.removed,
        "size": one.size,
        "kept": [{"sha256": digest, "reason": reason} for digest, reason in one.kept],
        "refused": [{"sha256": digest, "reason": reason} for digest, reason in one.refused],
        "unknown": one.unknown,
        "error": one.error,
    }


def _raise_for(name: str, plans: list[FolderPlan], reports: list[FolderPruned]) -> None:
    failed = [one.folder.name for one in plans if one.error] + [one.folder for one in reports if one.error]
    refused = sum(len(one.refused) + one.unknown for one in reports)
    if not failed and not refused:
        return
    parts = [f"{number(refused, 'message')} not removed"] * bool(refused)
    parts += [f"{number(len(failed), 'folder')} not pruned"] * bool(failed)
    raise Incomplete(
        f'account "{name}": {", ".join(parts)}', "the reasons stand above; nothing that stayed was harmed"
    )
