"""How servers of Exchange Web Services differ by their makers; Microsoft's is the one without any of this."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Temper:
    """What a server does that Microsoft's does not."""

    lacks: frozenset[str] = frozenset()
    """Requests that it does not know."""
    faults_bare: bool = False
    """Whether a failure of one part, and a sync state that it cannot read, answers a whole request with a fault that
    has no code of Exchange."""
    absent: frozenset[str] = frozenset()
    """Fields that it never gives, though they are asked for."""
    empties_roots: bool = False
    """Whether FindFolder that finds nothing has no m:RootFolder."""
    moved: str = "ErrorItemNotFound"
    """What it says of the id that an item had before it was moved."""
    tells_moves: bool = True
    """Whether MoveItem tells the new ids."""
    clips_deletions: bool = False
    """Whether a full page of changes is called the last though deletions are to follow."""
    searches_known_names: bool = False
    """Whether a search for a named property fails in a mailbox that never had it."""
    calendar_mime: str = "calendar"
    contact_mime: str = "vcard"
    """How MimeContent is written: see `Site`."""
    odd_class: str | None = None
    """Items of this class, and below it, come as this element: class=element."""
    weighs_marks: bool = False
    """Whether flags and categories count as a part of an item's size."""
    read_flag_keeps_key: bool = False
    """Whether marking as read leaves the change key as it is."""


MICROSOFT = Temper()
OTHER_MAKER = Temper(
    lacks=frozenset({"ExportItems", "UploadItems"}),
    faults_bare=True,
    absent=frozenset({"CalendarItemType", "LastOccurrence", "IsDraft", "DateTimeSent"}),
    empties_roots=True,
    moved="ErrorInvalidId",
    clips_deletions=True,
    searches_known_names=True,
    calendar_mime="message",
    contact_mime="tnef",
    read_flag_keeps_key=True,
)
"""After the source of a MAPI groupware server with an EWS front end."""
