"""A real cron of one's own: Debian's daemon and its `crontab`, in a mount namespace where all they touch is temporary.

Needs root, and leave to make a mount namespace. What the daemon mails goes to files in the place of sendmail's queue.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.require import require

# What cron reads and writes is taken from below "$1"; /usr/sbin, where its sendmail is, becomes a folder of links.
_PLACES = """
set -e
cd "$1"
mount --make-rprivate /
mkdir -p spool empty real sbin mail
chmod 1730 spool
mount --bind /usr/sbin real
for program in real/*; do ln -s "$1/$program" "sbin/${program#real/}"; done
rm -f sbin/sendmail
printf '#!/bin/sh\\ncat > "%s/mail/$$"\\n' "$1" > sbin/sendmail
chmod 755 sbin/sendmail
mount --bind sbin /usr/sbin
mount --bind spool /var/spool/cron/crontabs
mount --bind empty /etc/cron.d
: > crontab; mount --bind crontab /etc/crontab
printf '%s required pam_permit.so\\n' auth account session > pam
mount --bind pam /etc/pam.d/cron
mount -t tmpfs tmpfs /run
"""
_INSTALL = _PLACES + 'printf %s "$2" | crontab -; shift 2; "$@" >&2; exec "$0/real/cron" -f'


class Cron:
    """A cron whose crontab begins with some lines, and to which `install` has then added its own.

    `folder` is a new folder; `install` is a command line that is run where `crontab` is the one of this cron.
    """

    def __init__(
        self, folder: Path, lines: str, install: list[str], environment: Mapping[str, str], home: Path
    ) -> None:
        require("cron")
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("this test needs root: cron changes to the user whose job it starts")
        folder.mkdir()
        self.folder = folder
        self._words = ["sh", "-c", _INSTALL, str(folder), str(folder), lines, *install]
        self._environment = dict(environment)
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                [require("unshare"), "--mount", *self._words],
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)
        shutil.rmtree(self.folder / "sbin", ignore_errors=True)

    @property
    def ended(self) -> bool:
        """Whether the daemon, or what was to start it, has ended."""
        assert self._process is not None
        return self._process.poll() is not None

    @property
    def said(self) -> str:
        """What was said until the daemon began."""
        return (self.folder / "said").read_text(errors="replace")

    @property
    def crontab(self) -> str:
        """The crontab as the daemon reads it."""
        return (self.folder / "spool" / "root").read_text()

    @property
    def mails(self) -> list[str]:
        """What was given to sendmail."""
        return [path.read_text(errors="replace") for path in sorted((self.folder / "mail").iterdir())]
