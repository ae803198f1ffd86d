"""Sets of UIDs as compact ranges (RFC 3501 section 9, `sequence-set`): pure, bounded, lossless.

A set is a list of inclusive ranges `(low, high)`, ascending and apart, so that a server's `1:4294967295`
costs one pair and not four thousand million numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Ranges: TypeAlias = Sequence[tuple[int, int]]

LAST = 4_294_967_295
"""The highest UID there can be (RFC 3501 section 2.3.1.1): 32 bits, unsigned."""


class BadSet(ValueError):
    """The text is no set of UIDs."""


def ranges(uids: Iterable[int]) -> list[tuple[int, int]]:
    """Gather UIDs, in any order and with repeats, into ranges."""
    found: list[tuple[int, int]] = []
    low = high = -1
    for uid in sorted(set(uids)):
        if uid == high + 1 and low >= 0:
            high = uid
            continue
        if low >= 0:
            found.append((low, high))
        low = high = uid
    if low >= 0:
        found.append((low, high))
    return found


def merged(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Put ranges in order and join those that touch or overlap."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if found and low <= found[-1][1] + 1:
            if high > found[-1][1]:
                found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def count(pairs: Ranges) -> int:
    """Tell how many UIDs the ranges hold."""
    return sum(high - low + 1 for low, high in pairs)


def below(pairs: Ranges, limit: int) -> list[tuple[int, int]]:
    """Keep what is under `limit`."""
    return [(low, min(high, limit - 1)) for low, high in pairs if low < limit]


def each(pairs: Ranges) -> Iterator[int]:
    """Give every UID; only for sets whose `count` is known to be bounded."""
    for low, high in pairs:
        yield from range(low, high + 1)


def write(pairs: Ranges) -> bytes:
    """Write a set as a command wants it: `1:5,7,9:12`. One UID is a plain number (PMDF refuses `1:1`)."""
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in pairs)


def of(uids: Iterable[int]) -> bytes:
    """Write UIDs, in any order, as a set."""
    return write(ranges(uids))


def read(text: bytes) -> list[tuple[int, int]]:
    """Read a set as a server writes it; `7:3` means `3:7`, UID 0 is no UID. Raises `BadSet`."""
    pairs = []
    for part in text.split(b","):
        low, colon, high = part.partition(b":")
        if not low.isdigit() or (colon and not high.isdigit()) or len(part) > 21:
            raise BadSet("not a set of UIDs")
        first = int(low)
        last = int(high) if colon else first
        first, last = min(first, last), min(max(first, last), LAST)
        if last >= 1 and first <= LAST:
            pairs.append((max(first, 1), last))
    return merged(pairs)


def in_order(text: bytes, most: int) -> list[int]:
    """Read a set as the list that it stands for, in its own order, repeats kept: `7,3:4` is 7, 3, 4.

    COPYUID pairs two sets so (RFC 4315 section 3), each range from its lower to its higher end. Raises
    `BadSet`, also for one of more than `most` UIDs.
    """
    found: list[int] = []
    for part in text.split(b","):
        for low, high in read(part):
            if high - low >= most - len(found):
                raise BadSet("more UIDs than were asked for")
            found += range(low, high + 1)
    return found


def sets(uids: Iterable[int], size: int) -> Iterator[bytes]:
    """Write UIDs as sets of at most `size` bytes each, so that no command grows too long for a server."""
    part: list[bytes] = []
    length = 0
    for pair in ranges(uids):
        text = write([pair])
        if part and length + len(text) > size:
            yield b",".join(part)
            part, length = [], 0
        part.append(text)
        length += len(text) + 1
    if part:
        yield b",".join(part)
