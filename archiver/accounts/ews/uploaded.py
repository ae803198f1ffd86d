"""What came into a folder by its export and bears no mark yet: known by what was there before, and by how it looks.

While a process lives, the folder's changes since its first upload tell what came. What a process left that was killed
between an upload and its mark is found by what it had noted (`accounts.intents`), before anything else is put in.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from archiver.accounts.ews.flagging import update
from archiver.accounts.ews.folders import Node
from archiver.accounts.ews.halving import get_items, halved
from archiver.accounts.ews.making import second
from archiver.accounts.ews.marked import there
from archiver.accounts.ews.pages import StateRefused, read_page
from archiver.accounts.ews.service import Service
from archiver.accounts.intents import Came, FolderIntents, Sent, looks_of, recognise, worn_by
from archiver.errors import Unreachable
from archiver.formats.record import Record

_AT_ONCE = 50


class Uploaded:
    """What is put into one folder by its export, by this process and by those before it."""

    def __init__(self, service: Service, node: Node, name: str, noted: FolderIntents) -> None:
        self._service = service
        self._node = node
        self._name = name
        self._noted = noted
        self._state: str | None = None
        self._taken: set[str] = set()
        self.left: dict[str, str] = {}
        """What an earlier process left without a mark: the mark that it has to bear -> the item."""

    def take_over(self) -> None:
        """Mark what an earlier process put in and did not mark, if it left anything."""
        if not self._noted.open:
            return
        came: dict[str, Any] = {}
        self._state = self._changes(None, came)
        bear = self._search(list(self._noted.open))
        self._noted.done(bear)
        looks = {sent.looks for sent in self._noted.open.values()}
        new = {key: item for key, item in came.items() if self._noted.is_new(key)}
        alike = [key for key, item in new.items() if looks_of_item(item) in looks]
        marks = self._marks(alike)
        items = [Came(key, looks_of_item(new[key]), borne) for key, borne in marks.items()]
        self.left = recognise(self._noted.open, items)
        self._taken.update(self.left.values())
        changes = []
        for mark, key in self.left.items():
            new[key].archiver_identity = mark
            changes.append((mark, new[key]))
        for start in range(0, len(changes), _AT_ONCE):
            self._mark(changes[start : start + _AT_ONCE])
        self._noted.done([mark for mark in self._noted.open if mark not in self.left])  # it never came
        self._noted.begin(came)

    def rounds(self, records: Mapping[str, Record]) -> Iterator[list[str]]:
        """Give the marks of what can be sent together: no two contents that look alike, but copies of one."""
        left = {mark: looks_of_record(record) for mark, record in records.items()}
        while left:
            first: dict[str, str] = {}
            for mark, looks in left.items():
                first.setdefault(looks, _digest(mark))
            some = [mark for mark, looks in left.items() if first[looks] == _digest(mark)]
            left = {mark: looks for mark, looks in left.items() if mark not in some}
            yield some

    def note(self, records: Mapping[str, Record]) -> None:
        """Note what is about to be sent."""
        if self._state is None:
            came: dict[str, Any] = {}
            self._state = self._changes(None, came)
            self._noted.begin(came)
        sent = {}
        for mark, record in records.items():
            assert record.export is not None
            sent[mark] = Sent(looks_of_record(record), worn_by(record.export.data))
        self._noted.note(sent)

    def done(self, marks: Collection[str]) -> None:
        """Note what bears its mark, or was refused."""
        self._noted.done(marks)

    def take(self, ids: Collection[str]) -> None:
        """Note what the server said that it took."""
        self._taken.update(ids)

    def recognise(self, records: Mapping[str, Record]) -> dict[str, str]:
        """Find those that came though no reply told of them: mark -> the item."""
        came: dict[str, Any] = {}
        self._changes(self._state, came)
        sent = {mark: Sent(looks_of_record(record)) for mark, record in records.items()}
        new = (Came(key, looks_of_item(item)) for key, item in came.items() if key not in self._taken)
        return recognise(sent, new)

    def _changes(self, state: str | None, came: dict[str, Any]) -> str:
        """Read the folder's changes to their end, noting what came and is there; gives the state."""
        try:
            while True:
                page = read_page(self._service, self._node, self._name, state)
                for what, of in page.changes:
                    if what == "create" or (what == "update" and of.id in came):
                        came[str(of.id)] = of
                    elif what == "delete":
                        came.pop(str(of.id), None)
                state = page.state
                if page.last:
                    return state
        except StateRefused:
            raise Unreachable(
                f'the server forgot what it told of the folder "{self._name}"', "run again"
            ) from None

    def _search(self, marks: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(marks), _AT_ONCE):
            part = marks[start : start + _AT_ONCE]
            found |= there(self._service, self._node, part)
        return found

    def _marks(self, ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """Ask for the marks that items bear; what is gone is left out."""
        found: dict[str, Any] = {}
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            found |= halved(self._service, part, partial(get_items, names=("archiver_identity",)))
        told = {key: one for key, one in found.items() if not isinstance(one, Exception)}
        marks = {key: getattr(one, "archiver_identity", None) for key, one in told.items()}
        return {key: frozenset([mark] if mark else []) for key, mark in marks.items()}

    def _mark(self, changes: Sequence[tuple[str, Any]]) -> None:
        items = [(item, ["archiver_identity"]) for _, item in changes]
        answers = update(self._service, items)
        refused = {key for key, answer in answers.items() if isinstance(answer, Exception)}
        self._noted.done([mark for mark, item in changes if str(item.id) not in refused])


def looks_of_item(item: Any) -> str:
    """Condense what an item of a listing looks like."""
    sent, received = (second(one) for one in (item.datetime_sent, item.datetime_received))
    return looks_of(item.item_class, item.subject or "", sent, received, getattr(item, "message_id", None))


def looks_of_record(record: Record) -> str:
    """Condense what the item of a record looks like, in the same way."""
    told = record.details
    sent, received = (second(one) for one in (told.sent, told.received))
    return looks_of(told.item_class, told.subject, sent, received, told.message_id)


def _digest(mark: str) -> str:
    return mark.rpartition(".")[0]
