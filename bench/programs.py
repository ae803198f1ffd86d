"""The programs that are compared, each with files of its own below one folder, and clean before every start."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.measure import Used, run, size_of
from tests.servers.dovecot import PASSWORD

ROOT = Path(__file__).parent.parent
_PASSPHRASE = "the passphrase of the bench"


def environment(home: Path, **more: str) -> dict[str, str]:
    """Make an environment that knows nothing of whoever runs this."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TMPDIR": str(home),
        **more,
    }


class Archiver:
    """archiver, with one archive and one account `mail`."""

    def __init__(self, folder: Path, user: str, port: int, *, long: bool = False, kind: str = "imap") -> None:
        self._folder = folder
        self._user = user
        self._port = port
        self._long = long
        self._kind = kind
        self._log = folder.with_name(folder.name + ".log")
        self.archive = folder / "archive"

    def make(self) -> None:
        """Begin anew: an empty archive, and the account."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._run("init", str(self.archive), *(["--long"] if self._long else []))
        self._run(
            *("account", "add", "mail", f"--{self._kind}", "127.0.0.1", "--port", str(self._port)),
            *("--insecure-plaintext", "--user", self._user, "--password-command", f"echo {PASSWORD}"),
        )

    def add(self, user: str) -> None:
        """Add the mailbox of another user, as an account of this name."""
        self._run(
            *("account", "add", user, "--imap", "127.0.0.1", "--port", str(self._port)),
            *("--insecure-plaintext", "--user", user, "--password-command", f"echo {PASSWORD}"),
        )

    def pull(self) -> Used:
        """Pull what is new."""
        return self._run("pull", "mail")

    def pull_all(self, *words: str) -> Used:
        """Pull what is new in all accounts, as a schedule does."""
        return self._run("pull", "-q", *words)

    def first_pull(self) -> Used:
        """Pull into an empty archive."""
        self.make()
        return self.pull()

    def restore(self, user: str) -> Used:
        """Restore all to the mailbox of another user."""
        self.add(user)
        return self._run("restore", "mail", "--to", user)

    def verify(self) -> Used:
        """Read, decrypt and check every message."""
        return self._run("verify", "mail", "--read")

    def size(self) -> int:
        """Tell how large the archive is."""
        return size_of(self.archive)

    def _run(self, *words: str) -> Used:
        home = self._folder / "home"
        env = environment(
            home,
            XDG_CONFIG_HOME=str(home / "config"),
            XDG_STATE_HOME=str(home / "state"),
            XDG_CACHE_HOME=str(home / "cache"),
            PYTHONPATH=str(ROOT),
            PYTHONSAFEPATH="1",  # this checkout is measured, wherever the bench was called
            ARCHIVER_PASSPHRASE_COMMAND=f"echo {_PASSPHRASE}",
        )
        return run([sys.executable, "-m", "archiver", *words], env=env, log=self._log)


class Mbsync:
    """mbsync, into Maildirs; `durable` is its default."""

    def __init__(self, folder: Path, user: str, port: int, *, durable: bool = True) -> None:
        self._folder = folder
        self._log = folder.with_name(folder.name + ".log")
        self._config = folder.with_name(folder.name + ".mbsyncrc")
        self._user = user
        self._text = _MBSYNC.format(
            fsync="yes" if durable else "no", port=port, user=user, password=PASSWORD, folder=folder
        )

    def first_pull(self) -> Used:
        """Pull into empty Maildirs."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._config.write_text(self._text, encoding="utf-8")
        return self.pull()

    def pull(self) -> Used:
        """Pull what is new."""
        env = environment(self._folder.with_name(self._folder.name + ".home"))
        return run(["mbsync", "-q", "-c", self._config, "-a"], env=env, log=self._log)

    def push(self, user: str) -> Used:
        """Push all Maildirs, once pulled, to the empty mailbox of another user."""
        for path in (*self._folder.rglob(".mbsyncstate*"), *self._folder.rglob(".uidvalidity")):
            path.unlink()
        for path in self._folder.rglob("*,U=*"):
            path.rename(path.with_name(re.sub(",U=[0-9]+", "", path.name)))
        text = self._text.replace(f"User {self._user}\n", f"User {user}\n")
        text = text.replace("Create Near", "Create Far").replace("Sync Pull", "Sync Push")
        config = self._config.with_suffix(".push")
        config.write_text(text, encoding="utf-8")
        env = environment(self._folder.with_name(self._folder.name + ".home"))
        return run(["mbsync", "-q", "-c", config, "-a"], env=env, log=self._log)


_MBSYNC = """\
FSync {fsync}

IMAPAccount server
Host 127.0.0.1
Port {port}
User {user}
Pass "{password}"
SSLType None
AuthMechs LOGIN

IMAPStore far
Account server

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Sync Pull
SyncState *
"""


class Getmail:
    """getmail, from POP3 into one Maildir; it leaves all on the server and adds nothing to what it stores."""

    def __init__(self, folder: Path, user: str, port: int) -> None:
        self._folder = folder
        self._log = folder.with_name(folder.name + ".log")
        self._text = _GETMAIL.format(port=port, user=user, password=PASSWORD, folder=folder)
        if os.geteuid() == 0:  # it delivers nothing as root
            self._text = self._text.replace("[options]", "user = nobody\n[options]")

    def first_pull(self) -> Used:
        """Pull into an empty Maildir."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("cur", "new", "tmp"):
            (self._folder / "INBOX" / name).mkdir(parents=True)
            if os.geteuid() == 0:
                shutil.chown(self._folder / "INBOX" / name, "nobody")
        (self._folder / "getmailrc").write_text(self._text, encoding="utf-8")
        env = environment(self._folder.with_name(self._folder.name + ".home"))
        return run(["getmail", "--getmaildir", self._folder], env=env, log=self._log)


_GETMAIL = """\
[retriever]
type = SimplePOP3Retriever
server = 127.0.0.1
port = {port}
username = {user}
password = {password}
[destination]
type = Maildir
path = {folder}/INBOX/
[options]
read_all = false
delete = false
delivered_to = false
received = false
verbose = 0
"""


class Restic:
    """restic, with a repository of one Maildir tree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder.with_name(folder.name + ".log")

    def backup(self, source: Path) -> Used:
        """Back up a folder into a new repository."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._run("init")
        return self._run("backup", str(source))

    def check(self) -> Used:
        """Read and check all data."""
        return self._run("check", "--read-data")

    def _run(self, *words: str) -> Used:
        env = environment(self._folder.with_name(self._folder.name + ".home"), RESTIC_PASSWORD=_PASSPHRASE)
        return run(["restic", "-q", "-r", self._folder / "repository", *words], env=env, log=self._log)


class Borg:
    """borg, with a repository of one Maildir tree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._repository = folder / "repository"
        self._log = folder.with_name(folder.name + ".log")

    def backup(self, source: Path) -> Used:
        """Back up a folder into a new repository, with zstd at level 3."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._run("init", "--encryption", "repokey", str(self._repository))
        return self._run("create", "--compression", "zstd,3", f"{self._repository}::mail", str(source))

    def size(self) -> int:
        """Tell how large the repository is."""
        return size_of(self._repository)

    def _run(self, *words: str) -> Used:
        env: Mapping[str, str] = environment(
            self._folder.with_name(self._folder.name + ".home"), BORG_PASSPHRASE=_PASSPHRASE
        )
        return run(["borg", *words], env=env, log=self._log)
