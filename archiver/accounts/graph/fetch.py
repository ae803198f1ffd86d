"""The items of a folder whole, each as one record: what it reads like, its details, its full-fidelity export."""

import base64
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from archiver.accounts.exchange import id_of
from archiver.accounts.graph import listing, whole
from archiver.accounts.graph.changes import item_path, read_item
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import AT_ONCE, Broken, Json, Lost, Refusal, Web, segment
from archiver.accounts.reasons import GONE
from archiver.errors import Forbidden
from archiver.formats import record
from archiver.formats.record import Details, Export, Record
from archiver.model import Flags, Kind, Message, Missed, Remote

_log = logging.getLogger(__name__)

EXPORT_KIND = "graph-export"
EXPORTED = 20
"""How many items one export takes (https://learn.microsoft.com/graph/api/mailbox-exportitems)."""

HELD = 32 << 20
"""Bytes of items, as the server names their sizes, whose exports are held in memory at once."""

FAILURES = 8
"""Refused exports in a row, halved down to single items, after which none is asked for again."""

DROPS = 3
"""Items in a row that the line was lost at, after which it is not held against the items."""

_CUT = "the server's MIME ends before its last part"
_BOUNDARY = re.compile(
    rb'^content-type:[ \t]*multipart/[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*?boundary="?([^"\r\n;]+)',
    re.IGNORECASE | re.MULTILINE,
)


class Exports:
    """The exports of a mailbox; where they may not be had, that is told once and the items are archived without."""

    def __init__(self, web: Web, warn: Callable[[str], None], *, wanted: bool) -> None:
        self._web = web
        self._warn = warn
        self._wanted = wanted
        self._mailbox: str | None = None
        self._failures = 0

    def of(self, ids: Sequence[str]) -> dict[str, Export]:
        """Give the exports of at most 20 items by their ids; what cannot be had is not there."""
        if not self._wanted or not ids:
            return {}
        answer = self._try(ids)
        if answer is None and len(ids) > 1:  # one id that it does not like must not lose the others
            half = len(ids) // 2
            return self.of(ids[:half]) | self.of(ids[half:])
        if answer is None:
            return {}
        found = {}
        for one in answer.get("value", ()):
            data, error_told = one.get("data"), one.get("error")
            if error_told or not isinstance(data, str) or one.get("itemId") not in ids:
                _log.info("no export of an item: %s", error_told)
                continue
            try:
                found[str(one["itemId"])] = Export(EXPORT_KIND, "", base64.b64decode(data, validate=True))
            except ValueError:
                _log.info("the export of an item is no base64")
        return found

    def _try(self, ids: Sequence[str]) -> Json | None:
        """Ask; None where it is refused. Where all exports are, that is told, and none is asked for again."""
        try:
            told = self._ask(ids)
        except (Forbidden, Refusal, Broken) as error:
            self._failures += 1
            if isinstance(error, Forbidden) or self._mailbox is None or self._failures >= FAILURES:
                self._wanted = False
                self._warn(
                    f"items are archived without their full-fidelity export: {error.text}; {error.hint}"
                )
            return None
        self._failures = 0
        return told

    def able(self) -> bool:
        """Tell whether exports are wanted and may be had: an export of nothing is asked for."""
        if self._wanted:
            self._try([])
        return self._wanted

    def mailbox(self) -> str:
        """Give the path of the mailbox in the import and export API."""
        if self._mailbox is None:
            told = self._web.get(f"{self._web.me}/settings/exchange")
            self._mailbox = f"/admin/exchange/mailboxes/{segment(told.get('primaryMailboxId', ''))}"
        return self._mailbox

    def _ask(self, ids: Sequence[str]) -> Json:
        return self._web.patiently(
            "POST", f"{self.mailbox()}/exportItems", body={"itemIds": list(ids)}
        ).json()


class Fetch:
    """Gives the items asked for, each once; at most three requests are on their way."""

    def __init__(self, web: Web, native: Native, exports: Exports) -> None:
        self._web = web
        self._native = native
        self._exports = exports
        self._drops = 0

    def __call__(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give them in order. What ends the account ends this too, and drops what is on its way."""
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            for some in batches(remotes):
                ids = [item_id for one in some if (item_id := id_of(one.ref.key)) is not None]
                exports = pool.submit(self._exports.of, ids)
                waiting: deque[Future[Message | Missed]] = deque()
                for one in some:
                    waiting.append(pool.submit(self._one, one, exports))
                    if len(waiting) >= AT_ONCE:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _one(self, remote: Remote, exports: "Future[dict[str, Export]]") -> Message | Missed:
        try:
            found = self._record(remote, exports)
        except Refusal as error:
            return Missed(remote, GONE, gone=True) if error.is_gone else Missed(remote, error.text)
        except (Lost, Forbidden) as error:  # one item that the server breaks at must not keep the others
            self._drops += 1
            if self._drops >= DROPS:
                raise
            return Missed(remote, error.text)
        except ValueError as error:
            return Missed(remote, f"it cannot be read: {error}")
        self._drops = 0
        if isinstance(found, Record):
            return Message(remote, record.pack(found))
        return Missed(remote, found or GONE, gone=found is None)

    def _record(self, remote: Remote, exports: "Future[dict[str, Export]]") -> Record | str | None:
        """Read an item; None where it is gone, or another version now, a text where it cannot be had."""
        item_id = id_of(remote.ref.key)
        told = read_item(self._web, self._native, item_id) if item_id is not None else None
        if item_id is None or told is None or not self._is_version(told, remote):
            return None
        export = exports.result().get(item_id)
        if self._native.folder.kind is Kind.MAIL:
            raw = self._mime(item_id)
            if raw is None:
                return _CUT
            return Record(_details(told, remote.flags), raw, export=export)
        return whole.record(self._web, self._native, item_id, remote, export)

    def _is_version(self, told: Json, remote: Remote) -> bool:
        keys = {listing.remote_of(self._native, told).ref.key}
        if self._native.folder.kind is Kind.MAIL:
            keys.add(listing.remote_of(self._native, told, edited=True).ref.key)
        return remote.ref.key in keys

    def _mime(self, item_id: str) -> bytes | None:
        """Read a message; None where twice its last part does not end."""
        path = f"{item_path(self._web, self._native, item_id)}/$value"
        for _ in range(2):
            raw = self._web.raw(path).body
            if is_complete(raw):
                return raw
        return None


def batches(remotes: Sequence[Remote]) -> Iterator[list[Remote]]:
    """Cut into pieces whose exports are asked for, and held, together."""
    some: list[Remote] = []
    size = 0
    for one in remotes:
        if some and (len(some) == EXPORTED or size + (one.size or 0) > HELD):
            yield some
            some, size = [], 0
        some.append(one)
        size += one.size or 0
    if some:
        yield some


def is_complete(raw: bytes) -> bool:
    """Tell whether a MIME message ends as it announces: with the last boundary, or in a line."""
    if not raw:
        return False
    head = raw[: raw.find(b"\r\n\r\n") + 2]
    boundary = _BOUNDARY.search(head)
    return boundary is None or b"\r\n--" + boundary[1] + b"--" in raw


def _details(told: Json, flags: Flags) -> Details:
    meeting = "eventMessage" in str(told.get("@odata.type", ""))
    return Details(
        Kind.MAIL,
        "IPM.Schedule.Meeting" if meeting else "IPM.Note",
        id=str(told["id"]),
        change_key=str(told.get("changeKey", "")),
        folder_id=str(told.get("parentFolderId", "")),
        size=int(listing.extended_of(told).get(listing.SIZE, 0)) or None,
        received=listing.moment(told.get("receivedDateTime")),
        sent=listing.moment(told.get("sentDateTime")),
        created=listing.moment(told.get("createdDateTime")),
        modified=listing.moment(told.get("lastModifiedDateTime")),
        flags=flags,
        importance=str(told.get("importance", "normal")),
        subject=str(told.get("subject") or ""),
        message_id=told.get("internetMessageId"),
    )
