"""What changed in a folder: pages of SyncFolderItems, told as archiver's changes.

The server keeps nothing for a client: the state that comes with a page says what has been told. It is the cursor's
token, and it is given away with Done alone, when all pages are told. A state that the server takes no more (it ages,
or the mailbox was moved) leads to a full listing, which is compared with what is known: nothing known is fetched again.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from exchangelib.errors import (
    ErrorAccessDenied,
    ErrorFolderNotFound,
    ErrorInvalidSyncStateData,
    ErrorItemNotFound,
    ResponseMessageError,
)
from exchangelib.properties import FolderId
from msgspec import Struct

from archiver.accounts.ews.folders import Node, Tree, get_folders
from archiver.accounts.ews.halving import get_items, halved
from archiver.accounts.ews.keys import (
    SEEN,
    fits,
    flags_of,
    key_of,
    key_of_change,
    kind_of,
    names_a_change,
    received_of,
)
from archiver.accounts.ews.properties import LISTED, paths
from archiver.accounts.ews.refusals import Faulted
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.wire import SyncFolderItems
from archiver.accounts.exchange import id_of
from archiver.errors import FolderRefused, Unreachable
from archiver.model import Change, Cursor, Done, Flags, New, Ref, Reflagged, Remote, Vanished
from archiver.ports import Known

PAGE = 200
_OF_FOLDER = (ErrorFolderNotFound, ErrorAccessDenied, ErrorItemNotFound)
_ROUNDS = 20  # of a folder that never holds still


class Page(Struct, frozen=True):
    """One page of changes: (what happened, to what), the state after it, and whether it is the last."""

    changes: Sequence[tuple[str, Any]]
    state: str
    last: bool


class StateRefused(Unreachable):
    """The server takes this state no more."""

    def __init__(self, name: str) -> None:
        super().__init__(f'the server forgot how far the folder "{name}" was told', "run again")


def read_page(service: Service, node: Node, name: str, state: str | None) -> Page:
    """Ask for one page. Raises `StateRefused`, `FolderRefused`, and what stops the account."""

    def ask(account: Any) -> Any:
        sync = SyncFolderItems(account=account)
        told = sync.call(
            folder=FolderId(id=node.id),
            shape="IdOnly",
            additional_fields=paths(LISTED),
            sync_state=state,
            ignore=None,
            max_changes_returned=PAGE,
            sync_scope=None,
        )
        try:
            changes = list(told)
        except (ErrorInvalidSyncStateData, *_OF_FOLDER) as error:
            return error
        # servers of other makers call a full page the last where only deletions follow
        return Page(changes, sync.sync_state, sync.includes_last_item_in_range and len(changes) < PAGE)

    try:
        found = service.run(ask)
    except (
        Faulted
    ):  # servers of other makers say so of a state that they cannot read, and of a folder that is gone
        (folder,) = service.run(lambda account: get_folders(account, [node.handle]))
        if isinstance(folder, Exception):
            raise FolderRefused(f'the server does not serve the folder "{name}": "{folder}"') from None
        if not state:
            raise
        raise StateRefused(name) from None
    if isinstance(found, ErrorInvalidSyncStateData):
        raise StateRefused(name)
    if isinstance(found, ResponseMessageError):
        raise FolderRefused(f'the server does not serve the folder "{name}": "{found}"')
    assert isinstance(found, Page)
    return found


class FolderChanges:
    """The changes of one folder since a cursor; an iterable, for one use."""

    def __init__(self, service: Service, tree: Tree, name: str, since: Cursor | None, known: Known) -> None:
        self._service = service
        self._tree = tree
        self._name = name
        self._node = tree.find(name)
        self._since = since if since is not None and since.epoch == self._node.epoch else None
        self._ask_known = known
        self._known: dict[str, tuple[str, Flags]] | None = None
        """Item's id -> key and flags, as the archive has them after what was told."""
        self._listed: set[str] = set()
        self._values: dict[Flags, Flags] = {}

    def __iter__(self) -> Iterator[Change]:
        state = self._since.token if self._since is not None else None
        if not state:
            yield from self._in_full()
            return
        total = self._tree.total(self._node, self._name)
        try:
            page = self._page(state)
        except StateRefused:
            yield from self._in_full()
            return
        if page.last and not page.changes:
            assert self._since is not None
            yield Done(self._since, total)
            return
        yield from self._told(page)
        yield from self._to_the_end(page)

    def _in_full(self) -> Iterator[Change]:
        """List the folder from its first item on, and compare."""
        page = self._page(None)
        yield from self._told(page)
        while not page.last:
            page = self._page(page.state)
            yield from self._told(page)
        if self._since is not None:
            for identity, (key, _) in list(self._knowledge().items()):
                if identity not in self._listed:
                    yield self._vanish(identity, key)
        yield from self._to_the_end(page)

    def _page(self, state: str | None) -> Page:
        return read_page(self._service, self._node, self._name, state)

    def _to_the_end(self, page: Page) -> Iterator[Change]:
        """Tell the rest, until the server's count is one of a moment in which nothing happened."""
        for _ in range(_ROUNDS):
            while not page.last:
                page = self._page(page.state)
                yield from self._told(page)
            total = self._tree.total(self._node, self._name)
            page = self._page(page.state)
            if page.last and not page.changes:
                break
            yield from self._told(page)
        yield Done(Cursor(self._node.epoch, page.state), total)

    def _told(self, page: Page) -> Iterator[Change]:
        unknown: list[str] = []
        for what, of in page.changes:
            if what == "delete":
                yield from self._deleted(of.id)
            elif what == "read_flag_change":
                identity, is_read = of[0].id, of[1]
                change = self._read_flag(identity, is_read=is_read)
                if change is None:
                    unknown.append(identity)
                else:
                    yield change
            else:
                yield from self._item(of, updated=what == "update")
        for item in self._properties(unknown):
            yield from self._item(item, updated=True)

    def _deleted(self, identity: str) -> Iterator[Change]:
        self._listed.discard(identity)
        found = self._knowledge().get(identity)
        if found is not None:
            yield self._vanish(identity, found[0])

    def _read_flag(self, identity: str, *, is_read: bool) -> Change | None:
        """Tell a change of the read flag; None where more has to be known of the item first."""
        found = self._knowledge().get(identity)
        if found is None or names_a_change(found[0]):
            return None
        key, flags = found
        now = flags | {SEEN} if is_read else flags - {SEEN}
        self._knowledge()[identity] = (key, now)
        return Reflagged(self._ref(key), now)

    def _item(self, item: Any, *, updated: bool) -> Iterator[Change]:
        """Tell an item; one that was `updated` has changed since it was told last, in what can be seen or not."""
        identity = str(item.id)
        self._listed.add(identity)
        found = self._knowledge().get(identity)
        flags = self._one(flags_of(item))
        if found is None:
            yield self._new(item, key_of(item), flags)
            return
        key, before = found
        new = key_of(item)
        if fits(key, item):
            if names_a_change(key):
                return  # told once more
            if before != flags:
                self._knowledge()[identity] = (key, flags)
                yield Reflagged(self._ref(key), flags)
                return
            if not updated:
                return
            new = key_of_change(item)  # what changed cannot be seen from here
        yield self._vanish(identity, key)
        yield self._new(item, new, flags)

    def _new(self, item: Any, key: str, flags: Flags) -> New:
        self._knowledge()[str(item.id)] = (key, flags)
        return New(Remote(self._ref(key), item.size, flags, received_of(item), kind_of(item.item_class)))

    def _vanish(self, identity: str, key: str) -> Vanished:
        self._knowledge().pop(identity, None)
        return Vanished(self._ref(key))

    def _ref(self, key: str) -> Ref:
        return Ref(self._name, self._node.epoch, key)

    def _one(self, flags: Flags) -> Flags:
        """Give one value for all equal ones: they come by the hundred thousand."""
        return self._values.setdefault(flags, flags)

    def _knowledge(self) -> dict[str, tuple[str, Flags]]:
        if self._known is None:
            known = self._ask_known() if self._since is not None else {}
            pairs = ((id_of(key), key, flags) for key, flags in known.items())
            self._known = {identity: (key, flags) for identity, key, flags in pairs if identity is not None}
        return self._known

    def _properties(self, ids: Sequence[str]) -> list[Any]:
        """Ask for the properties that a list of changes would have told; of what is gone, nothing."""
        if not ids:
            return []

        found = halved(self._service, ids, partial(get_items, names=LISTED))
        return [one for one in found.values() if not isinstance(one, Exception)]
