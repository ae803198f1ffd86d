"""What each request of Graph does: path by path."""

import base64
import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.servers.graph import shapes, text
from tests.servers.graph.state import Folder, Item, Refused, property_id
from tests.servers.graph.text import stamp

if TYPE_CHECKING:
    from tests.servers.graph.server import GraphDouble, Reply, Request

Json = dict[str, Any]
Call = Callable[..., "Reply"]

ROUTES: list[tuple[str, re.Pattern[str], Call]] = []

_ME = r"(?:/me|/users/[^/]+)"
_HAVING = re.compile(
    r"singleValueExtendedProperties/any\(ep: ?ep/id eq '([^']+)' and ep/value (eq|ne) ('[^']*'|null)\)", re.I
)
MIME_LIMIT = JSON_LIMIT = 4 << 20


def route(method: str, path: str) -> Callable[[Call], Call]:
    """Serve a path; `{}` is one segment of it, `~` the user."""

    def add(call: Call) -> Call:
        ROUTES.append((method, pattern_of(path), call))
        return call

    return add


def pattern_of(path: str) -> re.Pattern[str]:
    """Make the pattern of a path."""
    return re.compile(path.replace("~", _ME).replace("{}", "([^/]+)"), re.IGNORECASE)


def said(body: Json | bytes | None, status: int = 200, content_type: str | None = None) -> "Reply":
    from tests.servers.graph.server import Reply  # noqa: PLC0415 -- each needs the other

    return Reply(status, body, {"Content-Type": content_type} if content_type else {})


# --- who and where ----------------------------------------------------------------------------------


@route("GET", "~")
def user(double: "GraphDouble", request: "Request") -> "Reply":
    return said({"id": "user", "userPrincipalName": double.user, "mail": double.user})


@route("GET", "~/settings/exchange")
def exchange(double: "GraphDouble", request: "Request") -> "Reply":
    return said({"primaryMailboxId": "MBX:e0643f21@a7809c93"})


# --- folders ----------------------------------------------------------------------------------------


def _folders(double: "GraphDouble", request: "Request", kind: str, parent: str | None) -> "Reply":
    hidden = request.query.get("includeHiddenFolders") == "true"
    found = [one for one in double.mailbox.below(kind, parent) if hidden or not one.hidden]
    told = [shapes.folder(one, double.mailbox) for one in found]
    return said(double.paging.listing(told, request.url, request.query))


@route("GET", "~/mailFolders")
def mail_folders(double: "GraphDouble", request: "Request") -> "Reply":
    return _folders(double, request, "mail", None)


@route("GET", "~/mailFolders/{}")
def mail_folder(double: "GraphDouble", request: "Request", folder: str) -> "Reply":
    return said(shapes.folder(double.mailbox.folder(folder, "mail"), double.mailbox))


@route("GET", "~/mailFolders/{}/childFolders")
def child_folders(double: "GraphDouble", request: "Request", folder: str) -> "Reply":
    return _folders(double, request, "mail", double.mailbox.folder(folder, "mail").id)


@route("GET", "~/calendars")
def calendars(double: "GraphDouble", request: "Request") -> "Reply":
    return _folders(double, request, "event", None)


@route("GET", "~/contactFolders")
def contact_folders(double: "GraphDouble", request: "Request") -> "Reply":
    told = [
        shapes.folder(one, double.mailbox)
        for one in double.mailbox.below("contact", None)
        if one.well_known != "contacts"
    ]
    return said(double.paging.listing(told, request.url, request.query))


@route("GET", "~/contactFolders/{}")
def contact_folder(double: "GraphDouble", request: "Request", folder: str) -> "Reply":
    return said(shapes.folder(double.mailbox.folder(folder, "contact"), double.mailbox))


@route("GET", "~/contactFolders/{}/childFolders")
def contact_children(double: "GraphDouble", request: "Request", folder: str) -> "Reply":
    return _folders(double, request, "contact", double.mailbox.folder(folder, "contact").id)


@route("GET", "~/todo/lists")
def task_lists(double: "GraphDouble", request: "Request") -> "Reply":
    return _folders(double, request, "task", None)


def _create_folder(
    double: "GraphDouble", request: "Request", kind: str, parent: str | None, name: str
) -> "Reply":
    wanted = request.json()[name]
    if any(one.name.lower() == wanted.lower() for one in double.mailbox.below(kind, parent)):
        raise Refused(409, "ErrorFolderExists", "A folder with the specified name already exists.")
    made = double.mailbox.create(kind, wanted, parent)
    return said(shapes.folder(made, double.mailbox), 201)


@route("POST", "~/mailFolders")
def create_mail_folder(double: "GraphDouble", request: "Request") -> "Reply":
    return _create_folder(double, request, "mail", None, "displayName")


@route("POST", "~/mailFolders/{}/childFolders")
def create_child_folder(double: "GraphDouble", request: "Request", folder: str) -> "Reply":
    parent = double.mailbox.folder(folder, "mail").id
    return _create_folder(double, request, "mail", parent, "displayName")


@route("POST", "~/calendars")
def create_calendar(double: "GraphDouble", request: "Request") -> "Reply":
    return _create_folder(double, request, "event", None, "name")


@route("POST", "~/contactFolders")
def create_contact_folder(double: "GraphDouble", request: "Request") -> "Reply":
    return _create_folder(double, request, "contact", None, "displayName")


@route("POST", "~/contactFolders/{}/childFolders")
def create_contact_child(double: "GraphDouble", request: "Request", folder: str) -> "Reply":
    parent = double.mailbox.folder(folder, "contact").id
    return _create_folder(double, request, "contact", parent, "displayName")


@route("POST", "~/todo/lists")
def create_task_list(double: "GraphDouble", request: "Request") -> "Reply":
    return _create_folder(double, request, "task", None, "displayName")


# --- listings ---------------------------------------------------------------------------------------

_KINDS = {"mailFolders": "mail", "calendars": "event", "contactFolders": "contact", "todo/lists": "task"}


def _folder(double: "GraphDouble", where: str, folder: str) -> Folder:
    kind = next(kind for name, kind in _KINDS.items() if name.lower() == where.lower())
    return double.mailbox.folder(folder, kind)


@route("GET", "~/(mailFolders|calendars|contactFolders|todo/lists)/{}/(?:messages|events|contacts|tasks)")
def items(double: "GraphDouble", request: "Request", where: str, folder: str) -> "Reply":
    found = double.mailbox.inside(_folder(double, where, folder).id)
    condition = request.query.get("$filter")
    if condition:
        asked = _HAVING.fullmatch(condition)
        if not asked:
            raise Refused(400, "ErrorInvalidUrlQueryFilter", "The query filter is not supported.")
        name, how, value = property_id(asked[1]), asked[2], asked[3].strip("'")
        found = [
            one
            for one in found
            if name in one.extended and (how == "ne" or one.extended[name].lower() == value.lower())
        ]
    told = [shapes.item(one, immutable=request.immutable, query=request.query) for one in found]
    return said(double.paging.listing(told, request.url, request.query))


@route("GET", "~/(mailFolders|contactFolders|todo/lists)/{}/(?:messages|contacts|tasks)/delta")
def delta(double: "GraphDouble", request: "Request", where: str, folder: str) -> "Reply":
    there = _folder(double, where, folder)
    return said(double.paging.delta(there, request.url, request.query, request.immutable))


# --- one item ---------------------------------------------------------------------------------------

_NAMES = {"messages": "mail", "events": "event", "contacts": "contact", "tasks": "task"}
_ONE = "~/(?:[^/]+/[^/]+/|todo/lists/[^/]+/)?(messages|events|contacts|tasks)/{}"


def _one(double: "GraphDouble", what: str, item: str) -> Item:
    return double.mailbox.find(item, _NAMES[what.lower()])


def _shown(double: "GraphDouble", request: "Request", one: Item, status: int = 200) -> "Reply":
    return said(shapes.item(one, immutable=request.immutable, query=request.query), status)


@route("GET", _ONE)
def item(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    return _shown(double, request, _one(double, what, item))


@route("GET", _ONE + r"/\$value")
def value(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    if one.kind != "mail":
        raise Refused(400, "BadRequest", "MIME content is not supported for this item.")
    return said(text.regenerated(one.raw), content_type="text/plain")


@route("GET", _ONE + r"/photo/\$value")
def photo(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    if one.photo is None:
        raise Refused(404, "ErrorItemNotFound", "The photo wasn't found.")
    return said(one.photo, content_type="image/jpeg")


@route("GET", _ONE + "/attachments")
def attachments(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    told = _one(double, what, item).attachments
    if what == "tasks":  # https://learn.microsoft.com/graph/api/taskfileattachment-get: a list has no content
        told = [{name: value for name, value in one.items() if name != "contentBytes"} for one in told]
    return said({"value": told})


@route("GET", _ONE + "/attachments/{}")
def attachment(double: "GraphDouble", request: "Request", what: str, item: str, number: str) -> "Reply":
    found = [one for one in _one(double, what, item).attachments if one.get("id") == number]
    if not found:
        raise Refused(404, "ErrorItemNotFound")
    return said(found[0])


# --- exports ----------------------------------------------------------------------------------------


@route("POST", "/admin/exchange/mailboxes/{}/exportItems")
def export_items(double: "GraphDouble", request: "Request", mailbox: str) -> "Reply":
    ids = request.json()["itemIds"]
    if len(ids) > 20:
        raise Refused(400, "ErrorInvalidRequest", "The number of items exceeds the limit of 20.")
    told: list[Json] = []
    for one in ids:
        try:
            found = double.mailbox.find(one)
        except Refused as refused:
            told.append({"itemId": one, "error": {"code": refused.word, "message": refused.said}})
            continue
        data = base64.b64encode(double.mailbox.blob(found)).decode()
        told.append({"itemId": one, "changeKey": found.change_key, "data": data})
    return said({"value": told})


@route("POST", "/admin/exchange/mailboxes/{}/createImportSession")
def create_import_session(double: "GraphDouble", request: "Request", mailbox: str) -> "Reply":
    token = secrets.token_urlsafe(24)
    double.sessions[token] = double.import_lives
    url = f"{double.import_url}/api/gbeta/Mailboxes('{mailbox}')/importItem?authtoken={token}"
    return said({"importUrl": url, "expirationDateTime": stamp(double.mailbox.moment)})


def import_item(double: "GraphDouble", request: "Request") -> "Reply":
    """Take an item in, at an address of its own."""
    if "authorization" in request.headers:
        raise Refused(401, "ErrorAccessDenied", "The address is its own authorization.")
    left = double.sessions.get(request.query.get("authtoken", ""), 0)
    if left is not None and left <= 0:
        raise Refused(401, "ErrorTokenExpired", "The session has expired.")
    if left is not None:
        double.sessions[request.query["authtoken"]] = left - 1
    told = request.json()
    if told.get("Mode") != "create" or "ItemId" in told:
        raise Refused(400, "ErrorInvalidRequest")
    folder = double.mailbox.folders.get(told["FolderId"])
    if folder is None:
        raise Refused(404, "ErrorItemNotFound")
    made = double.mailbox.from_blob(base64.b64decode(told["Data"]), folder)
    return said({"itemId": made.id if request.immutable else made.rest, "changeKey": made.change_key})
