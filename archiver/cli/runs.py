"""archiver runs: what was archived, by run; and the reports of this machine's runs."""

import click

from archiver import wiring
from archiver.cli.names import account_names
from archiver.cli.output import print_json, print_table, size
from archiver.cli.reports import last_reports, print_report, print_reports
from archiver.cli.session import Session, archive_option, catalogs, shared_options
from archiver.config import ArchiveSettings
from archiver.errors import UsageError
from archiver.model import Head, Manifest


@click.command("runs")
@click.argument("name", required=False, shell_complete=account_names)
@click.option("--reports", "wants_reports", is_flag=True, help="List the reports of this machine's runs.")
@click.option("--report", "report_id", metavar="ID|last", help="Show one report whole.")
@archive_option
@shared_options
def command(
    session: Session, name: str | None, wants_reports: bool, report_id: str | None, archive_name: str | None
) -> None:
    """List the runs that changed the archive, oldest first. Needs no passphrase.

    These are the same on every machine. What each run of this machine did, and how it ended, stands in its report.

    \b
      archiver runs work
      archiver runs --reports
      archiver runs --report last
    """
    if report_id is not None or wants_reports:
        if archive_name is not None or (report_id is not None and (wants_reports or name)):
            raise UsageError(
                "--reports goes with NAME alone, and --report with nothing else",
                "see: archiver runs --help",
            )
        _tell_reports(session, name, report_id)
        return
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


def _tell_reports(session: Session, name: str | None, report_id: str | None) -> None:
    if report_id is not None:
        print_report(session, wiring.reports().find(report_id))
    else:
        print_reports(session, last_reports([name] if name else [])[::-1])


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
