"""archiver pull of several accounts at a time: told in order, bounded, patient, and stopped politely."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archiver.archive.machine import Machine
from archiver.plan import retry
from tests.cli.conftest import Mailboxes, mail, write_account
from tests.command_line import CommandLine, Done
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.servers.relay import Relay

POLITE_S = 5.0


def text_of(size: int) -> str:
    return "\n".join(os.urandom(35).hex() for _ in range(size // 71)) + "\n"


def account(home: CommandLine, server: Dovecot, name: str, user: str, port: int | None = None) -> None:
    """Write an account, in the clear and behind a relay where there is a port."""
    if port is None:
        write_account(home, server, name, user)
        return
    before = home.config.read_text()
    write_account(home, server, name, user, "insecure-plaintext = true")
    added = home.config.read_text().removeprefix(before)
    added = added.replace(f"port = {server.imaps}", f"port = {port}")
    home.config.write_text(before + added.replace(f'ca-file = "{server.ca_file}"\n', ""))


def some(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes, count: int, port: int | None = None
) -> list[str]:
    """Make accounts with a few messages each, of which some are alike."""
    names = []
    for number in range(count):
        user = mailboxes.new()
        mailboxes.deliver(user, *(mail(f"{number} {each}") for each in range(number + 1)))
        mailboxes.deliver(user, mail("large", text=text_of(200_000)), folder="Archive")
        names.append(f"a{number}")
        account(home, server, names[-1], user, port)
    return names


def held(home: CommandLine, name: str) -> int:
    listed = home("list", name, "--no-key", "--json")
    return len(listed.document["messages"]) if listed.exit == 0 else 0


def heads(done: Done) -> list[str]:
    return [line.partition(":")[0] for line in done.err.splitlines()]


# --- what is told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["mbox", "maildir"])
def test_several_accounts_are_pulled_at_a_time_and_told_in_order(
    make_home: Callable[..., CommandLine], server: Dovecot, mailboxes: Mailboxes, layout: str
) -> None:
    home = make_home(layout)
    with Relay(server.imap, together=4) as relay:
        names = some(home, server, mailboxes, 7, relay.port)
        done = home.typed("pull")
        assert relay.most == 4, "as many as may, and no more"
    assert done.exit == 0, done.err
    assert heads(done) == names
    assert [line.split()[1] for line in done.err.splitlines()] == [str(number + 2) for number in range(7)]
    read = home("verify", "--read", "--json")
    assert read.exit == 0, read.err
    assert sorted(chain["messages"] for chain in read.document["chains"]) == [n + 2 for n in range(7)]
    in_clear(home, server)
    again = home("pull", "--json", "--jobs", "3")
    assert [line["account"] for line in again.lines] == names
    assert all(folder["new"] == 0 for line in again.lines for folder in line["folders"])


def test_the_configuration_says_how_many_at_a_time_and_the_option_over_it(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with Relay(server.imap, together=2) as relay:
        some(home, server, mailboxes, 5, relay.port)
        with home.config.open("a") as file:
            file.write("[pull]\njobs = 2\n")
        assert home.typed("pull", "-q").exit == 0
        assert relay.most == 2
    with Relay(server.imap, together=3) as relay:
        home.config.write_text(_other_port(home, relay.port))
        assert home.typed("pull", "-q", "--jobs", "3").exit == 0
        assert relay.most == 3
    with Relay(server.imap) as relay:
        home.config.write_text(_other_port(home, relay.port).replace("jobs = 2", "jobs-per-host = 1"))
        assert home.typed("pull", "-q").exit == 0
        assert relay.most == 1
    bad = home.config.read_text().replace("jobs-per-host = 1", "jobs = 0\nretry-lock = 5")
    home.config.write_text(bad)
    done = home("pull")
    assert done.exit == 14
    assert "pull.jobs: must be from 1 to 64" in done.err
    assert "pull.retry-lock: must be text" in done.err


def _other_port(home: CommandLine, port: int) -> str:
    lines = home.config.read_text().splitlines(True)
    return "".join(f"port = {port}\n" if line.startswith("port = ") else line for line in lines)


def test_a_mailbox_under_two_names_is_pulled_one_after_the_other(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    user = mailboxes.new()
    mailboxes.deliver(user, mail("one"), mail("two"))
    with Relay(server.imap) as relay:
        for name in ("one", "two", "three"):
            account(home, server, name, user, relay.port)
        assert home.typed("pull", "-q").exit == 0
        assert (relay.came, relay.most) == (3, 1)
    assert [held(home, name) for name in ("one", "two", "three")] == [2, 2, 2]


def test_what_fails_in_some_accounts_is_told_in_its_place_and_stops_no_other(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with Relay(server.imap) as relay:
        names = some(home, server, mailboxes, 5, relay.port)
        text = home.config.read_text()
        before, header, after = text.partition("[account.a1]")
        home.config.write_text(before + header + after.replace('"echo secret', '"echo wrong secret', 1))
        text = home.config.read_text()
        before, header, after = text.partition("[account.a3]")
        home.config.write_text(before + header + after.replace(f"port = {relay.port}", "port = 1", 1))
        done = home.typed("pull", "--json")
    assert done.exit == 21, "it counts more than a server that is away"
    assert [line["type"] for line in done.lines] == [
        *("pull", "account-failed", "pull", "account-failed", "pull"),
        "error",
    ]
    assert [line["account"] for line in done.lines[:-1]] == names
    assert done.error["message"] == '2 of 5 accounts failed: "a1", "a3"'
    assert [held(home, name) for name in names] == [2, 0, 4, 0, 6]


def test_lines_of_several_accounts_never_mix(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    names = some(home, server, mailboxes, 6)
    done = home.typed("pull", "-v", "--json")
    assert done.exit == 0, done.err
    told: dict[str, list[str]] = {}
    for line in done.lines:  # each is whole, or it would be no JSON
        told.setdefault(line["account"], []).append(line["type"])
    assert sorted(told) == names
    assert all(types[-1] == "pull" for types in told.values())
    assert [line["account"] for line in done.lines if line["type"] == "pull"] == names


# --- patience ---------------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.05)


@pytest.mark.usefixtures("hasty")
def test_a_server_that_comes_back_is_tried_again(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with Relay(server.imap, refused=2) as relay:
        (name,) = some(home, server, mailboxes, 1, relay.port)
        assert home("pull").exit == 20
        done = home("pull", "--retry", "1", "--json")
        assert done.exit == 0, done.err
        assert [line["type"] for line in done.lines] == ["account-retried", "pull"]
        assert (done.lines[0]["account"], done.lines[0]["code"]) == (name, "unreachable")
        assert relay.came == 3
    assert held(home, name) == 2


@pytest.mark.usefixtures("hasty")
def test_a_server_that_stays_away_is_tried_so_often_and_quietly(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with Relay(server.imap, refused=100) as relay:
        some(home, server, mailboxes, 1, relay.port)
        with home.config.open("a") as file:
            file.write("[pull]\nretry = 3\n")
        done = home("pull", "-q")
        assert done.exit == 20
        assert relay.came == 4
        assert done.err.count("\n") == 2, "the failure and its hint alone"


@pytest.mark.usefixtures("hasty")
def test_a_refused_login_is_never_tried_again(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with Relay(server.imap) as relay:
        some(home, server, mailboxes, 1, relay.port)
        home.config.write_text(home.config.read_text().replace('"echo secret', '"echo wrong secret'))
        assert home("pull", "--retry", "5").exit == 21
        assert relay.came == 1


def machine_of(home: CommandLine) -> Machine:
    (key,) = (home.home / "state" / "archiver").glob("*/writer.key")
    return Machine(key.parent)


@pytest.mark.parametrize(
    "command", [["pull"], ["prune", "ann", "--older-than", "1y", "--expunge", "--dry-run"]]
)
def test_a_lock_is_waited_for_as_long_as_asked(pulled: CommandLine, command: list[str]) -> None:
    with machine_of(pulled).lock("ann"):
        assert pulled(*command).exit == 11
        began = time.monotonic()
        assert pulled(*command, "--retry-lock", "1s").exit == 11
        assert time.monotonic() - began >= 1
    lock = machine_of(pulled).lock("ann")
    lock.__enter__()
    threading.Timer(1.5, lock.__exit__, (None, None, None)).start()
    done = pulled(*command, "--retry-lock", "60s")
    assert done.exit == 0, done.err
    assert pulled("pull", "--retry-lock", "soon").exit == 2


# --- stopping ---------------------------------------------------------------------------------------------


def ends_politely(pull: "subprocess.Popen[bytes]") -> bytes:
    """Ask a pull to stop; it must end in time, as interrupted."""
    assert pull.poll() is None, "still at work"
    began = time.monotonic()
    pull.send_signal(signal.SIGTERM)
    out, err = pull.communicate(timeout=30)
    took = time.monotonic() - began
    assert pull.returncode == 130, err.decode()
    assert b"Traceback" not in err
    assert took < POLITE_S, took
    return out


def in_clear(home: CommandLine, server: Dovecot) -> None:
    home.config.write_text(_other_port(home, server.imap))


def large(mailboxes: Mailboxes, count: int = 40) -> str:
    user = mailboxes.new()
    mailboxes.deliver(user, *(mail(f"{number}", text=text_of(20_000)) for number in range(count)))
    return user


def sound(home: CommandLine, server: Dovecot, names: list[str], each: int = 40) -> None:
    """Hold that the next pull has all, nothing twice, and all of it readable."""
    in_clear(home, server)
    assert home("pull", "-q").exit == 0
    assert [held(home, name) for name in names] == [each] * len(names)
    assert home("verify", "--read", "-q").exit == 0


def test_a_server_that_falls_silent_in_the_middle_loses_nothing_that_came(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with Relay(server.imap, silent_after=300_000) as relay:
        account(home, server, "ann", large(mailboxes), relay.port)
        pull = home.start("pull", "--json")
        assert relay.silent.wait(30)
        time.sleep(0.5)
        out = ends_politely(pull)
    assert b'"code":"interrupted"' in out
    assert 5 < held(home, "ann") < 40, "what had come is committed"
    missed = home("status", "--json").document["accounts"][0]["missed"]
    assert missed == [], "no message is blamed for the end of its line"
    sound(home, server, ["ann"])


def test_several_accounts_on_slow_and_silent_lines_are_all_committed_in_time(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    names = ["slow0", "silent", "slow1", "never"]
    with (
        Relay(server.imap, rate=60_000) as slow,
        Relay(server.imap, silent_after=200_000) as silent,
        Relay(server.imap, silent_after=0) as never,
    ):
        for name in names:
            relay = {"slow": slow, "sile": silent, "neve": never}[name[:4]]
            account(home, server, name, large(mailboxes), relay.port)
        pull = home.start("pull", "--json")
        assert silent.silent.wait(30)
        assert never.silent.wait(30)
        time.sleep(3)
        ends_politely(pull)
    kept = [held(home, name) for name in names]
    assert all(0 < count < 40 for count in kept[:3]), kept
    assert kept[3] == 0
    sound(home, server, names)


def test_a_pull_is_stopped_while_it_compresses_and_keeps_what_came(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    home.config.write_text(home.config.read_text().replace("path =", 'compression = "long"\npath =', 1))
    user = mailboxes.new()
    # 24 messages of 6 MB: all come in a second or two, and are gathered to frames of 256 MiB
    raw = mail("large", text=text_of(6_000_000))
    mailboxes.deliver(user, *(raw.replace(b"large", b"large %d" % number) for number in range(24)))
    account(home, server, "ann", user, server.imap)
    with Relay(server.imap, silent_after=110_000_000) as relay:
        home.config.write_text(_other_port(home, relay.port))
        pull = home.start("pull", "--json")
        assert relay.silent.wait(60)
        ends_politely(pull)
    assert 0 < held(home, "ann") < 24
    sound(home, server, ["ann"], 24)


def test_asked_twice_it_ends_at_once_though_a_server_hangs(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with Relay(server.imap, silent_after=200_000) as relay:
        for name in ("one", "two"):
            account(home, server, name, large(mailboxes), relay.port)
        pull = home.start("pull")
        assert relay.silent.wait(30)
        for _ in range(2):
            pull.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        _, err = pull.communicate(timeout=POLITE_S)
        assert pull.returncode == 130
        assert b"Traceback" not in err


def test_a_pull_that_was_killed_holds_no_lock(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    names = ["one", "two", "three"]
    with Relay(server.imap, rate=50_000) as relay:
        for name in names:
            account(home, server, name, large(mailboxes), relay.port)
        pull = home.start("pull", "-q")
        until = time.monotonic() + 30
        while relay.most < 3 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        assert home("pull", "-q").exit == 11, "it is at work on all of them"
        os.killpg(pull.pid, signal.SIGKILL)
        pull.communicate(timeout=10)
    sound(home, server, names)


# --- niceness ---------------------------------------------------------------------------------------------

PRIORITIES = """
import json, os, subprocess, sys
archiver = open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()[1]  # above the shell
threads = os.listdir(f"/proc/{archiver}/task")
nice = {open(f"/proc/{archiver}/task/{one}/stat").read().rpartition(")")[2].split()[16] for one in threads}
disk = {subprocess.run(["ionice", "-p", one], capture_output=True, text=True).stdout.strip() for one in threads}
json.dump([sorted(nice), sorted(disk), len(threads)], open(sys.argv[1], "w"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_nice_pull_leaves_processor_and_disk_to_others_in_all_its_threads(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    require("ionice")
    script, told = home.home / "priorities.py", home.home / "priorities.json"
    script.write_text(PRIORITIES)
    write_account(home, server, "ann", large(mailboxes, 1))
    ask = f"{sys.executable} {script} {told}; echo {server.password}"
    home.config.write_text(home.config.read_text().replace(f"echo {server.password}", ask))

    def priorities(*options: str) -> Any:
        done = home.typed("pull", *options)
        assert done.exit == 0, done.err
        return json.loads(told.read_text())

    own = os.nice(0)
    nice, _, count = priorities()
    assert (nice, count >= 2) == ([str(own)], True)
    assert priorities("--nice")[:2] == [[str(max(own, 10))], ["idle"]]
    assert home.typed("verify", "--nice", "-q").exit == 0


def test_where_the_disk_knows_no_priority_that_is_said(pulled: CommandLine) -> None:
    folder = pulled.home / "few"
    folder.mkdir()
    for name in ("sh", "echo"):
        (folder / name).symlink_to(Path(shutil.which(name) or ""))
    done = pulled.typed("pull", "--nice", PATH=str(folder))
    assert done.exit == 0, done.err
    assert "note: the processor is left to others, the disk is not: this system has no ionice" in done.err
    assert pulled.typed("pull", "--nice", "-q", PATH=str(folder)).err == ""
