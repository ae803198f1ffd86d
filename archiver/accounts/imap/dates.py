"""INTERNALDATE to datetime (RFC 3501 section 9, `date-time`): never an exception, whatever the server wrote.

Servers have been seen to write dots for colons, years 0102 and 1902, and nothing at all; what is no date is
None, and the message is archived without one.
"""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_ODD = re.compile(rb"\s*(\d{1,2})[- ]([A-Za-z]{3})[- ](\d{4})\s+(\d\d?)[:.](\d\d)[:.](\d\d)\s*([+-]\d{4})\s*")


def internal_date(raw: bytes) -> datetime | None:
    """Read `17-Jul-1996 02:44:25 -0700` as an aware datetime with its own offset; None for no date."""
    try:
        if len(raw) == 26:  # the form of the RFC; day and zone recur, so their pieces are kept
            year, month, day = _day(raw[:11])
            hour, minute, second = int(raw[12:14]), int(raw[15:17]), int(raw[18:20])
            return datetime(year, month, day, hour, minute, second, tzinfo=_zone(raw[21:]))
    except (ValueError, KeyError):
        pass
    return _odd_date(raw)


@lru_cache(maxsize=4096)
def _day(raw: bytes) -> tuple[int, int, int]:
    year = int(raw[7:11])
    if not 2 <= year <= 9998:  # so that it can be told in any other time zone, too
        raise ValueError("a year outside of the calendar")
    return year, _MONTHS[raw[3:6].lower()], int(raw[0:2])


@lru_cache(maxsize=256)
def _zone(raw: bytes) -> timezone:
    if len(raw) != 5 or raw[:1] not in b"+-" or not raw[1:].isdigit():
        raise ValueError("not a time zone")
    minutes = int(raw[1:3]) * 60 + int(raw[3:5])
    return timezone(timedelta(minutes=-minutes if raw[:1] == b"-" else minutes))


def _odd_date(raw: bytes) -> datetime | None:
    found = _ODD.fullmatch(raw)
    if not found:
        return None
    try:
        year, month, day = _day(found[1].rjust(2) + b"-" + found[2] + b"-" + found[3])
        return datetime(year, month, day, int(found[4]), int(found[5]), int(found[6]), tzinfo=_zone(found[7]))
    except (ValueError, KeyError):
        return None
