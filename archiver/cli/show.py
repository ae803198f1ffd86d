"""archiver show: show one message."""

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from archiver.cli.output import print_json, say, shown, size
from archiver.cli.session import Session, archive_option, catalogs, passphrase_option, shared_options
from archiver.errors import Damaged, StoreFailed
from archiver.formats.item_text import fields
from archiver.formats.message import Attachment, attachments, body, headers, safe_name
from archiver.formats.record import Record, is_record, unpack
from archiver.model import Kind
from archiver.ops.read import find_one

SHOWN = ("from", "to", "cc", "date", "subject")


@click.command("show")
@click.argument("message_id", metavar="ID")
@click.option("--headers", "all_headers", is_flag=True, help="All header fields alone.")
@click.option("--html", is_flag=True, help="The HTML text instead of the plain one.")
@click.option("--raw", is_flag=True, help="The message itself, byte for byte; of Exchange, its record.")
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
    """Show a message, an event, a contact, a task or a note; ID is what `list` shows, or the beginning of it.

    \b
      archiver show 3f0c7b1e9a5d
      archiver show 3f0c --raw > message.eml
    """
    archive = session.unlocked(session.archive_settings(archive_name), passphrase_command)
    with catalogs(archive) as opened:
        catalog, entry = find_one(message_id, opened.values())
        found = archive.reader(catalog).read(entry)
        header = catalog.header()
    sight = _sight(found, records=header is not None and header.kind == "exchange")
    if folder is not None:
        _save(session, sight, folder)
    elif session.json:
        _print_document(entry.digest, entry.kind, len(found), sight)
    elif raw:
        sys.stdout.buffer.write(found)
    elif all_headers:
        click.echo("\n".join(f"{name}: {value}" for name, value in headers(sight.raw)))
    elif sight.record is not None and sight.record.details.item is not None and not html:
        _print_item(sight)
    else:
        _print(sight, html=html)


class _Sight(Struct):
    """What is shown: the message, or the mail within a record; of another item, the record and its files."""

    raw: bytes
    record: Record | None = None

    @property
    def attachments(self) -> list[Attachment]:
        """Give the files of the message, or of the item; their names are harmless."""
        if self.record is None:
            return list(attachments(self.raw))
        return [
            Attachment(safe_name(one.name, f"part-{number}"), one.media_type, one.content)
            for number, one in enumerate(self.record.files, 1)
        ]


def _sight(raw: bytes, *, records: bool) -> _Sight:
    """Take a record apart. Anybody can send a mail that looks like one, so an account of mail has none."""
    if not records or not is_record(raw):
        return _Sight(raw)
    try:
        record = unpack(raw)
    except Damaged:
        return _Sight(raw)
    if record.details.kind is Kind.MAIL and record.body_type == "message/rfc822" and record.body:
        return _Sight(record.body)
    return _Sight(raw, record)


def _print_item(sight: _Sight) -> None:
    assert sight.record is not None
    item = sight.record.details.item
    assert item is not None
    for name, value in fields(item):
        click.echo(f"{name}: {shown(value)}")
    if item.body.strip():
        click.echo()
        click.echo("\n".join(map(shown, item.body.replace("\r\n", "\n").split("\n"))))
    _print_attachments(sight)


def _print_attachments(sight: _Sight) -> None:
    for one in sight.attachments:
        click.echo(f"[attachment {one.name}, {shown(one.content_type)}, {size(len(one.content))}]")


def _print(sight: _Sight, *, html: bool) -> None:
    raw = sight.raw
    for name, value in headers(raw):
        if name.lower() in SHOWN:
            click.echo(f"{name}: {value}")
    click.echo()
    text = body(raw, "html") if html else body(raw) or body(raw, "html")
    if text is None:
        say(f"note: the message has no {'HTML ' if html else ''}text")
    else:
        click.echo(text)
    _print_attachments(sight)


def _print_document(digest: str, kind: Kind, length: int, sight: _Sight) -> None:
    raw = sight.raw
    item: dict[str, Any] | None = None
    if sight.record is not None and sight.record.details.item is not None:
        item = msgspec.to_builtins(sight.record.details.item)
    print_json(
        {
            "type": "message",
            "id": digest,
            "kind": kind.value,
            "size": length,
            "headers": [{"name": name, "value": value} for name, value in headers(raw)],
            "text": body(raw),
            "html": body(raw, "html"),
            "attachments": [
                {"name": one.name, "content_type": one.content_type, "size": len(one.content)}
                for one in sight.attachments
            ],
            "item": item,
        }
    )


def _save(session: Session, sight: _Sight, folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        saved = [_write_new(folder, attachment) for attachment in sight.attachments]
    except OSError as error:
        raise StoreFailed(
            f'"{folder}" cannot be written: {error.strerror}', "check its space and rights"
        ) from error
    for path in saved:
        session.say(f'saved "{path}"')
    if session.json:
        print_json({"type": "attachments-saved", "paths": [str(path) for path in saved]})
    if not saved:
        session.say("note: the message has no attachments")


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
