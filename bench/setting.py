"""What the rows measure in front of: one Dovecot with mailboxes that are filled when a row wants them."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from bench.programs import ROOT, Archiver, Getmail, Mbsync
from tests.servers.dovecot import Dovecot

SHARED_TOOL = ROOT.parent / "shared" / "tools" / "make_corpus.py"
NIGHTLY = tuple(f"night{number}" for number in range(50))
USERS = (*NIGHTLY, "corpus", "many", "few", "small", "big", "none", "restored", "pushed")
_SEED = 1


class Setting:
    """A server, a corpus and a folder to work in. `messages` is the size of the corpus."""

    def __init__(
        self,
        server: Dovecot,
        work: Path,
        *,
        messages: int,
        rounds: int,
        corpus: str,
        say: Callable[[str], None],
    ) -> None:
        self.server = server
        self.work = work
        self.messages = messages
        self.rounds = rounds
        self._corpus = corpus
        self._say = say
        self._filled: set[str] = set()

    @cached_property
    def corpus(self) -> Path:
        """The corpus as a Maildir tree: the one given, or made now."""
        kind = self._corpus
        if kind not in ("own", "shared", "auto"):
            given = Path(kind).absolute()
            if not given.is_dir():
                self._make("mixed", given, self.messages)
            return given
        folder = self.work / "corpus"
        if kind == "shared" or (kind == "auto" and SHARED_TOOL.exists()):
            self._say(f"making a corpus of {self.messages} messages with the shared generator")
            words = [sys.executable, str(SHARED_TOOL), str(folder), str(self.messages), str(_SEED)]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        else:
            self._make("mixed", folder, self.messages)
        return folder

    def fill(self, user: str) -> str:
        """Fill a mailbox, once; give its user."""
        if user not in self._filled:
            self._filled.add(user)
            if user == "corpus":
                source = self.corpus
            else:
                source = self.work / f"mail-{user}"
                kind, count = self._sources[user]
                self._make(kind, source, count)
            self._say(f"filling the mailbox of {user}")
            self.server.load(user, source)
            if source != self.corpus:
                shutil.rmtree(source)
        return user

    def empty(self, user: str) -> str:
        """Take all mail from a user."""
        shutil.rmtree(self.server.base / "home" / user, ignore_errors=True)
        return user

    @property
    def many(self) -> int:
        """How many messages the large mailbox has."""
        return self._sources["many"][1]

    @property
    def small(self) -> int:
        """How many messages the mailbox at the end of the long line has."""
        return self._sources["small"][1]

    @property
    def few(self) -> int:
        """How many messages the mailbox has that the large one is compared with."""
        return self._sources["few"][1]

    def archiver(self, name: str, user: str, *, port: int | None = None, long: bool = False) -> Archiver:
        """Make ready an archiver for a mailbox."""
        return Archiver(self.work / name, user, port or self.server.imap, long=long)

    def archiver_by_pop3(self, name: str, user: str) -> Archiver:
        """Make ready an archiver for a mailbox, by POP3."""
        return Archiver(self.work / name, user, self.server.pop3, kind="pop3")

    def getmail(self, name: str, user: str) -> Getmail:
        """Make ready a getmail for a mailbox."""
        return Getmail(self.work / name, user, self.server.pop3)

    def mbsync(self, name: str, user: str, *, port: int | None = None, durable: bool = True) -> Mbsync:
        """Make ready an mbsync for a mailbox."""
        return Mbsync(self.work / name, user, port or self.server.imap, durable=durable)

    @property
    def _sources(self) -> dict[str, tuple[str, int]]:
        return {
            "many": ("small", 5 * self.messages),
            "few": ("small", self.messages // 2),
            "small": ("small", self.messages // 4),
            "big": ("big", 100 << 20),
        }

    def _make(self, kind: str, folder: Path, count: int) -> None:
        """Make mail in a process of its own: a measured child would inherit our resident size."""
        self._say(f"making mail: {kind} {count}")
        words = [sys.executable, "-m", "bench.corpus", kind, str(folder), str(count), str(_SEED)]
        subprocess.run(words, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
