"""FindItem: restrictions, order, pages, and the view of a calendar with its occurrences."""

import functools
from xml.etree.ElementTree import Element

from tests.servers.ews import properties
from tests.servers.ews.call import Call
from tests.servers.ews.folders import cut
from tests.servers.ews.markup import children, find, local, m, parse_moment, t, text
from tests.servers.ews.recurrence import occurrences
from tests.servers.ews.refusals import Bare
from tests.servers.ews.restriction import compare, matches
from tests.servers.ews.shape import Shape, item_text, listed, render_item
from tests.servers.ews.state import Folder, Item


def find_item(call: Call) -> list[Element]:
    """Answer FindItem, a message for each folder."""
    restriction, order = find(call.body, "Restriction"), children(call.body, "SortOrder")
    view, calendar = find(call.body, "IndexedPageItemView"), find(call.body, "CalendarView")

    def search(one: Element) -> list[Element]:
        shape = Shape.read(find(call.body, "ItemShape"), False)
        folder = call.folder(one)
        found = _in_view(call, folder, calendar) if calendar is not None else _content(call, folder)
        if restriction is not None:
            _refuse_unknown_names(call, folder, restriction)
            found = [item for item in found if _matches(call, item, restriction[0])]
        for field in reversed(order):
            found.sort(key=functools.cmp_to_key(functools.partial(_compare, call, field)))
        page, told = cut(found, view)
        shown = t("Items", *(render_item(call.site, item, shape) for item in page))
        return [m("RootFolder", shown, **told)]

    return call.each(children(call.body, "ParentFolderIds"), search)


def _refuse_unknown_names(call: Call, folder: Folder, restriction: Element) -> None:
    paths = [one for one in restriction.iter() if local(one) == "ExtendedFieldURI"]
    names = {key for one in paths if " name " in (key := properties.key_of(one))}
    if call.site.temper.searches_known_names and names - folder.mailbox.names:
        raise Bare("internal failure")


def _matches(call: Call, item: Item, expression: Element) -> bool:
    return matches(expression, lambda path: item_text(call.site, item, path))


def _content(call: Call, folder: Folder) -> list[Item]:
    if call.body.get("Traversal") == "Associated":
        return [item for item in folder.items.values() if item.is_associated]
    if call.body.get("Traversal") == "SoftDeleted":
        return []
    return sorted(listed(folder), key=lambda item: item.received, reverse=True)


def _compare(call: Call, field: Element, left: Item, right: Item) -> int:
    first, second = (item_text(call.site, item, field[0]) or "" for item in (left, right))
    return compare(first, second) * (-1 if field.get("Order") == "Descending" else 1)


def _in_view(call: Call, folder: Folder, view: Element) -> list[Item]:
    start, end = parse_moment(view.get("StartDate") or ""), parse_moment(view.get("EndDate") or "")
    found = []
    for item in folder.normal_items:
        for one in occurrences(call.site, item, end) if "Recurrence" in item.fields else [item]:
            begins, ends = (parse_moment(text(one.fields[name]) or "") for name in ("Start", "End"))
            if begins < end and ends > start:
                found.append(one)
    most = int(view.get("MaxEntriesReturned") or len(found))
    return sorted(found, key=lambda one: parse_moment(text(one.fields["Start"]) or ""))[:most]
