"""How folders and items look as JSON, with what a query asks for."""

import re
from typing import Any

from tests.servers.graph.state import Folder, Item, Mailbox, property_id
from tests.servers.graph.text import stamp

Json = dict[str, Any]

SIZE = "Integer 0xe08"
_OVERHEAD = 2411
_IDS = re.compile(r"id eq '([^']+)'")


def item(one: Item, *, immutable: bool, query: dict[str, str], names: set[str] | None = None) -> Json:
    """Shape an item; with `names`, those properties alone, as a delta tells what changed."""
    told: Json = {
        "@odata.etag": f'W/"{one.change_key}"',
        "id": one.id if immutable else one.rest,
        "changeKey": one.change_key,
        "createdDateTime": stamp(one.created),
        "lastModifiedDateTime": stamp(one.modified),
        "parentFolderId": one.folder,
        **one.props,
    }
    if one.kind == "task":
        del told["changeKey"], told["parentFolderId"]
    if one.kind in ("event", "task", "mail"):
        told["hasAttachments"] = bool(one.attachments) or bool(one.props.get("hasAttachments"))
    if "$select" in query:
        chosen = set(query["$select"].split(",")) | {"id", "@odata.etag", "@odata.type"}
        told = {name: value for name, value in told.items() if name in chosen}
    if names is not None:
        told = {name: value for name, value in told.items() if name in names | {"id", "@odata.type"}}
    expand = query.get("$expand", "")
    if "singleValueExtendedProperties" in expand and names is None:
        wanted = {property_id(name) for name in _IDS.findall(expand)}
        having = {**one.extended, SIZE: str(len(one.raw) + _OVERHEAD)}
        found = [{"id": name, "value": value} for name, value in having.items() if name in wanted]
        if found:
            told["singleValueExtendedProperties"] = found
    for name in ("exceptionOccurrences", "linkedResources"):
        if name in told and name not in expand:
            del told[name]
    if "cancelledOccurrences" not in query.get("$select", ""):
        told.pop("cancelledOccurrences", None)
    if "attachments" in expand and names is None:
        told["attachments"] = one.attachments
    return told


def folder(one: Folder, mailbox: Mailbox) -> Json:
    """Shape a folder."""
    below = mailbox.below(one.kind, one.id)
    match one.kind:
        case "mail":
            told: Json = {
                "id": one.id,
                "displayName": one.name,
                "parentFolderId": one.parent or "root",
                "childFolderCount": len(below),
                "totalItemCount": len(mailbox.inside(one.id)),
                "isHidden": one.hidden,
            }
            if one.search:
                told["@odata.type"] = "#microsoft.graph.mailSearchFolder"
            return told
        case "event":
            return {
                "id": one.id,
                "name": one.name,
                "isDefaultCalendar": one.well_known == "calendar",
                "owner": {"name": "", "address": one.owner},
                "canEdit": True,
            }
        case "contact":
            return {"id": one.id, "displayName": one.name, "parentFolderId": one.parent or "root"}
        case _:
            return {
                "id": one.id,
                "displayName": one.name,
                "isOwner": True,
                "isShared": False,
                "wellknownListName": one.well_known or "none",
            }
