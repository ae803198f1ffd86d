"""Which archived messages a user means."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from archiver.errors import UsageError
from archiver.model import Entry
from archiver.plan.globs import matches

_AGO = re.compile(r"(\d{1,6})([hdwmy])\Z")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24, "m": 30 * 24, "y": 365 * 24}
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)([KMG]?)B?\Z", re.IGNORECASE)


class Filter(Struct, frozen=True):
    """Conditions on what an index tells; all must hold. `before` is exclusive."""

    folders: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None
    larger: int | None = None
    present: bool = False  # only what the server still had when it was last seen

    def takes(self, entry: Entry) -> bool:
        """Tell whether a message is meant."""
        if self.folders and not matches(entry.ref.folder, self.folders):
            return False
        if self.present and entry.vanished:
            return False
        if self.larger is not None and entry.size <= self.larger:
            return False
        return self._in_time(entry.received)

    def apply(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Give those that are meant."""
        return (entry for entry in entries if self.takes(entry))

    def _in_time(self, received: datetime | None) -> bool:
        if received is None:
            return self.since is None and self.before is None
        return (self.since is None or received >= self.since) and (
            self.before is None or received < self.before
        )


def parse_time(text: str, now: datetime) -> datetime:
    """Read `2024-05-31`, a full RFC 3339 time, or an age such as `12h`, `30d`, `6m`, `1y` before `now`.

    A date without time is its midnight, a time without zone is the local zone of `now`.
    """
    ago = _AGO.match(text)
    try:
        if ago:
            return now - timedelta(hours=int(ago[1]) * _HOURS[ago[2]])
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f'"{text}" is not a date', "write 2024-05-31, 2024-05-31T18:00, or an age: 12h, 30d, 6m, 1y"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=now.tzinfo or UTC)


def parse_size(text: str) -> int:
    """Read a size such as `5M`, `300k` or `2.4GB`: K, M and G are powers of 1024."""
    found = _SIZE.match(text)
    if not found:
        raise UsageError(f'"{text}" is not a size', "write 300K, 5M or 2G")
    return int(float(found[1]) * (1 << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]))


def parse_share(text: str, example: str = "10%") -> float:
    """Read a share of the whole, such as `10%`, as 0 to 1."""
    digits = text.removesuffix("%")
    if not (digits.isascii() and digits.isdecimal()) or int(digits) > 100:
        raise UsageError(f'"{text}" is not a share', f"write {example}")
    return int(digits) / 100
