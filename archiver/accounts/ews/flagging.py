"""Give items the flags, categories and other fields that they lack."""

from collections.abc import Sequence
from typing import Any

from exchangelib.items import ALWAYS_OVERWRITE, SAVE_ONLY, SEND_TO_NONE

from archiver.accounts.ews.halving import halved
from archiver.accounts.ews.keys import FLAGGED, SEEN, flags_of, kind_of
from archiver.accounts.ews.making import marks
from archiver.accounts.ews.refusals import stops_all
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.wire import UpdateItem
from archiver.model import Flags, Kind
from archiver.plan.categories import categories_of
from archiver.plan.labels import without_labels


def mark(item: Any, flags: Flags) -> set[str]:
    """Set the flags that an item lacks; gives the names of the fields that were written."""
    lacking = frozenset(lacking_flags(flags, flags_of(item)))
    told, _ = marks(lacking)
    if "categories" in told:
        told["categories"] = sorted({*(item.categories or ()), *told["categories"]})
    if kind_of(item.item_class) is not Kind.MAIL:
        told = {name: value for name, value in told.items() if name == "categories"}
    elif SEEN.lower() in {flag.lower() for flag in lacking} and hasattr(item, "is_read"):
        told["is_read"] = True
    for name, value in told.items():
        setattr(item, name, value)
    return set(told)


def put_right(item: Any, flags: Flags) -> set[str]:
    """Set the flags of an item that its export brought to these, as it had others on the day that it was archived.

    Gives the names of the fields that were written.
    """
    names = mark(item, flags)
    if kind_of(item.item_class) is not Kind.MAIL:
        return names
    lower = {flag.lower() for flag in flags}
    if getattr(item, "is_read", None) and SEEN.lower() not in lower:
        item.is_read = False
        names.add("is_read")
    if getattr(item, "archiver_flag", None) and FLAGGED.lower() not in lower:
        item.archiver_flag = None
        names.add("archiver_flag")
    categories = sorted(categories_of(flags))
    if sorted(item.categories or ()) != categories:
        item.categories = categories or None
        names.add("categories")
    return names


def lacking_flags(flags: Flags, has: Flags) -> list[str]:
    """Tell which of some flags are not among those that an item has."""
    there = {flag.lower() for flag in has}
    return [flag for flag in without_labels(flags) if flag.lower() not in there]


def update(service: Service, changes: Sequence[tuple[Any, Sequence[str]]]) -> dict[str, Any]:
    """Write fields of items, by name, and tell nobody: the server's id -> what came, or what the item met."""
    given = {str(item.id): (item, names) for item, names in changes}

    def ask(account: Any, ids: Sequence[str]) -> dict[str, Any]:
        answers = UpdateItem(account=account).call(
            items=[given[one] for one in ids],
            conflict_resolution=ALWAYS_OVERWRITE,
            message_disposition=SAVE_ONLY,
            send_meeting_invitations_or_cancellations=SEND_TO_NONE,
            suppress_read_receipts=True,
        )
        told = dict(zip(ids, answers, strict=True))
        for one in told.values():
            if isinstance(one, Exception) and stops_all(one):
                raise one
        return told

    return halved(service, list(given), ask)
