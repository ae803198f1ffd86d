"""Events, contacts and tasks whole: with their exceptions, attachments and pictures."""

import base64
from collections.abc import Iterator
from typing import Any

from archiver.accounts.graph import listing, reading
from archiver.accounts.graph.changes import item_path
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import Json, Refusal, Web, segment
from archiver.formats.record import Attached, Details, Export, Record
from archiver.items import Item
from archiver.model import Kind, Remote

_CLASSES = {Kind.EVENT: "IPM.Appointment", Kind.CONTACT: "IPM.Contact", Kind.TASK: "IPM.Task"}
_PHOTO = "photo.jpg"
_KNOWN_ELSEWHERE = ("@odata.context", "attachments")


def record(web: Web, native: Native, item_id: str, remote: Remote, export: Export | None) -> Record | None:
    """Read an item; None where it is gone. Raises what the server refuses, but of an attachment alone."""
    path = item_path(web, native, item_id)
    kind = native.folder.kind
    told = _read(web, path, kind)
    files: list[Attached] = []
    item: Item
    if kind is Kind.EVENT:
        files = _files(web, path, told)
        item = reading.event(told, [one.name for one in files])
    elif kind is Kind.CONTACT:
        photo = _photo(web, path)
        files = _files(web, path, told) + ([photo] if photo is not None else [])
        item = reading.contact(told, photo.name if photo is not None else None)
    else:
        files = _files(web, path, told)
        item = reading.task(told, [one.name for one in files])
    details = Details(
        kind,
        _CLASSES[kind],
        id=item_id,
        change_key=str(told.get("changeKey") or told.get("@odata.etag") or ""),
        folder_id=native.id,
        received=remote.received,
        created=listing.moment(told.get("createdDateTime")),
        modified=listing.moment(told.get("lastModifiedDateTime")),
        flags=remote.flags,
        importance=item.importance,
        sensitivity=item.sensitivity,
        subject=item.subject,
        item=item,
        extra={"graph": {name: value for name, value in told.items() if name not in _KNOWN_ELSEWHERE}},
    )
    return Record(details, item.body.encode("utf-8", "replace"), "text/plain", export, tuple(files))


def _read(web: Web, path: str, kind: Kind) -> Json:
    if kind is not Kind.EVENT:
        return web.get(path)
    told = web.get(path)
    if told.get("type") == "seriesMaster":
        names = "id,exceptionOccurrences,cancelledOccurrences"
        more = web.get(path, **{"$select": names, "$expand": "exceptionOccurrences"})
        told = {
            **told,
            "exceptionOccurrences": more.get("exceptionOccurrences", []),
            "cancelledOccurrences": more.get("cancelledOccurrences", []),
        }
    return told


def _files(web: Web, path: str, told: Json) -> list[Attached]:
    """Read the attachments, each with its content."""
    if not told.get("hasAttachments"):
        return []
    found: list[Attached] = []
    for name, one in named(web, path):
        whole: dict[str, Any] = one
        if "contentBytes" not in one and "item" not in str(one.get("@odata.type", "")).lower():
            whole = web.get(f"{path}/attachments/{segment(one['id'])}")
        if "contentBytes" in whole:
            content = base64.b64decode(str(whole["contentBytes"] or ""), validate=True)
        else:
            content = web.raw(f"{path}/attachments/{segment(one['id'])}/$value").body
        found.append(Attached(name, str(whole.get("contentType") or "application/octet-stream"), content))
    return found


def named(web: Web, path: str) -> Iterator[tuple[str, Json]]:
    """List the attachments of an item, each under a name that no other has; links to files elsewhere are none."""
    taken = {_PHOTO}
    for one in web.all(f"{path}/attachments"):
        if "referenceAttachment" in str(one.get("@odata.type", "")):
            continue
        number, wanted = 2, str(one.get("name") or "attachment")
        name = wanted
        while name in taken:
            name, number = f"{number}-{wanted}", number + 1
        taken.add(name)
        yield name, one


def _photo(web: Web, path: str) -> Attached | None:
    try:
        answer = web.raw(f"{path}/photo/$value")
    except Refusal as error:
        if error.is_gone:
            return None
        raise
    kind = answer.headers.get("content-type", "image/jpeg").partition(";")[0]
    return Attached(_PHOTO, kind, answer.body) if answer.body else None
