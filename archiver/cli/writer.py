"""archiver writer: which machines may write to an archive."""

import click

from archiver import wiring
from archiver.cli.output import print_json, print_table
from archiver.cli.session import Session, Subcommands, archive_option, passphrase_option, shared_options


@click.group("writer", cls=Subcommands)
def command() -> None:
    """List the machines that may write to an archive, and let this one in."""


@command.command("list")
@archive_option
@shared_options
def list_(session: Session, archive_name: str | None) -> None:
    """List the machines that may write. Needs no passphrase."""
    root = session.archive(session.archive_settings(archive_name)).root
    if session.json:
        writers = [{"name": one.name, "public_key": one.public_key} for one in root.writers]
        print_json({"type": "writers", "writers": writers})
        return
    print_table([(one.name, one.public_key) for one in root.writers], ("NAME", "PUBLIC KEY"))


@command.command("add")
@click.option("--name", help="What to call this machine; its host name if not given.")
@archive_option
@passphrase_option
@shared_options
def add(session: Session, name: str | None, archive_name: str | None, passphrase_command: str | None) -> None:
    """Let this machine write: the owner signs a new root that names its key."""
    archive = session.unlocked(session.archive_settings(archive_name), passphrase_command)
    writer = archive.add_writer(name or wiring.machine_name(), wiring.now)
    if session.json:
        print_json({"type": "writer-added", "name": writer.name, "public_key": writer.public_key})
    session.say(f'this machine may write as "{writer.name}"')
