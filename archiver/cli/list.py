"""archiver list: list archived messages."""

from typing import Any

import click

from archiver.cli.choose import account_catalogs, chosen, filter_options
from archiver.cli.names import account_names
from archiver.cli.output import cut, is_narrow, print_json, print_table, size
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.model import Kind
from archiver.ops.read import ID_LENGTH, Listed, list_messages
from archiver.plan.labels import labels_of, without_labels
from archiver.secrets import NoSecret


@click.command("list")
@click.argument("name", shell_complete=account_names)
@filter_options
@click.option("--no-key", is_flag=True, help="Without subjects and senders, so without the passphrase.")
@passphrase_option
@shared_options
def command(
    session: Session, name: str, no_key: bool, passphrase_command: str | None, **options: Any
) -> None:
    """List the archived messages of an account, oldest first, with the ids that `show` takes.

    \b
      archiver list work --folder 'Archive/*' --from bob --since 1y
      archiver list work --as-of 2024-05-31
    """
    wanted = chosen(options)
    settings = session.archive_of(name)
    archive = session.archive(settings)
    if not no_key:
        try:
            session.unlocked(settings, passphrase_command)
        except NoSecret:
            if wanted.sender is not None:
                raise
            session.say("note: without the passphrase there are no subjects and senders")
    with account_catalogs(session, archive, name, wanted.as_of) as catalogs:
        session.warn_unmatched(wanted.filter.folders, {folder.name for folder in catalogs.folders()})
        reader = archive.reader(catalogs) if archive.unlocked else None
        listed = list(list_messages(list(wanted.filter.apply(catalogs.entries())), reader, wanted.sender))
    if session.json:
        print_json({"type": "messages", "account": name, "messages": [_document(one) for one in listed]})
        return
    if is_narrow():
        print_table(map(_short_row, listed), ("ID", "RECEIVED", "FOLDER", "FLAGS", "FROM", "SUBJECT"))
        return
    header = ("ID", "RECEIVED", "FOLDER", "FLAGS", "SIZE", "FROM", "SUBJECT")
    print_table(map(_row, listed), header, right=(4,))


def _row(listed: Listed) -> tuple[str, ...]:
    entry, summary = listed.entry, listed.summary
    return (
        entry.digest[:ID_LENGTH],
        f"{entry.received.astimezone():%Y-%m-%d %H:%M}" if entry.received else "-",
        entry.ref.folder,
        _flags(listed),
        size(entry.size),
        cut(_sender(listed), 40),
        cut(summary.subject, 80) if summary else listed.error or "",
    )


def _short_row(listed: Listed) -> tuple[str, ...]:
    """Leave room for the subject on a terminal of 80 columns."""
    entry, summary = listed.entry, listed.summary
    sender = _sender(listed)
    return (
        entry.digest[:8],
        f"{entry.received.astimezone():%Y-%m-%d}" if entry.received else "-",
        cut(entry.ref.folder, 16),
        _flags(listed),
        cut(sender.partition("<")[0].strip(' "') or sender, 16),
        summary.subject if summary else listed.error or "",
    )


def _sender(listed: Listed) -> str:
    """Tell who sent a mail; of what is no mail, tell what it is."""
    if listed.entry.kind is not Kind.MAIL:
        return f"({listed.entry.kind.value})"
    return listed.summary.sender if listed.summary else ""


def _flags(listed: Listed) -> str:
    letters = sorted(flag.lstrip("\\$")[:1] for flag in without_labels(listed.entry.flags))
    return "".join(letters) + ("x" if listed.entry.vanished else "")


def _document(listed: Listed) -> dict[str, Any]:
    entry, summary = listed.entry, listed.summary
    return {
        "id": entry.digest,
        "kind": entry.kind.value,
        "folder": entry.ref.folder,
        "key": entry.ref.key,
        "received": entry.received,
        "size": entry.size,
        "flags": sorted(without_labels(entry.flags)),
        "labels": sorted(labels_of(entry.flags)),
        "on_server": not entry.vanished,
        "from": summary.sender if summary else None,
        "to": summary.to if summary else None,
        "subject": summary.subject if summary else None,
        "date": summary.date if summary else None,
        "message_id": summary.message_id if summary else None,
        "error": listed.error,
    }
