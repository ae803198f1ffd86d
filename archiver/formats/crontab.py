"""Lines of cron, and the part of a crontab that is archiver's.

Format: crontab(5). In a command `%` ends the line unless escaped; some crons leave the backslash to the shell, so it
stands outside of quotes, where both readings give the same.
"""

import re
import shlex
from collections.abc import Iterable

from archiver.errors import UsageError
from archiver.formats.mark import Mark, marked, read_mark
from archiver.model import Job, Surroundings

_END = "# End of archiver schedule"
_PART = re.compile(
    r"^# Written by archiver schedule: .*?^# End of archiver schedule\n", re.MULTILINE | re.DOTALL
)


def cron_line(job: Job, around: Surroundings) -> str:
    """Write the line of a job. Raises `UsageError` for what no line can hold."""
    environment = dict(around.environment)
    if job.owner and around.passphrase_file is not None:
        environment["ARCHIVER_PASSPHRASE_FILE"] = around.passphrase_file
    words = [f"{name}={_quoted(value)}" for name, value in environment.items()]
    words += [_quoted(word) for word in (*around.program, *job.words)]
    day = "*" if job.when.weekday is None else str(job.when.weekday)
    date = "*" if job.when.day is None else str(job.when.day)
    user = f"{around.user} " if around.user is not None else ""
    return f"{job.when.minute} {job.when.hour} {date} * {day}  {user}{' '.join(words)}\n"


def cron_parts(jobs: Iterable[Job], around: Surroundings) -> str:
    """Write archiver's part of a crontab: for each job a mark, its line and an end."""
    return "".join(marked(job, f"{cron_line(job, around)}{_END}\n") for job in jobs)


def without_parts(table: str) -> tuple[str, list[Mark]]:
    """Take archiver's parts out of a crontab, but for those changed by hand; give the rest and all marks."""
    marks: list[Mark] = []

    def leave(found: re.Match[str]) -> str:
        mark = read_mark(found[0])
        marks.append(mark)
        return "" if mark.state == "as written" else found[0]

    return _PART.sub(leave, table), marks


def _quoted(word: str) -> str:
    if any(ord(letter) < 32 for letter in word):
        raise UsageError(
            "a path or a name with a control character cannot stand in a crontab", "rename the file or folder"
        )
    return r"\%".join(shlex.quote(piece) if piece else "" for piece in word.split("%")) or "''"
