"""The decisions of synchronising, without a server."""

import pytest

from archiver.accounts.imap import sync
from archiver.accounts.imap.events import Fetched
from archiver.accounts.imap.sync import Snapshot, Token, Way
from archiver.model import Cursor, Flags

NOW = Snapshot("7.ann", 20_000, 4712, 991)
CURSOR = Cursor("7.ann", "uidnext=4700 modseq=990 messages=19990")


@pytest.mark.parametrize(
    "token", [Token(20_000, 4712, 991), Token(0, 1, None), Token(3, None, None), Token(3, None, 5)]
)
def test_a_token_is_read_back_as_it_was_written(token: Token) -> None:
    assert sync.read_token(sync.write_token(token)) == token


def test_a_token_is_short_and_plain() -> None:
    assert sync.write_token(Token(20_000, 4712, 991)) == "uidnext=4712 modseq=991 messages=20000"


@pytest.mark.parametrize(
    "text", ["", "x", "messages=", "uidnext=1", "messages=1 uidnext=2", "uidnext=-1 messages=1"]
)
def test_an_odd_token_is_none(text: str) -> None:
    assert sync.read_token(text) is None


@pytest.mark.parametrize(
    ("since", "now", "condstore", "qresync", "way"),
    [
        (None, NOW, True, True, Way.FIRST),
        (Cursor("6.ann", CURSOR.token), NOW, True, True, Way.FIRST),
        (CURSOR, NOW, True, True, Way.QRESYNC),
        (CURSOR, NOW, True, False, Way.CONDSTORE),
        (CURSOR, NOW, False, False, Way.FULL),
        (Cursor("7.ann", "nonsense"), NOW, True, True, Way.FULL),
        (Cursor("7.ann", "uidnext=4700 messages=19990"), NOW, True, True, Way.FULL),
        (CURSOR, Snapshot("7.ann", 20_000, 4712, None), True, True, Way.FULL),
        (CURSOR, Snapshot("7.ann", 20_000, 4712, 989), True, True, Way.FULL),
        (CURSOR, Snapshot("7.ann", 20_000, 4699, 991), True, True, Way.FULL),
        (CURSOR, Snapshot("7.ann", 20_000, None, 991), True, True, Way.FULL),
    ],
)
def test_the_way_is_the_cheapest_that_cannot_lie(
    since: Cursor | None, now: Snapshot, condstore: bool, qresync: bool, way: Way
) -> None:
    assert sync.way(since, now, condstore=condstore, qresync=qresync) is way


STATUS = {"UIDVALIDITY": 7, "UIDNEXT": 4700, "MESSAGES": 19_990, "HIGHESTMODSEQ": 990}


def test_a_status_equal_to_the_cursor_proves_that_nothing_changed() -> None:
    assert sync.is_unchanged(CURSOR, STATUS, "ann")


def test_a_status_of_another_mailbox_with_the_same_numbers_proves_nothing() -> None:
    assert not sync.is_unchanged(CURSOR, STATUS, "bob")


@pytest.mark.parametrize("key", list(STATUS))
def test_a_status_that_differs_or_says_less_proves_nothing(key: str) -> None:
    assert not sync.is_unchanged(CURSOR, STATUS | {key: STATUS[key] + 1}, "ann")
    assert not sync.is_unchanged(
        CURSOR, {name: value for name, value in STATUS.items() if name != key}, "ann"
    )


def test_a_highestmodseq_of_0_proves_nothing() -> None:
    cursor = Cursor("7.ann", "uidnext=1 modseq=0 messages=0")
    assert not sync.is_unchanged(
        cursor, {"UIDVALIDITY": 7, "UIDNEXT": 1, "MESSAGES": 0, "HIGHESTMODSEQ": 0}, "ann"
    )


def test_windows_leave_no_uid_out_whatever_the_server_gave_as_cuts() -> None:
    assert sync.windows(1, 101, [10, 50]) == [(1, 10), (11, 50), (51, 100)]
    assert sync.windows(20, 101, [50, 10, 50, 100, 5000, 20]) == [(20, 20), (21, 50), (51, 100)]
    assert sync.windows(1, None, [9]) == [(1, 9), (10, 4294967295)]
    assert sync.windows(101, 101, []) == []


def test_edges_are_the_last_messages_of_all_windows_but_one() -> None:
    assert sync.edges(1, 10, 3) == [3, 6, 9]
    assert sync.edges(1, 9, 3) == [3, 6]
    assert sync.edges(5, 9, 10) == []
    assert sync.edges(1, 0) == []


def test_rows_are_joined_by_uid_and_strangers_left_out() -> None:
    found = [
        Fetched(2, 20, frozenset(), None, 5),
        Fetched(1, 10, frozenset(), None, 6),
        Fetched(9, None, frozenset({"\\Seen"})),
        Fetched(2, 20, frozenset({"\\Seen"})),
        Fetched(8, 0, frozenset()),
        Fetched(8, 99, frozenset()),
    ]
    rows = sync.rows(found, 1, 50)
    assert list(rows) == [10, 20]
    assert rows[20].flags == Flags(["\\Seen"])
    assert rows[20].size == 5


def test_comparing_finds_the_new_and_the_reflagged() -> None:
    seen = Flags(["\\Seen"])
    listed = {1: Fetched(1, 1, seen), 2: Fetched(2, 2, seen), 3: Fetched(3, 3, None), 4: Fetched(4, 4, seen)}
    known = {1: seen, 2: Flags(), 3: seen, 9: seen}
    assert sync.compare(listed, known) == ([4], {2: seen})


@pytest.mark.parametrize(
    ("total", "exists", "expunged", "fits"),
    [(5, 5, 0, True), (4, 5, 0, False), (6, 5, 0, False), (4, 5, 1, True)],
)
def test_a_count_fits_only_with_what_the_server_said(
    total: int, exists: int, expunged: int, fits: bool
) -> None:
    assert sync.fits(total, exists, expunged) is fits
