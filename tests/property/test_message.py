"""What a message says of itself: bytes made by anybody raise nothing, and show nothing that steers a terminal."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from archiver.formats import message

PIECES = st.sampled_from(
    [
        b"From: ",
        b"Subject: ",
        b"Date: ",
        b"To: ",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"=?utf-8?q?=C3=BC?=",
        b"\xff",
        b"=?utf-7?q?+2AA-?=",
        b"=?x?b?!!!?=",
        b"=?utf-8?b?4oCu?=",
        b"=?hex?q?00?=",
        b"\x1b[31m",
        b"\x00",
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"--x\r\n",
        b"--x--\r\n",
        b"Content-Type: text/html\r\n",
        b"Content-Disposition: attachment; filename*=utf-7''%2B2AA-\r\n",
        b"Content-Type: message/rfc822\r\n",
        b'Content-Disposition: attachment; filename="../../x"\r\n',
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-",
        b'Content-Type: text/plain; charset="\x00"\r\n',
        b"Content-Transfer-Encoding: uuencode\r\n\r\nbegin 666 x\r\n\x80\r\n",
        b"Content-Type: text/x; a*0*=x; a*1=y\r\n",
        b"Message-ID: <a@b>\r\n c",
        b"99 Foo 99999 99:99:99 +9999999",
        b"Thu, 1 Jan 1970 00:00:00 -0000",
        b"Content-Disposition: attachment; filename*0*=''a; filename*1=\xff\r\n",
        b"Content-Type: \xff/\xff\r\n",
    ]
)
mails = st.one_of(st.lists(PIECES, max_size=12).map(b"".join), st.binary(max_size=100))
CONTROL = set(
    map(chr, [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)


def assert_harmless(text: str) -> None:
    assert not CONTROL & set(text)
    text.encode()


@settings(max_examples=600, deadline=None)
@given(mails)
@example(b"Subject: =?utf-7?q?+2AA-?=\r\n\r\n")
@example(b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-")
@example(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" * 200)
def test_any_bytes_are_read_without_an_error_and_shown_without_harm(raw: bytes) -> None:
    summary = message.summary(raw)
    message.received_date(raw)
    for text in (summary.sender, summary.to, summary.subject):
        assert_harmless(text)
        assert "\n" not in text
    for name, value in message.headers(raw):
        assert_harmless(name)
        assert_harmless(value)
    for kind in ("plain", "html"):
        text = message.body(raw, kind) or ""
        assert_harmless(text)
    for attachment in message.attachments(raw):
        assert_harmless(attachment.name)
        assert "/" not in attachment.name
        assert isinstance(attachment.content, bytes)
    assert message.header_block(raw) == raw[: len(message.header_block(raw))]
    assert message.gist(raw) == message.gist(raw)
    if summary.message_id is not None:
        assert summary.message_id.strip() == summary.message_id


@settings(max_examples=500)
@given(st.text(max_size=400))
@example("\ud800")
@example("." + "x" * 200)
@example("x" * 10 + "." * 3 + "y" * 147)
@example("\u6f22" * 150)
def test_a_safe_name_is_one_part_of_a_path(name: str) -> None:
    safe = message.safe_name(name, "otherwise")
    assert safe not in ("", ".", "..")
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert not set(safe) & set('/\\:*?"<>|\x00\n')
    assert len(safe.encode()) <= 200, "a file system takes 255 bytes, and a suffix comes behind"
