"""Items put in by their full-fidelity export, which cannot bear a mark from the start: that is set right afterwards.

What is imported is noted on this machine first (`accounts.intents`). Where an answer is lost, or a process was killed
between an import and its mark, the item is what was not there before, bears no mark and looks like its record. A
meeting is never marked: it is known by what the calendars of the world know it by.
https://learn.microsoft.com/graph/import-exchange-mailbox-item
"""

import base64
import logging
from collections.abc import Collection, Iterator

from archiver.accounts.graph import listing, reading, writing
from archiver.accounts.graph.changes import item_path
from archiver.accounts.graph.fetch import EXPORT_KIND, Exports
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.marked import bearing
from archiver.accounts.graph.web import Broken, Json, Refusal, Web
from archiver.accounts.intents import Came, FolderIntents, Sent, looks_of, recognise, worn_by
from archiver.accounts.link import TRIES
from archiver.errors import Forbidden, Unreachable
from archiver.formats.record import Details, Record
from archiver.items import Contact, Event, Item, Moment, Task
from archiver.model import Flags, Kind

_log = logging.getLogger(__name__)

_IMPORTED = (EXPORT_KIND, "ews-export")
_SELECTED = {
    Kind.MAIL: "id,subject,internetMessageId,sentDateTime,receivedDateTime",
    Kind.EVENT: "id,subject,iCalUId,start,end,isAllDay,originalStartTimeZone,originalEndTimeZone",
    Kind.CONTACT: "id,displayName,givenName,surname,companyName,emailAddresses",
}


class Unread(Exception):
    """An item is there, and cannot be read; says why."""


class Importing:
    """Imports items into one folder."""

    def __init__(self, web: Web, native: Native, exports: Exports, noted: FolderIntents) -> None:
        self._web = web
        self._native = native
        self._exports = exports
        self._noted = noted
        self._kind = native.folder.kind
        self._ids: set[str] | None = None
        self._uids: dict[str, str] = {}  # of events: what the calendars of the world know them by -> id
        self._unread: dict[str, str] = {}
        self._able = True
        self._session: str | None = None

    def take_over(self) -> dict[str, Json]:
        """Mark what an earlier process imported and did not mark, if it left anything: mark -> item."""
        if not self._noted.open:
            return {}
        marks = self._marks()
        self._noted.done({mark for some in marks.values() for mark in some})
        listed = list(self._list())
        self._ids = {str(told["id"]) for told in listed}
        came = [told for told in listed if self._noted.is_new(str(told["id"]))]
        found = recognise(self._noted.open, (self._came(told, marks) for told in came))
        there = {}
        for mark, item_id in found.items():
            try:
                there[mark] = self._tagged(item_id, mark, {})
            except Unread as error:
                self._unread[mark] = str(error)
        self._noted.done([mark for mark in self._noted.open if mark not in found])  # it never came
        return there

    def meeting(self, record: Record) -> Json | None:
        """Find a meeting that is there already, by what the calendars of the world know it by. Raises `Unread`."""
        item = record.details.item
        if not isinstance(item, Event) or not asks(item):
            return None
        self._snapshot()
        if item.uid not in self._uids:
            return None
        return self._read(self._uids[item.uid], "it is there")

    def put(self, record: Record, mark: str, flags: Flags) -> Json | None:
        """Import an item; None where that is not possible, and it is to be made from JSON. Raises `Unread`.

        `flags` are those of a mail by now: its export has those of the day on which it was archived.
        """
        if mark in self._unread:
            raise Unread(self._unread[mark])
        if record.export is None or record.export.kind not in _IMPORTED or not self._able:
            return None
        data = record.export.data
        before = self._snapshot()
        sent = Sent(looks_of_record(record.details), worn_by(data))
        marked = None if asks(record.details.item) else mark
        if marked is not None:
            self._noted.begin(before)
            self._noted.note({marked: sent})
        body = {"FolderId": self._native.id, "Mode": "create", "Data": base64.b64encode(data).decode()}
        item_id: str | None = None
        tries = 0
        while item_id is None:
            try:
                item_id = self._imported(body)
            except (Forbidden, Refusal) as error:
                if isinstance(error, Refusal) and error.status == 401 and tries < TRIES:
                    self._session = None  # it has expired
                    tries += 1
                    continue
                self._able = not isinstance(error, Forbidden)
                _log.info("an export is not taken: %s", error.text)
                self._noted.done([mark])
                return None
            except Unreachable as error:
                tries += 1
                if tries >= TRIES:
                    raise
                self._web.rest(error, tries)
                item_id = self._since(before, mark, sent)
        self._snapshot().add(item_id)
        return self._tagged(item_id, marked, writing.state(flags) if self._kind is Kind.MAIL else {})

    def _imported(self, body: Json) -> str:
        told = self._web.elsewhere(self._import_url(), body).json()
        if "itemId" not in told:
            raise Broken("Exchange Online does not tell what it imported", "try again later")
        return str(told["itemId"])

    def _import_url(self) -> str:
        """Give the address of the session; it is a secret, and never told."""
        if self._session is None:
            path = f"{self._exports.mailbox()}/createImportSession"
            self._session = str(self._web.patiently("POST", path).json()["importUrl"])
        return self._session

    def _tagged(self, item_id: str, mark: str | None, state: Json) -> Json:
        """Mark an item that came by import, with its `state`, and read it under the id that it keeps. Raises `Unread`.

        A meeting has no mark: whatever is changed of one, those who are asked may be written to. An item whose mark
        is not taken is there all the same: it is not made once more.
        """
        try:
            if mark is not None and self._kind is Kind.TASK:
                self._web.patiently("POST", f"{self._path(item_id)}/linkedResources", body=writing.link(mark))
            elif mark is not None:
                known = [{"id": writing.ARCHIVER_ID, "value": mark}]
                body = {**state, "singleValueExtendedProperties": known}
                self._web.patiently("PATCH", self._path(item_id), body=body)
            if mark is not None:
                self._noted.done([mark])
        except (Forbidden, Refusal) as error:
            _log.info("the mark of an item is not taken: %s", error.text)
        told = self._read(item_id, "it was imported")
        self._snapshot().add(str(told["id"]))
        return told

    def _read(self, item_id: str, known: str) -> Json:
        try:
            return self._web.get(self._path(item_id), **listing.query(self._kind))
        except (Forbidden, Refusal) as error:
            raise Unread(f"{known}, and nothing more can be told of it: {error.text}") from error

    # --- what is there ----------------------------------------------------------------------------------

    def _since(self, before: Collection[str], mark: str, sent: Sent) -> str | None:
        """Find the item of a lost answer: one that was not there, bears no mark, and looks so."""
        new = [told for told in self._list() if str(told["id"]) not in before]
        marks = self._marks() if new else {}
        return recognise({mark: sent}, (self._came(told, marks) for told in new)).get(mark)

    def _came(self, told: Json, marks: dict[str, set[str]]) -> Came:
        item_id = str(told["id"])
        return Came(item_id, looks_of_item(self._kind, told), frozenset(marks.get(item_id, ())))

    def _marks(self) -> dict[str, set[str]]:
        """Give the marks that items of the folder bear: id -> marks."""
        found: dict[str, set[str]] = {}
        for mark, told in bearing(self._web, self._native):
            found.setdefault(str(told["id"]), set()).add(mark)
        return found

    def _snapshot(self) -> set[str]:
        if self._ids is None:
            self._ids = {str(told["id"]) for told in self._list()}
        return self._ids

    def _list(self) -> Iterator[Json]:
        """List the folder, and note which meetings it has, as they bear no mark."""
        query = {"$select": _SELECTED[self._kind]} if self._kind in _SELECTED else {}
        for told in self._web.all(self._native.items, **query, **{"$top": "200"}):
            if told.get("iCalUId"):
                self._uids[str(told["iCalUId"])] = str(told["id"])
            yield told

    def _path(self, item_id: str) -> str:
        return item_path(self._web, self._native, item_id)


def looks_of_item(kind: Kind, told: Json) -> str:
    """Condense what an item of a listing looks like."""
    if kind is Kind.MAIL:
        sent, received = (
            listing.moment(told.get("sentDateTime")),
            listing.moment(told.get("receivedDateTime")),
        )
        details = Details(
            kind,
            "",
            subject=str(told.get("subject") or ""),
            message_id=told.get("internetMessageId"),
            sent=sent,
            received=received,
        )
        return looks_of_record(details)
    if kind is Kind.EVENT:
        return looks_of_record(Details(kind, "", item=reading.event(told)))
    return looks_of_record(
        Details(kind, "", item=reading.contact(told) if kind is Kind.CONTACT else reading.task(told))
    )


def looks_of_record(told: Details) -> str:
    """Condense what the item of a record looks like, in the same way: what an import keeps, and any listing tells."""
    item = told.item
    if isinstance(item, Event):
        return looks_of(item.subject, item.uid, _at(item.start, item), _at(item.end, item))
    if isinstance(item, Contact):
        emails = sorted(one.value.lower() for one in item.emails)
        return looks_of(item.name or item.subject, item.given, item.surname, item.company, *emails)
    if isinstance(item, Task):
        return looks_of(item.subject, item.start, item.due, item.done)
    times = [at and int(at.timestamp()) for at in (told.sent, told.received)]
    return looks_of(told.subject, told.message_id, *times)


def _at(moment: Moment, event: Event) -> object:
    return moment.at.date() if event.all_day else int(moment.at.timestamp())


def asks(item: Item | None) -> bool:
    """Tell whether others are asked to an event, or to one occurrence of a series."""
    return isinstance(item, Event) and any(one.attendees for one in (item, *item.changed))
