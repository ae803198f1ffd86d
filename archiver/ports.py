"""The doors of the house: what an account, a store, a layout, a catalog and a reporter must do.

The contract of each door is written here and tested in tests/contract/, one class for each door.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from msgspec import Struct

from archiver.errors import ArchiverError
from archiver.events import Event, ObjectChecked
from archiver.model import (
    Appended,
    Change,
    Cursor,
    Entry,
    Finding,
    Flags,
    Folder,
    FolderState,
    Head,
    Looked,
    Manifest,
    Message,
    Missed,
    Outgoing,
    Place,
    Refused,
    Remote,
    Removed,
    RunKind,
    Sealed,
    Unremoved,
)
from archiver.rows import AnyRow, HeaderRow, MissedRow, VolumeRow

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

    def make_folder(self, name: str, special_use: str | None = None) -> Folder:
        """Make a folder, and those above it, and subscribe to it; one that is there is left as it is.

        Where the server takes it, the folder gets its special use (RFC 6154). Raises `FolderRefused`.
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


class Store(Protocol):
    """Bytes at rest under keys such as `chains/k7q2m9xa/manifests/00000042.manifest`: put, get, list, delete.

    Every method raises `StoreFailed` or one of its kinds.
    """

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
        """Write an object whole or not at all: no reader ever sees a part of it.

        With `if_absent` this is a commit: everything put before is durable before the object appears, the
        object is durable on return; where the key is taken, nothing is written and `ObjectExists` raised.
        """
        ...

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Read an object, or `length` bytes of it from `start` (fewer at its end). Raises `ObjectMissing`."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """List, sorted, the keys that begin with `prefix`; unfinished writes are not among them."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """List, sorted, the next parts of the keys that go on below `prefix` (which ends in `/`)."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        ...

    def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        """List, sorted, the writes that never ended, and those under way: (what `delete` takes, key or "")."""
        ...


class Label(Struct, frozen=True, gc=False):
    """What stands beside a message inside a volume (the X-Archiver line): a volume alone restores it."""

    folder_id: int
    folder: str
    epoch: str
    key: str
    size: int
    sha256: str
    flags: Flags = frozenset()
    received: datetime | None = None


class Layout(Protocol):
    """How messages are laid into objects. Layouts differ in nothing else.

    `shares_objects` says whether one object holds many messages (a volume) or just one.
    """

    name: str
    shares_objects: bool

    def key(self, chain: str, seq: int, number: int, label: Label) -> str:
        """Name a new object, `number` counting from 1 within the run; never the same name twice."""
        ...

    def wrap(self, label: Label, raw: bytes) -> list[bytes]:
        """Lay a message out as pieces to be stored one after another."""
        ...

    def unwrap(self, stored: bytes) -> tuple[Label, bytes]:
        """Undo `wrap`, to the byte. Raises `Damaged` for bytes that `wrap` never writes."""
        ...


class Volumes(Protocol):
    """Knows the frames of volumes: what a reader needs of a catalog."""

    def volume(self, key: str) -> VolumeRow:
        """Give a volume's sealed size and frames. Raises `Damaged` where no index has told them."""
        ...


class Catalog(Volumes, Protocol):
    """The local, rebuildable view of one chain: what its indexes say up to `head`."""

    def head(self) -> Head:
        """Tell which run was applied last; `EMPTY_HEAD` before the first."""
        ...

    def header(self) -> HeaderRow | None:
        """Tell whose chain this is; None before the first run."""
        ...

    def apply(self, head: Head, rows: Iterable[AnyRow]) -> None:
        """Take in the rows of the run that `head` names, in one transaction."""
        ...

    def reset(self) -> None:
        """Forget everything, to be filled anew."""
        ...

    def relocate(self, rows: Iterable[AnyRow]) -> None:
        """Take from the rows of a later run only where the stored copies of the messages lie that are known."""
        ...

    def folders(self) -> Sequence[FolderState]:
        """List every folder ever seen, by id."""
        ...

    def folder(self, name: str) -> FolderState | None:
        """Find a folder by its name."""
        ...

    def known(self, folder_id: int, epoch: str) -> Mapping[str, Flags]:
        """Give what the folder still has under this epoch: key -> flags."""
        ...

    def known_among(self, folder_id: int, epoch: str, keys: Sequence[str]) -> Mapping[str, Flags]:
        """Give those of `keys` that the folder still has under this epoch."""
        ...

    def place(self, digest: str) -> Place | None:
        """Find the stored copy of a message by its digest; none that a repair has found to be lost."""
        ...

    def entries(self, folder: str | None = None, *, vanished: bool = True) -> Iterator[Entry]:
        """Give the archived messages, of one folder or of all, by folder id and arrival in the archive."""
        ...

    def find(self, digest_prefix: str) -> Sequence[Entry]:
        """Find archived messages whose digest begins so."""
        ...

    def missed(self, folder_id: int, epoch: str) -> Sequence[MissedRow]:
        """List the messages of a folder that were announced and could not be had."""
        ...

    def fingerprints(self, folder_id: int) -> Iterator[tuple[Entry, str | None]]:
        """Give the folder's messages of its last epoch, but the lost, with hashed Message-ID, for re-binding."""
        ...

    def restored(self, account: str, folder: str, epoch: str) -> Mapping[str, str]:
        """Tell what this tool put into a folder of an account: key there -> digest."""
        ...

    def intended(self, folder_id: int, epoch: str) -> Mapping[str, int]:
        """Tell what a prune meant to remove and whose outcome no run has told yet: key -> the run."""
        ...

    def contents(self) -> Iterator[tuple[object, ...]]:
        """Give all that is known, the same for the same runs. Raises `Damaged` where the catalog itself is."""
        ...


class Run(Protocol):
    """One run being written: rows and messages go in, and a commit makes them last, all or none."""

    catalog: Catalog
    head: Head

    @property
    def due(self) -> bool:
        """Whether enough has gathered for a checkpoint."""
        ...

    def folder(self, folder: Folder, epoch: str, *, token: str | None, exists: int | None) -> None:
        """Record a folder as seen now; with its cursor only if all before that is recorded too."""
        ...

    def gone(self, folder: Folder, epoch: str) -> None:
        """Record that the server has the folder no more; all of it stays archived."""
        ...

    def add(self, message: Message) -> bool:
        """Archive a message of a recorded folder. Returns False where its content was held already."""
        ...

    def bind(self, remote: Remote, entry: Entry, message_id: str | None) -> None:
        """Record that `remote` is a message that is held; `message_id` is hashed."""
        ...

    def reflag(self, folder: str, epoch: str, keys: Sequence[str], flags: Flags) -> None:
        """Record that these messages have exactly these flags now."""
        ...

    def vanish(self, folder: str, epoch: str, keys: Sequence[str]) -> None:
        """Record that the folder has these messages no more; they stay archived."""
        ...

    def miss(self, missed: Missed, tries: int) -> None:
        """Record a message that the server announced and did not give."""
        ...

    def restored(self, account: str, folder: str, appended: Sequence[Appended]) -> None:
        """Record what was put into a folder of an account."""
        ...

    def intend(self, folder: str, epoch: str, keys: Sequence[str]) -> int:
        """Record that these are to be removed from the server; gives the number of the run that says so."""
        ...

    def pruned(self, folder: str, epoch: str, keys: Sequence[str], intent: int, *, removed: bool) -> None:
        """Record what became of an intent: removed from the server by it, or kept there after all."""
        ...

    def renew(self, entries: Sequence[Entry], raw: bytes, place: Place | None = None) -> None:
        """Record that these entries, all of the digest of `raw`, have another copy: at `place`, or stored now.

        Nothing else of them changes: flags, dates, what vanished, what a prune meant to remove or removed.
        """
        ...

    def lose(self, entries: Sequence[Entry]) -> None:
        """Record that the stored copy of these cannot be read, and no other can be had."""
        ...

    def commit(self, kind: RunKind = "run") -> Head | None:
        """Commit all that was recorded since the last commit; None where that is nothing."""
        ...


class Reader(Protocol):
    """Reads archived messages back; needs the owner's key."""

    def read(self, entry: Entry) -> bytes:
        """Give the raw bytes of one message. Raises `Damaged` where they are not those archived."""
        ...

    def read_many(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ArchiverError]]:
        """Give each message, or why it cannot be had, in the order in which they lie in the archive."""
        ...


class Audit(Protocol):
    """Checks one chain without any key. Findings are values: an audit goes on to its end."""

    name: str
    head: Head
    heads: list[Head]
    runs: list[Manifest]

    def manifests(self) -> Iterator[Finding]:
        """Check every manifest; afterwards `head`, `heads` and `runs` tell what was verified."""
        ...

    def objects(self, choose: Callable[[Sealed], bool]) -> Iterator[Finding | ObjectChecked]:
        """Check that every object of `runs` is there and, where `choose` says so, that its bytes are right."""
        ...


class Allowance(Protocol):
    """How much may be downloaded from an account, in bytes, by all runs of a day together."""

    limit: int

    def left(self) -> int:
        """Tell how much is left now."""
        ...

    def spend(self, size: int) -> None:
        """Note what was downloaded."""
        ...


class Reporter(Protocol):
    """Who is told what happens during a run."""

    def report(self, event: Event) -> None:
        """Take one event; must be quick and must not raise."""
        ...
