"""Apple Mail's form of one message."""

from datetime import UTC, datetime

import pytest

from archiver.errors import Damaged
from archiver.formats.emlx import decode

RAW = b"Subject: x\n\nbody\n"
LIST = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">\n<dict>\n<key>date-received</key>'
    b"<integer>1700000000</integer>\n<key>flags</key><integer>%d</integer>\n</dict>\n</plist>\n"
)


def emlx(flags: int, count: int = len(RAW)) -> bytes:
    return b"%-10d\n" % count + RAW + LIST % flags


def test_message_flags_and_date() -> None:
    at = datetime.fromtimestamp(1700000000, UTC)
    flags = frozenset({"\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded"})
    assert decode(emlx(0b1_0101_0101)) == (RAW, flags, at)
    assert decode(emlx(8590195713))[1] == {"\\Seen"}


@pytest.mark.parametrize("count", [0, len(RAW) - 2, len(RAW) + 1, 10**14])
def test_a_length_that_lies_is_damage(count: int) -> None:
    with pytest.raises(Damaged, match="not that of its message"):
        decode(emlx(0, count))


@pytest.mark.parametrize("stored", [b"", b"Subject: x\n\n", b"-5\nabc", b"12"])
def test_without_a_length_it_is_damage(stored: bytes) -> None:
    with pytest.raises(Damaged, match="does not begin with the length"):
        decode(stored)


@pytest.mark.parametrize(
    "noted", [b"", b"<?xml broken", b'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "b">]><plist/>']
)
def test_a_damaged_list_costs_the_flags_alone(noted: bytes) -> None:
    assert decode(b"%d\n" % len(RAW) + RAW + noted) == (RAW, frozenset(), None)
