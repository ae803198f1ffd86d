"""The folders of a mailbox: the server's trees, and the names that archiver gives them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from exchangelib.properties import DistinguishedFolderId, FolderId, Mailbox
from exchangelib.services.common import folder_ids_element
from exchangelib.util import TNS
from msgspec import Struct

from archiver.accounts.ews.keys import class_of_folder, kind_of_folder
from archiver.accounts.ews.refusals import Incomprehensible
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.wire import CreateFolder, FindFolder, GetFolder, child, element, entries, is_last
from archiver.accounts.exchange import epoch_of
from archiver.errors import ArchiverError, FolderRefused, Forbidden
from archiver.formats.folder_name import component, name_of
from archiver.model import Folder, Kind

ARCHIVE = "Archive mailbox"
PUBLIC = "Public folders"
_PAGE = 500

# distinguished id -> special use (RFC 6154), and its like for what is no mail
_USES = {
    "sentitems": "\\Sent",
    "deleteditems": "\\Trash",
    "drafts": "\\Drafts",
    "junkemail": "\\Junk",
    "calendar": "\\Calendar",
    "contacts": "\\Contacts",
    "tasks": "\\Tasks",
    "notes": "\\Notes",
}
_TOP, _INBOX = "msgfolderroot", "inbox"
_ARCHIVE_TOP, _PUBLIC_TOP = "archivemsgfolderroot", "publicfoldersroot"


class Node(Struct, frozen=True):
    """A folder as the server shows it."""

    id: str
    change_key: str | None
    parent: str | None
    name: str
    folder_class: str | None
    total: int
    hidden: bool
    is_search: bool

    @property
    def handle(self) -> Any:
        """Its FolderId."""
        return FolderId(id=self.id)

    @property
    def epoch(self) -> str:
        """The epoch of its items."""
        return epoch_of(self.id)


class Tree:
    """The folders that are archived, by name. Listed on first use, and again when asked."""

    def __init__(
        self, service: Service, warn: Callable[[str], None], *, archive: bool = False, public: bool = False
    ) -> None:
        self._service = service
        self._warn = warn
        self._archive = archive
        self._public = public
        self._named: dict[str, Node] = {}
        self._folders: list[Folder] = []
        self._top: Node | None = None

    def list(self) -> Sequence[Folder]:
        """List them from the server."""
        self._named, self._folders = {}, []
        known = self._known()
        top = self._top = known[_TOP]
        uses = {known[name].id: use for name, use in _USES.items() if name in known}
        inbox = known[_INBOX].id if _INBOX in known else None
        below = self._service.run(lambda account: list(_below(account, top)))
        self._take(top.id, below, "", uses, inbox)
        if self._archive:
            self._take_tree(_ARCHIVE_TOP, ARCHIVE)
        if self._public:
            self._take_tree(_PUBLIC_TOP, PUBLIC)
        return self._folders

    def find(self, name: str) -> Node:
        """Find a folder by its name. Raises `FolderRefused` for one that is not there."""
        if name not in self._named:
            self.list()
        found = self._named.get(name)
        if found is None:
            raise FolderRefused(f'the server has no folder "{name}"')
        return found

    def folder(self, name: str) -> Folder | None:
        """Give a folder as it was listed last; None for one that was not."""
        return next((one for one in self._folders if one.name == name), None)

    def trash(self) -> Folder | None:
        """Find the folder for deleted items."""
        return next((one for one in self.list() if one.special_use == "\\Trash"), None)

    def total(self, node: Node, name: str) -> int:
        """Ask how many items a folder has now. Raises `FolderRefused` where it is not served."""
        (found,) = self._service.run(lambda account: get_folders(account, [node.handle]))
        if isinstance(found, Exception):
            raise FolderRefused(f'the server does not serve the folder "{name}": "{found}"')
        assert isinstance(found, Node)
        return found.total

    def make(self, folder: Folder) -> Folder:
        """Make a folder, and those above it. Raises `FolderRefused`."""
        self.list()
        above = ""
        for piece in folder.name.split("/"):
            name = f"{above}/{piece}" if above else piece
            if name not in self._named:
                kind = folder.kind if name == folder.name else Kind.MAIL
                self._make(above, name, piece, kind)
            above = name
        made = self.folder(folder.name)
        assert made is not None
        return made

    def _make(self, above: str, name: str, piece: str, kind: Kind) -> None:
        parent = self._named.get(above) or self._top
        assert parent is not None
        class_of = class_of_folder(kind)
        made = element("t:Folder", element("t:FolderClass", text=class_of))
        made.append(element("t:DisplayName", text=name_of(piece)))

        def create(account: Any) -> Any:
            payload = element("m:CreateFolder")
            payload.append(folder_ids_element([parent.handle], account.version, tag="m:ParentFolderId"))
            payload.append(element("m:Folders", made))
            return CreateFolder(account=account).ask(payload)

        (answer,) = self._service.run(create)
        self.list()
        if name not in self._named:
            raise FolderRefused(
                f'the server does not make the folder "{name}": "{answer}"',
                "restore to a folder of another name: --into FOLDER",
            )

    def _known(self) -> dict[str, Node]:
        """Get the folders that every mailbox has, by their distinguished ids."""
        names = [_TOP, _INBOX, *_USES]
        address = self._service.endpoint.address
        found = self._service.run(
            lambda account: get_folders(account, [_distinguished(one, address) for one in names])
        )
        top = found[0]
        if isinstance(top, Exception):
            raise self._service.refused(top)
        return {name: one for name, one in zip(names, found, strict=True) if isinstance(one, Node)}

    def _take_tree(self, top: str, home: str) -> None:
        address = self._service.endpoint.address
        (found,) = self._service.run(lambda account: get_folders(account, [_distinguished(top, address)]))
        if isinstance(found, Exception):
            refused: ArchiverError = self._service.refused(found)
            if not isinstance(refused, Forbidden):
                raise refused
            self._warn(f'"{home}" is left out: "{found}"')
            return
        shallow = top == _PUBLIC_TOP
        below = self._service.run(lambda account: list(_below(account, found, shallow=shallow)))
        self._take(found.id, below, home + "/", {}, None)

    def _take(
        self, top: str, nodes: Sequence[Node], home: str, uses: Mapping[str, str], inbox: str | None
    ) -> None:
        by_id = {one.id: one for one in nodes}
        for node in sorted(nodes, key=lambda one: one.id != inbox):  # the inbox has the first word on names
            path = _path(node, by_id, top)
            if path is None or any(one.is_search or one.hidden for one in path):
                continue
            names = ["INBOX" if one.id == inbox else component(one.name) for one in path]
            name = home + "/".join(names)
            if name in self._named:
                name = f"{name}~{node.epoch[-8:]}"
            use = uses.get(node.id)
            if use is None and not home and len(path) == 1 and node.name.lower() == "archive":
                use = "\\Archive"
            self._named[name] = node
            self._folders.append(Folder(name, "/", use, None, kind_of_folder(node.folder_class)))


def get_folders(account: Any, handles: Sequence[Any]) -> list[Any]:
    """Get folders by their ids: a `Node`, or the exception that one met."""
    payload = element("m:GetFolder", _shape())
    payload.append(folder_ids_element(handles, account.version))
    found = GetFolder(account=account).ask(payload)
    if len(found) != len(handles):
        raise Incomprehensible(f"{len(found)} results for {len(handles)} folders")
    return [one if isinstance(one, Exception) else _node(one) for one in found]


def is_open(account: Any, address: str) -> bool:
    """Tell whether the mailbox is served at this moment."""
    (found,) = get_folders(account, [_distinguished(_TOP, address)])
    return isinstance(found, Node)


def _below(account: Any, top: Node, *, shallow: bool = False) -> Iterator[Node]:
    """Find all folders below one; of public folders level by level, since there is no other way."""
    offset = 0
    while True:
        (root,) = FindFolder(account=account).ask(_find(account, top, offset, shallow=shallow))
        if isinstance(root, Exception):
            raise root
        found = [_node(one) for one in entries(root, "Folders")]
        for node in found:
            yield node
            if shallow:
                yield from _below(account, node, shallow=True)
        offset += len(found)
        if is_last(root) or not found:
            return


def _find(account: Any, top: Node, offset: int, *, shallow: bool) -> Any:
    payload = element("m:FindFolder", _shape(), Traversal="Shallow" if shallow else "Deep")
    view = {"MaxEntriesReturned": str(_PAGE), "Offset": str(offset), "BasePoint": "Beginning"}
    payload.append(element("m:IndexedPageFolderView", **view))
    payload.append(folder_ids_element([top.handle], account.version, tag="m:ParentFolderIds"))
    return payload


def _shape() -> Any:
    names = ("FolderId", "ParentFolderId", "DisplayName", "FolderClass", "TotalCount")
    asked = [element("t:FieldURI", FieldURI=f"folder:{name}") for name in names]
    hidden = element("t:ExtendedFieldURI", PropertyTag="0x10f4", PropertyType="Boolean")
    return element(
        "m:FolderShape",
        element("t:BaseShape", text="IdOnly"),
        element("t:AdditionalProperties", *asked, hidden),
    )


def _distinguished(name: str, address: str) -> Any:
    mailbox = None if name == _PUBLIC_TOP else Mailbox(email_address=address)
    return DistinguishedFolderId(id=name, mailbox=mailbox)


def _node(found: Any) -> Node:
    identity = found.find(f"{{{TNS}}}FolderId")
    parent = found.find(f"{{{TNS}}}ParentFolderId")
    value = found.find(f"{{{TNS}}}ExtendedProperty/{{{TNS}}}Value")
    return Node(
        id=identity.get("Id"),
        change_key=identity.get("ChangeKey"),
        parent=None if parent is None else parent.get("Id"),
        name=child(found, "DisplayName") or "",
        folder_class=child(found, "FolderClass"),
        total=int(child(found, "TotalCount") or 0),
        hidden=value is not None and (value.text or "").lower() in ("true", "1"),
        is_search=found.tag == f"{{{TNS}}}SearchFolder",
    )


def _path(node: Node, by_id: Mapping[str, Node], top: str) -> list[Node] | None:
    """Give the folders from below the top down to one; None for one that hangs nowhere."""
    path = [node]
    while path[0].parent != top:
        above = by_id.get(path[0].parent or "")
        if above is None or above in path:
            return None
        path.insert(0, above)
    return path
