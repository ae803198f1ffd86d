"""Exchange as archiver's door to mail, events, contacts, tasks and notes, by Exchange Web Services: `ports.Account`.

The contract of reading is kept by what is never called: GetItem sets no read flag.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct

from archiver.accounts.ews.fetching import Fetching
from archiver.accounts.ews.folders import Node, Tree
from archiver.accounts.ews.halving import get_items, halved
from archiver.accounts.ews.pages import FolderChanges
from archiver.accounts.ews.putting import Putting
from archiver.accounts.ews.removing import Removing
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.transport import Endpoint
from archiver.accounts.exchange import id_of
from archiver.accounts.intents import Intents
from archiver.errors import FolderRefused
from archiver.model import (
    Appended,
    Change,
    Cursor,
    Flags,
    Folder,
    Kind,
    Looked,
    Message,
    Missed,
    Outgoing,
    Ref,
    Refused,
    Remote,
    Removed,
    Secret,
    Unremoved,
)
from archiver.ports import Known

_log = logging.getLogger(__name__)
_IDS = 200  # in a request for a cheap property


class Wanted(Struct, frozen=True):
    """What of a mailbox is archived: trees beside the mailbox itself, and each item's full-fidelity export."""

    archive_mailbox: bool = False
    public_folders: bool = False
    export: bool = True


class EwsAccount:
    """An account on a server of Exchange; connects on first use. The contract is that of `ports.Account`."""

    def __init__(
        self,
        endpoint: Endpoint,
        password: Callable[[], Secret],
        on_warning: Callable[[str], None] | None = None,
        wanted: Wanted = Wanted(),  # noqa: B008 -- frozen
        *,
        intents: Intents | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._intents = intents or Intents()
        self._warn = on_warning or _log.warning
        self._service = Service(endpoint, password, pause)
        self._tree = Tree(
            self._service, self._warn, archive=wanted.archive_mailbox, public=wanted.public_folders
        )
        self._exports = wanted.export
        self._fetching = Fetching(self._service, self._warn, export=wanted.export)
        self._removing = Removing(self._service, self._tree)

    def abilities(self) -> Sequence[str]:
        """See `Describes.abilities`."""
        version = self._service.run(lambda account: account.version)
        lacks = self._exports and not self._fetching.exports()
        unknown = ", since the server gives none" if lacks else ""
        return [
            f"Exchange Web Services of {version.fullname}, build {version.build}",
            "reads mail, events, contacts, tasks and notes, and what changed since the last run",
            "archives each item's full-fidelity export"
            if self._exports and not unknown
            else f"archives no full-fidelity exports{unknown}",
            "restores items of every kind, and moves or deletes what is archived",
        ]

    def folders(self) -> Sequence[Folder]:
        """List the folders below the mailbox's top, but for searches and hidden ones."""
        return self._tree.list()

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """Tell what changed, by SyncFolderItems."""
        yield from FolderChanges(self._service, self._tree, folder.name, since, known)

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give the items' records (`formats.record`), by GetItem and ExportItems."""
        if remotes:
            self._check(remotes[0].ref)
            yield from self._fetching.fetch(remotes)

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """Read the Message-IDs; items of other kinds have none."""
        found: dict[str, str] = {}
        if remotes:
            self._check(remotes[0].ref)
        wanted = {identity: one.ref.key for one in remotes if (identity := id_of(one.ref.key)) is not None}
        ids = list(wanted)
        for start in range(0, len(ids), _IDS):
            part = ids[start : start + _IDS]
            told = halved(self._service, part, partial(get_items, names=("message_id",)))
            for identity, item in told.items():
                value = "".join(str(getattr(item, "message_id", None) or "").split())
                if value and not isinstance(item, Exception):
                    found[wanted[identity]] = value
        return found

    def home(self) -> str:
        """See `CanAppend.home`: folders may be anywhere."""
        return ""

    def takes(self, kind: Kind) -> bool:
        """See `CanAppend.takes`: items of every kind."""
        return True

    def make_folder(self, folder: Folder) -> Folder:
        """Make a folder by CreateFolder, with the class that is for its kind."""
        return self._tree.make(folder)

    def keeps_labels(self) -> bool:
        """See `CanAppend.keeps_labels`: categories are keywords here."""
        return False

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put items in by UploadItems or CreateItem, each once, whatever becomes of the replies."""
        yield from Putting(self._service, self._tree, folder.name, self._intents).put(messages)

    def keep_flags(self, folder: Folder, epoch: str, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        """See `CanAppend.keep_flags`: by UpdateItem."""
        self._check(Ref(folder.name, epoch, ""))
        return Putting(self._service, self._tree, folder.name, self._intents).keep_flags(wanted)

    def trash(self) -> Folder | None:
        """Find the folder of deleted items."""
        return self._tree.trash()

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        """Ask for these items anew; one whose key does not name its content any more is left out."""
        return self._removing.look(self._check(Ref(folder.name, epoch, "")), folder.name, keys)

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        """Move by MoveItem, or remove for good by DeleteItem (HardDelete), which sends nobody a word."""
        if keys:
            yield from self._removing.remove(self._check(Ref(folder.name, epoch, "")), folder, keys, to)

    def close(self) -> None:
        """End the session."""
        self._service.close()

    def _check(self, ref: Ref) -> Node:
        node = self._tree.find(ref.folder)
        if node.epoch != ref.epoch:
            raise FolderRefused(
                f'the folder "{ref.folder}" is another one than it was', "run again; nothing was lost"
            )
        return node
