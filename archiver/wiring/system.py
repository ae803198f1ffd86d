"""The system that this runs on: its schedulers, its user, its disk."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archiver.ops.schedule import Answer, Scheduler

Warn = Callable[[str], None]


def machine_name() -> str:
    """Name this machine as a writer: the host's name, in the letters a root takes."""
    name = "".join(
        letter if letter.isalnum() and letter.isascii() else "-" for letter in socket.gethostname()
    )
    return name.strip("-")[:40] or "machine"


def usual_scheduler() -> str:
    """Tell which scheduler this system has."""
    if sys.platform == "darwin":
        return "launchd"
    return "systemd" if shutil.which("systemctl") else "cron"


def scheduler_folder(kind: str, *, system: bool) -> Path | None:
    """Tell where the files of a scheduler lie; None for a user's crontab, which is no file of theirs."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    folders = {
        ("systemd", False): config / "systemd" / "user",
        ("systemd", True): Path("/etc/systemd/system"),
        ("launchd", False): Path("~/Library/LaunchAgents").expanduser(),
        ("launchd", True): Path("/Library/LaunchDaemons"),
        ("cron", True): Path("/etc/cron.d"),
    }
    return folders.get((kind, system))


def schedulers() -> list[tuple[str, bool]]:
    """Name the schedulers that may have jobs of ours: each with whether it is the whole system's."""
    usual = usual_scheduler()
    users = [usual, "cron"] if usual != "cron" else ["cron"]
    if shutil.which("crontab") is None:
        users.remove("cron")
    return [
        *((kind, False) for kind in users),
        (usual, True),
        *([("cron", True)] if usual == "systemd" else []),
    ]


def scheduler(kind: str, *, system: bool) -> "Scheduler":
    """Open a scheduler of this system: a user's, or the system's own."""
    from archiver.ops.schedule import Cron, CronFile, Launchd, Systemd  # noqa: PLC0415 -- one command needs it

    folder = scheduler_folder(kind, system=system)
    if folder is None:
        return Cron(_ask)
    if kind == "cron":
        return CronFile(folder)
    if kind == "launchd":
        return Launchd(folder, _ask, "system" if system else f"gui/{os.getuid()}")
    return Systemd(folder, _ask, system=system)


def _ask(words: Sequence[str], given: str = "") -> "Answer":
    import subprocess  # noqa: PLC0415 -- few commands need it

    from archiver.ops.schedule import Answer  # noqa: PLC0415

    try:
        ran = subprocess.run(  # noqa: S603 -- words of ours and paths of the user's, no shell
            words,
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        return Answer(127, "", f"{words[0]} is not there", found=False)
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"{words[0]} gave no answer in 60 s")
    out, err = (each.decode("utf-8", "surrogateescape") for each in (ran.stdout, ran.stderr))
    return Answer(ran.returncode, out, err)


def yield_disk() -> str | None:
    """Have this process read and write only when nobody else does; tell why where that cannot be had.

    By ionice(1) of util-linux, which knows the number of the system call on every processor; Python does not.
    """
    ionice = shutil.which("ionice")
    if ionice is None:
        return "this system has no ionice"
    answer = _ask([ionice, "-c", "3", "-p", str(os.getpid())])
    return None if answer.exit == 0 else answer.err.strip().partition("\n")[0] or "ionice failed"


def is_root() -> bool:
    """Tell whether this process has the rights of root."""
    return os.geteuid() == 0


def user_name() -> str:
    """Name the user whose rights this process has."""
    import pwd  # noqa: PLC0415 -- not on every system

    return pwd.getpwuid(os.geteuid()).pw_name
