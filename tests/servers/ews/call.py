"""One request while it is answered: who asks, and the items and folders that it names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from tests.servers.ews import soap
from tests.servers.ews.identifiers import is_id
from tests.servers.ews.markup import find, local, text
from tests.servers.ews.recurrence import numbered
from tests.servers.ews.refusals import Bare, Refused
from tests.servers.ews.state import Folder, Item, Mailbox, Site

# what a server of another maker answers a whole request with
_FAILURES = {
    "ErrorInternalServerError": Bare("internal failure"),
    "ErrorInvalidSyncStateData": Bare("Cannot read SyncState", "SOAP:Client", 200),
    "ErrorSchemaValidation": Bare("Cannot read the value of a property", "SOAP:Client", 200),
}
_WRITES = ("Create", "Update", "Delete", "Move", "Empty", "Upload")


@dataclass
class Call:
    """A request of `user`, the address of a mailbox's owner."""

    site: Site
    operation: str
    body: Element
    user: str
    planned: "Callable[[Element], str | None]" = lambda element: None
    """Gives the ResponseCode with which a part of the request is to fail, on the test's order."""

    def each(
        self,
        parts: Iterable[Element],
        do: Callable[[Element], list[Element]],
        empty: Callable[[], list[Element]] = list,
    ) -> list[Element]:
        """Answer the parts of a batch one by one, each with a message of its own, in order."""
        messages = []
        for part in parts:
            try:
                messages.append(soap.success(self.operation, *self._one(part, do)))
            except Refused as refused:
                messages.append(soap.failure(self.operation, refused, *empty()))
        return messages

    def _one(self, part: Element, do: Callable[[Element], list[Element]]) -> list[Element]:
        code = self.planned(part)
        try:
            if code is not None:
                raise Refused(code)  # noqa: TRY301
            return do(part)
        except Refused as refused:
            if self.site.temper.faults_bare and refused.code in _FAILURES:
                raise _FAILURES[refused.code] from None
            raise

    def check(self, mailbox: Mailbox) -> None:
        """Refuse a mailbox that the user may not open, or that cannot be had now."""
        if mailbox.unavailable is not None:
            raise Refused(mailbox.unavailable)
        if mailbox.address and self.user != mailbox.address and self.user not in mailbox.readers:
            raise Refused("ErrorItemNotFound" if "Item" in self.operation else "ErrorFolderNotFound")

    def folder(self, element: Element) -> Folder:
        """Find the folder that a t:FolderId or t:DistinguishedFolderId names."""
        if local(element) == "DistinguishedFolderId":
            found = self._distinguished(element)
        else:
            named = self.site.folders.get(element.get("Id") or "")
            if named is None:
                raise Refused(
                    "ErrorFolderNotFound" if is_id(element.get("Id")) else "ErrorInvalidIdMalformed"
                )
            self.check(named.mailbox)
            found = named
        self._permit(found, is_target=True)
        return found

    def _permit(self, folder: Folder, is_target: bool = False) -> None:
        writes = self.operation.startswith(_WRITES) or (is_target and self.operation == "CopyItem")
        if folder.denied or (folder.read_only and writes):
            raise Refused("ErrorAccessDenied")

    def _distinguished(self, element: Element) -> Folder:
        name, inside = element.get("Id") or "", find(element, "Mailbox")
        address = (text(inside, "EmailAddress") or self.user).casefold()
        if name == "publicfoldersroot":
            address = ""
        mailbox = self.site.mailboxes.get(address)
        if mailbox is None:
            raise Refused("ErrorFolderNotFound" if not address else "ErrorNonExistentMailbox")
        self.check(mailbox)
        found = mailbox.distinguished.get(name)
        if found is None:
            raise Refused("ErrorFolderNotFound")
        return found

    def item(self, element: Element) -> Item:
        """Find the item that an id names: its own, an occurrence's by number, or a series' by one of its occurrences.

        It is refused if it was told to answer with an error.
        """
        found = self._named(element)
        self.check(found.folder.mailbox)
        code = found.errors.get(self.operation) or found.errors.get("*")
        if code is not None:
            raise Refused(code)
        self._permit(found.folder)
        return found

    def _named(self, element: Element) -> Item:
        kind = local(element)
        name = {"OccurrenceItemId": "RecurringMasterId", "RecurringMasterItemId": "OccurrenceId"}.get(
            kind, "Id"
        )
        found = self.site.items.get(element.get(name) or "")
        if found is None and element.get(name) in self.site.moved:
            raise Refused(self.site.temper.moved)
        if found is None:
            raise Refused("ErrorItemNotFound" if is_id(element.get(name)) else "ErrorInvalidIdMalformed")
        if kind == "OccurrenceItemId":
            return numbered(self.site, found, int(element.get("InstanceIndex") or 0))
        if kind == "RecurringMasterItemId":
            if found.master is None:
                raise Refused("ErrorCalendarCannotUseIdForRecurringMasterId")
            return found.master
        return found

    def target(self, name: str) -> Folder:
        """Find the folder that an element of the request holds, such as m:ToFolderId."""
        holder = find(self.body, name)
        assert holder is not None
        return self.folder(holder[0])
