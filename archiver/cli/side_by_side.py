"""Work on several accounts at a time, each in a thread of its own; the main thread supervises.

One account knows nothing of the others: it opens its archive, its catalog and its lines for itself. Signals come to
the main thread, which asks all to stop, and then cuts the lines of those whom a server keeps waiting.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from msgspec import Struct

from archiver.cli.stop import PATIENCE_S, Stop
from archiver.errors import ArchiverError, Interrupted, Locked
from archiver.plan.retry import Patience, pause_s
from archiver.plan.turns import Lane, Limits, next_turn
from archiver.ports import Account, CanBeCut

GRACE_S = 2.0  # for the message that is on its way when somebody asks to stop
_THREAD = "account "

R = TypeVar("R")


class Hold:
    """What the supervisor has of one account at work; the work asks it whether to stop, after each message."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._account: CanBeCut | None = None
        self._ended = False
        self.holds = False  # messages that are not committed yet

    def __call__(self) -> bool:
        """Tell whether to stop."""
        self.holds = True
        return self._stop.asked

    def take(self, account: Account) -> None:
        """Take the account whose lines may have to be cut."""
        if isinstance(account, CanBeCut):
            self._account = account
            if self._ended:
                account.cut()

    def cut(self) -> None:
        """End its waiting for a server."""
        self._ended = True
        if self._account is not None:
            self._account.cut()


class _Turn(Struct):
    """One account's place among those that wait."""

    number: int
    due: float = 0.0
    failures: int = 0
    locked_since: float | None = None


class SideBySide(Generic[R]):
    """Runs `work` once for each lane, and again as far as there is patience; as a context manager.

    `work` takes the number of its lane and its `Hold`. `retried` is told when a failure is to be tried again, in
    how many seconds.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        work: Callable[[int, Hold], R],
        limits: Limits,
        patience: Patience,
        retried: Callable[[int, ArchiverError, float], None],
    ) -> None:
        self._lanes = lanes
        self._work = work
        self._limits = limits
        self._patience = patience
        self._retried = retried
        self._waiting = [_Turn(number) for number in range(len(lanes))]
        self._running: dict[int, tuple[_Turn, Hold]] = {}
        self._results: dict[int, R | Exception] = {}
        self._ended: queue.SimpleQueue[tuple[int, R | BaseException] | None] = queue.SimpleQueue()
        self._asked_at: float | None = None

    def wake(self) -> None:
        """Have the supervisor look around; safe in a handler of signals."""
        self._ended.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, hold in self._running.values():
            hold.cut()

    def outcomes(self, stop: Stop) -> Iterator[R | Exception]:
        """Give what came of each, in the order of the lanes; `Interrupted` for those that never began.

        Raises `KeyboardInterrupt` where not all end soon after they were asked to.
        """
        for number in range(len(self._lanes)):
            while number not in self._results:
                self._look_around(stop)
            yield self._results.pop(number)

    def _look_around(self, stop: Stop) -> None:
        now = time.monotonic()
        if stop.asked:
            self._see_to_the_end(now)
        else:
            self._begin(stop, now)
        if not self._running and not self._waiting:
            return
        try:
            ended = self._ended.get(timeout=self._until_next(stop, now))
        except queue.Empty:
            return
        if ended is not None:
            self._take(*ended)

    def _begin(self, stop: Stop, now: float) -> None:
        """Start whoever may."""
        while True:
            due = [turn for turn in self._waiting if turn.due <= now]
            running = [self._lanes[number] for number in self._running]
            chosen = next_turn([self._lanes[turn.number] for turn in due], running, self._limits)
            if chosen is None:
                return
            turn, hold = due[chosen], Hold(stop)
            self._waiting.remove(turn)
            self._running[turn.number] = turn, hold
            # a daemon: one that hangs where nothing can be cut (a name is looked up) keeps no process alive
            name = f"{_THREAD}{turn.number}"
            threading.Thread(target=self._run, args=(turn.number, hold), name=name, daemon=True).start()

    def _run(self, number: int, hold: Hold) -> None:
        result: R | BaseException
        try:
            result = self._work(number, hold)
        except BaseException as error:  # noqa: BLE001, RUF100 -- the supervisor judges it
            result = error
        self._ended.put((number, result))

    def _take(self, number: int, result: R | BaseException) -> None:
        turn, _ = self._running.pop(number)
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
        if isinstance(result, ArchiverError):
            now = time.monotonic()
            if isinstance(result, Locked):
                turn.locked_since = now if turn.locked_since is None else turn.locked_since
            elif result.transient:
                turn.failures += 1
            locked_s = 0.0 if turn.locked_since is None else now - turn.locked_since
            spread = random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
            pause = pause_s(result, turn.failures, locked_s, self._patience, spread)
            if pause is not None:
                turn.due = now + pause
                self._waiting.append(turn)
                self._waiting.sort(key=lambda each: each.number)
                if not isinstance(result, Locked) or turn.locked_since == now:  # of a lock once
                    self._retried(number, result, pause)
                return
        self._results[number] = result

    def _see_to_the_end(self, now: float) -> None:
        """Let those at work come to their end, and cut them off from servers that keep them."""
        self._asked_at = now if self._asked_at is None else self._asked_at
        since = now - self._asked_at
        for turn in self._waiting:
            self._results[turn.number] = Interrupted("stopped as asked", "run again to go on")
        self._waiting.clear()
        for _, hold in self._running.values():
            if since >= GRACE_S or not hold.holds:
                hold.cut()
        held = any(hold.holds for _, hold in self._running.values())
        if self._running and since >= (PATIENCE_S if held else GRACE_S):
            raise KeyboardInterrupt

    def _until_next(self, stop: Stop, now: float) -> float | None:
        """Tell for how many seconds nothing is to be done unless an account ends; None for ever."""
        if stop.asked:
            return 0.2
        return min((turn.due - now for turn in self._waiting if turn.due > now), default=None)


def anyone_left() -> bool:
    """Tell whether an account is at work still: what hangs where nothing can be cut."""
    return any(one.daemon and one.name.startswith(_THREAD) for one in threading.enumerate())
