"""archiver verify: check the archive, its messages, and the server against both."""

from typing import Any

import click

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.catalog.sqlite import SqliteCatalog
from archiver.cli.names import account_names
from archiver.cli.nice import nice_option
from archiver.cli.notified import notify_option
from archiver.cli.output import number, print_json, print_table, shown, size
from archiver.cli.progress import Progress
from archiver.cli.session import Session, archive_option, passphrase_option, shared_options
from archiver.config import ArchiveSettings
from archiver.errors import ArchiverError, Damaged, Incomplete, RolledBack, UsageError
from archiver.model import Finding, Head
from archiver.ops.verify import VerifyReport, find_affected, verify, verify_messages
from archiver.ops.verify_server import ServerFolder, verify_server
from archiver.plan.pull import Selection
from archiver.plan.select import parse_share


@click.command("verify")
@click.argument("name", required=False, shell_complete=account_names)
@click.option(
    "--data",
    is_flag=False,
    flag_value="100%",
    default="100%",
    help="Read this share of the stored bytes, those first that were not read for longest; all if not given.",
)
@click.option("--read", "read_messages", is_flag=True, help="Decrypt and check every message too.")
@click.option("--server", is_flag=True, help="Compare with what the server has now, folder by folder.")
@click.option(
    "--expect-head",
    metavar="HEAD",
    help="A head that a run printed, its number and SHA-256: it must be in the chain still.",
)
@archive_option
@passphrase_option
@shared_options
@notify_option("verify")
@nice_option
def command(
    session: Session,
    name: str | None,
    data: str,
    read_messages: bool,
    server: bool,
    expect_head: str | None,
    archive_name: str | None,
    passphrase_command: str | None,
) -> None:
    """Check every manifest, every object and every stored byte; needs no passphrase but for --read.

    \b
      archiver verify
      archiver verify work --read --server
      archiver verify work --expect-head '42 9f3a61c2'
    """
    share = parse_share(data, "--data=10%, or --data alone")
    reports: list[VerifyReport] = []
    folders: dict[str, list[ServerFolder]] = {}

    def check(settings: ArchiveSettings) -> None:
        archive = (
            session.unlocked(settings, passphrase_command) if read_messages else session.archive(settings)
        )
        for chain in archive.chains():
            with session.progress() as progress:
                report = _verify_chain(archive, chain, share, read_messages, progress, name)
            if report is not None:
                reports.append(report)

    failure = session.in_each(session.archives(archive_name, [name] if name else []), check)
    reports.sort(key=lambda report: report.account or "")
    if name and not reports and failure is None:
        raise UsageError(f'nothing is archived of account "{name}"', f"pull it: archiver pull {name}")
    if server:
        folders = _compare_with_server(session, name)
    session.details += [_chain_document(report) for report in reports]
    if session.json:
        _print_json(reports, folders)
    else:
        _print(session, reports, folders, read_messages, share)
    if failure is not None:
        raise failure
    _raise_for(reports, folders, expect_head)


def _verify_chain(
    archive: Archive, chain: str, share: float, read_messages: bool, progress: Progress, account: str | None
) -> VerifyReport | None:
    """Verify one chain; None where it is another account's than the one asked for."""
    catalog = SqliteCatalog()
    try:
        opened = _fill(archive, chain, catalog)
        header = catalog.header()
        if account is not None and header is not None and header.account != account:
            return None
        opened_chain = archive.chain(chain)
        readings = wiring.readings(archive, opened_chain)
        report = verify(archive.audit(opened_chain), progress, readings, wiring.now(), share=share)
        report.account = header.account if header else None
        if opened is not None and not report.damaged:
            report.findings.append(Finding("damage", chain, opened.text))
        if report.damaged:
            find_affected(report, catalog.entries(), all_known=catalog.head() == report.head)
        if read_messages:
            verify_messages(report, catalog, archive.reader(catalog), progress)
        return report
    finally:
        catalog.close()


def _fill(archive: Archive, chain: str, catalog: SqliteCatalog) -> ArchiverError | None:
    """Fill a catalog from the indexes themselves, not from the local cache, as far as they can be read."""
    try:
        archive.replay(archive.chain(chain), catalog, 1 << 60)
    except Damaged as error:
        return error
    except ArchiverError:
        return None  # no key at hand opens them: the rest is checked all the same
    return None


def _compare_with_server(session: Session, name: str | None) -> dict[str, list[ServerFolder]]:
    found: dict[str, list[ServerFolder]] = {}
    for settings in session.accounts([name] if name else []):
        archive = session.archive(session.settings.archive(settings.archive))
        catalog = wiring.open_catalog(archive, archive.chain(archive.chain_of(settings.name)))
        account = wiring.open_account(settings, session.say)
        try:
            selection = Selection(settings.folders, settings.exclude)
            found[settings.name] = list(verify_server(account, catalog, selection.takes_folder))
        finally:
            account.close()
            catalog.close()
    return found


def _print(
    session: Session,
    reports: list[VerifyReport],
    folders: dict[str, list[ServerFolder]],
    read_messages: bool,
    share: float,
) -> None:
    for report in reports:
        what = f"{number(report.runs, 'run')}, {number(report.objects, 'object')} ({size(report.size)}) read"
        if read_messages:
            what += f", {number(report.messages, 'message')} ({size(report.messages_size)}) decrypted"
        account = report.account or f"chain {report.chain}"
        state = "DAMAGED" if report.damaged else "no damage"
        session.say(f"{account}: {state}; {what}; head {report.head.seq} {report.head.sha256}")
        if share < 1.0:
            since = f"{report.read_since.astimezone():%Y-%m-%d}" if report.read_since else None
            session.say(
                f"  every object was read since {since}" if since else "  not every object was read yet"
            )
        for finding in report.findings:
            if finding.severity == "damage" or not session.quiet:
                click.echo(f"  {finding.severity}: {shown(finding.what)}")
        for folder, count in report.affected.items():
            click.echo(f'  affected: {number(count, "message")} of folder "{shown(folder)}"')
        if report.affected:
            click.echo("  all other messages are not affected")
    if share < 1.0:
        session.say(f"{share:.0%} of the stored bytes were read; all of them with: archiver verify --data")
    for account, rows in folders.items():
        cells = [
            (account, f.folder, f"{f.exists:,}", f"{f.held:,}", f"{f.new:,}", f"{len(f.missed):,}", _state(f))
            for f in rows
        ]
        print_table(
            cells, ("ACCOUNT", "FOLDER", "ON SERVER", "HELD", "NEW", "MISSED", ""), right=(2, 3, 4, 5)
        )
        for f in rows:
            for row in f.missed:
                tried = f"{row.key}, tried {number(row.tries, 'time')}: {row.reason}"
                click.echo(f"  missed: {shown(f.folder)}: {shown(tried)}")


def _state(folder: ServerFolder) -> str:
    if folder.excluded:
        return "excluded by rule"
    return folder.error or ("accounted for" if folder.accounted else "NOT ACCOUNTED FOR")


def _print_json(reports: list[VerifyReport], folders: dict[str, list[ServerFolder]]) -> None:
    print_json(
        {
            "type": "verified",
            "chains": [_chain_document(report) for report in reports],
            "server": {
                account: [
                    {
                        "folder": f.folder,
                        "exists": f.exists,
                        "held": f.held,
                        "new": f.new,
                        "missed": len(f.missed),
                        "vanished": f.vanished,
                        "reasons": [
                            {"key": row.key, "reason": row.reason, "tries": row.tries} for row in f.missed
                        ],
                        "excluded_by_rule": f.excluded,
                        "accounted": f.accounted,
                        "error": f.error,
                    }
                    for f in rows
                ]
                for account, rows in folders.items()
            },
        }
    )


def _chain_document(report: VerifyReport) -> dict[str, Any]:
    return {
        "chain": report.chain,
        "account": report.account,
        "head": {"seq": report.head.seq, "sha256": report.head.sha256},
        "runs": report.runs,
        "read_since": report.read_since,
        "objects": report.objects,
        "size": report.size,
        "messages": report.messages,
        "damaged": report.damaged,
        "findings": [
            {"severity": f.severity, "what": f.what, "objects": list(f.objects)} for f in report.findings
        ],
        "affected": report.affected,
    }


def _raise_for(
    reports: list[VerifyReport], folders: dict[str, list[ServerFolder]], expect_head: str | None
) -> None:
    damaged = [report for report in reports if report.damaged]
    if damaged:
        count = sum(finding.severity == "damage" for report in damaged for finding in report.findings)
        named = any(finding.objects for report in damaged for finding in report.findings)
        raise Damaged(
            f"damage found: {number(count, 'finding')} in {number(len(damaged), 'chain')}",
            "put the files named above back from a copy of the archive; everything else can be read as before. "
            "Without a copy, see what can be done: archiver repair --dry-run"
            if named
            else "this copy of the archive is not the newest: use the one that is, or restore it from there",
        )
    if expect_head is not None and not any(_is_head(h, expect_head) for r in reports for h in r.heads):
        raise RolledBack(
            f'no chain has a run with the head "{expect_head}"',
            "the archive was rolled back since that head was printed, or the head is of another archive; "
            "heads are listed by: archiver runs",
        )
    open_folders = [
        f"{account}/{f.folder}" for account, rows in folders.items() for f in rows if not f.accounted
    ]
    if open_folders:
        raise Incomplete(
            f"{number(len(open_folders), 'folder')} on the server not accounted for: {', '.join(open_folders[:5])}",
            "pull once more, then look at: archiver status",
        )


def _is_head(head: Head, expected: str) -> bool:
    words = expected.split()
    if len(words) == 2 and words[0].isdecimal():
        return head.seq == int(words[0]) and _begins(head, words[1])
    return _begins(head, expected)


def _begins(head: Head, digits: str) -> bool:
    return len(digits) >= 8 and head.sha256.startswith(digits.lower())
