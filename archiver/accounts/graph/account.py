"""Exchange Online as archiver's door to items: `ports.Account` by Graph; `CanAppend` and `CanDelete` beside it."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from archiver.accounts.exchange import id_of
from archiver.accounts.graph import folders
from archiver.accounts.graph.changes import FolderChanges, item_path
from archiver.accounts.graph.fetch import Exports, Fetch
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import AT_ONCE, GraphServer, Refusal, Web
from archiver.errors import FolderRefused
from archiver.model import Change, Cursor, Folder, Kind, Message, Missed, Remote, Secret
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
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
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

    def close(self) -> None:
        """Close the lines; there is no session to end."""
        self._web.close()

    def _native(self, name: str) -> Native:
        if name not in self._natives:
            self.folders()
        if name not in self._natives:
            raise FolderRefused(f'there is no folder "{name}" in the mailbox')
        return self._natives[name]
