"""The operations on folders: get, find, create, change, move, delete, empty."""

from collections.abc import Callable
from typing import TypeVar
from xml.etree.ElementTree import Element

from tests.servers.ews import properties
from tests.servers.ews.call import Call
from tests.servers.ews.markup import boolean, children, clone, find, is_true, local, m, t, text
from tests.servers.ews.refusals import Refused
from tests.servers.ews.restriction import matches
from tests.servers.ews.shape import Shape, folder_id, folder_text, render_folder
from tests.servers.ews.state import Folder

_CLASSES = {"CalendarFolder": "IPF.Appointment", "ContactsFolder": "IPF.Contact", "TasksFolder": "IPF.Task"}


def _none() -> list[Element]:
    return [m("Folders")]


def get_folder(call: Call) -> list[Element]:
    """Answer GetFolder."""
    shape = Shape.read(find(call.body, "FolderShape"), True)
    ids = children(call.body, "FolderIds")
    return call.each(ids, lambda one: [m("Folders", render_folder(call.folder(one), shape))], _none)


def find_folder(call: Call) -> list[Element]:
    """Answer FindFolder, page by page. Public folders are not searched deeply, as on Exchange."""
    shape = Shape.read(find(call.body, "FolderShape"), True)
    restriction, view = find(call.body, "Restriction"), find(call.body, "IndexedPageFolderView")

    def search(one: Element) -> list[Element]:
        parent = call.folder(one)
        deep = call.body.get("Traversal") == "Deep"
        if deep and parent.mailbox.address == "":
            raise Refused("ErrorInvalidOperation", "Deep traversal is not supported for public folders.")
        found = list(parent.below()) if deep else list(parent.children.values())
        if restriction is not None:
            found = [each for each in found if matches(restriction[0], lambda path: folder_text(each, path))]  # noqa: B023
        page, attributes = cut(found, view)
        if not found and call.site.temper.empties_roots:
            return []
        return [m("RootFolder", t("Folders", *(render_folder(each, shape) for each in page)), **attributes)]

    return call.each(children(call.body, "ParentFolderIds"), search)


Entry = TypeVar("Entry")
FIND_LIMIT = 1000
"""EWSFindCountLimit: no search gives more entries in one reply."""


def cut(found: list[Entry], view: Element | None) -> tuple[list[Entry], dict[str, str]]:
    """Cut the page that a view asks for; the attributes tell where the next begins."""
    offset = 0 if view is None else int(view.get("Offset") or 0)
    limit = min(FIND_LIMIT if view is None else int(view.get("MaxEntriesReturned") or FIND_LIMIT), FIND_LIMIT)
    if view is not None and view.get("BasePoint") == "End":
        found = found[::-1]
    page = found[offset : offset + limit]
    last = offset + limit >= len(found)
    told = {"TotalItemsInView": str(len(found)), "IncludesLastItemInRange": boolean(last)}
    return page, {"IndexedPagingOffset": str(offset + len(page)), **told}


def create_folder(call: Call) -> list[Element]:
    """Answer CreateFolder."""

    def create(one: Element) -> list[Element]:
        parent = call.target("ParentFolderId")
        name = text(one, "DisplayName") or ""
        _refuse_twin(parent, name)
        given = text(one, "FolderClass") or _CLASSES.get(local(one), "IPF.Note")
        made = call.site.add_folder(parent.mailbox, parent, name, given)
        made.is_search = local(one) == "SearchFolder"
        for given_property in (child for child in one if local(child) == "ExtendedProperty"):
            _store(made, given_property)
        return [m("Folders", t(made.element, folder_id(made)))]

    return call.each(children(call.body, "Folders"), create, _none)


def _refuse_twin(parent: Folder, name: str, but: Folder | None = None) -> None:
    names = {one.name.casefold() for one in parent.children.values() if one is not but}
    if name.casefold() in names:
        raise Refused("ErrorFolderExists")


def _store(folder: Folder, given: Element) -> None:
    path = find(given, "ExtendedFieldURI")
    assert path is not None
    key = properties.key_of(path)
    if key == "tag 0x10f4":
        folder.is_hidden = is_true(text(given, "Value"))
    else:
        folder.properties[key] = clone(given)


def update_folder(call: Call) -> list[Element]:
    """Answer UpdateFolder: the name, the class, extended properties."""

    def change(one: Element) -> list[Element]:
        folder = call.folder(one[0])
        for update in children(one, "Updates"):
            if local(update) == "DeleteFolderField":
                folder.properties.pop(properties.key_of(update[0]), None)
                continue
            value = update[1][0]
            if local(value) == "DisplayName":
                if folder.distinguished or folder.parent is None:
                    raise Refused("ErrorAccessDenied", "A distinguished folder cannot be renamed.")
                _refuse_twin(folder.parent, value.text or "", folder)
                folder.name = value.text or ""
            elif local(value) == "FolderClass":
                folder.folder_class = value.text or ""
            else:
                _store(folder, value)
        call.site.touch(folder)
        return [m("Folders", t(folder.element, folder_id(folder)))]

    return call.each(children(call.body, "FolderChanges"), change, _none)


def move_folder(call: Call) -> list[Element]:
    """Answer MoveFolder: a folder keeps its id."""

    def move(one: Element) -> list[Element]:
        to, folder = call.target("ToFolderId"), call.folder(one)
        if folder.distinguished or folder.parent is None:
            raise Refused("ErrorMoveDistinguishedFolder")
        _refuse_twin(to, folder.name)
        folder.parent.children.pop(folder.id)
        folder.parent, folder.mailbox = to, to.mailbox
        to.children[folder.id] = folder
        call.site.touch(folder)
        return [m("Folders", t(folder.element, folder_id(folder)))]

    return call.each(children(call.body, "FolderIds"), move, _none)


def delete_folder(call: Call) -> list[Element]:
    """Answer DeleteFolder."""

    def delete(one: Element) -> list[Element]:
        folder = call.folder(one)
        if folder.distinguished:
            raise Refused("ErrorDeleteDistinguishedFolder")
        assert folder.parent is not None
        bin_ = folder.mailbox.distinguished.get("deleteditems")
        if call.body.get("DeleteType") == "MoveToDeletedItems" and bin_ is not None:
            folder.parent.children.pop(folder.id)
            folder.parent = bin_
            bin_.children[folder.id] = folder
            call.site.touch(folder)
        else:
            call.site.remove_folder(folder)
        return []

    return call.each(children(call.body, "FolderIds"), delete)


def empty_folder(call: Call) -> list[Element]:
    """Answer EmptyFolder."""

    def empty(one: Element) -> list[Element]:
        folder = call.folder(one)
        for item in list(folder.items.values()):
            call.site.dispose(item, call.body.get("DeleteType") or "")
        if is_true(call.body.get("DeleteSubFolders")):
            for child in list(folder.children.values()):
                call.site.remove_folder(child)
        return []

    return call.each(children(call.body, "FolderIds"), empty)


OPERATIONS: dict[str, Callable[[Call], list[Element]]] = {
    "GetFolder": get_folder,
    "FindFolder": find_folder,
    "CreateFolder": create_folder,
    "UpdateFolder": update_folder,
    "MoveFolder": move_folder,
    "DeleteFolder": delete_folder,
    "EmptyFolder": empty_folder,
}
