"""However the bytes of a POP3 server are chopped, what is read is what was sent, or an error of archiver's."""

import contextlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from archiver.accounts.connection import Server
from archiver.accounts.pop3 import wire
from archiver.accounts.pop3.connection import Connection
from archiver.accounts.pop3.wire import WireError
from archiver.errors import Unreachable

LINES = st.lists(
    st.one_of(
        st.binary(max_size=20).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
        st.sampled_from([b"", b".", b"..", b"...", b"+OK", b"-ERR x", b"a\nb", b".\n.", b"\r"]),
    ),
    max_size=8,
)


class Chopped(Connection):
    """A connection that gets prepared pieces, and then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.server = Server("test", 110, "plaintext")
        self._pieces = iter(pieces)
        self.socket = self  # type: ignore[assignment]
        self.begin_reading()

    def recv(self, size: int) -> bytes:
        """Give the next piece."""
        return next(self._pieces, b"")


def chop(raw: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [raw[start:end] for start, end in pairwise(at)]


def stuffed(raw: bytes) -> bytes:
    return b"".join(b"." + line if line.startswith(b".") else line for line in split(raw))


def split(raw: bytes) -> list[bytes]:
    parts = raw.split(b"\r\n")
    return [part + b"\r\n" for part in parts[:-1]]


@given(st.lists(LINES, min_size=1, max_size=3), st.lists(st.integers(0, 400), max_size=12))
def test_bodies_come_back_to_the_byte_however_they_are_chopped(
    bodies: list[list[bytes]], cuts: list[int]
) -> None:
    raws = [b"".join(line.rstrip(b"\r") + b"\r\n" for line in lines) for lines in bodies]
    sent = b"".join(b"+OK\r\n" + stuffed(raw) + b".\r\n" for raw in raws)
    line = Chopped(chop(sent, cuts))
    for raw in raws:
        assert wire.parse_status(line.read_line()).ok
        assert line.read_body() == raw
    assert not line.has_more


@given(LINES, st.lists(st.integers(0, 400), max_size=12), st.integers(0, 400))
def test_a_body_that_is_cut_is_never_given(lines: list[bytes], cuts: list[int], end: int) -> None:
    raw = b"".join(line.rstrip(b"\r") + b"\r\n" for line in lines)
    sent = b"+OK\r\n" + stuffed(raw) + b".\r\n"
    line = Chopped(chop(sent[: end % len(sent)], cuts))
    try:
        line.read_line()
        given_ = line.read_body()
    except Unreachable:
        return
    raise AssertionError(given_)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise_anything_of_its_own(raw: bytes) -> None:
    line = Chopped([raw])
    with contextlib.suppress(WireError, Unreachable):
        while True:
            wire.parse_status(line.read_line())
            body = line.read_body()
            wire.parse_sizes(body)
            wire.parse_ids(body)
            wire.parse_capabilities(body)
