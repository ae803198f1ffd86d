"""How much was downloaded from an account in the last day, kept on this machine, for providers that set a limit.

Gmail lets 2,500 MB a day be downloaded by IMAP, and then closes the account to IMAP for hours
(https://support.google.com/a/answer/1071518); so archiver stops by itself before that.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

HOUR_S = 3600
DAY_H = 24
WRITE_EVERY = 16 << 20  # bytes; a killed run forgets at most this much


class DailyLimit:
    """See `Allowance`: at most `limit` bytes in any 24 hours, by the hour. `clock` gives seconds since 1970."""

    def __init__(self, path: Path, limit: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self.limit = limit
        self._clock = clock
        self._unwritten = 0
        self._hours = _read(path)

    def left(self) -> int:
        """Tell how much is left now."""
        return self.limit - sum(self._last_day().values())

    def spend(self, size: int) -> None:
        """Note what was downloaded."""
        hour = int(self._clock() // HOUR_S)
        self._hours[hour] = self._hours.get(hour, 0) + size
        self._unwritten += size
        if self._unwritten >= WRITE_EVERY:
            self.close()

    def close(self) -> None:
        """Write it down."""
        if not self._unwritten:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_suffix(".tmp")
        new.write_text(json.dumps({str(hour): size for hour, size in self._last_day().items()}))
        new.replace(self._path)
        self._unwritten = 0

    def _last_day(self) -> dict[int, int]:
        now = int(self._clock() // HOUR_S)
        return {hour: size for hour, size in self._hours.items() if now - DAY_H < hour <= now}


def _read(path: Path) -> dict[int, int]:
    """Read what was noted; what cannot be read is forgotten: it is a courtesy, and no proof of anything."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return {int(hour): int(size) for hour, size in json.loads(path.read_text()).items()}
    return {}
