"""What requests that change something do: create, change, move, remove."""

import base64
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.servers.graph import text
from tests.servers.graph.calls import _NAMES, _ONE, JSON_LIMIT, Call, _folder, _one, _shown, pattern_of, said
from tests.servers.graph.state import Folder, Item, Refused, property_id

if TYPE_CHECKING:
    from tests.servers.graph.server import GraphDouble, Reply, Request

Json = dict[str, Any]

FLAGS, RECEIVED, SENT, VERB = "Integer 0xe07", "SystemTime 0xe06", "SystemTime 0x39", "Integer 0x1081"
DRAFT = 8
READ_ONLY = {
    "id",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "parentFolderId",
    "isDraft",
    "receivedDateTime",
    "sentDateTime",
    "hasAttachments",
    "iCalUId",
    "exceptionOccurrences",
    "cancelledOccurrences",
}
_OF_ALL = {"categories", "importance", "body", "singleValueExtendedProperties", "attachments"}
KNOWN = {
    "mail": _OF_ALL
    | {
        "subject",
        "from",
        "sender",
        "toRecipients",
        "ccRecipients",
        "bccRecipients",
        "replyTo",
        "internetMessageId",
    }
    | {"isRead", "flag"},
    "event": _OF_ALL
    | {
        "subject",
        "start",
        "end",
        "isAllDay",
        "location",
        "sensitivity",
        "showAs",
        "isReminderOn",
        "recurrence",
    }
    | {"reminderMinutesBeforeStart", "responseRequested", "attendees"},
    "contact": {
        "categories",
        "singleValueExtendedProperties",
        "displayName",
        "fileAs",
        "givenName",
        "middleName",
    }
    | {
        "surname",
        "title",
        "generation",
        "nickName",
        "companyName",
        "department",
        "jobTitle",
        "officeLocation",
    }
    | {"profession", "manager", "assistantName", "spouseName", "personalNotes", "children", "emailAddresses"}
    | {"imAddresses", "birthday", "businessHomePage", "homePhones", "businessPhones", "mobilePhone"}
    | {"homeAddress", "businessAddress", "otherAddress"},
    "task": {
        "title",
        "body",
        "categories",
        "importance",
        "status",
        "isReminderOn",
        "linkedResources",
        "recurrence",
    }
    | {"startDateTime", "dueDateTime", "completedDateTime", "reminderDateTime"},
}
"""What each kind can be made with, by the reference of its resource."""

TAKEN = (
    "body",
    "from",
    "sender",
    "subject",
    "isRead",
    "flag",
    "categories",
    "importance",
    "internetMessageId",
)
ALWAYS = {"isRead", "categories", "flag", "importance", "singleValueExtendedProperties"}
"""What of a mail can be changed although it is no draft."""


ROUTES: list[tuple[str, re.Pattern[str], Call]] = []


def route(method: str, path: str) -> Callable[[Call], Call]:
    """Serve a path; see `calls.route`."""

    def add(call: Call) -> Call:
        ROUTES.append((method, pattern_of(path), call))
        return call

    return add


def _checked(request: "Request", kind: str) -> Json:
    if len(request.body) > JSON_LIMIT * 4 // 3 + 100_000:
        raise Refused(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
    told = request.json()
    wrong = sorted(told.keys() & READ_ONLY)
    if wrong:
        raise Refused(400, "ErrorInvalidProperty", f"{wrong[0]} is read-only.")
    unknown = sorted(told.keys() - KNOWN[kind])
    if unknown:
        raise Refused(400, "RequestBodyRead", f"The property '{unknown[0]}' does not exist.")
    return told


def _extended(told: Json) -> dict[str, str]:
    return {property_id(one["id"]): one["value"] for one in told.pop("singleValueExtendedProperties", ())}


def _files(item: Item, told: list[Json]) -> None:
    for one in told:
        base64.b64decode(one["contentBytes"], validate=True)
        number = f"ATT{len(item.attachments) + 1}-{item.id}"
        item.attachments.append({**one, "id": number, "size": len(one["contentBytes"]) * 3 // 4})


@route("POST", "~/messages")
def create_in_drafts(double: "GraphDouble", request: "Request") -> "Reply":
    if request.headers.get("content-type", "").startswith("text/plain"):
        return _from_mime(double, request)
    return _create_mail(double, request, double.mailbox.folder("drafts", "mail"))


def _from_mime(double: "GraphDouble", request: "Request") -> "Reply":
    """Take MIME in: a draft, whatever it says."""
    try:
        raw = base64.b64decode(request.body, validate=True)
    except ValueError:
        raise Refused(400, "ErrorMimeContentInvalidBase64String") from None
    made = double.mailbox.deliver(double.mailbox.folder("drafts", "mail"), raw)
    made.props["isDraft"] = True
    return _shown(double, request, made, 201)


@route("POST", "~/(mailFolders|calendars|contactFolders|todo/lists)/{}/(?:messages|events|contacts|tasks)")
def create(double: "GraphDouble", request: "Request", where: str, folder: str) -> "Reply":
    there = _folder(double, where, folder)
    if there.kind == "mail":
        if request.headers.get("content-type", "").startswith("text/plain"):
            raise Refused(400, "BadRequest", "Unable to read JSON request payload.")
        return _create_mail(double, request, there)
    told = _checked(request, there.kind)
    extended = _extended(told)
    if there.kind == "event":
        return _create_event(double, request, there, told, extended)
    if there.kind == "task":
        if extended:
            raise Refused(
                400, "BadRequest", "The property singleValueExtendedProperties does not exist on todoTask."
            )
        if not told.get("title"):
            raise Refused(400, "invalidRequest", "Invalid request: title.")
    made = double.mailbox.add(there, told)
    made.extended = extended
    return _shown(double, request, made, 201)


def _create_mail(double: "GraphDouble", request: "Request", folder: Folder) -> "Reply":
    told = _checked(request, "mail")
    extended, files = _extended(told), told.pop("attachments", [])
    draft = FLAGS not in extended or bool(int(extended[FLAGS]) & DRAFT)
    now = text.stamp(double.mailbox.moment)
    number = len(double.mailbox.items)
    told.setdefault("internetMessageId", f"<made.{number}.{double.mailbox.generation}@prod.outlook.com>")
    props = text.properties(text.rebuilt(told, files))
    for name in (
        "body",
        "isRead",
        "flag",
        "categories",
        "importance",
        "internetMessageId",
        "from",
        "sender",
        "subject",
    ):
        if name in told:
            props[name] = told[name]
    props |= {
        "isDraft": draft,
        "receivedDateTime": extended.get(RECEIVED, now),
        "sentDateTime": extended.get(SENT, now),
    }
    made = double.mailbox.add(folder, props, text.rebuilt(told, files))
    made.extended = {name: value for name, value in extended.items() if name not in (FLAGS, RECEIVED, SENT)}
    _files(made, files)
    return _shown(double, request, made, 201)


def _create_event(
    double: "GraphDouble", request: "Request", folder: Folder, told: Json, extended: dict[str, str]
) -> "Reply":
    if "attachments" in told:
        raise Refused(400, "ErrorInvalidRequest", "Attachments are added to an event that is there.")
    if not {"start", "end"} <= told.keys():
        raise Refused(400, "ErrorInvalidRequest", "start and end are required.")
    if told.get("attendees"):
        double.sent_invitations += 1
    told |= {
        "iCalUId": f"040000008200E00074C5B7101A82E008{len(double.mailbox.items):08d}",
        "type": "seriesMaster" if told.get("recurrence") else "singleInstance",
        "isOrganizer": True,
        "originalStartTimeZone": told["start"]["timeZone"],
        "originalEndTimeZone": told["end"]["timeZone"],
    }
    made = double.mailbox.add(folder, told)
    made.extended = extended
    return _shown(double, request, made, 201)


@route("PATCH", _ONE)
def change(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    _match(request, one)
    told = _checked(request, one.kind)
    if one.kind == "mail" and not one.props.get("isDraft") and not told.keys() <= ALWAYS:
        raise Refused(400, "ErrorInvalidOperation", "The message is no draft.")
    if _asks(one) or (one.kind == "event" and told.get("attendees")):
        double.sent_invitations += 1
    extended = _extended(told)
    if FLAGS in extended:
        raise Refused(400, "ErrorInvalidExtendedProperty", "The property is read-only.")
    one.extended.update(extended)
    one.props.update(told)
    names = [*told, *(["singleValueExtendedProperties"] if extended else [])]
    double.mailbox.touch(one, *(names if one.kind == "mail" else ["content"]))
    return _shown(double, request, one)


def _asks(one: Item) -> bool:
    """Tell whether people are asked to an event, or to one occurrence of it."""
    events = [one.props, *one.props.get("exceptionOccurrences", ())]
    return one.kind == "event" and any(each.get("attendees") for each in events)


def _match(request: "Request", one: Item) -> None:
    told = request.headers.get("if-match")
    if told not in (None, "*", f'W/"{one.change_key}"'):
        raise Refused(
            412, "ErrorIrresolvableConflict", "The change key passed in the request does not match."
        )


@route("POST", _ONE + "/move")
def move(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    _match(request, one)
    double.mailbox.move(one, double.mailbox.folder(request.json()["destinationId"], _NAMES[what]))
    return _shown(double, request, one, 201)


@route("POST", _ONE + "/permanentDelete")
def permanent_delete(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    _match(request, one)
    return _gone(double, one)


@route("DELETE", _ONE)
def remove(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    _match(request, one)
    bin_of_mail = double.mailbox.folder("deleteditems", "mail")
    if one.kind == "mail" and one.folder != bin_of_mail.id:
        double.mailbox.move(one, bin_of_mail)
        return said(None, 204)
    return _gone(double, one)


def _gone(double: "GraphDouble", one: Item) -> "Reply":
    if _asks(one):
        double.sent_invitations += 1  # that the meeting is cancelled, or that it is declined
    double.mailbox.remove(one)
    return said(None, 204)


@route("POST", _ONE + "/attachments")
def attach(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    if one.kind == "contact":
        raise Refused(400, "BadRequest", "Resource not found for the segment 'attachments'.")
    told = request.json()
    wanted = (
        "#microsoft.graph.taskFileAttachment" if one.kind == "task" else "#microsoft.graph.fileAttachment"
    )
    if told.get("@odata.type") != wanted:
        raise Refused(400, "BadRequest", "The type of the attachment is wrong.")
    if len(told["contentBytes"]) > 4 << 20:
        raise Refused(413, "ErrorAttachmentSizeLimitExceeded", "The attachment is too large.")
    if _asks(one):
        double.sent_invitations += 1
    _files(one, [told])
    double.mailbox.touch(one, "content")
    return said(one.attachments[-1], 201)


@route("PUT", _ONE + r"/photo/\$value")
def set_photo(double: "GraphDouble", request: "Request", what: str, item: str) -> "Reply":
    one = _one(double, what, item)
    one.photo = request.body
    double.mailbox.touch(one, "content")
    return said(None, 200)


@route("POST", "~/todo/lists/{}/tasks/{}/linkedResources")
def link(double: "GraphDouble", request: "Request", folder: str, item: str) -> "Reply":
    one = _one(double, "tasks", item)
    one.props.setdefault("linkedResources", []).append(request.json())
    double.mailbox.touch(one, "content")
    return said(request.json(), 201)
