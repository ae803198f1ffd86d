"""The mark of a file that archiver wrote for a scheduler: whose it is, and whether it was changed since."""

import hashlib
import re
from typing import Literal, TypeAlias

from msgspec import Struct

from archiver.model import Job, When

DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
State: TypeAlias = Literal["as written", "changed by hand", "not by archiver"]

_TEXT = "Written by archiver schedule: {job}, {clock}; sum {digest}"
_MARK = re.compile(
    r"Written by archiver schedule: (?P<job>[A-Za-z0-9._-]+), (?P<day>daily|Sun|Mon|Tue|Wed|Thu|Fri|Sat|day \d\d) "
    r"(?P<hour>\d\d):(?P<minute>\d\d); sum (?P<digest>[0-9a-f]{16})"
)


class Mark(Struct, frozen=True):
    """What the mark of a file says, and whether the rest of the file is still what was written."""

    job: str
    when: When | None
    state: State


def clock(when: When) -> str:
    """Write when a job runs: `daily 02:30`, `Sun 04:30`, `day 01 05:30` of each month."""
    day = "daily" if when.weekday is None else DAYS[when.weekday]
    day = day if when.day is None else f"day {when.day:02}"
    return f"{day} {when.hour:02}:{when.minute:02}"


def marked(job: Job, text: str, form: str = "# {}", at: int = 0) -> str:
    """Put a mark before line `at` of a text; `form` makes a comment of it."""
    lines = text.splitlines(keepends=True)
    line = form.format(_TEXT.format(job=job.name, clock=clock(job.when), digest=_digest(text))) + "\n"
    return "".join([*lines[:at], line, *lines[at:]])


def read_mark(text: str) -> Mark:
    """Read the mark of a file; a text without one is not archiver's."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines[:3]):
        found = _MARK.search(line)
        if found is not None:
            rest = "".join([*lines[:number], *lines[number + 1 :]])
            same = _digest(rest) == found["digest"]
            when = When(
                int(found["hour"]),
                int(found["minute"]),
                DAYS.index(found["day"]) if found["day"] in DAYS else None,
                int(found["day"][4:]) if found["day"].startswith("day ") else None,
            )
            return Mark(found["job"], when, "as written" if same else "changed by hand")
    return Mark("", None, "not by archiver")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
