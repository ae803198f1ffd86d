"""The Message-ID, whatever the line ends."""

import pytest

from archiver.formats.message_id import message_id


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_it_is_looked_for_in_the_header_alone(end: bytes) -> None:
    lines = [b"Subject: x", b"Message-ID:", b"\t<a@b> ", b"To: y", b"", b"Message-ID: <c@d>", b""]
    assert message_id(end.join(lines)) == "<a@b>"
    assert message_id(end.join(lines[:1] + lines[3:])) is None
