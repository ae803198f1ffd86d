"""Find items of a folder by the property `archiver-id` that they bear, and write it into items."""

from collections.abc import Sequence
from typing import Any

from exchangelib.items import ALWAYS_OVERWRITE, SAVE_ONLY, SEND_TO_NONE
from exchangelib.services.common import folder_ids_element
from exchangelib.util import TNS

from archiver.accounts.ews.folders import Node
from archiver.accounts.ews.refusals import stops_all
from archiver.accounts.ews.wire import FindItem, UpdateItem, element, entries, is_last

_PAGE = 500
_PATH = {
    "DistinguishedPropertySetId": "PublicStrings",
    "PropertyName": "archiver-id",
    "PropertyType": "String",
}


def search(account: Any, node: Node, identities: Sequence[str]) -> dict[str, str]:
    """Ask a folder for the items of these `archiver-id`s: it -> the server's id of the item."""
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


def update(account: Any, changes: Sequence[tuple[Any, Sequence[str]]]) -> list[Any]:
    """Write fields of items; gives an answer for each, an exception for what is refused.

    Raises `ValueError` where the answers are not as many as the items, and what is about all of them.
    """
    answers = list(
        UpdateItem(account=account).call(
            items=list(changes),
            conflict_resolution=ALWAYS_OVERWRITE,
            message_disposition=SAVE_ONLY,
            send_meeting_invitations_or_cancellations=SEND_TO_NONE,
            suppress_read_receipts=True,
        )
    )
    for one in answers:
        if isinstance(one, Exception) and stops_all(one):
            raise one
    if len(answers) != len(changes):
        raise ValueError("another count of answers than of items")
    return answers


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
    payload.append(element("m:Restriction", tests[0] if len(tests) == 1 else element("t:Or", *tests)))
    payload.append(folder_ids_element([node.handle], account.version, tag="m:ParentFolderIds"))
    return payload
