"""What a POP3 server says, read line by line."""

import pytest

from archiver.accounts.pop3 import wire
from archiver.accounts.pop3.wire import Status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"+OK", Status(True)),
        (b"+ok done", Status(True, "", "done")),
        (b"-ERR [IN-USE] is open elsewhere", Status(False, "IN-USE", "is open elsewhere")),
        (b"-ERR [SYS/TEMP]later", Status(False, "SYS/TEMP", "later")),
        (b"-ERR [no code", Status(False, "", "[no code")),
        (b"-ERR \xff", Status(False, "", "\N{REPLACEMENT CHARACTER}")),
    ],
)
def test_the_first_line_of_an_answer_is_read(line: bytes, status: Status) -> None:
    assert wire.parse_status(line) == status


@pytest.mark.parametrize("line", [b"", b"OK", b"+OKAY", b"* OK", b"-ERROR x", b"+ continue"])
def test_what_is_no_answer_is_not_taken_for_one(line: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_status(line)


def test_rows_are_read_as_far_as_they_make_sense() -> None:
    assert wire.parse_sizes(b"1 120\r\n2 x\r\n3\r\nx 4\r\n\r\n5 7 more\r\n") == {
        1: 120,
        2: None,
        3: None,
        5: 7,
    }
    assert wire.parse_sizes(b"0 1\r\n99999999999 1\r\n") == {}
    assert wire.parse_ids(b"1 a/b\r\n2 \r\n3\r\n4  a b \r\nx y\r\n") == {1: b"a/b", 2: b"", 3: b"", 4: b"a b"}
    assert wire.parse_capabilities(b"TOP\r\nexpire 0 user\r\n\r\n") == {"TOP": (), "EXPIRE": ("0", "USER")}
    assert wire.parse_count(Status(True, "", "3 99")) == 3
    assert wire.parse_count(Status(False, "", "3 99")) is None


@pytest.mark.parametrize(
    ("sent", "size", "raw"),
    [
        (b"..\r\n...\r\n", None, b".\r\n..\r\n"),
        (b".a\r\n..b\r\n", None, b".a\r\n.b\r\n"),
        (b"a\r\n\r\n..\r\n..\r\n", None, b"a\r\n\r\n.\r\n.\r\n"),
        (b"..\r\n..\r\n", 7, b"..\r\n.\r\n"),  # Dovecot 2.3 stuffs all lines but the first
        (b"..\r\n..\r\n", 6, b".\r\n.\r\n"),
        (b"a..\r\n", None, b"a..\r\n"),
    ],
)
def test_one_dot_is_taken_from_each_line_that_begins_with_two(
    sent: bytes, size: int | None, raw: bytes
) -> None:
    assert wire.unstuff(sent, size=size) == raw
