"""What real servers were seen to do, as docs/reference/server-behaviour.md lists it, and no other test plays."""

import re
import ssl
from pathlib import Path

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.imap import epoch
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.owner import owner_of
from archiver.errors import Unreachable
from archiver.model import Cursor, Done, Flags, New, Secret, Vanished
from archiver.ops.pull_report import PullReport
from tests.integration.double_client import INBOX, Client, Make, check_all_but, mails
from tests.scene import Scene, by_name, mail
from tests.servers.imap_double import Answer, ImapDouble, Mail
from tests.servers.lying_double import Held, LyingDouble
from tests.servers.stateful_double import Box

EPOCH = epoch.write(7, owner_of("127.0.0.1", "ann"))
BASE = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """An archive; the account is given to each pull."""
    return Scene(tmp_path / "state")


def box(count: int, word: str = "m", uidvalidity: int = 7) -> Box:
    """Make a folder of messages that are unlike those of another word."""
    made = Box(uidvalidity=uidvalidity)
    for number in range(1, count + 1):
        made.put(Held(mail(f"{word} {number}"), "\\Seen", date=f"{number:02d}-Mar-2019 10:00:00 +0000"))
    return made


def pull(scene: Scene, double: ImapDouble) -> PullReport:
    """Pull as a new run of the program."""
    account = Client(double).account
    try:
        return scene.pull(account=account)
    finally:
        account.close()


# --- sessions, limits, logins -----------------------------------------------------------------------------


def test_a_server_that_hangs_up_after_ten_errors_gives_all_but_the_bad(client: Make) -> None:
    errors = [0]

    def body(found: re.Match[bytes]) -> bytes | None:
        asked = {uid for _, uid, _ in double._asked(found[0])}
        if not asked & bad:
            return None
        errors[0] += 1
        return b"DROP" if errors[0] % 10 == 0 else b"%t NO Some messages could not be FETCHed (Failure)\r\n"

    bad = {5, 50, 77}
    double = ImapDouble(mails(90), answers=[(rb"UID FETCH \S+ .*BODY.*", body)])
    with double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, *bad)
        assert set(reasons) == bad
        assert double.logins > 1


def test_a_message_for_which_yahoo_says_later_for_ever_is_missed_alone(client: Make) -> None:
    said = b"NO UID FETCH Server error - Please try again later"
    with ImapDouble(mails(30), refused={9}, refused_parts={9}, refusal=said) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 9)
        assert reasons == {9: 'the server refuses it: "UID FETCH Server error - Please try again later"'}


@pytest.mark.parametrize(
    "said", [b"NO [UNAVAILABLE] backend", b"NO Service temporarily unavailable", b"BAD Server error"]
)
def test_a_fetch_that_is_refused_once_costs_no_message(client: Make, said: bytes) -> None:
    once = iter([b"%t " + said + b"\r\n"])
    with ImapDouble(mails(9), answers=[(rb"UID FETCH .*BODY", lambda found: next(once, None))]) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies)
        assert reasons == {}


def test_a_quota_of_the_day_ends_the_run_as_try_again_later(client: Make) -> None:
    said = b"* BYE Session expired, please login again\r\n"
    with (
        ImapDouble(mails(9), answers=[(rb"UID FETCH .*BODY", said)]) as double,
        pytest.raises(Unreachable, match="Session expired") as raised,
    ):
        client(double).got()
    assert raised.value.exit == 20


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 AUTH=PLAIN SASL-IR"])
def test_the_login_of_a_shared_mailbox_goes_out_as_it_is_written(capabilities: str) -> None:
    with ImapDouble(capabilities=capabilities) as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 5)
        account = ImapAccount(where, "ann@d\\shared@d", lambda: Secret("x"), lambda text: None)
        account.folders()
        account.close()
        (sent,) = double.commands(rb"LOGIN|AUTHENTICATE")
    by_login = b'LOGIN "ann@d' + 2 * b"\\" + b'shared@d" "x"'
    assert sent in (by_login, b"AUTHENTICATE PLAIN AGFubkBkXHNoYXJlZEBkAHg=")


def test_what_a_server_can_after_the_login_is_what_counts(client: Make) -> None:
    double = ImapDouble(mails(1), capabilities=f"{BASE} UNSELECT ID")
    double.greeting = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS] ready\r\n"
    with double:
        one = client(double)
        one.remotes()
        assert double.commands(rb"ID \(")
        session = one.account._link.session()
        assert "UNSELECT" in session.capabilities
        assert "UIDPLUS" not in session.capabilities


def test_icloud_that_hides_what_it_can_is_asked_again(client: Make) -> None:
    def told(found: re.Match[bytes]) -> bytes:
        return b"* CAPABILITY " + (BASE + " XAPPLEPUSHSERVICE UIDPLUS QUOTA").encode() + b"\r\n%t OK\r\n"

    hidden = b"[CAPABILITY XAPPLEPUSHSERVICE IMAP4 IMAP4rev1]"
    double = ImapDouble(
        mails(2),
        greeting=b"* OK " + hidden + b" mac.com IMAP4 service (Oracle Communications)\r\n",
        answers=[(rb"LOGIN", b"%t OK " + hidden + b" in\r\n"), (rb"CAPABILITY", told)],
    )
    with double:
        one = client(double)
        assert len(one.remotes()) == 2
        assert "UIDPLUS" in one.account._link.session().capabilities


def test_an_id_that_is_refused_is_no_harm(client: Make) -> None:
    with ImapDouble(mails(2), answers=[(rb"ID ", b"%t BAD what?\r\n")]) as double:
        assert len(client(double).remotes()) == 2
        assert double.commands(rb"ID \(")


def test_compression_is_never_asked_for(client: Make) -> None:
    with ImapDouble(mails(3), capabilities=f"{BASE} COMPRESS=DEFLATE") as double:
        client(double).got()
        assert not double.commands(rb"COMPRESS")


def test_a_folder_that_ends_the_session_stops_no_other(scene: Scene) -> None:
    double = LyingDouble(
        capabilities=BASE,
        boxes={"INBOX": box(3), "Shared": Box(uidvalidity=9), "Work": box(2, "w")},
        answers=[(rb'EXAMINE "?Shared', b"* BYE mailbox is locked\r\n")],
    )
    with double:
        report = by_name(pull(scene, double))
    assert report["INBOX"].new == 3
    assert report["Work"].new == 2
    assert "mailbox is locked" in (report["Shared"].error or "")


def test_a_server_name_is_told_before_the_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def wrap(self: ssl.SSLContext, line: object, **options: object) -> object:
        asked.append(options["server_hostname"])
        raise OSError("stopped here")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
    with ImapDouble() as double:
        account = ImapAccount(Server("127.0.0.1", double.port, "tls", None, 5), "ann", lambda: Secret("x"))
        with pytest.raises(Unreachable, match="stopped here"):
            account.folders()
    assert asked == ["127.0.0.1"]


# --- identity ---------------------------------------------------------------------------------------------


def test_an_old_uidvalidity_that_comes_back_for_other_messages_hides_none(scene: Scene) -> None:
    double = LyingDouble(capabilities=BASE, boxes={"INBOX": box(4, "first")})
    with double:
        pull(scene, double)
        double.boxes["INBOX"] = box(4, "first", uidvalidity=8)
        for uid in (1, 2):
            del double.boxes["INBOX"].mails[uid]
        pull(scene, double)
        double.boxes["INBOX"] = box(3, "second", uidvalidity=7)
        double.boxes["INBOX"].put(Held(mail("first 4"), "\\Seen", date="04-Mar-2019 10:00:00 +0000"))
        pull(scene, double)
    archived = set(scene.read().values())
    assert archived == {mail(f"first {n}") for n in (1, 2, 3, 4)} | {mail(f"second {n}") for n in (1, 2, 3)}
    assert scene.damage() == []


def test_a_uid_that_is_used_again_hides_no_message(scene: Scene) -> None:
    double = LyingDouble(capabilities=BASE, boxes={"INBOX": box(4, "first")})
    with double:
        pull(scene, double)
        inbox = double.boxes["INBOX"].mails
        del inbox[2], inbox[3]
        pull(scene, double)
        inbox[2] = Held(mail("second 2"), "\\Seen", date="04-Mar-2021 10:00:00 +0000")
        pull(scene, double)
    archived = set(scene.read().values())
    assert archived == {mail(f"first {n}") for n in (1, 2, 3, 4)} | {mail("second 2")}
    assert scene.damage() == []


def test_an_empty_folder_may_change_its_uidvalidity_at_will(scene: Scene) -> None:
    double = LyingDouble(capabilities=BASE, boxes={"INBOX": box(2), "Empty": Box(uidvalidity=5)})
    with double:
        for uidvalidity in (5, 6, 1, 6):
            double.boxes["Empty"].uidvalidity = uidvalidity
            report = pull(scene, double)
            assert report.complete
        double.boxes["Empty"] = box(2, "late", uidvalidity=99)
        assert pull(scene, double).complete
    assert len(scene.read()) == 4


def test_no_exists_at_all_is_an_empty_folder(client: Make) -> None:
    opened = b"* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 7] valid\r\n%t OK [READ-ONLY] opened\r\n"
    with ImapDouble(answers=[(rb"EXAMINE", opened)]) as double:
        told = list(client(double).account.changes(INBOX, None, dict))
    assert [type(one) for one in told] == [Done]


QRESYNC = "IMAP4rev1 SASL-IR AUTH=PLAIN ENABLE CONDSTORE QRESYNC ESEARCH"


def test_what_vanished_is_never_asked_for_by_a_range(client: Make) -> None:
    double = ImapDouble(mails(3), modseq=60, capabilities=QRESYNC)
    double.answers = [(rb"ENABLE", b"* ENABLED QRESYNC\r\n%t OK\r\n")]
    with double:
        cursor = Cursor(EPOCH, "uidnext=4 modseq=50 messages=9")
        list(client(double).account.changes(INBOX, cursor, lambda: {"1": Flags()}))
        assert not [line for line in double.seen if b"VANISHED" in line]


@pytest.mark.parametrize("said", [b"", b"* ESEARCH UID ALL 1:2\r\n", b"* ESEARCH UID ALL 1:4294967295\r\n"])
def test_a_search_that_miscounts_is_not_believed(client: Make, said: bytes) -> None:
    capabilities = QRESYNC.replace(" ENABLE", "").replace(" QRESYNC", "")
    answers: list[tuple[bytes, Answer]] = [(rb"UID SEARCH", said + b"%t OK searched\r\n")]
    with ImapDouble(mails(4), modseq=60, capabilities=capabilities, answers=answers) as double:
        known = {str(uid): Flags() for uid in (1, 2, 3, 4, 5)}
        cursor = Cursor(EPOCH, "uidnext=5 modseq=60 messages=5")
        told = list(client(double).account.changes(INBOX, cursor, lambda: known))
        assert double.commands(rb"UID SEARCH")
        assert [one.ref.key for one in told if isinstance(one, Vanished)] == ["5"]
        assert not [one for one in told if isinstance(one, New)]


# --- FETCH and SEARCH -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [b"", b"-1", b"4294967295999", b"99999999999999999999999", b"abc"])
def test_a_literal_of_no_or_senseless_length_stops_no_neighbour(client: Make, length: bytes) -> None:
    def body(found: re.Match[bytes]) -> bytes | None:
        rows = double._bodies(b"%t", found[0])
        return b"".join(
            re.sub(rb"^(\* \d+ FETCH \(UID 3 BODY\[\S*) \{\d+\}", rb"\1 {" + length + b"}", row)
            for row in rows
        )

    double = ImapDouble(mails(6), answers=[(rb"UID FETCH \S+ .*BODY.*", body)])
    with double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 3)
        assert list(reasons) == [3]


def test_bodies_are_asked_for_whole_and_by_peeking_in_a_folder_opened_for_reading(client: Make) -> None:
    with ImapDouble(mails(30)) as double:
        one = client(double)
        one.got()
        one.account.message_ids(one.remotes())
        asked = [line for line in double.seen if b"BODY" in line.upper() or b"RFC822" in line.upper()]
        assert {re.sub(rb"UID FETCH \S+ ", b"", line) for line in asked} == {
            b"(UID FLAGS INTERNALDATE RFC822.SIZE)",
            b"(UID BODY.PEEK[])",
            b"(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])",
        }
        assert not double.commands(rb"SELECT|STORE|UID STORE")


def test_a_server_that_marks_as_read_what_is_only_read_is_archived_as_it_was(scene: Scene) -> None:
    double = LyingDouble(capabilities=BASE, boxes={"INBOX": box(3)})
    inbox = double.boxes["INBOX"].mails
    for one in inbox.values():
        one.flags = "Work"

    def read(uid: int, one: Held) -> bytes:
        inbox[uid].flags = "Work \\Seen"
        return one.raw

    double.body_lie = read
    with double:
        pull(scene, double)
        assert set(scene.flags().values()) == {frozenset({"Work"})}
        pull(scene, double)
        assert set(scene.flags().values()) == {frozenset({"Work", "\\Seen"})}
    assert len(scene.read()) == 3


def test_no_command_is_longer_than_servers_take(client: Make) -> None:
    sparse = {uid: Mail(b"%d\r\n" % uid) for uid in range(2_000_000_001, 2_000_010_001, 3)}
    double = ImapDouble(sparse)

    def limit(found: re.Match[bytes]) -> bytes | None:
        return b"%t BAD Command Error. 10\r\n" if len(found[0]) > 8000 else None

    double.answers = [(rb"(?s).*", limit)]
    with double:
        one = client(double)
        bodies, _ = one.got()
        check_all_but(double, bodies)
        one.account.message_ids(one.remotes())
        keys = [str(uid) for uid in sparse]
        assert len(one.account.look(INBOX, EPOCH, keys).messages) == len(sparse)
        known = {str(uid): Flags() for uid in list(sparse)[:10]}
        told = list(one.account.changes(INBOX, Cursor(EPOCH, ""), lambda: known))
        assert sum(isinstance(change, New) for change in told) == len(sparse) - 10
        assert max(map(len, double.seen)) < 8000


@pytest.mark.parametrize("count", [1, 2])
def test_one_message_is_never_asked_for_as_a_range(client: Make, count: int) -> None:
    refusal = b"%t BAD invalid range\r\n"
    with ImapDouble(mails(count), answers=[(rb"UID FETCH (\d+):\1 ", refusal)]) as double:
        bodies, _ = client(double).got()
        check_all_but(double, bodies)


def test_reading_never_searches_where_a_listing_will_do(client: Make) -> None:
    with ImapDouble(mails(30), capabilities=f"{BASE} ESEARCH") as double:
        one = client(double)
        one.got()
        list(one.account.changes(INBOX, Cursor(EPOCH, "messages=9"), lambda: {"1": Flags()}))
        assert not double.commands(rb"(UID )?SEARCH")


# --- folders ----------------------------------------------------------------------------------------------


def test_a_row_of_a_list_without_sense_hides_no_other(client: Make) -> None:
    rows = [b'() "/" INBOX', b'(\\Noselect "/" broken', b'() "/"', b'() "/" "half', b'() "/" Sent']
    with ImapDouble(mails(1), folders=rows) as double:
        assert [one.name for one in client(double).account.folders()] == ["INBOX", "Sent"]


@pytest.mark.parametrize("said", [b"NO [NONEXISTENT] no such mailbox", b"NO not selectable", b"BAD what?"])
def test_a_folder_that_cannot_be_opened_is_told_and_stops_no_other(scene: Scene, said: bytes) -> None:
    double = LyingDouble(
        capabilities=BASE,
        boxes={"Calendar": Box(uidvalidity=9), "INBOX": box(3)},
        answers=[(rb'EXAMINE "?Calendar', b"%t " + said + b"\r\n")],
    )
    with double:
        report = by_name(pull(scene, double))
    assert report["INBOX"].new == 3
    assert report["Calendar"].error is not None


def test_junk_without_a_header_is_archived_to_the_byte(scene: Scene) -> None:
    junk = [b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", b"\0\1\2", b"{}", b"\r\n\r\nx", b": :\r\n\r\n"]
    double = LyingDouble(capabilities=BASE, boxes={"INBOX": Box()})
    for raw in junk:
        double.boxes["INBOX"].put(Held(raw))
    with double:
        assert pull(scene, double).complete
    assert sorted(scene.read().values()) == sorted(junk)
