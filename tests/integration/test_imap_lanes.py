"""Putting mail into a folder by two connections: what one of them meets never costs the other a message."""

import hashlib
import re
import socket
import threading
from collections.abc import Iterator

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.imap import append as append_module
from archiver.accounts.imap import appending, lanes
from archiver.accounts.imap.account import ImapAccount
from archiver.accounts.imap.link import Link
from archiver.errors import ArchiverError, Forbidden, Interrupted, Unreachable
from archiver.model import AccessToken, Appended, Outgoing, Refused, Secret
from tests.integration.double_client import INBOX, Client, Make
from tests.servers.imap_double import ImapDouble, Posted

FULL = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ MULTIAPPEND UIDPLUS"
KINDS = {"all": FULL, "no LITERAL+": FULL.replace("LITERAL+", ""), "plain": "IMAP4rev1 SASL-IR AUTH=PLAIN"}
COUNT = 60


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_module, "BATCH_MESSAGES", 4)
    monkeypatch.setattr(lanes, "PORTION_MESSAGES", 3)
    monkeypatch.setattr(appending, "MANY_MESSAGES", 5)


@pytest.fixture(params=KINDS)
def double(request: pytest.FixtureRequest) -> Iterator[ImapDouble]:
    with ImapDouble(capabilities=KINDS[request.param]) as running:
        yield running


def raw(number: int) -> bytes:
    return b"Subject: %d\r\n\r\nbody\r\n" % number


def outgoing(number: int) -> Outgoing:
    return Outgoing(hashlib.sha256(raw(number)).hexdigest(), raw(number))


def test_a_second_line_asks_for_a_token_anew_and_not_for_a_password() -> None:
    with ImapDouble(capabilities=FULL + " AUTH=XOAUTH2") as double:
        for kind, times in ((Secret, 1), (AccessToken, 2)):
            asked: list[Secret] = []

            def ask(kind: type[Secret] = kind, asked: list[Secret] = asked) -> Secret:
                asked.append(kind("x"))
                return asked[-1]

            first = Link(Server("127.0.0.1", double.port, "plaintext", None, 5), "ann", ask)
            second = first.another()
            for link in (first, second):
                link.session()
                link.close()
            assert len(asked) == times


class Put:
    """One append: what was answered, and what ended it."""

    def __init__(self, client: Client, double: ImapDouble, messages: Iterator[Outgoing]) -> None:
        self.error: ArchiverError | None = None
        self.taken: list[Appended] = []
        self.refused: list[Refused] = []
        try:
            for one in client.account.append(INBOX, messages):
                self.taken.append(one) if isinstance(one, Appended) else self.refused.append(one)
        except ArchiverError as error:
            self.error = error
        answered = [*(one.digest for one in self.taken), *(one.digest for one in self.refused)]
        assert len(answered) == len(set(answered)), "answered twice"
        posted = [hashlib.sha256(one.raw).hexdigest() for one in double.posted]
        assert len(posted) == len(set(posted)), "put in twice"
        assert {one.digest for one in self.taken} <= set(posted), "told before it was taken"
        self.posted = set(posted)
        for one in self.taken:
            if one.ref is not None:
                assert hashlib.sha256(double.mails[int(one.ref.key)].raw).hexdigest() == one.digest
        assert not [thread for thread in threading.enumerate() if thread.name == "append"]

    @property
    def told_all(self) -> bool:
        return {one.digest for one in self.taken} == self.posted


def all_of(count: int = COUNT) -> Iterator[Outgoing]:
    return (outgoing(number) for number in range(count))


def slowly(posted: Posted) -> bytes | None:
    threading.Event().wait(0.001)  # so that one connection cannot take all before the other is there
    return None


def test_both_connections_take_messages_each_in_order(client: Make, double: ImapDouble) -> None:
    double.takes = slowly
    one = client(double)
    done = Put(one, double, all_of())
    assert (done.error, len(done.taken), done.told_all) == (None, COUNT, True)
    assert double.logins == 2
    assert len(one.got()[0]) == COUNT
    again = Put(one, double, (outgoing(number) for number in range(COUNT, 2 * COUNT)))
    assert (again.error, len(again.taken)) == (None, COUNT)
    assert double.logins == 2, "both connections are kept for the next folder"


def test_a_few_messages_go_by_one_connection(client: Make, double: ImapDouble) -> None:
    assert len(Put(client(double), double, all_of(4)).taken) == 4
    assert double.logins == 1


@pytest.mark.parametrize(
    "refusal",
    [
        b"%t NO [AUTHENTICATIONFAILED] no\r\n",
        b"%t NO Too many simultaneous connections. (Failure)\r\n",
        b"* BYE [ALERT] Maximum number of connections from user+IP exceeded\r\n",
        b"DROP",
    ],
)
def test_where_a_second_login_is_refused_one_goes_on_and_it_is_not_tried_again(
    client: Make, double: ImapDouble, refusal: bytes
) -> None:
    tried: list[int] = []

    def login(_: re.Match[bytes]) -> bytes | None:
        tried.append(1)
        return refusal if len(tried) > 1 else None

    double.answers = [(rb"AUTHENTICATE|LOGIN", login)]
    one = client(double)
    done = Put(one, double, all_of())
    assert (done.error, len(done.taken), done.refused) == (None, COUNT, [])
    more = Put(one, double, (outgoing(number) for number in range(COUNT, 2 * COUNT)))
    assert (more.error, len(more.taken)) == (None, COUNT)
    assert len(tried) == 2
    assert one.waited == []


def test_a_second_connection_that_was_left_while_idle_is_opened_again(
    client: Make, double: ImapDouble
) -> None:
    double.takes = slowly
    one = client(double)
    assert Put(one, double, all_of()).error is None
    for line in double._clients[1:]:
        line.shutdown(socket.SHUT_RDWR)
    more = Put(one, double, (outgoing(number) for number in range(COUNT, 2 * COUNT)))
    assert (more.error, len(more.taken)) == (None, COUNT)
    assert double.logins == 3


@pytest.mark.parametrize("how", [b"DROP", b"TAKE"])
@pytest.mark.parametrize("at", [0, 7, COUNT - 1])
def test_a_line_that_drops_is_told_when_the_other_has_taken_the_rest(
    client: Make, double: ImapDouble, how: bytes, at: int
) -> None:
    dropped: list[bytes] = []

    def takes(posted: Posted) -> bytes | None:
        if posted.raw == raw(at) and not dropped:
            dropped.append(posted.raw)
            return how
        return slowly(posted)

    double.takes = takes
    one = client(double)
    done = Put(one, double, all_of())
    assert isinstance(done.error, Unreachable)
    lost = 4 * append_module.AHEAD + 3 + 4  # on their way, being gathered, or in the portion in hand
    assert len(done.taken) >= COUNT - lost
    there = set(one.got()[0].values())
    rest = Put(one, double, (outgoing(n) for n in range(COUNT) if raw(n) not in there))
    assert rest.error is None
    assert rest.posted == {outgoing(n).digest for n in range(COUNT)}


def test_a_message_that_always_drops_the_line_is_found(client: Make, double: ImapDouble) -> None:
    double.takes = lambda posted: b"DROP" if posted.raw == raw(7) else None
    one = client(double)
    refused: list[Refused] = []
    for _ in range(8):
        there = set(one.got()[0].values())
        done = Put(one, double, (outgoing(n) for n in range(COUNT) if raw(n) not in there))
        refused = done.refused
        if done.error is None:
            break
    assert [one.digest for one in refused] == [outgoing(7).digest]
    assert len(double.posted) == COUNT - 1


def test_a_full_mailbox_ends_both_and_all_that_was_taken_is_told(client: Make, double: ImapDouble) -> None:
    double.takes = lambda posted: b"NO [OVERQUOTA] full" if len(double.posted) >= 20 else None
    done = Put(client(double), double, all_of())
    assert isinstance(done.error, Forbidden)
    assert done.told_all
    assert 16 <= len(done.taken) <= 24


def test_what_the_messages_raise_comes_after_all_answers(client: Make, double: ImapDouble) -> None:
    def some() -> Iterator[Outgoing]:
        yield from all_of(33)
        raise Interrupted("stopped")

    done = Put(client(double), double, some())
    assert isinstance(done.error, Interrupted)
    assert done.told_all
    assert len(done.taken) >= 30


def test_an_append_that_nobody_ends_leaves_no_thread_and_no_line_in_use(
    client: Make, double: ImapDouble
) -> None:
    double.takes = slowly
    one = client(double)
    answers = one.account.append(INBOX, all_of(500))
    next(iter(answers))
    del answers
    assert not [thread for thread in threading.enumerate() if thread.name == "append"]
    assert len(one.got()[0]) < 500


def test_a_folder_that_is_gone_is_made_once(client: Make, double: ImapDouble) -> None:
    made: list[bytes] = []

    def append(_: re.Match[bytes]) -> bytes | None:
        return None if made else b"%t NO [TRYCREATE] no such folder\r\n"

    def create(found: re.Match[bytes]) -> bytes:
        made.append(found[0])
        return b"%t OK made\r\n"

    double.answers = [(rb"APPEND", append), (rb"CREATE", create)]
    done = Put(client(double), double, all_of())
    assert (done.error, len(done.taken)) == (None, COUNT)
    assert len(made) == 1


# --- compression ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "compress", "asked"),
    [
        (" COMPRESS=DEFLATE", True, 2),
        (" COMPRESS=DEFLATE", None, 0),  # on this machine it would only cost
        (" COMPRESS=DEFLATE", False, 0),
        (" COMPRESS=DEFLATE X-GM-EXT-1", True, 0),
        ("", True, 0),
    ],
)
def test_compression_is_asked_for_where_it_helps_and_done_without_where_it_is_refused(
    more: str, compress: bool | None, asked: int
) -> None:
    with ImapDouble(capabilities=FULL + more, answers=[(rb"COMPRESS", b"%t NO not now\r\n")]) as double:
        where = Server("127.0.0.1", double.port, "plaintext", None, 5, compress)
        account = ImapAccount(where, "ann", lambda: Secret("x"))
        assert len(list(account.append(INBOX, all_of()))) == COUNT
        assert len(double.commands(rb"COMPRESS DEFLATE")) == asked
        account.close()
