"""A folder that is open for listing: the questions that `changes` asks, each read to its end.

Every question may be asked anew on another session if the line drops under it; a folder that has another
UIDVALIDITY by then is refused.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from archiver.accounts.imap import labels, replies, uidset
from archiver.accounts.imap.events import Fetched
from archiver.accounts.imap.link import Link, check_epoch, examine
from archiver.accounts.imap.selected import Selected
from archiver.accounts.imap.session import Session
from archiver.accounts.imap.sync import (
    FLAGS,
    LISTING,
    WINDOW,
    Snapshot,
    edges,
    fits,
    rows,
    windows,
)
from archiver.accounts.link import Busy
from archiver.errors import ArchiverError, FolderRefused, Unreachable
from archiver.model import Folder

_log = logging.getLogger(__name__)
T = TypeVar("T")

_SET_BYTES = 7_000
"""Longest set of UIDs in one command, bytes; RFC 7162 section 4 advises 8192 for the line."""


class OpenFolder:
    """One folder, opened once; `now` is what it was then, and only that much of it is asked for."""

    def __init__(self, link: Link, mailbox: bytes, folder: Folder) -> None:
        self._link = link
        self._mailbox = mailbox
        self.name = folder.name
        self._folder = folder
        self.owner = link.owner
        self._selected = Selected(mailbox)
        self.now = Snapshot("", 0)
        self.has_condstore = False
        self.has_qresync = False
        self.has_labels = False
        self._utf8 = False

    def open(self, since: tuple[int, int] | None = None) -> None:
        """Open it, with QRESYNC since UIDVALIDITY and MODSEQ if the server can (RFC 7162 section 3.2.5)."""

        def step(session: Session) -> tuple[Selected, bool, bool]:
            self.has_labels, self._utf8 = labels.are_told(session.capabilities, self._folder), session.utf8
            if since is not None and session.has_qresync and not self.has_labels:  # it tells flags alone
                selected, status = session.examine(self._mailbox, since)
                if status.word == "OK":
                    return check_epoch(selected, self.name), True, True
            return examine(session, self._mailbox, self.name), session.has_condstore, False

        try:
            self._selected, self.has_condstore, self.has_qresync = self._link.run(step)
        except Busy:
            raise
        except Unreachable as error:
            self._blame(error)
            raise
        self.now = _snapshot(self._selected)

    def _blame(self, error: Unreachable) -> None:
        """Raise `FolderRefused` where the server serves all but this folder.

        Zimbra says BYE to whom opens a shared folder whose owner's mailbox is locked (imapsync FAQ.Zimbra).
        """
        try:
            served = self._link.session().run(b"NOOP").word == "OK"
        except ArchiverError:
            served = False
        if served:
            raise FolderRefused(
                f'the server ends the session when the folder "{self.name}" is opened: {error.text}',
                "leave it out with --exclude, if it is not yours",
            ) from error

    def refresh(self) -> None:
        """Open it again, so that its counts and a full listing are of one moment."""
        epoch = self.now.epoch
        self._selected = self._link.run(
            lambda session: check_epoch(examine(session, self._mailbox, self.name), self.name, epoch)
        )
        self.now = _snapshot(self._selected)

    def check(self, epoch: str) -> None:
        """Make sure that it is still of this epoch. Raises `FolderRefused`."""
        check_epoch(self._selected, self.name, epoch)

    @property
    def changed(self) -> Sequence[Fetched]:
        """What QRESYNC told of flags on opening; nothing of a folder with labels, of which it tells none."""
        return [] if self.has_labels else self._selected.changed

    @property
    def gone(self) -> uidset.Ranges:
        """What QRESYNC told of expunges on opening."""
        return self._selected.gone

    def fits(self, total: int) -> bool:
        """Tell whether `total` is the server's count, less what it said went since."""
        return fits(total, self.now.exists, self._selected.expunged)

    def windows(self, low: int, first: int) -> list[tuple[int, int]]:
        """Cut the UIDs from `low` into windows of few messages; `first` is the number of the first of them.

        The UIDs at the cuts are asked for by message number, once: the only way that needs no SEARCH and
        does not depend on how thin the UIDs lie.
        """
        if self.now.exists == 0:
            return []
        cuts = edges(max(1, first), self.now.exists)
        ends: list[int] = []
        if cuts:
            what = b",".join(b"%d" % number for number in cuts)
            found = self._on(lambda session: session.listing(what, b"UID", by_uid=False)[0])
            ends = [row.uid for row in found if row.uid is not None]
        return windows(low, self.now.uidnext, ends)

    def list(self, low: int, high: int, items: bytes) -> dict[int, Fetched]:
        """List the messages with UIDs from `low` to `high`. Raises `FolderRefused` if the server does not."""
        what = b"%d:*" % low if high == uidset.LAST else uidset.write([(low, high)])
        return self._list(what, low, high, items)

    def list_each(self, uids: Sequence[int]) -> Iterator[dict[int, Fetched]]:
        """List these messages; one that the server says nothing of comes without size, date and flags."""
        for asked, found in self._list_sets(uids):
            yield {uid: found.get(uid) or Fetched(0, uid) for uid in asked}

    def list_those(self, uids: Sequence[int]) -> Iterator[Fetched]:
        """List those of these messages that are there."""
        for asked, found in self._list_sets(uids):
            yield from (found[uid] for uid in asked if uid in found)

    def _list_sets(self, uids: Sequence[int]) -> Iterator[tuple[Sequence[int], dict[int, Fetched]]]:
        for start in range(0, len(uids), WINDOW):
            window = uids[start : start + WINDOW]
            for what in uidset.sets(window, _SET_BYTES):
                asked = list(uidset.each(uidset.read(what)))
                yield asked, self._list(what, asked[0], asked[-1], LISTING)

    def list_changed(self, modseq: int, high: int) -> dict[int, Fetched] | None:
        """List flags that changed after `modseq`, of the UIDs up to `high`; None if the server refuses."""
        if high < 1:
            return {}
        what = uidset.write([(1, high)])
        found, status = self._on(lambda session: session.listing(what, self._items(FLAGS), since=modseq))
        return self._labelled(rows(found, 1, high)) if status.word == "OK" else None

    def uids(self) -> set[int] | None:
        """List all UIDs the short way of ESEARCH; None if the server cannot, or miscounts."""
        high = (self.now.uidnext or 1) - 1
        found = self._on(lambda session: session.uids(high))
        if found is None or not self.fits(uidset.count(found)):
            return None
        return set(uidset.each(found))

    def _list(self, what: bytes, low: int, high: int, items: bytes) -> dict[int, Fetched]:
        found, status = self._on(lambda session: session.listing(what, self._items(items)))
        listed = self._labelled(rows(found, low, high))
        if status.word == "OK":
            return listed
        said = replies.words(status)
        if items == FLAGS:  # less cannot be asked for
            raise FolderRefused(f'the server does not list the folder "{self.name}": {said}')
        _log.info("folder %r: the server does not tell all sizes and dates: %s", self.name, said)
        flags: Mapping[int, Fetched] = self._list(what, low, high, FLAGS)
        return {uid: listed.get(uid, row) for uid, row in flags.items()}

    def _items(self, items: bytes) -> bytes:
        return items + b" " + labels.ITEM if self.has_labels else items

    def _labelled(self, listed: dict[int, Fetched]) -> dict[int, Fetched]:
        """Put the labels among the flags; where one of both was not told (a line unasked), neither is known."""
        if not self.has_labels:
            return listed
        found = {}
        for uid, row in listed.items():
            both = None
            if row.flags is not None and row.labels is not None:
                both = row.flags | labels.read(row.labels, utf8=self._utf8)
            found[uid] = Fetched(row.number, uid, both, row.received, row.size)
        return found

    def _on(self, work: Callable[[Session], T]) -> T:
        return self._link.on(self._mailbox, self.name, self.now.epoch, work)


def _snapshot(selected: Selected) -> Snapshot:
    return Snapshot(selected.epoch, selected.exists, selected.uidnext, selected.modseq)
