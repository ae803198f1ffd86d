"""archiver export: write plain files that any program opens."""

from pathlib import Path
from typing import Any, cast

import click

from archiver.cli.choose import account_catalogs, chosen, filter_options
from archiver.cli.kinds import FILES, ITEMS
from archiver.cli.names import account_names
from archiver.cli.output import number, print_json, size
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.errors import Damaged
from archiver.model import Entry
from archiver.ops.export import Target, export
from archiver.ops.read import list_messages

TARGETS = ("mbox", "maildir", "eml", "ics", "vcf", "txt")


@click.command("export")
@click.argument("name", shell_complete=account_names)
@click.option("--to", "target", type=click.Choice(TARGETS), required=True)
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@filter_options
@passphrase_option
@shared_options
def command(
    session: Session, name: str, target: str, path: Path, passphrase_command: str | None, **options: Any
) -> None:
    """Write archived messages of an account as plain files below PATH, a new or empty folder.

    mbox: one mboxrd file a folder; maildir: a Maildir++ tree; eml: one file a message, byte for byte. Of Exchange:
    ics: one calendar a folder of events or tasks; vcf: one file an address book; txt: one file a note.

    \b
      archiver export work --to mbox ~/mail
      archiver export work --to ics ~/calendars
      archiver export work --to eml ~/from-bob --from bob --since 2024-01-01
    """
    wanted = chosen(options)
    archive = session.unlocked(session.archive_of(name), passphrase_command)
    with account_catalogs(session, archive, name, wanted.as_of) as catalogs, session.progress() as progress:
        session.warn_unmatched(wanted.filter.folders, {folder.name for folder in catalogs.folders()})
        reader = archive.reader(catalogs)
        entries: list[Entry] = list(wanted.filter.apply(catalogs.entries()))
        if wanted.sender is not None:
            entries = [one.entry for one in list_messages(entries, reader, wanted.sender)]
        progress.expect(len(entries), sum(entry.size for entry in entries))
        report = export(
            entries, reader, cast("Target", target), path, progress, records=catalogs.hold_records()
        )
    if session.json:
        print_json(
            {
                "type": "exported",
                "path": report.path,
                "to": target,
                "messages": report.messages,
                "size": report.size,
                "unreadable": report.unreadable,
                "older": report.older,
                "left_out": {kind.value: count for kind, count in report.left_out.items()},
            }
        )
    session.say(f"exported {number(report.messages, 'message')} ({size(report.size)}) to {report.path}")
    if report.older:
        session.say(f"note: {number(report.older, 'former version')} of items left out")
    for kind, count in report.left_out.items():
        remedy = f"--to {FILES[kind]}" if FILES.get(kind, target) != target else "--to eml"
        session.say(
            f"note: {count:,} {ITEMS.get(kind, 'mails')} left out, as {target} is not for them: {remedy}"
        )
    if report.unreadable:
        raise Damaged(
            f"{number(report.unreadable, 'message')} could not be read and are left out",
            "run: archiver verify",
        )
