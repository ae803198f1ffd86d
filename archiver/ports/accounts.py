"""The doors of accounts: where mail comes from, and goes to."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

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

Known: TypeAlias = Callable[[], Mapping[str, Flags]]
"""What the archive knows of a folder under the cursor's epoch, held and missed: key -> flags.

A call, since few runs need it."""


class Account(Protocol):
    """Where mail comes from. Reading an account changes nothing on the server, not even a flag.

    Every method may raise `Unreachable`, `LoginRefused`, `Forbidden`; methods about a folder raise
    `FolderRefused` for what concerns that folder alone, after which the account goes on to serve others.
    """

    def folders(self) -> Sequence[Folder]:
        """List the folders that can hold messages, each once, in the server's order."""
        ...

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """Tell what changed in `folder` since a cursor; without one, every message is New.

        With an empty token the folder is listed in full and compared with `known`: what is not known is
        New, what is known and not there is Vanished.
        If the folder's epoch is not `since.epoch`, every message is New (under the new epoch) and none
        is Vanished. The same history gives the same changes whatever the server is able to do. The last
        change is Done; if the iterator ends without one, nothing of the cursor may be kept.
        `fetch` and `message_ids` may be called between two changes.
        """
        ...

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give the bytes of each message, or the reason why not; each exactly once, in any order.

        All `remotes` are of one folder and epoch. The bytes are the server's own, unchanged. A message
        that the server refuses, cuts, or replaces by a stand-in is Missed and never stops its neighbours.
        """
        ...

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """Read the Message-ID of each message cheaply: key -> value, absent where there is none.

        All `remotes` are of one folder and epoch; the value is stripped of white space.
        """
        ...

    def close(self) -> None:
        """End the session. Never raises."""
        ...


class CanAppend(Protocol):
    """The power to put mail into an account; beside `Account`, where the kind has it."""

    def home(self) -> str:
        """Give the name below which this account keeps its folders, ending in `/`; mostly empty."""
        ...

    def takes(self, kind: Kind) -> bool:
        """Tell whether items of this kind can be put here; every account takes mail."""
        ...

    def make_folder(self, folder: Folder) -> Folder:
        """Make a folder like this one, and those above it; one that is there is left as it is.

        It is subscribed to unless it says otherwise. Where the server takes it, it gets its special use
        (RFC 6154) and its kind. Raises `FolderRefused`.
        """
        ...

    def keeps_labels(self) -> bool:
        """Tell whether a message can have labels, as at Gmail, where one copy stands for many folders."""
        ...

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put messages into a folder with their flags and dates of receipt; each is answered once, in any order.

        Labels among the flags (`plan.labels`) are left to `keep_flags`.

        A refused message is tried in other forms first (with fewer flags, without its date), and never stops
        the next. The bytes are those given: no form alters them. What `messages` raises comes out here, after
        the answers to all that was sent. After `Unreachable`, those not answered may have been taken or not:
        list the folder before anything is put in again.
        """
        ...

    def keep_flags(self, folder: Folder, epoch: str, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        """Make sure that messages put in (key -> flags) have their flags; some servers forget them.

        Gives what the server does not keep, key -> flags. A message that is gone lacks nothing; flags beside
        those wanted are left alone. Raises `FolderRefused` where the folder's epoch is another.
        """
        ...


@runtime_checkable
class Describes(Protocol):
    """The power to tell what its server can do, for whoever adds the account."""

    def abilities(self) -> Sequence[str]:
        """Say in plain words what archiver can do there, and what it cannot."""
        ...


class Target(Account, CanAppend, Protocol):
    """An account that takes mail."""


class CanDelete(Protocol):
    """The power to take mail out of an account; beside `Account`, where the kind has it."""

    def trash(self) -> Folder | None:
        """Find the folder where the server keeps deleted mail for a while; None where it tells of none."""
        ...

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        """Tell what the server says of these messages at this moment; those that are not there are left out.

        Nothing is taken from an earlier listing. Raises `FolderRefused` where the folder's epoch is another.
        """
        ...

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        """Move messages to the folder `to`, or with None remove them for good; each is answered once.

        No message but those is touched, nor one of another epoch. Removed is said only of what a fresh listing
        of the folder no longer shows. Before anything is changed, `RefusedForSafety` is raised where the server
        cannot do it so (without UIDPLUS, others' marks would go too), `Forbidden` where it may not. After
        `Unreachable`, those not answered may be gone or not: look again.
        """
        ...


class Source(Account, CanDelete, Protocol):
    """An account that mail can be taken out of."""


class Allowance(Protocol):
    """How much may be downloaded from an account, in bytes, by all runs of a day together."""

    limit: int

    def left(self) -> int:
        """Tell how much is left now."""
        ...

    def spend(self, size: int) -> None:
        """Note what was downloaded."""
        ...
