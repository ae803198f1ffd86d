"""archiver init: make an archive."""

import re
from pathlib import Path
from typing import Literal

import click

from archiver import wiring
from archiver.archive.keys import KeyPair
from archiver.cli.output import print_json, say
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.config import ArchiveSettings, add_archive, check_archive
from archiver.errors import RefusedForSafety, UsageError
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
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-._")[:64] or "archive"
    compression: Literal["default", "long"] = "long" if long else "default"
    settings = ArchiveSettings(name=name, path=folder, compression=compression)
    _check_free(session, settings)
    if name in session.settings.archives:
        raise UsageError(
            f'there is an archive "{name}" already in "{session.config}"', "choose another: --name NAME"
        )
    keys = {"path": str(folder), "compression": "long" if long else None}
    check_archive(session.config, name, keys)
    passphrase = new_passphrase(name, command=passphrase_command)
    archive, owner = wiring.new_archive(settings, layout, passphrase, recipients)
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
    else:
        _tell(name, folder, layout, owner)
    add_archive(session.config, name, keys)  # last: the line must be shown whatever becomes of the file
    session.say("next: archiver account add NAME --imap HOST --user USER")


def _check_free(session: Session, settings: ArchiveSettings) -> None:
    """Look before a passphrase is asked for."""
    try:
        wiring.check_free(settings)
    except RefusedForSafety as error:
        if (settings.path / "root").is_dir():
            raise RefusedForSafety(
                f'there is an archive in "{settings.path}" already',
                f'choose another folder; to use that one, write into "{session.config}":\n'
                f'  [archive.{settings.name}]\n  path = "{settings.path}"',
            ) from error
        raise


def _tell(name: str, folder: Path, layout: str, owner: KeyPair) -> None:
    """Show the recovery line on stdout, and what it is for beside it."""
    say(f'made archive "{name}" in "{folder}", layout {layout}')
    say("Write the next line down and keep it apart from the archive. It opens everything")
    say("without the passphrase, and is the only way in if that is forgotten:")
    click.echo(owner.line.reveal())
    say("The public key of the owner, to compare with when recovering by hand:")
    say(owner.public_key)
