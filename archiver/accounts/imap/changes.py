"""Tell what changed in a folder: New, Reflagged, Vanished, then Done, by the way that `sync` chose."""

import logging
from collections.abc import Iterator, Mapping, Sequence

from archiver.accounts.imap import epoch, uidset
from archiver.accounts.imap.events import Fetched
from archiver.accounts.imap.link import Link
from archiver.accounts.imap.opened import OpenFolder
from archiver.accounts.imap.sync import (
    FLAGS,
    LISTING,
    Token,
    Way,
    compare,
    read_token,
    rows,
    way,
    write_token,
)
from archiver.model import Change, Cursor, Done, Flags, Folder, New, Ref, Reflagged, Remote, Vanished
from archiver.plan.labels import label_flags
from archiver.ports import Known

_log = logging.getLogger(__name__)


class FolderChanges:
    """One `changes` of one folder. Nothing is in flight when a change is told: bodies may be fetched then."""

    def __init__(
        self, link: Link, folder: Folder, mailbox: bytes, since: Cursor | None, known: Known
    ) -> None:
        self._folder = OpenFolder(link, mailbox, folder)
        self._since = since
        self._token = (read_token(since.token) if since else None) or Token(0)
        self._known = known
        self._told: dict[int, Flags] = {}
        self._labels: Mapping[int, Flags] | None = None

    def __iter__(self) -> Iterator[Change]:
        """Tell the changes. Raises what `Account.changes` raises."""
        chosen = self._open()
        if chosen is Way.FIRST:
            yield from self._new(1, 1)
            if self._folder.fits(len(self._told)):
                yield self._done(len(self._told))
            else:
                yield from self._full({})
        elif chosen is Way.FULL:
            yield from self._compare({})
        else:
            yield from self._incremental(chosen)

    def _open(self) -> Way:
        since = None
        folder = self._folder
        uidvalidity = epoch.read(self._since.epoch, folder.owner) if self._since else None
        if uidvalidity is not None and self._token.modseq is not None:
            since = (uidvalidity, self._token.modseq)
        folder.open(since)
        chosen = way(
            self._since,
            folder.now,
            condstore=folder.has_condstore,
            qresync=folder.has_qresync,
            labels=folder.has_labels,
        )
        _log.debug("folder %r: %s, by way of %s", folder.name, folder.now, chosen.name)
        return chosen

    # --- the cheap ways -------------------------------------------------------------------------------

    def _incremental(self, chosen: Way) -> Iterator[Change]:
        """Tell what the server says changed, and what vanished if the count proves that it said all."""
        folder, token, now = self._folder, self._token, self._folder.now
        old = token.uidnext or 1
        changed: Mapping[int, Fetched] | None = rows(folder.changed, 1, old - 1)
        gone = uidset.below(folder.gone, old)
        before = token.messages - uidset.count(gone)
        # QRESYNC that explains nothing of a higher MODSEQ may be a server that only nodded
        if now.modseq != token.modseq and not gone and not changed:
            changed = folder.list_changed(token.modseq or 0, old - 1)
        if changed is None:
            yield from self._full({})
            return
        if now.uidnext is not None and now.uidnext > old:
            yield from self._new(old, before + 1)
        for uid, row in changed.items():
            if row.flags is not None:
                yield Reflagged(self._ref(uid), row.flags | self._untold_labels(uid))
        total = before + len(self._told)
        if folder.fits(total):
            for uid in uidset.each(gone):
                yield Vanished(self._ref(uid))
            yield self._done(total)
        elif chosen is Way.CONDSTORE and (listed := folder.uids()) is not None:
            yield from self._by_uids(listed)
        else:
            yield from self._full(changed)

    def _by_uids(self, listed: set[int]) -> Iterator[Change]:
        """Tell what vanished, and what is there and not known, by the bare UIDs."""
        known = self._known_flags()
        yield from self._tell_each(sorted(listed - known.keys() - self._told.keys()))
        for uid in sorted(known.keys() - listed):
            yield Vanished(self._ref(uid))
        yield self._done(len(listed))

    # --- the sure way ---------------------------------------------------------------------------------

    def _full(self, changed: Mapping[int, Fetched]) -> Iterator[Change]:
        """Begin again and compare all, since a count did not fit; `changed` was told already."""
        _log.debug("folder %r: the count does not fit, comparing all", self._folder.name)
        self._folder.refresh()
        yield from self._compare(changed)

    def _compare(self, changed: Mapping[int, Fetched]) -> Iterator[Change]:
        """List all UIDs and flags and compare with what is known and was told."""
        known = self._known_flags()
        for uid, row in changed.items():
            if row.flags is not None and uid in known:
                known[uid] = row.flags | self._untold_labels(uid)
        known |= self._told
        unseen = set(known)
        total = 0
        for start, end in self._folder.windows(1, 1):
            listed = self._folder.list(start, end, FLAGS if known else LISTING)
            total += len(listed)
            unseen.difference_update(listed)
            new, reflagged = compare(listed, known, self._untold_labels)
            if known:
                yield from self._tell_each(new)
            else:
                yield from (self._tell(uid, listed[uid]) for uid in new)
            yield from (Reflagged(self._ref(uid), flags) for uid, flags in reflagged.items())
        for uid in sorted(unseen):
            yield Vanished(self._ref(uid))
        yield self._done(total)

    def _known_flags(self) -> dict[int, Flags]:
        if self._since is None or self._since.epoch != self._folder.now.epoch:
            return {}
        return {int(key): flags for key, flags in self._known().items() if key.isdecimal()}

    def _untold_labels(self, uid: int) -> Flags:
        """Give the labels that were told once, where the server, or who asks, now speaks of none at all.

        Not to be told is no proof of having none.
        """
        if not self._token.labels or self._folder.has_labels:
            return frozenset()
        if self._labels is None:
            self._labels = {uid: label_flags(flags) for uid, flags in self._known_flags().items()}
        return self._labels.get(uid, frozenset())

    # --- telling --------------------------------------------------------------------------------------

    def _new(self, low: int, first: int) -> Iterator[Change]:
        """Tell all messages from UID `low`, the first of which has about the number `first`, as New."""
        for start, end in self._folder.windows(low, first):
            for uid, row in self._folder.list(start, end, LISTING).items():
                yield self._tell(uid, row)

    def _tell_each(self, uids: Sequence[int]) -> Iterator[Change]:
        for listed in self._folder.list_each(uids):
            for uid, row in listed.items():
                yield self._tell(uid, row)

    def _tell(self, uid: int, row: Fetched) -> New:
        flags: Flags = row.flags if row.flags is not None else frozenset()
        self._told[uid] = flags
        return New(Remote(self._ref(uid), row.size, flags, row.received))

    def _ref(self, uid: int) -> Ref:
        return Ref(self._folder.name, self._folder.now.epoch, str(uid))

    def _done(self, total: int) -> Done:
        """End the folder: the count is the server's, less what it said went while it was listed."""
        now = self._folder.now
        uidnext = now.uidnext
        if uidnext is None:
            uidnext = max(self._told, default=(self._token.uidnext or 1) - 1) + 1
        kept = self._token.labels and self._since is not None and self._since.epoch == now.epoch
        labels = self._folder.has_labels or kept
        cursor = Cursor(now.epoch, write_token(Token(total, uidnext, now.modseq, labels)))
        if self._folder.fits(total):
            return Done(cursor, total)
        _log.warning(
            "folder %r: the server counts %d messages, lists %d", self._folder.name, now.exists, total
        )
        return Done(cursor, now.exists)
