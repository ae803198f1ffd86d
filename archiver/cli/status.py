"""archiver status: what is held, what is missing, where each chain stands."""

from typing import Any

import click

from archiver import wiring
from archiver.catalog.sqlite import SqliteCatalog
from archiver.cli.alerts import last_runs, late, standing, warn
from archiver.cli.names import account_names
from archiver.cli.output import number, print_json, say, shown, size
from archiver.cli.reports import last_reports, line, summary
from archiver.cli.session import Session, archive_option, catalogs, shared_options
from archiver.cli.sign_in import outlooks, warn_of
from archiver.config import ArchiveSettings
from archiver.model import FolderState, Manifest
from archiver.plan.sign_in import Outlook

_SHOWN = 5  # reports of runs


@click.command("status")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=account_names)
@archive_option
@shared_options
def command(session: Session, names: tuple[str, ...], archive_name: str | None) -> None:
    """Tell of each account its last run, its head, what is held and what is missing. Needs no passphrase."""
    found: list[dict[str, Any]] = []
    for account in names:
        session.archive_of(account)  # told where there is none

    def look(settings: ArchiveSettings) -> None:
        archive = session.archive(settings)
        with catalogs(archive) as opened:
            for chain, catalog in opened.items():
                last = archive.chain(chain).last()
                document = _document(settings.name, chain, catalog, last)
                if not names or document["account"] in names:
                    found.append(document)

    failure = session.in_each(session.archives(archive_name, names), look)
    wanted = [each for each in session.settings.accounts.values() if not names or each.name in names]
    sign_ins = outlooks(wanted)
    now = wiring.now()
    alerts = [*late(session, last_runs(session, names), now), *standing(session, names)]
    runs = last_reports(names, _SHOWN)
    if session.json:
        signed_in = [_sign_in(name, each) for name, each in sign_ins.items()]
        print_json(
            {
                "type": "status",
                "accounts": found,
                "sign_ins": signed_in,
                "reports": [summary(each) for each in runs],
                "warnings": [{"kind": each.kind, "about": each.about, "text": each.text} for each in alerts],
            }
        )
    else:
        for document in found:
            _print(document)
        for each in runs:
            click.echo(line(each))
        warn(each for each in alerts if each.kind != "sign-in")
        warn_of(sign_ins)  # those that are lost already among them
    if failure is not None:
        raise failure
    if not found and not session.json:
        say("no run is seen here yet; pull with: archiver pull")


def _document(archive: str, chain: str, catalog: SqliteCatalog, last: Manifest | None) -> dict[str, Any]:
    header, head = catalog.header(), catalog.head()
    folders = catalog.folders()
    return {
        "account": header.account if header else None,
        "archive": archive,
        "chain": chain,
        "head": {"seq": head.seq, "sha256": head.sha256},
        "last_run": last.time if last else None,
        "folders": len(folders),
        "messages": sum(state.archived for state in folders),
        "on_server": sum(state.held for state in folders),
        "size": sum(state.size for state in folders),
        "waiting": sum(_waiting(state) for state in folders),
        "missed": [
            {"folder": state.folder.name, "key": row.key, "reason": row.reason, "tries": row.tries}
            for state in folders
            if state.missed and not state.gone
            for row in catalog.missed(state.id, state.epoch)
        ],
    }


def _sign_in(account: str, found: Outlook) -> dict[str, Any]:
    return {
        "account": account,
        "standing": found.standing.value,
        "until": found.dies,
        "idle": found.by_idling,
        "reason": found.why,
    }


def _waiting(state: FolderState) -> int:
    """Count what a daily limit left for another day, as of the last pull."""
    if state.cursor is not None or state.exists is None or state.gone:
        return 0
    return max(0, state.exists - state.held - state.missed)


def _print(document: dict[str, Any]) -> None:
    last = document["last_run"]
    click.echo(f"{document['account']}  (archive {document['archive']}, chain {document['chain']})")
    click.echo(f"  last    {last.astimezone():%Y-%m-%d %H:%M}" if last else "  no run yet")
    click.echo(f"  head    {document['head']['seq']} {document['head']['sha256']}")
    messages, on_server = document["messages"], document["on_server"]
    still = "all" if on_server == messages else f"{on_server:,} of them"
    click.echo(
        f"  held    {number(messages, 'message')} ({size(document['size'])}) "
        f"in {number(document['folders'], 'folder')}, {still} still on the server"
    )
    if document["waiting"]:
        click.echo(f"  waits   {number(document['waiting'], 'message')}, for the daily limit: pull again")
    for missed in document["missed"]:
        what = f"{missed['folder']}: {missed['key']}, tried {missed['tries']} times: {missed['reason']}"
        click.echo(f"  missed  {shown(what)}")
