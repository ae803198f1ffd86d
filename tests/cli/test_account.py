"""archiver account."""

import time
from typing import Any

import pytest

from archiver import wiring
from archiver.accounts.discovery.offers import Offer
from tests.cli.conftest import Mailboxes, account_words, mail, write_account
from tests.command_line import CommandLine
from tests.servers.dovecot import Dovecot
from tests.servers.gmail import GmailDouble
from tests.terminal import Terminal


@pytest.fixture
def user(mailboxes: Mailboxes) -> str:
    name = mailboxes.new()
    mailboxes.deliver(name, mail())
    return name


def test_an_account_is_added_after_its_login_was_tried(home: CommandLine, server: Dovecot, user: str) -> None:
    done = home.typed(*account_words(server, "work", user))
    assert done.exit == 0, done.err
    assert done.out == b""
    assert "archiver pull work" in done.err
    assert "[account.work]" in home.config.read_text()
    listed = home("account", "list")
    assert "work" in listed.text
    assert listed.err == ""
    (account,) = home("account", "list", "--json").document["accounts"]
    assert (account["name"], account["user"], account["tls"]) == ("work", user, True)


def test_json_of_add_is_for_a_script(home: CommandLine, server: Dovecot, user: str) -> None:
    done = home(*account_words(server, "work", user), "--json")
    assert [line["type"] for line in done.lines] == ["account-tested", "account-added"]


def test_a_refused_login_adds_nothing(home: CommandLine, server: Dovecot, user: str) -> None:
    before = home.config.read_text()
    words = account_words(server, "work", user)[:-1]
    done = home(*words, "echo wrong", "--json")
    assert done.exit == 21
    assert done.error["code"] == "login-refused"
    assert 'account "work" was not added' in done.error["message"]
    assert home.config.read_text() == before


def test_a_name_that_is_taken_is_refused_before_any_question(
    home: CommandLine, server: Dovecot, user: str
) -> None:
    write_account(home, server, "work", user)
    done = home("account", "add", "work")
    assert done.exit == 2
    assert "already" in done.err


def test_a_name_that_cannot_be_one_is_refused_before_the_login(
    home: CommandLine, server: Dovecot, user: str
) -> None:
    done = home("account", "add", "my work", *account_words(server, "work", user)[3:])
    assert done.exit == 2
    assert '"my work"' in done.err


def test_without_an_archive_one_is_to_be_made_first(empty_home: CommandLine) -> None:
    done = empty_home("account", "add", "work")
    assert done.exit == 2
    assert "archiver init" in done.err


def test_without_a_terminal_what_is_missing_is_named(home: CommandLine) -> None:
    done = home.typed("account", "add", "work", "--imap", "localhost")
    assert done.exit == 2
    assert "--user" in done.err
    assert "no terminal" in done.err


def test_a_relative_path_means_the_folder_where_it_was_typed(
    home: CommandLine, server: Dovecot, user: str
) -> None:
    (home.home / "secret").write_text(server.password)
    (home.home / "secret").chmod(0o600)
    (home.home / "ca.pem").symlink_to(server.ca_file)
    words = f"account add work --imap localhost --port {server.imaps} --user {user}"
    done = home(*words.split(), "--ca-file", "ca.pem", "--password-file", "secret")
    assert done.exit == 0, done.err
    assert home("account", "test", "work").exit == 0


def test_test_tells_what_is_there(home: CommandLine, server: Dovecot, user: str) -> None:
    write_account(home, server, "work", user)
    done = home("account", "test", "work")
    assert done.exit == 0
    assert "1 folder" in done.err
    assert home("account", "test", "work", "--json").document["folders"] == ["INBOX"]
    unknown = home("account", "test", "wrok")
    assert unknown.exit == 2
    assert 'did you mean "work"?' in unknown.err


def test_the_warning_of_plain_text_stands_where_it_is_set_up_and_not_in_each_run(
    home: CommandLine, server: Dovecot, user: str
) -> None:
    words = f"account add work --imap localhost --port {server.imap} --user {user} --insecure-plaintext"
    added = home(*words.split(), "--password-command", f"echo {server.password}")
    assert added.exit == 0, added.err
    assert "in the clear" in added.err
    assert "in the clear" in home("account", "test", "work").err
    pulled = home("pull")
    assert pulled.exit == 0
    assert "in the clear" not in pulled.err


def test_starttls_works(home: CommandLine, server: Dovecot, user: str) -> None:
    words = f"account add work --imap localhost --port {server.imap} --user {user} --starttls"
    done = home(*words.split(), "--ca-file", server.ca_file, "--password-command", f"echo {server.password}")
    assert done.exit == 0, done.err
    assert home("pull", "-q").exit == 0


def test_an_untrusted_certificate_is_not_an_unreachable_server(
    home: CommandLine, server: Dovecot, user: str
) -> None:
    words = [
        word for word in account_words(server, "work", user) if word not in ("--ca-file", server.ca_file)
    ]
    done = home(*words, "--json")
    assert done.exit == 20
    assert done.error["code"] == "untrusted-certificate"
    assert "ca-file" in done.error["hint"]


def test_an_account_is_removed_and_its_mail_stays(pulled: CommandLine) -> None:
    assert home_text(pulled).count("[account.ann]") == 1
    done = pulled("account", "remove", "ann")
    assert done.exit == 0
    assert "stays" in done.err
    assert "[account.ann]" not in home_text(pulled)
    assert pulled("account", "remove", "ann").exit == 2
    assert len(pulled("list", "ann", "--json").document["messages"]) == 5
    assert pulled("export", "ann", "--to", "eml", pulled.home / "out").exit == 0
    for command in ("status", "folders", "runs", "verify"):
        assert pulled(command, "ann").exit == 0
    assert pulled("list", "any").exit == 2


def home_text(home: CommandLine) -> str:
    return home.config.read_text()


@pytest.mark.parametrize("command", ["account", "key", "writer"])
def test_a_group_alone_shows_its_commands(home: CommandLine, command: str) -> None:
    done = home(command)
    assert done.exit == 2
    assert "error:" not in done.err
    assert f"Usage: archiver {command}" in done.err
    wrong = home(command, "lst")
    assert wrong.exit == 2
    assert f"archiver {command} --help" in wrong.err


def test_the_wizard_asks_for_what_is_missing(home: CommandLine, server: Dovecot, user: str) -> None:
    terminal = Terminal(home, "account", "add", "--port", server.imaps, "--ca-file", server.ca_file)
    terminal.answer("Name of the account", "work")
    terminal.answer("Mail address, or user name", user)
    terminal.answer("IMAP server", "localhost")
    terminal.answer("Password from [ask]", "command")
    terminal.answer("Command", f"echo {server.password}")
    assert terminal.end() == 0, terminal.shown
    assert "archiver pull work" in terminal.shown
    assert f'password-command = "echo {server.password}"' in home.config.read_text()


def test_a_typed_password_is_not_shown_and_a_wrong_one_adds_nothing(
    home: CommandLine, server: Dovecot, user: str
) -> None:
    words = (
        f"account add work --imap localhost --port {server.imaps} --ca-file {server.ca_file} --user {user}"
    )
    for password, code in (("wrong one", 21), (server.password, 0)):
        terminal = Terminal(home, *words.split())
        terminal.answer(f"Password of {user} at localhost:", password)
        assert terminal.end() == code, terminal.shown
        assert password not in terminal.shown
        assert ("[account.work]" in home.config.read_text()) == (code == 0)


def test_an_interrupt_at_the_password_adds_nothing(home: CommandLine, server: Dovecot, user: str) -> None:
    words = (
        f"account add work --imap localhost --port {server.imaps} --ca-file {server.ca_file} --user {user}"
    )
    terminal = Terminal(home, *words.split())
    terminal.until("Password of")
    time.sleep(0.1)
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "[account.work]" not in home.config.read_text()


def test_an_interrupt_at_the_password_of_a_pull_ends_it_at_once(
    home: CommandLine, server: Dovecot, user: str
) -> None:
    write_account(home, server, "work", user)
    home.config.write_text(
        "".join(line for line in home_text(home).splitlines(True) if "password-command" not in line)
    )
    terminal = Terminal(home, "pull")
    terminal.until("Password of")
    time.sleep(0.1)
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "run again" in terminal.shown


def test_a_keyring_is_given_the_password(home: CommandLine, server: Dovecot, user: str) -> None:
    pytest.importorskip("keyring")
    ring: dict[str, Any] = {"PYTHON_KEYRING_BACKEND": "tests.servers.keyring.FileKeyring"}
    words = (
        f"account add work --imap localhost --port {server.imaps} --ca-file {server.ca_file} --user {user}"
    )
    terminal = Terminal(home, *words.split(), "--password-keyring", **ring)
    terminal.answer("Password of", server.password)
    assert terminal.end() == 0, terminal.shown
    assert home.typed("account", "test", "work", **ring).exit == 0
    assert home.typed("pull", "-q", **ring).exit == 0


# --- servers that are found ---------------------------------------------------------------------------------


def offer(server: Dovecot, user: str, **more: Any) -> Offer:
    return Offer("imap", "localhost", server.imaps, "tls", user, "what example.org says of itself", **more)


def test_the_server_of_an_address_is_found_and_tried(
    home: CommandLine, server: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def find(address: str, protocol: str) -> Offer:
        asked.append((address, protocol))
        return offer(server, user, notes=("IMAP must be switched on",), daily_download_limit="2.2GB")

    monkeypatch.setattr(wiring, "find_server", find)
    words = ("account", "add", "work", "--user", "ann@example.org", "--ca-file", server.ca_file)
    done = home(*words, "--password-command", f"echo {server.password}")
    assert done.exit == 0, done.err
    assert asked == [("ann@example.org", "imap")]
    assert f"found localhost, port {server.imaps}, by what example.org says of itself" in done.err
    assert "note: IMAP must be switched on" in done.err
    assert "prune can move messages to the Trash" in done.err
    (account,) = home("account", "list", "--json").document["accounts"]
    assert (account["host"], account["user"]) == ("localhost", user)
    assert 'daily-download-limit = "2.2GB"' in home.config.read_text()


def test_a_server_that_dns_alone_names_is_not_given_a_password_without_a_yes(
    home: CommandLine, server: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = home.config.read_text()
    monkeypatch.setattr(wiring, "find_server", lambda address, protocol: offer(server, user, trusted=False))
    words = ("account", "add", "work", "--user", "ann@example.org", "--password-command", "touch stolen")
    done = home(*words)
    assert done.exit == 2
    assert "can be forged" in done.err
    assert f"--imap localhost --user {user}" in done.err
    assert home.config.read_text() == before
    assert not (home.home / "stolen").exists()


def test_pop3_is_found_where_there_is_no_imap_and_nothing_where_there_is_neither(
    home: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Offer("pop3", "pop.example.org", 995, "tls", "ann", "it")
    monkeypatch.setattr(
        wiring, "find_server", lambda address, protocol: found if protocol == "pop3" else None
    )
    assert home("account", "add", "old", "--user", "ann@example.org", "--no-test").exit == 0
    assert home("account", "list", "--json").document["accounts"][0]["kind"] == "pop3"
    monkeypatch.setattr(wiring, "find_server", lambda address, protocol: None)
    done = home("account", "add", "other", "--user", "ann@example.org")
    assert done.exit == 2
    assert "--imap HOST" in done.err


def test_a_server_that_is_named_is_not_looked_for(
    home: CommandLine, server: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(address: str, protocol: str) -> Offer:
        raise AssertionError("asked")

    monkeypatch.setattr(wiring, "find_server", never)
    assert (
        home("account", "add", "work", "--imap", "localhost", "--user", "a@b.example", "--no-test").exit == 0
    )
    assert (
        home("account", "add", "more", "--pop3", "localhost", "--user", "a@b.example", "--no-test").exit == 0
    )


# --- folders that are proposed ------------------------------------------------------------------------------


def test_the_trash_is_left_out_after_a_yes(home: CommandLine, server: Dovecot, mailboxes: Mailboxes) -> None:
    user = mailboxes.new()
    mailboxes.deliver(user, mail(), folder="Trash")
    words = [*account_words(server, "work", user)]
    for answer, line in (("n", False), ("", True)):
        terminal = Terminal(home, *words)
        terminal.answer('Leave out "Trash"? [Y/n]', answer)
        assert terminal.end() == 0, terminal.shown
        assert ('exclude = ["Trash"]' in home.config.read_text()) is line
        home("account", "remove", "work")
    assert home(*words, "--exclude", "Nothing").exit == 0, "who says it himself is not asked"
    home("account", "remove", "work")
    assert home.typed(*words).exit == 0
    assert "exclude" not in home.config.read_text(), "without a terminal all folders are archived"


def test_at_gmail_all_mail_is_archived_once(home: CommandLine) -> None:
    with GmailDouble() as double:
        words = f"account add work --imap 127.0.0.1 --port {double.port} --user ann --insecure-plaintext"
        done = home(*words.split(), "--password-command", "echo secret")
        assert done.exit == 0, done.err
        assert "all mail, each message once, with its labels" in done.err
        assert 'folders = ["[Gmail]/All Mail", "[Gmail]/Spam", "[Gmail]/Trash"]' in home.config.read_text()
