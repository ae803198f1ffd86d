"""What a notice is sent for: each trouble once, its end once, and a reminder where it lasts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from msgspec import Struct

from archiver.events import WARNED, Alert, Notice

Occasion: TypeAlias = Literal["failure", "warning", "always"]
REMIND_AFTER_DAYS = 7
_IN_PART = "incomplete"
_STOPPED = "interrupted"


class Trouble(Struct, frozen=True):
    """One thing that does not work, or will soon not, since a run of `since`.

    `code` is its cause, `runs` how many runs in a row had it or another cause of the same thing, `told` when it
    was last sent; None where nobody has heard of it yet. `alert` is the text of what is no failure.
    """

    code: str
    since: datetime
    runs: int
    told: datetime | None = None
    alert: str | None = None


Troubles: TypeAlias = Mapping[str, Trouble]
"""By what they are of: an account, a warning's kind and subject, or "" for the run as a whole."""


class News(Struct, frozen=True):
    """Whether to send a notice, what is over, a line for each, and what to remember if it is heard, and if not."""

    send: bool
    over: tuple[str, ...]
    heard: Troubles
    unheard: Troubles


def news(occasion: Occasion, notice: Notice, before: Troubles, remind: timedelta | None) -> News:
    """Weigh how a run ended against the troubles of the runs before it; `remind` None is for never.

    A run that was stopped knows of nothing. One that failed as a whole knows nothing of single accounts: what was
    wrong with them stays as it was.
    """
    always = occasion == "always"
    if notice.code == _STOPPED:
        return News(always, (), before, before)
    if occasion == "failure":  # what was told while warnings were asked for is nobody's business any more
        before = {about: one for about, one in before.items() if one.alert is None and one.code != _IN_PART}
    found = _found(occasion, notice)
    now = {about: _gone_on(one, before.get(about)) for about, one in found.items()}
    past = {about: one for about, one in before.items() if about not in found}
    if "" in found:
        now, past = {**past, **now}, {}
    unheard_past = {about: one for about, one in past.items() if one.told is not None}
    over = tuple(_over(about, one, alone=not found) for about, one in unheard_past.items())
    fresh = any(about in found and _is_due(one, notice.ended, remind) for about, one in now.items())
    passing = occasion != "failure" and any(one.once for one in notice.warnings)
    heard = {about: _told(one, notice.ended) if about in found else one for about, one in now.items()}
    return News(always or fresh or passing or bool(unheard_past), over, heard, {**unheard_past, **now})


def untold(
    alerts: Sequence[Alert], before: Iterable[Notice], now: datetime, remind: timedelta | None
) -> list[Alert]:
    """Choose what somebody is to read who is told by each run: what is new, what happened, and a reminder.

    `before` are the runs of the same kind, the newest first; those that were stopped know of nothing.
    """
    left = {(one.kind, one.about) for one in alerts if not one.once}
    since, last = dict[tuple[str, str], datetime](), None
    for run in before:
        if run.code == _STOPPED:
            continue
        last = last or run.began
        left &= {(one.kind, one.about) for one in run.warnings}
        since |= dict.fromkeys(left, run.began)
        if not left:
            break
    return [
        one
        for one in alerts
        if one.once or not _was_told(since.get((one.kind, one.about)), last, now, remind)
    ]


def _was_told(since: datetime | None, last: datetime | None, now: datetime, remind: timedelta | None) -> bool:
    if since is None or last is None:
        return False
    return not remind or (now - since) // remind <= (last - since) // remind


def _found(occasion: Occasion, notice: Notice) -> dict[str, Trouble]:
    """Find what is wrong in a run, as far as somebody wants to hear of it."""
    found, failed = dict[str, Trouble](), dict[str, str]()
    if notice.outcome == "failure" or (notice.outcome == "warning" and notice.code != WARNED):
        failed = {one.account: one.code for one in notice.failed}
        if notice.code not in failed.values():
            failed[""] = notice.code
        found = {about: Trouble(code, notice.began, 0) for about, code in failed.items()}
    if occasion == "failure":
        in_part = notice.outcome == "warning"
        return {} if in_part else {about: one for about, one in found.items() if one.code != _IN_PART}
    for one in notice.warnings:
        if not one.once and not (one.kind == "overdue" and one.about in failed):  # that is told as a failure
            found[f"{one.kind} {one.about}"] = Trouble(WARNED, notice.began, 0, alert=one.text)
    return found


def _gone_on(one: Trouble, before: Trouble | None) -> Trouble:
    if before is None:
        return Trouble(one.code, one.since, 1, None, one.alert)
    told = before.told if before.code == one.code else None
    if told is not None:
        told = min(told, one.since)  # told by a clock that was ahead: the reminder is not put off until then
    return Trouble(one.code, before.since, before.runs + 1, told, one.alert)


def _told(one: Trouble, at: datetime) -> Trouble:
    return Trouble(one.code, one.since, one.runs, at, one.alert)


def _is_due(one: Trouble, now: datetime, remind: timedelta | None) -> bool:
    return one.told is None or (remind is not None and now - one.told >= remind)


def _over(about: str, one: Trouble, *, alone: bool) -> str:
    if one.alert is not None:
        return f"no longer so: {one.alert}"
    who = f'account "{about}"' if about else "it" if alone else "the run as a whole"
    runs = f"{one.runs:,} run" if one.runs == 1 else f"{one.runs:,} runs"
    since = f"since {one.since.isoformat(sep=' ', timespec='minutes')}"
    if one.code == _IN_PART:
        return f"{who} is complete again after {runs} done in part {since}"
    return f"{who} works again after {runs.replace('run', 'failed run')} {since}"
