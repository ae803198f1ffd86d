"""Find items of a folder by the property `archiver-id` that they bear."""

from collections.abc import Sequence
from typing import Any

from exchangelib.services.common import folder_ids_element
from exchangelib.util import TNS

from archiver.accounts.ews.folders import Node
from archiver.accounts.ews.refusals import Faulted
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.wire import FindItem, element, entries, is_last

_PAGE = 500
_PATH = {
    "DistinguishedPropertySetId": "PublicStrings",
    "PropertyName": "archiver-id",
    "PropertyType": "String",
}


def there(service: Service, node: Node, identities: Sequence[str]) -> dict[str, str]:
    """Find the items of a folder that bear these `archiver-id`s: it -> the server's id of the item.

    A server of another maker may fail at the search as long as its mailbox never had the property. Then the folder is
    read whole: nothing is taken for absent because a search failed.
    """
    try:
        return service.run(lambda account: _search(account, node, identities))
    except Faulted:
        found = service.run(lambda account: _search(account, node, ()))
    return {one: found[one] for one in identities if one in found}


def _search(account: Any, node: Node, identities: Sequence[str]) -> dict[str, str]:
    """Ask for the items of these `archiver-id`s; of none, for all that have one."""
    found: dict[str, str] = {}
    offset = 0
    while True:
        (root,) = FindItem(account=account).ask(_request(account, node, identities, offset))
        if isinstance(root, Exception):
            raise root
        listed = entries(root, "Items")
        for one in listed:
            identity = one.find(f"{{{TNS}}}ItemId")
            value = one.find(f"{{{TNS}}}ExtendedProperty/{{{TNS}}}Value")
            if identity is not None and value is not None and value.text:
                found[value.text] = identity.get("Id")
        offset += len(listed)
        if is_last(root) or not listed:
            return found


def _request(account: Any, node: Node, identities: Sequence[str], offset: int) -> Any:
    tests = [
        element(
            "t:IsEqualTo",
            element("t:ExtendedFieldURI", **_PATH),
            element("t:FieldURIOrConstant", element("t:Constant", Value=one)),
        )
        for one in identities
    ]
    shape = element(
        "m:ItemShape",
        element("t:BaseShape", text="IdOnly"),
        element("t:AdditionalProperties", element("t:ExtendedFieldURI", **_PATH)),
    )
    view = {"MaxEntriesReturned": str(_PAGE), "Offset": str(offset), "BasePoint": "Beginning"}
    payload = element("m:FindItem", shape, element("m:IndexedPageItemView", **view), Traversal="Shallow")
    if tests:
        payload.append(element("m:Restriction", tests[0] if len(tests) == 1 else element("t:Or", *tests)))
    payload.append(folder_ids_element([node.handle], account.version, tag="m:ParentFolderIds"))
    return payload
