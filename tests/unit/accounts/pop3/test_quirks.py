"""Each oddity of a POP3 server by its name."""

import pytest

from archiver.accounts.connection import Server
from archiver.accounts.pop3 import quirks, replies
from archiver.accounts.pop3.account import Pop3Account
from archiver.accounts.pop3.wire import Status
from archiver.model import Secret


def test_gmail_is_known_by_its_names() -> None:
    assert [
        quirks.is_gmail(host) for host in ("pop.gmail.com", "POP.googlemail.com.", "pop.example.org")
    ] == [
        True,
        True,
        False,
    ]


def test_another_view_of_a_gmail_mailbox_is_the_same_mailbox() -> None:
    epochs = set()
    for user in ("ann@gmail.com", "recent:ann@gmail.com", "Recent:ann@gmail.com"):
        warned: list[str] = []
        where = Server("pop.gmail.com", 995)
        account = Pop3Account(where, user, lambda: Secret("x"), warned.append)
        epochs.add(account._epoch)
        assert len(warned) == 1
        assert "IMAP" in warned[0]
    assert len(epochs) == 1


@pytest.mark.parametrize(
    ("partial", "size", "raw"),
    [
        (b"text.\r\n", 4, b"text"),
        (b"text.\r\n", 6, b"text"),
        (b"text.\r\n", 5, None),
        (b"text.\r\n", 900, None),
        (b"text.\r\n", None, None),
        (b"text\r\n", 6, None),
        (b"a\r\n..b.\r\n", 5, b"a\r\n.b"),
        (b"", 0, None),
    ],
)
def test_a_message_without_its_last_line_end_is_known_by_its_size(
    partial: bytes, size: int | None, raw: bytes | None
) -> None:
    assert quirks.ended_without_line(partial, size) == raw


@pytest.mark.parametrize(
    ("said", "is_busy"),
    [
        ("maildrop already locked", True),
        ("Unable to lock mailbox", True),
        ("mailbox is busy", True),
        ("Temporary failure", True),
        ("Too many connections", True),
        ("account locked after too many failed logins", False),
        ("invalid password", False),
        ("user is blocked", False),
    ],
)
def test_servers_without_codes_say_in_words_that_they_are_busy(said: str, is_busy: bool) -> None:
    assert (replies.busy(Status(False, "", said)) is not None) == is_busy
    assert replies.busy(Status(False, "AUTH", said)) is None


def test_what_is_read_is_deleted_where_the_server_says_so() -> None:
    assert quirks.deletes_what_is_read({"EXPIRE": ("0",)})
    assert quirks.deletes_what_is_read({"EXPIRE": ("0", "USER")})
    assert not quirks.deletes_what_is_read({"EXPIRE": ("NEVER",)})
    assert not quirks.deletes_what_is_read({"EXPIRE": ("30", "USER")})
    assert not quirks.deletes_what_is_read({})


def test_two_answers_that_run_together_are_suspected_by_their_size() -> None:
    assert quirks.is_run_together(b"a.\r\n+OK\r\nb\r\n", 3)
    assert not quirks.is_run_together(b"a.\r\n+OK\r\nb\r\n", 12)
    assert not quirks.is_run_together(b"a.\r\n+OK\r\nb\r\n", None)
    assert not quirks.is_run_together(b"a longer one\r\n", 3)


def test_a_second_status_line_is_taken_away() -> None:
    assert quirks.without_second_ok(b"+OK\r\nA: b\r\n") == b"A: b\r\n"
    assert quirks.without_second_ok(b"A: b\r\n+OK\r\n") == b"A: b\r\n+OK\r\n"
