"""verify, against a server: account for every message of every folder, and change nothing anywhere."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from archiver.errors import FolderRefused
from archiver.model import Cursor, Done, Folder, New, Reflagged, Vanished
from archiver.ports import Account, Catalog
from archiver.rows import MissedRow


class ServerFolder(Struct, frozen=True):
    """How a folder on the server stands against the archive: each message is held, missed, or new since."""

    folder: str
    exists: int = 0
    held: int = 0
    missed: tuple[MissedRow, ...] = ()
    new: int = 0
    vanished: int = 0
    reflagged: int = 0
    excluded: bool = False  # by rule
    error: str | None = None

    @property
    def accounted(self) -> bool:
        """Whether every message on the server is held, missed with a reason, or new since the last pull."""
        found = self.held + len(self.missed) + self.new
        return self.excluded or (self.error is None and self.exists == found)


def verify_server(
    account: Account, catalog: Catalog, takes: Callable[[Folder], bool]
) -> Sequence[ServerFolder]:
    """List every folder in full and compare it with what is known of it; a folder that fails stops no other."""
    return [
        _compare(account, catalog, folder) if takes(folder) else ServerFolder(folder.name, excluded=True)
        for folder in account.folders()
    ]


def _compare(account: Account, catalog: Catalog, folder: Folder) -> ServerFolder:
    state = catalog.folder(folder.name)
    flags = catalog.known(state.id, state.epoch) if state else {}
    held = set(flags)
    missed = {row.key: row for row in catalog.missed(state.id, state.epoch)} if state else {}
    since = Cursor(state.epoch, "") if state else None
    known = {**{key: row.flags for key, row in missed.items()}, **flags}
    gone: set[str] = set()
    new = reflagged = exists = 0
    epoch = None
    try:
        for change in account.changes(folder, since, lambda: known):
            match change:
                case New():
                    new += 1
                case Vanished(ref):
                    gone.add(ref.key)
                case Reflagged():
                    reflagged += 1
                case Done(cursor, exists):
                    epoch = cursor.epoch
    except FolderRefused as error:
        return ServerFolder(folder.name, error=error.text)
    if epoch is None:
        return ServerFolder(folder.name, error="it was not listed to its end")
    if state is None or state.epoch != epoch:
        held, missed = set(), {}
    return ServerFolder(
        folder=folder.name,
        exists=exists,
        held=len(held - gone),
        missed=tuple(row for key, row in sorted(missed.items()) if key not in gone and key not in held),
        new=new,
        vanished=len(gone & held),
        reflagged=reflagged,
    )
