"""archiver key: the owner key."""

from contextlib import suppress

import click

from archiver.cli.output import print_json, say
from archiver.cli.session import Session, Subcommands, archive_option, passphrase_option, shared_options
from archiver.errors import ConfigInvalid
from archiver.secrets import forget_passphrase, new_passphrase, owner_passphrase, remember_passphrase


@click.group("key", cls=Subcommands)
def command() -> None:
    """Show the owner key, change its passphrase, keep the passphrase in the keyring."""


@command.command("show")
@archive_option
@passphrase_option
@shared_options
def show(session: Session, archive_name: str | None, passphrase_command: str | None) -> None:
    """Print the recovery line again, and the public keys."""
    settings = session.archive_settings(archive_name)
    archive = session.archive(settings)
    passphrase = owner_passphrase(archive.root.archive, settings.name, command=passphrase_command)
    owner = archive.unlock(passphrase)
    if session.json:
        print_json(
            {
                "type": "key",
                "archive": archive.root.archive,
                "owner": owner.public_key,
                "recipient": owner.recipient,
                "recovery_line": owner.line.reveal(),
            }
        )
        return
    say(f"public key {owner.public_key}, recipient {owner.recipient}; the recovery line, to be kept secret:")
    click.echo(owner.line.reveal())


@command.command("passphrase")
@archive_option
@passphrase_option
@click.option("--new-passphrase-command", metavar="COMMAND", help="Prints the new passphrase.")
@shared_options
def passphrase(
    session: Session,
    archive_name: str | None,
    passphrase_command: str | None,
    new_passphrase_command: str | None,
) -> None:
    """Change the passphrase; the old one, or the recovery line, is asked for first."""
    settings = session.archive_settings(archive_name)
    archive = session.unlocked(settings, passphrase_command)
    archive.change_passphrase(new_passphrase(settings.name, command=new_passphrase_command, replacing=True))
    with suppress(ConfigInvalid):  # without a keyring nothing was remembered
        if forget_passphrase(archive.root.archive):
            session.say("the keyring held the old passphrase; keep the new one with: archiver key remember")
    if session.json:
        print_json({"type": "passphrase-changed", "archive": archive.root.archive})
    session.say("changed; a copy of the archive made before opens with the old passphrase still")


@command.command("remember")
@archive_option
@passphrase_option
@shared_options
def remember(session: Session, archive_name: str | None, passphrase_command: str | None) -> None:
    """Keep the passphrase in the desktop's keyring, after trying it."""
    settings = session.archive_settings(archive_name)
    archive = session.archive(settings)
    given = owner_passphrase(archive.root.archive, settings.name, command=passphrase_command)
    archive.unlock(given)
    remember_passphrase(archive.root.archive, given)
    if session.json:
        print_json({"type": "passphrase-remembered", "archive": archive.root.archive})
    session.say("the keyring holds the passphrase now; take it out with: archiver key forget")


@command.command("forget")
@archive_option
@shared_options
def forget(session: Session, archive_name: str | None) -> None:
    """Take the passphrase out of the keyring."""
    archive = session.archive(session.archive_settings(archive_name))
    held = forget_passphrase(archive.root.archive)
    if session.json:
        print_json({"type": "passphrase-forgotten", "archive": archive.root.archive, "held": held})
    session.say("forgotten" if held else "the keyring did not hold it")
