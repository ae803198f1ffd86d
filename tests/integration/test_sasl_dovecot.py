"""Real Dovecot judges what archiver sends: SCRAM with passwords, XOAUTH2 and OAUTHBEARER with tokens."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.pop3.account import Pop3Account
from archiver.errors import LoginRefused
from archiver.model import AccessToken, Secret
from tests.require import require
from tests.servers.authority import Authority
from tests.servers.dovecot import Dovecot

USER = "ann,a=b@example.org"


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with Authority(user=USER) as running:
        yield running


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[Callable[[str, bool], Dovecot]]:
    """Give a function that starts a server with these mechanisms, once."""
    require("dovecot")
    started: dict[tuple[str, bool], Dovecot] = {}

    def start(mechanisms: str, at_once: bool = True) -> Dovecot:
        if (mechanisms, at_once) not in started:
            running = started[mechanisms, at_once] = Dovecot(
                [USER],
                pop3=True,
                mechanisms=mechanisms,
                introspection=f"{authority.url}/introspect?token=",
                settings="auth_username_chars =\n" + ("" if at_once else "imap_capability = IMAP4rev1\n"),
            )
            running.start()
        return started[mechanisms, at_once]

    yield start
    for server in started.values():
        server.stop()


def log_in(server: Dovecot, secret: Secret, user: str = USER, security: str = "tls") -> list[str]:
    """Log in and give the names of the folders."""
    port = server.imaps if security == "tls" else server.imap
    where = Server("localhost", port, "tls" if security == "tls" else "plaintext", server.ca_file, 20)
    opened = ImapAccount(where, user, lambda: secret, lambda text: None)
    try:
        return [folder.name for folder in opened.folders()]
    finally:
        opened.close()


def fetch(server: Dovecot, secret: Secret) -> list[str]:
    """Log in by POP3 and give the names of the folders."""
    where = Server("localhost", server.pop3s, "tls", server.ca_file, 20)
    opened = Pop3Account(where, USER, lambda: secret, lambda text: None)
    try:
        return [folder.name for folder in opened.folders()]
    finally:
        opened.close()


def logged(server: Dovecot, pattern: str, more_than: int = 0) -> list[Any]:
    """Wait until the log, which comes in its own time, has more than so many of these; give what they say."""
    until = time.monotonic() + 20
    while len(found := re.findall(pattern, server.log())) <= more_than:
        assert time.monotonic() < until, server.log()
        time.sleep(0.02)
    return found


LOGIN = r"Info: Login: user=.*?, method=([\w-]+)"
FAILED = r"auth failed, (\d+) attempts.*?, method=([\w-]+)"


ALL = "plain login scram-sha-1 scram-sha-256 xoauth2 oauthbearer"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (ALL, "SCRAM-SHA-256"),
        ("plain scram-sha-1", "SCRAM-SHA-1"),
        ("plain login", "PLAIN"),
    ],
)
def test_a_password_goes_by_the_best_mechanism_that_is_offered(
    servers: Callable[[str, bool], Dovecot], offered: str, used: str, at_once: bool
) -> None:
    server = servers(offered, at_once)
    before = len(re.findall(LOGIN, server.log()))
    assert log_in(server, Secret(server.password)) == ["INBOX"]
    assert logged(server, LOGIN, before)[-1] == used


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("offered", "used"), [(ALL, "XOAUTH2"), ("plain oauthbearer", "OAUTHBEARER")])
def test_a_token_goes_by_a_mechanism_for_tokens(
    servers: Callable[[str, bool], Dovecot], authority: Authority, offered: str, used: str, at_once: bool
) -> None:
    server = servers(offered, at_once)
    before = len(re.findall(LOGIN, server.log()))
    assert log_in(server, AccessToken(authority.grant()["access_token"])) == ["INBOX"]
    assert logged(server, LOGIN, before)[-1] == used
    with pytest.raises(LoginRefused, match="AUTHENTICATIONFAILED") as refused:
        log_in(server, AccessToken("no-such-token"))
    assert "sign in again" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("offered", "used"),
    [(ALL, "SCRAM-SHA-256"), ("plain scram-sha-1", "SCRAM-SHA-1"), ("plain login", "PLAIN")],
)
def test_pop3_takes_a_password_by_the_best_mechanism(
    servers: Callable[[str, bool], Dovecot], offered: str, used: str
) -> None:
    server = servers(offered, True)
    before, failed = (len(re.findall(each, server.log())) for each in (LOGIN, FAILED))
    assert fetch(server, Secret(server.password)) == ["INBOX"]
    assert logged(server, LOGIN, before)[-1] == used
    with pytest.raises(LoginRefused, match="Authentication failed"):
        fetch(server, Secret("wrong"))
    assert logged(server, FAILED, failed)[-1][0] == "1"


@pytest.mark.parametrize(("offered", "used"), [(ALL, "XOAUTH2"), ("plain oauthbearer", "OAUTHBEARER")])
def test_pop3_takes_a_token(
    servers: Callable[[str, bool], Dovecot], authority: Authority, offered: str, used: str
) -> None:
    server = servers(offered, True)
    before = len(re.findall(LOGIN, server.log()))
    assert fetch(server, AccessToken(authority.grant()["access_token"])) == ["INBOX"]
    assert logged(server, LOGIN, before)[-1] == used
    with pytest.raises(LoginRefused, match="Authentication failed") as refused:
        fetch(server, AccessToken("no-such-token"))
    assert "sign in again" in str(refused.value.hint)


@pytest.mark.parametrize("offered", ["plain login", "scram-sha-256"])
def test_a_token_is_never_sent_as_a_password(
    servers: Callable[[str, bool], Dovecot], authority: Authority, offered: str
) -> None:
    server = servers(offered, True)
    with pytest.raises(LoginRefused, match="neither XOAUTH2 nor OAUTHBEARER"):
        log_in(server, AccessToken(authority.grant()["access_token"]))
    assert logged(server, r"Disconnected: .*\(no auth attempts.*?TLS")


@pytest.mark.parametrize("offered", [ALL, "plain scram-sha-1", "plain login"])
def test_a_wrong_password_is_judged_once(servers: Callable[[str, bool], Dovecot], offered: str) -> None:
    server = servers(offered, True)
    before = len(re.findall(FAILED, server.log()))
    with pytest.raises(LoginRefused, match="AUTHENTICATIONFAILED"):
        log_in(server, Secret("wrong"))
    assert logged(server, FAILED, before)[-1][0] == "1"


def test_a_server_that_offers_scram_and_cannot_do_it_for_a_user_is_given_the_password_under_tls_alone(
    servers: Callable[[str, bool], Dovecot],
) -> None:
    server = servers("plain scram-sha-256", True)
    hashed = server.doveadm("pw", "-s", "SHA512-CRYPT", "-p", server.password).decode().strip()
    with (server.base / "passwd").open("a") as file:
        file.write(f"bob:{hashed}::::::\n")
    assert log_in(server, Secret(server.password), "bob") == ["INBOX"]
    assert logged(server, LOGIN)[-1] == "PLAIN"
    before = len(re.findall(FAILED, server.log()))
    with pytest.raises(LoginRefused):
        log_in(server, Secret(server.password), "bob", "plaintext")
    assert tuple(logged(server, FAILED, before)[-1]) == ("1", "SCRAM-SHA-256")
