"""archiver init: make an archive."""

from pathlib import Path
from typing import Literal

import click

from archiver import wiring
from archiver.cli.output import print_json, say
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.config import ArchiveSettings, add_archive
from archiver.errors import UsageError
from archiver.secrets import new_passphrase


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="What the configuration calls it; the folder's name if not given.")
@click.option("--layout", type=click.Choice(["mbox", "maildir"]), default="mbox", show_default=True)
@click.option("--recipient", "recipients", multiple=True, metavar="age1…", help="One more who can read it.")
@click.option("--long", is_flag=True, help="Look for repetition over 128 MiB: smaller, slower, more memory.")
@passphrase_option
@shared_options
def command(
    session: Session,
    folder: Path,
    name: str | None,
    layout: str,
    recipients: tuple[str, ...],
    long: bool,
    passphrase_command: str | None,
) -> None:
    """Make an archive in a new or empty FOLDER, and show its recovery line, once.

    \b
      archiver init ~/mail-archive
      archiver init /mnt/nas/mail --name nas --layout maildir
    """
    folder = folder.expanduser().absolute()
    name = name or folder.name
    if name in session.settings.archives:
        raise UsageError(
            f'there is an archive "{name}" already in "{session.config}"', "choose another: --name NAME"
        )
    compression: Literal["default", "long"] = "long" if long else "default"
    settings = ArchiveSettings(name=name, path=folder, compression=compression)
    passphrase = new_passphrase(name, command=passphrase_command)
    archive, owner = wiring.new_archive(settings, layout, passphrase, recipients)
    add_archive(session.config, name, {"path": str(folder), "compression": "long" if long else None})
    if session.json:
        print_json(
            {
                "type": "archive-made",
                "name": name,
                "path": str(folder),
                "archive": archive.root.archive,
                "layout": layout,
                "owner": owner.public_key,
                "recipient": owner.recipient,
                "recovery_line": owner.line.reveal(),
            }
        )
        return
    say(f'made archive "{name}" in {folder}, layout {layout}')
    say(
        "Write this line down and keep it apart from the archive. It opens everything, without the passphrase,"
    )
    say("and it is the only way in if the passphrase is forgotten:")
    click.echo(owner.line.reveal())
    say(f"The owner's public key, to compare with when recovering by hand: {owner.public_key}")
    say("next: archiver account add NAME --imap HOST --user USER")
