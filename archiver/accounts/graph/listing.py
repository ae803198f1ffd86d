"""Items as a listing tells them: which of their properties are asked for, and the `Remote` that they make. Pure."""

import contextlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType

from archiver.accounts.exchange import (
    ANSWERED,
    FORWARDED_ON,
    REPLIED_TO_ALL,
    REPLIED_TO_SENDER,
    key_of,
    mark_of,
)
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import Json
from archiver.model import Flags, Kind, Ref, Remote
from archiver.plan.categories import FORWARDED, flag_of

SIZE, VERB = 0x0E08, 0x1081
"""PidTagMessageSize, PidTagLastVerbExecuted: what Graph has no properties of its own for."""

EXTRA = f"singleValueExtendedProperties($filter=id eq 'Integer {SIZE:#06x}' or id eq 'Integer {VERB:#06x}')"

_OF_CONTENT = (
    "subject",
    "sentDateTime",
    "receivedDateTime",
    "hasAttachments",
    "internetMessageId",
    "bodyPreview",
    "importance",
    "from",
    "sender",
)
_OF_STATE = ("changeKey", "isRead", "isDraft", "flag", "categories", "parentFolderId", "createdDateTime")

SELECTED: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.MAIL: (*_OF_CONTENT, *_OF_STATE, "lastModifiedDateTime"),
        Kind.EVENT: ("changeKey", "end", "recurrence", "type", "categories", "lastModifiedDateTime"),
        Kind.CONTACT: ("changeKey", "categories", "parentFolderId", "lastModifiedDateTime"),
        Kind.TASK: ("categories", "lastModifiedDateTime"),
    }
)
"""The properties that a listing asks for."""


def query(kind: Kind) -> dict[str, str]:
    """Give the query of a listing; tasks know neither selection nor extended properties."""
    if kind is Kind.TASK:
        return {}
    asked = {"$select": ",".join(SELECTED[kind])}
    if kind is Kind.MAIL:
        asked["$expand"] = EXTRA
    return asked


def is_whole(told: Json) -> bool:
    """Tell whether a message is told with all that is asked for: a delta may tell what changed alone."""
    return all(name in told for name in ("changeKey", "subject", "receivedDateTime", "isRead", "isDraft"))


def remote_of(native: Native, told: Json, *, edited: bool = False) -> Remote:
    """Make the `Remote` of an item. `edited`: its content changed although nothing of what marks it did."""
    kind = native.folder.kind
    key = key_of(str(told["id"]), _mark(kind, told, edited=edited))
    ref = Ref(native.folder.name, native.epoch, key)
    if kind is not Kind.MAIL:
        return Remote(ref, None, _keywords(told), _time_of(kind, told), kind)
    extended = extended_of(told)
    return Remote(
        ref,
        _number(extended.get(SIZE)),
        flags_of(told, _number(extended.get(VERB))),
        moment(told.get("receivedDateTime")),
    )


def flags_of(told: Json, verb: int | None = None) -> Flags:
    """Give the flags of a message; categories are keywords."""
    found = set(_keywords(told))
    if told.get("isRead"):
        found.add("\\Seen")
    if told.get("isDraft"):
        found.add("\\Draft")
    if (told.get("flag") or {}).get("flagStatus") == "flagged":
        found.add("\\Flagged")
    if verb in (REPLIED_TO_SENDER, REPLIED_TO_ALL):
        found.add(ANSWERED)
    elif verb == FORWARDED_ON:
        found.add(FORWARDED)
    return frozenset(found)


def extended_of(told: Json) -> dict[int, str]:
    """Give the extended properties of an item that have a number: Graph writes `Integer 0xe08`."""
    found = {}
    for one in told.get("singleValueExtendedProperties") or ():
        number = re.search(r" 0x([0-9a-fA-F]+)$", str(one.get("id")))
        if number:
            found[int(number[1], 16)] = str(one.get("value"))
    return found


def moment(text: object) -> datetime | None:
    """Read a time as Graph writes it, in UTC, with up to seven decimals."""
    with contextlib.suppress(ValueError, TypeError):
        read = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(text)))
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    return None


def _mark(kind: Kind, told: Json, *, edited: bool) -> str:
    if kind is Kind.TASK:
        return mark_of(told.get("@odata.etag"), told.get("lastModifiedDateTime"))
    if kind is not Kind.MAIL or told.get("isDraft"):
        return mark_of(told.get("changeKey"))
    content = [json.dumps(told.get(name), sort_keys=True) for name in _OF_CONTENT]
    return mark_of(*content, told.get("changeKey")) if edited else mark_of(*content)


def _keywords(told: Json) -> Flags:
    return frozenset(flag_of(str(one)) for one in told.get("categories") or ())


def _number(text: str | None) -> int | None:
    with contextlib.suppress(ValueError, TypeError):
        return int(text or "")
    return None


def _time_of(kind: Kind, told: Json) -> datetime | None:
    """Give the end of an event's last occurrence, None where there is no last one; of the others the last change."""
    if kind is not Kind.EVENT:
        return moment(told.get("lastModifiedDateTime"))
    recurrence = told.get("recurrence")
    if not recurrence:
        return moment((told.get("end") or {}).get("dateTime"))
    span = recurrence.get("range") or {}
    if span.get("type") == "noEnd":
        return None
    if span.get("type") == "endDate":
        with contextlib.suppress(ValueError, TypeError):
            last = datetime.combine(datetime.fromisoformat(str(span["endDate"])).date(), time.max, UTC)
            return last + timedelta(days=1)
    return None  # so many times: when the last is, the pattern alone tells; never too early a date
