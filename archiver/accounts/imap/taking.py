"""The commands that take messages out of the open mailbox: UID MOVE, UID COPY, UID STORE, UID EXPUNGE.

Each names its UIDs, and none is sent twice but where the server refused it for want of the target.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct, field

from archiver.accounts.imap import epoch as epochs
from archiver.accounts.imap import replies, uidset
from archiver.accounts.imap.events import Event, Status
from archiver.accounts.imap.selected import Selected
from archiver.accounts.imap.session import Session, astring
from archiver.errors import Forbidden, RefusedForSafety
from archiver.model import Folder, Ref

_DELETED = b" +FLAGS.SILENT (\\Deleted)"
_NOT_DELETED = b" -FLAGS.SILENT (\\Deleted)"


class Target(Struct, frozen=True):
    """The folder that messages go to, and what makes it where it is not there."""

    mailbox: bytes
    folder: Folder
    make: Callable[[Session], object]


class Fate(Struct):
    """What the server said to a batch: where copies are, and why others were left alone."""

    status: Status
    to: dict[int, Ref] = field(default_factory=dict)
    left: dict[int, str] = field(default_factory=dict)


class Taker:
    """Takes messages out of the open mailbox, to `target` or, without one, for good.

    `foreign` are the UIDs that were marked as deleted before; `marked` those that may bear a mark of ours.
    """

    def __init__(self, folder: Folder, target: Target | None) -> None:
        self.foreign: set[int] = set()
        self.marked: set[int] = set()
        self._folder = folder
        self._target = target
        self._made = False

    def check(self, session: Session, selected: Selected) -> None:
        """Raise, before anything is changed, what stands against it: `RefusedForSafety`, `Forbidden`."""
        if self._target is not None and has(session, "MOVE"):
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
        if selected.permanent is not None and "\\Deleted" not in selected.permanent:
            raise Forbidden(
                f'the server lets no message of the folder "{self._folder.name}" be marked as deleted',
                "check the rights of the login on this folder; nothing was changed",
            )

    def take(self, session: Session, batch: Sequence[int]) -> Fate:
        """Take these out, in the best way that the server has."""
        if self._target is None:
            return Fate(self._expunge(session, batch))
        if has(session, "MOVE"):
            return Fate(*self._transfer(session, self._target, b"UID MOVE ", batch))
        status, to = self._transfer(session, self._target, b"UID COPY ", batch)
        if status.word != "OK":
            return Fate(status)
        left = {uid: "the server does not say where its copy is" for uid in batch if uid not in to}
        if to:  # nothing is removed whose copy is not sure
            status = self._expunge(session, sorted(to))
        return Fate(status, to, left)

    def take_marks_off(self, session: Session, still: AbstractSet[int], fate: Fate) -> None:
        """Leave no mark of ours on what is still there, or say so."""
        self.marked &= still
        status = self.unmark(session)
        said = f": {replies.words(status)}" if status is not None and status.word != "OK" else ""
        why = f"; it is marked as deleted, and the mark does not come off{said}"
        fate.left |= {uid: fate.left[uid] + why for uid in self.marked}
        self.marked = set()

    def unmark(self, session: Session) -> Status | None:
        """Take our marks off and look whether they are; `marked` are those that may be left."""
        if not self.marked:
            return None
        what = uidset.of(self.marked)
        status = session.run(b"UID STORE " + what + _NOT_DELETED)
        found, listed = session.listing(what, b"UID FLAGS")
        if listed.word == "OK":
            self.marked &= {row.uid for row in found if row.uid and "\\Deleted" in (row.flags or ())}
        elif status.word == "OK":
            self.marked = set()
        return status

    def _transfer(
        self, session: Session, target: Target, verb: bytes, batch: Sequence[int]
    ) -> tuple[Status, dict[int, Ref]]:
        """Move or copy; give the status, and where the server says that each went (RFC 4315, COPYUID)."""
        told: list[Status] = []

        def take(event: Event) -> None:
            if isinstance(event, Status):
                told.append(event)

        command = (verb, uidset.of(batch), b" ", astring(target.mailbox))
        status = session.run(*command, take=take)
        if status.word != "OK" and status.code == "TRYCREATE" and not self._made:
            self._made = True
            target.make(session)
            status = session.run(*command, take=take)
        to: dict[int, Ref] = {}
        for one in [*told, status]:
            uidvalidity, uids = replies.copied(one, set(batch)) or (0, {})
            epoch = epochs.write(uidvalidity, session.owner)
            to |= {uid: Ref(target.folder.name, epoch, str(there)) for uid, there in uids.items()}
        return status, to

    def _expunge(self, session: Session, batch: Sequence[int]) -> Status:
        """Mark as deleted and expunge these; the marks that were not others' are ours to take off again."""
        what = uidset.of(batch)
        self.marked = set(batch) - self.foreign
        status = session.run(b"UID STORE " + what + _DELETED)
        return session.run(b"UID EXPUNGE " + what) if status.word == "OK" else status


def has(session: Session, power: str) -> bool:
    """Tell whether the server has MOVE or UIDPLUS; both are part of IMAP4rev2 (RFC 9051)."""
    return bool({power, "IMAP4REV2"} & session.capabilities)
