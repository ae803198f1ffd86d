"""Which run a time means, where the clock of the machine was wrong in some nights."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime


def runs_until(times: Sequence[datetime], until: datetime) -> int:
    """Give how many runs there were at a time. `times` are those that the runs name, in the order of the runs.

    Runs were made one after another, so a time that contradicts those of more other runs is taken for that of a
    clock that was wrong. Such a run counts from the next one on whose time fits in, the last ones at once.
    """
    count = 0
    for number in _in_order(times):
        if times[number] > until:
            return count
        count = number + 1
    return len(times)


def _in_order(times: Sequence[datetime]) -> list[int]:
    """Choose as many as there can be whose times never go back: the longest non-decreasing subsequence."""
    tails: list[int] = []  # of the sequences of each length, the end with the earliest time
    ends: list[datetime] = []
    before: list[int | None] = []
    for number, time in enumerate(times):
        length = bisect_right(ends, time)
        before.append(tails[length - 1] if length else None)
        tails[length : length + 1], ends[length : length + 1] = [number], [time]
    chosen: list[int] = []
    last = tails[-1] if tails else None
    while last is not None:
        chosen.append(last)
        last = before[last]
    return chosen[::-1]
