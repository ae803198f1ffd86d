"""archiver account login at Microsoft: the same for a person as elsewhere, by msal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_account_login import USER, browser, mail_server_of, sign_in, tokens_shown
from tests.command_line import CommandLine
from tests.servers.authority import CLIENT_ID, TENANT, Authority
from tests.servers.dovecot import Dovecot
from tests.terminal import Terminal


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with Authority(tls=tmp_path, user=USER) as running:
        yield running


@pytest.fixture
def mail_server(authority: Authority) -> Iterator[Dovecot]:
    with mail_server_of(authority) as running:
        yield running


@pytest.fixture
def home(home: CommandLine, authority: Authority, mail_server: Dovecot) -> CommandLine:
    """A home whose account "ann" signs in at Microsoft's; its file of certificates has those of both servers."""
    both = home.home / "both.pem"
    assert authority.ca_file
    both.write_bytes(Path(mail_server.ca_file).read_bytes() + authority.ca_file.read_bytes())
    done = home(
        *["account", "add", "ann", "--imap", "localhost"],
        *f"--port {mail_server.imaps} --user {USER} --ca-file {both}".split(),
        *f"--oauth microsoft --client-id {CLIENT_ID} --tenant {TENANT}".split(),
        *f"--authority {authority.microsoft}".split(),
    )
    assert done.exit == 0, done.err
    home.environment["BROWSER"] = browser(home.home, authority)
    return home


def test_a_code_signs_in_and_the_runs_need_nobody(home: CommandLine, authority: Authority) -> None:
    authority.pending = 1
    done = home.typed("account", "login", "ann")
    assert done.exit == 0, done.err
    assert "WDJB-MJHT" in done.err
    authority.access.clear()
    done = home.typed("pull", "-q")
    assert (done.exit, done.err) == (0, "")
    assert home("list", "ann", "--json").document["messages"][0]["subject"] == "one"


def test_a_browser_signs_in(home: CommandLine, authority: Authority) -> None:
    done = home.typed("account", "login", "ann", "--browser")
    assert done.exit == 0, done.err
    assert (home.home / "visited").read_text() == "200\n"
    assert f"{authority.microsoft}/{TENANT}/oauth2/v2.0/authorize?" in done.err
    assert home.typed("pull", "-q").exit == 0


def test_ctrl_c_while_waiting_ends_it(home: CommandLine, authority: Authority) -> None:
    authority.pending = 1 << 30
    terminal = Terminal(home, "account", "login", "ann")
    terminal.until("waiting ...")
    terminal.type("\x03")
    assert terminal.end() == 130, terminal.shown
    assert "Traceback" not in terminal.shown


def test_no_output_log_or_file_shows_a_token(home: CommandLine, authority: Authority) -> None:
    assert tokens_shown(home, authority) == []


def test_a_sign_in_that_was_revoked_is_told_at_once(home: CommandLine, authority: Authority) -> None:
    sign_in(home)
    authority.revoke()
    before = len(authority.forms("/token"))
    done = home.typed("pull", "-q")
    assert done.exit == 21
    assert "archiver account login ann" in done.err
    assert len(authority.forms("/token")) == before + 1


def test_a_client_with_a_secret_is_led_to_the_browser(home: CommandLine, authority: Authority) -> None:
    authority.client_secret = "s3cret"
    text = home.config.read_text()
    home.config.write_text(
        text.replace(f'"{CLIENT_ID}"', f'"{CLIENT_ID}", client-secret-command = "echo s3cret"')
    )
    done = home.typed("account", "login", "ann")
    assert done.exit == 0, done.err
    assert (home.home / "visited").read_text() == "200\n"
    assert home.typed("pull", "-q").exit == 0
