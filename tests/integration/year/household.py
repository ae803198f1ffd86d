"""A machine with archiver on it: its archive, its schedule, its disk, and the runs of a night as cron starts them."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from tests.command_line import CommandLine, Done
from tests.integration.year.clock import Clock
from tests.servers.dovecot import Dovecot
from tests.servers.listener import Listener
from tests.servers.smtp import Smtp

TIMEOUT_S = 120
LEFT_ON_A_FULL_DISK = 4096
_PASSWORD = 'touch "$HOME/asked"; while [ -e "$HOME/wait" ]; do sleep 0.02; done; cat "$HOME/password"\n'
_CONFIG = """
[account.ann]
archive = "mail"
kind = "imap"
host = "localhost"
port = {port}
user = "{user}"
ca-file = "{ca_file}"
password-command = "sh {home}/password.sh"

[account.ann.prune]
scheduled = true
older-than = "60d"
folders = ["INBOX", "Archive"]

[notify]
webhook = "{url}/webhook"
ping = "{url}/ping"

[notify.mail]
host = "localhost"
port = {smtp}
insecure-plaintext = true
from = "box@example.org"
to = "ann@example.org"
"""


@dataclass(frozen=True)
class Ran:
    """How a run ended (minus a signal's number where it was killed), what it said, and what it took."""

    exit: int
    said: str
    seconds: float
    cpu_s: float
    rss: int

    @property
    def killed(self) -> bool:
        return self.exit == -signal.SIGKILL


@dataclass(frozen=True)
class Size:
    """How much there is in the archive."""

    size: int
    objects: int
    metadata: int  # bytes of manifests and indexes


class Household:
    """The machine. `lines` are the command lines of its crontab, by what they do: pull, prune, verify, drill."""

    def __init__(self, home: Path, server: Dovecot, user: str, clock: Clock) -> None:
        self.user = CommandLine(home)
        self._clock = clock
        self._server = server
        self._account = user
        self.archive = home / "disk" / "mail"

        self.lines: dict[str, str] = {}

    def settle(self, smtp: Smtp, listener: Listener, *, layout: str) -> None:
        """Make the archive, configure the account and the notices, and take what the schedule installs."""
        home = self.user.home
        self.user.environment["ARCHIVER_PASSPHRASE_COMMAND"] = "echo open"
        made = self.user.typed("init", self.archive, "--layout", layout, light=True)
        assert made.exit == 0, made.err
        del self.user.environment["ARCHIVER_PASSPHRASE_COMMAND"]
        (home / "passphrase").write_text("open\n")
        (home / "passphrase").chmod(0o600)
        (home / "password.sh").write_text(_PASSWORD)
        self.know_password(right=True)
        server = self._server
        with self.user.config.open("a") as file:
            file.write(
                _CONFIG.format(
                    port=server.imaps,
                    user=self._account,
                    ca_file=server.ca_file,
                    home=home,
                    smtp=smtp.port,
                    url=listener.url,
                )
            )
        words = ("schedule", "install", "--with", "cron", "--prune", "ann", "--print")
        shown = self.user.typed(*words, ARCHIVER_PASSPHRASE_FILE=str(home / "passphrase"))
        assert shown.exit == 0, shown.err
        lines = [line for line in shown.text.splitlines() if line and not line.startswith("#")]
        commands = [line.split(None, 5)[5].replace(r"\%", "%") for line in lines]  # as cron does
        # the pauses of `--retry` and `--retry-lock` are of real time, and other tests are at work beside this one
        commands = [re.sub(r" --(?:retry|retry-lock) \S+| --nice\b", "", line) for line in commands]
        for job in ("pull", "prune", "verify", "drill"):
            (self.lines[job],) = (line for line in commands if f" {job} " in line)

    # --- runs ---------------------------------------------------------------------------------------

    def run(self, job: str, at: datetime, kill_after_s: float | None = None) -> Ran:
        """Run a job of the crontab at this time of the clock, and kill it on its way if that is said."""
        with self.begin(job, at) as begun:
            return begun.end(kill_after_s)

    def typed(self, *words: str, at: datetime) -> Done:
        """Type a command at this time of the clock, with the passphrase at hand."""
        passphrase = str(self.user.home / "passphrase")
        given = {**self._clock.at(at), "ARCHIVER_PASSPHRASE_FILE": passphrase}
        return self.user.typed(*words, light=False, timeout_s=TIMEOUT_S, **given)

    @contextlib.contextmanager
    def begin(self, job: str, at: datetime) -> "Iterator[Begun]":
        """Begin a job of the crontab."""
        with tempfile.TemporaryFile() as said:
            process = self.user.start(
                *("-c", self.lines[job]),
                program="/bin/sh",
                environment=self._clock.at(at),
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            begun = Begun(process, said)
            try:
                yield begun
            finally:
                begun.kill()

    def hold_back(self) -> None:
        """Have the next run wait, with its lock held, for the password."""
        (self.user.home / "asked").unlink(missing_ok=True)
        (self.user.home / "wait").touch()

    def wait_until_held(self) -> None:
        """Wait until a run waits for the password."""
        until = time.monotonic() + TIMEOUT_S
        while not (self.user.home / "asked").exists():
            assert time.monotonic() < until
            time.sleep(0.01)

    def let_go(self) -> None:
        """Give the password to who waits for it."""
        (self.user.home / "wait").unlink()

    # --- what can be wrong --------------------------------------------------------------------------

    def know_password(self, *, right: bool) -> None:
        """Have archiver be given the right password, or another one."""
        path = self.user.home / "password"
        path.write_text(self._server.password + ("" if right else "?"))
        path.chmod(0o600)

    # --- looking ------------------------------------------------------------------------------------

    def measure(self) -> Size:
        """Weigh the archive."""
        found = [(path, path.stat().st_size) for path in self.archive.rglob("*") if path.is_file()]
        metadata = sum(size for path, size in found if path.parent.name in ("manifests", "indexes"))
        return Size(sum(size for _, size in found), len(found), metadata)


class Begun:
    """A run that has begun."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
        self._process = process
        self._said = said
        self._began = time.monotonic()

    def end(self, kill_after_s: float | None = None) -> Ran:
        """Wait for its end, or bring it about."""
        kill_at = None if kill_after_s is None else self._began + kill_after_s
        while True:
            pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                break
            if kill_at is not None and time.monotonic() >= kill_at:
                os.killpg(self._process.pid, signal.SIGKILL)
                kill_at = None
            assert time.monotonic() < self._began + TIMEOUT_S, "a run does not end"
            time.sleep(0.002)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - self._began
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        cpu_s = used.ru_utime + used.ru_stime
        return Ran(self._process.returncode, said, took, cpu_s, used.ru_maxrss * 1024)

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "256m") -> Iterator[bool]:
    """Give a folder a disk of its own, which can be filled; tells whether that is allowed here (to root, mostly)."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "archiver-year", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leave next to nothing on the disk of a folder, for a while."""
    filler = folder / "filler"
    free = os.statvfs(folder)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - LEFT_ON_A_FULL_DISK)
    try:
        yield
    finally:
        filler.unlink()
