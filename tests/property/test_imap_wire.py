"""Whatever a server sends is a value or a `WireError`; sets and names come back as they went."""

import contextlib
import io
import random

from hypothesis import given
from hypothesis import strategies as st

from archiver.accounts.imap import names, replies, uidset, utf7, wire
from archiver.accounts.imap.dates import internal_date
from archiver.accounts.imap.events import Status
from archiver.accounts.imap.fetched import parse_body, parse_listing
from archiver.accounts.imap.scanner import WireError

_BYTES = rb"""
* |a1 |OK |NO |BAD |[|] |(|)| |"|\|abc|NIL|1 |4294967296 |FETCH |UID |FLAGS |BODY[]|<0>|
RFC822.SIZE |INTERNALDATE |LIST |STATUS |SEARCH |ESEARCH |VANISHED |(EARLIER) |1:5,7|
CAPABILITY |ID |NAMESPACE |
ENABLED |+ |EXISTS|EXPUNGE|"17-Jul-1996 02:44:25 -0700"|TAG |ALL
"""
WORDS = st.sampled_from(
    [word.strip(b"\n") for word in _BYTES.split(b"|")]
    + [b"\xff", b"\0", b"\r\n", b"{0}\r\n", b"{3}\r\n", b"{99999999999}\r\n"]
)
LINES = st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=25).map(b"".join)).map(
    lambda raw: raw + b"\r\n"
)
UIDS = st.integers(1, uidset.LAST)


@given(LINES)
def test_no_line_makes_the_reader_raise_anything_but_a_wire_error(raw: bytes) -> None:
    stream = io.BytesIO(raw)
    with contextlib.suppress(WireError):
        while stream.tell() < len(raw):
            response = wire.read_response(stream, 1 << 20)
            parse_listing(response[0])
            parse_body(response)
            with contextlib.suppress(WireError):
                wire.parse(response)


@given(st.lists(WORDS, max_size=25).map(b"".join))
def test_no_response_to_a_fetch_raises_anything_but_a_wire_error(raw: bytes) -> None:
    with contextlib.suppress(WireError):
        wire.parse(wire.read_response(io.BytesIO(b"* 1 FETCH (" + raw + b")\r\n")))


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_any_body_is_read_by_its_length_with_anything_behind_it(body: bytes, more: bytes) -> None:
    sent = b"* 1 FETCH (UID 2 BODY[] {%d}\r\n%s)\r\n" % (len(body), body)
    stream = io.BytesIO(sent + more)
    response = wire.read_response(stream)
    assert parse_body(response) == (2, body)
    assert stream.read() == more


@given(st.binary(max_size=40))
def test_no_date_raises(raw: bytes) -> None:
    found = internal_date(raw)
    assert found is None or found.utcoffset() is not None


@given(st.sets(UIDS | st.integers(1, 40), max_size=60))
def test_a_set_of_uids_comes_back_as_it_went(uids: set[int]) -> None:
    ranges = uidset.ranges(uids)
    assert set(uidset.each(ranges)) == uids
    assert uidset.count(ranges) == len(uids)
    if uids:
        assert uidset.read(uidset.write(ranges)) == ranges
        parts = list(uidset.sets(uids, 40))
        assert all(len(part) <= 40 for part in parts)
        assert {uid for part in parts for uid in uidset.each(uidset.read(part))} == uids


@given(st.binary(max_size=60))
def test_no_text_makes_the_set_reader_raise_anything_but_a_bad_set(raw: bytes) -> None:
    with contextlib.suppress(uidset.BadSet):
        ranges = uidset.read(raw)
        assert all(1 <= low <= high <= uidset.LAST for low, high in ranges)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_modified_utf_7_comes_back_as_it_went(text: str) -> None:
    raw = utf7.encode(text)
    assert raw.isascii()
    assert utf7.decode(raw) == text


@given(st.binary(max_size=40))
def test_modified_utf_7_is_decoded_to_what_encodes_to_the_same_or_refused(raw: bytes) -> None:
    with contextlib.suppress(utf7.BadName):
        assert utf7.encode(utf7.decode(raw)) == raw


PARTS = st.text(
    st.one_of(st.sampled_from("%25F2F/.&-"), st.characters(exclude_categories=["Cs"])), max_size=12
)


@given(PARTS, st.sampled_from(["/", ".", "\\", "^", None]), st.booleans())
def test_any_folder_name_goes_to_text_and_back(name: str, separator: str | None, utf8: bool) -> None:
    raw = name.encode() if utf8 else utf7.encode(name)
    text = names.text(raw, separator, utf8=utf8)
    if text != "INBOX":
        assert names.mailbox(text, separator, utf8=utf8) == raw


@given(st.binary(max_size=40), st.sampled_from(["/", "."]), st.booleans())
def test_any_bytes_are_some_name(raw: bytes, separator: str, utf8: bool) -> None:
    names.text(raw, separator, utf8=utf8).encode("utf-8")


@given(
    st.binary(max_size=60) | st.lists(st.sampled_from([b"304", b",", b":", b"7", b"1", b"0"])).map(b"".join)
)
def test_no_set_read_in_its_order_is_longer_than_it_may_be(raw: bytes) -> None:
    with contextlib.suppress(uidset.BadSet):
        found = uidset.in_order(raw, 50)
        assert len(found) <= 50
        assert set(found) == set(uidset.each(uidset.read(raw)))


@given(st.lists(UIDS | st.integers(1, 9), max_size=40))
def test_uids_in_any_order_are_read_in_that_order(uids: list[int]) -> None:
    text = b",".join(b"%d" % uid for uid in uids)
    if uids:
        assert uidset.in_order(text, 40) == uids


@given(st.dictionaries(UIDS, UIDS, min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_copyuid_pairs_come_back_as_they_went(pairs: dict[int, int], chance: random.Random) -> None:
    there = [*range(100, 100 + len(pairs))]
    chance.shuffle(there)
    told = dict(zip(pairs, there, strict=True))
    line = b"a1 OK [COPYUID 38505 %s %s] done\r\n" % (
        b",".join(b"%d" % uid for uid in told),
        b",".join(b"%d" % uid for uid in told.values()),
    )
    status = wire.parse([line])
    assert isinstance(status, Status)
    assert replies.copied(status, set(told)) == (38505, told)
    fewer = set(list(told)[1:])
    found = replies.copied(status, fewer)
    assert found is None or found[1].items() <= told.items()


@given(st.binary(max_size=60) | st.lists(st.sampled_from([b"1:9", b" ", b",3", b"7", b":"])).map(b"".join))
def test_no_copyuid_makes_anything_but_pairs_of_what_was_asked(raw: bytes) -> None:
    found = replies.copied(Status("*", "OK", "COPYUID", raw), {3, 7, 8})
    if found is not None:
        assert found[0] > 0
        assert set(found[1]) <= {3, 7, 8}
        assert len(set(found[1].values())) == len(found[1])
