"""The doors of an archive: bytes at rest, how they are laid out, what is known of them, runs, readers, checks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from archiver.errors import ArchiverError
from archiver.events import ObjectChecked
from archiver.model import (
    Appended,
    Entry,
    Finding,
    Flags,
    Folder,
    FolderState,
    Head,
    Manifest,
    Message,
    Missed,
    Place,
    Remote,
    RunKind,
    Sealed,
)
from archiver.rows import AnyRow, HeaderRow, MissedRow, VolumeRow


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


class Reading(Struct, frozen=True, gc=False):
    """When an object was last read by a check, and whether its bytes were right."""

    at: datetime
    sound: bool = True


class Readings(Protocol):
    """Remembers when a check read the objects of a chain. Losing it loses nothing."""

    def last(self) -> Mapping[str, Reading]:
        """Give the last reading of each object, by key; empty where nothing is remembered, or it cannot be had."""
        ...

    def note(self, read: Mapping[str, Reading], present: Iterable[str]) -> None:
        """Remember readings, and forget those of objects that are not `present`. Raises `StoreFailed`."""
        ...
