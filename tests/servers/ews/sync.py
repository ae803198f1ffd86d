"""SyncFolderHierarchy and SyncFolderItems: what changed since a state that the client brings back."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from tests.servers.ews.call import Call
from tests.servers.ews.markup import boolean, children, find, m, t, text
from tests.servers.ews.refusals import Refused
from tests.servers.ews.shape import Shape, id_element, render_folder, render_item
from tests.servers.ews.state import Folder, Item, Site

LARGEST_PAGE = 512


@dataclass(frozen=True)
class _State:
    """What a client knows of a folder: id -> version of the content and of the read flag."""

    kind: str
    folder: str
    known: dict[str, tuple[int, int]]


class States:
    """The states that were given out. They are good until they are expired, each as often as one likes."""

    def __init__(self) -> None:
        self._given: dict[str, _State] = {}
        self.empty_pages = 0
        """How many pages tell of nothing, and are not the last, before one does."""
        self.bare_errors = False
        """Whether the refusal of a state comes without SyncState, which exchangelib cannot read."""

    def give(self, kind: str, folder: Folder, known: dict[str, tuple[int, int]]) -> str:
        """Give a new state."""
        token = secrets.token_urlsafe(48).replace("-", "+").replace("_", "/")
        self._given[token] = _State(kind, folder.id, known)
        return token

    def take(self, kind: str, folder: Folder, token: str | None) -> dict[str, tuple[int, int]]:
        """Give what the client knows. Refuses a state that is not of this folder, or is no more."""
        if not token:
            return {}
        state = self._given.get(token)
        if state is None or (state.kind, state.folder) != (kind, folder.id):
            raise Refused("ErrorInvalidSyncStateData")
        return state.known

    def expire(self, folder: Folder | None = None) -> None:
        """Forget the states of a folder, or all."""
        kept = {} if folder is None else self._given
        self._given = {token: state for token, state in kept.items() if folder and state.folder != folder.id}


def _answer(call: Call, states: States, last: str, do: Callable[[], list[Element]]) -> list[Element]:
    empty = [] if states.bare_errors else [m("SyncState"), m(last, "true")]
    return call.each([call.body], lambda _: do(), lambda: empty)


def sync_folder_items(call: Call, states: States) -> list[Element]:
    """Answer SyncFolderItems: at most MaxChangesReturned changes, newest first."""

    def page() -> list[Element]:
        shape = Shape.read(find(call.body, "ItemShape"), False)
        folder = call.target("SyncFolderId")
        known = dict(states.take("items", folder, text(call.body, "SyncState")))
        most = int(text(call.body, "MaxChangesReturned") or 0)
        if not 0 < most <= LARGEST_PAGE:
            raise Refused("ErrorInvalidArgument")
        if states.empty_pages:
            states.empty_pages, most = states.empty_pages - 1, 0
        ignored = {one.get("Id") for one in children(call.body, "Ignore")}
        associated = text(call.body, "SyncScope") == "NormalAndAssociatedItems"
        shown = {id: item for id, item in folder.items.items() if associated or not item.is_associated}
        changed = [item for item in reversed(shown.values()) if known.get(item.id) != _version(item)]
        gone = [id for id in known if id not in shown]
        changes: list[Element] = []
        entries: list[Item | str] = [*changed, *gone]
        for entry in entries[:most]:
            change = _change(call.site, entry, known, shape)
            if isinstance(entry, Item):
                known[entry.id] = _version(entry)
                if entry.id in ignored:
                    continue
            changes.append(change)
        last = len(changed) + len(gone) <= most
        if call.site.temper.clips_deletions and len(changed) <= most:
            last = True
        state = states.give("items", folder, known)
        return [m("SyncState", state), m("IncludesLastItemInRange", boolean(last)), m("Changes", *changes)]

    return _answer(call, states, "IncludesLastItemInRange", page)


def _version(item: Item) -> tuple[int, int]:
    return item.content_version, item.read_version


def _change(site: Site, entry: Item | str, known: dict[str, tuple[int, int]], shape: Shape) -> Element:
    if isinstance(entry, str):
        known.pop(entry)
        return t("Delete", t("ItemId", Id=entry, ChangeKey=site.identifiers.key()))
    before = known.get(entry.id)
    if before is not None and before[0] == entry.content_version:
        return t("ReadFlagChange", id_element(entry), t("IsRead", boolean(entry.is_read)))
    return t("Create" if before is None else "Update", render_item(site, entry, shape))


def sync_folder_hierarchy(call: Call, states: States) -> list[Element]:
    """Answer SyncFolderHierarchy: all changes under a folder, at once."""

    def page() -> list[Element]:
        shape = Shape.read(find(call.body, "FolderShape"), True)
        given = find(call.body, "SyncFolderId")
        top = call.folder(t("DistinguishedFolderId", Id="root") if given is None else given[0])
        known = dict(states.take("hierarchy", top, text(call.body, "SyncState")))
        shown = {folder.id: folder for folder in top.below()}
        changes = []
        for folder in shown.values():
            if known.get(folder.id) != (folder.version, 0):
                kind = "Update" if folder.id in known else "Create"
                changes.append(t(kind, render_folder(folder, shape)))
        gone = [id for id in known if id not in shown]
        changes += [t("Delete", t("FolderId", Id=id)) for id in gone]
        state = states.give("hierarchy", top, {id: (folder.version, 0) for id, folder in shown.items()})
        return [m("SyncState", state), m("IncludesLastFolderInRange", "true"), m("Changes", *changes)]

    return _answer(call, states, "IncludesLastFolderInRange", page)
