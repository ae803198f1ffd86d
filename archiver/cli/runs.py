"""archiver runs: what was archived, by run."""

import click

from archiver.cli.names import account_names
from archiver.cli.output import print_json, print_table, size
from archiver.cli.session import Session, archive_option, catalogs, shared_options
from archiver.config import ArchiveSettings
from archiver.model import Head, Manifest


@click.command("runs")
@click.argument("name", required=False, shell_complete=account_names)
@archive_option
@shared_options
def command(session: Session, name: str | None, archive_name: str | None) -> None:
    """List the runs that changed the archive, oldest first. Needs no passphrase."""
    found: list[tuple[str, Manifest, Head]] = []

    def look(settings: ArchiveSettings) -> None:
        archive = session.archive(settings)
        with catalogs(archive, name) as opened:
            for chain, catalog in opened.items():
                header = catalog.header()
                account = header.account if header else ""
                found.extend((account, manifest, head) for manifest, head in archive.chain(chain).runs())

    failure = session.in_each(session.archives(archive_name, [name] if name else []), look)
    _print(session, found)
    if failure is not None:
        raise failure


def _print(session: Session, found: list[tuple[str, Manifest, Head]]) -> None:
    if session.json:
        print_json(
            {
                "type": "runs",
                "runs": [
                    {
                        "account": account,
                        "chain": manifest.chain,
                        "run": manifest.seq,
                        "sha256": head.sha256,
                        "time": manifest.time,
                        "kind": manifest.kind,
                        "objects": len(manifest.objects),
                        "size": sum(one.size for one in manifest.objects),
                    }
                    for account, manifest, head in found
                ],
            }
        )
        return
    rows = [
        (
            account,
            str(manifest.seq),
            f"{manifest.time.astimezone():%Y-%m-%d %H:%M:%S}",
            manifest.kind,
            str(len(manifest.objects)),
            size(sum(one.size for one in manifest.objects)),
            head.sha256[:16],
        )
        for account, manifest, head in found
    ]
    print_table(rows, ("ACCOUNT", "RUN", "TIME", "KIND", "OBJECTS", "SIZE", "SHA-256"), right=(1, 4, 5))
