"""What the bytes of an mbox prove of its dialect, and where its messages are."""

from datetime import UTC, datetime

import pytest

from archiver.formats.mbox_dialects import Dialect, Signs, Span, begins_mbox, content, judge, received, split

LINE = b"From ann@example.org Mon Jan  1 10:00:00 2024\n"
HEAD = b"Subject: x\n"


def spans(file: bytes, *, believe_lengths: bool = True) -> list[Span]:
    def read(offset: int, length: int) -> bytes:
        return file[offset : offset + length]

    return list(split(read, len(file), believe_lengths=believe_lengths))


def bodies(file: bytes, *, believe_lengths: bool = True) -> list[bytes]:
    return [file[span.body : span.end] for span in spans(file, believe_lengths=believe_lengths)]


def read_all(file: bytes) -> tuple[Dialect, list[bytes]]:
    signs = Signs()
    found = spans(file)
    for span in found:
        signs.see(span, file[span.body : span.end])
    dialect = judge(signs)
    return dialect, [content(file[span.body : span.end], span, dialect) for span in found]


def counted(body: bytes) -> bytes:
    return LINE + HEAD + b"Content-Length: %d\n\n" % len(body) + body + b"\n"


def test_messages_end_at_the_next_from_line_less_one_empty_line() -> None:
    file = LINE + HEAD + b"\none\n\n" + LINE + HEAD + b"\ntwo\n\n\n" + LINE + HEAD + b"\nthree"
    assert bodies(file) == [HEAD + b"\none\n", HEAD + b"\ntwo\n\n", HEAD + b"\nthree"]


def test_a_file_with_crlf_lines_keeps_them_and_loses_the_empty_line() -> None:
    file = (LINE + HEAD + b"\none\n\n" + LINE + HEAD + b"\ntwo\n\n").replace(b"\n", b"\r\n")
    assert bodies(file) == [b"Subject: x\r\n\r\none\r\n", b"Subject: x\r\n\r\ntwo\r\n"]


def test_a_line_that_begins_with_from_and_has_no_date_is_text() -> None:
    file = LINE + HEAD + b"\nhello\n\nFrom here on it rains\nand rains\n\n" + LINE + HEAD + b"\ntwo\n\n"
    assert bodies(file) == [HEAD + b"\nhello\n\nFrom here on it rains\nand rains\n", HEAD + b"\ntwo\n"]


def test_the_bare_from_line_of_thunderbird_begins_a_message() -> None:
    file = b"From \r\nX-Mozilla-Status: 0001\r\n\r\na\r\n\r\nFrom \r\nX-Mozilla-Status: 0000\r\n\r\nb\r\n\r\n"
    assert bodies(file) == [
        b"X-Mozilla-Status: 0001\r\n\r\na\r\n",
        b"X-Mozilla-Status: 0000\r\n\r\nb\r\n",
    ]


def test_a_missing_empty_line_costs_no_byte() -> None:
    file = LINE + HEAD + b"\none\n" + LINE + HEAD + b"\ntwo\n"
    assert bodies(file) == [HEAD + b"\none\n", HEAD + b"\ntwo\n"]


def test_a_message_without_a_byte_is_one() -> None:
    assert bodies(LINE + b"\n" + LINE + b"\n\n" + LINE) == [b"", b"\n", b""]


def test_from_lines_are_found_wherever_reads_end() -> None:
    for size in range((1 << 20) - 60, (1 << 20) + 10, 7):
        filling = b"x" * 70 + b"\n"
        text = (filling * (size // len(filling) + 1))[: size - 1] + b"\n"
        file = LINE + HEAD + b"\n" + text + b"\n" + LINE + HEAD + b"\ntwo\n\n"
        assert bodies(file) == [HEAD + b"\n" + text, HEAD + b"\ntwo\n"]


def test_a_file_that_shrinks_while_it_is_read_ends() -> None:
    file = LINE + HEAD + b"\none\n\n"
    assert len(list(split(lambda offset, length: file[offset : offset + length], 1 << 40))) == 1


def test_bytes_before_the_first_from_line_are_of_no_message() -> None:
    (span,) = spans(b"garbage\n\n" + LINE + HEAD + b"\none\n\n")
    assert span.start == len(b"garbage\n\n")
    assert spans(b"no mail at all\n") == []
    assert spans(b"") == []


def test_quoting_twice_proves_mboxrd_and_all_of_it_is_undone() -> None:
    file = LINE + HEAD + b"\n>From a\n>>From b\n\n" + LINE + HEAD + b"\n>From c\n\n"
    assert read_all(file) == ("mboxrd", [HEAD + b"\nFrom a\n>From b\n", HEAD + b"\nFrom c\n"])


def test_quoting_once_proves_nothing_and_is_kept() -> None:
    file = LINE + HEAD + b"\n>From a\n\n"
    assert read_all(file) == ("mbox", [HEAD + b"\n>From a\n"])


def test_lengths_that_fit_hold_from_lines_within_a_message() -> None:
    inner = b"hello\n" + LINE + HEAD + b"\nforwarded\n>From x\n>>From y\n"
    dialect, found = read_all(counted(inner) + counted(b"two\n"))
    assert dialect == "mboxcl2"
    assert found == [
        HEAD + b"Content-Length: %d\n\n" % len(inner) + inner,
        HEAD + b"Content-Length: 4\n\ntwo\n",
    ]


def test_a_length_counts_a_message_that_ends_in_no_line() -> None:
    assert bodies(counted(b"no end") + counted(b"two\n")) == [
        HEAD + b"Content-Length: 6\n\nno end",
        HEAD + b"Content-Length: 4\n\ntwo\n",
    ]


@pytest.mark.parametrize("length", [0, 3, 5, 11, 999_999_999_999_999])
def test_a_length_that_does_not_fit_is_not_believed(length: int) -> None:
    file = LINE + HEAD + b"Content-Length: %d\n\none\n\n" % length + LINE + HEAD + b"\ntwo\n\n"
    assert bodies(file) == [HEAD + b"Content-Length: %d\n\none\n" % length, HEAD + b"\ntwo\n"]


def test_a_length_is_not_asked_for_where_the_dialect_has_none() -> None:
    inner = b"hello\n" + LINE + HEAD + b"\ntext\n"
    assert len(bodies(counted(inner), believe_lengths=False)) == 2


def test_lengths_with_quoting_are_mboxcl_and_nothing_is_undone() -> None:
    assert read_all(counted(b">From x\n>>From y\n"))[0] == "mboxcl"


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (b"From a@b Mon Jan  1 10:00:00 2024\n", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        (b"From - Sat Dec 31 23:59:59 2022\r\n", datetime(2022, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"From 17928@xxx Tue Mar 05 10:11:12 +0100 2019\n", datetime(2019, 3, 5, 9, 11, 12, tzinfo=UTC)),
        (b"From a@b Fri Jun  3 04:05 MEST 1994\n", datetime(1994, 6, 3, 4, 5, tzinfo=UTC)),
        (b"From a@b Mon Feb 31 10:00:00 2024\n", None),
        (b"From a@b\n", None),
        (b"From a@b Mon Jan  1 00:00:00 0001 +0100\n", None),
        (b"From a@b Fri Dec 31 23:59:59 9999 -0100\n", None),
        (b"From a@b Mon Jan  1 10:00:00 2024 +9999\n", None),
    ],
)
def test_the_date_of_a_from_line(line: bytes, at: datetime | None) -> None:
    assert received(line) == at


def test_what_an_mbox_begins_with() -> None:
    assert begins_mbox(LINE + HEAD)
    assert begins_mbox(b"\n\n" + LINE)
    assert begins_mbox(b"From \r\nX-Mozilla-Status: 0001\r\n")
    assert not begins_mbox(b"From my desk\nI see the sea.\n")
    assert not begins_mbox(b"Subject: From here\n")
    assert not begins_mbox(b"")


def test_a_from_line_longer_than_any_read_is_passed_over_once() -> None:
    file = b"From " + b"x" * 10_000 + b"\nSubject: x\n\nbody\n"
    assert bodies(file) == [b"Subject: x\n\nbody\n"]
