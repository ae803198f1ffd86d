"""archiver pull, where all is well and where it is not."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FOREIGN, Mailboxes, mail, write_account
from tests.command_line import CommandLine
from tests.servers.dovecot import Dovecot
from tests.servers.relay import Relay
from tests.terminal import Terminal

SMALL: dict[str, Any] = {"CHECKPOINT_BYTES": str(256 << 10)}


def text_of(size: int) -> str:
    return "\n".join(os.urandom(35).hex() for _ in range(size // 71)) + "\n"


def held(home: CommandLine, account: str = "ann") -> list[dict[str, object]]:
    listed = home("list", account, "--no-key", "--json")
    return listed.document["messages"] if listed.exit == 0 else []


# --- what it does -----------------------------------------------------------------------------------------


def test_the_first_pull_tells_one_line_and_no_data(home: CommandLine, ann: str) -> None:
    done = home.typed("pull")
    assert (done.exit, done.out) == (0, b"")
    assert done.err.startswith("ann: 5 messages pulled (")
    assert done.err.count("\n") == 1
    assert "; head 1 " in done.err


def test_nothing_new_is_said_in_one_line_and_quietly_in_none(pulled: CommandLine) -> None:
    assert pulled("pull").err.startswith("ann: 0 messages pulled")
    quiet = pulled.typed("pull", "-q")
    assert (quiet.exit, quiet.out, quiet.err) == (0, b"", "")
    assert len(pulled("runs", "--json").document["runs"]) == 1, "nothing new is no run"


def test_the_next_pull_takes_what_is_new(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    mailboxes.deliver(ann, mail("late"))
    mailboxes.expunge(ann, "mailbox", "INBOX", "subject", "one")
    done = pulled("pull")
    assert done.exit == 0
    assert "1 message pulled" in done.err
    assert "1 no longer on the server" in done.err
    assert len(held(pulled)) == 6


def test_json_is_one_line_an_account(home: CommandLine, ann: str) -> None:
    done = home("pull", "--json")
    assert done.err == ""
    pulled = done.document
    assert (pulled["type"], pulled["account"], pulled["complete"]) == ("pull", "ann", True)
    folders = {folder["folder"]: folder for folder in pulled["folders"]}
    assert folders["INBOX"]["new"] == 3
    assert folders[FOREIGN]["balance"]["unexplained"] == 0
    assert isinstance(folders["INBOX"]["size"], int)


def test_folders_are_chosen_by_globs(home: CommandLine, ann: str) -> None:
    assert home("pull", "--folder", "Archive/*", "-q").exit == 0
    assert {one["folder"] for one in held(home)} == {"Archive/2023"}
    assert home("pull", "--exclude", "INBOX", "-q").exit == 0
    assert {one["folder"] for one in held(home)} == {"Archive/2023", FOREIGN}
    assert home("pull", "-q").exit == 0
    assert len(held(home)) == 5


def test_a_glob_that_no_folder_matches_is_told(pulled: CommandLine) -> None:
    for words in (["pull"], ["list", "ann"], ["export", "ann", "--to", "eml", "out"]):
        done = pulled(*words, "--folder", "inbox", "--folder", "Archive/*")
        assert done.exit == 0
        assert 'warning: no folder matches "inbox", did you mean "INBOX"?' in done.err
        assert "Archive" not in done.err
    assert pulled("pull", "--exclude", "Spam").err.count("warning") == 1
    assert "warning" not in pulled("pull", "--exclude", "Archive").err


def test_since_takes_what_was_received_later(home: CommandLine, ann: str) -> None:
    assert home("pull", "--since", "2100-01-01", "-q").exit == 0
    assert held(home) == []
    assert home("pull", "--since", "1d", "-q").exit == 0
    assert len(held(home)) == 5
    for wrong in ("yesterday", "999999y", "2024-13-01"):
        done = home("pull", "--since", wrong, "--json")
        assert done.exit == 2
        assert f'"{wrong}" is not a date' in done.error["message"]


def test_a_dry_run_tells_and_archives_nothing(home: CommandLine, ann: str) -> None:
    done = home("pull", "--dry-run")
    assert done.exit == 0
    assert "5 messages to pull" in done.err
    assert held(home) == []


def test_an_empty_mailbox_is_fine(home: CommandLine, server: Dovecot, mailboxes: Mailboxes) -> None:
    write_account(home, server, "none", mailboxes.new())
    done = home("pull")
    assert done.exit == 0
    assert "0 messages pulled" in done.err
    for command in ("status", "folders", "runs", "verify"):
        assert home(command).exit == 0
    assert home("list", "none").exit == 0
    assert home("export", "none", "--to", "mbox", home.home / "out").exit == 0


# --- several accounts -------------------------------------------------------------------------------------


def test_one_account_that_fails_stops_no_other(
    home: CommandLine, ann: str, server: Dovecot, mailboxes: Mailboxes
) -> None:
    write_account(home, server, "aaa", ann)
    write_account(home, server, "zzz", mailboxes.new())
    refuse(home, "aaa")
    done = home("pull", "--json")
    assert done.exit == 21
    assert [line["type"] for line in done.lines] == ["pull", "account-failed", "pull", "error"]
    assert done.lines[1]["account"] == "aaa"
    assert done.error["message"] == '1 of 3 accounts failed: "aaa"'
    told = home("pull")
    assert told.exit == 21
    assert "aaa: the server refused the login" in told.err
    assert len(held(home)) == 5


def refuse(home: CommandLine, account: str) -> None:
    """Make the password of an account a wrong one."""
    before, header, after = home.config.read_text().partition(f"[account.{account}]")
    home.config.write_text(before + header + after.replace('"echo secret', '"echo wrong secret', 1))


def test_what_trying_later_cures_does_not_hide_what_it_does_not(
    home: CommandLine, ann: str, server: Dovecot
) -> None:
    write_account(home, server, "bbb", ann)
    refuse(home, "bbb")
    text = home.config.read_text()
    home.config.write_text(text.replace(f"port = {server.imaps}", "port = 1", 1))
    done = home("pull")
    assert done.exit == 21, "the unreachable one came first"
    assert '"ann", "bbb"' in done.err


# --- servers and networks ---------------------------------------------------------------------------------


def test_a_wrong_password_is_21(home: CommandLine, ann: str) -> None:
    refuse(home, "ann")
    done = home.typed("pull", "--json")
    assert done.exit == 21
    assert done.error["code"] == "login-refused"


def test_a_server_that_is_not_there_is_20(home: CommandLine, ann: str, server: Dovecot) -> None:
    home.config.write_text(home.config.read_text().replace(f"port = {server.imaps}", "port = 1"))
    done = home("pull", "--json")
    assert done.exit == 20
    assert done.error["code"] == "unreachable"
    quiet = home("pull", "-q")
    assert quiet.err.startswith("error: "), "-q is silent unless something fails"


def test_a_name_that_is_none_is_20(home: CommandLine, ann: str) -> None:
    home.config.write_text(home.config.read_text().replace('"localhost"', '"no.such.host.invalid"'))
    done = home("pull")
    assert done.exit == 20
    assert '"no.such.host.invalid"' in done.err


def test_another_mailbox_is_23_until_the_user_says_so(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    other = mailboxes.new()
    time.sleep(1.1)  # Dovecot makes UIDVALIDITY of the second: see the next test
    mailboxes.deliver(other, mail("not hers"))
    pulled.config.write_text(pulled.config.read_text().replace(f'"{ann}"', f'"{other}"'))
    done = pulled("pull", "--json")
    assert done.exit == 23
    assert "--accept-other-mailbox" in done.error["hint"]
    assert len(held(pulled)) == 5
    assert pulled("pull", "--accept-other-mailbox", "-q").exit == 0
    assert len(held(pulled)) == 6


def test_another_mailbox_of_the_same_uidvalidity_is_another_one(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    users = [mailboxes.new(), mailboxes.new()]
    for user in users:
        mailboxes.deliver(user, mail(f"of {user}"))
        server.doveadm("mailbox", "update", "-u", user, "--uid-validity", "1", "INBOX")
    write_account(home, server, "ann", users[0])
    assert home("pull", "-q").exit == 0
    home.config.write_text(home.config.read_text().replace(f'"{users[0]}"', f'"{users[1]}"'))
    assert home("pull", "-q").exit == 23


# --- mistakes ---------------------------------------------------------------------------------------------


def test_all_mistakes_of_the_configuration_are_told_at_once(home: CommandLine, ann: str) -> None:
    home.config.write_text(home.config.read_text().replace("port =", "prot =").replace("user =", "usr ="))
    done = home("pull", "--json")
    assert done.exit == 14
    for part in ("account.ann.prot", 'did you mean "port"', "account.ann.user"):
        assert part in done.error["message"]


def test_what_is_not_toml_is_told_with_its_line(home: CommandLine) -> None:
    home.config.write_text("[archive.mail\n")
    done = home("pull")
    assert done.exit == 14
    assert "line 1" in done.err
    assert "hint:" in done.err


def test_an_unknown_account_is_a_usage_error_with_a_guess(pulled: CommandLine) -> None:
    for command in ("pull", "status", "folders", "runs", "list", "verify"):
        done = pulled(command, "anm")
        assert done.exit == 2, command
        assert 'did you mean "ann"?' in done.err


def test_no_account_at_all(home: CommandLine) -> None:
    done = home("pull")
    assert done.exit == 14
    assert "archiver account add" in done.err


def test_a_password_that_nothing_gives_is_not_asked_for_without_a_terminal(
    home: CommandLine, ann: str
) -> None:
    lines = home.config.read_text().splitlines(True)
    home.config.write_text("".join(line for line in lines if "password-command" not in line))
    done = home.typed("pull", timeout_s=20)
    assert done.exit == 14
    assert "no terminal" in done.err
    assert "password-command" in done.err


# --- the place of the archive -----------------------------------------------------------------------------


def test_two_pulls_at_once_are_one_too_many(home: CommandLine, ann: str) -> None:
    home.config.write_text(
        home.config.read_text().replace('password-command = "', 'password-command = "sleep 3; ')
    )
    first = home.start("pull", "-q")
    time.sleep(1.2)
    second = home("pull", "--json")
    assert second.exit == 11
    assert second.error["code"] == "locked"
    _, err = first.communicate(timeout=30)
    assert (first.returncode, err) == (0, b"")


def test_an_archive_that_is_not_there_is_10_and_is_not_made_anew(pulled: CommandLine) -> None:
    (pulled.home / "mail").rename(pulled.home / "elsewhere")
    for command in ("pull", "status", "folders", "runs", "verify"):
        done = pulled(command, "--json")
        assert done.exit == 10, command
        assert "mounted" in done.error["hint"]
    (pulled.home / "mail").mkdir()  # the mount point alone
    assert pulled("pull").exit == 10
    assert list((pulled.home / "mail").iterdir()) == []


needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


@pytest.fixture
def small_disk(home: CommandLine) -> Iterator[Callable[..., None]]:
    """Give a function that mounts a small disk in the place of the archive, with the archive on it."""
    place = home.home / "mail"

    def mount(options: str) -> None:
        place.rename(home.home / "made")
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip(f"this machine mounts nothing: {done.stderr.decode()}")
        subprocess.run(["cp", "-a", f"{home.home / 'made'}/.", place], check=True)

    yield mount
    subprocess.run(["umount", "-l", place], check=False, capture_output=True)


@needs_mounts
def test_a_full_disk_is_told_and_the_next_pull_goes_on(
    home: CommandLine, ann: str, mailboxes: Mailboxes, small_disk: Callable[..., None]
) -> None:
    big = [mail(f"big {number}", text=text_of(150_000)) for number in range(12)]
    mailboxes.deliver(ann, *big, folder="Big")
    small_disk("size=1m")
    done = home.typed("pull", "--json", light=True, **SMALL)
    assert done.exit == 1, done.err
    assert done.error["code"] == "disk-full"
    assert "free some space" in done.error["hint"]
    assert home("verify", "-q").exit == 0
    subprocess.run(["mount", "-o", "remount,size=30m", home.home / "mail"], check=True)
    assert home("pull", "-q").exit == 0
    assert len(held(home)) == 17
    verified = home("verify", "--read", "--json")
    assert verified.exit == 0
    assert verified.document["chains"][0]["messages"] == 17


@needs_mounts
def test_a_disk_that_may_not_be_written_is_told_as_such(
    home: CommandLine, ann: str, small_disk: Callable[..., None]
) -> None:
    small_disk("size=8m")
    subprocess.run(["mount", "-o", "remount,ro", home.home / "mail"], check=True)
    done = home("pull", "--json")
    assert done.exit == 1
    assert done.error["code"] == "read-only"
    assert "read-only" in done.error["hint"]
    subprocess.run(["mount", "-o", "remount,rw", home.home / "mail"], check=True)
    assert home("pull", "-q").exit == 0


@needs_mounts
def test_a_disk_that_goes_away_during_a_pull_leaves_nothing_in_its_place(
    home: CommandLine, ann: str, small_disk: Callable[..., None]
) -> None:
    small_disk("size=8m")
    assert home("pull", "-q").exit == 0
    subprocess.run(["umount", home.home / "mail"], check=True)
    assert home("pull").exit == 10
    assert list((home.home / "mail").iterdir()) == []


# --- stopping ---------------------------------------------------------------------------------------------


@pytest.fixture
def slow(home: CommandLine, server: Dovecot, mailboxes: Mailboxes) -> Iterator[str]:
    """Give account "ann" some 40 messages of 20 kB over a line that needs many seconds for them."""
    user = mailboxes.new()
    mailboxes.deliver(user, *(mail(f"{number}", text=text_of(20_000)) for number in range(40)))
    with Relay(server.imap, rate=60_000) as line:
        write_account(home, server, "ann", user, "insecure-plaintext = true")
        text = home.config.read_text().replace(f"port = {server.imaps}", f"port = {line.port}")
        home.config.write_text(text.replace(f'ca-file = "{server.ca_file}"', ""))
        yield user


def fast(home: CommandLine, server: Dovecot) -> None:
    lines = home.config.read_text().splitlines(True)
    home.config.write_text(
        "".join(f"port = {server.imap}\n" if line.startswith("port") else line for line in lines)
    )


@pytest.mark.parametrize(
    ("stop", "times", "code"),
    [
        (signal.SIGINT, 1, 130),
        (signal.SIGTERM, 1, 130),
        (signal.SIGHUP, 1, 130),
        (signal.SIGINT, 2, 130),
        (signal.SIGKILL, 1, -9),
    ],
)
def test_a_pull_that_is_stopped_ends_soon_and_the_next_goes_on(
    home: CommandLine, server: Dovecot, slow: str, stop: signal.Signals, times: int, code: int
) -> None:
    pull = home.start("pull", "--json")
    time.sleep(4)
    assert pull.poll() is None, "still at work"
    began = time.monotonic()
    for _ in range(times):
        os.killpg(pull.pid, stop)
        time.sleep(0.05)
    out, err = pull.communicate(timeout=20)
    assert pull.returncode == code, err.decode()
    assert time.monotonic() - began < 5
    assert b"Traceback" not in err
    kept = len(held(home))
    if code == 130:
        assert b'"code":"interrupted"' in out
    if code == 130 and times == 1:
        assert 0 < kept < 40, "what was there is committed"
    fast(home, server)
    assert home("pull", "-q").exit == 0
    assert len(held(home)) == 40
    assert home("verify", "--read", "-q").exit == 0


def test_a_server_that_falls_silent_keeps_nobody_who_wants_to_stop(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        user = mailboxes.new()
        write_account(home, server, "ann", user)
        port = silent.getsockname()[1]
        home.config.write_text(home.config.read_text().replace(f"port = {server.imaps}", f"port = {port}"))
        pull = home.start("pull")
        time.sleep(1.5)
        os.killpg(pull.pid, signal.SIGINT)
        _, err = pull.communicate(timeout=10)
        assert pull.returncode == 130
        assert b"run again" in err


def test_the_state_of_a_pull_is_for_its_owner_alone(pulled: CommandLine) -> None:
    for top in ("mail", "state", "cache"):
        for path in (pulled.home / top).rglob("*"):
            wanted = 0o700 if path.is_dir() else 0o600
            if "archiver" in path.parts or top == "mail":
                assert path.stat().st_mode & 0o777 == wanted, path
    assert not list(Path(pulled.home).rglob("*.tmp"))


def test_progress_is_one_line_on_a_terminal_and_ctrl_c_is_answered(
    home: CommandLine, server: Dovecot, slow: str
) -> None:
    terminal = Terminal(home, "pull")
    terminal.until(" of 40 messages, ")
    terminal.until("to go in INBOX")
    terminal.type("\x03")
    terminal.until("once more to stop at once")
    assert terminal.end() == 130
    assert "error: stopped as asked" in terminal.shown
    assert "\x1b" not in terminal.shown, "no colours"
    fast(home, server)
    again = Terminal(home, "pull", COLUMNS="80")
    assert again.end() == 0
    drawn = again.shown.split("\r")
    assert max(map(len, drawn)) <= 80
    assert "messages pulled" in drawn[-2] + drawn[-1]
