"""The operations on items: get, create, change, move, copy, delete, and their attachments."""

import base64
from collections.abc import Callable
from xml.etree.ElementTree import Element

from tests.servers.ews import blob
from tests.servers.ews.call import Call
from tests.servers.ews.markup import children, find, is_true, local, m, t, text
from tests.servers.ews.refusals import Faulted, Refused
from tests.servers.ews.shape import Shape, attachment_element, field_of, id_element, render_item
from tests.servers.ews.state import Folder, Item
from tests.servers.ews.writing import (
    create,
    delete_field,
    has_attendees,
    read_attachment,
    set_entry,
    set_field,
    updates_of,
)

_HOMES = {"CalendarItem": "calendar", "Contact": "contacts", "DistributionList": "contacts", "Task": "tasks"}


def no_items() -> list[Element]:
    """Give what the schema wants in a message that tells of an error."""
    return [m("Items")]


def get_item(call: Call) -> list[Element]:
    """Answer GetItem."""
    shape = Shape.read(find(call.body, "ItemShape"), True)

    def get(one: Element) -> list[Element]:
        return [m("Items", render_item(call.site, call.item(one), shape))]

    return call.each(children(call.body, "ItemIds"), get, no_items)


def create_item(call: Call) -> list[Element]:
    """Answer CreateItem. What it would send to others is written down in `Site.sent`."""
    given = find(call.body, "SavedItemFolderId")
    disposition = call.body.get("MessageDisposition")
    invitations = call.body.get("SendMeetingInvitations")

    def make(one: Element) -> list[Element]:
        home = call.site.mailboxes[call.user].distinguished[_HOMES.get(local(one), "drafts")]
        folder = home if given is None else call.folder(given[0])
        if folder.is_search:
            raise Refused("ErrorInvalidOperation", "Items cannot be created in a search folder.")
        if local(one) == "Message" and disposition is None:
            raise Faulted("ErrorMessageDispositionRequired")
        if local(one) == "CalendarItem" and invitations is None:
            raise Faulted("ErrorSendMeetingInvitationsRequired")
        item = create(call.site, folder, one)
        if call.site.poison is not None and text(item.fields.get("Subject")) == call.site.poison:
            raise Refused("ErrorInternalServerError")
        if local(one) == "Message" and disposition != "SaveOnly":
            item.is_draft = False
            _tell(call, item)
        if has_attendees(item) and invitations != "SendToNone":
            _tell(call, item)
        call.site.weigh(item)
        call.site.put(item, folder)
        return [m("Items", t(item.element, id_element(item)))]

    return call.each(children(call.body, "Items"), make, no_items)


def _tell(call: Call, item: Item) -> None:
    call.site.sent.append(f"{call.operation}: {text(item.fields.get('Subject'))}")


def update_item(call: Call) -> list[Element]:
    """Answer UpdateItem."""
    resolution = call.body.get("ConflictResolution")
    invitations = call.body.get("SendMeetingInvitationsOrCancellations")

    def change(one: Element) -> list[Element]:
        item = call.item(one[0])
        # the key beside an occurrence's number is of the series
        if resolution != "AlwaysOverwrite" and local(one[0]) == "ItemId":
            if one[0].get("ChangeKey") is None:
                raise Refused("ErrorChangeKeyRequiredForWriteOperations")
            if one[0].get("ChangeKey") != item.change_key:
                raise Refused("ErrorIrresolvableConflict")
        if item.element == "CalendarItem":
            if invitations is None:
                raise Refused("ErrorSendMeetingInvitationsOrCancellationsRequired")
            if has_attendees(item) and invitations != "SendToNone":
                _tell(call, item)
        if item.master is not None and item not in item.master.occurrences:
            item.master.occurrences.append(item)
        names = [_apply(call, item, update) for update in updates_of(one)]
        call.site.index_parts(item)
        call.site.write(item, read_flag_alone=names == ["IsRead"])
        conflicts = m("ConflictResults", t("Count", "0"))
        return [m("Items", t(item.element, id_element(item))), conflicts]

    return call.each(children(call.body, "ItemChanges"), change, no_items)


def _apply(call: Call, item: Item, update: Element) -> str | None:
    path, name = update[0], field_of(update[0])
    if local(update) == "DeleteItemField":
        delete_field(item, path, name)
    elif local(path) == "IndexedFieldURI":
        set_entry(item, path, update[1][0])
    else:
        set_field(call.site, item, update[1][0], False)
    return name


def _checked(call: Call, one: Element) -> Item:
    item = call.item(one)
    key = one.get("ChangeKey") if local(one) == "ItemId" else None
    if call.site.strict_change_keys and key is not None and key != item.change_key:
        raise Refused("ErrorStaleObject")
    return item


def _refuse_occurrence(item: Item) -> None:
    if item.master is not None:
        raise Refused("ErrorCalendarCannotMoveOrCopyOccurrence")


def move_item(call: Call) -> list[Element]:
    """Answer MoveItem: the item gets a new id."""

    def move(one: Element) -> list[Element]:
        to, item = call.target("ToFolderId"), _checked(call, one)
        _refuse_occurrence(item)
        crossing = item.folder.top is not to.top
        moved = call.site.move(item, to)
        # the ids of items that went to another mailbox, or to the archive, are not told
        return [
            m(
                "Items",
                *(
                    []
                    if crossing or not call.site.temper.tells_moves
                    else [t(moved.element, id_element(moved))]
                ),
            )
        ]

    return call.each(children(call.body, "ItemIds"), move, no_items)


def copy_item(call: Call) -> list[Element]:
    """Answer CopyItem."""

    def copy(one: Element) -> list[Element]:
        to, item = call.target("ToFolderId"), call.item(one)
        _refuse_occurrence(item)
        made = blob.unpack(call.site, to, blob.pack(item))
        return [m("Items", t(made.element, id_element(call.site.put(made, to))))]

    return call.each(children(call.body, "ItemIds"), copy, no_items)


def delete_item(call: Call) -> list[Element]:
    """Answer DeleteItem, in the three ways of DeleteType."""
    cancellations = call.body.get("SendMeetingCancellations")

    def delete(one: Element) -> list[Element]:
        item = _checked(call, one)
        if item.element == "CalendarItem":
            if cancellations is None:
                raise Refused("ErrorSendMeetingCancellationsRequired")
            if has_attendees(item) and cancellations != "SendToNone":
                _tell(call, item)
        if item.element == "Task" and call.body.get("AffectedTaskOccurrences") is None:
            raise Refused("ErrorAffectedTaskOccurrencesRequired")
        call.site.dispose(item, call.body.get("DeleteType") or "")
        return []

    return call.each(children(call.body, "ItemIds"), delete)


def get_attachment(call: Call) -> list[Element]:
    """Answer GetAttachment: content of files; items as the shape asks."""
    given = find(call.body, "AttachmentShape")
    shape = Shape.read(None, True)
    shape.mime = given is not None and is_true(text(given, "IncludeMimeContent"))

    def get(one: Element) -> list[Element]:
        found = call.site.attachments.get(one.get("Id") or "")
        if found is None:
            raise Refused("ErrorItemNotFound")
        item, attachment = found
        call.item(id_element(item))
        if attachment.item is None:
            content = t("Content", base64.b64encode(attachment.content).decode())
        else:
            content = render_item(call.site, attachment.item, shape)
            _drop(content, "ItemId", "ParentFolderId")
        return [m("Attachments", attachment_element(item, attachment, content))]

    return call.each(children(call.body, "AttachmentIds"), get, lambda: [m("Attachments")])


def _drop(element: Element, *names: str) -> None:
    for child in [child for child in element if local(child) in names]:
        element.remove(child)


def create_attachment(call: Call) -> list[Element]:
    """Answer CreateAttachment: the item gets a new change key."""
    holder = find(call.body, "ParentItemId")
    assert holder is not None

    def attach(one: Element) -> list[Element]:
        item = call.item(holder)
        made = read_attachment(call.site, item, one)
        item.attachments.append(made)
        call.site.index_parts(item)
        call.site.write(item)
        identity = t("AttachmentId", Id=made.id, RootItemId=item.id, RootItemChangeKey=item.change_key)
        return [m("Attachments", t(local(one), identity))]

    return call.each(children(call.body, "Attachments"), attach, lambda: [m("Attachments")])


def export_items(call: Call) -> list[Element]:
    """Answer ExportItems."""

    def export(one: Element) -> list[Element]:
        item = call.item(one)
        return [m("ItemId", Id=item.id, ChangeKey=item.change_key), m("Data", _text_of(blob.pack(item)))]

    return call.each(children(call.body, "ItemIds"), export)


def _text_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def upload_items(call: Call) -> list[Element]:
    """Answer UploadItems: CreateNew, Update, UpdateOrCreate."""

    def upload(one: Element) -> list[Element]:
        holder, action = find(one, "ParentFolderId"), one.get("CreateAction")
        assert holder is not None
        folder: Folder = call.folder(t("FolderId", Id=holder.get("Id") or ""))
        made = blob.unpack(call.site, folder, base64.b64decode(text(one, "Data") or ""))
        call.site.weigh(made)
        made.is_associated = is_true(one.get("IsAssociated"))
        identity = find(one, "ItemId")
        if action != "CreateNew":
            old = None if identity is None else call.site.items.get(identity.get("Id") or "")
            if old is not None:
                made.id = old.id
                call.site.take_out(old)
            elif action == "Update":
                raise Refused("ErrorItemNotFound")
        call.site.put(made, folder)
        return [m("ItemId", Id=made.id, ChangeKey=made.change_key)]

    return call.each(children(call.body, "Items"), upload)


OPERATIONS: dict[str, Callable[[Call], list[Element]]] = {
    "GetItem": get_item,
    "CreateItem": create_item,
    "UpdateItem": update_item,
    "MoveItem": move_item,
    "CopyItem": copy_item,
    "DeleteItem": delete_item,
    "GetAttachment": get_attachment,
    "CreateAttachment": create_attachment,
    "ExportItems": export_items,
    "UploadItems": upload_items,
}
