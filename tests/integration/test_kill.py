"""A pull that is killed, and killed again, loses nothing and stores nothing twice.

ARCHIVER_KILLS says how often (6 if not said).
"""

import hashlib
import imaplib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.require import require
from tests.servers.dovecot import Dovecot

KILLS = int(os.environ.get("ARCHIVER_KILLS", "6"))
MESSAGES = 1_000
# the server's spelling -> ours; some content is in two folders
FOLDERS = {"INBOX": "INBOX", "Work": "Work", "Gr&APwA3w-e": "Grüße", "Lists/ab": "Lists/ab"}
SMALL = {"CHECKPOINT_BYTES": str(96 << 10)}

pytestmark = pytest.mark.timeout(300 + KILLS * 10)


def message(number: int) -> bytes:
    made = random.Random(number)
    lines = [made.randbytes(33).hex().encode() for _ in range(made.choice((2, 10, 60, 200)))]
    if number % 50 == 0:
        lines *= 30
    head = [
        b"From: Bob <bob@example.org>",
        b"Subject: message %d" % number,
        b"Message-ID: <%d@example.org>" % number,
    ]
    return b"\r\n".join([*head, b"", *lines, b"From here on nothing", b""])


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    require("dovecot")
    with Dovecot(("ann",), pop3=True) as running:
        tree = running.base / "mail" / "Maildir"
        for number in range(MESSAGES):
            name = ("", ".Work", ".Gr&APwA3w-e", ".Lists.ab")[number % 4]
            content = number - 3 if number % 11 == 0 and number > 3 else number
            folder = tree / name if name else tree
            for part in ("cur", "new", "tmp"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            path = folder / "cur" / f"{1_700_000_000 + number}.{number}.x:2,S"
            path.write_bytes(message(content))
        for path in (tree.parent, *tree.parent.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        running.load("ann", tree)
        yield running


@pytest.fixture(scope="module")
def on_server(server: Dovecot) -> Counter[tuple[str, str]]:
    """Read every message with the library of Python, which knows nothing of archiver."""
    found: Counter[tuple[str, str]] = Counter()
    with imaplib.IMAP4("127.0.0.1", server.imap) as line:
        line.login("ann", server.password)
        for spelt, name in FOLDERS.items():
            line.select(f'"{spelt}"', readonly=True)
            _, parts = line.fetch("1:*", "(BODY.PEEK[])")
            for part in parts:
                if isinstance(part, tuple):
                    found[name, hashlib.sha256(part[1]).hexdigest()] += 1
    assert found.total() == MESSAGES
    return found


def prepare(home: Path, server: Dovecot, layout: str, kind: str) -> CommandLine:
    home.mkdir()
    user = CommandLine(home)
    user.environment["ARCHIVER_PASSPHRASE_COMMAND"] = "echo open"
    made = user.typed("init", home / "archive", "--layout", layout, light=True)
    assert made.exit == 0, made.err
    port = server.pop3s if kind == "pop3" else server.imaps
    words = f"account add ann --{kind} localhost --port {port} --ca-file {server.ca_file} --user ann"
    added = user.typed(*words.split(), "--password-command", f"echo {server.password}")
    assert added.exit == 0, added.err
    return user


def runs(user: CommandLine) -> int:
    return len(list(user.home.glob("archive/chains/*/manifests/*.manifest")))


def check(user: CommandLine, on_server: Counter[tuple[str, str]]) -> None:
    held = user.typed("list", "ann", "--no-key", "--json").document["messages"]
    assert Counter((one["folder"], one["id"]) for one in held) == on_server
    read = user.typed("verify", "--read", "--json", timeout_s=300)
    assert read.exit == 0, read.err
    (chain,) = read.document["chains"]
    assert chain["messages"] == len({digest for _, digest in on_server}), "each content is stored once"


@pytest.mark.parametrize(("layout", "kind"), [("mbox", "imap"), ("maildir", "imap"), ("mbox", "pop3")])
def test_a_pull_killed_at_any_moment_loses_nothing_and_takes_nothing_twice(
    tmp_path: Path, server: Dovecot, on_server: Counter[tuple[str, str]], layout: str, kind: str
) -> None:
    if kind == "pop3":  # it has the one folder
        on_server = Counter({at: often for at, often in on_server.items() if at[0] == "INBOX"})
    rolls = random.Random()
    told: Counter[str] = Counter()
    killed, longest_s = 0, 1.6
    while killed < KILLS:
        told["archives"] += 1
        user = prepare(tmp_path / str(told["archives"]), server, layout, kind)
        ended = False
        while killed < KILLS and not ended:
            before, torn = runs(user), set(user.home.glob("**/.*.tmp"))
            pull = user.start("pull", "-q", light=True, environment=SMALL, stdout=subprocess.DEVNULL)
            started = time.monotonic()
            time.sleep(rolls.uniform(0.2, longest_s))
            if pull.poll() is None:
                os.killpg(pull.pid, signal.SIGKILL)
            _, err = pull.communicate()
            ended = pull.returncode != -signal.SIGKILL  # by itself, be it in that very moment
            if ended:
                assert pull.returncode == 0, err.decode()
                longest_s = max(0.4, min(longest_s, time.monotonic() - started))
            else:
                killed += 1
                told["after a commit of their own" if runs(user) > before else "before one"] += 1
                told["amid the writing of a file"] += set(user.home.glob("**/.*.tmp")) > torn
            if killed % 10 == 0:
                sound = user.typed("verify", "--json")
                assert sound.exit == 0, sound.err
        last = user.typed("pull", "-q", light=True, timeout_s=120, **SMALL)
        assert (last.exit, last.err) == (0, "")
        again = user.typed("pull", "--json").document
        assert all(folder["new"] == 0 for folder in again["folders"])
        check(user, on_server)
    print(f"{kind}, {layout}: {killed} kills, {dict(told)}")
