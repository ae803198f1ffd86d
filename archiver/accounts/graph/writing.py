"""Mail, events, contacts and tasks as the JSON that Graph makes them from, and what of them it cannot take. Pure.

Mail is created from JSON alone: created from MIME it would be a draft for ever
(https://learn.microsoft.com/graph/outlook-create-send-messages). Events are created without the people who are asked,
for Exchange writes to these whenever it is told of them (https://learn.microsoft.com/graph/api/user-post-events).
"""

import base64
from collections.abc import Sequence
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message as Parsed
from email.utils import getaddresses, parsedate_to_datetime

from archiver.accounts.exchange import ANSWERED, FORWARDED_ON, REPLIED_TO_SENDER
from archiver.accounts.graph.reading import (
    ADDRESSES,
    BUSY,
    CODES,
    DAYS,
    NAMES,
    PHONES,
    STATUS,
    WEEKS,
)
from archiver.accounts.graph.web import Json
from archiver.formats.record import Attached
from archiver.items import Contact, Event, Moment, Recurrence, Task
from archiver.model import Flags, Kind
from archiver.plan.categories import FORWARDED, categories_of

ARCHIVER_ID = "String {8b1f6a52-6c1c-4e5a-9a66-3c0a5d0f7a11} Name archiver-id"
"""The named property that tells what an item was made from: searched for before it would be made again."""

VERB = "Integer 0x1081"
APPLICATION = "archiver"
KEPT = frozenset({"\\Seen", "\\Flagged", "\\Draft", ANSWERED})

_HELD = {
    "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "date", "message-id", "mime-version", "content-type",
    "content-transfer-encoding", "content-disposition", "content-id", "content-language", "importance",
}  # fmt: skip
_PEOPLE = (("To", "toRecipients"), ("Cc", "ccRecipients"), ("Bcc", "bccRecipients"), ("Reply-To", "replyTo"))
_WHOLE = ("multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "multipart/report")


def state(flags: Flags) -> Json:
    """Give what may change of a mail that stays the same: whether it was read, its flag, its categories."""
    return {
        "categories": categories_of(flags),
        "isRead": "\\Seen" in flags,
        "flag": {"flagStatus": "flagged" if "\\Flagged" in flags else "notFlagged"},
    }


def message(raw: bytes, flags: Flags, received: datetime | None, archiver_id: str) -> tuple[Json, str | None]:
    """Make a mail, and tell what is lost of it; the flags go with it but `\\Deleted`, which Exchange has not."""
    parsed = message_from_bytes(raw, policy=policy.compat32)
    content, html, files = _parts(parsed)
    told: Json = {
        "subject": _header(parsed, "Subject"),
        "body": {"contentType": "html" if html else "text", "content": content},
        "attachments": files,
        **state(flags),
        "importance": _importance(parsed),
    }
    for name, key in _PEOPLE:
        told[key] = _people(parsed, name)
    sender = _people(parsed, "From")
    if sender:
        told["from"] = sender[0]
        told["sender"] = (_people(parsed, "Sender") or sender)[0]
    message_id = "".join(str(parsed["Message-ID"] or "").split())
    if message_id:
        told["internetMessageId"] = message_id
    whole = next((one for one in _WHOLE if parsed.get_content_type() == one), None)
    if whole:
        files.append(_file("original.eml", "message/rfc822", raw))
    told["singleValueExtendedProperties"] = _extended(parsed, flags, received, archiver_id)
    return told, _loss(parsed, flags, whole)


def verb_of(flags: Flags) -> int | None:
    """Give the verb that stands for a flag: Exchange keeps the last one alone."""
    if ANSWERED in flags:
        return REPLIED_TO_SENDER
    return FORWARDED_ON if FORWARDED in flags else None


def unkept(flags: Flags) -> Flags:
    """Give the flags that a mail of Exchange cannot have."""
    lost = {one for one in flags if one.startswith("\\") and one not in KEPT and one.lower() != "\\recent"}
    if {ANSWERED, FORWARDED} <= flags:
        lost.add(FORWARDED)
    return frozenset(lost)


def event(item: Event, archiver_id: str) -> tuple[Json, str | None]:
    """Make an event that nobody is asked to, and tell what is lost."""
    told: Json = {
        "subject": item.subject,
        "body": {"contentType": "text", "content": item.body},
        "start": _moment(item.start, all_day=item.all_day),
        "end": _moment(item.end, all_day=item.all_day),
        "isAllDay": item.all_day,
        "location": {"displayName": item.location},
        "categories": list(item.categories),
        "importance": item.importance,
        "sensitivity": item.sensitivity,
        "showAs": next((theirs for theirs, ours in BUSY.items() if ours == item.busy), "busy"),
        "isReminderOn": item.reminder is not None,
        "reminderMinutesBeforeStart": item.reminder or 0,
        "responseRequested": False,
        "singleValueExtendedProperties": [{"id": ARCHIVER_ID, "value": archiver_id}],
    }
    lost = []
    if item.recurrence is not None:
        told["recurrence"] = _recurrence(item.recurrence, item.start.at.date(), item.start.zone)
    if item.attendees:
        lost.append(f"the {len(item.attendees)} people who are asked, so that nobody is written to")
    if item.changed or item.deleted:
        lost.append(
            f"{len(item.changed)} changed and {len(item.deleted)} cancelled occurrences of the series"
        )
    return told, _without(lost)


def contact(item: Contact, archiver_id: str) -> tuple[Json, str | None]:
    """Make a contact, and tell what is lost."""
    told: Json = {theirs: getattr(item, ours) for ours, theirs in NAMES.items() if getattr(item, ours)}
    told |= {
        "displayName": item.name or item.subject or item.file_as,
        "personalNotes": item.body,
        "categories": list(item.categories),
        "children": list(item.children),
        "emailAddresses": [{"address": one.value, "name": one.value} for one in item.emails[:3]],
        "imAddresses": [one.value for one in item.chats],
        "singleValueExtendedProperties": [{"id": ARCHIVER_ID, "value": archiver_id}],
    }
    if item.birthday:
        told["birthday"] = f"{item.birthday.isoformat()}T11:59:00Z"
    if item.urls:
        told["businessHomePage"] = item.urls[0].value
    lost = []
    left = list(item.phones)
    for name, label in PHONES:
        told[name] = [one.value for one in left if one.label == label][:2]
        left = [one for one in left if one.value not in told[name]]
    mobile = next((one for one in left if one.label == "mobile"), None)
    if mobile is not None:
        told["mobilePhone"] = mobile.value
        left.remove(mobile)
    others = list(item.addresses)
    for name, label in ADDRESSES:
        found = next((one for one in others if one.label == label), None)
        if found is not None:
            others.remove(found)
            told[name] = {
                "street": found.street,
                "city": found.city,
                "state": found.region,
                "postalCode": found.postal_code,
                "countryOrRegion": found.country,
            }
    if left or others or len(item.emails) > 3 or len(item.urls) > 1 or item.anniversary:
        lost.append("addresses or dates that it has no place for")
    return told, _without(lost)


def task(item: Task, archiver_id: str) -> tuple[Json, str | None]:
    """Make a task; the linked resource says what it was made from, as tasks have no extended properties."""
    told: Json = {
        "title": item.subject,
        "body": {"contentType": "text", "content": item.body},
        "categories": list(item.categories),
        "importance": item.importance,
        "status": next(theirs for theirs, ours in STATUS.items() if ours == item.status),
        "isReminderOn": item.reminder is not None,
        "linkedResources": [link(archiver_id)],
    }
    for key, day in (
        ("startDateTime", item.start),
        ("dueDateTime", item.due),
        ("completedDateTime", item.done),
    ):
        if day is not None:
            told[key] = {"dateTime": f"{day.isoformat()}T00:00:00", "timeZone": "UTC"}
    if item.reminder is not None:
        at = item.reminder.astimezone(UTC)
        told["reminderDateTime"] = {"dateTime": at.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": "UTC"}
    if item.recurrence is not None and item.due is not None:
        told["recurrence"] = _recurrence(item.recurrence, item.due, None)
    return told, None


def link(archiver_id: str) -> Json:
    """Make the linked resource of a task that tells what it was made from."""
    return {"applicationName": APPLICATION, "displayName": "restored", "externalId": archiver_id}


# --- parts -----------------------------------------------------------------------------------------------


def _parts(parsed: Parsed) -> tuple[str, bool, list[Json]]:
    """Find the text, and whether it is HTML, and everything else as files."""
    texts: dict[str, str] = {}
    files: list[Json] = []
    for part in _leaves(parsed):
        kind = part.get_content_type()
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        is_text = kind in ("text/plain", "text/html") and part.get_content_disposition() != "attachment"
        if is_text and kind not in texts and not part.get_filename():
            texts[kind] = _decoded(content, part.get_content_charset())
            continue
        if kind == "message/rfc822":
            inner = part.get_payload()
            content = (
                inner[0].as_bytes() if isinstance(inner, list) and isinstance(inner[0], Parsed) else content
            )
        name = _plain(part.get_filename()) or ("message.eml" if kind == "message/rfc822" else "attachment")
        made = _file(name, kind, content)
        content_id = str(part["Content-ID"] or "").strip().strip("<>")
        if content_id:
            made |= {"isInline": part.get_content_disposition() == "inline", "contentId": content_id}
        files.append(made)
    html = "text/html" in texts
    return texts.get("text/html" if html else "text/plain", ""), html, files


def _leaves(part: Parsed) -> list[Parsed]:
    inner = part.get_payload()
    if part.get_content_maintype() == "multipart" and isinstance(inner, list):
        return [leaf for one in inner if isinstance(one, Parsed) for leaf in _leaves(one)]
    return [part]


def _decoded(content: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8"):
        try:
            return content.decode(name or "ascii")
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _extended(parsed: Parsed, flags: Flags, received: datetime | None, archiver_id: str) -> list[Json]:
    try:
        sent = parsedate_to_datetime(str(parsed["Date"]))
    except (ValueError, TypeError, IndexError, OverflowError):
        sent = None
    found = [{"id": ARCHIVER_ID, "value": archiver_id}]
    if "\\Draft" not in flags:  # PidTagMessageFlags: what has none when it is made is a draft for ever
        found.append({"id": "Integer 0x0E07", "value": "1" if "\\Seen" in flags else "0"})
    for name, at in (("0x0E06", received), ("0x0039", sent or received)):
        if at is not None:
            aware = at if at.tzinfo else at.replace(tzinfo=UTC)
            stamp = aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            found.append({"id": f"SystemTime {name}", "value": stamp})
    verb = verb_of(flags)
    if verb is not None:
        found.append({"id": VERB, "value": str(verb)})
    return found


def _loss(parsed: Parsed, flags: Flags, whole: str | None) -> str | None:
    fields = {name.lower() for name in parsed} - _HELD
    names = sorted(
        name.title() for name in fields if not name.startswith("x-ms-")
    )  # Exchange's own, written anew
    lost = []
    if names:
        some = ", ".join(f'"{name}"' for name in names[:5])
        lost.append(f"header fields {some}" + (f" and {len(names) - 5} more" if len(names) > 5 else ""))
    if whole:
        lost.append(f"its structure {whole}, though the original is attached")
    lost += [f'the flag "{flag}"' for flag in sorted(unkept(flags))]
    return _without(lost)


def _without(lost: Sequence[str]) -> str | None:
    return f"Exchange Online makes it anew, without {'; '.join(lost)}" if lost else None


def file_of(kind: Kind, one: Attached) -> Json:
    """Make an attachment of an item of a kind."""
    told = _file(one.name, one.media_type, one.content)
    return {**told, "@odata.type": "#microsoft.graph.taskFileAttachment"} if kind is Kind.TASK else told


def _file(name: str, media_type: str, content: bytes) -> Json:
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": name,
        "contentType": media_type,
        "contentBytes": base64.b64encode(content).decode(),
    }


def _people(parsed: Parsed, name: str) -> list[Json]:
    values = [_plain(value) for value in parsed.get_all(name, [])]
    return [
        {"emailAddress": {"name": shown or address, "address": address}}
        for shown, address in getaddresses(values)
        if address
    ]


def _header(parsed: Parsed, name: str) -> str:
    return " ".join(_plain(parsed[name]).split())


def _plain(value: object) -> str:
    try:
        return str(make_header(decode_header(str(value or ""))))
    except (LookupError, ValueError):
        return str(value or "")


def _importance(parsed: Parsed) -> str:
    told = str(parsed["Importance"] or "").strip().lower()
    return told if told in ("low", "high") else "normal"


def _moment(told: Moment, *, all_day: bool) -> Json:
    at = told.at
    if all_day:
        return {"dateTime": f"{at.date().isoformat()}T00:00:00", "timeZone": told.zone or "UTC"}
    if told.zone is None:
        at = at.astimezone(UTC)
    return {"dateTime": at.replace(tzinfo=None).isoformat(timespec="seconds"), "timeZone": told.zone or "UTC"}


def _recurrence(told: Recurrence, start: date, zone: str | None) -> Json:
    relative = told.week is not None
    kind = {"DAILY": "daily", "WEEKLY": "weekly"}.get(told.every)
    if kind is None:
        kind = ("relative" if relative else "absolute") + told.every.title()
    pattern: Json = {"type": kind, "interval": told.interval}
    if told.days:
        pattern["daysOfWeek"] = [DAYS[CODES.index(one)] for one in told.days]
    if relative:
        pattern["index"] = next(name for name, number in WEEKS.items() if number == told.week)
    if kind.startswith("absolute"):
        pattern["dayOfMonth"] = told.month_day or start.day
    if told.every == "YEARLY":
        pattern["month"] = told.month or start.month
    if told.first_weekday:
        pattern["firstDayOfWeek"] = DAYS[CODES.index(told.first_weekday)]
    span: Json = {"type": "noEnd", "startDate": start.isoformat(), "recurrenceTimeZone": zone or "UTC"}
    if told.count is not None:
        span |= {"type": "numbered", "numberOfOccurrences": told.count}
    elif told.until is not None:
        span |= {"type": "endDate", "endDate": told.until.isoformat()}
    return {"pattern": pattern, "range": span}
