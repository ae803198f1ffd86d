"""The reports of this machine's runs, for people and in JSON: in a line, and whole."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import click
import msgspec

from archiver import wiring
from archiver.cli.output import duration, number, print_json, print_table, shown, size
from archiver.cli.session import Session
from archiver.events import WARNED
from archiver.formats.notice import ending
from archiver.notices.reports import KEPT, RunReport

Detail = Mapping[str, Any]

_COUNTED = {
    "pull": ("new", "message", "pulled"),
    "prune": ("removed", "message", "removed"),
    "verify": ("objects", "object", "read"),
}


def last_reports(names: Sequence[str], count: int = KEPT) -> list[RunReport]:
    """Give the reports of the last runs on this machine, the newest first: those on these accounts, or all."""
    found = wiring.reports().newest()
    concerned = (one for one in found if not names or not one.accounts or set(one.accounts) & set(names))
    return list(islice(concerned, count))


def summary(report: RunReport) -> dict[str, Any]:
    """Give what JSON says of a report where it is one of several."""
    return {
        "id": report.id,
        "command": report.command,
        "accounts": list(report.accounts),
        "began": report.began,
        "ended": report.ended,
        "outcome": report.outcome,
        "code": report.code,
        "exit": report.exit,
        "text": report.text,
    }


def line(report: RunReport) -> str:
    """Say in a line how a run ended."""
    why = f": {shown(report.text)}" if report.text else ""
    return f"{report.ended.astimezone():%Y-%m-%d %H:%M}  {_what(report)}  {_how(report)}{why}"


def print_reports(session: Session, reports: Sequence[RunReport]) -> None:
    """Print what there is, a line for each."""
    if session.json:
        print_json({"type": "run-reports", "reports": [summary(one) for one in reports]})
        return
    rows = [
        (
            one.id,
            f"{one.began.astimezone():%Y-%m-%d %H:%M}",
            duration((one.ended - one.began).total_seconds()),
            _what(one),
            _done(one),
            _how(one) + (f" ({one.code})" if one.code not in ("ok", WARNED) else ""),
        )
        for one in reports
    ]
    print_table(rows, ("ID", "TIME", "TOOK", "RUN", "DID", "ENDED"), right=(2,))


def print_report(session: Session, report: RunReport) -> None:
    """Print one report whole."""
    if session.json:
        print_json({"type": "run-report", **msgspec.structs.asdict(report)})
        return
    click.echo(f"{_what(report)}: {_how(report)}")
    click.echo(f"  id      {report.id}, on {shown(report.host)}")
    click.echo(f"  began   {report.began.astimezone():%Y-%m-%d %H:%M:%S}")
    took = duration((report.ended - report.began).total_seconds())
    click.echo(
        f"  ended   {report.ended.astimezone():%Y-%m-%d %H:%M:%S}, after {took}, exit code {report.exit}"
    )
    if report.text and report.code != WARNED:
        _lines("error", f"{report.text} ({report.code})")
        _lines("hint", report.hint or "")
    for each in report.warnings:
        _lines("warning", each.text)
    for detail in report.details:
        if detail.get("message") == report.text and not detail.get("folders"):
            continue  # the only account, and it failed: told above
        click.echo("")
        _DETAILS.get(report.command, _failed)(detail)


def _what(report: RunReport) -> str:
    return " ".join([report.command, *report.accounts])


def _how(report: RunReport) -> str:
    return "FAILED" if report.outcome == "failure" else ending(report)


def _done(report: RunReport) -> str:
    """Count what a run did, in the words of its command."""
    key, noun, verb = _COUNTED.get(report.command, ("messages", "message", "restored"))
    parts: list[Detail] = [*report.details]
    if report.command in ("pull", "prune"):
        parts = [folder for detail in report.details for folder in detail.get("folders", ())]
    count, length = (sum(part.get(each, 0) for part in parts) for each in (key, "size"))
    return f"{number(count, noun)} {verb} ({size(length)})" if count else ""


def _lines(label: str, text: str) -> None:
    for each in text.splitlines():
        click.echo(f"  {label:<7} {shown(each)}")


def _head(detail: Detail) -> None:
    head = detail.get("head") or {}
    if head.get("seq"):
        click.echo(f"  head    {head['seq']} {head['sha256']}")


def _failed(detail: Detail) -> None:
    click.echo(shown(str(detail.get("account") or detail.get("chain"))))
    if "code" in detail:
        _lines("error", f"{detail['message']} ({detail['code']})")
        _lines("hint", detail["hint"] or "")


def _pulled(detail: Detail) -> None:
    _failed(detail)
    if "folders" not in detail:
        return
    click.echo(f"  took    {duration(detail.get('took_s', 0.0))}")
    _head(detail)
    rows = []
    for one in detail["folders"]:
        balance = one["balance"] or {}
        counts = [
            one["new"],
            one["vanished"],
            balance.get("missed", 0),
            balance.get("excluded", 0),
            one["waiting"],
        ]
        cells = [f"{count:,}" if count else "" for count in counts]
        exists = f"{balance['exists']:,}" if balance else ""
        length = size(one["size"]) if one["size"] else ""
        took = duration(one["took_s"]) if "took_s" in one and not one["excluded_by_rule"] else ""
        rows.append((one["folder"], cells[0], length, *cells[1:], exists, took, _remark(one)))
    if not rows:
        return
    header = ("FOLDER", "NEW", "SIZE", "VANISHED", "MISSED", "EXCLUDED", "WAITING", "ON SERVER", "TOOK", "")
    print_table(
        [("  " + row[0], *row[1:]) for row in rows], ("  " + header[0], *header[1:]), right=range(1, 9)
    )


def _remark(folder: Detail) -> str:
    if folder["error"]:
        return str(folder["error"])
    if folder["excluded_by_rule"]:
        return "excluded by rule"
    if folder.get("gone"):
        return "the server has it no more"
    if folder["balance"] is None:
        return "not done"
    unexplained = folder["balance"].get("unexplained", 0)
    return f"{unexplained:,} NOT ACCOUNTED FOR" if unexplained else ""


def _verified(detail: Detail) -> None:
    click.echo(shown(str(detail["account"] or f"chain {detail['chain']}")))
    _head(detail)
    state = "DAMAGED" if detail["damaged"] else "no damage"
    read = f"{number(detail['runs'], 'run')}, {number(detail['objects'], 'object')} ({size(detail['size'])}) read"
    click.echo(f"  {state}; {read}; {number(detail['messages'], 'message')} decrypted")
    for finding in detail["findings"]:
        _lines(finding["severity"], finding["what"])


def _drilled(detail: Detail) -> None:
    click.echo(shown(str(detail["account"] or f"chain {detail['chain']}")))
    _head(detail)
    restored = (
        f"{number(detail['messages'], 'message')} ({size(detail['size'])}) of {detail['archived']:,} restored"
    )
    click.echo(
        f"  {'FAILED' if detail['failed'] else 'as archived'}; {restored} in {duration(detail['took_s'])}"
    )
    for one in detail["failed"]:
        _lines("failed", f"{one['sha256'][:12]} {one['folder']}: {one['reason']}")


def _pruned(detail: Detail) -> None:
    _failed(detail)
    _head(detail)
    rows = []
    for one in detail.get("folders", ()):
        stays = [len(one["kept"]) + len(one["refused"]), one["unknown"]]
        cells = [f"{count:,}" if count else "" for count in stays]
        rows.append(
            ("  " + one["folder"], f"{one['removed']:,}", size(one["size"]), *cells, one["error"] or "")
        )
    if rows:
        print_table(rows, ("  FOLDER", "REMOVED", "SIZE", "STAYED", "UNKNOWN", ""), right=range(1, 5))


_DETAILS: Mapping[str, Callable[[Detail], None]] = {
    "pull": _pulled,
    "verify": _verified,
    "prune": _pruned,
    "drill": _drilled,
}
