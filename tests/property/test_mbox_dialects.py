"""Any messages in mboxrd are read back the same, and no bytes at all break the reader."""

import re

from hypothesis import given
from hypothesis import strategies as st

from archiver.formats import mbox_dialects, mbox_status
from archiver.formats.mbox_dialects import Signs, content, split

LINE = b"From ann@example.org Mon Jan  1 10:00:00 2024\n"
words = st.sampled_from(
    [
        b"From ",
        b">From ",
        b">>From ",
        LINE,
        b"\n",
        b"\r\n",
        b"Subject: x\n",
        b"Status: RO\n",
        b"Content-Length: 7\n",
        b" ",
        b"\0",
        b"\xff",
    ]
)
messages = st.lists(st.one_of(words, st.binary(max_size=20)), max_size=12).map(
    lambda parts: b"".join(parts) + b"\n"
)


def write_mboxrd(raws: list[bytes]) -> bytes:
    """Write as https://web.archive.org/web/2021/http://www.qmail.org/man/man5/mbox.html says, line by line."""
    out = b""
    for raw in raws:
        out += LINE
        for line in raw.split(b"\n")[:-1]:
            out += (b">" if line.lstrip(b">").startswith(b"From ") else b"") + line + b"\n"
        out += b"\n"
    return out


def read_back(file: bytes) -> list[bytes]:
    spans = split(lambda offset, length: file[offset : offset + length], len(file), believe_lengths=False)
    return [content(file[span.body : span.end], span, "mboxrd") for span in spans]


@given(st.lists(messages, max_size=6))
def test_what_is_written_as_mboxrd_is_read_back_the_same(raws: list[bytes]) -> None:
    assert read_back(write_mboxrd(raws)) == raws


@given(st.lists(messages, max_size=6))
def test_a_file_cut_anywhere_gives_whole_messages_up_to_the_cut(raws: list[bytes]) -> None:
    file = write_mboxrd(raws)
    cut = file[: len(file) * 2 // 3]
    found = read_back(cut)
    assert found[:-1] == raws[: max(len(found) - 1, 0)]


@given(st.lists(st.one_of(words, st.binary(max_size=30)), max_size=30).map(b"".join))
def test_any_bytes_are_parted_in_order_and_lose_nothing_but_from_lines_and_empty_lines(file: bytes) -> None:
    def read(offset: int, length: int) -> bytes:
        return file[offset : offset + length]

    signs = Signs()
    at = None
    for span in split(read, len(file)):
        assert span.start < span.body <= span.end <= len(file)
        assert at is None or re.fullmatch(rb"(\r?\n){0,2}", file[at : span.start])
        assert file.startswith(b"From ", span.start)
        at = span.end
        body = file[span.body : span.end]
        signs.see(span, body)
        mbox_status.flags(body)
        assert len(mbox_status.digest(file[span.start : span.body], body)) == 32
    assert at is None or file[at:].strip(b"\r\n") == b""
    assert mbox_dialects.judge(signs)
