"""MIME of the double: read into properties when mail comes in, written anew each time it is read."""

import base64
import os
import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

Json = dict[str, Any]

_BOUNDARY = re.compile(rb'boundary="?([^"\r\n;]+)"?', re.IGNORECASE)


def stamp(at: datetime) -> str:
    """Write a time as Graph does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def properties(raw: bytes) -> Json:
    """Read what a message tells of itself."""
    message = message_from_bytes(raw, policy=policy.compat32)
    told: Json = {
        "subject": header(message, "Subject"),
        "internetMessageId": header(message, "Message-ID") or None,
        "hasAttachments": any(part.get_filename() for part in message.walk()),
        "importance": "normal",
        "isRead": False,
        "isDraft": False,
        "flag": {"flagStatus": "notFlagged"},
        "categories": [],
    }
    people = [
        {"emailAddress": {"name": name, "address": address}} for name, address in addresses(message, "From")
    ]
    told["from"] = told["sender"] = people[0] if people else None
    for name, key in (("To", "toRecipients"), ("Cc", "ccRecipients"), ("Bcc", "bccRecipients")):
        told[key] = [{"emailAddress": {"name": n, "address": a}} for n, a in addresses(message, name)]
    content, html = body(message)
    told["body"] = {"contentType": "html" if html else "text", "content": content}
    told["bodyPreview"] = " ".join(content.split())[:255]
    try:
        told["sentDateTime"] = stamp(parsedate_to_datetime(str(message["Date"])))
    except (ValueError, TypeError):
        told["sentDateTime"] = None
    return told


def header(message: Message, name: str) -> str:
    """Give a header field, unfolded."""
    return " ".join(str(message[name] or "").split())


def addresses(message: Message, name: str) -> list[tuple[str, str]]:
    """Give the addresses of a header field."""
    return getaddresses([str(value) for value in message.get_all(name, [])])


def body(message: Message) -> tuple[str, bool]:
    """Give the text of a message, and whether it is HTML."""
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.get_filename():
            payload = part.get_payload(decode=True)
            data = payload if isinstance(payload, bytes) else b""
            charset = part.get_content_charset("utf-8")
            return data.decode(charset, "replace"), part.get_content_subtype() == "html"
    return "", False


def regenerated(raw: bytes) -> bytes:
    """Write MIME as it is made from properties: another order of fields, some of them lost, a new boundary."""
    head, found, rest = raw.partition(b"\r\n\r\n")
    if not found or b":" not in head.split(b"\r\n")[0]:
        head, rest = b"", raw
    fields = re.findall(rb"[^\r\n]+(?:\r\n[ \t][^\r\n]*)*", head)
    kept = [one for one in fields if not one.lower().startswith(b"x-")]
    made = [b"X-MS-Exchange-Generated: " + base64.b16encode(os.urandom(8)), *reversed(kept)]
    new = b"\r\n".join(made) + b"\r\n\r\n" + rest
    boundary = _BOUNDARY.search(head)
    if boundary:
        other = base64.b16encode(os.urandom(len(boundary[1])))[: len(boundary[1])]
        new = new.replace(boundary[1], other)
    return new


def rebuilt(told: Json, attachments: list[Json]) -> bytes:
    """Make the MIME of a message that was created as JSON."""
    made = EmailMessage(policy=policy.SMTP.clone(max_line_length=998))
    made["Subject"] = _one_line(told.get("subject") or "")
    for name, key in (("To", "toRecipients"), ("Cc", "ccRecipients"), ("Bcc", "bccRecipients")):
        people = [person(one) for one in told.get(key) or ()]
        if people:
            made[name] = ", ".join(people)
    if told.get("from"):
        made["From"] = person(told["from"])
    if told.get("internetMessageId"):
        made["Message-ID"] = told["internetMessageId"]
    content = told.get("body") or {}
    made.set_content(
        content.get("content") or "",
        subtype="html" if content.get("contentType") == "html" else "plain",
        cte="base64",
        charset="utf-8",
    )
    for one in attachments:
        main, _, sub = (one.get("contentType") or "application/octet-stream").partition("/")
        data = base64.b64decode(one["contentBytes"])
        if main in ("text", "message", "multipart"):
            main, sub = "application", "octet-stream"
        made.add_attachment(data, maintype=main, subtype=sub or "octet-stream", filename=one.get("name"))
    return made.as_bytes()


def person(told: Json) -> str:
    """Write a recipient."""
    address = told["emailAddress"]
    name = _one_line(address.get("name") or "").replace('"', "'")
    return f'"{name}" <{address.get("address", "")}>' if name else f"<{address.get('address', '')}>"


def _one_line(value: str) -> str:
    return re.sub(r"[\r\n]+", " ", value)
