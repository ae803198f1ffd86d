"""A mailbox as Exchange Online keeps it: folders, items, what changed when; ids of both sorts."""

import base64
import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.servers.graph import text

Json = dict[str, Any]

WELL_KNOWN = {
    "inbox": "Inbox",
    "sentitems": "Sent Items",
    "deleteditems": "Deleted Items",
    "drafts": "Drafts",
    "junkemail": "Junk Email",
    "archive": "Archive",
}


@dataclass
class Folder:
    """A folder of any kind: `mail`, `event`, `contact` or `task`."""

    id: str
    kind: str
    name: str
    parent: str | None = None
    well_known: str = ""
    hidden: bool = False
    search: bool = False
    owner: str = "ann@example.org"


@dataclass
class Item:
    """An item. `rest` is the id that changes on a move; `touched` tells which properties changed, and when."""

    id: str
    rest: str
    folder: str
    kind: str
    props: Json
    created: datetime
    modified: datetime
    raw: bytes = b""
    extended: dict[str, str] = field(default_factory=dict)
    attachments: list[Json] = field(default_factory=list)
    photo: bytes | None = None
    version: int = 1
    arrived: int = 0
    changed: int = 0
    touched: dict[str, int] = field(default_factory=dict)

    @property
    def change_key(self) -> str:
        """The change key: another one after every change."""
        return base64.b64encode(hashlib.sha256(f"{self.id}{self.version}".encode()).digest()[:15]).decode()


class Refused(Exception):
    """What the server refuses, as it says it."""

    def __init__(self, status: int, word: str, said: str = "", **headers: str) -> None:
        super().__init__(word)
        self.status, self.word, self.said, self.headers = status, word, said, headers


class Mailbox:
    """The mailbox. Its clock moves on by a minute with every change."""

    def __init__(self, names: dict[str, str] | None = None) -> None:
        self.folders: dict[str, Folder] = {}
        self.items: dict[str, Item] = {}
        self.removed: list[tuple[int, str, str, str]] = []  # when, folder, id, changeable id
        self.moment = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
        self.generation = 0
        self._numbers = itertools.count(1)
        for well_known, name in WELL_KNOWN.items():
            self.create("mail", (names or {}).get(well_known, name), well_known=well_known)
        self.create("event", "Calendar", well_known="calendar")
        self.create("contact", "Contacts", well_known="contacts")
        self.create("task", "Tasks", well_known="defaultList")

    def new_id(self, what: str) -> str:
        """Make an id: ids of two items may differ in case alone."""
        number = next(self._numbers)
        mixed = "".join(c.upper() if number >> at & 1 else c for at, c in enumerate("aakalgaaqxyz"))
        return f"AAMk{mixed}-{what}_{number:06d}="

    def tick(self) -> int:
        """Move on, and give the number of this moment."""
        self.moment += timedelta(minutes=1)
        self.generation += 1
        return self.generation

    # --- folders ------------------------------------------------------------------------------------

    def create(self, kind: str, name: str, parent: str | None = None, **more: Any) -> Folder:
        made = Folder(self.new_id("F"), kind, name, parent, **more)
        self.folders[made.id] = made
        self.tick()
        return made

    def below(self, kind: str, parent: str | None) -> list[Folder]:
        return [one for one in self.folders.values() if one.kind == kind and one.parent == parent]

    def folder(self, told: str, kind: str) -> Folder:
        """Find a folder by its id, or by a name that is known well."""
        for one in self.folders.values():
            if one.kind == kind and (
                one.id == told or (one.well_known and one.well_known.lower() == told.lower())
            ):
                return one
        raise Refused(404, "ErrorItemNotFound", "The specified object was not found in the store.")

    def inside(self, folder: str) -> list[Item]:
        return sorted(
            (one for one in self.items.values() if one.folder == folder), key=lambda one: one.changed
        )

    def drop_folder(self, folder: Folder) -> None:
        if folder.well_known:
            raise Refused(400, "ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted.")
        for item in self.inside(folder.id):
            self.remove(item)
        for one in [each for each in self.folders.values() if each.parent == folder.id]:
            self.drop_folder(one)
        del self.folders[folder.id]

    # --- items --------------------------------------------------------------------------------------

    def find(self, told: str, kind: str | None = None) -> Item:
        """Find an item by either sort of id, case and all."""
        found = self.items.get(told) or next((one for one in self.items.values() if one.rest == told), None)
        if found is not None and kind in (None, found.kind):
            return found
        raise Refused(404, "ErrorItemNotFound", "The specified object was not found in the store.")

    def add(self, folder: Folder, props: Json, raw: bytes = b"", **more: Any) -> Item:
        now = self.tick()
        made = Item(
            self.new_id("I"),
            self.new_id("R"),
            folder.id,
            folder.kind,
            props,
            self.moment,
            self.moment,
            raw,
            **more,
        )
        made.arrived = made.changed = now
        self.items[made.id] = made
        return made

    def deliver(self, folder: Folder, raw: bytes, received: datetime | None = None) -> Item:
        """Put in a mail, as transport does."""
        props = text.properties(raw)
        props["receivedDateTime"] = text.stamp(received or self.moment)
        props["sentDateTime"] = props.get("sentDateTime") or props["receivedDateTime"]
        return self.add(folder, props, raw)

    def touch(self, item: Item, *names: str) -> None:
        """Note that properties changed; `content` stands for anything that makes it another item to read."""
        item.changed = self.tick()
        item.version += 1
        item.modified = self.moment
        for name in names:
            item.touched[name] = item.changed

    def change(self, item: Item, props: Json) -> None:
        """Change properties."""
        item.props.update(props)
        small = {"isRead", "flag", "categories", "singleValueExtendedProperties"}
        self.touch(item, *(props if item.kind == "mail" and props.keys() <= small else ["content"]))

    def remove(self, item: Item) -> None:
        del self.items[item.id]
        self.removed.append((self.tick(), item.folder, item.id, item.rest))

    def move(self, item: Item, folder: Folder) -> None:
        self.removed.append((self.tick(), item.folder, item.id, item.rest))
        item.folder, item.rest = folder.id, self.new_id("R")
        self.touch(item)
        item.arrived = item.changed

    # --- the export stream --------------------------------------------------------------------------

    def blob(self, item: Item) -> bytes:
        """Make the opaque stream of an item: signed, so that a changed byte is refused."""
        told = {
            "kind": item.kind,
            "props": item.props,
            "raw": base64.b64encode(item.raw).decode(),
            "extended": item.extended,
            "attachments": item.attachments,
            "photo": base64.b64encode(item.photo).decode() if item.photo else None,
        }
        body = json.dumps(told, sort_keys=True).encode()
        return b"FTS1" + hashlib.sha256(body).digest() + body

    def from_blob(self, data: bytes, folder: Folder) -> Item:
        body = data[36:]
        if data[:4] != b"FTS1" or hashlib.sha256(body).digest() != data[4:36]:
            raise Refused(400, "ErrorCorruptData", "The data stream is not valid.")
        told = json.loads(body)
        if told["kind"] != folder.kind:
            raise Refused(400, "ErrorInvalidFolderTypeForOperation")
        made = self.add(folder, told["props"], base64.b64decode(told["raw"]))
        made.extended, made.attachments = told["extended"], told["attachments"]
        made.photo = base64.b64decode(told["photo"]) if told["photo"] else None
        return made


def property_id(told: str) -> str:
    """Write the id of an extended property as the server answers with it: `Integer 0x0E08` is `Integer 0xe08`."""
    found = re.fullmatch(r"(\w+) 0x([0-9a-fA-F]+)", told)
    return f"{found[1]} {int(found[2], 16):#x}" if found else told
