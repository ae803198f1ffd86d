"""What to repair and how: which leftovers may be removed, and where each message in doubt is had from."""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from archiver.model import Entry, Place


class Leftover(Struct, frozen=True):
    """Something in a chain's folder that no manifest names.

    `run` is the number of the run that wrote it, by its name; None where archiver gives no such name.
    """

    path: str
    run: int | None
    unfinished: bool = False


class Sweep(Struct, frozen=True):
    """What is removed, what is a stranger's and stays, and what stays since it may be needed yet."""

    remove: tuple[Leftover, ...] = ()
    strangers: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


def plan_sweep(leftovers: Iterable[Leftover], head: int) -> Sweep:
    """Sort what no manifest of a sound chain names; `head` is the number of its last run.

    A run that was cut short was the one behind the head, or an earlier try at a run that is there. What a later
    run wrote proves that manifests are missing at the end of the chain: then nothing is removed.
    """
    found = sorted(leftovers, key=lambda one: one.path)
    ours = tuple(one for one in found if one.run is not None)
    strangers = tuple(one.path for one in found if one.run is None)
    if any(one.run is not None and one.run > head + 1 for one in ours):
        return Sweep((), strangers, tuple(one.path for one in ours))
    return Sweep(ours, strangers)


class Way(StrEnum):
    """Where the bytes of a message in doubt are had from, the best way first."""

    COPY = "copy"  # another stored copy, which is sound
    SALVAGE = "salvage"  # the damaged object itself, where the message is whole
    FETCH = "fetch"  # the server
    LOST = "lost"


Stored: TypeAlias = tuple[str, Place]
"""The digest of a message, and a place where its bytes should be."""


class Doubt(Struct, frozen=True):
    """A message with a stored copy in a damaged object, or lost: the entries that are.

    `sources` are entries of the same digest, one for each place, those in sound objects first.
    """

    digest: str
    entries: tuple[Entry, ...]
    sources: tuple[Entry, ...]


class Mend(Struct, frozen=True):
    """How a message in doubt is made good: `entries` get the copy that `source` has, or that the server has."""

    digest: str
    entries: tuple[Entry, ...]
    way: Way
    source: Entry


def find_doubts(entries: Iterable[Entry], bad: Collection[str]) -> list[Doubt]:
    """Find the messages that have a copy in a damaged object (`bad`: keys), by the order of the entries.

    Those that were lost once are among them: the object may have been put back since.
    """
    kept = list(entries)
    pointing: dict[str, list[Entry]] = {}
    for entry in kept:
        if entry.lost or entry.place.volume in bad:
            pointing.setdefault(entry.digest, []).append(entry)
    sources: dict[str, dict[Place, Entry]] = {digest: {} for digest in pointing}
    for entry in kept:
        if entry.digest in sources:
            sources[entry.digest].setdefault(entry.place, entry)
    return [
        Doubt(
            digest,
            tuple(some),
            tuple(sorted(sources[digest].values(), key=lambda one: one.place.volume in bad)),
        )
        for digest, some in pointing.items()
    ]


def plan_mends(
    doubts: Iterable[Doubt], bad: Collection[str], readable: Collection[Stored], *, server: bool
) -> list[Mend]:
    """Choose a way for each message; `readable` tells where it was read, `server` whether one can be asked."""
    return [_mend(doubt, bad, readable, server=server) for doubt in doubts]


def _mend(doubt: Doubt, bad: Collection[str], readable: Collection[Stored], *, server: bool) -> Mend:
    for source in doubt.sources:
        if (doubt.digest, source.place) in readable:
            way = Way.SALVAGE if source.place.volume in bad else Way.COPY
            return Mend(doubt.digest, doubt.entries, way, source)
    there = [entry for entry in doubt.entries if not entry.vanished]
    way = Way.FETCH if server and there else Way.LOST
    return Mend(doubt.digest, doubt.entries, way, doubt.entries[0])


def of_way(mends: Sequence[Mend], *ways: Way) -> list[Mend]:
    """Choose the mends of some ways."""
    return [mend for mend in mends if mend.way in ways]
