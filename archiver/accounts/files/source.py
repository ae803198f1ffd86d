"""What every form of mail on the disk gives to the account: its state, its messages, their bytes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from archiver.model import Flags, Kind

EPOCH = "files"
"""Files are not numbered by anybody: keys are made of what a message is, so one epoch does for all of them."""


class Item(Struct, frozen=True, gc=False):
    """A message of a folder. `at` finds it again in its source; `trouble` is why it cannot be had."""

    key: str
    size: int | None
    at: tuple[int, int] | str
    flags: Flags = frozenset()
    received: datetime | None = None
    kind: Kind = Kind.MAIL
    trouble: str | None = None


class Source(Protocol):
    """One folder in one form.

    `whole` says that messages come and go whole: a listing made during a change is then as good as one before it.
    """

    whole: bool

    @property
    def form(self) -> str:
        """What it was taken as; exact once it was listed."""
        ...

    def state(self) -> str:
        """Tell cheaply whether anything changed: equal texts, equal messages and flags. Raises `FolderRefused`."""
        ...

    def items(self) -> Sequence[Item]:
        """List the messages. Raises `FolderRefused`."""
        ...

    def read(self, item: Item) -> bytes:
        """Give the bytes of a message that `items` listed. Raises `Unreadable`, `Changed`."""
        ...


def numbered(keys: dict[str, int], key: str) -> str:
    """Tell equal messages of a folder apart: the second of a key gets `-2`; `keys` counts them."""
    count = keys[key] = keys.get(key, 0) + 1
    return key if count == 1 else f"{key}-{count}"
