"""Folders made: mail and address books below others, calendars and task lists beside each other."""

from collections.abc import Mapping

from archiver.accounts.graph.folders import CALENDAR, CONTACTS, TASKS, Native
from archiver.accounts.graph.web import Refusal, Web, segment
from archiver.errors import FolderRefused
from archiver.formats.folder_name import component, name_of
from archiver.model import Folder, Kind
from archiver.plan.special_uses import INBOX

_ROOTS = {Kind.EVENT: CALENDAR, Kind.CONTACT: CONTACTS, Kind.TASK: TASKS}


def make(web: Web, folder: Folder, natives: Mapping[str, Native]) -> str:
    """Make a folder, and those above it; gives the name that it has. Raises `FolderRefused`."""
    root = _ROOTS.get(folder.kind)
    if root is None:
        return _below(web, folder.name.split("/"), "", "mailFolders", natives)
    if folder.kind is Kind.NOTE:
        raise FolderRefused("Graph has no notes")
    below = folder.name.removeprefix(f"{root}/")
    if folder.kind is Kind.CONTACT:
        return _below(web, below.split("/"), f"{root}/", "contactFolders", natives)
    name = name_of(below) if "/" not in below else below
    where, key = ("calendars", "name") if folder.kind is Kind.EVENT else ("todo/lists", "displayName")
    made = f"{root}/{component(name)}"
    if made not in natives:
        _create(web, f"{web.me}/{where}", {key: name})
    return made


def _below(web: Web, parts: list[str], above: str, where: str, natives: Mapping[str, Native]) -> str:
    path, name = f"{web.me}/{where}", above.rstrip("/")
    for part in parts:
        name = part if not name else f"{name}/{part}"
        native = natives.get(name)
        if native is not None:
            path = f"{native.path}/childFolders"
            continue
        if name.upper() == INBOX:
            raise FolderRefused("the mailbox shows no inbox")
        made = _create(web, path, {"displayName": name_of(part)})
        path = f"{web.me}/{where}/{segment(made)}/childFolders"
    return name


def _create(web: Web, path: str, body: dict[str, str]) -> str:
    """Make one; a folder that is there already, for an answer was lost, is found by its name."""
    try:
        return str(web.patiently("POST", path, body=body).json()["id"])
    except Refusal as error:
        if error.status != 409:
            raise FolderRefused(
                f'Exchange Online does not make the folder "{next(iter(body.values()))}": {error.text}',
                "restore to a folder of another name: --into FOLDER",
            ) from error
    for told in web.all(path, **{"$top": "250"}):
        if any(str(told.get(key, "")).lower() == value.lower() for key, value in body.items()):
            return str(told["id"])
    raise FolderRefused(f'the folder "{next(iter(body.values()))}" is there, and is not shown')
