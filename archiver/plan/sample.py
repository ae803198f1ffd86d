"""What a check looks at that may not look at all: objects that were not read for longest, messages by chance. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from archiver.model import Manifest, Sealed
from archiver.ports import Reading

T = TypeVar("T")


class Drawn(Struct, Generic[T]):
    """Some of many, and how many those were."""

    drawn: list[T]
    of: int


def draw(items: Iterable[T], count: int, roll: Callable[[int], int]) -> Drawn[T]:
    """Draw up to `count` of the items, each as likely as any other, holding no more than those at a time.

    `roll(n)` gives a number from 0 to n - 1. Algorithm R (Vitter, Random Sampling with a Reservoir, 1985).
    """
    drawn: list[T] = []
    seen = 0
    for item in items:
        seen += 1
        if len(drawn) < count:
            drawn.append(item)
        elif (place := roll(seen)) < count:
            drawn[place] = item
    return Drawn(drawn, seen)


def objects_of(runs: Sequence[Manifest]) -> dict[str, tuple[Sealed, datetime]]:
    """Give the objects that a chain has still, by key, in its order, with the time at which each was written."""
    dropped = {drop.key for run in runs for drop in run.drops}
    return {one.key: (one, run.time) for run in runs for one in run.objects if one.key not in dropped}


def oldest(
    objects: Mapping[str, tuple[Sealed, datetime]], last: Mapping[str, Reading], share: float
) -> frozenset[str]:
    """Choose objects that hold together at least `share` (0 to 1) of all bytes; the order of `objects` breaks ties.

    What was never read counts from when it was written, so that new objects do not push the old ones back: with a
    tenth at a time, each object is read again after ten times at the latest, however the archive grows. What was
    found damaged is read each time, beside the others: until it is mended, each check has to tell it.
    """
    unsound = {key for key, one in last.items() if not one.sound and key in objects}
    queue = [key for key in objects if key not in unsound]
    queue.sort(key=lambda key: last[key].at if key in last else objects[key][1])  # stable
    left = share * sum(objects[key][0].size for key in queue)
    chosen = set(unsound)
    for key in queue:
        if left <= 0:
            break
        chosen.add(key)
        left -= objects[key][0].size
    return frozenset(chosen)


def read_since(
    objects: Mapping[str, tuple[Sealed, datetime]], last: Mapping[str, Reading]
) -> datetime | None:
    """Tell since when every object was read, and found to be sound; None where one was not yet."""
    if not objects or any(key not in last or not last[key].sound for key in objects):
        return None
    return min(last[key].at for key in objects)
