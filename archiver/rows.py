"""The rows of an index: what a run adds to what is known, one frozen value each (docs/reference/format.md)."""

from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

from archiver.model import Flags, Frame, Kind


class Row(Struct, frozen=True, tag_field="row", omit_defaults=True):
    """One line of an index. State at any run is the rows of all runs up to it, replayed in order."""


class HeaderRow(Row, frozen=True, tag="header"):
    """Whose index this is."""

    archive: str
    chain: str
    seq: int
    account: str
    kind: str
    layout: str


class FolderRow(Row, frozen=True, tag="folder"):
    """A folder as last seen. Without `token` its cursor is not known: the next run lists it in full."""

    id: int
    name: str
    epoch: str
    token: str | None = None
    separator: str | None = None
    special_use: str | None = None
    exists: int | None = None
    gone: bool = False  # the server no longer has the folder
    subscribed: bool | None = None
    kind: Kind = Kind.MAIL


class MessageRow(Row, frozen=True, gc=False, tag="message"):
    """A message of a folder and the stored copy of its bytes, which may be an older run's."""

    folder: int
    epoch: str
    key: str
    sha256: str
    size: int
    volume: str
    offset: int
    length: int
    flags: Flags = frozenset()
    received: datetime | None = None
    named_size: int | None = None
    message_id: str | None = None  # first 32 hex digits of the SHA-256 of the Message-ID
    kind: Kind = Kind.MAIL
    lost: bool = False  # a repair could not have it from anywhere: nothing new may rely on this copy


class FlagsRow(Row, frozen=True, tag="flags"):
    """These messages have exactly these flags now."""

    folder: int
    epoch: str
    keys: tuple[str, ...]
    flags: Flags


class VanishedRow(Row, frozen=True, tag="vanished"):
    """The folder no longer has these; they stay archived."""

    folder: int
    epoch: str
    keys: tuple[str, ...]


class MissedRow(Row, frozen=True, tag="missed"):
    """A message the server announced and did not give."""

    folder: int
    epoch: str
    key: str
    reason: str
    tries: int = 1
    size: int | None = None
    flags: Flags = frozenset()
    received: datetime | None = None
    kind: Kind = Kind.MAIL


class RestoredRow(Row, frozen=True, tag="restored"):
    """This tool put stored messages into a folder of an account; the ledger that keeps it from doing so twice.

    `keys` stands beside `sha256`, item by item; an empty key is one that the server did not tell.
    """

    account: str
    folder: str
    epoch: str
    keys: tuple[str, ...]
    sha256: tuple[str, ...]


class PrunedRow(Row, frozen=True, tag="pruned"):
    """What this tool removes from the server: the intent before, the outcome after.

    `run` is the run with the intent. An intent without outcome is of a run that was cut short: what the folder
    has no more was removed by it.
    """

    folder: int
    epoch: str
    keys: tuple[str, ...]
    state: Literal["intent", "removed", "kept"]
    run: int


class VolumeRow(Row, frozen=True, tag="volume"):
    """An object with messages: its sealed size, and its frames, for reading one message without the rest."""

    key: str
    sealed: int
    frames: tuple[Frame, ...]


class EndRow(Row, frozen=True, tag="end"):
    """What the index counts: a cut index has none."""

    rows: int
    messages: int = 0
    size: int = 0


AnyRow: TypeAlias = (
    HeaderRow
    | FolderRow
    | MessageRow
    | FlagsRow
    | VanishedRow
    | MissedRow
    | RestoredRow
    | PrunedRow
    | VolumeRow
    | EndRow
)
