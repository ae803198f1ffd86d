"""What Exchange sends in the place of a message is known, and real mail is never taken for it."""

import pytest

from archiver.formats.stand_in import is_stand_in

EXCUSE = (
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nFrom: Microsoft Exchange Server 2010\r\n"
    b"To: ann@example.org\r\n"
    b"Subject: Retrieval using the IMAP4 protocol failed for the following message:\r\n 522\r\n"
    b'\r\nThe server couldn\'t retrieve the following message:\r\n\r\nSubject: "Meeting"\r\n'
)


@pytest.mark.parametrize(
    "raw",
    [
        EXCUSE,
        EXCUSE.replace(b"IMAP4", b"POP3"),
        EXCUSE.replace(b"\r\n", b"\n"),
        EXCUSE.replace(b"for the following message:\r\n 522", b"for the following\r\n message: 522"),
        EXCUSE.replace(b"Microsoft Exchange", b'"Microsoft Exchange'),
    ],
)
def test_the_excuse_of_exchange_is_known(raw: bytes) -> None:
    assert is_stand_in(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        EXCUSE.replace(b"Subject: Retrieval", b"Subject: FW: Retrieval"),
        EXCUSE.replace(b"From: Microsoft Exchange Server", b"From: bob@example.org"),
        EXCUSE.replace(b"\r\n\r\nThe server", b"\r\n\r\n> The server"),
        EXCUSE + b"x" * 20_000,
        b"Subject: x\r\n\r\n" + EXCUSE,
    ],
)
def test_mail_that_quotes_the_excuse_is_mail(raw: bytes) -> None:
    assert not is_stand_in(raw)
