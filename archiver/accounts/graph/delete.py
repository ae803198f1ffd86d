"""Items taken out of a folder: moved, or removed for good, each looked at right before and right after.

https://learn.microsoft.com/graph/api/message-move, .../message-permanentdelete
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from archiver.accounts.exchange import id_of
from archiver.accounts.graph import listing
from archiver.accounts.graph.changes import is_meeting, item_path, read_item
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import AT_ONCE, Json, Refusal, Web
from archiver.accounts.link import TRIES
from archiver.errors import Unreachable
from archiver.model import Kind, Ref, Remote, Removed, Unremoved

CHANGED = "it was changed meanwhile"
KEPT = "the server keeps it"
MEETING = "it is a meeting: Exchange would write to those who are asked"
_WINDOW = 3 * AT_ONCE


def looked(web: Web, native: Native, keys: Sequence[str]) -> dict[str, Remote]:
    """Read each item now: key -> what the server says of it; what is not there, or is another version, is left out."""

    def look(key: str) -> Remote | None:
        found = _read(web, native, key)
        return found[1] if found is not None else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(look, dict.fromkeys(keys)))
    return {one.ref.key: one for one in found if one is not None and one.ref.key in keys}


def removed(
    web: Web, native: Native, keys: Sequence[str], to: Native | None
) -> Iterator[Removed | Unremoved]:
    """Take items out, each answered once."""
    wanted = list(dict.fromkeys(keys))
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for start in range(0, len(wanted), _WINDOW):
            yield from pool.map(lambda key: _remove(web, native, key, to), wanted[start : start + _WINDOW])
    finally:
        pool.shutdown(cancel_futures=True)


def _remove(web: Web, native: Native, key: str, to: Native | None) -> Removed | Unremoved:
    tries = 0
    while True:
        found = _read(web, native, key)
        if found is None:
            return Removed(key, _place(web, key, to) if tries else None)
        told, remote = found
        if remote.ref.key != key:
            return Unremoved(key, CHANGED)
        if native.folder.kind is Kind.EVENT and is_meeting(web, native, str(told["id"])):
            return Unremoved(key, MEETING)
        try:
            _order(web, native, told, to)
        except Refusal as error:
            if not error.is_gone and error.status != 412:
                return Unremoved(key, error.text)
        except Unreachable as error:  # it may have been done: look again
            tries += 1
            if tries >= TRIES:
                raise
            web.rest(error, tries)
            continue
        if _read(web, native, key) is not None:
            return Unremoved(key, KEPT)
        return Removed(key, _place(web, key, to))


def _order(web: Web, native: Native, told: Json, to: Native | None) -> None:
    """Ask for it, of that version alone where the server heeds If-Match."""
    path = item_path(web, native, str(told["id"]))
    headers = {"If-Match": str(told["@odata.etag"])} if "@odata.etag" in told else {}
    if native.folder.kind is Kind.TASK:
        web.once("DELETE", path, headers=headers)
    elif to is None:
        web.once("POST", f"{path}/permanentDelete", headers=headers)
    elif native.folder.kind is Kind.MAIL:
        web.once("POST", f"{path}/move", body={"destinationId": to.id}, headers=headers)
    else:  # the server itself moves these to the deleted items
        web.once("DELETE", path, headers=headers)


def _read(web: Web, native: Native, key: str) -> tuple[Json, Remote] | None:
    """Read an item of this id in this folder, whichever version it is."""
    item_id = id_of(key)
    told = read_item(web, native, item_id) if item_id is not None else None
    if told is None:
        return None
    remote = listing.remote_of(native, told)
    if native.folder.kind is Kind.MAIL and remote.ref.key != key:
        edited = listing.remote_of(native, told, edited=True)
        remote = edited if edited.ref.key == key else remote
    return told, remote


def _place(web: Web, key: str, to: Native | None) -> Ref | None:
    """Tell where a mail is now, for it keeps its id."""
    if to is None:
        return None
    found = _read(web, to, key)
    return found[1].ref if found is not None else None
