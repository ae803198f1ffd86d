"""What a run tells while it works, in the past tense; reports and progress are made of these."""

from typing import TypeAlias

from msgspec import Struct

from archiver.model import Head


class FolderScanned(Struct, frozen=True):
    """What is new in a folder, before any of it is fetched; sizes are the server's word."""

    account: str
    folder: str
    new: int
    size: int


class MessageArchived(Struct, frozen=True, gc=False):
    """A message is in the run; `stored` is false where the chain held its content already."""

    account: str
    folder: str
    size: int
    stored: bool


class MessageMissed(Struct, frozen=True):
    """The server announced a message and did not give it."""

    account: str
    folder: str
    key: str
    reason: str


class FolderFailed(Struct, frozen=True):
    """A folder could not be read; the others go on."""

    account: str
    folder: str
    reason: str


class RunCommitted(Struct, frozen=True):
    """A manifest was committed: everything told before it is safe."""

    account: str
    head: Head


class ObjectChecked(Struct, frozen=True):
    """An object's bytes were hashed and compared with its manifest."""

    key: str
    size: int


class MessageRestored(Struct, frozen=True):
    """A message is on the server it was restored to."""

    folder: str
    size: int


class MessagePruned(Struct, frozen=True):
    """A message is no longer on the server: archiver removed it."""

    folder: str
    size: int


class MessageRead(Struct, frozen=True):
    """A message was decrypted and compared with its digest."""

    size: int


class Warned(Struct, frozen=True):
    """Something that does not fail the run and that the user should know."""

    text: str


Event: TypeAlias = (
    FolderScanned
    | MessageArchived
    | MessageMissed
    | FolderFailed
    | RunCommitted
    | ObjectChecked
    | MessageRead
    | MessageRestored
    | MessagePruned
    | Warned
)
