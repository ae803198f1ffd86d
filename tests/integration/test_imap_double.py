"""What odd servers do, and that archiver survives it: nothing lost in silence, no message stops another."""

import re
from collections.abc import Callable, Iterator

import pytest

from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.imap.connection import Server
from archiver.errors import FolderRefused, Forbidden, LoginRefused, Unreachable
from archiver.model import (
    Cursor,
    Done,
    Flags,
    Folder,
    Message,
    Missed,
    New,
    Reflagged,
    Remote,
    Secret,
    Vanished,
)
from tests.servers.imap_double import Answer, ImapDouble, Mail

INBOX = Folder("INBOX", "/")
STAND_IN = (
    b"MIME-Version: 1.0\r\nFrom: Microsoft Exchange Server 2010\r\nTo: ann@example.org\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following\r\n message: 3\r\n\r\n"
    b'The server couldn\'t retrieve the following message:\r\n\r\nSubject: "x"\r\n'
)


def mails(count: int) -> dict[int, Mail]:
    """Make messages with the UIDs 1 to `count`."""
    return {uid: Mail(b"Subject: %d\r\n\r\nbody %d\r\n" % (uid, uid)) for uid in range(1, count + 1)}


class Client:
    """An account on the double, and how long it was told to wait."""

    def __init__(self, double: ImapDouble, limit: int = 1 << 30) -> None:
        self.waited: list[float] = []
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        self.account = ImapAccount(
            where,
            "ann",
            lambda: Secret("hunter2 é"),
            lambda text: None,
            literal_limit=limit,
            pause=self.waited.append,
        )

    def remotes(self) -> list[Remote]:
        """List all."""
        return [
            change.remote for change in self.account.changes(INBOX, None, dict) if isinstance(change, New)
        ]

    def got(self) -> tuple[dict[int, bytes], dict[int, str]]:
        """List and fetch all: bodies by UID, and reasons of the missed."""
        remotes = self.remotes()
        bodies: dict[int, bytes] = {}
        reasons: dict[int, str] = {}
        for item in self.account.fetch(remotes):
            uid = int(item.remote.ref.key)
            assert uid not in bodies, "given twice"
            assert uid not in reasons, "missed twice"
            if isinstance(item, Message):
                bodies[uid] = item.raw
            else:
                reasons[uid] = item.reason
        assert len(bodies) + len(reasons) == len(remotes)
        return bodies, reasons


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Open accounts that are closed in the end."""
    opened: list[Client] = []

    def make(double: ImapDouble, **options: int) -> Client:
        opened.append(Client(double, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.account.close()


Make = Callable[..., Client]


def check_all_but(double: ImapDouble, bodies: dict[int, bytes], *bad: int) -> None:
    """Check that every message came to the byte, but the bad."""
    assert bodies == {uid: mail.raw for uid, mail in double.mails.items() if uid not in bad}


# --- bodies --------------------------------------------------------------------------------------------


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
        assert reasons == {3: "no longer on the server"}


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


def test_a_message_listed_without_details_is_told_all_the_same(client: Make) -> None:
    double = ImapDouble(
        mails(4), answers=[(rb"UID FETCH 2,4 ", b"* 2 FETCH (UID 2 RFC822.SIZE 9)\r\n%t OK\r\n")]
    )
    with double:
        known = {"1": Flags(), "3": Flags()}
        told = list(client(double).account.changes(INBOX, Cursor("7", "messages=2"), lambda: known))
        remotes = [change.remote for change in told if isinstance(change, New)]
        assert [(remote.ref.key, remote.size) for remote in remotes] == [("2", 9), ("4", None)]


def test_a_reader_who_stops_early_leaves_a_usable_account(client: Make) -> None:
    with ImapDouble(mails(20)) as double:
        one = client(double)
        given = one.account.fetch(one.remotes())
        next(given)
        given.close()  # type: ignore[attr-defined]
        bodies, _ = one.got()
        check_all_but(double, bodies)


def test_message_ids_of_an_odd_server_are_read(client: Make) -> None:
    header = b"message-id :\r\n\t<x@y>\r\n\r\n"
    answer = (
        b"* 1 FETCH (BODY[HEADER.FIELDS (Message-ID)] {%d}\r\n%s UID 1)\r\n"
        b'* 2 FETCH (UID 2 BODY[HEADER.FIELDS ("MESSAGE-ID")] "")\r\n%%t OK\r\n' % (len(header), header)
    )
    with ImapDouble(mails(2), answers=[(rb"UID FETCH .*HEADER", answer)]) as double:
        one = client(double)
        assert one.account.message_ids(one.remotes()) == {"1": "<x@y>"}


# --- listings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        'RFC822.SIZE {size} UID {uid} FLAGS ({flags}) INTERNALDATE "{date}"',
        'FLAGS ({flags}) internaldate "{date}" UID {uid} MODSEQ (12) rfc822.size {size}',
        'UID {uid} FLAGS ({flags}) INTERNALDATE "{date}" RFC822.SIZE {size} X-GM-LABELS ("a b" ())',
    ],
)
def test_rows_are_read_in_any_order_and_with_strangers_in_between(client: Make, row: str) -> None:
    double = ImapDouble(mails(3), row=row)
    double.mails[2].flags = "\\SEEN \\Recent $Label1"
    with double:
        remotes = client(double).remotes()
        assert [remote.flags for remote in remotes] == [frozenset(), {"\\Seen", "$Label1"}, frozenset()]
        assert {remote.size for remote in remotes} == {len(double.mails[1].raw)}
        assert all(remote.received and remote.received.year == 1996 for remote in remotes)


def test_uid_0_is_no_message(client: Make) -> None:
    double = ImapDouble(mails(3), chatter=b"* 1 FETCH (UID 0 FLAGS () RFC822.SIZE 5)\r\n")
    with double:
        assert len(client(double).remotes()) == 3


@pytest.mark.parametrize(
    "date", ["17.Jul.1996", "", "32-Foo-0000 99:99:99 +9999", "17-Jul-1996 02.44.25 -0700"]
)
def test_an_odd_date_costs_the_date_at_most(client: Make, date: str) -> None:
    double = ImapDouble({1: Mail(b"x", date=date)})
    with double:
        (remote,) = client(double).remotes()
        assert remote.received is None or remote.received.year == 1996


def test_a_server_that_refuses_sizes_is_listed_without(client: Make) -> None:
    refusal = (rb"UID FETCH .*RFC822.SIZE", b"%t NO Server error while fetching\r\n")
    with ImapDouble(mails(3), row="UID {uid} FLAGS ({flags})", answers=[refusal]) as double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_a_server_that_refuses_every_listing_refuses_the_folder(client: Make) -> None:
    with (
        ImapDouble(mails(3), answers=[(rb"UID FETCH", b"%t NO Server error\r\n")]) as double,
        pytest.raises(FolderRefused, match="does not list"),
    ):
        client(double).remotes()


def test_no_uidvalidity_is_refused_loudly(client: Make) -> None:
    with ImapDouble(mails(3), uidvalidity=None) as double, pytest.raises(FolderRefused, match="UIDVALIDITY"):
        client(double).remotes()


def test_without_uidnext_new_mail_is_found_all_the_same(client: Make) -> None:
    with ImapDouble(mails(3), uidnext=False) as double:
        one = client(double)
        first = list(one.account.changes(INBOX, None, dict))
        end = first[-1]
        assert isinstance(end, Done)
        double.mails[9] = Mail(b"new")
        known = {str(uid): Flags() for uid in (1, 2, 3)}
        told = list(one.account.changes(INBOX, end.cursor, lambda: known))
        assert [change.remote.ref.key for change in told if isinstance(change, New)] == ["9"]


def test_several_exists_lines_count_as_the_last(client: Make) -> None:
    grown = b"* 500 EXISTS\r\n* 1000 EXISTS\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n%t OK\r\n"
    with ImapDouble(mails(3), answers=[(rb"EXAMINE", grown)]) as double:
        end = list(client(double).account.changes(INBOX, None, dict))[-1]
        assert isinstance(end, Done)
        assert end.exists == 3


def test_a_count_that_no_listing_reaches_is_told_as_it_is(client: Make) -> None:
    with ImapDouble(mails(3), exists=5) as double:
        told = list(client(double).account.changes(INBOX, None, dict))
        assert len([change for change in told if isinstance(change, New)]) == 3
        assert isinstance(told[-1], Done)
        assert told[-1].exists == 5


def _updates(
    one: Client, cursor: Cursor, known: dict[str, Flags]
) -> tuple[set[str], dict[str, Flags], set[str]]:
    told = list(one.account.changes(INBOX, cursor, lambda: known))
    assert isinstance(told[-1], Done)
    return (
        {change.remote.ref.key for change in told if isinstance(change, New)},
        {change.ref.key: change.flags for change in told if isinstance(change, Reflagged)},
        {change.ref.key for change in told if isinstance(change, Vanished)},
    )


QRESYNC = "IMAP4rev1 SASL-IR AUTH=PLAIN ENABLE CONDSTORE QRESYNC"
ENABLED = (rb"ENABLE", b"* ENABLED QRESYNC\r\n%t OK\r\n")


@pytest.mark.parametrize("modseq", [0, 40, None])
def test_a_modseq_that_went_backwards_makes_everything_compared(client: Make, modseq: int | None) -> None:
    double = ImapDouble(mails(3), modseq=modseq, capabilities=QRESYNC, answers=[ENABLED])
    double.mails[2].flags = "\\Seen"
    with double:
        known = {"1": Flags(), "2": Flags(), "9": Flags()}
        told = _updates(client(double), Cursor("7", "uidnext=3 modseq=50 messages=3"), known)
        assert told == ({"3"}, {"2": Flags(["\\Seen"])}, {"9"})


@pytest.mark.parametrize(
    "vanished", [b"", b"* VANISHED (EARLIER) 1\r\n", b"* VANISHED (EARLIER) 1:4294967295\r\n"]
)
def test_a_vanished_that_does_not_add_up_is_not_believed(client: Make, vanished: bytes) -> None:
    opened = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 6]\r\n* OK [HIGHESTMODSEQ 60]\r\n"
    answers: list[tuple[bytes, Answer]] = [ENABLED, (rb"EXAMINE", opened + vanished + b"%t OK\r\n")]
    double = ImapDouble({4: Mail(b"4"), 5: Mail(b"5")}, capabilities=QRESYNC, answers=answers)
    with double:
        known = {str(uid): Flags() for uid in (1, 2, 3, 4, 5)}
        told = _updates(client(double), Cursor("7", "uidnext=6 modseq=50 messages=5"), known)
        assert told == (set(), {}, {"1", "2", "3"})


def test_a_vanished_in_several_lines_that_adds_up_is_believed(client: Make) -> None:
    opened = (
        b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 6]\r\n* OK [HIGHESTMODSEQ 60]\r\n"
        b"* VANISHED (EARLIER) 1\r\n* VANISHED (EARLIER) 2:3\r\n"
        b"* 1 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (55))\r\n"
    )
    answers: list[tuple[bytes, Answer]] = [ENABLED, (rb"EXAMINE", opened + b"%t OK\r\n")]
    double = ImapDouble({4: Mail(b"4"), 5: Mail(b"5")}, capabilities=QRESYNC, answers=answers)
    with double:
        one = client(double)

        def never() -> dict[str, Flags]:
            raise AssertionError("the cheap way asked for what is known")

        told = list(one.account.changes(INBOX, Cursor("7", "uidnext=6 modseq=50 messages=5"), never))
        assert [type(change) for change in told] == [Reflagged, Vanished, Vanished, Vanished, Done]
        assert double.commands(rb"UID FETCH") == []


def test_a_qresync_that_explains_nothing_is_asked_by_condstore(client: Make) -> None:
    double = ImapDouble(mails(3), modseq=60, changed={2}, capabilities=QRESYNC, answers=[ENABLED])
    double.mails[2].flags = "\\Seen"
    with double:
        known = {str(uid): Flags() for uid in (1, 2, 3)}
        told = _updates(client(double), Cursor("7", "uidnext=4 modseq=50 messages=3"), known)
        assert told == (set(), {"2": Flags(["\\Seen"])}, set())


def test_a_refused_qresync_is_opened_plainly_and_a_refused_changedsince_compared(client: Make) -> None:
    refusals: list[tuple[bytes, Answer]] = [
        ENABLED,
        (rb"EXAMINE .*QRESYNC", b"%t BAD what?\r\n"),
        (rb".*CHANGEDSINCE", b"%t BAD what?\r\n"),
    ]
    double = ImapDouble(mails(3), modseq=60, capabilities=QRESYNC, answers=refusals)
    double.mails[2].flags = "\\Seen"
    with double:
        known = {str(uid): Flags() for uid in (1, 2, 9)}
        told = _updates(client(double), Cursor("7", "uidnext=4 modseq=50 messages=3"), known)
        assert told == ({"3"}, {"2": Flags(["\\Seen"])}, {"9"})


def test_what_came_before_closed_was_of_the_mailbox_before(client: Make) -> None:
    opened = (
        b"* VANISHED (EARLIER) 1\r\n* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n* OK [CLOSED] gone\r\n"
        b"* 3 EXISTS\r\n"
        b"* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\n* OK [HIGHESTMODSEQ 60]\r\n%t OK\r\n"
    )
    answers: list[tuple[bytes, Answer]] = [ENABLED, (rb"EXAMINE", opened)]
    double = ImapDouble(mails(3), capabilities=QRESYNC, answers=answers)
    with double:
        told = _updates(client(double), Cursor("7", "uidnext=4 modseq=50 messages=3"), {})
        assert told == (set(), {}, set())


@pytest.mark.parametrize("capabilities", [QRESYNC + " XAPPLELITERAL XAPPLEPUSHSERVICE", QRESYNC])
def test_qresync_is_not_used_at_icloud_nor_where_it_was_not_enabled(client: Make, capabilities: str) -> None:
    with ImapDouble(mails(3), modseq=60, capabilities=capabilities) as double:
        _updates(client(double), Cursor("7", "uidnext=4 modseq=50 messages=3"), {})
        assert double.commands(rb"EXAMINE") == [b'EXAMINE "INBOX"']


# --- logins and folders --------------------------------------------------------------------------------


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


def test_authenticated_but_not_connected_is_forbidden(client: Make) -> None:
    said = b"%t BAD User is authenticated but not connected.\r\n"
    with ImapDouble(mails(1), answers=[(rb"EXAMINE", said)]) as double, pytest.raises(Forbidden):
        client(double).remotes()


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


def test_a_folder_renumbered_in_mid_run_is_refused_and_nothing_is_mixed(client: Make) -> None:
    with ImapDouble(mails(3)) as double:
        one = client(double)
        remotes = one.remotes()
        double.uidvalidity = 8
        one.account.close()
        with pytest.raises(FolderRefused, match="renumbered"):
            list(one.account.fetch(remotes))


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


def test_a_missed_message_is_a_value(client: Make) -> None:
    with ImapDouble(mails(2), refused={1}, refused_parts={1}) as double:
        one = client(double)
        told = list(one.account.fetch(one.remotes()))
        assert {type(item) for item in told} == {Message, Missed}
