"""Decide which bodies to ask for next, and what a refusal means: pure, one small state machine.

A batch that fails is halved until the bad message stands alone; that one is asked for again in other ways
and, if nothing helps, is missed. None of this stops its neighbours.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from archiver.accounts.imap import uidset
from archiver.accounts.reasons import DROPPED, EMPTY, GONE, UNANSWERED
from archiver.model import Missed, Remote

BATCH_MESSAGES = 500
"""Most UIDs in one command: 5,500 bytes at most. Office 365 and Yandex refuse long lines (MailKit#834)."""

BATCH_BYTES = 8 << 20
"""Most bytes asked for at once, by the server's own hints; a larger message goes alone."""

STRIKES = 2
"""How often the line may drop at one message before it is given up (Yahoo, MailKit#358)."""


class Batch(Struct, frozen=True):
    """What is asked for at once. `alone` waits until nothing else is in flight, `parts` asks by pieces."""

    uids: tuple[int, ...]
    alone: bool = False
    parts: bool = False
    reason: str = ""


class Retrieval:
    """Which messages are outstanding, and what to ask next."""

    def __init__(self, remotes: Iterable[Remote]) -> None:
        self.outstanding: dict[int, Remote] = {}
        self.missed: list[Missed] = []
        for remote in remotes:
            key = remote.ref.key
            if key.isdecimal() and 0 < int(key) <= uidset.LAST:
                self.outstanding[int(key)] = remote
            else:
                self.missed.append(Missed(remote, f'"{key}" is no UID'))
        self._strikes: Counter[int] = Counter()
        self._queue = deque(batches({uid: remote.size or 0 for uid, remote in self.outstanding.items()}))

    def next(self, in_flight: int) -> Batch | None:
        """Take the next batch; None if there is none now."""
        while self._queue:
            batch = self._queue[0]
            if (batch.alone or batch.parts) and in_flight:
                return None
            self._queue.popleft()
            left = tuple(uid for uid in batch.uids if uid in self.outstanding)
            if left:
                return Batch(left, batch.alone, batch.parts, batch.reason)
        return None

    def arrived(self, uid: int) -> Remote | None:
        """Take a message whose body came; None if it was not, or no longer, asked for."""
        return self.outstanding.pop(uid, None)

    def give_up(self, uid: int, reason: str) -> None:
        """Call a message missed."""
        remote = self.outstanding.pop(uid, None)
        if remote is not None:
            self.missed.append(Missed(remote, reason))

    def has_more(self) -> bool:
        """Tell whether anything is left to ask for."""
        return bool(self.outstanding and self._queue)

    def give_up_rest(self) -> None:
        """Call missed what is outstanding in the end: every message is given or missed."""
        for uid in list(self.outstanding):
            self.give_up(uid, UNANSWERED)

    def take_missed(self) -> list[Missed]:
        """Take what was given up since the last call."""
        taken, self.missed = self.missed, []
        return taken

    def bodiless(self, uid: int, reason: str = EMPTY) -> None:
        """Note that the server answered without a body: it is asked for once more, in parts."""
        if uid in self.outstanding:
            self._queue.append(Batch((uid,), parts=True, reason=reason))

    def answered(self, batch: Batch, *, nameless: bool = False) -> None:
        """Note the OK of a batch: what did not come is asked for singly, then it is gone.

        With `nameless` (bodies came without UID) each is asked for alone, so that it is known whose it is.
        """
        left = self._left(batch)
        if len(batch.uids) == 1:
            for uid in left:
                self.give_up(uid, GONE)
        else:
            self._queue.extend(Batch((uid,), alone=nameless) for uid in left)

    def refused(self, batch: Batch, reason: str) -> None:
        """Note the NO or BAD of a batch: what did not come is halved, then asked for in parts."""
        left = self._left(batch)
        if len(batch.uids) == 1:
            for uid in left:
                self._queue.append(Batch((uid,), parts=True, reason=reason))
        elif len(left) == 1:
            self._queue.append(Batch(left))
        elif left:
            middle = len(left) // 2
            self._queue.extendleft((Batch(left[middle:]), Batch(left[:middle])))

    def dropped(self, batches_in_flight: Sequence[Batch], suspect: int | None) -> None:
        """Note that the line dropped; `suspect` is the message that was being read, where that is known.

        All that was in flight is asked for again; the suspect last and alone, so that a second drop is its
        own.
        """
        if suspect not in self.outstanding:
            suspect = next(
                (uid for batch in batches_in_flight for uid in batch.uids if uid in self.outstanding), None
            )
        if suspect is not None:
            self._strikes[suspect] += 1
            if self._strikes[suspect] >= STRIKES:
                self.give_up(suspect, DROPPED)
        for batch in reversed(batches_in_flight):
            rest = tuple(uid for uid in batch.uids if uid in self.outstanding and uid != suspect)
            if rest:
                self._queue.appendleft(Batch(rest, batch.alone, batch.parts, batch.reason))
        if suspect in self.outstanding:
            self._queue.append(Batch((suspect,), alone=True))

    def again(self, batches_in_flight: Sequence[Batch]) -> None:
        """Ask again for all that was in flight, blaming no message: the server was busy."""
        self._queue.extendleft(reversed(batches_in_flight))

    def _left(self, batch: Batch) -> tuple[int, ...]:
        waiting = {uid for queued in self._queue if queued.parts for uid in queued.uids}
        return tuple(uid for uid in batch.uids if uid in self.outstanding and uid not in waiting)


def batches(sizes: Mapping[int, int]) -> Iterator[Batch]:
    """Cut messages (UID -> bytes they may bring), by ascending UID, into batches neither long nor large."""
    uids: list[int] = []
    size = 0
    for uid in sorted(sizes):
        more = sizes[uid]
        if uids and (len(uids) >= BATCH_MESSAGES or size + more > BATCH_BYTES):
            yield Batch(tuple(uids))
            uids, size = [], 0
        uids.append(uid)
        size += more
    if uids:
        yield Batch(tuple(uids))
