"""What clients write into items: the fields of CreateItem, and the changes of UpdateItem."""

import base64
import binascii
import uuid
from email import message_from_bytes
from xml.etree.ElementTree import Element

from tests.servers.ews import calendar_text, mime, properties
from tests.servers.ews.markup import boolean, children, clone, find, is_true, local, parse_moment, t, text
from tests.servers.ews.order import names
from tests.servers.ews.refusals import Refused
from tests.servers.ews.state import Attachment, Folder, Item, Site

CLASSES = {
    "Message": "IPM.Note",
    "CalendarItem": "IPM.Appointment",
    "Contact": "IPM.Contact",
    "DistributionList": "IPM.DistList",
    "Task": "IPM.Task",
    "PostItem": "IPM.Post",
}
TRUTHS = set(
    names("""
    IsAllDayEvent ReminderIsSet IsResponseRequested AllowNewTimeProposal IsReadReceiptRequested
    IsDeliveryReceiptRequested
    """)
)
READ_ONLY = set(
    names("""
    ItemId ParentFolderId Size DateTimeReceived DateTimeSent DateTimeCreated HasAttachments IsDraft IsSubmitted
    IsFromMe IsResend IsUnmodified LastModifiedName LastModifiedTime DisplayTo DisplayCc EffectiveRights
    IsAssociated ConversationId InternetMessageHeaders CompleteName HasPicture CalendarItemType IsRecurring
    ModifiedOccurrences DeletedOccurrences FirstOccurrence LastOccurrence Duration When IsMeeting
    MeetingRequestWasSent AppointmentState MyResponseType Organizer DateTimeStamp OriginalStart RecurrenceId
    PostedTime IsComplete IsTeamTask ChangeCount UniqueBody TextBody Preview
    """)
)

TRUTHS = set(
    names("""
    ReminderIsSet IsAllDayEvent IsReadReceiptRequested IsDeliveryReceiptRequested IsResponseRequested
    AllowNewTimeProposal IsOnlineMeeting HasBeenProcessed IsOutOfDate IsCancelled
    """)
)


def create(site: Site, folder: Folder, given: Element) -> Item:
    """Make an item of an element of CreateItem; it is not in the folder yet. Refuses what is read-only."""
    kind = local(given)
    if kind not in CLASSES:
        raise Refused("ErrorInvalidItemForOperationCreateItem", f"A {kind} cannot be created.")
    item = site.new_item(kind, text(given, "ItemClass") or CLASSES[kind], folder)
    item.is_draft = kind == "Message"
    item.is_read = True
    content = find(given, "MimeContent")
    if content is not None:
        absorb_mime(site, item, content)
    for field in given:
        if local(field) not in ("MimeContent", "ItemClass"):
            set_field(site, item, field, True)
    if kind == "CalendarItem":
        _complete_event(item)
    return item


def _complete_event(item: Item) -> None:
    item.fields.setdefault("UID", t("UID", f"040000008200E00074C5B7101A82E008{uuid.uuid4().hex.upper()}"))
    address = item.folder.mailbox.address
    item.fields.setdefault(
        "Organizer", t("Organizer", mime.mailbox(address, item.folder.mailbox.display_name))
    )
    start, end = text(item.fields.get("Start")), text(item.fields.get("End"))
    if start and end and parse_moment(end) < parse_moment(start):
        raise Refused("ErrorCalendarEndDateIsEarlierThanStartDate")


def absorb_mime(site: Site, item: Item, content: Element) -> None:
    """Take MimeContent into an item: mail as it is, the calendar of an event. Refuses it for other kinds."""
    try:
        raw = base64.b64decode(content.text or "", validate=False)
    except binascii.Error:
        raise Refused("ErrorMimeContentInvalidBase64String") from None
    if not raw.strip():
        raise Refused("ErrorMimeContentInvalid")
    if item.element == "Message":
        mime.absorb(site, item, raw)
    elif item.element == "CalendarItem":
        if not raw.lstrip().startswith(b"BEGIN:VCALENDAR"):
            parts = message_from_bytes(raw).walk()
            inner = next((part for part in parts if part.get_content_type() == "text/calendar"), None)
            payload = None if inner is None else inner.get_payload(decode=True)
            raw = payload if isinstance(payload, bytes) else b""
        calendar_text.absorb(item, raw)
    else:
        raise Refused("ErrorUnsupportedMimeConversion")


def set_field(site: Site, item: Item, field: Element, created: bool) -> None:
    """Write one field, with its new value, into an item."""
    name = local(field)
    if name == "ExtendedProperty":
        properties.store(item, field, created)
    elif name == "Attachments":
        item.attachments += [read_attachment(site, item, one) for one in field]
    elif name == "MimeContent":
        # an update of the content makes a draft of what was none
        absorb_mime(site, item, field)
        item.is_draft = item.is_draft or item.element == "Message"
    elif name == "IsRead":
        item.is_read = is_true(field.text)
    elif name == "Flag":
        properties.set_flag(item, clone(field))
    elif name == "ItemClass":
        item.item_class = field.text or ""
    elif name in READ_ONLY:
        raise Refused("ErrorInvalidPropertySet", f"Set action is invalid for property {name}.")
    elif name in TRUTHS:
        item.fields[name] = t(name, boolean(is_true(field.text)))
    else:
        item.fields[name] = clone(field)
        if name in TRUTHS:  # Exchange says them in words, however they were written
            item.fields[name].text = boolean(is_true(field.text))


def set_entry(item: Item, path: Element, field: Element) -> None:
    """Write one entry of a field with several, such as a phone number, beside the others."""
    kept = item.fields.setdefault(local(field), t(local(field)))
    for entry in field:
        old = next((one for one in kept if one.get("Key") == entry.get("Key")), None)
        if old is None:
            kept.append(clone(entry))
        elif not len(entry):
            old.text = entry.text
        else:
            for part in entry:
                for same in [one for one in old if local(one) == local(part)]:
                    old.remove(same)
                old.append(clone(part))
            order = ["Street", "City", "State", "CountryOrRegion", "PostalCode"]
            old[:] = sorted(old, key=lambda part: order.index(local(part)))


def delete_field(item: Item, path: Element, name: str | None) -> None:
    """Take a field, an entry of one, or an extended property off an item."""
    if name is None:
        properties.remove(item, path)
        return
    if name in READ_ONLY:
        raise Refused("ErrorInvalidPropertyDelete", detail=clone(path))
    index = path.get("FieldIndex")
    if index is None or name not in item.fields:
        item.fields.pop(name, None)
        return
    kept = item.fields[name]
    part = (path.get("FieldURI") or "").split(":")[2:]
    for entry in [one for one in kept if one.get("Key") == index]:
        for inner in [one for one in entry if part and local(one) == part[0]]:
            entry.remove(inner)
        if not len(entry):
            kept.remove(entry)
    if not len(kept):
        item.fields.pop(name)


def read_attachment(site: Site, item: Item, given: Element) -> Attachment:
    """Make an attachment of an element of a request."""
    made = Attachment(site.identifiers.new("attachment"), text(given, "Name") or "")
    made.content_type = text(given, "ContentType") or made.content_type
    made.content_id = text(given, "ContentId")
    made.is_inline = is_true(text(given, "IsInline"))
    made.is_photo = is_true(text(given, "IsContactPhoto"))
    if local(given) == "FileAttachment":
        made.content = base64.b64decode(text(given, "Content") or "")
        return made
    inner = next((one for one in given if local(one) in CLASSES), None)
    if inner is None:
        raise Refused("ErrorInvalidItemForOperationCreateItemAttachment")
    made.item = create(site, item.folder, inner)
    return made


def has_attendees(item: Item) -> bool:
    """Tell whether other people are invited."""
    return any(name in item.fields for name in ("RequiredAttendees", "OptionalAttendees", "Resources"))


def updates_of(change: Element) -> list[Element]:
    """Give the updates of a t:ItemChange."""
    return children(change, "Updates")
