"""Take items out of a folder: by id alone, each seen as it was a moment ago, and seen to be gone afterwards.

Nothing here empties a folder. An item that has changed since it was looked at stays; the server is told the ChangeKey
as well, and refuses what changes in the last moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from exchangelib.errors import ErrorInvalidId, ErrorInvalidIdMalformed, ErrorItemNotFound
from exchangelib.items import ALL_OCCURRENCES, HARD_DELETE, SEND_TO_NONE
from exchangelib.properties import FolderId
from msgspec import Struct

from archiver.accounts.ews.fetching import CHANGED
from archiver.accounts.ews.folders import Node, Tree
from archiver.accounts.ews.halving import get_items, halved
from archiver.accounts.ews.keys import change_key_of, fits, flags_of, kind_of, names_a_change, received_of
from archiver.accounts.ews.properties import LOOKED
from archiver.accounts.ews.refusals import Faulted, stops_all, words
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.wire import DeleteItem, MoveItem, handles
from archiver.accounts.exchange import id_of
from archiver.errors import RefusedForSafety, Unreachable
from archiver.model import Folder, Looked, Ref, Remote, Removed, Unremoved

_BATCH = 50
_LOOK = 200  # items in a request
KEPT = "the server keeps it"
ELSEWHERE = "it is in another folder now"
UNTOLD = "the server does not tell where it is"
_ABSENT = (ErrorItemNotFound, ErrorInvalidIdMalformed)
# of servers that write the folder into an item's id: it is not in that folder
_ELSEWHERE = (ErrorInvalidId,)


class _Seen(Struct):
    """Where items are: those in the folder, those of which it is not told (and why), those that went elsewhere."""

    items: dict[str, Any]
    untold: dict[str, str]
    moved: set[str]


class Removing:
    """Looks at items, and removes them; remembers how they looked."""

    def __init__(self, service: Service, tree: Tree) -> None:
        self._service = service
        self._tree = tree
        self._seen: dict[str, str] = {}
        """Key -> the ChangeKey at the last look."""

    def look(self, node: Node, name: str, keys: Sequence[str]) -> Looked:
        """Tell what the server says of these items at this moment."""
        total = self._tree.total(node, name)
        found: dict[str, Remote] = {}
        for start in range(0, len(keys), _LOOK):
            part = keys[start : start + _LOOK]
            for key, item in self._there(node, part).items.items():
                if fits(key, item):
                    ref = Ref(name, node.epoch, key)
                    kind = kind_of(item.item_class)
                    found[key] = Remote(ref, item.size, flags_of(item), received_of(item), kind)
                    self._seen[key] = item.changekey
        return Looked(total, found)

    def remove(
        self, node: Node, folder: Folder, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        """Move items, or remove them for good, batch by batch."""
        if to is not None and to.name == folder.name:
            raise RefusedForSafety(
                f'the messages are in the folder "{folder.name}" already', "remove them for good instead"
            )
        self._tree.total(node, folder.name)
        target = self._target(to) if to is not None else None
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _BATCH):
            yield from self._batch(node, wanted[start : start + _BATCH], to, target)

    def _target(self, to: Folder) -> Node:
        names = {one.name for one in self._tree.list()}
        if to.name not in names:
            self._tree.make(to)
        return self._tree.find(to.name)

    def _batch(
        self, node: Node, keys: Sequence[str], to: Folder | None, target: Node | None
    ) -> Iterator[Removed | Unremoved]:
        before = self._there(node, keys)
        refused = {**before.untold, **dict.fromkeys(before.moved, ELSEWHERE)}
        refused |= {key: CHANGED for key, item in before.items.items() if not self._is_as_seen(key, item)}
        going = [key for key in before.items if key not in refused]
        moved: dict[str, Ref] = {}
        for key, answer in self._carried_out(node, going, before.items, target).items():
            if isinstance(answer, Exception) and not isinstance(answer, (*_ABSENT, *_ELSEWHERE)):
                refused[key] = words(answer)
            elif isinstance(answer, tuple) and to is not None and target is not None:
                moved[key] = Ref(to.name, target.epoch, _key_after(key, *answer))
        after = self._there(node, going)
        for key in keys:
            if key in after.items:
                yield Unremoved(key, refused.get(key, KEPT))
            elif key in after.untold:
                yield Unremoved(key, after.untold[key])
            elif key in refused and key not in going:
                yield Unremoved(key, refused[key])
            else:
                yield Removed(key, moved.get(key))

    def _is_as_seen(self, key: str, item: Any) -> bool:
        return fits(key, item) and self._seen.get(key, item.changekey) == item.changekey

    def _carried_out(
        self, node: Node, keys: Sequence[str], there: Mapping[str, Any], target: Node | None
    ) -> dict[str, Any]:
        """Send the request; after a reply that was lost, for those that are there still. Gives key -> answer."""
        answers: dict[str, Any] = {}
        tries = 0
        left = list(keys)
        while left:
            ids = [str(id_of(key)) for key in left]
            given = handles(ids, [there[key].changekey for key in left])
            try:
                told = self._service.once(partial(_ask, given=given, target=target))
            except Unreachable as error:
                tries += 1
                by_halves = isinstance(error, Faulted) and (len(left) > 1 or tries > 1)
                if not by_halves:
                    self._service.wait(error, tries)
                now = self._there(node, left).items
                left = [key for key in left if key in now and self._is_as_seen(key, now[key])]
                if not by_halves:
                    continue
                half = len(left) // 2
                if not half:
                    return answers | dict.fromkeys(left, error)
                first = self._carried_out(node, left[:half], there, target)
                return answers | first | self._carried_out(node, left[half:], there, target)
            answers.update(zip(left, told, strict=True))
            break
        return answers

    def _there(self, node: Node, keys: Sequence[str]) -> _Seen:
        """Look where items are at this moment."""
        wanted = {key: identity for key in keys if (identity := id_of(key)) is not None}
        ids = list(dict.fromkeys(wanted.values()))
        seen = _Seen({}, {}, set())
        if not ids:
            return seen

        def ask(account: Any, ids: Sequence[str]) -> dict[str, Any]:
            found = get_items(account, ids, LOOKED)
            for one in found.values():
                if isinstance(one, Exception) and stops_all(one):
                    raise one
            return found

        items = halved(self._service, ids, ask)
        for key, identity in wanted.items():
            item = items[identity]
            if isinstance(item, _ELSEWHERE):
                seen.moved.add(key)
            elif isinstance(item, Exception):
                if not isinstance(item, _ABSENT):
                    seen.untold[key] = words(item)
            elif item.parent_folder_id is None:
                seen.untold[key] = UNTOLD
            elif item.parent_folder_id.id == node.id:
                seen.items[key] = item
        return seen


def _ask(account: Any, given: Sequence[Any], target: Node | None) -> list[Any]:
    if target is not None:
        told = list(MoveItem(account=account).call(given, FolderId(id=target.id)))
    else:
        told = list(
            DeleteItem(account=account).call(
                given,
                delete_type=HARD_DELETE,
                send_meeting_cancellations=SEND_TO_NONE,
                affected_task_occurrences=ALL_OCCURRENCES,
                suppress_read_receipts=True,
            )
        )
    # there is one answer for each, and they tell no old id; what became of each is looked up afterwards
    return [*told, *([True] * (len(given) - len(told)))][: len(given)]


def _key_after(key: str, identity: str, change_key: str) -> str:
    """Give the key of an item that was moved: its content is the same."""
    if names_a_change(key):
        return change_key_of(identity, change_key)
    return f"{identity}~{key.rpartition('~')[2]}"
