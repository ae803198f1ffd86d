"""When a message was received, by what it says itself."""

import pytest

from archiver.formats.message import received_date

TOP = b"Received: from a (b; c) by d with ESMTP id 1;\r\n\tFri, 1 Mar 2024 10:00:00 +0100 (CET)\r\n"
LOWER = b"Received: from e by f; Thu, 29 Feb 2024 09:00:00 -0500\r\n"
DATE = b"Date: Wed, 28 Feb 2024 08:00:00 +0000\r\n"


@pytest.mark.parametrize(
    ("head", "when"),
    [
        (TOP + LOWER + DATE, "2024-03-01T10:00:00+01:00"),
        (DATE + LOWER + TOP, "2024-02-29T09:00:00-05:00"),
        (DATE, "2024-02-28T08:00:00+00:00"),
        (b"Received: from a by b\r\n" + DATE, "2024-02-28T08:00:00+00:00"),
        (b"Received: from a by b; no date\r\n" + DATE, "2024-02-28T08:00:00+00:00"),
        (b"Received: x; Fri, 1 Mar 0102 10:00:00 +0000\r\n" + DATE, "2024-02-28T08:00:00+00:00"),
        (b"Received: x; Fri, 1 Mar 1902 10:00:00 +0000\r\n" + DATE, "2024-02-28T08:00:00+00:00"),
        (b"Date: Fri, 1 Mar 2024 10:00:00 -0000\r\n", "2024-03-01T10:00:00+00:00"),
        (b"Date: Fri, 1 Mar 2024 10:00:00 +9900\r\n", None),
        (b"Date: Fri, 31 Feb 2024 10:00:00 +0000\r\n", None),
        (b"Date: Fri, 1 Mar 9999 23:59:59 -0100\r\n", None),
        (b"Date: Fri, 1 Mar 1969 10:00:00 +0000\r\n", None),
        (b"Subject: none\r\n", None),
        (b"", None),
    ],
)
def test_the_topmost_received_field_tells_else_the_date(head: bytes, when: str | None) -> None:
    date = received_date(head + b"\r\nDate: Mon, 1 Jan 2001 00:00:00 +0000\r\n")
    assert (date.isoformat() if date else None) == when
