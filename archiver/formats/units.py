"""Units of systemd: a service and a timer for each job, with as little leave as its work needs.

Quoting follows systemd.syntax(7) and systemd.service(5), "Command lines"; `%` begins a specifier in all values.
"""

import re
from collections.abc import Iterable

from archiver.errors import UsageError
from archiver.formats.mark import DAYS, marked
from archiver.model import Job, Surroundings

PREFIX = "archiver-"
_BARE = re.compile(r"[A-Za-z0-9/._+=:,@%-]+")

_SERVICE = """\
[Unit]
Description={title}
{order}
[Service]
Type=oneshot
ExecStart={command}
# 3: done in part, and told as a warning
SuccessExitStatus=3
# a first pull may take days; a stop lets the run commit what it has
TimeoutStartSec=infinity
TimeoutStopSec=60
Nice=10
IOSchedulingClass=idle
UMask=0077
{own}
NoNewPrivileges=true
PrivateTmp=true
{protect}
ProtectKernelTunables=true
ProtectControlGroups=true
ProtectHostname=true
RestrictRealtime=true
RestrictSUIDSGID=true
RestrictNamespaces=true
LockPersonality=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

# Each takes capabilities away, and a user's manager that tries so fails the unit (218/CAPABILITIES).
_OF_SYSTEM = (
    "CapabilityBoundingSet=",
    "PrivateDevices=true",
    "ProtectKernelModules=true",
    "ProtectKernelLogs=true",
    "ProtectClock=true",
)

_TIMER = """\
[Unit]
Description={title}, by the clock

[Timer]
OnCalendar={calendar}
RandomizedDelaySec=20min
Persistent=true

[Install]
WantedBy=timers.target
"""


def unit_files(jobs: Iterable[Job], around: Surroundings) -> dict[str, str]:
    """Write the units of some jobs: texts by file name. Raises `UsageError` for what no unit can hold."""
    files = {}
    for job in jobs:
        files[f"{PREFIX}{job.name}.service"] = marked(job, _service(job, around))
        files[f"{PREFIX}{job.name}.timer"] = marked(job, _timer(job))
    return files


def quoted(word: str) -> str:
    """Quote one word of a value, where specifiers are expanded and backslashes escape."""
    if _BARE.fullmatch(word):
        return word.replace("%", "%%")
    return '"' + _plain(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def command_line(words: Iterable[str]) -> str:
    """Write the value of `ExecStart=`. `$` names a variable in each word but the first, the program."""
    program, *rest = map(quoted, words)
    return " ".join([program, *(word.replace("$", "$$") for word in rest)])


def _plain(value: str) -> str:
    """Write a value that is neither unquoted nor split, but has its specifiers expanded."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise UsageError(
            "a path or a name with a control character cannot stand in a unit", "rename the file or folder"
        )
    return value.replace("%", "%%")


def _service(job: Job, around: Surroundings) -> str:
    after = ["archiver-pull.service"] if job.name != "pull" else []
    if around.user is not None:  # a user's manager does not know of the network
        after.append("network-online.target")
    order = [f"After={' '.join(after)}"] if after else []
    order += ["Wants=network-online.target"] if around.user is not None else []
    return _SERVICE.format(
        title=_plain(job.title),
        order="".join(line + "\n" for line in order),
        command=command_line((*around.program, *job.words)),
        own="\n".join(_own(job, around)),
        protect="\n".join(_protect(around)),
    )


def _own(job: Job, around: Surroundings) -> list[str]:
    """Give what differs between users: who runs it, its variables and its secrets."""
    lines = []
    if around.user is not None:
        lines += [f"User={_plain(around.user)}", *_OF_SYSTEM]
    lines += ["Environment=" + quoted(f"{name}={value}") for name, value in around.environment.items()]
    credentials = dict(around.credentials)
    if job.owner and around.passphrase_file is not None:
        credentials["passphrase"] = around.passphrase_file
        lines.append("Environment=ARCHIVER_PASSPHRASE_FILE=%d/passphrase")
    return lines + [f"LoadCredential={name}:{_plain(path)}" for name, path in credentials.items()]


def _protect(around: Surroundings) -> list[str]:
    """Give what may be written: all that archiver writes, or the home too where commands write there."""
    if around.commands:  # a password manager keeps locks and sockets in its user's home
        return ["# a command gives a secret: it may write in the home", "ProtectSystem=full"]
    lines = ["ProtectSystem=strict", "ProtectHome=read-only"]
    # "-": a disk that is not mounted is for archiver to tell of, and to notify
    return lines + [f"ReadWritePaths={quoted('-' + path)}" for path in around.writable]


def _timer(job: Job) -> str:
    day = "" if job.when.weekday is None else f"{DAYS[job.when.weekday]} "
    date = "*" if job.when.day is None else f"{job.when.day:02}"
    calendar = f"{day}*-*-{date} {job.when.hour:02}:{job.when.minute:02}:00"
    return _TIMER.format(title=_plain(job.title), calendar=calendar)
