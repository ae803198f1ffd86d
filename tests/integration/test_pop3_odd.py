"""What odd POP3 servers do, played one by one: no message is lost, altered, or taken for another."""

import hashlib
import re
from collections.abc import Iterator

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.pop3.login import open_session
from archiver.errors import Forbidden, LoginRefused, Unreachable, Untrusted
from archiver.model import AccessToken, Cursor, Done, Message, New, Secret, Vanished
from tests.integration.pop3_client import INBOX, Client, Make, clients, mails, raws
from tests.servers.pop3_double import Mail, Pop3Double

SIMPLE = "UIDL|TOP|USER"


@pytest.fixture
def client() -> Iterator[Make]:
    with clients() as make:
        yield make


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


# --- ids (getmail 4.2.6, 4.3.0, 4.7.4, 4.7.6, 4.37; cyrus-imapd#374) -------------------------------------------


def test_a_message_is_known_by_its_id_and_size(client: Make) -> None:
    with Pop3Double([Mail(b"x\r\n", b"a/b:c="), Mail(b"y\r\n", b"~" * 70)]) as double:
        assert client(double).keys() == ["a/b:c=:3", "~" * 70 + ":3"]
        assert client(double).got() == ([b"x\r\n", b"y\r\n"], {})
        assert client(double).warned == ['the password goes to "127.0.0.1" in the clear']


def test_an_id_that_comes_back_with_another_message_is_another_message(client: Make) -> None:
    with Pop3Double(mails(2)) as double:
        one = client(double)
        held = dict.fromkeys(one.keys(), frozenset[str]())
        double.mails[1] = Mail(b"Subject: quite another\r\n\r\n", b"id2")
        told = list(one.account.changes(INBOX, Cursor(one.epoch, "old"), lambda: held))
        (new,) = [change.remote for change in told if isinstance(change, New)]
        assert new.ref.key == "id2:26"
        assert len([change for change in told if isinstance(change, Vanished)]) == 1
        (message,) = one.account.fetch([new])
        assert isinstance(message, Message)
        assert message.raw == double.mails[1].raw


@pytest.mark.parametrize("without", ["refused", "blank", "missing", "repeated", "not ascii", "with spaces"])
def test_messages_without_a_usable_id_are_known_by_their_content(client: Make, without: str) -> None:
    with Pop3Double(mails(4)) as double:
        double.mails.append(Mail(double.mails[2].raw, b"twin"))
        double.uidl = without != "refused"
        for mail in double.mails[1:] if double.uidl else []:
            mail.uidl = {
                "blank": b"",
                "missing": None,
                "repeated": b"same",
                "not ascii": b"\xff\xfe",
                "with spaces": b"a b",
            }[without]
        contents = [sha(mail.raw) for mail in double.mails]
        expected = [f"={each}" for each in contents[:4]] + [f"={contents[2]}.2"]
        if double.uidl:
            expected[0] = f"id1:{len(double.mails[0].raw)}"
        assert client(double).keys() == expected
        assert client(double).got() == (raws(double), {})


def test_messages_without_id_are_told_once_and_vanish_when_they_go(client: Make) -> None:
    with Pop3Double(mails(3), uidl=False) as double:
        one = client(double)
        keys = one.keys()
        held = dict.fromkeys(keys, frozenset[str]())
        gone = double.mails.pop(0)  # all others change their number
        double.mails.append(Mail(b"new\r\n"))
        told = list(one.account.changes(INBOX, Cursor(one.epoch, ""), lambda: held))
        assert [change.remote.ref.key for change in told if isinstance(change, New)] == [
            "=" + sha(b"new\r\n")
        ]
        assert [change.ref.key for change in told if isinstance(change, Vanished)] == ["=" + sha(gone.raw)]


def test_of_two_equal_messages_without_id_one_may_go(client: Make) -> None:
    twins = [Mail(b"twin\r\n"), Mail(b"twin\r\n")]
    with Pop3Double(twins, uidl=False) as double:
        one = client(double)
        held = dict.fromkeys(one.keys(), frozenset[str]())
        assert len(held) == 2
        double.mails.pop(0)
        told = list(one.account.changes(INBOX, Cursor(one.epoch, ""), lambda: held))
        assert [type(change) for change in told] == [Vanished, Done]
        assert told[0].ref.key.endswith(".2")  # type: ignore[union-attr]


def test_a_message_without_id_that_cannot_be_read_is_missed_and_its_neighbours_are_not(client: Make) -> None:
    with Pop3Double(
        mails(3), answers=[(rb"UIDL", b"-ERR no\r\n"), (rb"RETR 2", b"-ERR broken\r\n")]
    ) as double:
        bodies, missed = client(double).got()
        assert bodies == raws(double, 2)
        assert list(missed) == [f"=?{len(double.mails[1].raw)}"]


def test_a_message_without_id_that_drops_the_line_does_not_block_the_mailbox(client: Make) -> None:
    with Pop3Double(mails(3), answers=[(rb"UIDL", b"-ERR no\r\n"), (rb"RETR 2", b"DROP")]) as double:
        bodies, missed = client(double).got()
        assert bodies == raws(double, 2)
        assert len(missed) == 1


@pytest.mark.parametrize("size", [None, -1])
def test_a_message_that_only_one_of_list_and_uidl_tells_is_listed(client: Make, size: int | None) -> None:
    with Pop3Double(mails(3)) as double:
        double.mails[1].size = size
        double.mails[1].uidl = None if size is None else b"id2"
        assert client(double).got() == (raws(double), {})


def test_numbers_of_an_earlier_session_are_never_used(client: Make) -> None:
    with Pop3Double(mails(4)) as double:
        one = client(double)
        remotes = one.remotes()
        one.account.close()
        gone = double.mails.pop(0)
        double.mails.reverse()
        told = list(one.account.fetch(remotes))
        assert sorted(item.raw for item in told if isinstance(item, Message)) == raws(double)
        for item in told:
            if isinstance(item, Message):
                assert item.remote.ref.key.startswith(f"id{item.raw[9:10].decode()}:")
            else:
                assert item.gone
                assert item.remote.ref.key == f"id1:{len(gone.raw)}"


# --- what is sent ----------------------------------------------------------------------------------------------


def test_bodies_are_asked_for_ahead_where_the_server_says_so_and_not_elsewhere(client: Make) -> None:
    with Pop3Double(mails(150)) as double:
        assert client(double).got() == (raws(double), {})
        assert double.most_ahead > 20
    with Pop3Double(mails(150), capabilities=SIMPLE) as double:
        assert client(double).got() == (raws(double), {})
        assert double.most_ahead == 1


def test_a_body_is_never_asked_for_by_top(client: Make) -> None:
    # cut at 64 kB (Maillennium) or 10 lines (usa.net), marks as read (SpryNet), no attachments (MailMax)
    with Pop3Double(
        [Mail(b"Subject: long\r\n\r\n" + b"line\r\n" * 30_000, b"x")], capabilities=SIMPLE
    ) as double:
        assert client(double).got() == (raws(double), {})
        assert double.commands(rb"TOP") == []


def test_two_lines_of_ok_before_a_header_do_no_harm(client: Make) -> None:
    top = b"+OK\r\n+OK again\r\nMessage-ID: <7@example.org>\r\n\r\n.\r\n"
    with Pop3Double(mails(1), answers=[(rb"TOP 1", top)]) as double:
        one = client(double)
        (remote,) = one.remotes()
        assert one.account.message_ids([remote]) == {remote.ref.key: "<7@example.org>"}


def test_a_message_id_is_read_where_there_is_no_top(client: Make) -> None:
    with Pop3Double(mails(2), answers=[(rb"TOP", b"-ERR no\r\n")]) as double:
        one = client(double)
        assert sorted(one.account.message_ids(one.remotes()).values()) == [
            "<1@example.org>",
            "<2@example.org>",
        ]


# --- bytes -----------------------------------------------------------------------------------------------------

BYTES = [
    b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.a\r\n",
    b"Subject: blank end\r\n\r\ntext\r\n\r\n\r\n",
    b"Subject: long\r\n\r\n" + b"x" * 300_000 + b"\r\n",
    b"Subject: 8bit\r\n\r\n\xff\x00\x80\r\n",
    b"Subject: bare\r\n\r\nline\nline\rline\n.\nline\r\n",
    b"\r\n",
    b"no line\r\n.\r\n+OK 9 octets\r\n",
]


def test_bytes_come_as_they_are(client: Make) -> None:
    with Pop3Double([Mail(raw, b"%d" % number) for number, raw in enumerate(BYTES)]) as double:
        assert client(double).got() == (sorted(BYTES), {})


def test_a_server_that_ends_lines_with_lf_alone_is_understood(client: Make) -> None:
    found = [Mail(b"Subject: x\n\n.dot\n\n", b"1"), Mail(b"Subject: y\n\ny\n", b"2")]
    with Pop3Double(found, line_end=b"\n") as double:
        assert client(double).got() == (raws(double), {})


def test_a_server_that_does_not_stuff_dots_alters_nothing(client: Make) -> None:
    with Pop3Double([Mail(b"a\r\n.b\r\n", b"1"), Mail(b".c\r\nd\r\n", b"2")], stuffs=False) as double:
        assert client(double).got() == (raws(double), {})


@pytest.mark.parametrize("capabilities", ["PIPELINING|UIDL", SIMPLE, None])
@pytest.mark.parametrize("counted", [0, 2])
def test_a_missing_line_end_before_the_last_dot_hangs_nobody(
    client: Make, capabilities: str | None, counted: int
) -> None:
    # Exchange 2000 (fetchmail FAQ S2): the dot stands behind the text, and nothing more comes
    with Pop3Double(mails(3), capabilities=capabilities, ends=b".\r\n") as double:
        for mail in double.mails:
            mail.size = len(mail.raw) - 2 + counted
        bodies, missed = client(double, timeout_s=0.3).got()
        assert bodies == sorted(mail.raw[:-2] for mail in double.mails)
        assert missed == {}


def test_two_messages_that_run_together_are_never_taken_for_one(client: Make) -> None:
    with Pop3Double(mails(4)) as double:
        double.mails[1].size = len(double.mails[1].raw) - 2
        double.answers = [(rb"RETR 2", b"+OK\r\n" + double.mails[1].raw[:-2] + b".\r\n")]
        bodies, missed = client(double, timeout_s=0.3).got()
        assert bodies == sorted([*raws(double, 2), double.mails[1].raw[:-2]])
        assert missed == {}


def test_a_message_that_is_cut_is_never_taken(client: Make) -> None:
    cut = b"+OK\r\nSubject: 2\r\n\r\nbo.\r\n"
    with Pop3Double(mails(3), answers=[(rb"RETR 2", cut)], capabilities=SIMPLE) as double:
        bodies, missed = client(double, timeout_s=0.3).got()
        assert bodies == raws(double, 2)
        assert list(missed.values()) == ["the server drops the connection at this message"]


def test_a_message_larger_than_the_limit_is_missed_alone(client: Make) -> None:
    with Pop3Double([*mails(2), Mail(b"x" * 2_000_000 + b"\r\n", b"big"), *mails(4)[2:]]) as double:
        bodies, missed = client(double, limit=1_000_000).got()
        assert bodies == raws(double, 3)
        assert list(missed) == ["big:2000002"]


def test_an_error_text_in_the_place_of_a_message_is_missed(client: Make) -> None:
    excuse = (
        b"From: Microsoft Exchange Server\r\nSubject: Retrieval using the POP3 protocol failed for the following "
        b"message: 7\r\n\r\nThe server couldn't retrieve the following message:\r\n"
    )
    with Pop3Double([*mails(1), Mail(excuse, b"bad")]) as double:
        bodies, missed = client(double).got()
        assert bodies == raws(double, 2)
        assert len(missed) == 1


# --- refusals and drops ----------------------------------------------------------------------------------------


def test_a_refused_message_is_missed_in_the_servers_words_and_never_stops_its_neighbours(
    client: Make,
) -> None:
    with Pop3Double(mails(5), refused={b"id2", b"id5"}) as double:
        bodies, missed = client(double).got()
        assert bodies == raws(double, 2, 5)
        assert set(missed.values()) == {'the server refuses it: "message is corrupt"'}


def test_a_message_refused_once_is_asked_for_again(client: Make) -> None:
    once = iter([b"-ERR [SYS/TEMP] not now\r\n"])
    with Pop3Double(mails(3), answers=[(rb"RETR 2", lambda found: next(once, None))]) as double:
        assert client(double).got() == (raws(double), {})


def test_a_refused_message_that_has_gone_is_gone(client: Make) -> None:
    with Pop3Double(mails(3), refused={b"id2"}) as double:
        one = client(double)
        remotes = one.remotes()
        del double.mails[1]
        missed = [item for item in one.account.fetch(remotes) if not isinstance(item, Message)]
        assert [(item.remote.ref.key, item.gone) for item in missed] == [(remotes[1].ref.key, True)]


def test_a_server_that_wants_time_between_logins_is_not_logged_into_again_for_a_refusal(client: Make) -> None:
    double = Pop3Double(mails(2), refused={b"id2"}, capabilities="UIDL|LOGIN-DELAY 900")
    with double:
        _, missed = client(double).got()
        assert len(missed) == 1
        assert double.logins == 1


@pytest.mark.parametrize("capabilities", ["PIPELINING|UIDL", SIMPLE])
@pytest.mark.parametrize("times", [1, 9])
def test_a_message_at_which_the_line_drops_is_missed_at_the_second_time(
    client: Make, capabilities: str, times: int
) -> None:
    with Pop3Double(mails(9), drops={b"id4": times}, capabilities=capabilities) as double:
        bodies, missed = client(double).got()
        assert bodies == (raws(double) if times == 1 else raws(double, 4))
        assert len(missed) == (times > 1)
        assert double.logins == (2 if times == 1 else 3)


def test_every_second_message_that_drops_the_line_is_missed_and_the_others_are_not(client: Make) -> None:
    bad = range(1, 41, 2)
    with Pop3Double(mails(40), drops={b"id%d" % number: 9 for number in bad}) as double:
        bodies, missed = client(double).got()
        assert bodies == raws(double, *bad)
        assert len(missed) == 20


def test_a_server_that_drops_the_line_at_every_message_is_unreachable(client: Make) -> None:
    with Pop3Double(mails(40), answers=[(rb"RETR", b"DROP")]) as double:
        one = client(double)
        remotes = one.remotes()
        with pytest.raises(Unreachable):
            list(one.account.fetch(remotes))


# --- sessions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"", b"-ERR unknown command\r\n"])
def test_a_server_that_does_not_answer_capa_or_refuses_it_is_served_without(
    client: Make, answer: bytes
) -> None:
    with Pop3Double(mails(3), answers=[(rb"CAPA", answer)]) as double:
        assert client(double, timeout_s=0.3).got() == (raws(double), {})
        assert double.most_ahead == 1
        assert double.commands(rb"USER") == [b"USER ann"]
        assert double.commands(rb"PASS")[0] == "PASS hunter2 é".encode()


def test_a_server_that_offers_sasl_and_does_not_have_it_gets_user_and_pass(client: Make) -> None:
    with Pop3Double(mails(1), answers=[(rb"AUTH", b"-ERR unknown\r\n")]) as double:
        assert client(double).got() == (raws(double), {})
        assert len(double.commands(rb"PASS")) == 1


@pytest.mark.parametrize(
    ("answer", "error", "tries"),
    [
        (b"-ERR [AUTH] wrong\r\n", LoginRefused, 1),
        (b"-ERR invalid user name or password\r\n", LoginRefused, 1),
        (b"-ERR [AUTH] try again later\r\n", LoginRefused, 1),
        (b"-ERR [SYS/PERM] account is disabled\r\n", Forbidden, 1),
        (b"-ERR [SYS/TEMP] try again\r\n", Unreachable, 4),
        (b"-ERR [IN-USE] another session\r\n", Unreachable, 4),
        (b"-ERR maildrop already locked\r\n", Unreachable, 4),
        (b"-ERR [LOGIN-DELAY] minimum time between mail checks violation\r\n", Unreachable, 4),
    ],
)
def test_a_refused_login_is_told_for_what_it_is(
    client: Make, answer: bytes, error: type[Exception], tries: int
) -> None:
    with Pop3Double(answers=[(rb"PASS", answer)], capabilities=SIMPLE) as double:
        one = client(double)
        with pytest.raises(error) as raised:
            one.account.folders()
        assert len(double.commands(rb"PASS")) == tries
        assert len(one.waited) == tries - 1
        assert "hunter2" not in repr(raised.value.args)


def test_a_mailbox_that_is_open_elsewhere_for_a_moment_is_waited_for(client: Make) -> None:
    twice = iter([b"-ERR [IN-USE] locked\r\n"] * 2)
    double = Pop3Double(mails(1), answers=[(rb"PASS", lambda found: next(twice, None))], capabilities=SIMPLE)
    with double:
        one = client(double)
        assert one.got() == (raws(double), {})
        assert len(one.waited) == 2


def test_the_time_that_the_server_wants_between_logins_is_waited(client: Make) -> None:
    once = iter([b"-ERR [LOGIN-DELAY] too soon\r\n"])
    said = "UIDL|LOGIN-DELAY 60"
    double = Pop3Double(mails(1), answers=[(rb"PASS", lambda found: next(once, None))], capabilities=said)
    with double:
        one = client(double)
        one.account.folders()
        assert one.waited == [60.0]


@pytest.mark.parametrize("greeting", [b"-ERR too busy\r\n", b"* OK IMAP4rev1\r\n", b"SSH-2.0-x\r\n"])
def test_another_service_or_none_is_unreachable(client: Make, greeting: bytes) -> None:
    with Pop3Double(greeting=greeting) as double, pytest.raises(Unreachable):
        client(double).account.folders()


def test_a_server_that_does_not_start_tls_gets_no_password(client: Make) -> None:
    with Pop3Double(answers=[(rb"STLS", b"-ERR no\r\n")]) as double:
        where = Server("127.0.0.1", double.port, "starttls", None, 5)
        one = client(double)
        one.account = type(one.account)(where, "ann", lambda: Secret("hunter2"))
        with pytest.raises(Untrusted):
            one.account.folders()
        assert double.commands(rb"(USER|PASS|AUTH)") == []


def test_a_token_goes_in_the_second_step(client: Make) -> None:
    with Pop3Double() as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        open_session(where, "ann", lambda: AccessToken("t0ken")).logout()
        assert double.commands(rb"(AUTH|dX)") == [
            b"AUTH XOAUTH2",
            b"dXNlcj1hbm4BYXV0aD1CZWFyZXIgdDBrZW4BAQ==",
        ]


def test_the_error_of_a_token_is_heard_to_its_end(client: Make) -> None:
    said = [(rb"dXNl", b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n"), (rb"$", b"-ERR [AUTH] expired\r\n")]
    with Pop3Double(answers=list(said)) as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        with pytest.raises(LoginRefused, match="expired") as told:
            open_session(where, "ann", lambda: AccessToken("t0ken"))
        assert "sign in again" in str(told.value.hint)
        assert double.commands(rb"(USER|PASS)") == []


def test_a_token_that_is_refused_before_its_time_is_renewed_once(client: Make) -> None:
    answers = [(rb"dXNlcj1hbm4BYXV0aD1CZWFyZXIgb2xk", b"-ERR [AUTH] expired\r\n")]
    with Pop3Double(answers=list(answers)) as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        old = AccessToken(
            "old", lambda claims=None: AccessToken("new", lambda claims=None: AccessToken("newer"))
        )
        open_session(where, "ann", lambda: old).logout()
        assert len(double.commands(rb"AUTH XOAUTH2")) == 2
    with Pop3Double(answers=[(rb"dXNl", b"-ERR [AUTH] no\r\n")]) as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        with pytest.raises(LoginRefused):
            open_session(where, "ann", lambda: old)
        assert len(double.commands(rb"AUTH XOAUTH2")) == 2


def test_a_pull_logs_in_once_and_says_goodbye(client: Make) -> None:
    with Pop3Double(mails(3)) as double:
        one = client(double)
        one.account.folders()
        one.got()
        one.account.close()
        assert (double.logins, double.quits) == (1, 1)
        assert double.commands(rb"DELE") == []


def test_a_reader_that_stops_half_way_leaves_no_answers_to_the_next(client: Make) -> None:
    with Pop3Double(mails(9)) as double:
        one = client(double)
        remotes = one.remotes()
        reader = iter(one.account.fetch(remotes))
        next(reader)
        reader.close()  # type: ignore[attr-defined]
        assert len(list(one.account.fetch(remotes[:2]))) == 2


def test_a_server_that_deletes_what_is_read_hears_no_quit_and_the_user_is_told(client: Make) -> None:
    double = Pop3Double(mails(3), capabilities="PIPELINING|UIDL|EXPIRE 0", reads_delete=True)
    with double:
        one = client(double)
        assert one.got()[1] == {}
        one.account.close()
        assert len(double.mails) == 3
        assert double.quits == 0
        assert any("deletes what a POP3 client has read" in text for text in one.warned)
        assert sum("deletes" in text for text in one.warned) == 1


def test_gmail_hears_no_quit_after_a_message_was_read_and_the_user_is_told(
    monkeypatch: pytest.MonkeyPatch, client: Make
) -> None:
    monkeypatch.setattr("archiver.accounts.pop3.quirks._GMAIL", frozenset({"127.0.0.1"}))
    with Pop3Double(mails(3)) as double:
        one: Client = client(double)
        one.account.folders()
        one.account.close()
        assert double.quits == 1
        assert one.got()[1] == {}
        one.account.close()
        assert double.quits == 1
        assert (
            sum("Gmail" in text for text in one.warned) == 2
        )  # where the account is made, and before it reads


def test_lists_that_do_not_agree_with_the_servers_count_are_told(client: Make) -> None:
    answer = b"+OK\r\n1 x\r\ngarbage\r\n.\r\n"
    double = Pop3Double(mails(2), answers=[(rb"LIST", answer), (rb"UIDL", b"-ERR no\r\n")])
    with double:
        one = client(double)
        done = list(one.account.changes(INBOX, None, dict))[-1]
        assert isinstance(done, Done)
        assert done.exists == 2  # the pull finds out that one is not accounted for


def test_ids_that_are_not_told_for_the_moment_are_waited_for(client: Make) -> None:
    once = iter([b"-ERR [SYS/TEMP] not now\r\n"])
    with Pop3Double(mails(2), answers=[(rb"UIDL", lambda found: next(once, None))]) as double:
        assert [key[:4] for key in client(double).keys()] == ["id1:", "id2:"]  # noqa: SIM118 -- no mapping


def test_an_empty_mailbox_that_is_not_listed_is_empty(client: Make) -> None:
    with Pop3Double(answers=[(rb"(LIST|UIDL)", b"-ERR no messages\r\n")]) as double:
        assert client(double).remotes() == []


def test_no_secret_is_logged(client: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"), Pop3Double(mails(1)) as double:
        client(double).got()
    with caplog.at_level("DEBUG"), Pop3Double(mails(1), capabilities=SIMPLE) as double:
        client(double).got()
    secret = re.compile("hunter2|AGFubgBodW50ZXIy")
    assert "RETR" in caplog.text
    assert not secret.search(caplog.text)
