"""Carry out a plan of `sync`: ask what it wants to know, tell New, Reflagged, Vanished, and Done at the end."""

import logging
from collections.abc import Iterator, Mapping

from archiver.accounts.imap import replies, uidset
from archiver.accounts.imap.events import Fetched
from archiver.accounts.imap.link import Link, examine
from archiver.accounts.imap.session import Selected, Session
from archiver.accounts.imap.sync import (
    FLAGS,
    LISTING,
    Snapshot,
    Token,
    Way,
    compare,
    edges,
    fits,
    read_token,
    rows,
    way,
    windows,
    write_token,
)
from archiver.errors import FolderRefused
from archiver.model import Change, Cursor, Done, Flags, Folder, New, Ref, Reflagged, Remote, Vanished
from archiver.ports import Known

_log = logging.getLogger(__name__)

_SET_BYTES = 7_000


class FolderChanges:
    """One `changes` of one folder. Every answer is read to its end before anything of it is told."""

    def __init__(
        self, link: Link, folder: Folder, mailbox: bytes, since: Cursor | None, known: Known
    ) -> None:
        self._link = link
        self._folder = folder.name
        self._mailbox = mailbox
        self._since = since
        self._token = (read_token(since.token) if since else None) or Token(0)
        self._known = known
        self._told: dict[int, Flags] = {}
        self._opened = Selected(mailbox)
        self._now = Snapshot("", 0)
        self._way = Way.FIRST

    def __iter__(self) -> Iterator[Change]:
        """Tell the changes. Raises what `Account.changes` raises."""
        self._open()
        if self._way is Way.FIRST:
            yield from self._new(1, self._now.exists)
            yield from self._end(len(self._told))
        elif self._way is Way.FULL:
            yield from self._full()
        else:
            yield from self._incremental()

    # --- opening --------------------------------------------------------------------------------------

    def _open(self) -> None:
        def step(session: Session) -> tuple[Selected, bool, bool]:
            since = None
            if self._since and self._token.modseq is not None and self._since.epoch.isdecimal():
                since = (int(self._since.epoch), self._token.modseq)
            return (
                examine(session, self._mailbox, self._folder, since),
                session.has_condstore,
                session.has_qresync,
            )

        self._opened, condstore, qresync = self._link.run(step)
        opened = self._opened
        self._now = Snapshot(str(opened.uidvalidity), opened.exists, opened.uidnext, opened.modseq)
        self._way = way(self._since, self._now, condstore=condstore, qresync=qresync)
        _log.debug("folder %r: %s messages, by way of %s", self._folder, opened.exists, self._way.name)

    # --- listings -------------------------------------------------------------------------------------

    def _list(self, low: int, high: int, items: bytes, since: int | None = None) -> dict[int, Fetched]:
        """List the messages of a window. Raises `FolderRefused` if the server does not."""
        what = b"%d:%s" % (low, b"*" if high == uidset.LAST and since is None else b"%d" % high)
        found, refusal = self._fetch(what, items, since)
        listed = rows(found, low, high)
        if refusal is None:
            return listed
        if items == FLAGS:  # as much as can be asked for less
            raise FolderRefused(f'the server does not list the folder "{self._folder}": {refusal}')
        _log.info("folder %r: the server does not tell sizes and dates: %s", self._folder, refusal)
        return self._list(low, high, FLAGS) | listed

    def _fetch(self, what: bytes, items: bytes, since: int | None) -> tuple[list[Fetched], str | None]:
        def step(session: Session) -> tuple[list[Fetched], str | None]:
            found, status = session.listing(what, items, since=since)
            return found, None if status.word == "OK" else replies.words(status)

        return self._link.on(self._mailbox, self._folder, self._now.epoch, step)

    def _windows(self, low: int, first: int) -> list[tuple[int, int]]:
        """Cut the UIDs from `low` into windows of few messages; `first` is the number of the first of them.

        The UIDs at the cuts are asked for by message number, once: the only way that needs no search and
        does not depend on how thin the UIDs are.
        """
        cuts = edges(max(1, first), self._now.exists)
        ends: list[int] = []
        if cuts:
            what = b",".join(b"%d" % number for number in cuts)

            def step(session: Session) -> list[Fetched]:
                return session.listing(what, b"UID", by_uid=False)[0]

            found = self._link.on(self._mailbox, self._folder, self._now.epoch, step)
            ends = [row.uid for row in found if row.uid is not None]
        return windows(low, self._now.uidnext, ends)

    # --- telling --------------------------------------------------------------------------------------

    def _new(self, low: int, count: int) -> Iterator[Change]:
        """Tell all messages from UID `low`, about `count` of them, as New."""
        if self._now.exists == 0:
            return
        for start, end in self._windows(low, self._now.exists - count + 1):
            for uid, row in self._list(start, end, LISTING).items():
                yield self._tell(uid, row)

    def _tell(self, uid: int, row: Fetched) -> New:
        flags: Flags = row.flags if row.flags is not None else frozenset()
        self._told[uid] = flags
        return New(Remote(self._ref(uid), row.size, flags, row.received))

    def _ref(self, uid: int) -> Ref:
        return Ref(self._folder, self._now.epoch, str(uid))

    def _incremental(self) -> Iterator[Change]:
        """Tell what CONDSTORE or QRESYNC says changed, if the count proves that it said all."""
        token, now = self._token, self._now
        old = token.uidnext or 1
        changed = rows(self._opened.changed, 1, old - 1)
        if self._way is Way.CONDSTORE and now.modseq != token.modseq and old > 1:
            # 1:4294967295 and not 1:*, which misses the highest expunged UID at Cyrus: Alinto/sope#73
            changed |= rows(list(self._list(1, uidset.LAST, FLAGS, token.modseq).values()), 1, old - 1)
        gone = uidset.below(self._opened.gone, old)
        before = token.messages - uidset.count(gone)
        if now.uidnext is not None and now.uidnext > old:
            yield from self._new(old, max(now.exists - before, 1))
        for uid, row in changed.items():
            if row.flags is not None:
                yield Reflagged(self._ref(uid), row.flags)
        if fits(before + len(self._told), now.exists, self._opened.expunged):
            for uid in uidset.each(gone):
                yield Vanished(self._ref(uid))
            yield self._done(before + len(self._told), now.exists)
        elif self._way is Way.CONDSTORE and (listed := self._uids()) is not None:
            yield from self._by_uids(listed)
        else:
            _log.debug("folder %r: the count does not fit, comparing all", self._folder)
            yield from self._full(changed)

    def _uids(self) -> set[int] | None:
        """List all UIDs the short way; None if the server cannot, or miscounts."""
        high = (self._now.uidnext or 1) - 1
        found = self._link.on(
            self._mailbox, self._folder, self._now.epoch, lambda session: session.uids(high)
        )
        if found is None or not fits(uidset.count(found), self._now.exists, self._opened.expunged):
            return None
        return set(uidset.each(found))

    def _by_uids(self, listed: set[int]) -> Iterator[Change]:
        """Tell what vanished, and what is there and not known, by the bare UIDs."""
        known = self._known_flags()
        yield from self._tell_each(sorted(listed - known.keys() - self._told.keys()))
        for uid in sorted(known.keys() - listed):
            yield Vanished(self._ref(uid))
        yield self._done(len(listed), self._now.exists)

    def _tell_each(self, uids: list[int]) -> Iterator[Change]:
        for some in uidset.sets(uids, _SET_BYTES):
            found, _ = self._fetch(some, LISTING, None)
            wanted = uidset.read(some)
            asked = set(uidset.each(wanted))
            for uid, row in rows(found, 1, uidset.LAST).items():
                if uid in asked:
                    yield self._tell(uid, row)

    def _known_flags(self) -> Mapping[int, Flags]:
        if self._since is None or self._since.epoch != self._now.epoch:
            return {}
        return {int(key): flags for key, flags in self._known().items() if key.isdecimal()}

    def _full(self, changed: Mapping[int, Fetched] | None = None) -> Iterator[Change]:
        """List all UIDs and flags and compare with what is known and was told already."""
        if self._way is not Way.FULL:
            self._refresh()
        known = dict(self._known_flags())
        known.update(
            {uid: row.flags for uid, row in (changed or {}).items() if row.flags is not None and uid in known}
        )
        known.update(self._told)
        unseen = set(known)
        total = 0
        for start, end in self._windows(1, 1) if self._now.exists else []:
            listed = self._list(start, end, FLAGS if known else LISTING)
            total += len(listed)
            unseen.difference_update(listed)
            new, reflagged = compare(listed, known)
            if known:
                yield from self._tell_each(new)
            else:
                for uid in new:
                    yield self._tell(uid, listed[uid])
            for uid, flags in reflagged.items():
                yield Reflagged(self._ref(uid), flags)
        for uid in sorted(unseen):
            yield Vanished(self._ref(uid))
        yield self._done(total, self._now.exists)

    def _refresh(self) -> None:
        """Open the folder again, so that counts and listing are of one moment."""
        epoch = self._now.epoch
        self._opened = self._link.run(lambda session: examine(session, self._mailbox, self._folder))
        opened = self._opened
        if str(opened.uidvalidity) != epoch:
            raise FolderRefused(
                f'the server renumbered the folder "{self._folder}" during the run',
                "run again; nothing was lost",
            )
        self._now = Snapshot(epoch, opened.exists, opened.uidnext, opened.modseq)

    def _end(self, total: int) -> Iterator[Change]:
        if fits(total, self._now.exists, self._opened.expunged):
            yield self._done(total, self._now.exists)
        else:
            yield from self._full()

    def _done(self, total: int, exists: int) -> Done:
        """End the folder: `exists` is the server's count, less what it said went while it was listed."""
        uidnext = self._now.uidnext
        if uidnext is None:
            uidnext = max(self._told, default=(self._token.uidnext or 1) - 1) + 1
        token = Token(total, uidnext, self._now.modseq)
        explained = fits(total, exists, self._opened.expunged)
        if not explained:
            _log.warning("folder %r: the server counts %d messages and lists %d", self._folder, exists, total)
        return Done(Cursor(self._now.epoch, write_token(token)), total if explained else exists)
