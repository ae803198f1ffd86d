"""The gist of a message is what a server that rewrites it leaves alone."""

import base64

from archiver.formats.message import gist

TEXT = "Grüße aus München, in einer Zeile\r\n".encode()
HEAD = b"From: a@example.org\r\nSubject: hello\r\nContent-Type: text/plain; charset=utf-8\r\n"
PLAIN = HEAD + b"\r\n" + TEXT


def test_wrapping_recoding_and_stamping_leave_it() -> None:
    coded = HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(TEXT)
    stamped = b"Received: from x\r\n" + PLAIN.replace(b" in ", b"\r\nin ") + b"\r\n\r\n"
    assert gist(coded) == gist(stamped) == gist(PLAIN.replace(b"\r\n", b"\n")) == gist(PLAIN)


def test_another_word_sender_subject_or_part_is_another() -> None:
    others = [
        PLAIN.replace(b"einer", b"zweier"),
        PLAIN.replace(b"a@example", b"b@example"),
        PLAIN.replace(b"hello", b"bye"),
        PLAIN.replace(b"text/plain", b"text/html"),
        b"",
        b"x",
    ]
    assert len({gist(raw) for raw in (PLAIN, *others)}) == 7
