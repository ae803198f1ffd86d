"""What an Exchange server keeps: mailboxes, their trees of folders, and items with all that belongs to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from tests.servers.ews.identifiers import Identifiers
from tests.servers.ews.refusals import Refused
from tests.servers.ews.temper import MICROSOFT, Temper

ELEMENT_OF_CLASS = {
    "IPF.Appointment": "CalendarFolder",
    "IPF.Contact": "ContactsFolder",
    "IPF.Task": "TasksFolder",
}


@dataclass(eq=False)
class Attachment:
    """A file (`content`) or an item (`item`) attached to an item."""

    id: str
    name: str
    content: bytes = b""
    content_type: str = "application/octet-stream"
    content_id: str | None = None
    is_inline: bool = False
    is_photo: bool = False
    item: "Item | None" = None

    @property
    def size(self) -> int:
        """Bytes, as Size tells them."""
        return self.item.size if self.item is not None else len(self.content)


@dataclass(eq=False)
class Item:
    """An item of any kind. `element` is its element, `fields` those that clients write, by name."""

    element: str
    item_class: str
    folder: "Folder"
    id: str
    change_key: str
    created: datetime
    modified: datetime
    received: datetime
    sent: datetime
    fields: dict[str, Element] = field(default_factory=dict)
    properties: dict[str, Element] = field(default_factory=dict)
    """Key of the property -> t:ExtendedProperty as it was written."""
    source: bytes | None = None
    """The MIME that it was made from."""
    attachments: list[Attachment] = field(default_factory=list)
    is_draft: bool = True
    is_read: bool = False
    is_associated: bool = False
    master: "Item | None" = None
    """The series that this is a modified occurrence of."""
    original_start: datetime | None = None
    occurrences: "list[Item]" = field(default_factory=list)
    """The modified occurrences of a series."""
    deleted_occurrences: list[datetime] = field(default_factory=list)
    content_version: int = 0
    """Counts writes of all but the read flag; `read_version` those of the read flag."""
    read_version: int = 0
    reads: int = 0
    """How often its MIME was written, which is another one at each time."""
    weighs_marks: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    """Operation, or "*" -> ResponseCode with which the item answers it."""

    @property
    def size(self) -> int:
        """Bytes, about; marks on it count for nothing, as on most servers."""
        marks = {"Flag", "Categories"} if not self.weighs_marks else set[str]()
        rest = sum(len(one.text or "") + 40 for name, one in self.fields.items() if name not in marks)
        return len(self.source or b"") + rest + sum(one.size for one in self.attachments) + 512


@dataclass(eq=False)
class Folder:
    """A folder. `roots` of a tree have no parent."""

    mailbox: "Mailbox"
    name: str
    folder_class: str
    id: str
    change_key: str
    parent: "Folder | None" = None
    distinguished: str | None = None
    is_search: bool = False
    is_hidden: bool = False
    denied: bool = False
    """Whether nobody may look into it; `read_only` whether nobody may change what is in it."""
    read_only: bool = False
    items: dict[str, Item] = field(default_factory=dict)
    """By id, oldest first."""
    children: "dict[str, Folder]" = field(default_factory=dict)
    properties: dict[str, Element] = field(default_factory=dict)
    version: int = 0

    @property
    def element(self) -> str:
        """The element that shows it."""
        return "SearchFolder" if self.is_search else ELEMENT_OF_CLASS.get(self.folder_class, "Folder")

    def below(self) -> "Iterator[Folder]":
        """Give all folders under it."""
        for child in self.children.values():
            yield child
            yield from child.below()

    @property
    def path(self) -> str:
        """Names from the root of its tree down, with "/" between."""
        return self.name if self.parent is None else f"{self.parent.path}/{self.name}"

    @property
    def top(self) -> "Folder":
        """The root of its tree."""
        return self if self.parent is None else self.parent.top

    @property
    def normal_items(self) -> list[Item]:
        """The items that are not associated ones, oldest first."""
        return [item for item in self.items.values() if not item.is_associated]


@dataclass(eq=False)
class Mailbox:
    """A mailbox, or the tree of public folders (whose address is ""). `readers` besides the owner may open it."""

    address: str
    display_name: str
    distinguished: dict[str, Folder] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    """Keys of named properties that some item has had."""
    unavailable: str | None = None
    """ResponseCode with which all of it is refused, such as ErrorMailboxMoveInProgress."""


class Site:
    """All mailboxes of a server, and the indexes of their ids."""

    def __init__(self, seed: str = "", temper: Temper = MICROSOFT) -> None:
        self.seed = seed
        self.temper = temper
        self.moved: set[str] = set()
        """Ids of items that are in another folder now."""
        self.poison: str | None = None
        """The subject of an item that cannot be made; `unwritable` that of one whose MIME cannot."""
        self.unwritable: str | None = None
        self.identifiers = Identifiers(seed)
        self.mailboxes: dict[str, Mailbox] = {}
        self.folders: dict[str, Folder] = {}
        self.items: dict[str, Item] = {}
        self.attachments: dict[str, tuple[Item, Attachment]] = {}
        self.sent: list[str] = []
        """What would have gone to other people: operation and subject."""
        self.strict_change_keys = True
        """Whether DeleteItem and MoveItem refuse a change key that is not the item's."""
        self.largest_bytes: int | None = None
        """The largest item that is taken; more is refused with ErrorMessageSizeExceeded."""
        self.calendar_mime = temper.calendar_mime
        """How MimeContent of calendar items is written: as "calendar" (a bare VCALENDAR), "endless" (without its
        last line, as it was seen: exchangelib #115), or "message"."""
        self.contact_mime = temper.contact_mime
        """How MimeContent of contacts is written: as "vcard", as "message", or as "tnef" (a message with winmail.dat).
        """

    def now(self) -> datetime:
        """Tell the time, in whole seconds."""
        return datetime.now(UTC).replace(microsecond=0)

    def add_folder(self, mailbox: Mailbox, parent: Folder | None, name: str, folder_class: str) -> Folder:
        """Make a folder, whoever asks."""
        identifiers = self.identifiers
        made = Folder(mailbox, name, folder_class, identifiers.new("folder"), identifiers.key(), parent)
        self.folders[made.id] = made
        made.version = identifiers.written
        if parent is not None:
            parent.children[made.id] = made
        return made

    def new_item(self, element: str, item_class: str, folder: Folder) -> Item:
        """Make an item that is not in its folder yet."""
        now = self.now()
        made = Item(element, item_class, folder, self.identifiers.new("item"), "", now, now, now, now)
        made.weighs_marks = self.temper.weighs_marks
        return made

    def weigh(self, item: Item) -> None:
        """Refuse an item of a client that is too large."""
        if self.largest_bytes is not None and item.size > self.largest_bytes:
            raise Refused("ErrorMessageSizeExceeded")

    def put(self, item: Item, folder: Folder) -> Item:
        """Put an item into a folder, and write it."""
        item.folder = folder
        folder.items[item.id] = self.items[item.id] = item
        self.index_parts(item)
        return self.write(item)

    def index_parts(self, item: Item) -> None:
        """Make attachments and modified occurrences reachable by their ids."""
        for attachment in item.attachments:
            self.attachments[attachment.id] = (item, attachment)
        for occurrence in item.occurrences:
            occurrence.master, occurrence.folder = item, item.folder
            self.items[occurrence.id] = occurrence
            self.index_parts(occurrence)
            occurrence.change_key = occurrence.change_key or self.identifiers.key()

    def write(self, item: Item, read_flag_alone: bool = False) -> Item:
        """Give an item a new change key, and note what changed for those who synchronize."""
        key = self.identifiers.key()
        if not (read_flag_alone and self.temper.read_flag_keeps_key):
            item.change_key = key
        item.modified = self.now()
        if read_flag_alone:
            item.read_version = self.identifiers.written
        else:
            item.content_version = self.identifiers.written
        if item.master is not None:
            self.write(item.master)
        return item

    def touch(self, folder: Folder) -> Folder:
        """Give a folder a new change key."""
        folder.change_key = self.identifiers.key()
        folder.version = self.identifiers.written
        return folder

    def take_out(self, item: Item) -> None:
        """Take an item out of the store for good."""
        item.folder.items.pop(item.id, None)
        self.items.pop(item.id, None)
        for attachment in item.attachments:
            self.attachments.pop(attachment.id, None)
        for occurrence in item.occurrences:
            self.items.pop(occurrence.id, None)

    def move(self, item: Item, folder: Folder) -> Item:
        """Move an item, which gives it and what belongs to it new ids."""
        self.take_out(item)
        self.moved.add(item.id)
        item.id = self.identifiers.new("item")
        for attachment in item.attachments:
            attachment.id = self.identifiers.new("attachment")
        for occurrence in item.occurrences:
            occurrence.id = self.identifiers.new("item")
        return self.put(item, folder)

    def dispose(self, item: Item, how: str) -> None:
        """Delete an item as DeleteType says: HardDelete, SoftDelete or MoveToDeletedItems."""
        if item.master is not None:
            item.master.occurrences = [one for one in item.master.occurrences if one is not item]
            assert item.original_start is not None
            item.master.deleted_occurrences.append(item.original_start)
            self.items.pop(item.id)
            self.write(item.master)
            return
        places = item.folder.mailbox.distinguished
        names = _DESTINATIONS.get(how, ())
        to = next((places[name] for name in names if name in places), None)
        if to is None:
            self.take_out(item)
        else:
            self.move(item, to)

    def remove_folder(self, folder: Folder) -> None:
        """Take a folder out with all under it."""
        for child in list(folder.children.values()):
            self.remove_folder(child)
        for item in list(folder.items.values()):
            self.take_out(item)
        if folder.parent is not None:
            folder.parent.children.pop(folder.id, None)
        self.folders.pop(folder.id, None)


# a mailbox, or the archive beside it, whose distinguished folders have names of their own
_DESTINATIONS = {
    "SoftDelete": ("recoverableitemsdeletions", "archiverecoverableitemsdeletions"),
    "MoveToDeletedItems": ("deleteditems", "archivedeleteditems"),
}
