"""The wire reader on known answers: examples of the RFCs and lines of real servers."""
# ruff: noqa: E501  (one line of the wire and its value on one line of the table)

import io
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from archiver.accounts.imap import replies, wire
from archiver.accounts.imap.dates import internal_date
from archiver.accounts.imap.events import (
    Capabilities,
    Continue,
    Enabled,
    Exists,
    Expunge,
    Fetched,
    Found,
    Gone,
    Identity,
    Listed,
    MailboxStatus,
    Namespace,
    Other,
    Section,
    Status,
)
from archiver.accounts.imap.fetched import parse_body, parse_fetch, parse_listing
from archiver.accounts.imap.scanner import NESTING_LIMIT, WireError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Trickle(io.BytesIO):
    """A line that brings one byte at a time."""

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        return super().readinto(memoryview(buffer)[:1])

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1)


def streams(data: bytes) -> list[wire.Readable]:
    """Give the data at once, and byte by byte."""
    return [io.BytesIO(data), io.BufferedReader(Trickle(data))]


EVENTS = [
    # RFC 9051 section 6.1.1 and 7.2.2
    (b"* CAPABILITY IMAP4rev2 STARTTLS AUTH=GSSAPI\r\n", Capabilities(frozenset({"IMAP4REV2", "STARTTLS", "AUTH=GSSAPI"}))),
    # RFC 9051 section 7.1
    (b"* OK IMAP4rev2 server ready\r\n", Status("*", "OK", "", b"", "IMAP4rev2 server ready")),
    (b"* OK [UIDVALIDITY 3857529045] UIDs valid\r\n", Status("*", "OK", "UIDVALIDITY", b"3857529045", "UIDs valid")),
    (b"* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited\r\n", Status("*", "OK", "PERMANENTFLAGS", b"(\\Deleted \\Seen \\*)", "Limited")),
    (b"A142 OK [READ-ONLY] EXAMINE completed\r\n", Status("A142", "OK", "READ-ONLY", b"", "EXAMINE completed")),
    (b"a3 no [ALERT] full\r\n", Status("a3", "NO", "ALERT", b"", "full")),
    (b"* BYE Autologout; idle for too long\r\n", Status("*", "BYE", "", b"", "Autologout; idle for too long")),
    (b"a1 OK\r\n", Status("a1", "OK")),
    (b'* OK [BADCHARSET ("a]b")] x\r\n', Status("*", "OK", "BADCHARSET", b'("a]b")', "x")),
    (b"* NO disk \xe9 full {3}\r\n", Status("*", "NO", "", b"", "disk \\xe9 full {3}")),
    (b"+ Ready for additional command text\r\n", Continue("Ready for additional command text")),
    (b"+\r\n", Continue("")),
    (b"* 23 EXISTS\r\n", Exists(23)),
    (b"* 44 EXPUNGE\r\n", Expunge(44)),
    (b"* 5 RECENT\r\n", Other("RECENT")),
    (b"* FLAGS (\\Answered \\Seen)\r\n", Other("FLAGS")),
    # RFC 9051 section 7.3.1
    (b'* LIST (\\Noselect) "/" ~/Mail/foo\r\n', Listed(frozenset({"\\Noselect"}), "/", b"~/Mail/foo")),
    (b'* LIST () NIL INBOX\r\n', Listed(frozenset(), None, b"INBOX")),
    (b'* LIST (\\Sent) "\\\\" "a \\"b\\" \\\\c"\r\n', Listed(frozenset({"\\Sent"}), "\\", b'a "b" \\c')),
    (b'* LIST () "." 2024\r\n', Listed(frozenset(), ".", b"2024")),
    (b'* LIST (\\Marked) "/" Inbox/foo ("CHILDINFO" ("SUBSCRIBED"))\r\n', Listed(frozenset({"\\Marked"}), "/", b"Inbox/foo")),
    # RFC 9051 section 7.3.4, RFC 7162 section 3.1.7
    (b"* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)\r\n", MailboxStatus(b"blurdybloop", {"MESSAGES": 231, "UIDNEXT": 44292})),
    (b'* STATUS "a b" (messages 1 HIGHESTMODSEQ 7011231777 X (1 2) Y)\r\n', MailboxStatus(b"a b", {"MESSAGES": 1, "HIGHESTMODSEQ": 7011231777})),
    # RFC 3501 section 7.2.5, RFC 4731 section 3.1, RFC 7162 section 3.1.5
    (b"* SEARCH 2 3 6 (MODSEQ 917162500)\r\n", Found("", [(2, 3), (6, 6)])),
    (b"* SEARCH\r\n", Found("", [])),
    (b'* ESEARCH (TAG "A285") UID MIN 7 MAX 3800 ALL 7:9,20:18\r\n', Found("A285", [(7, 9), (18, 20)])),
    (b'* ESEARCH (TAG "A286")\r\n', Found("A286", [])),
    (b'* ESEARCH (TAG "a") UID ALL 5:9 MODSEQ 1236\r\n', Found("a", [(5, 9)])),
    # RFC 7162 section 3.2.10
    (b"* VANISHED (EARLIER) 41,43:116,118,120:211,214:540\r\n", Gone([(41, 41), (43, 116), (118, 118), (120, 211), (214, 540)], True)),
    (b"* VANISHED 405,407,410,425\r\n", Gone([(405, 405), (407, 407), (410, 410), (425, 425)], False)),
    (b"* ENABLED CONDSTORE qresync\r\n", Enabled(frozenset({"CONDSTORE", "QRESYNC"}))),
    (b"* ENABLED\r\n", Enabled(frozenset())),
    # RFC 2342 section 5
    (b'* NAMESPACE (("INBOX." ".")("#mh/" NIL "X" ("a"))) NIL (("#shared/" "/"))\r\n', Namespace(((b"INBOX.", "."), (b"#mh/", None)))),
    (b"* NAMESPACE NIL NIL NIL\r\n", Namespace(())),
    # RFC 2971 section 3.2
    (b'* ID ("name" "Cyrus" "version" NIL "os" "sunos")\r\n', Identity({"name": "Cyrus", "os": "sunos"})),
    (b"* ID NIL\r\n", Identity({})),
]  # fmt: skip


@pytest.mark.parametrize(("line", "event"), EVENTS)
def test_a_known_line_is_read_whole_byte_by_byte_and_with_more_behind_it(line: bytes, event: object) -> None:
    for stream in streams(line + b"* 1 EXISTS\r\n"):
        assert wire.parse(wire.read_response(stream)) == event
        assert wire.parse(wire.read_response(stream)) == Exists(1)


FETCHES = [
    # RFC 9051 section 7.5.2
    (b"* 23 FETCH (FLAGS (\\Seen) RFC822.SIZE 44827)\r\n", Fetched(23, None, frozenset({"\\Seen"}), None, 44827)),
    # RFC 7162 section 3.1.4.1
    (b"* 50 FETCH (MODSEQ (12111230047))\r\n", Fetched(50)),
    (b"* 1 FETCH (UID 4 MODSEQ (65402) FLAGS (\\SEEN $Forwarded \\Recent))\r\n", Fetched(1, 4, frozenset({"\\Seen", "$Forwarded"}))),
    # django-mailbox#232
    (b"* 1 FETCH (RFC822.SIZE 45274 UID 84)\r\n", Fetched(1, 84, None, None, 45274)),
    (b'* 1 FETCH (UID 2 INTERNALDATE " 7-Jul-1996 02:44:25 -0730")\r\n', Fetched(1, 2, None, datetime(1996, 7, 7, 2, 44, 25, tzinfo=timezone(-timedelta(hours=7, minutes=30))))),
    (b"* 1 fetch (uid 2 flags ())\r\n", Fetched(1, 2, frozenset())),
    (b"* 1 FETCH (UID 2 FLAGS NIL RFC822.SIZE NIL INTERNALDATE NIL)\r\n", Fetched(1, 2)),
    (b"* 1 FETCH (X-GM-LABELS (\"\\\\Sent\" (a)) UID 9 ENVELOPE (NIL \"x\" ((NIL NIL \"a\" \"b\"))))\r\n", Fetched(1, 9, labels=(b"\\Sent",))),
    # https://developers.google.com/gmail/imap/imap-extensions
    (b'* 1 FETCH (X-GM-LABELS (\\Inbox \\Sent Important "Muy Importante") UID 9)\r\n', Fetched(1, 9, labels=(b"\\Inbox", b"\\Sent", b"Important", b"Muy Importante"))),
    (b'* 1 FETCH (UID 9 X-GM-LABELS ("\\\\Inbox" "a \\"b\\" (c) {3}" NIL) FLAGS ())\r\n', Fetched(1, 9, frozenset(), labels=(b"\\Inbox", b'a "b" (c) {3}', b"NIL"))),
    (b"* 1 FETCH (X-GM-LABELS () UID 9)\r\n", Fetched(1, 9, labels=())),
    (b"* 1 FETCH (X-GM-LABELS (a {3}\r\nb)c \"\") UID 9)\r\n", Fetched(1, 9, labels=(b"a", b"b)c", b""))),
    (b"* 1 FETCH (UID 2 BODY[] NIL)\r\n", Fetched(1, 2, sections=(Section("", None, None),))),
    (b'* 1 FETCH (BODY[] "hi \\"you\\"" UID 2)\r\n', Fetched(1, 2, sections=(Section("", None, b'hi "you"'),))),
    (b"* 1 FETCH (UID 2 BODY[]<512> {3}\r\na)\n FLAGS (x))\r\n", Fetched(1, 2, frozenset({"x"}), sections=(Section("", 512, b"a)\n"),))),
    (b"* 1 FETCH (UID 2 BODY[header.fields (\"Message-ID\")] {0}\r\n)\r\n", Fetched(1, 2, sections=(Section('HEADER.FIELDS ("MESSAGE-ID")', None, b""),))),
    (b"* 1 FETCH (BODY[1] {1}\r\na BODY[2] {2}\r\nbc UID 3)\r\n", Fetched(1, 3, sections=(Section("1", None, b"a"), Section("2", None, b"bc")))),
    (b"* 1 FETCH (UID 2 BODY[] ~{4}\r\n\0\r\n))\r\n", Fetched(1, 2, sections=(Section("", None, b"\0\r\n)"),))),
]  # fmt: skip


@pytest.mark.parametrize(("line", "event"), FETCHES)
def test_a_fetch_is_read_in_any_order_with_literals_and_strangers(line: bytes, event: Fetched) -> None:
    for stream in streams(line + b"* 1 EXISTS\r\n"):
        response = wire.read_response(stream)
        assert wire.parse(response) == event
        assert parse_fetch(response, event.number, response[0].index(b"(")) == event
        assert wire.parse(wire.read_response(stream)) == Exists(1)


@pytest.mark.parametrize(("line", "event"), FETCHES)
def test_the_fast_ways_say_the_same_as_the_patient_one_or_nothing(line: bytes, event: Fetched) -> None:
    response = wire.read_response(io.BytesIO(line))
    if len(response) == 1:
        assert parse_listing(line) in (None, event)
    body = parse_body(response)
    if body is not None:
        assert body == (event.uid, event.sections[0].data)


def test_the_usual_body_takes_the_fast_way() -> None:
    response = wire.read_response(io.BytesIO(b"* 12 FETCH (UID 34 BODY[] {5}\r\na\r\n)b)\r\n"))
    assert parse_body(response) == (34, b"a\r\n)b")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\r\n",
        b"* \r\n",
        b"*\r\n",
        b"garbage\r\n",
        b"* 99999999999 EXISTS\r\n",
        b"* 1 FETCH\r\n",
        b"* 1 FETCH (\r\n",
        b"* 1 FETCH (UID\r\n",
        b"* 1 FETCH (UID 2 BODY[] {3}\r\n",
        b'* 1 FETCH (UID 2 BODY[] "open)\r\n',
        b"* 1 FETCH (UID 2 FLAGS (\\Seen)\r\n",
        b"* 1 FETCH (UID 2 BODY[] {}\r\nabc)\r\n",
        b"* LIST\r\n",
        b'* LIST () "/"\r\n',
        b"* VANISHED\r\n",
        b"* VANISHED (EARLIER)\r\n",
        b"* VANISHED 1:\r\n",
        b"* VANISHED abc\r\n",
        b"* STATUS x 5\r\n",
        b"* LIST " + b"(" * (NESTING_LIMIT + 2) + b"\r\n",
    ],
)
def test_what_is_not_imap_is_a_wire_error(line: bytes) -> None:
    with pytest.raises(WireError):
        wire.parse(wire.read_response(io.BytesIO(line)))


def test_a_cut_line_says_what_came_of_it() -> None:
    with pytest.raises(wire.Cut) as raised:
        wire.read_response(io.BytesIO(b"* 1 FETCH (UID 7 BODY[] {10}\r\nabc"))
    assert raised.value.response == [b"* 1 FETCH (UID 7 BODY[] {10}\r\n", b"abc"]


def test_a_literal_beyond_the_limit_is_not_read() -> None:
    with pytest.raises(wire.TooLarge) as raised:
        wire.read_response(io.BytesIO(b"* 1 FETCH (UID 7 BODY[] {99999999999999999999}\r\n"), 1000)
    assert raised.value.size == 99999999999999999999


def test_a_line_without_end_is_given_up() -> None:
    class Endless:
        def readline(self, size: int, /) -> bytes:
            return b"x" * size

        def read(self, size: int, /) -> bytes:
            raise AssertionError("nothing announced a literal")

    with pytest.raises(WireError, match="longer"):
        wire.read_response(Endless())


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 2, 44, 25, tzinfo=timezone(timedelta(hours=-7)))),
        (b" 1-feb-2020 00:00:00 +0000", datetime(2020, 2, 1, tzinfo=UTC)),
        (b"1-Feb-2020 00:00:00 +0530", datetime(2020, 2, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        (b"09-Feb-2007 17.08.08 -0430", datetime(2007, 2, 9, 17, 8, 8, tzinfo=timezone(-timedelta(hours=4, minutes=30)))),
        (b"01-Jan-0102 00:00:00 +0000", datetime(102, 1, 1, tzinfo=UTC)),
        (b"01-Jan-2038 03:14:08 -0000", datetime(2038, 1, 1, 3, 14, 8, tzinfo=UTC)),
        (b"01-Jan-0000 00:00:00 +0000", None),
        (b"31-Feb-2020 00:00:00 +0000", None),
        (b"01-Xyz-2020 00:00:00 +0000", None),
        (b"01-Jan-2020 24:00:00 +0000", None),
        (b"01-Jan-2020 00:00:00 +9900", None),
        (b"01-Jan-2020 00:00:00 +00x0", None),
        (b"2020-01-01T00:00:00Z", None),
        (b"", None),
        (b"\xff" * 26, None),
    ],
)  # fmt: skip
def test_a_date_is_read_with_its_own_offset_or_is_none(raw: bytes, date: datetime | None) -> None:
    found = internal_date(raw)
    assert found == date
    if found and date:
        assert found.utcoffset() == date.utcoffset()


def test_a_hundred_thousand_lines_of_a_listing_are_read_without_the_scanner() -> None:
    lines = [
        b'* %d FETCH (UID %d FLAGS (\\Seen $Label%d) INTERNALDATE "%02d-Jul-2021 02:44:25 +0200" RFC822.SIZE %d)\r\n'
        % (n, n * 3, n % 5, n % 28 + 1, n * 7)
        for n in range(1, 100_001)
    ]
    begin = time.process_time()
    rows = [parse_listing(line) for line in lines]
    took_s = time.process_time() - begin
    assert all(rows)
    assert took_s < 5, "far from 1 s on a quiet machine"  # a guard against the scanner, not a benchmark


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"38505 304,319:320 3956:3958", (38505, {304: 3956, 319: 3957, 320: 3958})),
        (b"38505 320,304,319 3956:3958", (38505, {320: 3956, 304: 3957, 319: 3958})),
        (b"38505 304,319:320 3958,3956:3957", (38505, {304: 3958, 319: 3956, 320: 3957})),
        (b"38505 319:320,304 3958:3956", (38505, {319: 3956, 320: 3957, 304: 3958})),
        (b"38505 304,77 3956:3957", (38505, {304: 3956})),
        (b"38505 304,304 3956:3957", (38505, {})),
        (b"38505 304,319 3956,3956", (38505, {})),
        (b"38505 304 3956:3957", None),
        (b"38505 304,319:320 3956:4294967295", None),
        (b"0 304 3956", None),
        (b"x 304 3956", None),
        (b"38505 304", None),
        (b"38505 304 *", None),
        (b"", None),
    ],
)
def test_copyuid_pairs_two_sets_in_their_own_order(
    argument: bytes, expected: tuple[int, dict[int, int]] | None
) -> None:
    event = wire.parse([b"* OK [COPYUID " + argument + b"] moved\r\n"])
    assert isinstance(event, Status)
    assert replies.copied(event, {304, 319, 320}) == expected
