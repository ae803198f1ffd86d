"""archiver folders: what is archived, by folder."""

import click

from archiver.cli.names import account_names
from archiver.cli.output import print_json, print_table, size
from archiver.cli.session import Session, archive_option, catalogs, shared_options
from archiver.config import ArchiveSettings
from archiver.model import FolderState


@click.command("folders")
@click.argument("name", required=False, shell_complete=account_names)
@archive_option
@shared_options
def command(session: Session, name: str | None, archive_name: str | None) -> None:
    """Tell what is archived, by folder; of one account, or of all. Needs no passphrase."""
    found: list[tuple[str, FolderState]] = []

    def look(settings: ArchiveSettings) -> None:
        with catalogs(session.archive(settings), name) as opened:
            for catalog in opened.values():
                header = catalog.header()
                account = header.account if header else ""
                found.extend((account, state) for state in catalog.folders())

    failure = session.in_each(session.archives(archive_name, [name] if name else []), look)
    _print(session, found)
    if failure is not None:
        raise failure


def _print(session: Session, found: list[tuple[str, FolderState]]) -> None:
    if session.json:
        print_json(
            {
                "type": "folders",
                "folders": [
                    {
                        "account": account,
                        "folder": state.folder.name,
                        "special_use": state.folder.special_use,
                        "messages": state.archived,
                        "on_server": state.held,
                        "missed": state.missed,
                        "size": state.size,
                        "gone": state.gone,
                    }
                    for account, state in found
                ],
            }
        )
        return
    rows = [
        (account, s.folder.name, f"{s.archived:,}", f"{s.held:,}", str(s.missed), size(s.size))
        for account, s in found
    ]
    print_table(rows, ("ACCOUNT", "FOLDER", "ARCHIVED", "ON SERVER", "MISSED", "SIZE"), right=(2, 3, 4, 5))
