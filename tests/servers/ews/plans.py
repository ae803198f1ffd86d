"""What goes wrong with the content of replies, on the test's order. (What goes wrong on the wire: fault_proxy.py.)"""

import threading
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from tests.servers.ews.markup import children, clone
from tests.servers.ews.refusals import Faulted


@dataclass
class When:
    """Which requests are meant: of an operation (None: of all), the `nth` of them (None: each), `times` at most."""

    operation: str | None = None
    nth: int | None = None
    times: int | None = None

    def takes(self, operation: str, count: int) -> bool:
        """Tell whether this request is meant, and use one time up."""
        if self.operation not in (None, operation) or self.nth not in (None, count) or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Plans:
    """Everything that is to happen. Requests are counted from 1, for each operation."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._faults: list[tuple[When, Faulted]] = []
        self._parts: list[tuple[When, int | str, str]] = []
        self._warps: list[tuple[When, Callable[[list[Element]], list[Element]]]] = []
        self._hooks: list[tuple[When, Callable[[], None]]] = []
        self._lock = threading.Lock()

    def fault(self, code: str, when: When, back_off_ms: int | None = None) -> None:
        """Answer with a SOAP fault, such as ErrorServerBusy."""
        values = {} if back_off_ms is None else {"BackOffMilliseconds": str(back_off_ms)}
        self._faults.append((when, Faulted(code, values=values)))

    def refuse(self, code: str, part: int | str, when: When) -> None:
        """Refuse a part of a batch: the one at a position, counted from 0 (-1: all), or the one with an id."""
        self._parts.append((when, part, code))

    def warp(self, change: Callable[[list[Element]], list[Element]], when: When) -> None:
        """Change the list of response messages: another order, or fewer."""
        self._warps.append((when, change))

    def after(self, do: Callable[[], None], when: When) -> None:
        """Do something once a request is answered, before the next: items that change between pages."""
        self._hooks.append((when, do))

    def begin(self, operation: str) -> int:
        """Count a request. Raises the fault that is planned for it."""
        with self._lock:
            self.counts[operation] += 1
            count = self.counts[operation]
            for when, faulted in self._faults:
                if when.takes(operation, count):
                    raise faulted
        return count

    def refusals(self, operation: str, count: int, ids: Container[str]) -> dict[int | str, str]:
        """Give what is planned for the parts of a request that holds these ids: position or id -> code."""
        meant = (plan for plan in self._parts if isinstance(plan[1], int) or plan[1] in ids)
        return {part: code for when, part, code in meant if when.takes(operation, count)}

    def finish(self, operation: str, count: int, messages: list[Element]) -> list[Element]:
        """Give the response messages as they go out."""
        for when, change in self._warps:
            if when.takes(operation, count):
                messages = change(messages)
        return messages

    def happen(self, operation: str, count: int) -> None:
        """Do what was to be done after a request."""
        for when, do in list(self._hooks):
            if when.takes(operation, count):
                do()


def backwards(messages: list[Element]) -> list[Element]:
    """Give the results in the wrong order."""
    return messages[::-1]


def one_fewer(messages: list[Element]) -> list[Element]:
    """Give one result fewer than was asked for."""
    return messages[:-1]


def told_twice(messages: list[Element]) -> list[Element]:
    """Tell each change of a page twice."""
    for message in messages:
        for change in children(message, "Changes"):
            message[-1].append(clone(change))
    return messages
