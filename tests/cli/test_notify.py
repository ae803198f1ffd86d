"""`--notify`: how a pull, a verify and a prune ended is told, and the run is what it would be without."""

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from archiver.notices import herald
from tests.cli.conftest import Mailboxes, mail, write_account
from tests.command_line import CommandLine
from tests.servers.dovecot import Dovecot
from tests.servers.listener import Listener
from tests.servers.smtp import Smtp


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herald, "PAUSES_S", (0.0,))


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as running:
        yield running


def notify(home: CommandLine, table: str) -> None:
    with home.config.open("a") as file:
        file.write(f"\n[notify]\n{table}\n")


def spoil(home: CommandLine, server: Dovecot) -> None:
    text = home.config.read_text().replace(f'"echo {server.password}"', '"echo not-the-password"')
    home.config.write_text(text)


@pytest.mark.usefixtures("ann")
def test_a_refused_login_is_mailed_once_and_so_is_its_end(home: CommandLine, server: Dovecot) -> None:
    good = home.config.read_text()
    with Smtp() as smtp:
        table = (
            f'mail = {{ host = "localhost", port = {smtp.port}, insecure-plaintext = true, '
            'from = "box@example.org", to = "ann@example.org" }'
        )
        notify(home, table)
        spoil(home, server)
        for _ in range(3):
            assert home("pull", "-q", "--notify").exit == 21
        home.config.write_text(good)
        notify(home, table)
        for _ in range(2):
            done = home("pull", "-q", "--notify")
            assert (done.exit, done.err) == (0, "")
        subjects = [one["Subject"].partition(": ")[2] for one in smtp.mails]
        said = "".join(one.as_string() for one in smtp.mails)
    assert subjects == ["failed (login-refused)", "works again"]
    assert 'account "ann" works again after 3 failed runs since ' in said.replace("=\n", "")
    assert "not-the-password" not in said
    assert server.password not in said


def test_each_command_pings_and_tells_no_subject(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes, listener: Listener
) -> None:
    user = mailboxes.new()
    mailboxes.deliver(user, mail("a very private subject"))
    write_account(home, server, "ann", user)
    notify(home, f'when = "always"\nping = "{listener.url}/p"\nwebhook = "{listener.url}/w"')
    assert home("pull", "--notify", "-q").exit == 0
    assert home("verify", "ann", "--notify", "-q").exit == 0
    assert home("prune", "ann", "--older-than", "1y", "--expunge", "--yes", "--notify", "-q").exit == 0
    assert listener.paths == ["/p/start", "/w", "/p"] * 3
    said = [json.loads(body) for path, body in listener.heard if path == "/w"]
    assert [(one["command"], one["accounts"]) for one in said] == [
        ("pull", []),
        ("verify", ["ann"]),
        ("prune", ["ann"]),
    ]
    assert b"private" not in b"".join(body for _, body in listener.heard)


def test_a_verify_that_finds_damage_tells_it(pulled: CommandLine, listener: Listener) -> None:
    notify(pulled, f'webhook = "{listener.url}/w"\nping = "{listener.url}/p"')
    largest = max((pulled.home / "mail").rglob("*.zst.age"), key=lambda path: path.stat().st_size)
    largest.chmod(0o600)
    largest.write_bytes(largest.read_bytes()[:-1] + b"?")
    assert pulled("verify", "-q", "--notify").exit == 13
    assert listener.paths == ["/p/start", "/w", "/p/fail"]
    assert json.loads(listener.heard[1][1])["code"] == "damaged"


@pytest.mark.usefixtures("ann")
def test_notices_that_do_not_go_out_change_neither_exit_code_nor_archive(home: CommandLine) -> None:
    with Listener(refuses=99) as listener:
        notify(
            home,
            f'when = "always"\nping = "{listener.url}/p"\nwebhook = "{listener.url}/hidden"\ncommand = "exit 4"',
        )
        done = home("pull", "--notify", "--json")
    assert done.exit == 0
    assert done.lines[-1]["type"] == "pull"
    assert "warning: no notice by webhook" in done.err
    assert "warning: no notice by command: it ended with exit code 4" in done.err
    assert "hidden" not in done.err


@pytest.mark.usefixtures("ann")
def test_nobody_is_told_without_the_option_or_of_a_rehearsal(home: CommandLine, listener: Listener) -> None:
    assert home("pull", "--notify", "-q").exit == 0  # there is nobody to tell
    notify(home, f'when = "always"\nping = "{listener.url}"\nwebhook = "{listener.url}"')
    assert home("pull", "-q").exit == 0
    assert home("pull", "--notify", "--dry-run", "-q").exit == 0
    assert listener.heard == []


def test_a_pull_that_is_stopped_is_no_failure(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes, listener: Listener
) -> None:
    user = mailboxes.new()
    mailboxes.deliver(user, mail("one"))
    write_account(home, server, "ann", user)
    text = home.config.read_text().replace(f'"echo {server.password}"', '"touch asked; sleep 60"')
    home.config.write_text(text)
    notify(home, f'ping = "{listener.url}/p"\nwebhook = "{listener.url}/w"')
    running = home.start("pull", "--notify")
    while not (home.home / "asked").exists() and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 130
    os.killpg(running.pid, signal.SIGKILL)  # the command for the password
    running.communicate()
    assert listener.paths == ["/p/start"]
