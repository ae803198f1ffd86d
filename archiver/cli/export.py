"""archiver export: write plain files that any mail program opens."""

from pathlib import Path
from typing import Any, cast

import click

from archiver.cli.choose import account_catalogs, chosen, filter_options
from archiver.cli.names import account_names
from archiver.cli.output import number, print_json, size
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.errors import Damaged
from archiver.model import Entry
from archiver.ops.export import Target, export
from archiver.ops.read import list_messages


@click.command("export")
@click.argument("name", shell_complete=account_names)
@click.option("--to", "target", type=click.Choice(["mbox", "maildir", "eml"]), required=True)
@click.argument("path", type=click.Path(path_type=Path, file_okay=False))
@filter_options
@passphrase_option
@shared_options
def command(
    session: Session, name: str, target: str, path: Path, passphrase_command: str | None, **options: Any
) -> None:
    """Write archived messages of an account as plain files below PATH, a new or empty folder.

    mbox: one mboxrd file a folder; maildir: a Maildir++ tree; eml: one file a message, byte for byte.

    \b
      archiver export work --to mbox ~/mail
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
        report = export(entries, reader, cast("Target", target), path, progress)
    if session.json:
        print_json(
            {
                "type": "exported",
                "path": report.path,
                "to": target,
                "messages": report.messages,
                "size": report.size,
                "unreadable": report.unreadable,
            }
        )
    session.say(f"exported {number(report.messages, 'message')} ({size(report.size)}) to {report.path}")
    if report.unreadable:
        raise Damaged(
            f"{number(report.unreadable, 'message')} could not be read and are left out",
            "run: archiver verify",
        )
