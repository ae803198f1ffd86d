"""archiver restore: from one real server to another of other ways, whole, once, and however often it is killed."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.model import Message, New
from tests.cli.conftest import FOREIGN, Mailboxes, mail, write_account
from tests.command_line import CommandLine
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.servers.imap_double import ImapDouble, Mail
from tests.servers.owner import Owner

MESSAGES = int(os.environ.get("ARCHIVER_MESSAGES", "2000"))
KILLS = int(os.environ.get("ARCHIVER_KILLS", "5"))
FOLDERS = ("", ".Sent", ".Trash", ".Work", ".Work.Old", ".Work.R&AOk-sum&AOk-", ".2024 and before")
FLAGS = ("", "S", "RS", "FS", "DS", "Sa", "FSb", "ab")

Row = tuple[str, str, frozenset[str], datetime | None]


def write_maildir(folder: Path) -> None:
    """Write a Maildir++ tree: folders, flags, keywords, dates, copies, and messages without Message-ID."""
    chance = random.Random(3)
    for name in FOLDERS:
        for part in ("cur", "new", "tmp"):
            (folder / name / part).mkdir(parents=True, exist_ok=True)
        (folder / name / "dovecot-keywords").write_text("0 $Forwarded\n1 Work\n")
    at = datetime(2003, 1, 1, tzinfo=UTC)
    for number in range(MESSAGES):
        at += timedelta(
            seconds=chance.randrange(1, 180_000_000 // MESSAGES)
        )  # none is of the future: servers refuse that
        head = "" if number % 50 == 0 else f"Message-ID: <{number}@example.org>\r\n"
        body = "x" * int(chance.expovariate(1 / 2_000))
        raw = f"{head}Subject: {number}\r\n\r\nGr\u00fc\u00dfe {number}\r\n{body}\r\n".encode()
        for copy in range(2 if number % 100 == 7 else 1):
            name = f"{int(at.timestamp())}.{number}-{copy}.host:2,{chance.choice(FLAGS)}"
            path = folder / FOLDERS[number % len(FOLDERS)] / "cur" / name
            path.write_bytes(raw)
            os.utime(path, (at.timestamp(), at.timestamp()))


def state(server: Dovecot, user: str) -> Counter[Row]:
    """Everything a user has: folder without the server's prefix, digest, flags and keywords, date of receipt."""
    owner = Owner(server, user)
    account = owner.account()
    home = account.home()
    found: Counter[Row] = Counter()
    for folder in account.folders():
        remotes = [one.remote for one in account.changes(folder, None, dict) if isinstance(one, New)]
        for one in account.fetch(remotes):
            assert isinstance(one, Message)
            remote = one.remote
            name = folder.name.removeprefix(home)
            digest = hashlib.sha256(one.raw).hexdigest()
            found[name, digest, remote.flags - {"\\Recent"}, remote.received] += 1
    account.close()
    owner.close()
    return found


def tree(server: Dovecot, user: str) -> set[str]:
    """The folders of a user, without the server's prefix."""
    owner = Owner(server, user)
    account = owner.account()
    home = account.home()
    found = {folder.name.removeprefix(home) for folder in account.folders()}
    account.close()
    owner.close()
    return found


@pytest.fixture(scope="module")
def dotted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """A server of other ways: Maildir, `.` between the components, all below `INBOX.`."""
    require("dovecot")
    options = {"mail_location": "maildir:~/Maildir", "separator": ".", "prefix": "INBOX."}
    with Dovecot(["old", "back"], **options) as running:  # type: ignore[arg-type]  # three strings
        folder = tmp_path_factory.mktemp("mail") / "Maildir"
        write_maildir(folder)
        home = running.base / "home" / "old"
        shutil.copytree(folder, home / "Maildir")
        if os.geteuid() == 0:
            for path in (home, *home.rglob("*")):
                shutil.chown(path, "nobody", None)
        yield running


@pytest.fixture(scope="module")
def archived(templates: dict[str, Path], dotted: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that pulled all of it, to be copied."""
    folder = tmp_path_factory.mktemp("archived")
    home = _copied(templates["mbox"], folder / "home", templates["mbox"])
    write_account(home, dotted, "old", "old")
    done = home("pull", "-q")
    assert (done.exit, done.err) == (0, "")
    return folder / "home"


def _copied(source: Path, to: Path, template: Path) -> CommandLine:
    shutil.copytree(source, to)
    home = CommandLine(to)
    home.config.write_text(
        home.config.read_text().replace(str(template), str(to)).replace(str(source), str(to))
    )
    home.environment["ARCHIVER_PASSPHRASE_COMMAND"] = "echo open sesame"
    return home


@pytest.fixture
def moving(archived: Path, tmp_path: Path, templates: dict[str, Path]) -> CommandLine:
    return _copied(archived, tmp_path / "moving", templates["mbox"])


@pytest.fixture
def new(moving: CommandLine, server: Dovecot, mailboxes: Mailboxes) -> str:
    user = mailboxes.new()
    write_account(moving, server, "new", user)
    return user


# --- two servers ----------------------------------------------------------------------------------------


def test_a_whole_account_moves_to_a_server_of_other_ways_and_only_once(
    moving: CommandLine, dotted: Dovecot, server: Dovecot, new: str
) -> None:
    source = state(dotted, "old")
    assert source.total() == MESSAGES + MESSAGES // 100
    dry = moving("restore", "old", "--to", "new", "--dry-run", "--json").lines[-1]
    assert sum(one["restored"] for one in dry["folders"]) == source.total()
    assert state(server, new).total() == 0

    done = moving.typed("restore", "old", "--to", "new")
    assert (done.exit, done.out) == (0, b"")
    assert done.err.startswith(f"new: {source.total():,} messages restored (")
    assert state(server, new) == source
    assert tree(server, new) == tree(dotted, "old")

    again = moving("restore", "old", "--to", "new", "--json")
    assert again.exit == 0
    told = again.lines[-1]
    assert (told["type"], told["account"], told["dry_run"]) == ("restored", "new", False)
    assert sum(one["restored"] for one in told["folders"]) == 0
    assert sum(one["there"] for one in told["folders"]) == source.total()
    assert state(server, new) == source


def test_and_back_again(moving: CommandLine, dotted: Dovecot, server: Dovecot, new: str) -> None:
    assert moving("restore", "old", "--to", "new", "-q").exit == 0
    assert moving("pull", "new", "-q").exit == 0
    write_account(moving, dotted, "back", "back")
    assert moving("restore", "new", "--to", "back", "-q").exit == 0
    source = state(server, new)
    assert state(dotted, "back") == source == state(dotted, "old")
    assert tree(dotted, "back") == tree(server, new)
    assert moving("restore", "new", "--to", "back").err.startswith("back: 0 messages restored (0 B)")
    assert state(dotted, "back") == source


def test_killed_again_and_again_it_ends_the_same(
    moving: CommandLine, dotted: Dovecot, server: Dovecot, new: str
) -> None:
    source = state(dotted, "old")
    chance = random.Random(KILLS)
    words = ("restore", "old", "--to", "new", "-q")
    environment = {"LEDGER_EVERY": "150"}
    killed = between = 0
    while killed < KILLS:
        started = time.monotonic()
        process = moving.start(*words, light=True, environment=environment, stderr=subprocess.DEVNULL)
        held = _count(server, new)
        wanted = held + chance.randrange(1, 500)
        while process.poll() is None and _count(server, new) < wanted and time.monotonic() < started + 60:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
        after = state(server, new) if KILLS <= 5 else None
        if after is not None:
            assert not after - source, "nothing is there twice"
        between += held < _count(server, new) < source.total()
        if _count(server, new) >= source.total():
            server.doveadm("expunge", "-u", new, "mailbox", "*", "all")
    assert between, "some were killed in the middle"
    assert moving(*words).exit == 0
    assert state(server, new) == source
    assert moving("restore", "old", "--to", "new").err.startswith("new: 0 messages restored")
    assert moving("verify", "-q").exit == 0


def _count(server: Dovecot, user: str) -> int:
    told = server.doveadm("-f", "flow", "mailbox", "status", "-t", "-u", user, "messages", "*").decode()
    return int(told.partition("messages=")[2] or 0)


# --- one server -----------------------------------------------------------------------------------------


def test_a_deleted_mail_comes_back_by_its_id(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes, ann: str
) -> None:
    before = state(server, ann)
    listed = pulled("list", "ann", "--json").document["messages"]
    (one,) = [each for each in listed if each["subject"] == "two"]
    mailboxes.expunge(ann, "mailbox", "INBOX", "subject", "two")
    assert pulled("pull", "-q").exit == 0
    done = pulled("restore", "ann", "--id", one["id"][:12])
    assert done.err.startswith("ann: 1 message restored")
    assert state(server, ann) == before
    assert pulled("restore", "ann", "--id", one["id"][:12]).err.startswith("ann: 0 messages restored")
    assert pulled("restore", "ann", "--id", "ffffffffffff").exit == 2
    assert pulled("restore", "ann", "--id", "f").exit == 2


def test_filters_choose_and_into_puts_below_a_folder(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes, ann: str
) -> None:
    done = pulled("restore", "ann", "--folder", FOREIGN, "--into", "Restored")
    assert done.exit == 0
    assert "Restored/" + FOREIGN in mailboxes.folders(ann)
    assert pulled("restore", "ann", "--from", "eve@example.net", "--into", "Eve").err.startswith(
        "ann: 1 message"
    )
    assert mailboxes.folders(ann).count("Eve/INBOX") == 1
    assert "nothing to restore" in pulled("restore", "ann", "--folder", "Nowhere").err


def test_a_folder_as_of_an_earlier_run(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes, ann: str
) -> None:
    before = state(server, ann)
    mailboxes.expunge(ann, "mailbox", "INBOX", "all")
    assert pulled("pull", "-q").exit == 0
    assert pulled("restore", "ann").err.startswith("ann: 0 messages restored")
    assert pulled("restore", "ann", "--as-of", "1").err.startswith("ann: 3 messages restored")
    assert state(server, ann) == before
    assert pulled("restore", "ann", "--as-of", "1").err.startswith("ann: 0 messages restored")


def test_damage_is_told_and_the_rest_restored(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes, ann: str
) -> None:
    mailboxes.deliver(ann, mail("late"))
    assert pulled("pull", "-q").exit == 0
    (first, *_) = sorted((pulled.home / "mail").rglob("*.mbox.zst.age"))
    first.chmod(0o600)
    first.write_bytes(bytes(first.stat().st_size))
    done = pulled("restore", "ann", "--into", "Safe", "--json")
    assert done.exit == 13
    told = next(line for line in done.lines if line["type"] == "restored")
    assert sum(one["restored"] for one in told["folders"]) == 1
    assert sum(len(one["unreadable"]) for one in told["folders"]) == 5


def test_a_message_whose_nul_the_server_replaces_is_told_and_comes_once(
    moving: CommandLine, server: Dovecot, dotted: Dovecot, mailboxes: Mailboxes
) -> None:
    user = mailboxes.new()
    with ImapDouble({1: Mail(b"Subject: nul\r\n\r\na\0b\r\n")}) as double:
        with moving.config.open("a") as file:
            file.write(
                f'[account.double]\narchive = "mail"\nkind = "imap"\nhost = "127.0.0.1"\nport = {double.port}\n'
                'user = "ann"\ninsecure-plaintext = true\npassword-command = "echo x"\n'
            )
        assert moving("pull", "double", "-q").exit == 0
    write_account(moving, server, "nul", user)
    done = moving("restore", "double", "--to", "nul", "--json")
    told = done.lines[-1]["folders"][0]
    assert (done.exit, told["restored"]) == (0, 1)
    assert "NUL" in told["altered"][0]["reason"]
    assert moving("restore", "double", "--to", "nul", "--json").lines[-1]["folders"][0]["there"] == 1


def test_a_full_mailbox_is_22_and_what_was_restored_is_kept(
    make_home: Callable[..., CommandLine], mailboxes: Mailboxes, server: Dovecot
) -> None:
    settings = (
        "mail_plugins = $mail_plugins quota\nprotocol imap {\n mail_plugins = $mail_plugins quota\n}\n"
        "plugin {\n quota = count:User quota\n quota_vsizes = yes\n quota_rule = *:storage=300K\n quota_grace = 0\n}\n"
    )
    home = make_home()
    user = mailboxes.new()
    mailboxes.deliver(user, *(mail(f"number {n}", text=("y" * 900 + "\n") * 40) for n in range(20)))
    write_account(home, server, "ann", user)
    assert home("pull", "-q").exit == 0
    with Dovecot(["small"], settings=settings) as small:
        write_account(home, small, "small", "small")
        done = home("restore", "ann", "--to", "small")
        assert done.exit == 22, done.err
        assert "full" in done.err
        there = state(small, "small")
        assert 5 <= there.total() < 10
        again = home("restore", "ann", "--to", "small")
        assert again.exit == 22
        assert state(small, "small") == there
