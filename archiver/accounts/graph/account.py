"""Exchange Online as archiver's door to items: `ports.Account` by Graph; `CanAppend` and `CanDelete` beside it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from archiver.accounts.exchange import id_of
from archiver.accounts.graph import delete, folders, making
from archiver.accounts.graph.append import Appending, keep_flags
from archiver.accounts.graph.changes import FolderChanges, count, item_path
from archiver.accounts.graph.fetch import Exports, Fetch
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import AT_ONCE, GraphServer, Refusal, Web
from archiver.accounts.intents import Intents
from archiver.errors import FolderRefused, RefusedForSafety
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
    Refused,
    Remote,
    Removed,
    Secret,
    Unremoved,
)
from archiver.plan.special_uses import trash_of
from archiver.ports import Known

_log = logging.getLogger(__name__)


class GraphAccount:
    """A mailbox of Exchange Online; asks on first use. The contract is that of `ports.Account`.

    `token` gives an access token for Graph, `AccessToken` where it can be renewed; `pause` waits, in seconds.
    """

    def __init__(
        self,
        where: GraphServer,
        token: Callable[[], Secret],
        on_warning: Callable[[str], None] | None = None,
        *,
        intents: Intents | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._intents = intents or Intents()
        self._web = Web(where, token, pause)
        self._warn = on_warning or _log.warning
        self._natives: dict[str, Native] = {}
        self._exports = Exports(self._web, self._warn, wanted=where.export)

    def folders(self) -> Sequence[Folder]:
        """List mail folders, calendars, address books and task lists, without hidden and search folders."""
        self._natives = {one.folder.name: one for one in folders.listed(self._web, self._warn)}
        return [one.folder for one in self._natives.values()]

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """Tell what changed; see `graph.changes`."""
        yield from FolderChanges(self._web, self._native(folder.name), since, known)

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give each item as a record (`formats.record`); reading sets no flag."""
        if remotes:
            native = self._native(remotes[0].ref.folder)
            yield from Fetch(self._web, native, self._exports)(remotes)

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """Read the Message-IDs of mail; items of other kinds have none."""
        if not remotes or self._native(remotes[0].ref.folder).folder.kind is not Kind.MAIL:
            return {}
        native = self._native(remotes[0].ref.folder)

        def ask(remote: Remote) -> str:
            item_id = id_of(remote.ref.key)
            if item_id is None:
                return ""
            try:
                told = self._web.get(
                    item_path(self._web, native, item_id), **{"$select": "internetMessageId,parentFolderId"}
                )
            except Refusal as error:
                if error.is_gone:
                    return ""
                raise
            return str(told.get("internetMessageId") or "") if told["parentFolderId"] == native.id else ""

        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(ask, remotes)
        told = {remote.ref.key: value.strip() for remote, value in zip(remotes, found, strict=True)}
        return {key: value for key, value in told.items() if value}

    # --- putting in -------------------------------------------------------------------------------------

    def home(self) -> str:
        """See `CanAppend.home`: folders are where they are."""
        return ""

    def takes(self, kind: Kind) -> bool:
        """See `CanAppend.takes`: all that Graph shows; it has no notes."""
        return kind is not Kind.NOTE

    def keeps_labels(self) -> bool:
        """See `CanAppend.keeps_labels`: categories are keywords here."""
        return False

    def make_folder(self, folder: Folder) -> Folder:
        """Make a folder of its kind; calendars and task lists are not nested."""
        if not self._natives:
            self.folders()
        if folder.name not in self._natives:
            name = making.make(self._web, folder, self._natives)
            self.folders()
            return self._native(name).folder
        return self._natives[folder.name].folder

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put items in; see `graph.append`."""
        native = self._native(folder.name)
        yield from Appending(self._web, native, self._exports, self._intents)(messages)

    def keep_flags(self, folder: Folder, epoch: str, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        """See `CanAppend.keep_flags`."""
        native = self._checked(folder, epoch)
        known = {
            key: (item_id, flags) for key, flags in wanted.items() if (item_id := id_of(key)) is not None
        }
        return keep_flags(self._web, native, known)

    # --- taking out -------------------------------------------------------------------------------------

    def trash(self) -> Folder | None:
        """Give the folder of deleted items, whatever its language."""
        return trash_of(self.folders(), "")

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        """Read each item now."""
        native = self._checked(folder, epoch)
        found = delete.looked(self._web, native, keys)
        return Looked(count(self._web, native), found)

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        """Move items, or remove them for good; see `graph.delete`."""
        if not keys:
            return
        native = self._checked(folder, epoch)
        target = self._native(to.name) if to is not None else None
        if target is not None and target.id == native.id:
            raise RefusedForSafety(
                f'the messages are in the folder "{folder.name}" already', "remove them for good instead"
            )
        if target is not None and native.folder.kind is Kind.TASK:
            text = "Graph does not say that it keeps deleted tasks"
            raise RefusedForSafety(text, "remove them for good: --expunge")
        if (
            target is not None
            and native.folder.kind is not Kind.MAIL
            and target.folder.special_use != "\\Trash"
        ):
            raise RefusedForSafety(
                f'Graph moves no {native.folder.kind.value} to "{target.folder.name}"',
                "let it go to the deleted items, or remove it for good: --expunge",
            )
        yield from delete.removed(self._web, native, keys, target)

    def abilities(self) -> Sequence[str]:
        """See `Describes.abilities`."""
        found = [one.folder for one in self._natives.values()] or list(self.folders())
        kinds = sorted({one.kind.value for one in found})
        exports = self._exports.able()
        return [
            f"reads {', '.join(kinds)} by Microsoft Graph, which shows no notes, archive mailboxes, public folders",
            "archives each item with its full-fidelity export"
            if exports
            else "archives items without their exports",
            "puts back what has an export as it was, and makes the rest anew: mail loses header fields, events the "
            "people who are asked",
        ]

    def close(self) -> None:
        """Close the lines; there is no session to end."""
        self._web.close()

    def _checked(self, folder: Folder, epoch: str) -> Native:
        self._natives = {}  # nothing from an earlier listing
        native = self._native(folder.name)
        if native.epoch != epoch:
            raise FolderRefused(
                f'"{folder.name}" is another folder than the one that was archived', "run again"
            )
        return native

    def _native(self, name: str) -> Native:
        if name not in self._natives:
            self.folders()
        if name not in self._natives:
            raise FolderRefused(f'there is no folder "{name}" in the mailbox')
        return self._natives[name]
