"""What a run warns of beside what it did: it costs nothing today, and will if nobody minds it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from archiver.events import Alert, AlertKind
from archiver.plan.doctor import Check, State, doubted, passed
from archiver.plan.special_uses import use_of

OVERDUE_DAYS = 3
"""A machine that sleeps for a weekend is no reason to warn."""

FEW = 10
"""A folder of fewer messages is halved every day, by nothing but its user."""

_EMPTIED = ("\\Trash", "\\Junk")


class Counted(Struct, frozen=True):
    """A folder's messages on the server: those known before a run, those there now, and what came from elsewhere.

    `moved` counts the new ones whose content was archived already: they were moved here, most of them.
    """

    folder: str
    before: int
    now: int
    moved: int = 0
    special_use: str | None = None


def alert_of(kind: AlertKind, subject: str, check: Check) -> Alert | None:
    """Make a warning of what a check found, where it is not well; `subject` begins its text."""
    if check.state is State.OK:
        return None
    return Alert(kind, check.about, f"{subject}{check.text}; {check.hint}")


def judge_last_run(account: str, last: datetime | None, now: datetime, days: int) -> Check:
    """Judge when an account was last pulled with success; `last` None is for never, `days` 0 judges nothing."""
    if last is None:
        return passed("last-run", account, "it was not pulled yet")
    ago = now - last
    text = f"no pull has ended well since {last.astimezone():%Y-%m-%d %H:%M}, {ago.days:,} days ago"
    if days and ago >= timedelta(days=days):
        return doubted("last-run", account, text, "see what kept it: archiver runs --reports")
    return passed("last-run", account, f"the last pull ended well on {last.astimezone():%Y-%m-%d %H:%M}")


def overdue(
    last: Mapping[str, datetime | None], now: datetime, days: int, well: Sequence[str]
) -> list[Alert]:
    """Warn of accounts that were not pulled with success for some days; of those that now are `well`, this once."""
    found = []
    for account, at in last.items():
        alert = alert_of("overdue", f'account "{account}": ', judge_last_run(account, at, now, days))
        if alert is not None and account in well:
            text = alert.text.partition(";")[0].replace("has ended", "had ended")
            alert = Alert("overdue", account, f"{text}; this one did", once=True)
        found += [alert] if alert is not None else []
    return found


def shrunk(account: str, folders: Sequence[Counted]) -> list[Alert]:
    """Warn of folders that lost half of their messages or more since the run before.

    What is only somewhere else now is not lost: as many as were moved to other folders are taken off, but for moves
    into the trash and into spam, which are how mail is lost. Those two themselves are emptied by habit and by rule.
    """
    moved = sum(one.moved for one in folders if not _emptied(one))
    found = []
    for one in folders:
        lost = one.before - one.now
        if one.before < FEW or 2 * lost < one.before or _emptied(one):
            continue
        if lost <= moved:
            moved -= lost
            continue
        text = (
            f'account "{account}": folder "{one.folder}" has {one.now:,} messages on the server, and had '
            f"{one.before:,}; all of them stay archived: archiver list {account} --folder '{one.folder}'"
        )
        found.append(Alert("shrunk", f"{account}/{one.folder}", text, once=True))
    return found


def _emptied(one: Counted) -> bool:
    return (one.special_use or use_of(one.folder.rpartition("/")[2])) in _EMPTIED
