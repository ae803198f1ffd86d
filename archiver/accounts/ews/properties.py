"""Which properties of items are asked for: with a list of changes, and with their content."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from exchangelib import items
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.fields import FieldPath
from exchangelib.util import TNS

from archiver.model import Kind


class _Property(ExtendedProperty):  # type: ignore[misc]
    """A property that is known in a reply by its attributes; exchangelib makes objects of all to compare them."""

    @classmethod
    def is_property_instance(cls, elem: Any) -> bool:
        """Tell whether an element of a reply is this property."""
        told = elem.find(f"{{{TNS}}}ExtendedFieldURI").attrib
        if told.get("PropertyType") != cls.property_type:
            return False
        if cls.property_tag is not None:
            return bool(int(told.get("PropertyTag", "0"), 0) == cls.property_tag)
        named = cls.DISTINGUISHED_SET_NAME_TO_ID_MAP[cls.distinguished_property_set_id]
        home = told.get("DistinguishedPropertySetId"), told.get("PropertySetId", "").lower()
        is_home = home[0] == cls.distinguished_property_set_id or home[1] == named.lower()
        return bool(is_home and told.get("PropertyName") == cls.property_name)


class FlagStatus(_Property):
    """PidTagFlagStatus ([MS-OXOFLAG] section 2.2.1.1)."""

    property_tag = 0x1090
    property_type = "Integer"


class LastVerb(_Property):
    """PidTagLastVerbExecuted ([MS-OXOMSG] section 2.2.1.6): answered, passed on."""

    property_tag = 0x1081
    property_type = "Integer"


class MessageFlags(_Property):
    """PidTagMessageFlags: whether it was read, and whether it is a draft; fixed when an item is made."""

    property_tag = 0x0E07
    property_type = "Integer"


class DeliveryTime(_Property):
    """PidTagMessageDeliveryTime; fixed when an item is made."""

    property_tag = 0x0E06
    property_type = "SystemTime"


class SubmitTime(_Property):
    """PidTagClientSubmitTime; fixed when an item is made."""

    property_tag = 0x0039
    property_type = "SystemTime"


class MessageClass(_Property):
    """PidTagMessageClass: the item class, where exchangelib does not write it."""

    property_tag = 0x001A
    property_type = "String"


class ArchiverId(_Property):
    """What archiver put in, and as which copy."""

    distinguished_property_set_id = "PublicStrings"
    property_name = "archiver-id"
    property_type = "String"


_EXTENDED = {
    "archiver_flag": FlagStatus,
    "archiver_verb": LastVerb,
    "archiver_message_flags": MessageFlags,
    "archiver_delivery": DeliveryTime,
    "archiver_submit": SubmitTime,
    "archiver_class": MessageClass,
    "archiver_identity": ArchiverId,
}
_CLASSES = (
    items.Item,
    items.Message,
    items.CalendarItem,
    items.Contact,
    items.DistributionList,
    items.Task,
    items.PostItem,
    items.MeetingMessage,
    items.MeetingRequest,
    items.MeetingResponse,
    items.MeetingCancellation,
)
for _class in _CLASSES:
    _known = {one.name for one in _class.FIELDS}  # some classes share theirs
    for _name, _kind in _EXTENDED.items():
        if _name not in _known:
            _class.register(_name, _kind)

LISTED = (
    *("item_class", "subject", "datetime_sent", "datetime_received", "size", "has_attachments", "message_id"),
    *("is_read", "is_draft", "categories", "last_modified_time", "archiver_flag", "archiver_verb"),
    *("start", "end", "type", "archiver_message_flags"),
)
"""What comes with each change; all of it is cheap."""

LOOKED = (*LISTED, "recurrence", "last_occurrence", "parent_folder_id")

_COMMON = (*LISTED, "datetime_created", "importance", "sensitivity", "parent_folder_id", "attachments")
_DESCRIBED = ("body", "text_body", "reminder_is_set", "reminder_minutes_before_start", "reminder_due_by")
CONTENT = {
    Kind.MAIL: (*_COMMON, "mime_content"),
    Kind.EVENT: (
        *(*_COMMON, *_DESCRIBED, "mime_content", "uid", "is_all_day", "legacy_free_busy_status", "location"),
        *(
            "is_cancelled",
            "is_recurring",
            "organizer",
            "required_attendees",
            "optional_attendees",
            "resources",
        ),
        *("appointment_sequence_number", "recurrence", "first_occurrence", "last_occurrence"),
        *(
            "modified_occurrences",
            "deleted_occurrences",
            "_start_timezone",
            "_end_timezone",
            "original_start",
        ),
        *("meeting_workspace_url",),
    ),
    Kind.CONTACT: (
        *(*_COMMON, *_DESCRIBED, "mime_content", "file_as", "display_name", "given_name", "middle_name"),
        *("surname", "nickname", "complete_name", "company_name", "department", "job_title", "office"),
        *("profession", "manager", "assistant_name", "spouse_name", "children", "birthday"),
        *("wedding_anniversary", "email_addresses", "phone_numbers", "physical_addresses", "im_addresses"),
        *("business_homepage", "generation", "initials", "has_picture", "members"),
    ),
    Kind.TASK: (
        *(*_COMMON, *_DESCRIBED, "start_date", "due_date", "complete_date", "status", "percent_complete"),
        *("owner", "recurrence", "is_recurring"),
    ),
    Kind.NOTE: (*_COMMON, *_DESCRIBED),
}


@cache
def paths(names: tuple[str, ...]) -> frozenset[Any]:
    """Give the paths of fields of these names, of whatever class of items has them."""
    fields = (one for kind in _CLASSES for one in kind.FIELDS if one.name in names)
    return frozenset(FieldPath(field=one) for one in fields)


def content_paths(kinds: Iterable[Kind]) -> frozenset[Any]:
    """Give the paths of what makes up the content of items of these kinds."""
    return paths(tuple(sorted({name for kind in kinds for name in CONTENT[kind]})))
