"""Extended (MAPI) properties: one key for each way of naming them, and those that tell of the item itself."""

import functools
from collections.abc import Callable
from xml.etree.ElementTree import Element

from tests.servers.ews.markup import boolean, children, clone, find, moment, parse_moment, t, text
from tests.servers.ews.refusals import Refused
from tests.servers.ews.state import Item

# MS-OXPROPS section 1.3.2
SETS = {
    "Meeting": "6ed8da90-450b-101b-98da-00aa003f1305",
    "Appointment": "00062002-0000-0000-c000-000000000046",
    "Common": "00062008-0000-0000-c000-000000000046",
    "PublicStrings": "00020329-0000-0000-c000-000000000046",
    "Address": "00062004-0000-0000-c000-000000000046",
    "InternetHeaders": "00020386-0000-0000-c000-000000000046",
    "CalendarAssistant": "11000e07-b51b-40d6-af21-caa85edab1d0",
    "UnifiedMessaging": "4442858e-a9e3-4e80-b900-317a210cc15b",
    "Task": "00062003-0000-0000-c000-000000000046",
    "Sharing": "00062040-0000-0000-c000-000000000046",
}
MESSAGE_FLAGS = "tag 0xe07"
DELIVERY_TIME = "tag 0xe06"
SUBMIT_TIME = "tag 0x39"
MESSAGE_CLASS = "tag 0x1a"
FLAG_STATUS = "tag 0x1090"
READ, UNSENT = 0x1, 0x8
# what a client may give an item at its creation alone, or never
FIXED = {MESSAGE_FLAGS, DELIVERY_TIME, SUBMIT_TIME, "tag 0xe08", "tag 0xe09", "tag 0xfff", "tag 0xff9"}
COMPUTED = {"tag 0xe08", "tag 0xe09", "tag 0xfff", "tag 0xff9"}


_NAMING = ("PropertyTag", "DistinguishedPropertySetId", "PropertySetId", "PropertyName", "PropertyId")


def key_of(path: Element) -> str:
    """Give the key of a property from its t:ExtendedFieldURI; several ways to name one give one key."""
    return _key(*map(path.get, _NAMING))


# a search names the same property for each item
@functools.cache
def _key(tag: str | None, found: str | None, space: str | None, name: str | None, number: str | None) -> str:
    if tag:
        return f"tag {int(tag, 0):#x}"
    home = SETS[found] if found else (space or "").lower().strip("{}")
    return f"{home} name {name.lower()}" if name else f"{home} id {number}"


def store(item: Item, given: Element, created: bool) -> None:
    """Take a t:ExtendedProperty of a request into an item. Refuses what is read-only, or so after creation."""
    path = find(given, "ExtendedFieldURI")
    assert path is not None
    key = key_of(path)
    if key in COMPUTED or (key in FIXED and not created):
        raise Refused("ErrorInvalidPropertySet", detail=clone(path))
    value = text(given, "Value")
    if key == MESSAGE_FLAGS:
        flags = int(value or "0")
        item.is_draft, item.is_read = bool(flags & UNSENT), bool(flags & READ)
    elif key == DELIVERY_TIME:
        item.received = parse_moment(value or "")
    elif key == SUBMIT_TIME:
        item.sent = parse_moment(value or "")
    elif key == MESSAGE_CLASS:
        item.item_class = value or ""
    else:
        item.properties[key] = clone(given)
        if " name " in key:
            item.folder.mailbox.names.add(key)
        if key == FLAG_STATUS:
            item.fields.pop("Flag", None)


def remove(item: Item, path: Element) -> None:
    """Take a property off an item."""
    if key_of(path) in FIXED:
        raise Refused("ErrorInvalidPropertyDelete", detail=clone(path))
    item.properties.pop(key_of(path), None)


_KNOWN: dict[str, Callable[[Item], str | None]] = {
    MESSAGE_FLAGS: lambda item: str((READ if item.is_read else 0) | (UNSENT if item.is_draft else 0)),
    DELIVERY_TIME: lambda item: moment(item.received),
    SUBMIT_TIME: lambda item: moment(item.sent),
    MESSAGE_CLASS: lambda item: item.item_class,
    "tag 0xe08": lambda item: str(item.size),
    "tag 0x37": lambda item: text(item.fields.get("Subject")),
    "tag 0x1035": lambda item: text(item.fields.get("InternetMessageId")),
    "tag 0xe1b": lambda item: boolean(bool(item.attachments)),
    FLAG_STATUS: lambda item: {"Flagged": "2", "Complete": "1"}.get(
        text(item.fields.get("Flag"), "FlagStatus") or ""
    ),
}


def value_of(item: Item, key: str) -> str | None:
    """Give a property as text; None where the item does not have it."""
    if key in item.properties:
        values = children(item.properties[key], "Values")
        return (
            text(item.properties[key], "Value") if not values else "\0".join(one.text or "" for one in values)
        )
    if key == "tag 0x7d" and item.source is not None:
        return item.source.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
    computed = _KNOWN.get(key)
    return None if computed is None else computed(item)


def set_flag(item: Item, flag: Element) -> None:
    """Write the t:Flag of an item, which is the same as its FLAG_STATUS."""
    item.fields["Flag"] = flag
    item.properties.pop(FLAG_STATUS, None)


def flag_of(item: Item) -> Element:
    """Give the t:Flag of an item that was flagged by its FLAG_STATUS, or not at all."""
    status = {"1": "Complete", "2": "Flagged"}.get(value_of(item, FLAG_STATUS) or "", "NotFlagged")
    return t("Flag", t("FlagStatus", status))


def render(item: Item, path: Element) -> Element | None:
    """Give the t:ExtendedProperty that answers a t:ExtendedFieldURI; None where the item does not have it."""
    key = key_of(path)
    if key in item.properties:
        kept = clone(item.properties[key])
        kept[0] = clone(path)
        return kept
    value = value_of(item, key)
    return None if value is None else t("ExtendedProperty", clone(path), t("Value", value))
