"""What changed in a folder: by delta where Graph has a good one, else by a full listing that is compared.

All pages are read before the first change is told: an item that is told twice, or changes between two pages, is
told once, as it is in the end, and no body is asked for while the link to the next page grows old.

Calendars and task lists are listed in full: the delta of events is about a window of time and tells occurrences, not
series (https://learn.microsoft.com/graph/delta-query-events). A listing needs no right beyond reading, and a change
key changes with any part of a series.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from archiver.accounts.exchange import differences, id_of
from archiver.accounts.graph import listing
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import Broken, Json, Refusal, Web, segment
from archiver.errors import FolderRefused
from archiver.model import Change, Cursor, Done, Flags, Kind, Remote
from archiver.ports import Known

_log = logging.getLogger(__name__)

LISTED = "listed"
"""The token of a folder that is listed in full each time."""

KEPT_FOR = timedelta(days=1)
"""How long a link is used again where nothing changed: each new one would be written to the archive."""

ROUNDS = 5
STARTS = 3
_SLACK = timedelta(minutes=5)  # between two clocks of the servers


class Token(Struct, frozen=True):
    """A link to the next delta, when it was made by the server's clock, and how many items there were."""

    link: str
    at: datetime | None = None
    count: int | None = None


class _Told(Struct, frozen=True, gc=False):
    remote: Remote
    edited: Remote | None  # under the key that it has after an edit that nothing but its change key shows
    created: datetime | None
    modified: datetime | None


class FolderChanges:
    """The changes of one folder since a cursor, as `Account.changes` tells them."""

    def __init__(self, web: Web, native: Native, since: Cursor | None, known: Known) -> None:
        self._web = web
        self._native = native
        self._kind = native.folder.kind
        self._since = since if since is not None and since.epoch == native.epoch else None
        self._token = _read(self._since.token) if self._since else None
        if self._token is not None and not web.is_ours(self._token.link):
            self._token = None  # of another server, or of this one before it was called otherwise
        self._ask_known = known
        self._known_by_key: Mapping[str, Flags] | None = None
        self._told: dict[str, _Told | None] = {}
        self._whole = True
        self._at: datetime | None = None

    def __iter__(self) -> Iterator[Change]:
        """Tell them; the last is Done."""
        try:
            done = self._by_delta() if self._kind in (Kind.MAIL, Kind.CONTACT) else self._in_full()
        except Broken as error:  # here alone, it may be
            text = f'the folder "{self._native.folder.name}" cannot be listed: {error.text}'
            raise FolderRefused(text) from error
        known = self._known() if self._told or self._whole else {}
        now = {item_id: self._now(one, known) for item_id, one in self._told.items()}
        folder = self._native.folder.name
        yield from differences(folder, self._native.epoch, now, known, whole=self._whole)
        yield done

    def _known(self) -> Mapping[str, Flags]:
        if self._known_by_key is None:
            self._known_by_key = self._ask_known() if self._since is not None else {}
        return self._known_by_key

    def _now(self, one: _Told | None, known: Mapping[str, Flags]) -> Remote | None:
        """Decide which version of an item this is."""
        if one is None:
            return None
        remote, edited = one.remote, one.edited
        if edited is None:
            return remote
        if edited.ref.key in known:
            return edited
        since = self._token.at if self._token is not None and not self._whole else None
        if remote.ref.key not in known or known[remote.ref.key] != remote.flags or since is None:
            return remote
        # told again, and nothing differs: told twice, or edited where no property shows it
        was_there = one.created is not None and one.created < since
        changed = one.modified is None or one.modified >= since - _SLACK
        return edited if was_there and changed else remote

    # --- a listing in full ------------------------------------------------------------------------------

    def _in_full(self) -> Done:
        for item in self._web.all(self._native.items, **listing.query(self._kind), **{"$top": "200"}):
            if item.get("type") not in ("occurrence", "exception"):
                self._take(item)
        return Done(Cursor(self._native.epoch, LISTED), len(self._told))

    # --- a delta ----------------------------------------------------------------------------------------

    def _by_delta(self) -> Done:
        link, token = self._first_round()
        exists = self._exists()
        for _ in range(ROUNDS):
            if exists == self._expected():
                break
            before = dict(self._told)
            link = self._round(link)  # something came or went between the delta and the count
            if self._told == before:
                break
            exists = self._exists()
        if exists is None:
            exists = self._expected() or 0
        if not self._told and token is not None and self._since is not None and self._is_fresh(token, exists):
            return Done(self._since, exists)
        written = json.dumps(
            {"link": link, "at": self._at.isoformat() if self._at else None, "count": exists}, sort_keys=True
        )
        return Done(Cursor(self._native.epoch, written), exists)

    def _is_fresh(self, token: Token, exists: int) -> bool:
        same = token.count == exists
        return same and (token.at is None or self._at is None or self._at - token.at < KEPT_FOR)

    def _first_round(self) -> tuple[str, Token | None]:
        """Read the delta from the token on, or from the start where there is none or the server knows it no more."""
        token = self._token
        for start in range(STARTS):
            self._told.clear()
            self._at = None
            self._whole = token is None
            try:
                if token is not None:
                    return self._round(token.link), token
                return self._round(f"{self._native.items}/delta", **listing.query(self._kind)), None
            except Refusal as error:
                if not error.is_resync or start == STARTS - 1:
                    raise
                _log.info("the folder %s is listed in full: %s", self._native.folder.name, error.text)
                token = None
        raise AssertionError

    def _round(self, url: str, **query: str) -> str:
        """Read the pages of one delta; gives the link to the next one."""
        while True:
            answer = self._web.patiently("GET", url, query=query)
            self._at = self._at or answer.at
            page = answer.json()
            for item in page.get("value", ()):
                self._take(item)
            if "@odata.deltaLink" in page:
                return str(page["@odata.deltaLink"])
            if "@odata.nextLink" not in page:
                raise FolderRefused(
                    f'Exchange Online ends the listing of "{self._native.folder.name}" midway'
                )
            url, query = str(page["@odata.nextLink"]), {}

    def _take(self, item: Json) -> None:
        item_id = str(item["id"])
        if "@removed" in item:
            self._told[item_id] = None
            return
        if self._kind is Kind.MAIL and not listing.is_whole(item):
            whole = self._again(item_id)
            if whole is None:
                self._told[item_id] = None
                return
            item = whole
        elif self._kind is Kind.CONTACT and "changeKey" not in item:
            item = self._again(item_id) or {}
        if not item:
            self._told[item_id] = None
            return
        remote = listing.remote_of(self._native, item)
        edited = None
        if self._kind is Kind.MAIL and not item.get("isDraft"):
            edited = listing.remote_of(self._native, item, edited=True)
        self._told[item_id] = _Told(
            remote,
            edited,
            listing.moment(item.get("createdDateTime")),
            listing.moment(item.get("lastModifiedDateTime")),
        )

    def _again(self, item_id: str) -> Json | None:
        """Read an item that a delta told in part; None where it is no more in the folder."""
        return read_item(self._web, self._native, item_id)

    def _expected(self) -> int | None:
        """Count what there should be, by what was told; None where that is unknown."""
        there = {item_id for item_id, one in self._told.items() if one is not None}
        if self._whole:
            return len(there)
        if not self._told:
            return self._token.count if self._token is not None else None
        ids = {id_of(key) for key in self._known()} - self._told.keys()
        return len(ids) + len(there)

    def _exists(self) -> int | None:
        """Ask for the server's count; of contacts, it counts lists too, which are not told."""
        if self._kind is not Kind.MAIL:
            return self._expected()
        return count(self._web, self._native)


def count(web: Web, native: Native) -> int:
    """Ask for the server's count of the items of a folder; of tasks, which it does not count, list them."""
    if native.folder.kind is Kind.TASK:
        return sum(1 for _ in web.all(native.items, **{"$top": "200"}))
    page = web.get(native.items, **{"$count": "true", "$top": "1", "$select": "id"})
    return int(page["@odata.count"])


def read_item(web: Web, native: Native, item_id: str) -> Json | None:
    """Read an item as a listing tells it; None where it is no more in the folder."""
    path = item_path(web, native, item_id)
    try:
        told = web.get(path, **listing.query(native.folder.kind))
    except Refusal as error:
        if error.is_gone:
            return None
        raise
    return told if told.get("parentFolderId", native.id) == native.id else None


def is_meeting(web: Web, native: Native, item_id: str) -> bool:
    """Tell whether others are asked to an event, or to one of a series: what is done to it, they are told."""
    path = item_path(web, native, item_id)
    told = web.get(path, **{"$select": "attendees,type"})
    if told.get("attendees") or told.get("type") != "seriesMaster":
        return bool(told.get("attendees"))
    names = "id,attendees,exceptionOccurrences"
    more = web.get(path, **{"$select": names, "$expand": "exceptionOccurrences"})
    return any(one.get("attendees") for one in more.get("exceptionOccurrences") or ())


def item_path(web: Web, native: Native, item_id: str) -> str:
    """Tell where an item is found: mail, events and contacts by their ids alone, a task below its list."""
    match native.folder.kind:
        case Kind.MAIL:
            return f"{web.me}/messages/{segment(item_id)}"
        case Kind.EVENT:
            return f"{native.path}/events/{segment(item_id)}"
        case Kind.CONTACT:
            return f"{web.me}/contacts/{segment(item_id)}"
        case _:
            return f"{native.items}/{segment(item_id)}"


def _read(token: str) -> Token | None:
    if not token or token == LISTED:
        return None
    try:
        told = json.loads(token)
        return Token(str(told["link"]), listing.moment(told.get("at")), told.get("count"))
    except (ValueError, KeyError, TypeError):
        return None
