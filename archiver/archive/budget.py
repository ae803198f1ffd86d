"""What is in flight between servers and the store, bounded in bytes for all runs of this process together."""

import threading
from collections import deque


class Share:
    """What one packer has of a budget. Its failure ends its own waiting, and nobody else's."""

    def __init__(self, budget: "Budget") -> None:
        self._budget = budget
        self.held = 0  # bytes; changed by the budget alone
        self.failure: BaseException | None = None

    def take(self, size: int) -> None:
        """Wait for room; what is larger than the whole budget goes alone. Raises the failure, if any."""
        self._budget.take(self, size)

    def give(self, size: int) -> None:
        """Free room."""
        self._budget.give(self, size)

    def fail(self, failure: BaseException) -> None:
        """Wake whoever waits here, with a failure."""
        self.failure = self.failure or failure
        self._budget.give(self, 0)

    def close(self) -> None:
        """Free what is held still: nothing of it is in flight any more."""
        self._budget.give(self, self.held)


class Budget:
    """Bounds the bytes in flight; who came first has room first, so that a long frame is not passed for ever."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._queue: deque[Share] = deque()
        self._changed = threading.Condition()

    def take(self, share: Share, size: int) -> None:
        """See `Share.take`."""
        with self._changed:
            self._queue.append(share)
            try:
                self._changed.wait_for(lambda: share.failure or self._has_room(share, size))
                if share.failure:
                    raise share.failure
                self._used += size
                share.held += size
            finally:
                self._queue.remove(share)
                self._changed.notify_all()

    def give(self, share: Share, size: int) -> None:
        """See `Share.give`."""
        with self._changed:
            self._used -= size
            share.held -= size
            self._changed.notify_all()

    def _has_room(self, share: Share, size: int) -> bool:
        return self._queue[0] is share and (not self._used or self._used + size <= self._limit)
