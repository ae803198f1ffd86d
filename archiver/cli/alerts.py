"""What is warned of at the end of a run, and by status: looked up here, judged in `plan`.

A warning that cannot be found out is left out: the run and doctor tell what keeps it.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from archiver import wiring
from archiver.cli.output import say
from archiver.cli.session import Session
from archiver.cli.sign_in import outlooks, warning_of
from archiver.config import AccountSettings, ArchiveSettings
from archiver.errors import ArchiverError
from archiver.events import Alert
from archiver.plan.alerts import alert_of, overdue
from archiver.plan.doctor import Space, judge_key_age, judge_space
from archiver.plan.sign_in import Standing

LastRuns = Mapping[str, datetime | None]


def warn(alerts: Iterable[Alert]) -> None:
    """Warn, one line each, whatever else is to be quiet."""
    for each in alerts:
        say(f"warning: {each.text}")


def standing(session: Session, names: Sequence[str]) -> list[Alert]:
    """Find what is to be warned of as things stand: of the accounts of these names, or of all, and their archives."""
    try:
        accounts, archives = _meant(session, names), dict(session.settings.archives)
    except ArchiverError:
        return []
    found: list[Alert] = []
    with suppress(ArchiverError, OSError):
        found += [
            Alert("sign-in", name, warning_of(name, each))
            for name, each in outlooks(accounts).items()
            if each.standing is Standing.SOON
        ]
    filled = {one.archive for one in accounts}
    for settings in archives.values():
        if not names or settings.name in filled:
            found += [*_tried(_space, session, settings), *_tried(_key, session, settings)]
    return found


def last_runs(session: Session, names: Sequence[str]) -> LastRuns:
    """Tell when each of these accounts, or of all, was last pulled with success; None for never."""
    try:
        accounts = _meant(session, names)
        noted = wiring.last_pulls().times()
    except (ArchiverError, OSError):
        return {}
    return {one.name: noted.get(one.name) or _last_change(session, one) for one in accounts}


def late(session: Session, last: LastRuns, now: datetime) -> list[Alert]:
    """Find the accounts that were not pulled with success for too long."""
    try:
        days = session.settings.warn.overdue_days
    except ArchiverError:
        return []
    return overdue(last, now, days, session.well)


def space_of(path: Path) -> Space:
    """Measure the disk that holds a path. Raises `OSError`."""
    usage = shutil.disk_usage(path)
    return Space(usage.used + usage.free, usage.free)  # what is kept for root is neither


def _meant(session: Session, names: Sequence[str]) -> list[AccountSettings]:
    return [one for one in session.settings.accounts.values() if not names or one.name in names]


def _tried(
    look: Callable[[Session, ArchiveSettings], Alert | None], session: Session, settings: ArchiveSettings
) -> list[Alert]:
    try:
        found = look(session, settings)
    except (ArchiverError, OSError):
        return []
    return [found] if found is not None else []


def _space(session: Session, settings: ArchiveSettings) -> Alert | None:
    found = judge_space(settings.name, str(settings.path), space_of(settings.path))
    return alert_of("space", f'archive "{settings.name}": ', found)


def _key(session: Session, settings: ArchiveSettings) -> Alert | None:
    tried = session.archive(settings).owner_tried()
    return alert_of(
        "owner-key", f'archive "{settings.name}": ', judge_key_age(settings.name, tried, wiring.now())
    )


def _last_change(session: Session, account: AccountSettings) -> datetime | None:
    """Tell when a run last changed what is archived of an account, where no pull of it is remembered."""
    with suppress(ArchiverError, OSError):
        archive = session.archive(session.settings.archive(account.archive))
        last = archive.chain(archive.chain_of(account.name)).last()
        return last.time if last else None
    return None
