"""A notice as text, as JSON, as a mail, and as metrics of Prometheus."""

import re
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

import msgspec

from archiver.events import WARNED, Notice

_SAID = {"ok": "done", "warning": "done in part", "failure": "failed"}
_METRICS = {
    "archiver_last_run_timestamp_seconds": "When the command last ended.",
    "archiver_last_success_timestamp_seconds": "When the command last ended well, or done in part.",
    "archiver_last_exit_code": "The exit code of the last run.",
    "archiver_last_duration_seconds": "How long the last run took.",
}
_SAMPLE = re.compile(r'(\w+)\{command="([^"]*)",accounts="([^"]*)"\} (\S+)')


def headline(notice: Notice) -> str:
    """Say in a line how the run ended."""
    what = " ".join([notice.command, *notice.accounts])
    return f"archiver {what} on {notice.host}: {ending(notice)}" + (
        "" if notice.outcome == "ok" or notice.code == WARNED else f" ({notice.code})"
    )


def ending(notice: Notice) -> str:
    """Say in a word or two how the run ended."""
    if notice.code == WARNED:
        return "done, with warnings"
    return "works again" if notice.over and notice.outcome == "ok" else _SAID[notice.outcome]


def plain(notice: Notice) -> str:
    """Write a notice for people."""
    lines = [headline(notice), ""]
    lines += [notice.text] if notice.text else []
    if len(notice.failed) > 1:  # the text counts them
        lines += [f"{one.account}: {one.text}" for one in notice.failed]
    lines += [f"hint: {notice.hint}"] if notice.hint else []
    if notice.code != WARNED:  # else the text is all of them
        lines += [f"warning: {one.text}" for one in notice.warnings]
    lines += notice.over
    lines += [
        f"began: {notice.began.isoformat(sep=' ', timespec='seconds')}",
        f"ended: {notice.ended.isoformat(sep=' ', timespec='seconds')}",
        f"exit code: {notice.exit}",
    ]
    return "\n".join(lines) + "\n"


def document(notice: Notice) -> bytes:
    """Write a notice as one JSON document."""
    whole = {"schema": "archiver/1", "type": "notice", **msgspec.structs.asdict(notice)}
    # `text` is for services that show a message by that key; it holds all that a person wants to read
    return msgspec.json.encode(
        {**whole, "message": notice.text, "text": plain(notice)}, order="deterministic"
    )


def report(notice: Notice, details: Sequence[dict[str, Any]]) -> bytes:
    """Write the report of a run: its end, and what the command found, as its JSON has it."""
    whole = {"schema": "archiver/1", "type": "run-report", **msgspec.structs.asdict(notice)}
    try:
        return msgspec.json.encode({**whole, "details": details}, order="deterministic")
    except UnicodeEncodeError:  # a path of bytes that are not UTF-8
        return msgspec.json.encode({**whole, "details": []}, order="deterministic")


def mail(notice: Notice, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """Write a notice as a mail (RFC 5322), marked as one that no machine answers (RFC 3834)."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, ", ".join(to), headline(notice)
    made["Date"] = format_datetime(notice.ended)
    made["Message-ID"] = make_msgid(domain="archiver.invalid")
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(plain(notice))
    return made


def metrics(before: str, notice: Notice) -> str:
    """Write the file for the textfile collector of Prometheus: samples of other commands stay as they were."""
    samples = {(found[1], found[2], found[3]): found[4] for found in _SAMPLE.finditer(before)}
    about = notice.command, ",".join(notice.accounts)
    ended = _seconds(notice.ended)
    samples["archiver_last_run_timestamp_seconds", *about] = ended
    if notice.outcome != "failure" and notice.code != "interrupted":
        samples["archiver_last_success_timestamp_seconds", *about] = ended
    samples["archiver_last_exit_code", *about] = str(notice.exit)
    took = (notice.ended - notice.began).total_seconds()
    samples["archiver_last_duration_seconds", *about] = f"{max(took, 0):.3f}"
    lines = []
    for name, text in _METRICS.items():
        of_this = sorted((key, value) for key, value in samples.items() if key[0] == name)
        if of_this:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        lines += [f'{name}{{command="{key[1]}",accounts="{key[2]}"}} {value}' for key, value in of_this]
    return "\n".join(lines) + "\n"


def _seconds(time: datetime) -> str:
    return f"{time.timestamp():.0f}"
