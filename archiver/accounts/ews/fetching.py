"""The content of items: asked for in chunks that are bounded in size, checked, and made into records.

One item that the server does not give never loses its neighbours: what it met is its own. Where a whole request fails
again and again though the server answers others, its half is asked for, and its half again, until the one is found.
"""

import base64
import binascii
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from exchangelib.attachments import AttachmentId, FileAttachment, ItemAttachment
from exchangelib.errors import ErrorItemNotFound
from msgspec.structs import replace

from archiver.accounts.ews.details import details_of
from archiver.accounts.ews.halving import answers, halved
from archiver.accounts.ews.keys import fits, names_a_change, received_of
from archiver.accounts.ews.properties import content_paths, paths
from archiver.accounts.ews.refusals import Faulted, Incomprehensible, Unknown, is_passing, stops_all, words
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.wire import ExportItems, GetAttachment, GetItem, counted, handles
from archiver.accounts.exchange import id_of
from archiver.accounts.link import Busy
from archiver.accounts.reasons import EMPTY, GONE
from archiver.errors import Unreachable
from archiver.formats.calendar import calendar
from archiver.formats.contact import contact
from archiver.formats.note import note
from archiver.formats.record import Attached, Export, Record, files_in, pack
from archiver.items import Contact, ContactGroup, Event, Item, Note, Task
from archiver.model import Kind, Message, Missed, Remote

CHUNK_ITEMS = 50
CHUNK_SIZE = 32 << 20  # bytes
CHANGED = "its content is another one by now"
NO_EXPORTS = "the server gives no full-fidelity exports: items are archived without"
_NO_ID = "AAAA"
_UNREADABLE = "the server gives its export in a form that cannot be read"
EXPORT_KIND = "ews-export"


def chunks(remotes: Sequence[Remote]) -> Iterator[list[Remote]]:
    """Cut a list into chunks, each of `CHUNK_ITEMS` and `CHUNK_SIZE` at most, but for one that is larger by itself."""
    chunk: list[Remote] = []
    size = 0
    for remote in remotes:
        one = remote.size or 0
        if chunk and (len(chunk) == CHUNK_ITEMS or size + one > CHUNK_SIZE):
            yield chunk
            chunk, size = [], 0
        chunk.append(remote)
        size += one
    if chunk:
        yield chunk


class Fetching:
    """Fetches the content of items of one folder."""

    def __init__(self, service: Service, warn: Callable[[str], None], *, export: bool) -> None:
        self._service = service
        self._warn = warn
        self._export = export

    def exports(self) -> bool:
        """Ask whether the server gives exports at all."""
        try:
            self._service.run(lambda account: list(ExportItems(account=account).call(handles([_NO_ID]))))
        except Unknown:
            return False
        return True

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give each item's record, or why it is not to be had; each once."""
        wanted: dict[str, Remote] = {}
        for remote in remotes:
            identity = id_of(remote.ref.key)
            if identity is None or identity in wanted:
                yield Missed(remote, GONE, gone=True)  # two keys of one item: the later one is its content
            else:
                wanted[identity] = remote
        for chunk in chunks(list(wanted.values())):
            yield from self._chunk(chunk)

    def _chunk(self, chunk: Sequence[Remote]) -> Iterator[Message | Missed]:
        try:
            found = self._get(chunk)
        except Unreachable as error:
            if isinstance(error, Busy) or not answers(self._service):
                raise
            if len(chunk) == 1:
                yield Missed(chunk[0], error.text)
                return
            half = len(chunk) // 2
            yield from self._chunk(chunk[:half])
            yield from self._chunk(chunk[half:])
            return
        yield from found

    def _get(self, chunk: Sequence[Remote]) -> list[Message | Missed]:
        ids = [str(id_of(one.ref.key)) for one in chunk]
        asked = content_paths({one.kind for one in chunk})
        items = self._items(ids, asked)
        again = [one for one in ids if isinstance(items[one], Exception) and is_passing(items[one])]
        if again:
            items |= self._items(again, asked)
        # of what is no mail the text can be written of its fields
        others = {str(id_of(one.ref.key)) for one in chunk if one.kind is not Kind.MAIL}
        untold = [one for one in ids if isinstance(items[one], Faulted) and one in others]
        if untold:
            items |= self._items(untold, asked - paths(("mime_content",)))
        good = [one for one in ids if not isinstance(items[one], Exception)]
        exports = self._exports(good) if self._export and good else {}
        return [
            self._made(remote, items[identity], exports.get(identity))
            for remote, identity in zip(chunk, ids, strict=True)
        ]

    def _items(self, ids: Sequence[str], asked: Any) -> dict[str, Any]:
        def ask(account: Any, ids: Sequence[str]) -> dict[str, Any]:
            with warnings.catch_warnings():  # exchangelib warns of a zone that it does not know
                warnings.simplefilter("ignore")
                found = counted(list(GetItem(account=account).call(handles(ids), asked, "IdOnly")), ids)
            for one in found.values():
                if isinstance(one, Exception) and stops_all(one):
                    raise one
            return found

        return halved(self._service, ids, ask)

    def _exports(self, ids: Sequence[str]) -> dict[str, Export | str]:
        """Ask for the items' exports; what is not given is told why."""

        def ask(account: Any) -> dict[str, Any]:
            return counted(list(ExportItems(account=account).call(handles(ids))), ids)

        if ExportItems.SERVICE_NAME in self._service.unknown:
            return {}
        build = str(self._service.run(lambda account: account.version.build))
        found: dict[str, Export | str] = {}
        try:
            told = self._service.run(ask)
        except Unknown:
            if not answers(self._service):
                raise
            self._service.unknown.add(ExportItems.SERVICE_NAME)
            self._warn(NO_EXPORTS)
            return {}
        except Unreachable as error:
            if isinstance(error, Busy) or not answers(self._service):
                raise
            if len(ids) == 1:
                return {ids[0]: error.text}
            half = len(ids) // 2
            return self._exports(ids[:half]) | self._exports(ids[half:])
        for identity, one in told.items():
            if isinstance(one, Exception):
                found[identity] = words(one)
                continue
            try:
                found[identity] = Export(EXPORT_KIND, build, base64.b64decode(one[2], validate=True))
            except (binascii.Error, ValueError):
                found[identity] = _UNREADABLE
        return found

    def _made(self, remote: Remote, item: Any, export: Export | str | None) -> Message | Missed:
        if isinstance(item, Exception):
            gone = isinstance(item, ErrorItemNotFound)
            return Missed(remote, GONE if gone else words(item), gone=gone)
        if not fits(remote.ref.key, item):
            # of what names a ChangeKey it is certain that there is another content, of which the next listing tells
            gone = names_a_change(remote.ref.key)
            return Missed(remote, GONE if gone else CHANGED, gone=gone)
        body = getattr(item, "mime_content", None) or b""
        if remote.kind is Kind.MAIL and not body:
            return Missed(remote, EMPTY)
        body_type = _type_of(body)
        try:
            attachments = () if remote.kind is Kind.MAIL and body else self._attachments(item)
            is_message = bool(attachments) and body_type == "message/rfc822"
            inside = {one.content: one for one in files_in(body)} if is_message else {}
            # by the name that it has there, by which it is found there again
            named = [inside.get(one.content, one) for one in attachments]
            details = details_of(item, remote, self._occurrences(item), named)
            attachments = tuple(one for one in attachments if one.content not in inside)
        except Lost as lost:
            return Missed(remote, lost.reason)
        if not body:
            body, body_type = written(details.item, attachments, remote.ref.key)
        if isinstance(export, str):
            details = replace(details, extra={**details.extra, "export-refused": export})
        record = Record(details, body, body_type, export if isinstance(export, Export) else None, attachments)
        if remote.kind is Kind.EVENT:
            remote = replace(remote, received=received_of(item))
        return Message(remote, pack(record))

    def _attachments(self, item: Any) -> tuple[Attached, ...]:
        """Fetch what is attached to an item. Raises `Lost` where it is not to be had."""
        given = list(item.attachments or ())
        if not given:
            return ()
        identities = [one.attachment_id.id for one in given]

        def ask(account: Any) -> list[Any]:
            service = GetAttachment(account=account)
            told = list(service.call([AttachmentId(id=one) for one in identities], True, None, None, None))
            if len(told) != len(identities):
                raise Incomprehensible(f"{len(told)} results for {len(identities)} attachments")
            return told

        return tuple(
            _attached(one, wanted) for one, wanted in zip(self._service.run(ask), identities, strict=True)
        )

    def _occurrences(self, item: Any) -> list[Any]:
        """Fetch the occurrences that differ from their series. Raises `Lost` where they are not to be had."""
        ids = [str(one.id) for one in getattr(item, "modified_occurrences", None) or ()]
        if not ids:
            return []
        asked = content_paths([Kind.EVENT])
        found = self._items(ids, asked)
        for one in found.values():
            if isinstance(one, Exception):
                raise Lost(f"an occurrence of the series: {words(one)}")
        return list(found.values())


class Lost(Exception):
    """A part of an item is not to be had."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _attached(given: Any, wanted: str) -> Attached:
    if isinstance(given, Exception):
        raise Lost(f"an attachment: {words(given)}")
    if given.attachment_id is None or given.attachment_id.id != wanted:
        raise Incomprehensible("a result is that of another attachment")
    if isinstance(given, FileAttachment):
        content = given._content
        media_type = given.content_type or "application/octet-stream"
    else:
        assert isinstance(given, ItemAttachment)
        content = None if given._item is None else given._item.mime_content
        media_type = "message/rfc822"
    if content is None:
        raise Lost("an attachment without content")
    return Attached(given.name or "", media_type, content)


def written(item: Item | None, attachments: Sequence[Attached], uid: str) -> tuple[bytes, str]:
    """Write an item, of which the server gives no text of its own, as other programs read it."""
    match item:
        case Event() | Task():
            return calendar(item, attachments, uid), "text/calendar"
        case Contact() | ContactGroup():
            return contact(item, attachments, uid), "text/vcard"
        case Note():
            return note(item), "text/plain"
        case None:
            return b"", "message/rfc822"


def _type_of(body: bytes) -> str:
    start = body.lstrip(b"\xef\xbb\xbf \r\n")[:20].upper()
    if start.startswith(b"BEGIN:VCALENDAR"):
        return "text/calendar"
    return "text/vcard" if start.startswith(b"BEGIN:VCARD") else "message/rfc822"
