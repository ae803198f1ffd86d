"""archiver show: show one message."""

import os
import sys
from pathlib import Path

import click

from archiver.cli.output import print_json, size
from archiver.cli.session import Session, archive_option, catalogs, passphrase_option, shared_options
from archiver.errors import StoreFailed
from archiver.formats.message import Attachment, attachments, body, headers
from archiver.ops.read import find_one

SHOWN = ("from", "to", "cc", "date", "subject")


@click.command("show")
@click.argument("message_id", metavar="ID")
@click.option("--headers", "all_headers", is_flag=True, help="All header fields alone.")
@click.option("--html", is_flag=True, help="The HTML text instead of the plain one.")
@click.option("--raw", is_flag=True, help="The message itself, byte for byte.")
@click.option("--save-attachments", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@archive_option
@passphrase_option
@shared_options
def command(
    session: Session,
    message_id: str,
    all_headers: bool,
    html: bool,
    raw: bool,
    folder: Path | None,
    archive_name: str | None,
    passphrase_command: str | None,
) -> None:
    """Show a message; ID is what `list` shows, or the beginning of it.

    \b
      archiver show 3f0c7b1e9a5d
      archiver show 3f0c --raw > message.eml
    """
    archive = session.unlocked(session.archive_settings(archive_name), passphrase_command)
    with catalogs(archive) as opened:
        catalog, entry = find_one(message_id, opened.values())
        found = archive.reader(catalog).read(entry)
    if folder is not None:
        _save(session, found, folder)
    elif session.json:
        _print_document(entry.digest, found)
    elif raw:
        sys.stdout.buffer.write(found)
    elif all_headers:
        click.echo("\n".join(f"{name}: {value}" for name, value in headers(found)))
    else:
        _print(found, html=html)


def _print(raw: bytes, *, html: bool) -> None:
    for name, value in headers(raw):
        if name.lower() in SHOWN:
            click.echo(f"{name}: {value}")
    click.echo()
    text = body(raw, "html") if html else body(raw) or body(raw, "html")
    click.echo(text if text is not None else "(no text)")
    for attachment in attachments(raw):
        click.echo(
            f"[attachment {attachment.name}, {attachment.content_type}, {size(len(attachment.content))}]"
        )


def _print_document(digest: str, raw: bytes) -> None:
    print_json(
        {
            "type": "message",
            "id": digest,
            "size": len(raw),
            "headers": [{"name": name, "value": value} for name, value in headers(raw)],
            "text": body(raw),
            "html": body(raw, "html"),
            "attachments": [
                {"name": one.name, "content_type": one.content_type, "size": len(one.content)}
                for one in attachments(raw)
            ],
        }
    )


def _save(session: Session, raw: bytes, folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attachment in attachments(raw):
            path = _write_new(folder, attachment)
            session.say(f"saved {path}")
    except OSError as error:
        raise StoreFailed(
            f'"{folder}" cannot be written: {error.strerror}', "check its space and rights"
        ) from error


def _write_new(folder: Path, attachment: Attachment) -> Path:
    """Write under the attachment's name, or the first `name-2`, `name-3` that is free."""
    name = Path(os.fsdecode(attachment.name.encode("utf-8", "replace")))  # UTF-8 in any locale
    number = 1
    while True:
        path = folder / (name.name if number == 1 else f"{name.stem}-{number}{name.suffix}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(descriptor, "wb") as out:
            out.write(attachment.content)
        return path
