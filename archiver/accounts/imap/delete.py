"""Taking named messages out of a mailbox: UID MOVE (RFC 6851), or UID STORE and UID EXPUNGE (RFC 4315).

Never EXPUNGE, never CLOSE: they take what others marked. Nothing that changes a mailbox is ever sent twice. What
became of a batch is read from a listing after it, not from what the server said to the command. The first
message goes alone, and all of the folder is listed before and after it: a server that takes more than it is
asked to is found out at the price of one command.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from archiver.accounts.imap import quirks, replies, uidset
from archiver.accounts.imap.events import Fetched, Status
from archiver.accounts.imap.link import Link, check_epoch, select
from archiver.accounts.imap.selected import Selected
from archiver.accounts.imap.session import Session
from archiver.accounts.imap.sync import fits, rows
from archiver.accounts.imap.taking import Taker, Target
from archiver.errors import ArchiverError, FolderRefused, Forbidden, RefusedForSafety, Unreachable
from archiver.model import Folder, Removed, Unremoved

_log = logging.getLogger(__name__)

BATCH = 200
"""Messages in one command, after the first."""

PATIENCE = 5
"""Batches in a row that the server refuses, after which the rest is not tried: Exchange closes the line at ten
errors."""

KEPT = "the server keeps it"
_MORE = "the server removed more than it was asked to"


class Remover:
    """Takes messages out of one mailbox of an account, and stops at the first sign that more goes than it should.

    Without `target`, for good; with `purges`, for good by way of the target (`quirks.expunge_only_unlabels`).
    `marked` are the UIDs that may bear a mark of ours, \\Deleted, that has to come off again: after an error,
    those of a batch in whose middle the line dropped.
    """

    def __init__(
        self,
        link: Link,
        mailbox: bytes,
        folder: Folder,
        epoch: str,
        target: Target | None = None,
        *,
        purges: bool = False,
    ) -> None:
        self._link = link
        self._mailbox = mailbox
        self._folder = folder
        self._epoch = epoch
        self._taker = Taker(folder, target)
        self._target = target
        self._purges = purges
        self._purger: Remover | None = None
        self._selected: Selected | None = None
        self._there: set[int] = set()  # all of the folder, as listed before a canary; less what was taken
        self._surveyed = False
        self._proven = False  # a canary went, and nothing with it
        self._fresh = False  # nothing was done since the survey
        self._reopened = False  # since the survey: what others took out meanwhile was not told

    @property
    def marked(self) -> set[int]:
        """The UIDs that may bear a mark of ours."""
        return self._taker.marked | (self._purger.marked if self._purger else set())

    def remove(self, keys: Sequence[str]) -> Iterator[Removed | Unremoved]:
        """Answer for each key once. The errors are those of `ports.CanDelete`."""
        session = self._ready()
        self._taker.check(session, self._now)
        there = self._find(session, [uid for key in keys if (uid := uid_of(key)) is not None])
        left: list[int] = []
        for key in dict.fromkeys(keys):
            uid = uid_of(key)
            if uid is not None and uid in there:
                left.append(uid)
            else:
                yield Removed(key)
        refused = 0
        while left:
            size = BATCH if self._proven else 1
            batch, left = left[:size], left[size:]
            answers, error = self._take(batch, canary=not self._proven)
            yield from answers
            if error is not None:
                raise error
            gone = any(isinstance(answer, Removed) for answer in answers)
            refused = 0 if gone else refused + 1
            if refused >= PATIENCE:
                why = answers[-1].reason if isinstance(answers[-1], Unremoved) else KEPT
                yield from (Unremoved(str(uid), why) for uid in left)
                return

    def unmark(self) -> None:
        """Take our marks off again after the line dropped, on a line of its own; once."""
        if self._purger is not None:
            self._purger.unmark()
        if self._taker.marked:
            session = self._link.session()
            check_epoch(select(session, self._mailbox, self._folder.name), self._folder.name, self._epoch)
            self._taker.unmark(session)

    # --- opening --------------------------------------------------------------------------------------

    def _ready(self) -> Session:
        """Give the session with our mailbox open for writing: who was answered may have opened another since."""

        def step(session: Session) -> Session:
            if self._selected is None or session.selected is not self._selected:
                self._selected = select(session, self._mailbox, self._folder.name)
                self._reopened = True
            check_epoch(self._selected, self._folder.name, self._epoch)
            return session

        return self._link.run(step)

    @property
    def _now(self) -> Selected:
        assert self._selected is not None
        return self._selected

    def _find(self, session: Session, uids: Sequence[int]) -> set[int]:
        """Tell which of these are there now; the first time by a listing of all."""
        if not self._surveyed:
            self._survey(session)
            return self._there
        found = self._listed(session, uids, full=False) if uids else set()
        if found is None:
            raise self._unlisted()
        self._there |= found
        return found

    def _survey(self, session: Session) -> None:
        """List all of the folder, at a moment in which nobody else takes anything out of it, if there is one."""
        for _ in range(3):
            self._forget_told()
            rows = self._list_all(session)
            if rows is None:
                raise self._unlisted()
            self._there, self._fresh, self._reopened = set(rows), True, False
            if not self._surveyed:
                self._taker.foreign = {uid for uid, row in rows.items() if "\\Deleted" in (row.flags or ())}
            if not self._now.expunges and not self._now.vanished:
                break
        self._surveyed = True

    def _forget_told(self) -> None:
        self._now.expunges = 0
        self._now.vanished = []

    def _unlisted(self) -> ArchiverError:
        return FolderRefused(f'the server does not list all of the folder "{self._folder.name}"')

    def _list_all(self, session: Session) -> dict[int, Fetched] | None:
        """List the folder; None where the server lists not as many messages as it says there are."""
        before, gone = self._now.exists, self._now.expunged
        found, status = session.listing(b"1:*", b"UID FLAGS")
        listed = rows(found, 1, uidset.LAST)
        if not before and not listed:  # some servers say NO or BAD to that
            return listed
        busy = replies.busy(status) if status.word != "OK" else None
        if busy is not None:
            raise busy
        went = self._now.expunged - gone
        fit = fits(len(listed), before, went) or before < len(listed) <= self._now.exists + went
        return listed if fit and status.word == "OK" else None

    # --- one batch ------------------------------------------------------------------------------------

    def _take(
        self, batch: Sequence[int], *, canary: bool
    ) -> tuple[list[Removed | Unremoved], ArchiverError | None]:
        """Take out a batch; give the answers and what ends it all, if something does."""
        session = self._ready()
        if canary:
            if self._reopened or not self._fresh:
                self._survey(session)
            if not self._there & set(batch):  # somebody else was quicker, and it proves nothing
                return [Removed(str(uid)) for uid in batch], None
        self._forget_told()
        self._fresh = False
        fate = self._taker.take(session, batch)
        still, more = self._still(batch, full=canary)
        why = KEPT if fate.status.word == "OK" else f"{KEPT}: {replies.words(fate.status)}"
        fate.left = dict.fromkeys(batch, why) | fate.left
        self._taker.take_marks_off(self._ready(), still, fate)
        self._there -= set(batch) - still
        answers: list[Removed | Unremoved] = [
            Unremoved(str(uid), fate.left[uid]) if uid in still else Removed(str(uid), fate.to.get(uid))
            for uid in batch
        ]
        error = self._stop_for(fate.status, more)
        self._proven = self._proven or len(still) < len(batch)
        if self._purges and error is None:
            return self._purge(answers)
        return answers, error

    def _purge(
        self, answers: list[Removed | Unremoved]
    ) -> tuple[list[Removed | Unremoved], ArchiverError | None]:
        """Remove for good, from where they were moved to, those whose UID there the server told."""
        moved = {one.to.key: one.to for one in answers if isinstance(one, Removed) and one.to is not None}
        if not moved or self._target is None:
            return answers, None
        if self._purger is None:
            epoch = next(iter(moved.values())).epoch
            self._purger = Remover(self._link, self._target.mailbox, self._target.folder, epoch)
        purger, error = self._purger, None
        purged: set[str] = set()
        try:
            keys = [ref.key for ref in moved.values() if ref.epoch == purger._epoch]
            purged = {one.key for one in purger.remove(keys) if isinstance(one, Removed)}
        except ArchiverError as stopped:
            error = stopped
        return [
            Removed(one.key) if isinstance(one, Removed) and one.to and one.to.key in purged else one
            for one in answers
        ], error

    def _stop_for(self, status: Status, more: int) -> ArchiverError | None:
        """Tell what must not, or cannot, go on."""
        if more:
            return RefusedForSafety(
                f'{_MORE}: {more} more, in the folder "{self._folder.name}"',
                "look at the folder; if another program removed mail from it at that moment, run again",
            )
        if status.word == "OK":
            return None
        if status.code in replies.FORBIDDEN or quirks.is_over_quota(status.text):
            return Forbidden(
                f'the server does not let messages be removed from the folder "{self._folder.name}": '
                f"{replies.words(status)}",
                "check quota and the rights of the login",
            )
        return replies.busy(status)

    # --- what became of it ----------------------------------------------------------------------------

    def _still(self, batch: Sequence[int], *, full: bool) -> tuple[set[int], int]:
        """Tell which of a batch are there still, and how many went that were not in it.

        Where what the server told of expunges is less than what its listing lacks, or the counts do not add
        up, the folder is opened anew and listed in full. Raises `Unreachable` if that does not help.
        """
        session = self._link.session()
        session.run(b"NOOP")
        asked, reopened = set(batch), self._reopened
        others = self._there - asked
        now = self._listed(session, batch, full=full)
        by_number, by_uid = self._now.expunges, self._now.vanished
        if now is None or by_number + _common(by_uid, asked) < len(asked - now):
            self._selected, full = None, True
            now = self._listed(self._ready(), batch, full=True)
            if now is None:
                raise Unreachable(
                    f'the server does not tell what became of messages of the folder "{self._folder.name}"',
                    "run again: what is there then is looked at anew",
                )
        check_epoch(self._now, self._folder.name, self._epoch)
        lost = others - now if full and not reopened else set()
        more = max(by_number - len(asked - now), _common(by_uid, others), len(lost))
        return asked & now, more

    def _listed(self, session: Session, batch: Sequence[int], *, full: bool) -> set[int] | None:
        """List a batch or all; None where the server does not tell it all."""
        if full:
            listed = self._list_all(session)
            return set(listed) if listed is not None else None
        found, status = session.listing(uidset.of(batch), b"UID")
        return {row.uid for row in found if row.uid is not None} if status.word == "OK" else None


def uid_of(key: str) -> int | None:
    """Read a key as the UID that it is; None for what no UID is written like."""
    if not key.isascii() or not key.isdecimal() or len(key) > 10 or key[0] == "0":
        return None
    uid = int(key)
    return uid if uid <= uidset.LAST else None


def _common(told: uidset.Ranges, uids: AbstractSet[int]) -> int:
    """Count the UIDs that are in both; a server may tell of ranges without end."""
    pairs = uidset.merged(told)
    if uidset.count(pairs) <= len(uids):
        return sum(uid in uids for uid in uidset.each(pairs))
    return sum(any(low <= uid <= high for low, high in pairs) for uid in uids)


def carry_out(
    link: Link, remover: Remover, keys: Sequence[str], warn: Callable[[str], None]
) -> Iterator[Removed | Unremoved]:
    """Remove, and leave the account fit for use, whatever ends it.

    A line that dropped is never tried again, but for taking off marks of ours that may have been set.
    """
    done = False
    try:
        yield from remover.remove(keys)
        done = True
    except Unreachable as error:
        link.lost(error, tries=1)
        try:
            remover.unmark()
        except ArchiverError as refused:
            _log.info("the marks of a removal that broke off are not taken off: %s", refused)
        raise
    except ArchiverError:
        done = True
        raise
    finally:
        if not done:
            link.drop()  # answers may be on their way that nobody waits for
        if remover.marked:
            warn(
                f"{len(remover.marked)} messages may be left marked as deleted, since the line dropped while "
                "they were removed: another program may expunge them"
            )
