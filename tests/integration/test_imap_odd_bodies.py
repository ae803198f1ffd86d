"""Bodies of odd servers: nothing lost in silence, and no message stops another."""

import re

import pytest

from archiver.accounts.imap.session import Session
from archiver.errors import FolderRefused, Unreachable
from archiver.model import Message
from tests.integration.double_client import Make, check_all_but, mails
from tests.servers.imap_double import ImapDouble, Mail

STAND_IN = (
    b"MIME-Version: 1.0\r\nFrom: Microsoft Exchange Server 2010\r\nTo: ann@example.org\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following\r\n message: 3\r\n\r\n"
    b'The server couldn\'t retrieve the following message:\r\n\r\nSubject: "x"\r\n'
)


def test_one_refused_message_never_stops_its_neighbours(client: Make) -> None:
    with ImapDouble(mails(100), refused={37}, refused_parts={37}) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 37)
        assert reasons == {37: 'the server refuses it: "Some messages could not be FETCHed (Failure)"'}


def test_good_rows_before_a_final_no_are_kept_and_not_asked_for_again(client: Make) -> None:
    with ImapDouble(mails(50), refused={50}, refused_parts={50}) as double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies, 50)
        assert len(double.commands(rb"UID FETCH .*BODY\.PEEK\[\]")) <= 4


def test_a_message_refused_whole_is_had_in_parts(client: Make) -> None:
    double = ImapDouble(mails(9), refused={4})
    double.mails[4] = Mail(b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 200_000)
    with double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies)
        assert reasons == {}


def test_a_server_that_knows_no_parts_gives_the_whole_and_that_is_taken(client: Make) -> None:
    def whole(found: re.Match[bytes]) -> bytes:
        raw = double.mails[int(found[1])].raw
        return b"* 1 FETCH (UID %s BODY[] {%d}\r\n%s)\r\n%%t OK\r\n" % (found[1], len(raw), raw)

    double = ImapDouble(mails(3), refused={2}, answers=[(rb"UID FETCH (\d+) \(UID BODY.PEEK\[\]<0", whole)])
    with double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_body_nil_is_missed_with_its_reason(client: Make) -> None:
    with ImapDouble(mails(5), nil={2, 4}, nil_parts={2}) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 2)
        assert reasons == {2: "the server announces it and gives no body"}


def test_an_empty_body_of_a_message_with_a_size_is_missed(client: Make) -> None:
    double = ImapDouble(mails(3))
    double.mails[2] = Mail(b"", size=512)
    double.mails[3] = Mail(b"", size=0)
    with double:
        bodies, reasons = client(double).got()
        assert bodies == {1: double.mails[1].raw, 3: b""}
        assert list(reasons) == [2]


def test_a_message_that_is_announced_and_not_there_is_missed(client: Make) -> None:
    with ImapDouble(mails(5), unanswered={3}) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 3)
        assert reasons == {3: "the server lists it and does not give it"}


def test_a_stand_in_is_missed_and_mail_that_quotes_one_is_not(client: Make) -> None:
    double = ImapDouble(mails(4))
    double.mails[3] = Mail(STAND_IN)
    double.mails[4] = Mail(STAND_IN.replace(b"Subject: R", b"Subject: FW: R"))
    with double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 3)
        assert reasons == {3: "the server gave an error text in its place"}


def test_a_line_that_drops_once_is_taken_up_where_it_broke(client: Make) -> None:
    with ImapDouble(mails(20), drops={7: 1}) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies)
        assert reasons == {}
        assert double.logins == 2


def test_a_message_that_always_drops_the_line_is_missed_after_two_drops(client: Make) -> None:
    with ImapDouble(mails(30), drops={7: 99, 20: 99, 21: 99}) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 7, 20, 21)
        assert set(reasons.values()) == {"the server drops the connection at this message"}
        assert double.logins <= 8


def test_a_server_that_drops_at_everything_is_unreachable_in_the_end(client: Make) -> None:
    with ImapDouble(mails(100), drops=dict.fromkeys(range(1, 101), 99)) as double:
        with pytest.raises(Unreachable):
            client(double).got()
        assert double.logins <= 25


@pytest.mark.parametrize(
    "options",
    [{"uid_last": True}, {"quoted": True}, {"chatter": b"* 1 FETCH (FLAGS (\\Seen))\r\n* 9 EXISTS\r\n"}],
)
def test_bodies_are_taken_in_whatever_form_they_come(client: Make, options: dict[str, object]) -> None:
    double = ImapDouble(mails(20), **options)  # type: ignore[arg-type]
    double.mails[5] = Mail(b'a "quoted" \\ body)')
    with double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_bodies_without_a_uid_are_taken_when_asked_for_one_by_one(client: Make) -> None:
    with ImapDouble(mails(5), without_uid=True) as double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_what_a_server_says_unasked_is_no_body(client: Make) -> None:
    chatter = (
        b"* 3 EXPUNGE\r\n* VANISHED 400:500\r\n* OK [ALERT] disk {3}\r\n"
        b"* 3 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (9))\r\n* FOO bar (baz) x\r\n* 1 RECENT\r\n"
    )
    with ImapDouble(mails(5), chatter=chatter) as double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_a_wrong_size_is_no_error(client: Make) -> None:
    double = ImapDouble(mails(4))
    for uid, size in ((1, 1), (2, 10**9), (3, 1024)):
        double.mails[uid].size = size
    with double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_a_message_beyond_the_limit_is_missed_and_the_rest_goes_on(client: Make) -> None:
    double = ImapDouble(mails(6))
    double.mails[3] = Mail(b"x" * 3_000_000)
    with double:
        bodies, reasons = client(double, limit=2_000_000).got()
        check_all_but(double, bodies, 3)
        assert reasons == {3: "larger than archiver takes: 3000000 bytes"}


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_line_that_drops_while_a_command_is_sent_costs_no_message(
    client: Make, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    send, sent = Session.send, [0]

    def failing(self: Session, *pieces: bytes, shown: bytes | None = None) -> str:
        sent[0] += b"BODY.PEEK[]" in b"".join(pieces)
        if sent[0] == nth:
            sent[0] += 1
            raise Unreachable("the line dropped")
        return send(self, *pieces, shown=shown)

    with ImapDouble(mails(1200)) as double:
        one = client(double)
        remotes = one.remotes()
        monkeypatch.setattr(Session, "send", failing)
        told = list(one.account.fetch(remotes))
        monkeypatch.undo()
        check_all_but(double, {int(m.remote.ref.key): m.raw for m in told if isinstance(m, Message)})


def test_a_throttle_is_obeyed_and_no_message_is_blamed(client: Make) -> None:
    said = b"%t BAD Request is throttled. Suggested Backoff Time: 29996 milliseconds\r\n"
    once = iter([said])
    double = ImapDouble(mails(9), answers=[(rb"UID FETCH .*BODY", lambda found: next(once, None))])
    with double:
        one = client(double)
        bodies, reasons = one.got()
        check_all_but(double, bodies)
        assert reasons == {}
        assert one.waited == [29.996]


def test_a_throttle_longer_than_five_minutes_is_told(client: Make) -> None:
    said = b"%t BAD Request is throttled. Suggested Backoff Time: 900000 milliseconds\r\n"
    with (
        ImapDouble(mails(9), answers=[(rb"UID FETCH .*BODY", said)]) as double,
        pytest.raises(Unreachable, match="throttles this account for 900 s"),
    ):
        client(double).got()


def test_a_bye_in_mid_fetch_is_survived(client: Make) -> None:
    once = iter([b"* BYE Session expired, please login again\r\n"])
    double = ImapDouble(mails(9), answers=[(rb"UID FETCH .*BODY", lambda found: next(once, None))])
    with double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_a_reader_who_stops_early_leaves_a_usable_account(client: Make) -> None:
    with ImapDouble(mails(20)) as double:
        one = client(double)
        given = one.account.fetch(one.remotes())
        next(given)
        given.close()  # type: ignore[attr-defined]
        bodies, _ = one.got()
        check_all_but(double, bodies)


def test_other_questions_in_the_midst_of_bodies_cost_a_new_session_and_nothing_else(client: Make) -> None:
    double = ImapDouble(mails(8))
    for uid in range(1, 9):
        double.mails[uid] = Mail(b"x" * 100_000)
    with double:
        one = client(double)
        remotes = one.remotes()
        came = []
        for item in one.account.fetch(remotes):
            came.append(item.remote.ref.key)
            assert isinstance(item, Message)
            assert len(one.remotes()) == 8
        assert sorted(came) == [str(uid) for uid in range(1, 9)]


def test_lines_without_sense_are_passed_over(client: Make) -> None:
    chatter = b"* VANISHED (EARLIER\r\n* LIST\r\n* 1 FETCH (FLAGS\r\nwhat?\r\n"
    with ImapDouble(mails(5), chatter=chatter) as double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_a_server_that_talks_nonsense_only_is_unreachable(client: Make) -> None:
    with ImapDouble(answers=[(rb"LIST", b"nonsense\r\n" * 500)]) as double, pytest.raises(Unreachable):
        client(double).account.folders()


def test_message_ids_of_an_odd_server_are_read(client: Make) -> None:
    header = b"message-id :\r\n\t<x@y>\r\n\r\n"
    answer = (
        b"* 1 FETCH (BODY[HEADER.FIELDS (Message-ID)] {%d}\r\n%s UID 1)\r\n"
        b'* 2 FETCH (UID 2 BODY[HEADER.FIELDS ("MESSAGE-ID")] "")\r\n%%t OK\r\n' % (len(header), header)
    )
    with ImapDouble(mails(2), answers=[(rb"UID FETCH .*HEADER", answer)]) as double:
        one = client(double)
        assert one.account.message_ids(one.remotes()) == {"1": "<x@y>"}


def test_a_folder_renumbered_in_mid_run_is_refused_and_nothing_is_mixed(client: Make) -> None:
    with ImapDouble(mails(3)) as double:
        one = client(double)
        remotes = one.remotes()
        double.uidvalidity = 8
        one.account.close()
        with pytest.raises(FolderRefused, match="renumbered"):
            list(one.account.fetch(remotes))
