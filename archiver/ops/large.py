"""Large messages, where several accounts are pulled at a time: one of them in memory, not one for each account."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from archiver.errors import Interrupted
from archiver.model import Change, Cursor, Folder, Message, Missed, Remote
from archiver.ports import Account, Known

LARGE = 8 << 20  # bytes; those below are many in flight anyway
_LONGEST_WAIT_S = 600.0  # a server that brings a message by drops is not to keep those of others
_LOOK_S = 0.2


class OneLargeAtATime:
    """An account that waits for its turn before it fetches a large message; all that share `turn` take turns.

    Raises `Interrupted` from `fetch` where `stop` says so while it waits.
    """

    def __init__(self, account: Account, turn: threading.Semaphore, stop: Callable[[], bool]) -> None:
        self._account = account
        self._turn = turn
        self._stop = stop
        self._has_turn = False

    def folders(self) -> Sequence[Folder]:
        """See `Account.folders`."""
        return self._account.folders()

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """See `Account.changes`."""
        return self._account.changes(folder, since, known)

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """See `Account.message_ids`."""
        return self._account.message_ids(remotes)

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """See `Account.fetch`: the small ones as ever, then each large one by itself."""
        large = [remote for remote in remotes if (remote.size or 0) >= LARGE]
        if len(large) < len(remotes):
            small = [remote for remote in remotes if (remote.size or 0) < LARGE] if large else remotes
            yield from self._account.fetch(small)
        for remote in large:
            self._take_turn()
            try:
                # whoever takes it asks for more only when it is on its way to the disk
                yield from self._account.fetch([remote])
            finally:
                self._end_turn()

    def close(self) -> None:
        """See `Account.close`; the turn ends too, whatever still refers to a fetch that was not ended."""
        self._end_turn()
        self._account.close()

    def _take_turn(self) -> None:
        until = time.monotonic() + _LONGEST_WAIT_S
        while not self._turn.acquire(timeout=_LOOK_S):
            if self._stop():
                raise Interrupted("stopped as asked", "run again to go on; what was pulled is committed")
            if time.monotonic() >= until:
                return
        self._has_turn = True

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn.release()
