r"""What names an item: the folder's epoch, and a key that names one content of it; and its flags.

An item of Exchange keeps its id when its content changes, and an archive's key names what never changes. So a key is
`ItemId~mark`, and the mark tells the content. Of received mail it is made of properties that come with a list of
changes and that reading, flagging and filing leave alone; so those are told as flags. It takes in the size, which
flags may change on some servers: then the message is archived once more, which is dear and safe. Of drafts, and of
every other kind, the mark is made of the ChangeKey, which is another one after every change; `k` says so.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from archiver.accounts.exchange import ANSWERED, FORWARDED_ON, REPLIED_TO_ALL, REPLIED_TO_SENDER
from archiver.model import Flags, Kind
from archiver.plan.categories import FORWARDED, flag_of

SEEN, FLAGGED, DRAFT = "\\Seen", "\\Flagged", "\\Draft"

READ, UNSENT = 0x1, 0x8  # [MS-OXCMSG] section 2.2.1.6
_FLAGGED = 2  # [MS-OXOFLAG] section 2.2.1.1

_KINDS = (
    ("IPM.Appointment", Kind.EVENT),
    ("IPM.Contact", Kind.CONTACT),
    ("IPM.DistList", Kind.CONTACT),
    ("IPM.Task", Kind.TASK),
    ("IPM.StickyNote", Kind.NOTE),
    ("IPM.Activity", Kind.NOTE),
)
_FOLDER_KINDS = (
    ("IPF.Appointment", Kind.EVENT),
    ("IPF.Contact", Kind.CONTACT),
    ("IPF.Task", Kind.TASK),
    ("IPF.StickyNote", Kind.NOTE),
    ("IPF.Journal", Kind.NOTE),
)


def kind_of(item_class: str | None) -> Kind:
    """Tell what an item is by its class; what is of no known class is mail."""
    return _among(_KINDS, item_class)


def kind_of_folder(folder_class: str | None) -> Kind:
    """Tell what a folder is for by its class."""
    return _among(_FOLDER_KINDS, folder_class)


def class_of_folder(kind: Kind) -> str:
    """Give the class of a folder that is for items of a kind."""
    return next((name for name, one in _FOLDER_KINDS if one is kind), "IPF.Note")


def _among(rules: tuple[tuple[str, Kind], ...], given: str | None) -> Kind:
    lower = (given or "").lower()
    for name, kind in rules:
        if lower == name.lower() or lower.startswith(name.lower() + "."):
            return kind
    return Kind.MAIL


def key_of(item: Any) -> str:
    """Give the key of an item as it is, from its properties in a list of changes."""
    if kind_of(item.item_class) is not Kind.MAIL or is_draft(item):
        return key_of_change(item)
    told = [
        item.item_class,
        " ".join((item.subject or "").split()),
        _written(item.datetime_sent),
        _written(item.datetime_received),
        item.size,
        bool(item.has_attachments),
        "".join((getattr(item, "message_id", None) or "").split()),
    ]
    return f"{item.id}~{hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:8]}"


def is_draft(item: Any) -> bool:
    """Tell whether a mail is a draft; where the server does not say so, by its PidTagMessageFlags."""
    told = getattr(item, "is_draft", None)
    if told is None:
        return bool((getattr(item, "archiver_message_flags", None) or 0) & UNSENT)
    return bool(told)


def key_of_change(item: Any) -> str:
    """Give the key of an item whose mark is that of its ChangeKey."""
    return change_key_of(item.id, item.changekey)


def change_key_of(identity: str, change_key: str) -> str:
    """Give the key of the content that an item has under a ChangeKey."""
    return f"{identity}~k{hashlib.sha256(str(change_key).encode()).hexdigest()[:8]}"


def names_a_change(key: str) -> bool:
    """Tell whether a key's mark is that of a ChangeKey, so that every change makes another one."""
    return key.rpartition("~")[2].startswith("k")


def fits(key: str, item: Any) -> bool:
    """Tell whether a key names the content that an item has."""
    return key == (key_of_change(item) if names_a_change(key) else key_of(item))


def flags_of(item: Any) -> Flags:
    """Give the flags of an item: those of mail, and the categories of all kinds."""
    flags = {flag_of(one) for one in item.categories or () if one}
    if kind_of(item.item_class) is Kind.MAIL:
        verb = getattr(item, "archiver_verb", None)
        told = (
            (SEEN, getattr(item, "is_read", False)),
            (DRAFT, is_draft(item)),
            (FLAGGED, getattr(item, "archiver_flag", None) == _FLAGGED),
            (ANSWERED, verb in (REPLIED_TO_SENDER, REPLIED_TO_ALL)),
            (FORWARDED, verb == FORWARDED_ON),
        )
        flags |= {flag for flag, is_so in told if is_so}
    return frozenset(flags)


def received_of(item: Any) -> datetime | None:
    """Give the date that `Remote.received` tells: of mail its receipt, of an event the end of its last occurrence."""
    kind = kind_of(item.item_class)
    if kind is Kind.MAIL:
        return moment(item.datetime_received)
    if kind is not Kind.EVENT:
        return moment(item.last_modified_time)
    if getattr(item, "type", None) in ("Single", "Occurrence", "Exception"):
        return moment(getattr(item, "end", None))
    # a series, or what may be one: not every server says so, and its first end is not its last
    last = getattr(item, "last_occurrence", None)
    if last is not None:
        return moment(last.end)
    return None


def moment(value: Any) -> datetime | None:
    """Make a plain time in UTC of one of exchangelib's; of a day, its midnight."""
    if value is None:
        return None
    if not hasattr(value, "astimezone"):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    at = datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        tzinfo=UTC,
    )
    return at - (value.utcoffset() or timedelta())


def _written(value: Any) -> str | None:
    at = moment(value)
    return None if at is None else at.isoformat()
