"""What doctor looks at of schedules: whether one is installed, whether it can start, and whether it did lately."""

from datetime import datetime
from pathlib import Path

from archiver import wiring
from archiver.errors import ArchiverError
from archiver.formats.mark import clock
from archiver.ops.schedule import Installed
from archiver.plan.doctor import Check, Planned, judge_schedule

_LOOKED_AT = 100  # reports of runs: other commands leave theirs too


def check_schedule(about: str) -> Check:
    """Judge what is installed with any scheduler of this system. Raises what reading it raises."""
    pulls = [
        _planned(kind, one, parts, system=system)
        for kind, system in wiring.schedulers()
        for parts in [_installed(kind, system=system)]
        for one in parts
        if one.job == "pull" and one.when is not None and not one.where.endswith(".service")
    ]
    return judge_schedule(about, pulls, _last_pull() if pulls else None, wiring.now())


def _installed(kind: str, *, system: bool) -> list[Installed]:
    try:
        return wiring.scheduler(kind, system=system).installed()
    except ArchiverError:
        if system:
            raise
        return []  # this user may not use cron, and so has nothing there


def _planned(kind: str, one: Installed, parts: list[Installed], *, system: bool) -> Planned:
    """Put together what is known of a job: of systemd, the timer says when, and its service what."""
    starts = one
    if kind == "systemd":
        service = str(Path(one.where).with_suffix(".service"))
        starts = next((each for each in parts if each.where == service), one)
    program = starts.program
    return Planned(
        where=one.where,
        program=program,
        is_there=program is not None and Path(program).is_file(),
        when=clock(one.when) if one.when else "",
        dormant=kind == "systemd" and one.next_run is None,
        since=one.since,
        own=not system or wiring.is_root(),
    )


def _last_pull() -> datetime | None:
    """Tell when all accounts were last pulled here, well or not."""
    runs = wiring.reports().last(_LOOKED_AT)
    return max((run.began for run in runs if run.command == "pull" and not run.accounts), default=None)
