"""Taking named messages out of a mailbox: UID MOVE (RFC 6851), or UID STORE and UID EXPUNGE (RFC 4315).

Never EXPUNGE, never CLOSE: they take what others marked. Nothing that changes a mailbox is ever sent twice. What
became of a batch is read from a listing after it, not from what the server said to the command. The first
message goes alone, and all of the folder is listed before and after it: a server that takes more than it is
asked to is found out at the price of one command.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct, field

from archiver.accounts.imap import epoch as epochs
from archiver.accounts.imap import quirks, replies, uidset
from archiver.accounts.imap.events import Event, Fetched, Status
from archiver.accounts.imap.link import Link, check_epoch, select
from archiver.accounts.imap.session import Selected, Session, astring
from archiver.accounts.imap.sync import fits, rows
from archiver.errors import ArchiverError, FolderRefused, Forbidden, RefusedForSafety, Unreachable
from archiver.model import Folder, Ref, Removed, Unremoved

_log = logging.getLogger(__name__)

BATCH = 200
"""Messages in one command, after the first."""

PATIENCE = 5
"""Batches in a row that the server refuses, after which the rest is not tried: Exchange closes the line at ten
errors."""

KEPT = "the server keeps it"
_DELETED = b" +FLAGS.SILENT (\\Deleted)"
_NOT_DELETED = b" -FLAGS.SILENT (\\Deleted)"
_MORE = "the server removed more than it was asked to"


class Target(Struct, frozen=True):
    """The folder that messages go to, and what makes it where it is not there."""

    mailbox: bytes
    folder: Folder
    make: Callable[[Session], object]


class _Fate(Struct):
    """What the server said to a batch: where copies are, and why others were left alone."""

    status: Status
    to: dict[int, Ref] = field(default_factory=dict)
    left: dict[int, str] = field(default_factory=dict)


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
        self._target = target
        self._purges = purges
        self._purger: Remover | None = None
        self._selected: Selected | None = None
        self._there: set[int] = set()  # all of the folder, as listed before a canary; less what was taken
        self._foreign: set[int] = set()  # these bore \Deleted before we did anything
        self._marked: set[int] = set()
        self._surveyed = False
        self._proven = False
        self._made = False

    @property
    def marked(self) -> set[int]:
        """The UIDs that may bear a mark of ours."""
        return self._marked | (self._purger.marked if self._purger else set())

    def remove(self, keys: Sequence[str]) -> Iterator[Removed | Unremoved]:
        """Answer for each key once. The errors are those of `ports.CanDelete`."""
        session = self._ready()
        self._check_powers(session)
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
            if any(isinstance(answer, Removed) for answer in answers):
                self._proven, refused = True, 0
                continue
            refused += 1
            if refused >= PATIENCE:
                why = answers[-1].reason if isinstance(answers[-1], Unremoved) else KEPT
                yield from (Unremoved(str(uid), why) for uid in left)
                return

    def unmark(self) -> None:
        """Take our marks off again after the line dropped, on a line of its own; once."""
        if self._purger is not None:
            self._purger.unmark()
        if self._marked:
            session = self._link.session()
            check_epoch(select(session, self._mailbox, self._folder.name), self._folder.name, self._epoch)
            status = session.run(b"UID STORE " + _set(self._marked) + _NOT_DELETED)
            if status.word == "OK":
                self._marked = set()

    # --- opening --------------------------------------------------------------------------------------

    def _ready(self) -> Session:
        """Give the session with our mailbox open for writing: who was answered may have opened another since."""

        def step(session: Session) -> Session:
            if self._selected is None or session.selected is not self._selected:
                self._selected = select(session, self._mailbox, self._folder.name)
            check_epoch(self._selected, self._folder.name, self._epoch)
            return session

        return self._link.run(step)

    @property
    def _now(self) -> Selected:
        assert self._selected is not None
        return self._selected

    @property
    def _moves(self) -> bool:
        return self._target is not None and has(self._link.session(), "MOVE")

    def _check_powers(self, session: Session) -> None:
        """Raise, before anything is changed, what stands against it."""
        if self._moves:
            return
        if not has(session, "UIDPLUS"):
            if self._target is None:
                raise RefusedForSafety(
                    "the server cannot remove single messages for good (it has no UIDPLUS)",
                    "move them to the trash instead, if the server has MOVE; or remove them with another program",
                )
            raise RefusedForSafety(
                "the server can neither move messages nor remove single ones (it has no MOVE and no UIDPLUS)",
                "remove them with another program; archiver would take along what others have marked",
            )
        permanent = self._now.permanent
        if permanent is not None and "\\Deleted" not in permanent:
            raise Forbidden(
                f'the server lets no message of the folder "{self._folder.name}" be marked as deleted',
                "check the rights of the login on this folder; nothing was changed",
            )

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
            self._there = set(rows)
            if not self._surveyed:
                self._foreign = {uid for uid, row in rows.items() if "\\Deleted" in (row.flags or ())}
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
        if not before:
            return {}
        found, status = session.listing(b"1:*", b"UID FLAGS")
        listed = rows(found, 1, uidset.LAST)
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
            self._survey(session)
        self._forget_told()
        if self._moves:
            fate = self._move(session, batch)
        elif self._target is not None:
            fate = self._copy_and_expunge(session, batch)
        else:
            fate = _Fate(self._expunge(session, batch))
        still, more = self._still(batch, full=canary)
        why = KEPT if fate.status.word == "OK" else f"{KEPT}: {replies.words(fate.status)}"
        fate.left = dict.fromkeys(batch, why) | fate.left
        self._take_marks_off(still, fate)
        self._there -= set(batch) - still
        answers: list[Removed | Unremoved] = [
            Unremoved(str(uid), fate.left[uid]) if uid in still else Removed(str(uid), fate.to.get(uid))
            for uid in batch
        ]
        error = self._stop_for(fate.status, more)
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

    # --- ways -----------------------------------------------------------------------------------------

    def _move(self, session: Session, batch: Sequence[int]) -> _Fate:
        status, to = self._transfer(session, b"UID MOVE ", batch)
        return _Fate(status, to)

    def _copy_and_expunge(self, session: Session, batch: Sequence[int]) -> _Fate:
        """Copy, and remove only that of which the server says where the copy is."""
        status, to = self._transfer(session, b"UID COPY ", batch)
        if status.word != "OK":
            return _Fate(status)
        left = {uid: "the server does not say where its copy is" for uid in batch if uid not in to}
        if to:
            status = self._expunge(session, sorted(to))
        return _Fate(status, to, left)

    def _transfer(self, session: Session, verb: bytes, batch: Sequence[int]) -> tuple[Status, dict[int, Ref]]:
        """Move or copy; give the status, and where the server says that each went."""
        assert self._target is not None
        told: list[Status] = []

        def take(event: Event) -> None:
            if isinstance(event, Status):
                told.append(event)

        command = (verb, _set(batch), b" ", astring(self._target.mailbox))
        status = session.run(*command, take=take)
        if status.word != "OK" and status.code == "TRYCREATE" and not self._made:
            self._made = True
            self._target.make(session)
            status = session.run(*command, take=take)
        to: dict[int, Ref] = {}
        for one in [*told, status]:
            uidvalidity, uids = replies.copied(one, set(batch)) or (0, {})
            epoch = epochs.write(uidvalidity, session.owner)
            to |= {uid: Ref(self._target.folder.name, epoch, str(there)) for uid, there in uids.items()}
        return status, to

    def _expunge(self, session: Session, batch: Sequence[int]) -> Status:
        """Mark as deleted and expunge these UIDs; the marks that were not others' are ours to take off."""
        what = _set(batch)
        self._marked = set(batch) - self._foreign
        status = session.run(b"UID STORE " + what + _DELETED)
        if status.word == "OK":
            status = session.run(b"UID EXPUNGE " + what)
        return status

    def _take_marks_off(self, still: AbstractSet[int], fate: _Fate) -> None:
        """Leave no mark of ours on what is still there."""
        marked = self._marked & still
        if marked:
            status = self._ready().run(b"UID STORE " + _set(marked) + _NOT_DELETED)
            if status.word != "OK":
                why = f"; it is marked as deleted, and the mark does not come off: {replies.words(status)}"
                fate.left |= {uid: fate.left[uid] + why for uid in marked}
        self._marked = set()

    # --- what became of it ----------------------------------------------------------------------------

    def _still(self, batch: Sequence[int], *, full: bool) -> tuple[set[int], int]:
        """Tell which of a batch are there still, and how many went that were not in it.

        Where what the server told of expunges is less than what its listing lacks, or the counts do not add
        up, the folder is opened anew and listed in full. Raises `Unreachable` if that does not help.
        """
        session = self._link.session()
        session.run(b"NOOP")
        asked = set(batch)
        others = self._there - asked
        now = self._listed(session, batch, full=full)
        gone = asked - now if now is not None else set()
        told = self._now.expunges + _common(self._now.vanished, asked)
        more = 0
        if now is not None:
            more = max(self._now.expunges - len(gone), _common(self._now.vanished, others), 0)
        if now is None or told < len(gone):
            self._selected, full = None, True
            session = self._ready()
            now = self._listed(session, batch, full=True)
            if now is None:
                raise Unreachable(
                    f'the server does not tell what became of messages of the folder "{self._folder.name}"',
                    "run again: what is there then is looked at anew",
                )
        if full:
            more = max(more, len(others - now))
        return asked & now, more

    def _listed(self, session: Session, batch: Sequence[int], *, full: bool) -> set[int] | None:
        """List a batch or all; None where the server does not tell it all."""
        if full:
            listed = self._list_all(session)
            return set(listed) if listed is not None else None
        found, status = session.listing(_set(batch), b"UID")
        return {row.uid for row in found if row.uid is not None} if status.word == "OK" else None


def has(session: Session, power: str) -> bool:
    """Tell whether the server has MOVE or UIDPLUS; both are part of IMAP4rev2 (RFC 9051)."""
    return bool({power, "IMAP4REV2"} & session.capabilities)


def uid_of(key: str) -> int | None:
    """Read a key as the UID that it is; None for what no UID is written like."""
    if not key.isascii() or not key.isdecimal() or len(key) > 10 or key[0] == "0":
        return None
    uid = int(key)
    return uid if uid <= uidset.LAST else None


def _set(uids: AbstractSet[int] | Sequence[int]) -> bytes:
    return uidset.write(uidset.ranges(uids))


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
