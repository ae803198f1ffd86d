"""A mailbox of the double as the contracts move it: by archiver's names of folders, flags and keys."""

from collections.abc import Container, Iterable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from xml.etree.ElementTree import Element

from archiver.accounts.ews.account import EwsAccount, Wanted
from archiver.accounts.ews.keys import DRAFT, FLAGGED, SEEN, key_of
from archiver.accounts.ews.transport import Endpoint
from archiver.accounts.exchange import id_of
from archiver.accounts.intents import Intents
from archiver.model import Secret
from archiver.plan.categories import FORWARDED, categories_of
from tests.servers.ews.builder import Owner, Place
from tests.servers.ews.markup import t, text
from tests.servers.ews.server import EwsDouble
from tests.servers.ews.state import Item

VERB = "tag 0x1081"


class EwsMailbox:
    """One mailbox, by its owner. `url` is where archiver finds it; the double's own unless another is given."""

    def __init__(
        self, double: EwsDouble, address: str, url: str | None = None, *, export: bool = True
    ) -> None:
        self.double = double
        self.address = address
        self.owner: Owner = double.add_mailbox(address)
        self.url = url or double.url
        self.export = export
        self.waits: list[float] = []
        self.warnings: list[str] = []

    def account(self, notes: Path | None = None) -> EwsAccount:
        """Open a new account on it; what it puts in is noted in a folder, if one is given."""
        where = Endpoint(self.url, self.address, sign_in="basic", timeout_s=20)
        wanted = Wanted(export=self.export)
        intents = None if notes is None else Intents(lambda: notes, self.warnings.append)
        secret = Secret("secret")
        return EwsAccount(
            where,
            lambda: secret,
            self.warnings.append,
            wanted,
            intents=intents,
            pause=self.waits.append,
        )

    def place(self, folder: str) -> Place:
        """Find a folder, or make it."""
        names = {"INBOX": "inbox", "Trash": "deleteditems", "Deleted Items": "deleteditems"}
        return self.owner.folder(names.get(folder, folder))

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        """Put a message in and give its key."""
        with self.double.lock:
            given = frozenset(flags)
            item = self.place(folder).deliver(raw, draft=DRAFT in given, received=received)
            if given:
                self._set(item, given)
            return key(item, self.owner.site.temper.absent)

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        """Give a message exactly these flags; a draft is one for ever."""
        with self.double.lock:
            self._set(self.item(key), frozenset(flags))

    def _set(self, item: Item, flags: frozenset[str]) -> None:
        before = (
            item.is_read,
            item.fields.get("Categories"),
            item.fields.get("Flag"),
            item.properties.get(VERB),
        )
        item.is_read = SEEN in flags
        item.fields.pop("Categories", None)
        if categories := categories_of(flags):
            item.fields["Categories"] = t("Categories", *(t("String", one) for one in categories))
        item.properties.pop("tag 0x1090", None)
        if FLAGGED in flags:
            item.properties["tag 0x1090"] = _property("0x1090", "2")
        item.properties.pop(VERB, None)
        verb = "104" if FORWARDED in flags else "102" if "\\Answered" in flags else None
        if verb is not None:
            item.properties[VERB] = _property("0x1081", verb)
        after = (
            item.is_read,
            item.fields.get("Categories"),
            item.fields.get("Flag"),
            item.properties.get(VERB),
        )
        alone = before[0] != after[0] and before[1:] == after[1:] == (None, None, None)
        self.owner.site.write(item, read_flag_alone=alone)

    def item(self, key: str) -> Item:
        """Find an item by its key."""
        return self.owner.site.items[id_of(key) or ""]

    def expunge(self, folder: str, *keys: str) -> None:
        """Remove messages."""
        with self.double.lock:
            for one in keys:
                self.owner.delete(self.item(one))

    def create(self, folder: str) -> None:
        """Make a folder."""
        with self.double.lock:
            self.place(folder)

    def rename(self, old: str, new: str) -> None:
        """Rename a folder."""
        with self.double.lock:
            self.owner.rename(self.place(old), new)

    def delete(self, folder: str) -> None:
        """Remove a folder."""
        with self.double.lock:
            self.owner.remove(self.place(folder))

    def renumber(self, folder: str) -> None:
        """Put another folder in the place of one, with the same items."""
        with self.double.lock:
            site, found = self.owner.site, self.place(folder).folder
            for holder in (site.folders, found.parent.children if found.parent else {}):
                holder.pop(found.id, None)
            found.id = site.identifiers.new("folder")
            site.folders[found.id] = found
            if found.parent is not None:
                found.parent.children[found.id] = found


def _property(tag: str, value: str) -> Element:
    return t(
        "ExtendedProperty", t("ExtendedFieldURI", PropertyTag=tag, PropertyType="Integer"), t("Value", value)
    )


def key(item: Item, absent: Container[str] = ()) -> str:
    """Give the key that archiver gives to an item, of which the server never gives the `absent` fields."""
    shown = SimpleNamespace(
        id=item.id,
        changekey=item.change_key,
        item_class=item.item_class,
        subject=text(item.fields.get("Subject")),
        datetime_sent=None if "DateTimeSent" in absent else item.sent,
        datetime_received=item.received,
        size=item.size,
        has_attachments=bool(item.attachments),
        message_id=text(item.fields.get("InternetMessageId")),
        is_draft=item.is_draft,
    )
    return key_of(shown)
