"""Logins and folder names of odd servers."""

import base64
import re

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.imap.login import open_session
from archiver.errors import Forbidden, LoginRefused, Unreachable, Untrusted
from archiver.model import AccessToken, Secret
from tests.integration.double_client import Make, mails
from tests.servers.imap_double import ImapDouble


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 AUTH=PLAIN SASL-IR ID", "IMAP4rev1 AUTH=PLAIN SASL-IR"])
def test_163_com_is_told_who_calls_or_opens_no_folder(client: Make, capabilities: str) -> None:
    def examine(found: re.Match[bytes]) -> bytes | None:
        unsafe = b"%t NO SELECT Unsafe Login. Please contact kefu@188.com for help\r\n"
        return None if server[0].commands(rb'ID \("name"') else unsafe

    server = [ImapDouble(mails(1), capabilities=capabilities, answers=[(rb"EXAMINE", examine)])]
    with server[0]:
        assert len(client(server[0]).remotes()) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"%t NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n", LoginRefused),
        (b"%t NO LOGIN failed.\r\n", LoginRefused),
        (b"%t NO [AUTHENTICATIONFAILED] please try again later\r\n", LoginRefused),
        (b"%t NO [CONTACTADMIN] account is locked\r\n", Forbidden),
        (b"%t NO [UNAVAILABLE] temporary authentication failure\r\n", Unreachable),
        (b"* BYE too many connections\r\n", Unreachable),
    ],
)
def test_a_refused_login_is_told_for_what_it_is(client: Make, answer: bytes, error: type[Exception]) -> None:
    with ImapDouble(answers=[(rb"AUTHENTICATE", answer)]) as double:
        with pytest.raises(error) as raised:
            client(double).account.folders()
        assert "hunter2" not in repr(raised.value.args) + str(raised.value)
        if error is LoginRefused:
            assert len(double.commands(rb"AUTHENTICATE")) == 1


def test_an_unavailable_server_is_asked_again(client: Make) -> None:
    twice = iter([b"%t NO [UNAVAILABLE] try later\r\n"] * 2)
    double = ImapDouble(mails(1), answers=[(rb"AUTHENTICATE", lambda found: next(twice, None))])
    with double:
        one = client(double)
        assert len(one.remotes()) == 1
        assert len(one.waited) == 2


def test_a_greeting_of_bye_is_unreachable(client: Make) -> None:
    with (
        ImapDouble(greeting=b"* BYE overloaded\r\n") as double,
        pytest.raises(Unreachable, match="overloaded"),
    ):
        client(double).account.folders()


def test_another_service_on_the_port_is_unreachable(client: Make) -> None:
    with ImapDouble(greeting=b"SSH-2.0-OpenSSH_9.2\r\n") as double, pytest.raises(Unreachable):
        client(double).account.folders()


def test_login_without_sasl_ir_and_without_literal_plus_works(client: Make) -> None:
    wait = (rb"AUTHENTICATE PLAIN$", b"+ \r\n%t OK in\r\n")
    with ImapDouble(mails(1), capabilities="IMAP4rev1 AUTH=PLAIN", answers=[wait]) as double:
        assert len(client(double).remotes()) == 1
    with ImapDouble(mails(1), capabilities="IMAP4rev1") as double:
        assert len(client(double).remotes()) == 1
        assert double.commands(rb"LOGIN")[0].endswith("hunter2 é".encode())


def test_an_authenticate_that_the_server_does_not_understand_becomes_a_login(client: Make) -> None:
    with ImapDouble(mails(1), answers=[(rb"AUTHENTICATE", b"%t BAD unknown command\r\n")]) as double:
        assert len(client(double).remotes()) == 1


def test_a_login_that_is_disabled_is_not_tried(client: Make) -> None:
    with ImapDouble(capabilities="IMAP4rev1 LOGINDISABLED") as double:
        with pytest.raises(LoginRefused):
            client(double).account.folders()
        assert double.logins == 0


@pytest.mark.parametrize("command", [rb"LIST", rb"EXAMINE"])
def test_authenticated_but_not_connected_is_forbidden(client: Make, command: bytes) -> None:
    said = b"%t BAD User is authenticated but not connected.\r\n"
    with ImapDouble(mails(1), answers=[(command, said)]) as double:
        with pytest.raises(Forbidden) as told:
            one = client(double)
            one.account.folders()
            one.remotes()
        assert len(double.commands(command)) == 1
    assert "licence" in str(told.value.hint)


def tokened(double: ImapDouble) -> ImapAccount:
    where = Server("127.0.0.1", double.port, "plaintext", None, 5)
    return ImapAccount(where, "ann@example.org", lambda: AccessToken("t0ken"), lambda text: None)


def test_the_error_of_xoauth2_is_answered_with_nothing_and_then_told(client: Make) -> None:
    challenge = base64.b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}')
    refused = b"a2 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n"
    double = ImapDouble(
        capabilities="IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2",
        answers=[(rb"AUTHENTICATE XOAUTH2", b"+ " + challenge + b"\r\n"), (rb"$", refused)],
    )
    with double:
        with pytest.raises(LoginRefused, match="Invalid credentials") as told:
            tokened(double).folders()
        assert "app password" not in str(told.value.hint)
        assert 'was it "ann@example.org" who signed in?' in str(told.value.hint)
        assert double.seen[-1] == b""
        assert double.commands(rb"LOGIN|AUTHENTICATE PLAIN") == []
    assert "t0ken" not in told.value.text + str(told.value.hint)


def test_a_server_that_challenges_for_ever_is_left(client: Make) -> None:
    double = ImapDouble(
        capabilities="IMAP4rev1 SASL-IR AUTH=XOAUTH2",
        answers=[(rb"AUTHENTICATE XOAUTH2", b"+ \r\n"), (rb"$", b"+ \r\n")],
    )
    with double, pytest.raises(Unreachable, match="does not end"):
        tokened(double).folders()


def test_a_password_is_not_sent_in_the_clear_because_scram_was_broken(client: Make) -> None:
    double = ImapDouble(
        capabilities="IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN",
        answers=[(rb"AUTHENTICATE SCRAM-SHA-256", b"%t NO [AUTHENTICATIONFAILED] no\r\n")],
    )
    with double:
        with pytest.raises(LoginRefused):
            client(double).account.folders()
        assert double.commands(rb"LOGIN|AUTHENTICATE PLAIN") == []


def test_a_server_that_is_content_with_scram_before_it_was_done_is_not_trusted(client: Make) -> None:
    double = ImapDouble(
        capabilities="IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256",
        answers=[(rb"AUTHENTICATE SCRAM-SHA-256", b"%t OK in\r\n")],
    )
    with double, pytest.raises(Untrusted):
        client(double).account.folders()


def test_odd_folder_names_are_listed_once_each_and_opened_by_the_servers_own_bytes(client: Make) -> None:
    rows = [
        b'() "." inbox',
        b'(\\HasChildren) "." "Sent.&AMk-t&AOk-"',
        b'() "." {7}\r\na\\"b(c)',
        b'(\\Noselect) "." "gone"',
        b'(\\NonExistent) "." "too"',
        b'() "." "raw \xc3\xa9"',
        b'() "." "bad &zz"',
        b'() "." "latin \xe9"',
        b'() "." trash',
        b'() "." Trash',
        b'(\\Sent) "." 2024',
        b'() "." "a/b%2F100%.c"',
        b'() NIL "lone/one"',
        b'() "." "&AOk-"',
        b'() "." "\xc3\xa9"',
        b'() "." "a..b "',
        b'() "." NIL',
    ]
    with ImapDouble(mails(1), folders=rows) as double:
        one = client(double)
        folders = one.account.folders()
        assert [folder.name for folder in folders] == [
            "INBOX",
            "Sent/Été",
            'a\\"b(c)',
            "raw é",
            "bad &zz",
            "latin \\xe9",
            "trash",
            "Trash",
            "2024",
            "a%2Fb%252F100%/c",
            "lone%2Fone",
            "é",
            "a//b ",
            "NIL",
            "\\xc3\\xa9",
        ]
        assert folders[8].special_use == "\\Sent"
        for folder in folders:
            list(one.account.changes(folder, None, dict))
        opened = [line.removeprefix(b"EXAMINE ") for line in double.commands(rb"EXAMINE")]
        assert opened[0] == b'"inbox"'
        assert opened[1] == b'"Sent.&AMk-t&AOk-"'
        assert opened[5] == b"latin \xe9"
        assert opened[9] == b'"a/b%2F100%.c"'
        assert opened[10] == b'"lone/one"'
        assert opened[14] == b"\xc3\xa9"


def test_a_refused_list_of_extras_is_asked_for_plainly(client: Make) -> None:
    double = ImapDouble(
        mails(1),
        capabilities="IMAP4rev1 AUTH=PLAIN SASL-IR LIST-EXTENDED SPECIAL-USE",
        answers=[(rb"LIST .*RETURN", b"%t BAD what?\r\n")],
    )
    with double:
        assert [folder.name for folder in client(double).account.folders()] == ["INBOX"]


def test_utf8_names_are_used_where_the_server_switched_them_on(client: Make) -> None:
    double = ImapDouble(
        mails(1),
        capabilities="IMAP4rev1 AUTH=PLAIN SASL-IR ENABLE UTF8=ACCEPT LITERAL+",
        folders=['() "/" "Été & co"'.encode()],
        answers=[(rb"ENABLE", b"* ENABLED UTF8=ACCEPT\r\n%t OK\r\n")],
    )
    with double:
        (folder,) = client(double).account.folders()
        assert folder.name == "Été & co"


def test_a_silent_server_is_unreachable_after_the_timeout() -> None:
    with ImapDouble(answers=[(rb"LIST", b"")]) as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 0.2)
        account = ImapAccount(where, "ann", lambda: Secret("x"), lambda text: None, pause=lambda wait_s: None)
        with pytest.raises(Unreachable, match=r"did not answer within 0\.2 s"):
            account.folders()
        account.close()


@pytest.mark.parametrize(
    ("capabilities", "personal"),
    [("IMAP4rev1 AUTH=PLAIN SASL-IR NAMESPACE", ((b"INBOX.", "."),)), ("IMAP4rev1 AUTH=PLAIN SASL-IR", ())],
)
def test_the_users_own_namespace_is_known_where_the_server_tells_it(
    capabilities: str, personal: tuple[tuple[bytes, str], ...]
) -> None:
    answer = (rb"NAMESPACE", b'* NAMESPACE (("INBOX." ".")) NIL NIL\r\n%t OK\r\n')
    with ImapDouble(capabilities=capabilities, answers=[answer]) as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        session = open_session(where, "ann", lambda: Secret("x"), "owner")
        assert session.namespace().personal == personal
        session.logout()
