"""restore, what every folder of it needs: its doors, its report, its ledger."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from archiver.events import RunCommitted
from archiver.model import Appended, Kind
from archiver.ports import Reader, Reporter, Run, Target

NOTE_EVERY = 200  # messages to a row of the ledger
LEDGER_EVERY = 2_000  # messages between two commits of the ledger


class Left(Struct, frozen=True):
    """A message that is not there, or not as it was, and why."""

    sha256: str
    reason: str


class LeftOut(Struct, frozen=True):
    """Items of a folder that the target takes none of, by their kind."""

    folder: str
    kind: Kind
    messages: int


class FolderRestored(Struct):
    """What a restore did in one folder of the target."""

    sources: list[str]
    target: str
    appended: int = 0
    size: int = 0
    there: int = 0
    altered: list[Left] = field(default_factory=list)
    refused: list[Left] = field(default_factory=list)
    unreadable: list[Left] = field(default_factory=list)
    error: str | None = None


class Restoring(Struct, frozen=True):
    """What a restore needs. Without `run` (a machine that may not write) no ledger is kept.

    `ledger` tells what is known of a folder of the target, by name and epoch: key there -> digest. `records` says
    that what was archived are items of a groupware server (`formats.record`).
    """

    account: str
    target: Target
    reader: Reader
    ledger: Callable[[str, str], Mapping[str, str]]
    run: Run | None
    reporter: Reporter
    stop: Callable[[], bool]
    same: bool = False
    into: str | None = None
    dry: bool = False
    records: bool = False


class Ledger:
    """Keeps what was put where: at once in memory, and every so often in the archive."""

    def __init__(self, work: Restoring) -> None:
        self._work = work
        self._fresh: list[Appended] = []
        self._folder = ""
        self._uncommitted = 0
        self._put: dict[tuple[str, str], dict[str, str]] = {}

    def known(self, folder: str, epoch: str) -> Mapping[str, str]:
        """Tell what is known of a folder: key -> digest."""
        return {**self._work.ledger(folder, epoch), **self._put.get((folder, epoch), {})}

    def note(self, folder: str, appended: Appended) -> None:
        """Take in that a message is in a folder."""
        if self._folder != folder or len(self._fresh) >= NOTE_EVERY:
            self._write()
            if self._work.run is not None and self._work.run.due:
                self.commit()
        self._folder = folder
        if appended.ref is not None:
            self._put.setdefault((folder, appended.ref.epoch), {})[appended.ref.key] = appended.digest
        self._fresh.append(appended)
        self._uncommitted += 1
        if self._uncommitted >= LEDGER_EVERY:
            self.commit()

    def _write(self) -> None:
        if self._work.run is not None and self._fresh:
            self._work.run.restored(self._work.account, self._folder, self._fresh)
        self._fresh = []

    def commit(self) -> None:
        """Make it last."""
        self._write()
        self._uncommitted = 0
        head = self._work.run.commit() if self._work.run is not None else None
        if head is not None:
            self._work.reporter.report(RunCommitted(self._work.account, head))
