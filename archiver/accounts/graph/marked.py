"""The items of a folder that bear the mark of what they were made from."""

from collections.abc import Iterator

from archiver.accounts.graph import listing, writing
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import Json, Web
from archiver.model import Kind


def marked(web: Web, native: Native, mark: str | None = None) -> dict[str, Json]:
    """Find the items of a folder that bear a mark, or this one: mark -> item. Of tasks, all are given."""
    return dict(bearing(web, native, mark))


def bearing(web: Web, native: Native, mark: str | None = None) -> Iterator[tuple[str, Json]]:
    """Tell each mark and the item that bears it, as `marked`; some bear two, and some the same."""
    if native.folder.kind is Kind.TASK:
        yield from _linked(web, native)
        return
    value = "null" if mark is None else f"'{mark}'"
    how = "ne" if mark is None else "eq"
    asked = listing.query(native.folder.kind)
    own = f"id eq '{writing.ARCHIVER_ID}'"
    if "$expand" in asked:
        asked["$expand"] = asked["$expand"].replace("$filter=", f"$filter={own} or ")
    else:
        asked["$expand"] = f"singleValueExtendedProperties($filter={own})"
    asked["$filter"] = (
        f"singleValueExtendedProperties/any(ep: ep/id eq '{writing.ARCHIVER_ID}' and ep/value {how} {value})"
    )
    for told in web.all(native.items, **asked, **{"$top": "100"}):
        for extended in told.get("singleValueExtendedProperties") or ():
            if str(extended.get("id", "")).lower() == writing.ARCHIVER_ID.lower():
                yield str(extended["value"]), told


def _linked(web: Web, native: Native) -> Iterator[tuple[str, Json]]:
    for told in web.all(native.items, **{"$expand": "linkedResources", "$top": "100"}):
        for link in told.get("linkedResources") or ():
            if link.get("applicationName") == writing.APPLICATION and link.get("externalId"):
                yield str(link["externalId"]), told
