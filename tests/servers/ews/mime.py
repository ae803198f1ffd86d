"""MIME as Exchange gives it: made anew at each read, so never the bytes that came in."""

import base64
import contextlib
import re
from collections.abc import Sequence
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.message import Message
from email.utils import format_datetime, getaddresses, parseaddr, parsedate_to_datetime
from xml.etree.ElementTree import Element

from tests.servers.ews.markup import find, t, text
from tests.servers.ews.state import Attachment, Item, Site

_BOUNDARY = re.compile(rb'boundary="?([^";\r\n]+)"?', re.I)


def regenerate(source: bytes, read: int) -> bytes:
    """Write a message again, for the `read`-th time.

    Its headers come in another order, one X- header is lost, boundaries are new; lines end with CRLF.
    """
    lines = source.replace(b"\r\n", b"\n")
    head, _, body = lines.partition(b"\n\n")
    headers = re.split(rb"\n(?![ \t])", head)
    lost = next((header for header in headers if header[:2].upper() == b"X-"), None)
    kept = [header for header in headers if header is not lost]
    turn = read % len(kept) if kept else 0
    whole = b"\n".join(kept[turn:] + kept[:turn]) + b"\n\n" + body
    for count, boundary in enumerate(sorted(set(_BOUNDARY.findall(lines)), key=len, reverse=True)):
        whole = whole.replace(boundary, b"_%03d_%08X_" % (count, read * 2654435761 % 2**32))
    return whole.replace(b"\n", b"\r\n")


def absorb(site: Site, item: Item, source: bytes) -> None:
    """Take a MIME message into an item: its source, and the fields and attachments that it tells of."""
    item.source = source
    parsed = message_from_bytes(source)
    for name, header in (("Subject", "Subject"), ("InternetMessageId", "Message-ID")):
        if parsed[header] is not None:
            item.fields[name] = t(name, _decoded(parsed[header]))
    for name, header in (("From", "From"), ("Sender", "From")):
        if parsed[header] is not None:
            item.fields[name] = t(name, _mailbox(parsed[header]))
    for name, header in (("ToRecipients", "To"), ("CcRecipients", "Cc")):
        found = [one for one in getaddresses([_decoded(parsed.get(header, ""))]) if one[1]]
        if found:
            item.fields[name] = t(name, *(mailbox(address, shown) for shown, address in found))
    with contextlib.suppress(ValueError, TypeError):
        item.sent = parsedate_to_datetime(parsed["Date"])
    _absorb_parts(site, item, parsed)


def _absorb_parts(site: Site, item: Item, parsed: Message) -> None:
    for part in parsed.walk():
        name = part.get_filename()
        if part.get_content_type() == "message/rfc822":
            inner = site.new_item("Message", "IPM.Note", item.folder)
            payload = part.get_payload()
            attached = payload[0] if isinstance(payload, list) else None
            absorb(site, inner, attached.as_bytes() if isinstance(attached, Message) else b"")
            shown = text(inner.fields.get("Subject")) or "attached"
            item.attachments.append(Attachment(site.identifiers.new("attachment"), shown, item=inner))
            return
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        if name:
            made = Attachment(site.identifiers.new("attachment"), _decoded(name), content)
            made.content_type = part.get_content_type()
            item.attachments.append(made)
        elif part.get_content_maintype() == "text" and "Body" not in item.fields:
            kind = "HTML" if part.get_content_subtype() == "html" else "Text"
            item.fields["Body"] = t("Body", content.decode("utf-8", "replace"), BodyType=kind)


def _decoded(value: object) -> str:
    with contextlib.suppress(UnicodeError, LookupError, ValueError):
        # the surrogates of bytes that are no ASCII cannot be written as XML
        return str(make_header(decode_header(str(value)))).encode("utf-8", "replace").decode()
    return str(value).encode("utf-8", "replace").decode()


def mailbox(address: str, shown: str = "") -> Element:
    """Make a t:Mailbox."""
    return t("Mailbox", t("Name", shown or address), t("EmailAddress", address), t("RoutingType", "SMTP"))


def _mailbox(header: str) -> Element:
    shown, address = parseaddr(_decoded(header))
    return mailbox(address, shown)


def compose(
    item: Item,
    body: bytes | None = None,
    kind: str = "text/plain; charset=utf-8",
    files: Sequence[Attachment] = (),
) -> bytes:
    """Make a MIME message of the fields of an item that was not made of one, with files attached."""
    lines = ["MIME-Version: 1.0", f"Message-ID: <{item.id[20:40].encode().hex()}@exchange.example>"]
    for name, header in (("From", "From"), ("ToRecipients", "To"), ("CcRecipients", "Cc")):
        entries = item.fields.get(name, ())
        shown = ", ".join(f"<{text(one, 'EmailAddress')}>" for one in entries)
        if shown:
            lines.append(f"{header}: {shown}")
    subject = text(item.fields.get("Subject")) or ""
    lines += [f"Subject: {Header(subject, 'utf-8' if not subject.isascii() else 'us-ascii').encode()}"]
    lines += [f"Date: {format_datetime(item.sent)}"]
    if body is None:
        body = (text(item.fields.get("Body")) or "").encode()
    if not files:
        return "\r\n".join(lines).encode() + b"\r\n" + _part(kind, body)
    border = f"=_{item.id[20:40].encode().hex()}"
    parts = [_part(kind, body)]
    parts += [_part(f'{one.content_type}; name="{one.name}"', one.content, attached=True) for one in files]
    lines += [f'Content-Type: multipart/mixed; boundary="{border}"', "", ""]
    between = f"--{border}\r\n".encode()
    return (
        "\r\n".join(lines).encode() + b"".join(between + one for one in parts) + f"--{border}--\r\n".encode()
    )


def _part(kind: str, content: bytes, attached: bool = False) -> bytes:
    head = [f"Content-Type: {kind}", "Content-Transfer-Encoding: base64"]
    head += ["Content-Disposition: attachment"] if attached else []
    return "\r\n".join([*head, "", ""]).encode() + base64.encodebytes(content).replace(b"\n", b"\r\n")


def address_of(field: Element | None) -> str | None:
    """Give the address of a field that holds one t:Mailbox."""
    inside = None if field is None else find(field, "Mailbox")
    return text(inside, "EmailAddress")
