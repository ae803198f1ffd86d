"""pull: what it did, by folder and by account."""

from msgspec import Struct

from archiver.model import Head
from archiver.plan.pull import Balance


class FolderReport(Struct):
    """What a pull did in one folder, and how its account of completeness stands.

    `before` is how many messages the archive knew to be there before the run; None where the folder was not read.
    """

    folder: str
    special_use: str | None = None
    new: int = 0
    size: int = 0
    stored: int = 0  # bytes of new content; the rest was held already
    held_already: int = 0  # of the new messages: most of them were moved here from another folder
    rebound: int = 0
    reflagged: int = 0
    vanished: int = 0
    waiting: int = 0  # for another day: the daily limit is reached
    waiting_size: int = 0
    before: int | None = None
    balance: Balance | None = None
    error: str | None = None
    excluded: bool = False  # the whole folder, by rule
    gone: bool = False  # the server has the folder no more
    took_s: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether every message of the folder is held or excluded by rule."""
        if self.excluded or self.gone:
            return True
        balance = self.balance
        if self.error is not None or balance is None:
            return False
        return not balance.missed and not balance.unexplained and not balance.waiting


class PullReport(Struct):
    """What a pull did in one account; `ended` is false where something stopped it, at the login or in the middle."""

    account: str
    folders: list[FolderReport]
    head: Head
    took_s: float = 0.0
    ended: bool = False

    @property
    def complete(self) -> bool:
        """Whether it came to its end, and every message of every folder is held or excluded by rule."""
        return self.ended and all(folder.complete for folder in self.folders)

    @property
    def waiting(self) -> int:
        """How many messages wait for another day."""
        return sum(folder.waiting for folder in self.folders)

    @property
    def waiting_size(self) -> int:
        """Their bytes, as the server names them."""
        return sum(folder.waiting_size for folder in self.folders)
