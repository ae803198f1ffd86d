"""An item of a groupware server as one RFC 5322 message: what it reads like, all that is known of it, its export.

A `multipart/mixed` of up to four sorts of parts, in this order (docs/reference/format.md, section Item):

1. the body: `message/rfc822`, the server's MIME to the byte; or `text/calendar`, `text/vcard`, `text/plain`
2. `application/json`, named `item.json`: the `Details`
3. `application/octet-stream`, named `item.export`: the server's full-fidelity export, as it gave it
4. each attachment that the body lacks

The header repeats what a list of mails shows, so that any mail program lists it; its first line marks it. The
boundary is made of the content, so the same item is the same message, and no part can hold it.
"""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from archiver.errors import Damaged
from archiver.formats.message import attachments, gist
from archiver.items import Item
from archiver.model import Flags, Kind

MARK = b"X-Archiver-Item: "
_VERSION = b"1"
_TITLE_LIMIT = 200
_FORMS = (
    *("text/calendar", "text/vcard", "text/x-vcard", "text/directory"),
    *("application/ms-tnef", "application/vnd.ms-tnef"),
)
_NOTED = ("change_key", "size", "flags", "modified", "export_kind", "export_build", "extra")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_COPIED = re.compile(
    rb"^(?:From|Sender|Reply-To|To|Cc|Date|Subject|Message-ID|In-Reply-To|References):[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Export(Struct, frozen=True):
    """A server's full-fidelity export of one item: opaque, told by what made it, such as `ews-export`."""

    kind: str
    build: str
    data: bytes


class Attached(Struct, frozen=True):
    """A file of an item that its body lacks."""

    name: str
    media_type: str
    content: bytes


class Details(Struct, frozen=True, omit_defaults=True):
    """What is known of an item beside its content. `id`, `change_key` and `folder_id` are the server's own.

    `item` is what archiver understood of it, whatever the server; `extra` what only this server knows, for it.
    """

    kind: Kind
    item_class: str
    id: str = ""
    change_key: str = ""
    folder_id: str = ""
    size: int | None = None
    received: datetime | None = None
    sent: datetime | None = None
    created: datetime | None = None
    modified: datetime | None = None
    flags: Flags = frozenset()
    importance: str = "normal"
    sensitivity: str = "normal"
    subject: str = ""
    message_id: str | None = None
    export_kind: str | None = None
    export_build: str | None = None
    item: Item | None = None
    extra: dict[str, Any] = {}


class Record(Struct, frozen=True):
    """One item, whole. `body` is of `body_type`; empty where the server gave none."""

    details: Details
    body: bytes = b""
    body_type: str = "message/rfc822"
    export: Export | None = None
    attachments: tuple[Attached, ...] = ()

    @property
    def files(self) -> tuple[Attached, ...]:
        """The files of an item that is no mail: those beside its body, and those in a message that is its body."""
        if self.body_type != "message/rfc822" or self.details.item is None:
            return self.attachments
        return (*files_in(self.body), *self.attachments)


def files_in(body: bytes) -> tuple[Attached, ...]:
    """Give the files in a message that a server made of an item; the item itself, in whatever form, is none."""
    found = (one for one in attachments(body) if one.content_type not in _FORMS)
    return tuple(Attached(one.name, one.content_type, one.content) for one in found)


def is_record(raw: bytes) -> bool:
    """Tell whether a message is a record of an item."""
    return raw.startswith(MARK)


def pack(record: Record) -> bytes:
    """Make the message, with CRLF lines but inside a `message/rfc822` body, which stays as it is."""
    kind, build = (record.export.kind, record.export.build) if record.export is not None else (None, None)
    details = msgspec.structs.replace(record.details, export_kind=kind, export_build=build)
    parts = [(_part_head(record.body_type, None, b"binary"), record.body)]
    told = msgspec.json.format(_json(details), indent=1)
    parts.append((_part_head("application/json", "item.json", b"base64"), _base64(told)))
    if record.export is not None:
        head = _part_head("application/octet-stream", "item.export", b"base64")
        parts.append((head, _base64(record.export.data)))
    for one in record.attachments:
        parts.append((_part_head(one.media_type, one.name, b"base64"), _base64(one.content)))
    boundary = _boundary(parts)
    out = [_head(details, record, boundary)]
    for head, content in parts:
        out += [b"--", boundary, b"\r\n", head, b"\r\n", content, b"\r\n"]
    out += [b"--", boundary, b"--\r\n"]
    return b"".join(out)


def unpack(raw: bytes) -> Record:
    """Read a record back, its parts to the byte. Raises `Damaged` for what is none, or not whole."""
    head_end = _HEADER_END.search(raw)
    boundary = re.search(rb'boundary="(=_archiver_[0-9a-f]{32})"', raw[: head_end.end()] if head_end else b"")
    if not is_record(raw) or boundary is None:
        raise Damaged("it is no item record")
    pieces = (b"\r\n" + raw).split(b"\r\n--" + boundary[1])
    if len(pieces) < 4 or pieces[-1] != b"--\r\n":
        raise Damaged("an item record is cut short")
    parts = [_read_part(piece) for piece in pieces[1:-1]]
    try:
        details = msgspec.json.decode(parts[1][2], type=Details)
    except msgspec.DecodeError as error:
        raise Damaged(f"the details of an item cannot be read: {error}") from error
    rest = parts[2:]
    export = None
    if details.export_kind is not None and rest:
        export = Export(details.export_kind, details.export_build or "", rest[0][2])
        rest = rest[1:]
    attachments = tuple(Attached(name or "", media_type, content) for media_type, name, content in rest)
    return Record(details, parts[0][2], parts[0][0], export, attachments)


def as_mail(raw: bytes) -> bytes:
    """Give the mail that a record carries, as a server without records takes it; any other message as it is.

    A record of another kind than mail stays the message it is. Raises `Damaged`.
    """
    if not is_record(raw):
        return raw
    record = unpack(raw)
    return record.body if record.body_type == "message/rfc822" and record.body else raw


def mail_in(raw: bytes) -> bytes:
    """Give the mail that a record carries, as `as_mail`; a record that is not whole is the message it is."""
    try:
        return as_mail(raw)
    except Damaged:
        return raw


def essence(raw: bytes) -> str | None:
    """Condense what a record says of its item, for comparison: its server writes it anew each time it is asked.

    Its flags are no part of that, nor is its export, nor what the server notes for itself. None for what is no
    record, not whole, or without anything that could be compared.
    """
    if not is_record(raw):
        return None
    try:
        record = unpack(raw)
    except Damaged:
        return None
    if not record.body and record.details.item is None:
        return None
    told = msgspec.to_builtins(record.details, order="deterministic")
    for key in _NOTED:
        told.pop(key, None)
    if "item" in told:
        told["item"].pop("modified", None)
    body = record.body
    if record.details.item is not None:
        body = b""
    elif record.body_type == "message/rfc822":
        body = gist(record.body)
    files = [(one.name, hashlib.sha256(one.content).hexdigest()) for one in record.files]
    said = json.dumps([told, hashlib.sha256(body).hexdigest(), files], sort_keys=True)
    return hashlib.sha256(said.encode("ascii")).hexdigest()


def _json(details: Details) -> bytes:
    try:
        return msgspec.json.encode(details, order="deterministic")
    except UnicodeEncodeError:  # half of a surrogate pair, which a server's JSON can hold
        told = json.dumps(msgspec.to_builtins(details, order="deterministic"), ensure_ascii=False)
        return told.encode("utf-8", "replace")


def _head(details: Details, record: Record, boundary: bytes) -> bytes:
    lines = [MARK + _VERSION + b"; kind=" + details.kind.value.encode("ascii")]
    copied: dict[bytes, bytes] = {}
    if record.body_type == "message/rfc822":
        end = _HEADER_END.search(record.body)
        for field in _COPIED.findall(record.body[: end.end()] if end else record.body[:65_536]):
            copied.setdefault(field.partition(b":")[0].lower(), _BARE_LF.sub(b"\r\n", field))
    at = details.sent or details.received or details.modified or datetime.fromtimestamp(0, UTC)
    key = hashlib.sha256(f"{details.id}\0{details.change_key}".encode()).hexdigest()[:32]
    made = {
        b"date": b"Date: " + format_datetime(at.astimezone(UTC)).encode("ascii"),
        b"from": b"From: archiver <archiver@archiver.invalid>",
        b"subject": b"Subject: " + _encoded(details.subject),
        b"message-id": b"Message-ID: <" + key.encode("ascii") + b"@archiver.invalid>",
    }
    lines += [*copied.values(), *(line for name, line in made.items() if name not in copied)]
    lines += [b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="' + boundary + b'"', b"", b""]
    return b"\r\n".join(lines)


def _encoded(text: str) -> bytes:
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", text).strip()[:_TITLE_LIMIT]
    charset = "us-ascii" if plain.isascii() else "utf-8"
    return (
        Header(plain.encode("utf-8", "replace").decode(), charset, header_name="Subject")
        .encode(linesep="\r\n")
        .encode("ascii")
    )


def _part_head(media_type: str, name: str | None, encoding: bytes) -> bytes:
    safe = re.sub(r"[^-+./a-z0-9]", "", media_type.lower()) or "application/octet-stream"
    lines = [
        b"Content-Type: " + safe.encode("ascii") + (b"; charset=utf-8" if safe.startswith("text/") else b"")
    ]
    lines.append(b"Content-Transfer-Encoding: " + encoding)
    if name is not None:
        quoted = quote(name.encode("utf-8", "replace"), safe="")
        lines.append(b"Content-Disposition: attachment; filename*=utf-8''" + quoted.encode("ascii"))
    return b"\r\n".join([*lines, b""])


def _base64(content: bytes) -> bytes:
    return base64.encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


def _boundary(parts: list[tuple[bytes, bytes]]) -> bytes:
    told = hashlib.sha256()
    for head, content in parts:
        told.update(head + b"\0" + content + b"\0")
    while True:
        boundary = b"=_archiver_" + told.hexdigest()[:32].encode("ascii")
        if not any(boundary in content for _, content in parts):
            return boundary
        told.update(b"again")


def _read_part(piece: bytes) -> tuple[str, str | None, bytes]:
    """Take a part apart: its media type, its name, its content."""
    head, found, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not found:
        raise Damaged("a part of an item record has no header")
    text = head.decode("ascii", "replace")
    media_type = re.search(r"Content-Type: ([^;\r\n]+)", text)
    name = re.search(r"filename\*=utf-8''(\S+)", text)
    if "Content-Transfer-Encoding: base64" in text:
        try:
            content = base64.b64decode(content.replace(b"\r\n", b""), validate=True)
        except ValueError as error:
            raise Damaged("a part of an item record is no base64") from error
    return media_type[1] if media_type else "", unquote(name[1]) if name else None, content
