"""archiver account login: a person signs in once, and runs need nobody after that."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import mail
from tests.command_line import CommandLine
from tests.require import require
from tests.servers.authority import CLIENT_ID, Authority
from tests.servers.dovecot import Dovecot

USER = "ann"


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority(user=USER) as running:
        yield running


@pytest.fixture
def mail_server(authority: Authority) -> Iterator[Dovecot]:
    require("dovecot")
    introspection = f"{authority.url}/introspect?token="
    with Dovecot([USER], mechanisms="plain xoauth2", introspection=introspection) as running:
        running.deliver(USER, mail("one"))
        yield running


@pytest.fixture
def home(home: CommandLine, authority: Authority, mail_server: Dovecot) -> CommandLine:
    """A home whose account "ann" signs in by OAuth."""
    with home.config.open("a") as file:
        file.write(
            f'\n[account.ann]\narchive = "mail"\nkind = "imap"\nhost = "localhost"\n'
            f'port = {mail_server.imaps}\nuser = "{USER}"\nca-file = "{mail_server.ca_file}"\n'
            f'\n[account.ann.oauth]\nprovider = "generic"\nclient-id = "{CLIENT_ID}"\nscopes = ["mail"]\n'
            f'authorize-url = "{authority.url}/authorize"\ndevice-url = "{authority.url}/device"\n'
            f'token-url = "{authority.url}/token"\n'
        )
    home.environment["BROWSER"] = _browser(home.home)
    return home


def _browser(folder: Path) -> str:
    """Make a program that visits an address as a browser does, and follows where it is sent."""
    path = folder / "browser"
    path.write_text(
        f"#!{sys.executable}\nimport sys, urllib.request\n"
        f"print(urllib.request.urlopen(sys.argv[1], timeout=10).status, file=open({str(folder / 'visited')!r}, 'a'))\n"
    )
    path.chmod(0o755)
    return f"{path} %s"


def test_a_code_signs_in_and_the_runs_need_nobody(home: CommandLine, authority: Authority) -> None:
    done = home.typed("account", "login", "ann")
    assert done.exit == 0, done.err
    assert "WDJB-MJHT" in done.err
    assert home.typed("pull", "-q").exit == 0
    assert home("list", "ann", "--json").document["messages"][0]["subject"] == "one"


def test_a_browser_signs_in(home: CommandLine, authority: Authority) -> None:
    done = home.typed("account", "login", "ann", "--browser")
    assert done.exit == 0, done.err
    assert (home.home / "visited").read_text() == "200\n"
    assert home.typed("pull", "-q").exit == 0
