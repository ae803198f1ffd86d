"""Pages and deltas: links that stand for a place in a listing, and may expire."""

import secrets
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from tests.servers.graph import shapes
from tests.servers.graph.state import Folder, Item, Mailbox, Refused

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A place in a delta: what came after `since` and is told up to `told`; the listing `began` at a moment."""

    folder: str
    since: int
    told: int
    query: tuple[tuple[str, str], ...]
    started: bool = False
    began: int = 0


@dataclass
class Paging:
    """The links that were given out. `page` is how many items a page holds at most."""

    mailbox: Mailbox
    page: int = 50
    empty_pages: bool = False
    """Whether the first page of a delta holds nothing."""
    tells_twice: bool = False
    """Whether the last item of a page is told by the next one again."""
    next_links_left: int | None = None
    """How many more links to a next page are good; the one after them has expired."""

    def __post_init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._by_place: dict[Place, str] = {}

    def expire(self) -> None:
        """Forget all links."""
        self._places.clear()
        self._by_place.clear()

    def token(self, place: Place) -> str:
        """Give the token of a place: the same for the same place."""
        if place not in self._by_place:
            self._by_place[place] = secrets.token_urlsafe(24)
            self._places[self._by_place[place]] = place
        return self._by_place[place]

    def delta(self, folder: Folder, url: str, query: dict[str, str], immutable: bool) -> Json:
        """Answer a delta: first of all everything, later what changed."""
        told = query.get("$deltatoken") or query.get("$skiptoken")
        if told is None:
            place = Place(folder.id, 0, 0, tuple(sorted(query.items())), began=self.mailbox.generation)
        else:
            found = self._places.get(told)
            if found is None or (folder.id != found.folder) or self._has_expired("$skiptoken" in query):
                raise Refused(410, "SyncStateNotFound", "The sync state is not found.")
            place = found
        if self.empty_pages and not place.started:
            place = replace(place, started=True)
            return {"value": [], "@odata.nextLink": f"{url}?$skiptoken={self.token(place)}"}
        return self._page(place, url, immutable)

    def _has_expired(self, next_page: bool) -> bool:
        if not next_page or self.next_links_left is None:
            return False
        self.next_links_left -= 1
        if self.next_links_left < 0:
            self.next_links_left = None
            return True
        return False

    def _page(self, place: Place, url: str, immutable: bool) -> Json:
        entries: list[tuple[int, Item | tuple[int, str, str, str]]] = [
            (one.changed, one) for one in self.mailbox.inside(place.folder) if one.changed > place.told
        ]
        entries += [
            (gone[0], gone)
            for gone in self.mailbox.removed
            if gone[1] == place.folder and gone[0] > place.told and (place.since or gone[0] > place.began)
        ]
        entries.sort(key=lambda one: one[0])
        now, left = entries[: self.page], entries[self.page :]
        query = dict(place.query)
        told = [self._entry(one, place.since, query, immutable) for _, one in now]
        at = now[-1][0] if now else place.told
        if left:
            if self.tells_twice and len(now) > 1:
                at = now[-2][0]
            there = replace(place, told=at, started=True)
            return {"value": told, "@odata.nextLink": f"{url}?$skiptoken={self.token(there)}"}
        end = Place(place.folder, max(at, 1), max(at, 1), place.query)
        return {"value": told, "@odata.deltaLink": f"{url}?$deltatoken={self.token(end)}"}

    def _entry(
        self, one: Item | tuple[int, str, str, str], since: int, query: dict[str, str], immutable: bool
    ) -> Json:
        if isinstance(one, tuple):
            _, folder, item_id, rest = one
            back = self.mailbox.items.get(item_id)
            reason = "changed" if back is not None and back.folder != folder else "deleted"
            return {"id": item_id if immutable else rest, "@removed": {"reason": reason}}
        names = None
        if one.kind == "mail" and one.arrived <= since:
            names = {name for name, at in one.touched.items() if at > since}
            names = None if "content" in names else names
        return shapes.item(one, immutable=immutable, query=query, names=names)

    def listing(self, items: list[Json], url: str, query: dict[str, str]) -> Json:
        """Answer a listing by `$top` and `$skip`."""
        at, top = int(query.get("$skip", "0")), min(int(query.get("$top", "10")), self.page)
        told: Json = {"value": items[at : at + top]}
        if query.get("$count") == "true":
            told["@odata.count"] = len(items)
        if at + top < len(items):
            more = {**query, "$skip": str(at + top)}
            told["@odata.nextLink"] = f"{url}?{urlencode(more)}"
        return told
