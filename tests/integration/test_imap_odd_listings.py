"""Listings of odd servers: whatever they say, what is told is true, and adds up."""

import pytest

from archiver.accounts.imap import epoch
from archiver.accounts.owner import owner_of
from archiver.errors import FolderRefused
from archiver.model import Cursor, Done, Flags, New, Reflagged, Vanished
from tests.integration.double_client import INBOX, Client, Make, check_all_but, mails
from tests.servers.imap_double import Answer, ImapDouble, Mail

EPOCH = epoch.write(7, owner_of("127.0.0.1", "ann"))


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
        told = _updates(client(double), Cursor(EPOCH, "uidnext=3 modseq=50 messages=3"), known)
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
        told = _updates(client(double), Cursor(EPOCH, "uidnext=6 modseq=50 messages=5"), known)
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

        told = list(one.account.changes(INBOX, Cursor(EPOCH, "uidnext=6 modseq=50 messages=5"), never))
        assert [type(change) for change in told] == [Reflagged, Vanished, Vanished, Vanished, Done]
        assert double.commands(rb"UID FETCH") == []


def test_a_qresync_that_explains_nothing_is_asked_by_condstore(client: Make) -> None:
    double = ImapDouble(mails(3), modseq=60, changed={2}, capabilities=QRESYNC, answers=[ENABLED])
    double.mails[2].flags = "\\Seen"
    with double:
        known = {str(uid): Flags() for uid in (1, 2, 3)}
        told = _updates(client(double), Cursor(EPOCH, "uidnext=4 modseq=50 messages=3"), known)
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
        told = _updates(client(double), Cursor(EPOCH, "uidnext=4 modseq=50 messages=3"), known)
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
        told = _updates(client(double), Cursor(EPOCH, "uidnext=4 modseq=50 messages=3"), {})
        assert told == (set(), {}, set())


@pytest.mark.parametrize("capabilities", [QRESYNC + " XAPPLELITERAL XAPPLEPUSHSERVICE", QRESYNC])
def test_qresync_is_not_used_at_icloud_nor_where_it_was_not_enabled(client: Make, capabilities: str) -> None:
    with ImapDouble(mails(3), modseq=60, capabilities=capabilities) as double:
        _updates(client(double), Cursor(EPOCH, "uidnext=4 modseq=50 messages=3"), {})
        assert double.commands(rb"EXAMINE") == [b'EXAMINE "INBOX"']


def test_a_message_listed_without_details_is_told_all_the_same(client: Make) -> None:
    double = ImapDouble(
        mails(4), answers=[(rb"UID FETCH 2,4 ", b"* 2 FETCH (UID 2 RFC822.SIZE 9)\r\n%t OK\r\n")]
    )
    with double:
        known = {"1": Flags(), "3": Flags()}
        told = list(client(double).account.changes(INBOX, Cursor(EPOCH, "messages=2"), lambda: known))
        remotes = [change.remote for change in told if isinstance(change, New)]
        assert [(remote.ref.key, remote.size) for remote in remotes] == [("2", 9), ("4", None)]
