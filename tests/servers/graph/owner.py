"""The owner of a mailbox of the double, as a test moves it: with the names and keys that archiver has."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from archiver.accounts.exchange import id_of
from archiver.accounts.graph import listing
from archiver.accounts.graph.account import GraphAccount
from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import GraphServer
from archiver.accounts.intents import Intents
from archiver.model import Folder as Named
from archiver.model import Kind, Secret
from archiver.plan.categories import categories_of
from tests.servers.graph import shapes
from tests.servers.graph.server import GraphDouble
from tests.servers.graph.state import Folder, Item

VERBS = {"\\Answered": "102", "$Forwarded": "104"}


class GraphOwner:
    """The owner. Folders are those of mail; `INBOX` is what Exchange calls Inbox."""

    def __init__(self, double: GraphDouble, *, export: bool = False) -> None:
        self.double = double
        self.mailbox = double.mailbox
        self.export = export
        self.url = double.url
        self.warnings: list[str] = []
        self.pauses: list[float] = []

    def account(self, notes: Path | None = None) -> GraphAccount:
        """Open an account; what it puts in is noted in a folder, if one is given."""
        where = GraphServer(url=self.url, timeout_s=20, export=self.export)
        intents = None if notes is None else Intents(lambda: notes, self.warnings.append)
        good = Secret("good")
        return GraphAccount(
            where, lambda: good, self.warnings.append, intents=intents, pause=self.pauses.append
        )

    def close(self) -> None:
        """Nothing is open."""

    def folder(self, name: str) -> Folder:
        """Find a folder by the name that archiver has for it."""
        parent = None
        found = None
        for part in name.split("/"):
            wanted = part.replace("%2F", "/")
            found = next(
                one
                for one in self.mailbox.below("mail", parent)
                if one.name == wanted or (wanted == "INBOX" and one.well_known == "inbox")
            )
            parent = found.id
        assert found is not None
        return found

    def item(self, key: str) -> Item:
        return self.mailbox.find(id_of(key) or "")

    def key(self, item: Item) -> str:
        """Tell the key that an item of mail has now."""
        native = Native(Named("x"), item.folder, "", "")
        told = shapes.item(item, immutable=True, query=listing.query(Kind.MAIL))
        return listing.remote_of(native, told).ref.key

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        item = self.mailbox.deliver(self.folder(folder), raw, received)
        self._set(item, frozenset(flags))
        return self.key(item)

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        item = self.item(key)
        self._set(item, frozenset(flags))
        self.mailbox.touch(item, "isRead", "flag", "categories", "lastModifiedDateTime")

    def _set(self, item: Item, flags: frozenset[str]) -> None:
        item.props["isRead"] = "\\Seen" in flags
        item.props["isDraft"] = "\\Draft" in flags
        item.props["flag"] = {"flagStatus": "flagged" if "\\Flagged" in flags else "notFlagged"}
        verb = next((VERBS[one] for one in VERBS if one in flags), None)
        item.extended.pop("Integer 0x1081", None)
        if verb:
            item.extended["Integer 0x1081"] = verb
        item.props["categories"] = categories_of(flags)

    def expunge(self, folder: str, *keys: str) -> None:
        for key in keys:
            self.mailbox.remove(self.item(key))

    def create(self, folder: str) -> None:
        parent = None
        for part in folder.split("/"):
            wanted = part.replace("%2F", "/")
            found = [one for one in self.mailbox.below("mail", parent) if one.name == wanted]
            parent = (found[0] if found else self.mailbox.create("mail", wanted, parent)).id

    def rename(self, old: str, new: str) -> None:
        self.folder(old).name = new

    def delete(self, folder: str) -> None:
        self.mailbox.drop_folder(self.folder(folder))

    def renumber(self, folder: str) -> None:
        """Have the folder made anew, with the same items under new ids: as a mailbox is that was restored."""
        old = self.folder(folder)
        inside = self.mailbox.inside(old.id)
        self.mailbox.folders.pop(old.id)
        made = self.mailbox.create("mail", old.name, old.parent, well_known=old.well_known)
        for item in inside:
            del self.mailbox.items[item.id]
            item.id, item.folder = self.mailbox.new_id("I"), made.id
            self.mailbox.items[item.id] = item
            self.mailbox.touch(item)
            item.arrived = item.changed
