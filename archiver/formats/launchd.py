"""Property lists of launchd: one agent or daemon for each job. Format: launchd.plist(5)."""

import plistlib
from collections.abc import Iterable
from typing import Any

from archiver.errors import UsageError
from archiver.formats.mark import marked
from archiver.model import Job, Surroundings

LABEL = "archiver."


def plist_files(jobs: Iterable[Job], around: Surroundings, log: str) -> dict[str, str]:
    """Write the property lists of some jobs: texts by file name. What they say goes to the file `log`."""
    return {f"{LABEL}{job.name}.plist": _plist(job, around, log) for job in jobs}


def _plist(job: Job, around: Surroundings, log: str) -> str:
    environment = dict(around.environment)
    if job.owner and around.passphrase_file is not None:
        environment["ARCHIVER_PASSPHRASE_FILE"] = around.passphrase_file
    at = {"Hour": job.when.hour, "Minute": job.when.minute}
    at |= {} if job.when.weekday is None else {"Weekday": job.when.weekday}
    at |= {} if job.when.day is None else {"Day": job.when.day}
    values: dict[str, Any] = {
        "Label": LABEL + job.name,
        "ProgramArguments": [*around.program, *job.words],
        "StartCalendarInterval": at,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "Umask": 0o077,
        "ExitTimeOut": 60,
        "StandardErrorPath": log,
        "StandardOutPath": log,
    }
    values |= {"EnvironmentVariables": environment} if environment else {}
    values |= {"UserName": around.user} if around.user is not None else {}
    try:
        text = plistlib.dumps(values).decode()
    except ValueError:
        raise UsageError(
            "a path or a name with a control character cannot stand in a property list",
            "rename the file or folder",
        ) from None
    # inside a comment two hyphens may not stand together: names of accounts may hold them
    comment = "<!-- {} -->"
    safe = comment if "--" not in job.name else "<?archiver {}?>"
    return marked(job, text, safe, at=1)
