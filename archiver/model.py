"""The values that archiver speaks of: frozen, comparable, without behaviour beyond their own shape.

Times are aware datetimes; sizes are bytes; digests are lower-case hex SHA-256 of a message's raw bytes;
folder names are decoded and joined by `/` (a `/` inside one component is written `%2F`). Values that come by
the hundred thousand have `gc=False`: nothing of theirs can form a cycle, so the collector need not walk them.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

Flags: TypeAlias = frozenset[str]


class Secret:
    """A password, passphrase, token or secret key: no repr, no str, no format ever shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the text, for the one place that must send or use it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


class Renew(Protocol):
    """Gets another access token; `claims` is what the server that refused the old one wants of it, in JSON."""

    def __call__(self, claims: str | None = None) -> "AccessToken":
        """Get it."""


class AccessToken(Secret):
    """An OAuth access token (RFC 6749): it logs in by XOAUTH2 or OAUTHBEARER, and is never sent as a password.

    `renew` gets another one, for when it is refused before its time; None for one that has just been made.
    """

    __slots__ = ("renew",)

    def __init__(self, value: str, renew: Renew | None = None) -> None:
        super().__init__(value)
        self.renew = renew


class Kind(StrEnum):
    """What an archived item is; every item is carried as one RFC 5322 message."""

    MAIL = "mail"
    EVENT = "event"
    CONTACT = "contact"
    TASK = "task"
    NOTE = "note"


# --- what a server holds -------------------------------------------------------------------------------


class Folder(Struct, frozen=True):
    """A folder of an account: its decoded name, the server's separator, its special use (RFC 6154).

    `kind` is what it is for: mail, or the events, contacts, tasks or notes of a server that keeps them, too.
    """

    name: str
    separator: str | None = None
    special_use: str | None = None
    subscribed: bool | None = None  # None: the server does not say
    kind: Kind = Kind.MAIL


class Ref(Struct, frozen=True, gc=False):
    """Where a message lives on the server: IMAP's UIDVALIDITY is the epoch, its UID the key."""

    folder: str
    epoch: str
    key: str


class Remote(Struct, frozen=True, gc=False):
    """What the server says of a message. `size` is a hint (servers lie), never proof, never an allocation.

    `received` is when it came; of an event it is the end of its last occurrence (None where there is no last
    one), of a contact, a task or a note its last change.
    """

    ref: Ref
    size: int | None = None
    flags: Flags = frozenset()
    received: datetime | None = None
    kind: Kind = Kind.MAIL


class Message(Struct, frozen=True, gc=False):
    """One message in memory, as the server sent it, to the byte."""

    remote: Remote
    raw: bytes


class Missed(Struct, frozen=True, gc=False):
    """A message that could not be had, as a value: an exception inside a generator would end the stream."""

    remote: Remote
    reason: str
    gone: bool = False  # the server had it when it was listed and has it no more: vanished, not missed


class Outgoing(Struct, frozen=True):
    """A message on its way to a server: the very bytes, and what is kept beside them.

    `copy` counts, from 0, how many of the same digest the folder shall have: what tells one from the other
    where a server is asked whether it has taken this one already.
    """

    digest: str
    raw: bytes
    flags: Flags = frozenset()
    received: datetime | None = None
    kind: Kind = Kind.MAIL
    copy: int = 0


class Appended(Struct, frozen=True):
    """The server took a message. `ref` is known where it says so; `altered` tells what it did not take."""

    digest: str
    ref: Ref | None = None
    altered: str | None = None


class Refused(Struct, frozen=True):
    """The server takes a message in no form; why, in its own words."""

    digest: str
    reason: str


class Looked(Struct, frozen=True):
    """What a server says at one moment: how many messages the folder has, and those asked for, by key.

    `dates` and `flags` tell whether servers of this kind keep dates of receipt and flags at all.
    """

    exists: int
    messages: Mapping[str, Remote]
    dates: bool = True
    flags: bool = True


class Removed(Struct, frozen=True, gc=False):
    """The folder has this message no more; `to` is where it was moved, where the server says so."""

    key: str
    to: Ref | None = None


class Unremoved(Struct, frozen=True, gc=False):
    """The folder has this message still; why, in the server's words."""

    key: str
    reason: str


class Cursor(Struct, frozen=True):
    """How far a folder has been archived. `token` belongs to the account kind and is opaque to all others.

    An empty token says that only the epoch is known: the folder is listed in full, and compared.
    """

    epoch: str
    token: str


# --- what changed since a cursor -----------------------------------------------------------------------


class New(Struct, frozen=True, gc=False):
    """A message that the archive does not hold under this ref."""

    remote: Remote


class Reflagged(Struct, frozen=True, gc=False):
    """A known message whose flags are other ones now."""

    ref: Ref
    flags: Flags


class Vanished(Struct, frozen=True, gc=False):
    """A known message that the folder no longer has; its archived copy stays."""

    ref: Ref


class Done(Struct, frozen=True):
    """The folder was told to its end. No Done, no progress: only this carries the new cursor.

    `exists` is the server's own count of messages in the folder, the left side of the account of
    completeness (docs/explanation/safety.md). `same_mailbox` says that under the cursor's epoch it can be no other
    mailbox, even where none of the known messages is left: an emptied POP3 mailbox is an everyday thing.
    """

    cursor: Cursor
    exists: int
    same_mailbox: bool = False


Change: TypeAlias = New | Reflagged | Vanished | Done


# --- what an archive holds -----------------------------------------------------------------------------


class Place(Struct, frozen=True, gc=False):
    """Where a stored copy lies: the object's key, and offset and length in its decompressed payload."""

    volume: str
    offset: int
    length: int


class Frame(Struct, frozen=True, array_like=True):
    """One zstd frame of a volume: its sizes inside the age payload, compressed and decompressed."""

    packed: int
    size: int


class Entry(Struct, frozen=True, gc=False):
    """One archived message: what it is, where the server had it, and where its bytes lie."""

    digest: str
    ref: Ref
    place: Place
    size: int
    flags: Flags = frozenset()
    received: datetime | None = None
    kind: Kind = Kind.MAIL
    named_size: int | None = None  # what the server called its size
    vanished: bool = False  # the server no longer has it under this ref
    run: int = 0  # the run that archived it under this ref
    pruned: int | None = None  # the run that removed it from the server, or meant to
    lost: bool = False  # a repair found its stored copy damaged, and no other


class Sealed(Struct, frozen=True):
    """One object of a run as the manifest names it. `sha256` is of the sealed bytes."""

    role: Literal["index", "volume"]
    size: int
    sha256: str
    key: str


class Drop(Struct, frozen=True):
    """An object that a compact or erase run took away."""

    sha256: str
    key: str
    reason: Literal["superseded", "erased"]


RunKind: TypeAlias = Literal["run", "checkpoint", "prune", "erase", "compact", "repair"]


class Manifest(Struct, frozen=True):
    """The commit record of one run (docs/reference/format.md, section Manifest)."""

    archive: str
    chain: str
    seq: int
    prev: str
    root: int
    root_sha256: str
    time: datetime
    kind: RunKind
    objects: tuple[Sealed, ...] = ()
    drops: tuple[Drop, ...] = ()


class Head(Struct, frozen=True):
    """The last manifest of a chain: what a machine pins, and what a report prints."""

    seq: int
    sha256: str


EMPTY_HEAD = Head(0, "0" * 64)


# --- what a check finds --------------------------------------------------------------------------------


class Finding(Struct, frozen=True):
    """One thing that is not as the chain says. `objects` are the keys that cannot be trusted for it.

    `damage` means that something archived is in doubt; a `note` costs nothing but space.
    """

    severity: Literal["damage", "note"]
    chain: str
    what: str
    objects: tuple[str, ...] = ()


# --- the catalog's view --------------------------------------------------------------------------------


class FolderState(Struct, frozen=True):
    """What the archive knows of a folder: its row, and how many messages it holds and misses there."""

    id: int
    folder: Folder
    epoch: str
    cursor: Cursor | None
    exists: int | None
    held: int
    missed: int
    archived: int  # all messages ever archived from it, the vanished too
    size: int  # their bytes
    gone: bool = False


class When(Struct, frozen=True):
    """When a job runs, by the clock on the wall: each day, on one day of the week (0 is Sunday), or of the month."""

    hour: int
    minute: int
    weekday: int | None = None
    day: int | None = None  # 1 to 28


class Job(Struct, frozen=True):
    """One command that a scheduler of the system runs. `owner` says that it needs the owner key's passphrase."""

    name: str
    title: str
    words: tuple[str, ...]
    when: When
    owner: bool = False


class Surroundings(Struct, frozen=True):
    """What a job finds where it runs: all paths are absolute.

    `program` is the command line that starts archiver, `credentials` are ids and files of passwords,
    `passphrase_file` goes to jobs of the owner alone. `commands` says that secrets come from commands, which may
    write where they like. `user` is whom a job of the whole system runs as; None for a user's own scheduler.
    """

    program: tuple[str, ...]
    environment: Mapping[str, str]
    writable: tuple[str, ...]
    credentials: Mapping[str, str]
    passphrase_file: str | None = None
    commands: bool = False
    user: str | None = None
