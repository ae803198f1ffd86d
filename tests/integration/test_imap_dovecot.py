"""ImapAccount on a real Dovecot: TLS, logins, names, odd bytes, large messages."""

import hashlib
import logging
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.imap.account import ImapAccount
from archiver.errors import ConfigInvalid, LoginRefused, Unreachable, Untrusted
from archiver.model import Done, Message, New, Secret
from archiver.ports import Account
from tests.contract.account import Copy, fetched, find, listed, mail
from tests.require import require
from tests.servers.certificate import make_certificate
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Owner


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """Run one Dovecot for all tests here."""
    require("dovecot")
    with Dovecot([f"user{n}" for n in range(40)]) as running:
        yield running


@pytest.fixture(scope="module")
def users(server: Dovecot) -> Iterator[str]:
    """Give each test a mailbox of its own."""
    return iter(server.users)


@pytest.fixture
def owner(server: Dovecot, users: Iterator[str]) -> Iterator[Owner]:
    """Give the owner of an empty mailbox."""
    owner = Owner(server, next(users))
    yield owner
    owner.close()


Open = Callable[..., ImapAccount]


@pytest.fixture
def account(owner: Owner) -> Iterator[Account]:
    """Give an account on the mailbox."""
    account = owner.account()
    yield account
    account.close()


@pytest.fixture
def opened(server: Dovecot, owner: Owner) -> Iterator[Open]:
    """Open accounts by other ways, and close them in the end."""
    accounts = []

    def make(password: str = server.password, **how: object) -> ImapAccount:
        values = {"host": "localhost", "port": server.imaps, "security": "tls", "ca_file": server.ca_file}
        where = Server(**(values | {"timeout_s": 10.0} | how))  # type: ignore[arg-type]
        accounts.append(ImapAccount(where, owner.user, lambda: Secret(password), lambda text: None))
        return accounts[-1]

    yield make
    for each in accounts:
        each.close()


# --- the line ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["tls", "starttls", "plaintext"])
def test_mail_is_read_over_every_kind_of_line(owner: Owner, opened: Open, security: str) -> None:
    owner.deliver("INBOX", mail(1))
    port = owner.server.imaps if security == "tls" else owner.server.imap
    account = opened(security=security, port=port)
    assert [message.raw for message in fetched(account, listed(account))] == [mail(1)]


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_an_unknown_certificate_is_untrusted_and_the_hint_names_ca_file(
    server: Dovecot, opened: Open, security: str
) -> None:
    port = server.imaps if security == "tls" else server.imap
    with pytest.raises(Untrusted) as raised:
        opened(ca_file=None, security=security, port=port).folders()
    assert raised.value.hint
    assert "ca-file" in raised.value.hint


def test_a_certificate_of_another_authority_is_untrusted(opened: Open, tmp_path: Path) -> None:
    make_certificate(tmp_path / "other.pem", tmp_path / "other.key")
    with pytest.raises(Untrusted):
        opened(ca_file=str(tmp_path / "other.pem")).folders()


def test_a_missing_ca_file_is_a_mistake_of_the_configuration(opened: Open) -> None:
    with pytest.raises(ConfigInvalid, match="/nowhere/ca"):
        opened(ca_file="/nowhere/ca.pem").folders()


def test_tls_on_a_port_without_it_is_untrusted(server: Dovecot, opened: Open) -> None:
    with pytest.raises(Untrusted):
        opened(port=server.imap).folders()


def test_a_wrong_password_is_refused_once_and_never_shown(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LoginRefused) as raised:
        opened("not the pass word").folders()
    assert raised.value.hint
    assert "app password" in raised.value.hint
    shown = f"{raised.value!r} {raised.value} {raised.value.__cause__!r} {caplog.text}"
    assert "not the pass word" not in shown
    assert caplog.text.count("AUTHENTICATE PLAIN ***") == 1


def test_the_log_of_a_good_login_shows_no_password(
    server: Dovecot, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    opened().folders()
    assert "AUTHENTICATE PLAIN ***" in caplog.text
    assert server.password not in caplog.text


def test_a_closed_port_is_unreachable(opened: Open) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            opened(port=free.getsockname()[1]).folders()


def test_an_unknown_host_is_unreachable(opened: Open) -> None:
    with pytest.raises(Unreachable, match="no-such-host"):
        opened(host="no-such-host.invalid").folders()


# --- folders -------------------------------------------------------------------------------------------


def test_fifty_folders_with_nothing_new_are_not_even_opened(
    owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"Folder {n}/Ünter {n}" for n in range(50)]
    for name in names:
        owner.create(name)
        owner.deliver(name, mail(1))
    account = owner.account()
    copies = [Copy(name) for name in ("INBOX", *names)]
    folders = {folder.name: folder for folder in account.folders()}
    assert set(names) <= set(folders)
    for copy in copies:
        for change in account.changes(folders[copy.folder], None, dict):
            if isinstance(change, Done):
                copy.cursor = change.cursor
    account.close()
    caplog.set_level(logging.DEBUG)
    account = owner.account()
    folders = {folder.name: folder for folder in account.folders()}
    for copy in copies:
        (end,) = account.changes(folders[copy.folder], copy.cursor, dict)
        assert isinstance(end, Done)
        assert end.cursor == copy.cursor
    account.close()
    assert "EXAMINE" not in caplog.text
    assert caplog.text.count("LIST") == 1


def test_a_change_of_flags_alone_is_seen_by_status(owner: Owner) -> None:
    key = owner.deliver("INBOX", mail(1))
    copy = Copy()
    first = owner.account()
    copy.update(first)
    first.close()
    owner.flag("INBOX", key, ["\\Seen"])
    second = owner.account()
    copy.update(second)
    second.close()
    assert copy.flags == {key: {"\\Seen"}}


def test_special_uses_are_told(owner: Owner, account: Account) -> None:
    owner.create("Sent")
    assert find(account, "Sent").special_use == "\\Sent"
    assert find(account, "INBOX").special_use is None


def test_a_prefix_of_the_server_is_part_of_the_name() -> None:
    require("dovecot")
    options = {"mail_location": "maildir:~/Maildir", "separator": ".", "prefix": "INBOX."}
    with Dovecot(**options) as server:  # type: ignore[arg-type]
        owner = Owner(server, "ann")
        owner.create("INBOX/Été/x")
        owner.deliver("INBOX/Été/x", mail(1))
        account = owner.account()
        assert [message.raw for message in fetched(account, listed(account, "INBOX/Été/x"))] == [mail(1)]
        account.close()
        owner.close()


# --- messages ------------------------------------------------------------------------------------------


def test_a_large_message_comes_to_the_byte(owner: Owner, account: Account) -> None:
    large = b"Subject: large\r\n\r\n" + os.urandom(15 << 20).hex().encode() + b"\r\n"
    owner.deliver("INBOX", mail(1))
    owner.deliver("INBOX", large)
    owner.deliver("INBOX", mail(3))
    digests = [hashlib.sha256(message.raw).digest() for message in fetched(account, listed(account))]
    assert digests == [hashlib.sha256(raw).digest() for raw in (mail(1), large, mail(3))]


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: 8 bit \xff\xfe\r\n\r\n\x80\x81\xe9\r\n",
        b"Subject: bare CR\r\n\r\na\rb\r\n",
        b"no header at all",
        b"\r\n",
        b"Subject: no end of line",
        b"Subject: paren\r\n\r\n)\r\na12 OK done\r\n* BYE\r\n{99}\r\n",
        b"Subject: long\r\n\r\n" + b"y" * 3_000_000 + b"\r\n",
        b"From nobody\r\n>From quoted\r\n\r\nFrom here\r\n",
    ],
)
def test_odd_bytes_come_as_they_are(owner: Owner, account: Account, raw: bytes) -> None:
    owner.deliver("INBOX", mail(0))
    owner.server.deliver(owner.user, raw)  # as imaplib would make CRLF of a bare CR
    owner.deliver("INBOX", mail(2))
    assert [message.raw for message in fetched(account, listed(account))] == [mail(0), raw, mail(2)]


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b"Subject: bare LF\n\nbody\n", b"Subject: bare LF\r\n\r\nbody\r\n"),
        (b"Subject: NUL\r\n\r\na\0b\r\n", b"Subject: NUL\r\n\r\na\x80b\r\n"),
    ],
)
def test_bytes_that_dovecot_never_sends_come_as_it_sends_them(
    owner: Owner, account: Account, raw: bytes, kept: bytes
) -> None:
    owner.server.deliver(owner.user, raw)
    assert [message.raw for message in fetched(account, listed(account))] == [kept]


def test_thousands_of_small_messages_come_each_once(owner: Owner, account: Account) -> None:
    maildir = owner.server.base / "maildir"  # where the server's own user may read it
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    for number in range(2_500):
        name = f"{1_600_000_000 + number}.M{number}.host:2,{'S' if number % 2 else ''}"
        (maildir / "cur" / name).write_bytes(mail(number))
    owner.server.load(owner.user, maildir)
    remotes = listed(account)
    assert len(remotes) == 2_500
    assert sum("\\Seen" in remote.flags for remote in remotes) == 1_250
    messages = fetched(account, remotes)
    assert sorted(message.raw for message in messages) == sorted(mail(number) for number in range(2_500))
    assert len(account.message_ids(remotes)) == 2_500


def test_a_listing_in_windows_tells_each_message_once(
    owner: Owner, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [owner.deliver("INBOX", mail(number)) for number in range(25)]
    owner.expunge("INBOX", *keys[3:9], keys[20])
    left = [key for place, key in enumerate(keys) if not 3 <= place < 9 and place != 20]
    monkeypatch.setattr("archiver.accounts.imap.sync.edges.__defaults__", (4,))
    copy = Copy()
    told = copy.update(account)
    assert [change.remote.ref.key for change in told if isinstance(change, New)] == left
    more = [owner.deliver("INBOX", mail(number)) for number in range(11)]
    told = copy.update(account)
    assert [change.remote.ref.key for change in told if isinstance(change, New)] == more


def test_mail_that_comes_and_goes_while_a_folder_is_told_never_spoils_the_count(
    owner: Owner, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.accounts.imap.sync.edges.__defaults__", (3,))
    keys = [owner.deliver("INBOX", mail(number)) for number in range(12)]
    copy = Copy()
    seen = []
    for change in account.changes(find(account, "INBOX"), None, dict):
        if isinstance(change, New):
            seen.append(change.remote.ref.key)
            if len(seen) == 3:
                owner.expunge("INBOX", keys[1], keys[10])
                owner.deliver("INBOX", mail(99))
            assert len(list(account.fetch([change.remote]))) == 1
            copy.flags[change.remote.ref.key] = change.remote.flags
        elif isinstance(change, Done):
            assert change.exists == len(seen)
            copy.cursor = change.cursor
    copy.update(account)
    assert len(copy.flags) == copy.exists == 11
    assert copy.flags.keys() == {remote.ref.key for remote in listed(account)}


def test_a_server_that_is_started_anew_in_mid_fetch_is_picked_up_again() -> None:
    require("dovecot")
    with Dovecot() as server:
        owner = Owner(server, "ann")
        for number in range(40):
            owner.deliver("INBOX", mail(number, "x" * 100_000))
        account = owner.account()
        given = account.fetch(listed(account))
        items = [next(given)]
        server.doveadm("kick", "ann")
        items += given
        assert all(isinstance(item, Message) for item in items)
        assert len({item.remote.ref.key for item in items}) == 40
        account.close()
        owner.close()


def test_no_password_is_in_the_process_list(owner: Owner, account: Account) -> None:
    account.folders()
    listing = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=False).stdout
    assert owner.server.password.encode() not in listing
