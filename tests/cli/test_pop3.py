"""A POP3 mailbox as a user archives it."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.command_line import CommandLine
from tests.require import require
from tests.servers.dovecot import Dovecot


@pytest.fixture(scope="module")
def pop3_server() -> Iterator[Dovecot]:
    require("dovecot")
    with Dovecot([f"user{number}" for number in range(12)], pop3=True) as running:
        yield running


@pytest.fixture(scope="module")
def users(pop3_server: Dovecot) -> Iterator[str]:
    return iter(pop3_server.users)


def mail(number: int) -> bytes:
    head = f"Received: from a by b; Fri, {number + 1} Mar 2024 10:00:00 +0100\r\nSubject: number {number}\r\n\r\n"
    return head.encode() + b".\r\nhello\r\n\r\n"


def words(server: Dovecot, user: str, *more: str) -> list[str]:
    given = f"account add old --pop3 localhost --user {user} --ca-file {server.ca_file}"
    return [*given.split(), "--password-command", f"echo {server.password}", *more]


def held(home: CommandLine) -> dict[str, str]:
    listed = home("list", "old", "--no-key", "--json").document["messages"]
    return {one["id"]: one["received"] for one in listed if one["folder"] == "INBOX"}


@pytest.mark.parametrize("line", [("pop3s",), ("pop3", "--starttls"), ("pop3", "--insecure-plaintext")])
def test_a_mailbox_is_pulled_to_the_byte_and_nothing_twice(
    home: CommandLine, pop3_server: Dovecot, users: Iterator[str], line: tuple[str, ...]
) -> None:
    user = next(users)
    for number in range(5):
        pop3_server.deliver(user, mail(number))
    port = str(getattr(pop3_server, line[0]))
    added = home(*words(pop3_server, user, "--port", port, *line[1:]))
    assert added.exit == 0, added.err
    assert ("in the clear" in added.err) == ("--insecure-plaintext" in line)
    first = home("pull", "--json").document
    assert first["complete"]
    assert [(one["folder"], one["new"]) for one in first["folders"]] == [("INBOX", 5)]
    assert set(held(home)) == {hashlib.sha256(mail(number)).hexdigest() for number in range(5)}
    again = home("pull", "--json").document
    assert [(one["new"], one["vanished"]) for one in again["folders"]] == [(0, 0)]
    assert again["head"] == first["head"]


def test_the_date_of_receipt_is_that_which_the_message_tells(
    home: CommandLine, pop3_server: Dovecot, users: Iterator[str]
) -> None:
    user = next(users)
    pop3_server.deliver(user, mail(0))
    home(*words(pop3_server, user, "--port", str(pop3_server.pop3s)))
    assert home("pull").exit == 0
    assert list(held(home).values()) == ["2024-03-01T10:00:00+01:00"]


def test_a_mailbox_that_another_program_emptied_is_no_other_mailbox(
    home: CommandLine, pop3_server: Dovecot, users: Iterator[str]
) -> None:
    user = next(users)
    pop3_server.deliver(user, mail(1))
    home(*words(pop3_server, user, "--port", str(pop3_server.pop3s)))
    assert home("pull").exit == 0
    pop3_server.doveadm("expunge", "-u", user, "mailbox", "INBOX", "all")
    pop3_server.deliver(user, mail(2))
    pulled = home("pull", "--json")
    assert pulled.exit == 0, pulled.err
    assert [(one["new"], one["vanished"]) for one in pulled.document["folders"]] == [(1, 1)]


def test_another_users_mailbox_under_the_name_is_refused_until_accepted(
    home: CommandLine, pop3_server: Dovecot, users: Iterator[str]
) -> None:
    user, other = next(users), next(users)
    pop3_server.deliver(user, mail(1))
    pop3_server.deliver(other, mail(2))
    home(*words(pop3_server, user, "--port", str(pop3_server.pop3s)))
    assert home("pull").exit == 0
    home.config.write_text(home.config.read_text().replace(f'"{user}"', f'"{other}"'))
    assert home("pull").exit == 23
    assert home("pull", "--accept-other-mailbox").exit == 0


def test_two_kinds_at_once_are_refused(home: CommandLine) -> None:
    refused = home("account", "add", "x", "--imap", "a", "--pop3", "b", "--user", "c")
    assert refused.exit == 2
    assert "two kinds of account" in refused.err


def test_pruned_by_date_only_what_its_content_proves_and_for_good(
    home: CommandLine, pop3_server: Dovecot, users: Iterator[str]
) -> None:
    user = next(users)
    for number in range(6):
        pop3_server.deliver(user, mail(number))
    assert home(*words(pop3_server, user, "--port", str(pop3_server.pop3s))).exit == 0
    assert home("pull", "-q").exit == 0
    archived = held(home)
    refused = home("prune", "old", "--older-than", "2024-03-04", "--yes")
    assert refused.exit == 24
    assert "--expunge" in refused.err
    done = home("prune", "old", "--older-than", "2024-03-04", "--expunge", "--yes")
    assert done.exit == 0, done.err
    assert "3 messages" in done.err
    again = home("pull", "old", "--json").document
    assert (again["folders"][0]["vanished"], again["folders"][0]["balance"]["exists"]) == (0, 3)
    assert held(home) == archived
    assert home("verify", "old", "--read", "--server").exit == 0


@pytest.mark.parametrize("line", [("pop3s",), ("pop3", "--starttls")])
def test_doctor_sees_the_certificate(
    home: CommandLine, pop3_server: Dovecot, users: Iterator[str], line: tuple[str, ...]
) -> None:
    port = str(getattr(pop3_server, line[0]))
    added = home(*words(pop3_server, next(users), "--port", port, *line[1:], "--no-test"))
    assert added.exit == 0, added.err
    done = home("doctor", "old", "--json")
    assert done.exit == 0, done.err
    checks = {check["name"]: check["text"] for check in done.document["checks"]}
    assert 'the certificate of "localhost" is trusted' in checks["tls"]
    assert "may log in" in checks["login"]
