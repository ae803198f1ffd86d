"""Put items into a folder, each once: by its own export, by its MIME, or by its fields.

Each bears a property `archiver-id`, by which the folder is asked before anything is put in, and again after a reply
that was lost: what the server took already is not put in a second time. An export cannot bear it from the start; after
a lost reply to one, what is new in the folder is compared with what was sent.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from exchangelib.properties import FolderId
from msgspec import Struct
from msgspec.structs import replace

from archiver.accounts.ews import making
from archiver.accounts.ews.fetching import EXPORT_KIND
from archiver.accounts.ews.flagging import lacking_flags, mark, put_right, update
from archiver.accounts.ews.folders import Tree
from archiver.accounts.ews.halving import get_items, halved
from archiver.accounts.ews.keys import flags_of, key_of
from archiver.accounts.ews.marked import there
from archiver.accounts.ews.properties import LISTED
from archiver.accounts.ews.refusals import Faulted, Unknown, stops_all, words
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.uploaded import Uploaded
from archiver.accounts.ews.wire import CreateItem, UploadItems
from archiver.accounts.exchange import id_of
from archiver.accounts.intents import Intents
from archiver.errors import Damaged, Unreachable
from archiver.formats.record import Record, is_record, unpack
from archiver.model import Appended, Flags, Kind, Outgoing, Ref, Refused
from archiver.plan.labels import label_flags, without_labels

BATCH_ITEMS = 50
BATCH_SIZE = 8 << 20  # bytes; servers take 25 MB of base64 and more
_LOOK = 200


class _Parcel(Struct):
    """A message on its way: what it is, and what became of it."""

    message: Outgoing
    identity: str
    record: Record | None
    lacks: tuple[str, ...] = ()
    item: str | None = None
    """The server's id, once it took it."""
    reason: str | None = None
    """Why it was refused."""
    found: bool = False
    """It was there already."""


class Putting:
    """Puts messages into one folder."""

    def __init__(self, service: Service, tree: Tree, name: str, intents: Intents) -> None:
        self._service = service
        self._node = tree.find(name)
        self._tree = tree
        self._name = name
        self._copies: Counter[str] = Counter()
        self._noted = intents.of(name, self._node.epoch)
        self._uploaded = Uploaded(service, self._node, name, self._noted)

    def put(self, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """Put messages in, batch by batch; each is answered once."""
        given = iter(messages)
        with self._noted:
            is_empty = self._tree.total(self._node, self._name) == 0  # then nothing in it was put in before
            self._uploaded.take_over()
            while True:
                batch, ended = self._batch(given)
                yield from self._put(batch, ask=not is_empty)
                if isinstance(ended, StopIteration):
                    return
                if ended is not None:
                    raise ended

    def _batch(self, given: Iterator[Outgoing]) -> tuple[list[_Parcel], BaseException | None]:
        """Take a batch, and what ended it if there is no more."""
        batch: list[_Parcel] = []
        size = 0
        while len(batch) < BATCH_ITEMS and size < BATCH_SIZE:
            try:
                message = next(given)
            except BaseException as error:  # told after the answers to what was taken
                return batch, error
            batch.append(self._parcel(message))
            size += len(message.raw)
        return batch, None

    def _parcel(self, message: Outgoing) -> _Parcel:
        copy = max(message.copy, self._copies[message.digest])
        self._copies[message.digest] = copy + 1
        message = replace(message, flags=without_labels(message.flags))
        record = None
        reason = None
        if is_record(message.raw):
            try:
                record = unpack(message.raw)
            except Damaged as error:
                reason = error.text
        return _Parcel(message, f"{message.digest}.{copy}", record, reason=reason)

    def _put(self, batch: Sequence[_Parcel], *, ask: bool) -> Iterator[Appended | Refused]:
        if not batch:
            return
        if ask:
            self._find(batch)
        by_mark = {one.identity: one for one in batch if _is_open(one) and _export(one) is not None}
        for some in self._uploaded.rounds(_records(by_mark.values())):
            self._upload([by_mark[mark] for mark in some])
        self._create([one for one in batch if _is_open(one)])
        refs = self._refs([one for one in batch if one.item is not None])
        for one in batch:
            if one.item is None:
                yield Refused(one.message.digest, one.reason or "the server does not take it")
                continue
            lacks = ", ".join(dict.fromkeys(one.lacks))
            altered = f"without {lacks}" if lacks and not one.found else None
            yield Appended(one.message.digest, refs.get(one.item), altered)

    # --- what is there ------------------------------------------------------------------------------

    def _find(self, batch: Sequence[_Parcel]) -> None:
        """Note which of these the folder has already."""
        found = there(self._service, self._node, [one.identity for one in batch])
        found = {**self._uploaded.left, **found}
        for one in batch:
            if one.item is None and one.identity in found:
                one.item, one.found, one.reason = found[one.identity], True, None

    # --- exports --------------------------------------------------------------------------------------

    def _upload(self, parcels: Sequence[_Parcel]) -> None:
        """Put in what has an export of this kind of server."""
        if self._lacks_uploads(parcels):
            return
        self._uploaded.note(_records(parcels))
        left = list(parcels)
        tries = 0
        while left:
            try:
                answers = self._service.once(partial(self._send_exports, parcels=left))
            except Unknown:
                self._service.unknown.add(UploadItems.SERVICE_NAME)
                self._lacks_uploads(left)
                break
            except Unreachable as error:
                tries += 1
                self._service.wait(error, tries)
                self._recognise(left)
                left = [one for one in left if one.item is None]
                continue
            for one, answer in zip(left, answers, strict=True):
                if isinstance(answer, Exception):
                    one.lacks = (f'what only its export has, since the server refuses it: "{words(answer)}"',)
                else:
                    one.item = str(answer[0])
            break
        done = [one for one in parcels if one.item is not None]
        self._uploaded.take([str(one.item) for one in done])
        unmarked = self._name_uploads(done)
        self._uploaded.done([one.identity for one in parcels if one.identity not in unmarked])

    def _lacks_uploads(self, parcels: Sequence[_Parcel]) -> bool:
        """Tell whether the server is known to take no exports; then these go in without."""
        if UploadItems.SERVICE_NAME not in self._service.unknown:
            return False
        for one in parcels:
            one.lacks = ("what only its export has, since the server takes no exports",)
        return True

    def _send_exports(self, account: Any, parcels: Sequence[_Parcel]) -> list[Any]:
        given = []
        for one in parcels:
            export = _export(one)
            assert export is not None
            given.append(
                (FolderId(id=self._node.id), (None, False, base64.b64encode(export).decode("ascii")))
            )
        answers = list(UploadItems(account=account).call(given))
        return _whole(answers, len(parcels))

    def _recognise(self, parcels: Sequence[_Parcel]) -> None:
        """Find those that came into the folder though no reply told of them."""
        found = self._uploaded.recognise(_records(parcels))
        for one in parcels:
            one.item = found.get(one.identity)

    def _name_uploads(self, parcels: Sequence[_Parcel]) -> set[str]:
        """Give items the property by which they are known, and the flags since then; tells which lack it."""
        unmarked = {one.identity for one in parcels}
        if not parcels:
            return unmarked
        items = self._items([str(one.item) for one in parcels])
        changes = []
        for one in parcels:
            item = items.get(str(one.item))
            if item is None:
                continue
            item.archiver_identity = one.identity
            names = {"archiver_identity", *put_right(item, one.message.flags)}
            changes.append((item, sorted(names)))
        answers = update(self._service, changes)
        return unmarked - {
            item.archiver_identity for item, _ in changes if not isinstance(answers[str(item.id)], Exception)
        }

    # --- MIME and fields ------------------------------------------------------------------------------

    def _create(self, parcels: Sequence[_Parcel]) -> None:
        """Put in what has none, or whose export was refused."""
        pairs = []
        for one in parcels:
            made = _made(one)
            if made is None:
                one.reason = (
                    "it has neither an export for this server, nor MIME, nor fields that are understood"
                )
                continue
            one.lacks = (*one.lacks, *made.lacks)
            one.reason = self._service.run(partial(making.fault_of, item=made.item))
            if one.reason is None:
                pairs.append((one, made.item))
        self._make(pairs)

    def _make(self, pairs: Sequence[tuple[_Parcel, Any]]) -> None:
        """Create items; where a whole request fails for what a server of another maker cannot take, by halves."""
        tries = 0
        while pairs:
            try:
                answers = self._service.once(partial(self._send, pairs=pairs))
            except Unreachable as error:
                tries += 1
                by_halves = isinstance(error, Faulted) and (len(pairs) > 1 or tries > 1)
                if not by_halves:
                    self._service.wait(error, tries)
                self._find([one for one, _ in pairs])
                pairs = [pair for pair in pairs if pair[0].item is None]
                if not by_halves:
                    continue
                half = len(pairs) // 2
                if half:
                    self._make(pairs[:half])
                    self._make(pairs[half:])
                elif pairs:
                    pairs[0][0].reason = error.text
                return
            for (one, _), answer in zip(pairs, answers, strict=True):
                if isinstance(answer, Exception):
                    one.reason = words(answer)
                else:
                    one.item = str(answer.id)
            return

    def _send(self, account: Any, pairs: Sequence[tuple[_Parcel, Any]]) -> list[Any]:
        answers = CreateItem(account=account).make([item for _, item in pairs], FolderId(id=self._node.id))
        return _whole(answers, len(pairs))

    # --- afterwards -----------------------------------------------------------------------------------

    def _items(self, ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(ids), _LOOK):
            part = ids[start : start + _LOOK]
            told = halved(self._service, part, partial(get_items, names=LISTED))
            found |= {key: one for key, one in told.items() if not isinstance(one, Exception)}
        return found

    def _refs(self, parcels: Sequence[_Parcel]) -> dict[str, Ref]:
        items = self._items([str(one.item) for one in parcels]) if parcels else {}
        return {key: Ref(self._name, self._node.epoch, key_of(item)) for key, item in items.items()}

    def keep_flags(self, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        """See `CanAppend.keep_flags`: by GetItem, and UpdateItem where something is lacking."""
        ids = {identity: key for key in wanted if (identity := id_of(key)) is not None}
        lost: dict[str, Flags] = {}
        items = self._items(list(ids))
        changes = []
        for identity, item in items.items():
            names = mark(item, without_labels(wanted[ids[identity]]))
            if names:
                changes.append((item, sorted(names)))
        for start in range(0, len(changes), BATCH_ITEMS):
            part = changes[start : start + BATCH_ITEMS]
            update(self._service, part)
        now = self._items([item.id for item, _ in changes]) if changes else {}
        for identity, item in items.items():
            flags = wanted[ids[identity]]
            has = flags_of(now.get(identity, item))
            lacking = {one for one in lacking_flags(flags, has) if one.lower() != "\\recent"}
            if lacking or label_flags(flags):
                lost[ids[identity]] = frozenset(lacking) | label_flags(flags)
        return lost


def _is_open(parcel: _Parcel) -> bool:
    return parcel.item is None and parcel.reason is None


def _export(parcel: _Parcel) -> bytes | None:
    record = parcel.record
    if record is None or record.export is None or record.export.kind != EXPORT_KIND:
        return None
    return record.export.data


def _records(parcels: Iterable[_Parcel]) -> dict[str, Record]:
    return {one.identity: one.record for one in parcels if one.record is not None}


def _made(parcel: _Parcel) -> making.Made | None:
    message, record = parcel.message, parcel.record
    if record is None:
        return making.of_mime(message.raw, message.flags, message.received, None, parcel.identity)
    details = record.details
    if details.item is not None:
        return making.of_fields(
            details.item, message.flags, record.files, parcel.identity, details.item_class
        )
    if record.body and record.body_type == "message/rfc822":
        received = message.received if details.kind is Kind.MAIL else details.received
        return making.of_mime(record.body, message.flags, received, details, parcel.identity)
    return None


def _whole(answers: Sequence[Any], count: int) -> list[Any]:
    """Take answers, one for each; a refusal that is about all of them is raised: nothing is known of what was done."""
    for one in answers:
        if isinstance(one, Exception) and stops_all(one):
            raise one
    if len(answers) != count:
        raise ValueError("another count of answers than of items")
    return list(answers)
