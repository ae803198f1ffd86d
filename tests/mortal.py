"""Processes that die, and lines that drop, at a chosen step of the store, of the account or of HTTP."""

import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from requests.adapters import HTTPAdapter

from archiver.model import (
    Appended,
    Change,
    Cursor,
    Flags,
    Folder,
    Kind,
    Looked,
    Message,
    Missed,
    Outgoing,
    Refused,
    Remote,
    Removed,
    Unremoved,
)
from archiver.ports import Known, Source, Store, Target

T = TypeVar("T")
CALLS = (
    "folders",
    "changes",
    "fetch",
    "message_ids",
    "make_folder",
    "keep_flags",
    "look",
    "remove",
    "append",
)
ITEMS = ("change", "message", "sent", "appended", "removed")


class Killed(BaseException):
    """The end of a process: nothing catches it."""


class MortalStore:
    """A store whose process dies before, or after, its n-th put; from then on nothing works any more."""

    def __init__(self, store: Store, nth: int, *, after: bool) -> None:
        self._store = store
        self._nth = nth
        self._after = after
        self._lock = threading.Lock()
        self.puts = 0
        self.dead = False

    def _live(self) -> None:
        if self.dead:
            raise Killed

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
        data = list(chunks)
        with self._lock:
            self._live()
            self.puts += 1
            self.dead = self.puts == self._nth
            if not self.dead or self._after:
                self._store.put(key, data, if_absent=if_absent)
            self._live()

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self._live()
        return self._store.get(key, start, length)

    def keys(self, prefix: str = "") -> Iterator[str]:
        self._live()
        return self._store.keys(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        self._live()
        return self._store.folders(prefix)

    def delete(self, key: str) -> None:
        raise AssertionError("a pull deletes nothing")

    def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        raise AssertionError("a pull has nothing to do with the writes of others")


class Both(Source, Target, Protocol):
    """An account that mail can be put into and taken out of."""


class MortalAccount:
    """An account whose line drops, or whose process dies, at the n-th step of a kind, before or after it.

    Steps are the calls (CALLS; after means that the server has done all of it, and no answer is heard) and
    what goes over the line in them (ITEMS; each was done by the server, and is not heard of). `error` is raised;
    where it is `Killed`, the store is dead too. With `away`, the server does not come back.
    """

    def __init__(
        self,
        account: Both,
        store: MortalStore,
        error: BaseException,
        *,
        step: str,
        nth: int,
        after: bool = False,
        away: bool = False,
    ) -> None:
        self._account = account
        self._store = store
        self._error = error
        self._step = step
        self._nth = nth
        self._after = after
        self._away = away
        self._calls: Counter[str] = Counter()
        self.fallen = False

    def _fall(self) -> None:
        self.fallen = True
        if isinstance(self._error, Killed):
            self._store.dead = True
        raise self._error

    def _live(self) -> None:
        if self._store.dead:
            raise Killed
        if self.fallen and self._away:
            raise self._error

    def _is_it(self, step: str) -> bool:
        self._live()
        self._calls[step] += 1
        return step == self._step and self._calls[step] == self._nth

    def _items(self, call: str, item: str, found: Iterable[T]) -> Iterator[T]:
        it = self._is_it(call)
        if it and not self._after:
            self._fall()
        if it:
            for _ in found:
                pass
            self._fall()
        for one in found:
            if self._is_it(item):
                self._fall()
            yield one

    def _call(self, call: str) -> bool:
        it = self._is_it(call)
        if it and not self._after:
            self._fall()
        return it

    def folders(self) -> Sequence[Folder]:
        self._call("folders")
        return self._account.folders()

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        return self._items("changes", "change", self._account.changes(folder, since, known))

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        return self._items("fetch", "message", self._account.fetch(remotes))

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        self._call("message_ids")
        return self._account.message_ids(remotes)

    def home(self) -> str:
        self._live()
        return self._account.home()

    def takes(self, kind: Kind) -> bool:
        return self._account.takes(kind)

    def make_folder(self, folder: Folder) -> Folder:
        it = self._call("make_folder")
        made = self._account.make_folder(folder)
        if it:
            self._fall()
        return made

    def keeps_labels(self) -> bool:
        self._live()
        return self._account.keeps_labels()

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        return self._items("append", "appended", self._account.append(folder, self._sent(messages)))

    def _sent(self, messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        for one in messages:
            if self._is_it("sent"):
                self._fall()
            yield one

    def keep_flags(self, folder: Folder, epoch: str, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        it = self._call("keep_flags")
        lost = self._account.keep_flags(folder, epoch, wanted)
        if it:
            self._fall()
        return lost

    def trash(self) -> Folder | None:
        self._live()
        return self._account.trash()

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        self._call("look")
        return self._account.look(folder, epoch, keys)

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        return self._items("remove", "removed", self._account.remove(folder, epoch, keys, to))

    def close(self) -> None:
        self._account.close()


class MortalHttp:
    """A process that dies at its n-th request of HTTP, before it is sent or when the server has done what it asks.

    What lies in the folder `kept` stays as it was when it died, whatever is done on the way out. `told` counts.
    """

    def __init__(self, nth: int, *, after: bool, kept: Path) -> None:
        self._nth = nth
        self._after = after
        self._kept = kept
        self._then = kept.with_name(kept.name + ".then")
        self.told = 0
        self.dead = False

    @contextmanager
    def living(self) -> Iterator[None]:
        """Let the process live until it dies, if it does."""
        plain = HTTPAdapter.send

        def send(adapter: HTTPAdapter, *args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Killed
            self.told += 1
            if self.told == self._nth and not self._after:
                self._die()
            reply = plain(adapter, *args, **kwargs)
            if self.told == self._nth:
                self._die()
            return reply

        HTTPAdapter.send = send  # type: ignore[method-assign,assignment]
        try:
            yield
        except Killed:
            shutil.rmtree(self._kept)
            self._then.rename(self._kept)
        finally:
            HTTPAdapter.send = plain  # type: ignore[method-assign]

    def kill_now(self) -> None:
        """Have the process dead once the request under way is done: a server says so, in a thread of its own."""
        if not self.dead:
            self._nth = self.told
            self._after = True

    def _die(self) -> None:
        self.dead = True
        shutil.copytree(self._kept, self._then)
        raise Killed
