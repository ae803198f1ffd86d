"""Putting mail onto servers that refuse some of it: each double plays what some server did."""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from archiver.accounts.imap import append as append_module
from archiver.accounts.imap import uidset
from archiver.accounts.imap.append import can_be_set, internal_date
from archiver.errors import ArchiverError, FolderRefused, Forbidden, Unreachable
from archiver.model import Appended, Folder, Outgoing, Refused
from tests.integration.double_client import INBOX, Make
from tests.servers.imap_double import ImapDouble, Posted

FULL = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ MULTIAPPEND UIDPLUS BINARY"
AT = datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
KINDS = {
    "all": FULL,
    "no LITERAL+": FULL.replace("LITERAL+", ""),
    "no MULTIAPPEND": FULL.replace("MULTIAPPEND", ""),
    "plain": "IMAP4rev1 AUTH=PLAIN",
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_module, "BATCH_MESSAGES", 4)


def outgoing(number: int, *flags: str, body: bytes = b"body") -> Outgoing:
    raw = b"Subject: %d\r\n\r\n%s\r\n" % (number, body)
    return Outgoing(hashlib.sha256(raw).hexdigest(), raw, frozenset(flags), AT)


def some(count: int) -> list[Outgoing]:
    return [outgoing(number) for number in range(count)]


def put(
    client: Make, double: ImapDouble, messages: list[Outgoing]
) -> tuple[list[Appended], list[Refused], ArchiverError | None]:
    """Append; give what was taken and refused, and what ended it."""
    taken: list[Appended] = []
    refused: list[Refused] = []
    error = None
    try:
        for one in client(double).account.append(INBOX, iter(messages)):
            taken.append(one) if isinstance(one, Appended) else refused.append(one)
    except ArchiverError as ended:
        error = ended
    digests = [one.digest for one in taken] + [one.digest for one in refused]
    assert len(digests) == len(set(digests)), "answered twice"
    posted = [hashlib.sha256(one.raw).hexdigest() for one in double.posted]
    assert len(posted) == len(set(posted)), "put in twice"
    if not isinstance(error, Unreachable):
        assert sorted(posted) == sorted(one.digest for one in taken), "told what was taken, no more, no less"
    return taken, refused, error


@pytest.fixture(params=KINDS)
def double(request: pytest.FixtureRequest) -> Iterator[ImapDouble]:
    with ImapDouble(capabilities=KINDS[request.param]) as running:
        yield running


def refuses(word: bytes, words: bytes) -> Callable[[Posted], bytes | None]:
    return lambda posted: words if word in posted.raw else None


# --- on every kind of server ------------------------------------------------------------------------------


def test_all_is_taken_as_it_is(client: Make, double: ImapDouble) -> None:
    messages = [outgoing(n, "\\Seen", "$Forwarded", "\\Recent") for n in range(11)]
    taken, refused, error = put(client, double, messages)
    assert (len(taken), refused, error) == (11, [], None)
    assert {one.flags for one in double.posted} == {frozenset({"\\Seen", "$Forwarded"})}
    assert {one.date for one in double.posted} == {" 3-Feb-2001 04:05:06 -0330"}
    if "UIDPLUS" in double.capabilities:
        assert all(one.ref is not None for one in taken)
        assert {int(one.ref.key) for one in taken if one.ref} == set(range(1, 12))


@pytest.mark.parametrize(
    "words",
    [
        b"NO Message contains NUL characters",
        b"BAD Command Argument Error 11",
        b"BAD [CLIENTBUG] APPEND Additional arguments found after last expected argument",
        b"NO [LIMIT] message too large",
        b"NO [TOOBIG] message exceeds the limit",
        b"NO invalid header",
    ],
)
def test_one_bad_message_is_found_and_told_and_the_others_are_taken(
    client: Make, double: ImapDouble, words: bytes
) -> None:
    double.takes = refuses(b"Subject: 5\r\n", words)
    taken, refused, error = put(client, double, some(11))
    assert (len(taken), error) == (10, None)
    assert [one.digest for one in refused] == [outgoing(5).digest]
    assert words.rpartition(b" ")[2].decode() in refused[0].reason


def test_a_bad_keyword_is_left_out_told_and_not_tried_with_the_next(client: Make, double: ImapDouble) -> None:
    double.takes = lambda posted: b"BAD invalid flag" if "JUNK" in posted.flags else None
    messages = [outgoing(n, "\\Seen", "Work", "JUNK") for n in range(9)]
    taken, refused, error = put(client, double, messages)
    assert (len(taken), refused, error) == (9, [], None)
    assert {one.flags for one in double.posted} == {frozenset({"\\Seen", "Work"})}
    assert all(one.altered and '"JUNK"' in one.altered for one in taken)
    assert sum(b"JUNK" in line for line in double.seen) <= 12


def test_without_any_flag_where_all_are_refused(client: Make, double: ImapDouble) -> None:
    double.takes = lambda posted: b"NO no flags here" if posted.flags else None
    taken, refused, _ = put(client, double, [outgoing(1, "\\Seen", "Work")])
    assert not refused
    assert taken[0].altered
    assert double.posted[0].date is not None, "the date is kept"


def test_a_refused_date_is_left_out_and_told_and_the_flags_stay(client: Make, double: ImapDouble) -> None:
    double.takes = lambda posted: b"BAD invalid internal date" if posted.date else None
    taken, refused, _ = put(client, double, [outgoing(1, "\\Seen", "Work")])
    assert not refused
    assert "date of receipt" in (taken[0].altered or "")
    assert double.posted[0].flags == {"\\Seen", "Work"}


def test_a_keyword_that_no_atom_can_carry_is_told(client: Make, double: ImapDouble) -> None:
    taken, _, _ = put(client, double, [outgoing(1, "Red Category", "Grün", "a]b", "\\Odd", "\U0001f600")])
    assert all(word in (taken[0].altered or "") for word in ("Red Category", "Grün", "a]b", "\\Odd"))
    assert double.posted[0].flags == set()


@pytest.mark.parametrize(
    "words",
    [
        b"NO [OVERQUOTA] Quota exceeded (mailbox for user is full)",
        b"NO Server Unavailable. 15",
        b"NO mailbox is full",
    ],
)
def test_a_full_mailbox_takes_what_fits_and_ends_it(client: Make, double: ImapDouble, words: bytes) -> None:
    double.takes = lambda posted: words if int(posted.raw.split()[1]) >= 6 else None
    taken, refused, error = put(client, double, some(11))
    assert (len(taken), refused) == (6, [])
    assert isinstance(error, Forbidden)
    assert error.exit == 22


def test_a_busy_server_is_no_refusal(client: Make, double: ImapDouble) -> None:
    double.takes = refuses(b"Subject: 5\r\n", b"NO [UNAVAILABLE] try later")
    _, refused, error = put(client, double, some(11))
    assert refused == []
    assert isinstance(error, Unreachable)


def test_a_folder_that_is_gone_is_made_once(client: Make, double: ImapDouble) -> None:
    double.takes = lambda _: None if double.commands(b"CREATE") else b"NO [TRYCREATE] no such mailbox"
    taken, _, error = put(client, double, some(3))
    assert (len(taken), error) == (3, None)
    assert len(double.commands(b"CREATE")) == 1
    assert double.commands(b"SUBSCRIBE")
    double.takes = lambda _: b"NO [TRYCREATE] no such mailbox"
    double.posted.clear()
    assert isinstance(put(client, double, some(9))[2], FolderRefused)


@pytest.mark.parametrize("when", [b"DROP", b"TAKE"])
def test_a_dropped_line_is_not_tried_again_blindly(client: Make, double: ImapDouble, when: bytes) -> None:
    double.takes = refuses(b"Subject: 5\r\n", when)
    taken, refused, error = put(client, double, some(11))
    assert isinstance(error, Unreachable)
    assert refused == []
    assert len(taken) <= 8
    assert len({one.raw for one in double.posted}) == len(double.posted)


def test_a_message_that_drops_the_line_by_itself_is_told_after_a_few_tries(
    client: Make, double: ImapDouble
) -> None:
    double.takes = refuses(b"Subject: 5\r\n", b"DROP")
    account = client(double).account
    left = some(11)
    tries = 0
    while left and tries < 6:
        tries += 1
        try:
            answers = []
            for one in account.append(INBOX, iter(left)):
                answers.append(one)
            assert [one.digest for one in answers if isinstance(one, Refused)] == [outgoing(5).digest]
            break
        except Unreachable:
            there = {hashlib.sha256(one.raw).hexdigest() for one in double.posted}
            left = [one for one in left if one.digest not in there]
    assert tries <= 4
    assert len(double.posted) == 10


# --- what only some can do ------------------------------------------------------------------------------


def test_a_literal_that_is_refused_before_it_is_sent_is_a_refusal(client: Make) -> None:
    with ImapDouble(capabilities="IMAP4rev1 AUTH=PLAIN MULTIAPPEND") as double:
        double.refuses_literal = lambda size: b"NO [TOOBIG] too large" if size > 500 else None
        messages = [*some(3), outgoing(3, body=b"x" * 600), *[outgoing(n) for n in range(4, 8)]]
        taken, refused, error = put(client, double, messages)
    assert (len(taken), error) == (7, None)
    assert "too large" in refused[0].reason


def test_nul_goes_as_a_binary_literal_where_it_can(client: Make) -> None:
    with ImapDouble(capabilities=FULL) as double:
        double.takes = lambda one: b"NO NUL" if b"\0" in one.raw and not one.binary else None
        taken, refused, _ = put(client, double, [*some(3), outgoing(3, "\\Seen", body=b"a\0b")])
        assert [one.binary for one in double.posted if b"\0" in one.raw] == [True]
    assert refused == []
    assert all(one.altered is None for one in taken)


def test_eight_bit_headers_go_as_utf8_where_the_server_speaks_it(client: Make) -> None:
    enabled: bytes = b"* ENABLED UTF8=ACCEPT\r\n%t OK\r\n"
    with ImapDouble(capabilities=FULL + " ENABLE UTF8=ACCEPT", answers=[(b"ENABLE", enabled)]) as double:
        double.takes = lambda one: None if one.raw.isascii() or one.utf8 else b"NO invalid header"
        account = client(double).account
        messages = [*some(2), outgoing(2, "\\Seen", body="Grüße".encode())]
        answers = list(account.append(INBOX, iter(messages)))
    assert [one.altered for one in answers if isinstance(one, Appended)] == [None] * 3
    (posted,) = [one for one in double.posted if one.utf8]
    assert posted.flags == {"\\Seen"}
    assert posted.date == " 3-Feb-2001 04:05:06 -0330"


def test_what_is_larger_than_appendlimit_is_not_sent(client: Make) -> None:
    with ImapDouble(capabilities=FULL + " APPENDLIMIT=300") as double:
        messages = [*some(3), outgoing(3, body=b"x" * 400), *[outgoing(n) for n in range(4, 8)]]
        taken, refused, _ = put(client, double, messages)
        assert not any(b"x" * 400 in line for line in double.seen)
    assert len(taken) == 7
    assert "300" in refused[0].reason


@pytest.mark.parametrize(("told", "sent"), [(b"300", 2), (b"NIL", 3), (b"", 3), (b"0", 0)])
def test_a_mailbox_may_have_a_limit_of_its_own(client: Make, told: bytes, sent: int) -> None:
    with ImapDouble(capabilities=FULL + " APPENDLIMIT") as double:
        said = b"* STATUS INBOX (APPENDLIMIT %s)\r\n%%t OK\r\n" % told if told else b"%t NO what\r\n"
        double.answers = [(rb"STATUS \"?INBOX\"? \(APPENDLIMIT\)", said)]
        messages = [outgoing(1), outgoing(2, body=b"x" * 400), outgoing(3)]
        taken, refused, error = put(client, double, messages)
        assert (len(taken), error) == (sent, None)
        assert len(double.posted) == sent
        for one in refused:
            size = next(len(each.raw) for each in messages if each.digest == one.digest)
            assert one.reason == f"{size} bytes are more than the {int(told)} that the server takes"


@pytest.mark.parametrize("code", [b"[APPENDUID 7]", b"[APPENDUID 7 1:3]", b"[APPENDUID x y]", b"[APPENDUID"])
def test_an_appenduid_without_sense_is_as_good_as_none(client: Make, code: bytes) -> None:
    with ImapDouble(capabilities=FULL, answers=[(b"APPEND", b"%t OK " + code + b" done\r\n")]) as double:
        account = client(double).account
        answers = list(account.append(INBOX, iter(some(2))))
    assert [one.ref for one in answers if isinstance(one, Appended)] == [None, None]


def test_a_special_use_is_told_where_create_takes_it_and_left_out_where_not(client: Make) -> None:
    capabilities = FULL + " CREATE-SPECIAL-USE"
    with ImapDouble(capabilities=capabilities) as double:
        client(double).account.make_folder(Folder("Out", special_use="\\Sent"))
        assert double.commands(b"CREATE") == [b'CREATE "Out" (USE (\\Sent))']
    refusal: bytes = b"%t NO [USEATTR] taken\r\n"
    with ImapDouble(capabilities=capabilities, answers=[(b"CREATE .*USE", refusal)]) as double:
        assert client(double).account.make_folder(Folder("Out", special_use="\\Sent")) == Folder("Out", "/")
        assert double.commands(b"CREATE")[1:] == [b'CREATE "Out"']


def test_a_folder_whose_name_is_refused_is_told(client: Make) -> None:
    with ImapDouble(answers=[(b"CREATE", b"%t NO invalid name\r\n")]) as double, pytest.raises(FolderRefused):
        client(double).account.make_folder(Folder("Out"))
    with ImapDouble(answers=[(b"CREATE", b"%t NO [ALREADYEXISTS] trash\r\n")]) as double:
        assert client(double).account.make_folder(Folder("Trash")).name == "Trash"


def test_dates_are_written_as_the_standard_says() -> None:
    assert internal_date(AT) == " 3-Feb-2001 04:05:06 -0330"
    assert internal_date(datetime(102, 12, 31, 23, 59, 59, tzinfo=UTC)) == "31-Dec-0102 23:59:59 +0000"
    assert can_be_set("\\SEEN")
    assert not can_be_set("\\Recent")


# --- flags that are forgotten -----------------------------------------------------------------------------


def stores(double: ImapDouble, *, never: str = "") -> Callable[[re.Match[bytes]], bytes | None]:
    """Answer UID STORE +FLAGS.SILENT as a server does that knows no flag `never`."""

    def answer(found: re.Match[bytes]) -> bytes | None:
        flags = found[2].decode().split()
        if never in flags:
            return b"%t NO no such flag\r\n"
        for low, high in uidset.read(found[1]):
            for uid in range(low, high + 1):
                double.mails[uid].flags = " ".join({*double.mails[uid].flags.split(), *flags})
        return b"%t OK stored\r\n"

    return answer


def forgets(*flags: str) -> Callable[[Posted], bytes | None]:
    def take(posted: Posted) -> bytes | None:
        posted.flags = posted.flags - set(flags)
        return None

    return take


def kept(client: Make, double: ImapDouble, *flags: str) -> dict[str, frozenset[str]]:
    """Put in five messages, the third with these flags, the others read; make sure of their flags."""
    account = client(double).account
    given = [outgoing(n, *(flags if n == 2 else ["\\Seen"])) for n in range(5)]
    taken = [one for one in account.append(INBOX, iter(given)) if isinstance(one, Appended) and one.ref]
    wanted = {one.ref.key: given[n].flags for n, one in enumerate(taken) if one.ref}
    assert taken[0].ref
    return dict(account.keep_flags(INBOX, taken[0].ref.epoch, wanted))


STORE = rb"UID STORE (\S+) \+FLAGS\.SILENT \(([^)]*)\)"


@pytest.fixture
def full() -> Iterator[ImapDouble]:
    with ImapDouble(capabilities=FULL) as running:
        yield running


def test_a_flag_that_the_server_forgot_is_set_again(client: Make, full: ImapDouble) -> None:
    full.takes = forgets("\\Flagged")
    full.answers = [
        (STORE, stores(full)),
        (rb"SELECT", lambda _: full._examine() + b"%t OK [READ-WRITE] open\r\n"),
    ]
    assert kept(client, full, "\\Flagged", "\\Seen", "\\Recent") == {}
    assert set(full.mails[3].flags.split()) == {"\\Flagged", "\\Seen"}
    assert full.commands(rb"UID STORE") == [b"UID STORE 3 +FLAGS.SILENT (\\Flagged)"]


def test_nothing_is_stored_where_nothing_was_forgotten(client: Make, full: ImapDouble) -> None:
    assert kept(client, full, "\\flagged", "Work") == {}
    assert not full.commands(rb"UID STORE|SELECT")


def test_what_the_server_does_not_keep_is_told_and_the_rest_is_set(client: Make, full: ImapDouble) -> None:
    full.takes = forgets("\\Flagged", "Work")
    full.answers = [
        (STORE, stores(full, never="Work")),
        (rb"SELECT", lambda _: full._examine() + b"%t OK [READ-WRITE] open\r\n"),
    ]
    assert kept(client, full, "\\Flagged", "Work") == {"3": frozenset({"Work"})}
    assert full.mails[3].flags == "\\Flagged"


def test_no_flag_is_set_in_a_folder_that_was_renumbered_meanwhile(client: Make, full: ImapDouble) -> None:
    full.takes = forgets("\\Flagged")

    def other(_: re.Match[bytes]) -> bytes:
        full.uidvalidity = 8
        return full._examine() + b"%t OK [READ-WRITE] open\r\n"

    full.answers = [(STORE, stores(full)), (rb"SELECT", other)]
    with pytest.raises(FolderRefused, match="renumbered"):
        kept(client, full, "\\Flagged")
    assert not full.commands(rb"UID STORE")
