"""The open mailbox of a session: what the server told of it, and goes on telling."""

from msgspec import Struct, field

from archiver.accounts.imap import epoch, quirks, uidset
from archiver.accounts.imap.events import Event, Exists, Expunge, Fetched, Gone, Status
from archiver.accounts.imap.fetched import flags
from archiver.model import Flags


class Selected(Struct):
    """The mailbox that is open, as EXAMINE or SELECT and all since have told.

    `changed` and `gone` are what QRESYNC told on opening; `expunged` counts what went since: `vanished` are
    the UIDs of those that were told by UID, `expunges` the number of those that were told by their number.
    `by_select` says that it was opened for writing, and `read_only` that the server does not want that.
    """

    mailbox: bytes
    owner: str = ""
    by_select: bool = False
    read_only: bool = False
    permanent: Flags | None = None
    uidvalidity: int | None = None
    uidnext: int | None = None
    exists: int = 0
    modseq: int | None = None
    expunged: int = 0
    expunges: int = 0
    vanished: list[tuple[int, int]] = field(default_factory=list)
    changed: list[Fetched] = field(default_factory=list)
    gone: list[tuple[int, int]] = field(default_factory=list)

    @property
    def epoch(self) -> str:
        """The epoch of its UIDs; only where there is a UIDVALIDITY."""
        return epoch.write(self.uidvalidity or 0, self.owner)


def note_code(selected: Selected, status: Status) -> None:
    """Take in a response code about the open mailbox."""
    if status.code == "CLOSED":  # what came so far was of the mailbox before
        selected.exists = selected.expunged = selected.expunges = 0
        for told in (selected.changed, selected.gone, selected.vanished):
            told.clear()
    elif status.code in {"READ-ONLY", "READ-WRITE"}:
        selected.read_only = status.code == "READ-ONLY"
    elif status.code == "PERMANENTFLAGS":
        selected.permanent = flags(status.argument.strip(b"()"))
    elif status.argument.isdigit() and len(status.argument) < 20:
        number = int(status.argument)
        if status.code == "UIDVALIDITY":
            selected.uidvalidity = number or None
        elif status.code == "UIDNEXT":
            selected.uidnext = number or None
        elif status.code == "HIGHESTMODSEQ":
            selected.modseq = quirks.modseq(number)


def note_event(selected: Selected, event: Event) -> None:
    """Take in what the server tells of the open mailbox unasked."""
    if isinstance(event, Exists):
        selected.exists = event.count
    elif isinstance(event, Expunge):
        selected.expunged += 1
        selected.expunges += 1
        selected.exists = max(0, selected.exists - 1)
    elif isinstance(event, Gone) and event.earlier:
        selected.gone = uidset.merged([*selected.gone, *event.uids])
    elif isinstance(event, Gone):
        gone = uidset.count(event.uids)
        selected.expunged += gone
        selected.vanished += event.uids
        selected.exists = max(0, selected.exists - gone)
