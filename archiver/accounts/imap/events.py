"""What an IMAP server can say, as values. Ranges of UIDs are those of `uidset`."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from archiver.accounts.imap.uidset import Ranges
from archiver.model import Flags


class Status(Struct, frozen=True):
    """`OK`, `NO`, `BAD`, `BYE` or `PREAUTH`, tagged or not (`*`), with its bracketed code (RFC 5530)."""

    tag: str
    word: str
    code: str = ""
    argument: bytes = b""
    text: str = ""


class Continue(Struct, frozen=True):
    """The server waits for the rest of a command."""

    text: str = ""


class Section(Struct, frozen=True, gc=False):
    """A `BODY[…]` of a FETCH; `data` is None where the server said NIL."""

    name: str
    origin: int | None
    data: bytes | None


class Fetched(Struct, frozen=True, gc=False):
    """One FETCH response; what was not told is None."""

    number: int
    uid: int | None = None
    flags: Flags | None = None
    received: datetime | None = None
    size: int | None = None
    sections: tuple[Section, ...] = ()
    labels: tuple[bytes, ...] | None = None  # of Gmail, as they came


class Exists(Struct, frozen=True):
    """How many messages the selected mailbox has."""

    count: int


class Expunge(Struct, frozen=True):
    """The message of this number is gone."""

    number: int


class Gone(Struct, frozen=True):
    """VANISHED (RFC 7162 section 3.2.10): these UIDs are gone; `earlier` than this session."""

    uids: Ranges
    earlier: bool


class Found(Struct, frozen=True):
    """SEARCH or ESEARCH: the UIDs found; `tag` of the command where the server tells it."""

    tag: str
    uids: Ranges


class Listed(Struct, frozen=True):
    """One mailbox of LIST: its name as the bytes of the server."""

    attributes: frozenset[str]
    separator: str | None
    mailbox: bytes


class MailboxStatus(Struct, frozen=True):
    """STATUS of one mailbox: `MESSAGES`, `UIDNEXT`, … as the server counts them."""

    mailbox: bytes
    values: Mapping[str, int]


class Capabilities(Struct, frozen=True):
    """What the server can do, upper-cased."""

    words: frozenset[str]


class Enabled(Struct, frozen=True):
    """What ENABLE has switched on, upper-cased."""

    words: frozenset[str]


class Namespace(Struct, frozen=True):
    """The user's own namespaces: prefix and separator of each."""

    personal: tuple[tuple[bytes, str | None], ...]


class Identity(Struct, frozen=True):
    """What the server says of itself (RFC 2971)."""

    fields: Mapping[str, str]


class Other(Struct, frozen=True):
    """A well-formed response of no interest here."""

    word: str


Event: TypeAlias = (
    Status
    | Continue
    | Fetched
    | Exists
    | Expunge
    | Gone
    | Found
    | Listed
    | MailboxStatus
    | Capabilities
    | Enabled
    | Namespace
    | Identity
    | Other
)
