"""What a run tells: while it works, in the past tense, and how it ended. Reports and progress are made of these."""

from datetime import datetime
from typing import Literal, TypeAlias

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


# --- how it ended ---------------------------------------------------------------------------------------

AlertKind: TypeAlias = Literal["sign-in", "space", "overdue", "shrunk", "owner-key"]


class Alert(Struct, frozen=True):
    """What does not fail a run and will cost something later, if nobody minds it; `text` is one line with its remedy.

    `about` names an account, an archive, or a folder of an account. `once` is for what happened, and will not be
    so in the next run.
    """

    kind: AlertKind
    about: str
    text: str
    once: bool = False


class AccountFailed(Struct, frozen=True):
    """Why a run did not do all of its work in one account; `code` is the code word of the error."""

    account: str
    code: str
    text: str


WARNED = "warned"
"""The code of a run that was done, and warned of something."""


class Notice(Struct, frozen=True):
    """How a run ended, for who was not there: no secret, no subject, no content of a message is in it.

    `accounts` are those that were named, none for all; `code` is the code word of the error, "ok" without one.
    `failed` are the accounts with which it went wrong, and `over` tells what is well again, a line for each.
    """

    command: str
    accounts: tuple[str, ...]
    outcome: Literal["ok", "warning", "failure"]
    code: str
    exit: int
    text: str
    hint: str | None
    host: str
    began: datetime
    ended: datetime
    failed: tuple[AccountFailed, ...] = ()
    warnings: tuple[Alert, ...] = ()
    over: tuple[str, ...] = ()
