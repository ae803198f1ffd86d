"""Decide how to learn what changed in a folder: pure, from what the server can do, the cursor and its counts.

A cursor's token is `uidnext=4712 modseq=991 messages=20000`: all messages under UIDNEXT were told, their
flags up to MODSEQ, and they were so many. `labels` at its end says that labels were told with the flags. A cheap
way is believed only if the server's own count fits.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto

from msgspec import Struct

from archiver.accounts.imap import epoch, quirks, uidset
from archiver.accounts.imap.events import Fetched
from archiver.model import Cursor, Flags

WINDOW = 10_000
"""Messages listed at a time: about 1 MB of the line, 10 MB of memory, read to the end before any is told."""

LISTING = b"UID FLAGS INTERNALDATE RFC822.SIZE"
FLAGS = b"UID FLAGS"

_TOKEN = re.compile(r"(?:uidnext=(\d{1,10}) )?(?:modseq=(\d{1,19}) )?messages=(\d{1,10})( labels)?")


class Token(Struct, frozen=True):
    """What the text of a cursor says."""

    messages: int
    uidnext: int | None = None
    modseq: int | None = None
    labels: bool = False


def read_token(text: str) -> Token | None:
    """Read a cursor's token; None for text that is none, which costs a full listing and no more."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return None
    uidnext, modseq, messages, labels = found.groups()
    return Token(
        int(messages), int(uidnext) if uidnext else None, int(modseq) if modseq else None, labels is not None
    )


def write_token(token: Token) -> str:
    """Write a cursor's token."""
    parts = [f"uidnext={token.uidnext}"] if token.uidnext is not None else []
    if token.modseq is not None:
        parts.append(f"modseq={token.modseq}")
    parts.append(f"messages={token.messages}")
    return " ".join([*parts, "labels"] if token.labels else parts)


class Snapshot(Struct, frozen=True):
    """A folder at the moment it was opened. Only what is under `uidnext` is told from it."""

    epoch: str
    exists: int
    uidnext: int | None = None
    modseq: int | None = None


class Way(Enum):
    """How to learn what changed."""

    FIRST = auto()  # tell everything as new
    QRESYNC = auto()  # the server told flags and what vanished when the folder was opened
    CONDSTORE = auto()  # ask for changed flags; count
    FULL = auto()  # list all UIDs and flags, and compare


def way(since: Cursor | None, now: Snapshot, *, condstore: bool, qresync: bool, labels: bool = False) -> Way:
    """Choose the cheapest way that cannot lie. With `labels` the folder's messages have some.

    A MODSEQ or UIDNEXT that went backwards under the same UIDVALIDITY (closeio/sync-engine#943) is a server
    that lost its memory: everything is compared.
    """
    if since is None or since.epoch != now.epoch:
        return Way.FIRST
    token = read_token(since.token)
    if token is None or token.uidnext is None or token.modseq is None:
        return Way.FULL
    if labels and not token.labels:  # archived without them: all are told now
        return Way.FULL
    if now.modseq is None or now.modseq < token.modseq or now.uidnext is None or now.uidnext < token.uidnext:
        return Way.FULL
    if qresync:
        return Way.QRESYNC
    return Way.CONDSTORE if condstore else Way.FULL


def is_unchanged(since: Cursor, status: Mapping[str, int], owner: str) -> bool:
    """Tell whether a STATUS proves that nothing changed; without HIGHESTMODSEQ flags could have."""
    token = read_token(since.token)
    if token is None or token.uidnext is None or token.modseq is None:
        return False
    return (
        epoch.read(since.epoch, owner) == status.get("UIDVALIDITY", 0)
        and status.get("UIDNEXT") == token.uidnext
        and status.get("MESSAGES") == token.messages
        and quirks.modseq(status.get("HIGHESTMODSEQ")) == token.modseq
    )


def fits(total: int, exists: int, expunged: int = 0) -> bool:
    """Tell whether our count is the server's; `expunged` messages went while we counted."""
    return exists - expunged <= total <= exists


def edges(first: int, last: int, window: int = WINDOW) -> list[int]:
    """Give the message numbers that end each window but the last, of the messages `first` to `last`."""
    return list(range(first + window - 1, last, window))


def windows(low: int, uidnext: int | None, ends: Iterable[int]) -> list[tuple[int, int]]:
    """Cut the UIDs from `low` up to UIDNEXT at the UIDs `ends`; however odd these, nothing falls between."""
    high = uidnext - 1 if uidnext is not None else uidset.LAST
    cuts = sorted({end for end in ends if low <= end < high})
    starts = [low, *(cut + 1 for cut in cuts)]
    return [(start, end) for start, end in zip(starts, [*cuts, high], strict=True) if start <= end]


def rows(found: Sequence[Fetched], low: int, high: int) -> dict[int, Fetched]:
    """Gather what a listing told, by UID, ascending.

    Lines without a UID, with UID 0, or of other messages came unasked. Of two lines for one message, each
    item is taken from the later one that has it.
    """
    gathered: dict[int, Fetched] = {}
    for row in found:
        uid = row.uid
        if uid is None or not low <= uid <= high:
            continue
        before = gathered.get(uid)
        gathered[uid] = row if before is None else _joined(before, row)
    if any(later < earlier for earlier, later in zip(gathered, list(gathered)[1:], strict=False)):
        return dict(sorted(gathered.items()))
    return gathered


def _joined(before: Fetched, after: Fetched) -> Fetched:
    return Fetched(
        after.number,
        after.uid,
        before.flags if after.flags is None else after.flags,
        before.received if after.received is None else after.received,
        before.size if after.size is None else after.size,
        labels=before.labels if after.labels is None else after.labels,
    )


def compare(
    listed: Mapping[int, Fetched],
    known: Mapping[int, Flags],
    also: Callable[[int], Flags] = lambda uid: frozenset(),
) -> tuple[list[int], dict[int, Flags]]:
    """Tell which UIDs of a listing are new, and which known ones have other flags now.

    `also` gives flags that a message has beside those of the listing.
    """
    new = [uid for uid in listed if uid not in known]
    reflagged = {
        uid: row.flags | also(uid)
        for uid, row in listed.items()
        if row.flags is not None and uid in known and known[uid] != row.flags | also(uid)
    }
    return new, reflagged
