"""The rules of a time zone as a calendar tells them: VTIMEZONE (RFC 5545, section 3.6.5).

Made from the system's own rules, and told as rules ("the last Sunday in March"), since some programs read nothing
else. A change that follows no rule stands alone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from archiver.formats.content_lines import line

_HORIZON = 12  # years after the last one asked for, in which a rule must hold to be told as one without end
_STEP = timedelta(days=5)  # no zone was seen to change twice within it
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "Zulu", "Etc/Zulu", "UCT", "Etc/UCT"})


class _Change(Struct, frozen=True):
    """A change of a zone's offset; `at` is the clock on the wall just before it."""

    at: datetime
    before: timedelta
    after: timedelta
    name: str

    @property
    def weeks(self) -> set[int]:
        """Which of its weekdays in the month this is: counted from the first, and -1 for the last."""
        last = (self.at + timedelta(days=7)).month != self.at.month
        return {(self.at.day - 1) // 7 + 1} | ({-1} if last else set())

    @property
    def kind(self) -> tuple[object, ...]:
        """What two changes by one rule have in common, beside the week."""
        return self.at.month, self.at.weekday(), self.at.time(), self.before, self.after


class _Rule:
    """Changes of one kind, year after year; `weeks` are those that fit all of them."""

    def __init__(self, first: _Change) -> None:
        self.first, self.last, self.weeks = first, first, first.weeks

    def takes(self, one: _Change) -> bool:
        """Take a change in, if it goes on with this rule."""
        if one.kind != self.first.kind or one.at.year != self.last.at.year + 1:
            return False
        both = self.weeks & one.weeks
        if both:
            self.last, self.weeks = one, both
        return bool(both)


def zone(name: str | None) -> tzinfo | None:
    """Find a zone by its IANA name; UTC for its many names, None for no zone and for one that nobody knows."""
    if name is None:
        return None
    if name in _UTC:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=256)
def vtimezone(name: str, first: int, last: int) -> bytes:
    """Write the VTIMEZONE of a zone that `zone` finds, for the years from `first` to `last`, and on by its rules."""
    place = zone(name)
    assert place is not None
    start = datetime(first, 1, 1, tzinfo=place)
    offset = start.utcoffset() or timedelta()
    begun = _Change(datetime(first, 1, 1), offset, offset, start.tzname() or "")
    rules: list[_Rule] = []
    end = min(last + _HORIZON, 9990)
    for change in _changes(place, first, end):
        if not any(rule.takes(change) for rule in rules):
            rules.append(_Rule(change))
    out = [line("BEGIN", "VTIMEZONE"), line("TZID", name), *_observance(begun, [])]
    for rule in rules:
        if rule.first.at.year <= last:
            out += _observance(rule.first, _recurring(rule, end))
    return b"".join([*out, line("END", "VTIMEZONE")])


def _changes(place: tzinfo, first: int, last: int) -> Iterator[_Change]:
    at = datetime(first, 1, 1, tzinfo=UTC)
    end = datetime(last + 1, 1, 1, tzinfo=UTC)
    state = _state(place, at)
    while at < end:
        after = at + _STEP
        now = _state(place, after)
        if now != state:
            low, high = at, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if middle in (low, high):
                    break
                low, high = (middle, high) if _state(place, middle) == state else (low, middle)
            wall = (high + state[0]).replace(tzinfo=None)
            yield _Change(wall, state[0], *now)
        at, state = after, now


def _state(place: tzinfo, at: datetime) -> tuple[timedelta, str]:
    local = at.astimezone(place)
    return local.utcoffset() or timedelta(), local.tzname() or ""


def _recurring(rule: _Rule, end: int) -> list[bytes]:
    if rule.first is rule.last and rule.first.at.year < end:
        return []
    week = -1 if -1 in rule.weeks else min(rule.weeks)
    told = f"FREQ=YEARLY;BYMONTH={rule.first.at.month};BYDAY={week}{_DAYS[rule.first.at.weekday()]}"
    if rule.last.at.year < end:  # a day later than need be: some read it as the clock on the wall, not as UTC
        told += f";UNTIL={rule.last.at + timedelta(days=1):%Y%m%dT%H%M%SZ}"
    return [line("RRULE", told)]


def _observance(change: _Change, recurring: list[bytes]) -> list[bytes]:
    what = "DAYLIGHT" if change.after > change.before else "STANDARD"
    return [
        line("BEGIN", what),
        line("DTSTART", f"{change.at.year:04d}{change.at:%m%dT%H%M%S}"),
        line("TZOFFSETFROM", _offset(change.before)),
        line("TZOFFSETTO", _offset(change.after)),
        *recurring,
        line("TZNAME", change.name or "LMT"),
        line("END", what),
    ]


def _offset(offset: timedelta) -> str:
    seconds = int(offset.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("+", seconds)
    told = f"{sign}{seconds // 3600:02d}{seconds // 60 % 60:02d}"
    return f"{told}{seconds % 60:02d}" if seconds % 60 else told
