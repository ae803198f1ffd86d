"""Which message is which: numbers of one session on one side, keys that last on the other. Pure.

A number means nothing beyond its session. The id that UIDL tells lasts, but servers leave it out, leave it blank,
tell one id for several messages, and may give the id of a deleted message to a new one (RFC 1939 section 7 allows
that). So the key of a message is its id *and* its size: an id that comes back with another size is another
message. A message whose id is of no use is known by its content alone, which has to be read for that: its key is
`=` and the SHA-256 of its bytes, with a counter behind where several are equal.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

_LONGEST_ID = 500
"""The RFC says 70; servers have longer ones, which serve as well."""


class Row(Struct, frozen=True):
    """A message in one session. Without `key` it is known by its content alone; `told` is its id, of use or not."""

    number: int
    size: int | None
    key: str | None
    told: str = ""


def rows(sizes: Mapping[int, int | None], ids: Mapping[int, bytes]) -> list[Row]:
    """Put together what LIST and UIDL say, by number."""
    often = Counter(ids.values())
    found = []
    for number in sorted(sizes.keys() | ids.keys()):
        size, told = sizes.get(number), ids.get(number, b"")
        usable = size is not None and often[told] == 1 and _is_usable(told)
        text = told.decode("ascii", "replace")
        found.append(Row(number, size, f"{text}:{size}" if usable else None, text))
    return found


def _is_usable(told: bytes) -> bool:
    return 0 < len(told) <= _LONGEST_ID and all(0x21 <= byte <= 0x7E for byte in told)


def id_of(key: str) -> str | None:
    """Give the server's id within a key; None in one made of content."""
    told, colon, size = key.rpartition(":")
    return told if colon and size.isdecimal() else None


def size_of(key: str) -> int | None:
    """Give the size within a key; None in one made of content."""
    return int(key.rpartition(":")[2]) if id_of(key) is not None else None


def is_unreadable(key: str) -> bool:
    """Tell whether a key stands for a message that has no id and could not be read."""
    return key.startswith("=?")


def digest_of(key: str) -> str:
    """Give the SHA-256 within a key that is made of content."""
    return key[1:].partition(".")[0]


class ContentKeys:
    """Makes keys of contents, in the order in which they are listed."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def unreadable(self, size: int | None) -> str:
        """Give a key to a message that has no id and cannot be read: it stands for it until it can."""
        return self.next(f"?{size or 0}")

    def next(self, digest: str) -> str:
        """Give the key of the next message of this content: `=3f9a…`, then `=3f9a….2`."""
        self._seen[digest] += 1
        often = self._seen[digest]
        return f"={digest}" if often == 1 else f"={digest}.{often}"


def digest(raw: bytes) -> str:
    """Hash a content."""
    return hashlib.sha256(raw).hexdigest()


def token(keys: list[str]) -> str:
    """Condense a listing into a cursor's token: equal listings, and no others, have equal tokens."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]
