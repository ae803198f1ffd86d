"""What to fetch, what to bind to what is held, and whether a folder is accounted for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from archiver.model import Entry, Folder, Remote
from archiver.plan.globs import matches


class Selection(Struct, frozen=True):
    """Which folders and messages a pull takes. Globs match whole folder names, case and all.

    `since` is about the date of receipt; a message without one is taken.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: datetime | None = None

    def takes_folder(self, folder: Folder) -> bool:
        """Tell whether the rules take this folder. What lies below an excluded folder is excluded too."""
        return (not self.include or _matches(folder.name, self.include)) and not _matches(
            folder.name, self.exclude
        )

    def takes(self, remote: Remote) -> bool:
        """Tell whether the rules take this message."""
        return self.since is None or remote.received is None or remote.received >= self.since


def _matches(name: str, globs: Sequence[str]) -> bool:
    return matches(name, globs) or matches(name, [glob.rstrip("/") + "/*" for glob in globs])


class Fingerprint(Struct, frozen=True):
    """What two listings of one message agree in, whatever its UID."""

    size: int
    received: datetime


class Candidate(Struct, frozen=True):
    """A listed message that is probably one that is held: equal fingerprint, and no other like it."""

    remote: Remote
    entry: Entry
    message_id: str  # hashed, of the held message


def rebinding_candidates(
    new: Sequence[Remote], held: Iterable[tuple[Entry, str | None]]
) -> Sequence[Candidate]:
    """Pair messages after a change of UIDVALIDITY, where the pair is beyond doubt but for its Message-ID.

    A fingerprint that two messages share on either side, or a held message without Message-ID, is in
    doubt: it is fetched, and its digest decides.
    """
    of_new = Counter(_fingerprint(remote.size, remote.received) for remote in new)
    of_held: dict[Fingerprint, list[tuple[Entry, str | None]]] = {}
    for entry, message_id in held:
        fingerprint = _fingerprint(entry.named_size, entry.received)
        if fingerprint is not None:
            of_held.setdefault(fingerprint, []).append((entry, message_id))
    candidates = []
    for remote in new:
        fingerprint = _fingerprint(remote.size, remote.received)
        if fingerprint is None or of_new[fingerprint] > 1:
            continue
        match of_held.get(fingerprint, []):
            case [(entry, str(message_id))]:
                candidates.append(Candidate(remote, entry, message_id))
    return candidates


def confirmed(candidates: Sequence[Candidate], message_ids: Mapping[str, str]) -> Sequence[Candidate]:
    """Keep the pairs of equal Message-ID; `message_ids` is key -> hashed Message-ID as listed now."""
    return [one for one in candidates if message_ids.get(one.remote.ref.key) == one.message_id]


def _fingerprint(size: int | None, received: datetime | None) -> Fingerprint | None:
    return Fingerprint(size, received) if size is not None and received is not None else None


class Balance(Struct, frozen=True):
    """The account of completeness of one folder: what the server has, and where each of it went."""

    exists: int
    held: int
    missed: int = 0
    excluded: int = 0
    gone: int = 0  # vanished between the listing and the fetch
    waiting: int = 0  # for another day: the daily limit is reached

    @property
    def unexplained(self) -> int:
        """Messages on the server that nothing explains; negative where more is held than is there."""
        return self.exists - self.held - self.missed - self.excluded - self.gone - self.waiting


def affordable(remotes: Sequence[Remote], left: int, limit: int) -> int:
    """Count how many of the first messages fit into `left` bytes, by the sizes that the server names.

    One that is larger than a whole day's `limit` may come where nothing else did.
    """
    fits = left
    for number, remote in enumerate(remotes):
        fits -= remote.size or 0
        if fits < 0:
            return number or int(left == limit)
    return len(remotes) if left > 0 else 0


def newest_first(remotes: Iterable[Remote]) -> list[Remote]:
    """Order messages by date of receipt, newest first; those without date come last."""
    return sorted(remotes, key=lambda one: one.received.timestamp() if one.received else 0.0, reverse=True)


def is_other_mailbox(*, held_before: int, recognised: int, new: int) -> bool:
    """Tell whether the mailbox is another one: something was held, none of it is left, all is new."""
    return held_before > 0 and recognised == 0 and new > 0
