"""What the two ways to Exchange share: how an item is told from its earlier versions. Pure.

An item's key is its id and, behind a `~`, a mark of its content: an item that was edited has another key, so the
version that is archived stays archived, and the new one is archived beside it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping

from archiver.model import Change, Flags, New, Ref, Reflagged, Remote, Vanished

ANSWERED = "\\Answered"
REPLIED_TO_SENDER, REPLIED_TO_ALL, FORWARDED_ON = 102, 103, 104
"""Values of PidTagLastVerbExecuted, 0x1081 ([MS-OXOMSG] section 2.2.1.5)."""


def epoch_of(folder_id: str) -> str:
    """Make the epoch of a folder: as long as it is the same folder, it has the same id."""
    return "exchange." + hashlib.sha256(folder_id.encode()).hexdigest()[:16]


def mark_of(*told: object) -> str:
    """Condense what tells one content of an item from another: 8 hex digits."""
    return hashlib.sha256("\0".join(map(str, told)).encode("utf-8", "replace")).hexdigest()[:8]


def key_of(item_id: str, mark: str) -> str:
    """Make the key of an item; ids are case-sensitive and hold no `~`."""
    return f"{item_id}~{mark}"


def id_of(key: str) -> str | None:
    """Give the id in a key; None for what is none of ours."""
    item_id, found, mark = key.rpartition("~")
    return item_id if found and item_id and re.fullmatch("k?[0-9a-f]{8}", mark) else None


def differences(
    folder: str, epoch: str, told: Mapping[str, Remote | None], known: Mapping[str, Flags], *, whole: bool
) -> Iterator[Change]:
    """Tell what changed in a folder: `told` is id -> the item as it is now, None for one that is gone.

    Where `told` is the `whole` folder, what it lacks is gone. An item that is told again as it is known is nothing.
    """
    keys: dict[str, list[str]] = {}
    for key in known:
        keys.setdefault(id_of(key) or "", []).append(key)
    ended: list[str] = []
    for item_id, remote in told.items():
        had = keys.pop(item_id, [])
        now = None if remote is None else remote.ref.key
        if remote is not None and now not in had:
            yield New(remote)
        elif remote is not None and known[remote.ref.key] != remote.flags:
            yield Reflagged(remote.ref, remote.flags)
        ended += [key for key in had if key != now]
    if whole:
        ended += [key for had in keys.values() for key in had]
    for key in ended:
        yield Vanished(Ref(folder, epoch, key))
