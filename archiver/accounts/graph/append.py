"""Items put into a folder: by their full-fidelity export where it is there and taken, else made anew from JSON.

Each item bears the mark of what it was made from (`writing.ARCHIVER_ID`), set in the request that makes it. What a
folder bears already is read before the first item is put in, and searched for whenever an answer was lost: so no
item is made twice.
https://learn.microsoft.com/graph/import-exchange-mailbox-item
"""

import logging
from collections.abc import Iterable, Iterator

from archiver.accounts.graph import listing, whole, writing
from archiver.accounts.graph.changes import is_meeting, item_path
from archiver.accounts.graph.fetch import Exports
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.importing import Importing, Unread, asks
from archiver.accounts.graph.marked import marked
from archiver.accounts.graph.web import Json, Refusal, Web
from archiver.accounts.intents import Intents
from archiver.accounts.link import TRIES
from archiver.errors import Damaged, Unreachable
from archiver.formats.record import Attached, Record, is_record, unpack
from archiver.items import Contact, Event, Task
from archiver.model import Appended, Flags, Kind, Outgoing, Ref, Refused
from archiver.plan.categories import categories_of
from archiver.plan.labels import label_flags, without_labels

_log = logging.getLogger(__name__)

LIMIT = 4_000_000
"""Bytes of JSON that one request takes (https://learn.microsoft.com/graph/api/user-post-messages)."""

_TOO_LARGE = (
    "it is larger than Graph takes in one request (4 MB), and its archive holds no export that could be imported: "
    "restore it by IMAP"
)


class Appending:
    """Puts items into one folder."""

    def __init__(self, web: Web, native: Native, exports: Exports, intents: Intents) -> None:
        self._web = web
        self._native = native
        self._noted = intents.of(native.folder.name, native.epoch)
        self._importing = Importing(web, native, exports, self._noted)
        self._kind = native.folder.kind
        self._there: dict[str, Json] = {}
        self._used: set[str] = set()

    def __call__(self, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put them in one by one, each answered once."""
        with self._noted:
            first = True
            for one in messages:
                if first:
                    self._there, first = marked(self._web, self._native), False
                    self._there |= self._importing.take_over()
                yield self._put(one)

    def _put(self, one: Outgoing) -> Appended | Refused:
        mark = self._mark(one)
        if one.kind is not self._kind:
            return Refused(
                one.digest, f'the folder "{self._native.folder.name}" is for items of another kind'
            )
        try:
            record = unpack(one.raw) if is_record(one.raw) else None
            there = self._there.get(mark)
            made, altered = (there, None) if there is not None else self._make(one, record, mark)
            if made is not None and record is not None and record.attachments:
                made, lost = self._complete(made, record)
                altered = altered or lost
        except Unread as error:
            return Appended(one.digest, None, str(error))
        except (Refusal, Damaged) as error:
            return Refused(one.digest, error.text)
        if made is None:
            return Refused(one.digest, altered or "it cannot be made again")
        return Appended(one.digest, self._ref(made), altered)

    def _complete(self, made: Json, record: Record) -> tuple[Json, str | None]:
        """Add the attachments that an item lacks: they are put in after it, one by one."""
        path = self._path(str(made["id"]))
        item = record.details.item
        photo = item.photo if isinstance(item, Contact) else None
        has = self._attached(path)
        closed = asks(item) and is_meeting(self._web, self._native, str(made["id"]))
        lost, added = [], False
        for one in record.attachments:
            if one.name in has or (one.name == photo and has):
                continue
            try:
                if one.name == photo:
                    kind = {"Content-Type": one.media_type}
                    self._web.patiently("PUT", f"{path}/photo/$value", body=one.content, headers=kind)
                elif (
                    self._kind is Kind.CONTACT or closed
                ):  # of a meeting that has a file more, people are told
                    lost.append(one.name)
                    continue
                else:
                    self._attach(path, one)
                added = True
            except Refusal as error:
                _log.info("an attachment is not taken: %s", error.text)
                lost.append(one.name)
        told = self._web.get(path, **listing.query(self._kind)) if added else made
        names = ", ".join(f'"{name}"' for name in lost)
        return told, f"Exchange Online does not take the attachments {names}" if lost else None

    def _attached(self, path: str) -> set[str]:
        """Give the names of what an item has attached; of a contact, tell whether it has a photo."""
        if self._kind is not Kind.CONTACT:
            return {name for name, _ in whole.named(self._web, path)}
        try:
            self._web.raw(f"{path}/photo/$value")
        except Refusal as error:
            if error.is_gone:
                return set()
            raise
        return {"photo"}

    def _attach(self, path: str, one: Attached) -> None:
        """Attach a file; where the answer is lost, look whether it is there."""
        tries = 0
        while True:
            try:
                self._web.once("POST", f"{path}/attachments", body=writing.file_of(self._kind, one))
            except Unreachable as error:
                tries += 1
                if tries >= TRIES:
                    raise
                self._web.rest(error, tries)
                if one.name in self._attached(path):
                    return
            else:
                return

    def _mark(self, one: Outgoing) -> str:
        copy = one.copy
        while f"{one.digest}.{copy}" in self._used:
            copy += 1
        self._used.add(f"{one.digest}.{copy}")
        return f"{one.digest}.{copy}"

    def _ref(self, told: Json) -> Ref:
        return listing.remote_of(self._native, told).ref

    # --- making ---------------------------------------------------------------------------------------

    def _make(self, one: Outgoing, record: Record | None, mark: str) -> tuple[Json | None, str | None]:
        """Make an item; gives it as the server has it, and what it lacks, or None and why not."""
        if record is not None:
            made = self._importing.meeting(record) or self._importing.put(
                record, mark, without_labels(one.flags)
            )
            if made is not None:
                return made, None
        body, altered = self._body(one, record, mark)
        if body is None:
            return None, altered
        tries = 0
        while True:
            try:
                answer = self._web.once("POST", self._native.items, body=body)
                told = answer.json()
                return (told if "id" in told else marked(self._web, self._native, mark)[mark]), altered
            except Unreachable as error:  # it may have been made
                tries += 1
                if tries >= TRIES:
                    raise
                self._web.rest(error, tries)
                found = marked(self._web, self._native, mark).get(mark)
                if found is not None:
                    return found, altered

    def _body(self, one: Outgoing, record: Record | None, mark: str) -> tuple[Json | None, str | None]:
        told: Json
        item = record.details.item if record is not None else None
        if self._kind is Kind.MAIL:
            raw = one.raw if record is None or record.body_type != "message/rfc822" else record.body
            flags = without_labels(one.flags)
            told, altered = writing.message(raw, flags, one.received, mark)
        elif isinstance(item, Event):
            told, altered = writing.event(item, mark)
        elif isinstance(item, Contact):
            told, altered = writing.contact(item, mark)
        elif isinstance(item, Task):
            told, altered = writing.task(item, mark)
        else:
            return None, "its record does not say what it is"
        size = sum(len(str(file.get("contentBytes", ""))) for file in told.get("attachments", ()))
        if size + len(str((told.get("body") or {}).get("content", ""))) > LIMIT:
            return None, _TOO_LARGE
        return told, altered

    def _path(self, item_id: str) -> str:
        return item_path(self._web, self._native, item_id)


def keep_flags(web: Web, native: Native, wanted: dict[str, tuple[str, Flags]]) -> dict[str, Flags]:
    """Add flags to items: key -> id and flags. Gives what cannot be kept; what is gone lacks nothing."""
    lost: dict[str, Flags] = {}
    for key, (item_id, flags) in wanted.items():
        path = item_path(web, native, item_id)
        try:
            told = web.get(path, **listing.query(native.folder.kind))
        except Refusal as error:
            if error.is_gone:
                continue
            raise
        remote = listing.remote_of(native, told)
        missing = frozenset(one for one in flags - remote.flags if one.lower() != "\\recent")
        body = _patch(told, without_labels(missing))
        if body:
            told = web.patiently("PATCH", path, body=body).json()
            told = web.get(path, **listing.query(native.folder.kind))
        left = missing - listing.remote_of(native, told).flags
        if left | label_flags(missing):
            lost[key] = left | label_flags(missing)
    return lost


def _patch(told: Json, missing: Flags) -> Json:
    body: Json = {}
    names = categories_of(missing)
    if names:
        body["categories"] = [*(told.get("categories") or ()), *names]
    if "\\Seen" in missing:
        body["isRead"] = True
    if "\\Flagged" in missing:
        body["flag"] = {"flagStatus": "flagged"}
    verb = writing.verb_of(missing)
    if verb is not None:
        body["singleValueExtendedProperties"] = [{"id": writing.VERB, "value": str(verb)}]
    return body
