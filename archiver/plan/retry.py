"""When what failed is tried again: only what trying later may cure, more patiently each time, and not for ever."""

import re

from msgspec import Struct

from archiver.errors import ArchiverError, Locked, UsageError

FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 900.0
LOCK_PAUSE_S = 2.0  # a lock costs nothing to look at, and the run that holds it may end at any moment
_FACTOR = 4
_DURATION = re.compile(r"(\d{1,6})([smh])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Patience(Struct, frozen=True):
    """How often an account is tried again, and for how many seconds a lock is waited for."""

    retries: int = 0
    lock_s: float = 0.0


def backoff_s(tries: int, spread: float, first_s: float, longest_s: float) -> float:
    """Tell how long to wait after so many tries; `spread`, 0.5 to 1, keeps many clients from coming back at once."""
    return min(longest_s, first_s * float(_FACTOR ** min(tries - 1, 16))) * spread


def pause_s(
    error: Exception, failures: int, locked_s: float, patience: Patience, spread: float
) -> float | None:
    """Tell how long to wait before an account is tried again; None where it is not.

    `failures` counts those that trying later may cure, this one among them; `locked_s` is how long the lock has
    been waited for. A refused login, and all else that needs somebody, is not tried again.
    """
    if isinstance(error, Locked):
        left = patience.lock_s - locked_s
        return min(LOCK_PAUSE_S, left) if left > 0 else None
    if isinstance(error, ArchiverError) and error.transient and failures <= patience.retries:
        return backoff_s(failures, spread, FIRST_PAUSE_S, LONGEST_PAUSE_S)
    return None


def parse_duration(text: str) -> float:
    """Read a time to wait such as `90s`, `5m` or `1h`, in seconds. Raises `UsageError`."""
    found = _DURATION.match(text)
    if found is None:
        raise UsageError(f'"{text}" is not a time to wait', "write 30s, 5m or 1h")
    return float(int(found[1]) * _SECONDS[found[2]])
