"""Items and folders as elements: which fields a request asked for, and what they hold."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from xml.etree.ElementTree import Element

from tests.servers.ews import properties
from tests.servers.ews.content import mime_of
from tests.servers.ews.markup import (
    boolean,
    children,
    clone,
    find,
    is_true,
    local,
    moment,
    parse_moment,
    t,
    text,
)
from tests.servers.ews.order import FIELDS
from tests.servers.ews.refusals import Refused
from tests.servers.ews.state import Attachment, Folder, Item, Site

# FindItem and SyncFolderItems never give these
DEEP = {
    "Body",
    "Attachments",
    "InternetMessageHeaders",
    "Members",
    "ModifiedOccurrences",
    "DeletedOccurrences",
}
DEEP |= {
    "ToRecipients",
    "CcRecipients",
    "BccRecipients",
    "RequiredAttendees",
    "OptionalAttendees",
    "Resources",
}
DEEP |= {"Recurrence", "StartTimeZone", "EndTimeZone", "UniqueBody", "NormalizedBody", "TextBody"}
_PLURALS = {"EmailAddress": "EmailAddresses", "PhysicalAddress": "PhysicalAddresses"}
_DEFAULT = {"ItemId", "Subject", "Size", "HasAttachments", "IsRead", "IsDraft", "From", "Start", "End"}
_DEFAULT |= {"Location", "DisplayName", "DueDate"}


@dataclass
class Shape:
    """What a request asked for. `whole` where fields may be given that lists never hold."""

    base: str
    paths: list[Element]
    mime: bool
    whole: bool

    @classmethod
    def read(cls, element: Element | None, whole: bool) -> "Shape":
        """Read an ItemShape, FolderShape or AttachmentShape."""
        if element is None:
            return cls("AllProperties", [], False, whole)
        paths = children(element, "AdditionalProperties")
        mime = is_true(text(element, "IncludeMimeContent"))
        asked = any(path.get("FieldURI") == "item:MimeContent" for path in paths)
        if asked and not whole:
            raise Refused("ErrorInvalidPropertyRequest", detail=t("FieldURI", FieldURI="item:MimeContent"))
        return cls(text(element, "BaseShape") or "IdOnly", paths, mime or asked, whole)

    def wants(self, name: str) -> bool:
        """Tell whether a field was asked for."""
        if name == "MimeContent":
            return self.mime
        if name in DEEP and not self.whole:
            return False
        if name in ("ItemId", "FolderId") or self.base == "AllProperties":
            return True
        if self.base == "Default" and name in _DEFAULT:
            return True
        return any(field_of(path) == name for path in self.paths)

    def indexes(self, name: str) -> set[str]:
        """Give the keys of a field with several entries that were asked for; none where all were."""
        asked = (path for path in self.paths if field_of(path) == name)
        return {path.get("FieldIndex") or "" for path in asked} - {""}

    @property
    def extended(self) -> list[Element]:
        """The extended properties that were asked for."""
        return [path for path in self.paths if local(path) == "ExtendedFieldURI"]


def field_of(path: Element) -> str | None:
    """Give the name of the element that a t:FieldURI or t:IndexedFieldURI stands for."""
    if local(path) == "ExtendedFieldURI":
        return None
    name = (path.get("FieldURI") or "").split(":")[1]
    if local(path) == "FieldURI":
        return name
    return _PLURALS.get(name, f"{name}s")


def id_element(item: Item) -> Element:
    """Give the t:ItemId of an item."""
    return t("ItemId", Id=item.id, ChangeKey=item.change_key)


def folder_id(folder: Folder, name: str = "FolderId") -> Element:
    """Give the t:FolderId of a folder."""
    return t(name, Id=folder.id, ChangeKey=folder.change_key)


def render_item(site: Site, item: Item, shape: Shape) -> Element:
    """Show an item, with its fields in the order that the schema wants."""
    made = t(_element_of(site, item))
    for name in FIELDS[item.element]:
        if name == "ExtendedProperty":
            found = [properties.render(item, path) for path in shape.extended]
            made.extend([one for one in found if one is not None])
        elif shape.wants(name) and name not in site.temper.absent:
            value = field_value(site, item, name)
            if value is None:
                continue
            if indexes := shape.indexes(name):
                for entry in [
                    entry for entry in value if (entry.get("Key") or entry.get("HeaderName")) not in indexes
                ]:
                    value.remove(entry)
                if not len(value):
                    continue
            made.append(value)
    return made


def _element_of(site: Site, item: Item) -> str:
    odd, _, element = (site.temper.odd_class or "").partition("=")
    return element if odd and item.item_class.startswith(odd) else item.element


def field_value(site: Site, item: Item, name: str) -> Element | None:
    """Give a field of an item, a copy of its own; None where it has none."""
    if name == "MimeContent":
        raw = mime_of(site, item)
        return t("MimeContent", base64.b64encode(raw).decode(), CharacterSet="UTF-8")
    if name in item.fields:
        return clone(item.fields[name])
    computed = _COMPUTED.get(name)
    if computed is not None:
        return computed(item)
    if item.element == "CalendarItem" and name in _CALENDAR:
        return _CALENDAR[name](item)
    return None


def _attachments(item: Item) -> Element | None:
    if not item.attachments:
        return None
    return t("Attachments", *(attachment_element(item, one) for one in item.attachments))


def attachment_element(item: Item, attachment: Attachment, *content: Element | None) -> Element:
    """Show an attachment; `content` comes at its end."""
    is_item = attachment.item is not None
    return t(
        "ItemAttachment" if is_item else "FileAttachment",
        t("AttachmentId", Id=attachment.id),
        t("Name", attachment.name),
        t("ContentType", attachment.content_type),
        t("ContentId", attachment.content_id) if attachment.content_id else None,
        t("Size", str(attachment.size)),
        t("LastModifiedTime", moment(item.modified)),
        t("IsInline", boolean(attachment.is_inline)),
        None if is_item else t("IsContactPhoto", boolean(attachment.is_photo)),
        *content,
    )


def _headers(item: Item) -> Element | None:
    if item.source is None:
        return None
    found = BytesHeaderParser().parsebytes(item.source).items()
    shown = [t("InternetMessageHeader", str(value), HeaderName=name) for name, value in found]
    return t("InternetMessageHeaders", *shown) if shown else None


def _occurrence(item: Item) -> Element:
    assert item.original_start is not None
    start, end = item.fields["Start"], item.fields["End"]
    return t(
        "Occurrence",
        id_element(item),
        clone(start),
        clone(end),
        t("OriginalStart", moment(item.original_start)),
    )


def _modified(item: Item) -> Element | None:
    return t("ModifiedOccurrences", *map(_occurrence, item.occurrences)) if item.occurrences else None


def _deleted(item: Item) -> Element | None:
    gone = [t("DeletedOccurrence", t("Start", moment(when))) for when in item.deleted_occurrences]
    return t("DeletedOccurrences", *gone) if gone else None


def calendar_type(item: Item) -> str:
    """Tell what a calendar item is: Single, Occurrence, Exception (a modified occurrence) or RecurringMaster."""
    if item.master is not None:
        return "Exception" if item in item.master.occurrences else "Occurrence"
    return "RecurringMaster" if "Recurrence" in item.fields else "Single"


def rights(folder: Folder) -> Element:
    """Show what the user may do."""
    names = ("CreateAssociated", "CreateContents", "CreateHierarchy", "Delete", "Modify")
    may = boolean(not folder.denied and not folder.read_only)
    return t("EffectiveRights", *(t(name, may) for name in names), t("Read", boolean(not folder.denied)))


def _duration(item: Item) -> Element | None:
    start, end = text(item.fields.get("Start")), text(item.fields.get("End"))
    if not start or not end:
        return None
    minutes = int((parse_moment(end) - parse_moment(start)).total_seconds() // 60)
    return t("Duration", f"PT{minutes}M")


_COMPUTED: dict[str, Callable[[Item], Element | None]] = {
    "ItemId": id_element,
    "ParentFolderId": lambda item: folder_id(item.folder, "ParentFolderId"),
    "ItemClass": lambda item: t("ItemClass", item.item_class),
    "Sensitivity": lambda item: t("Sensitivity", "Normal"),
    "Attachments": _attachments,
    "DateTimeReceived": lambda item: t("DateTimeReceived", moment(item.received)),
    "Size": lambda item: t("Size", str(item.size)),
    "Importance": lambda item: t("Importance", "Normal"),
    "IsSubmitted": lambda item: t("IsSubmitted", "false"),
    "IsDraft": lambda item: t("IsDraft", boolean(item.is_draft)),
    "IsFromMe": lambda item: t("IsFromMe", "false"),
    "IsResend": lambda item: t("IsResend", "false"),
    "IsUnmodified": lambda item: t("IsUnmodified", "false"),
    "InternetMessageHeaders": _headers,
    "DateTimeSent": lambda item: t("DateTimeSent", moment(item.sent)),
    "DateTimeCreated": lambda item: t("DateTimeCreated", moment(item.created)),
    "ReminderIsSet": lambda item: t("ReminderIsSet", "false"),
    "HasAttachments": lambda item: t("HasAttachments", boolean(bool(item.attachments))),
    "EffectiveRights": lambda item: rights(item.folder),
    "LastModifiedTime": lambda item: t("LastModifiedTime", moment(item.modified)),
    "IsAssociated": lambda item: t("IsAssociated", boolean(item.is_associated)),
    "IsRead": lambda item: t("IsRead", boolean(item.is_read)),
    "Flag": properties.flag_of,
    "HasPicture": lambda item: t("HasPicture", boolean(any(one.is_photo for one in item.attachments))),
}
_CALENDAR: dict[str, Callable[[Item], Element | None]] = {
    "IsAllDayEvent": lambda item: t("IsAllDayEvent", "false"),
    "LegacyFreeBusyStatus": lambda item: t("LegacyFreeBusyStatus", "Busy"),
    "IsMeeting": lambda item: t("IsMeeting", boolean("RequiredAttendees" in item.fields)),
    "IsCancelled": lambda item: t("IsCancelled", "false"),
    "IsRecurring": lambda item: t("IsRecurring", boolean(item.master is not None)),
    "MeetingRequestWasSent": lambda item: t("MeetingRequestWasSent", "false"),
    "CalendarItemType": lambda item: t("CalendarItemType", calendar_type(item)),
    "MyResponseType": lambda item: t("MyResponseType", "Organizer"),
    "OriginalStart": lambda item: (
        t("OriginalStart", moment(item.original_start)) if item.original_start else None
    ),
    "RecurrenceId": lambda item: (
        t("RecurrenceId", moment(item.original_start)) if item.original_start else None
    ),
    "DateTimeStamp": lambda item: t("DateTimeStamp", moment(item.modified)),
    "ModifiedOccurrences": _modified,
    "DeletedOccurrences": _deleted,
    "Duration": _duration,
}


def render_folder(folder: Folder, shape: Shape) -> Element:
    """Show a folder, with its fields in the order that the schema wants."""
    made = t(folder.element)
    for name in FIELDS[folder.element]:
        if name == "ExtendedProperty":
            found = [_folder_property(folder, path) for path in shape.extended]
            made.extend([one for one in found if one is not None])
        elif shape.wants(name) or (shape.base == "Default" and name in _FOLDER):
            value = _FOLDER[name](folder) if name in _FOLDER else None
            if value is not None:
                made.append(value)
    return made


def listed(folder: Folder) -> list[Item]:
    """Give the items that a folder shows: a search folder those of its mailbox that are unread."""
    if not folder.is_search:
        return folder.normal_items
    root = folder.mailbox.distinguished["msgfolderroot"]
    return [item for one in root.below() for item in one.normal_items if not item.is_read and item.source]


_FOLDER: dict[str, Callable[[Folder], Element | None]] = {
    "FolderId": folder_id,
    "ParentFolderId": lambda one: folder_id(one.parent, "ParentFolderId") if one.parent else None,
    "FolderClass": lambda one: t("FolderClass", one.folder_class) if one.folder_class else None,
    "DisplayName": lambda one: t("DisplayName", one.name),
    "TotalCount": lambda one: t("TotalCount", str(len(listed(one)))),
    "ChildFolderCount": lambda one: t("ChildFolderCount", str(len(one.children))),
    "EffectiveRights": rights,
    "DistinguishedFolderId": lambda one: (
        t("DistinguishedFolderId", one.distinguished) if one.distinguished else None
    ),
    "UnreadCount": lambda one: t("UnreadCount", str(sum(not item.is_read for item in one.normal_items))),
}


def _folder_property(folder: Folder, path: Element) -> Element | None:
    key = properties.key_of(path)
    if key == "tag 0x10f4":
        return t("ExtendedProperty", clone(path), t("Value", boolean(folder.is_hidden)))
    kept = folder.properties.get(key)
    if kept is None:
        return None
    copied = clone(kept)
    copied[0] = clone(path)
    return copied


def folder_text(folder: Folder, path: Element) -> str | None:
    """Give what a restriction on folders compares."""
    if local(path) == "ExtendedFieldURI":
        found = _folder_property(folder, path)
        return text(found, "Value")
    show = _FOLDER.get(field_of(path) or "")
    value = None if show is None else show(folder)
    return None if value is None else value.text


def item_text(site: Site, item: Item, path: Element) -> str | None:
    """Give what a restriction or an order of items compares."""
    if local(path) == "ExtendedFieldURI":
        return properties.value_of(item, properties.key_of(path))
    value = field_value(site, item, field_of(path) or "")
    if value is None:
        return None
    if value.get("Id"):
        return value.get("Id")
    inner = find(value, "Mailbox")
    if inner is not None:
        return text(inner, "EmailAddress")
    return " ".join(one.text or "" for one in value.iter() if one.text)
