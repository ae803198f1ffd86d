"""The folders of a mailbox: mail, calendars, address books and task lists, each a tree or a list of its own in Graph.

https://learn.microsoft.com/graph/api/resources/mailfolder, .../calendar, .../contactfolder, .../todotasklist
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from archiver.accounts.exchange import epoch_of
from archiver.accounts.graph.web import Json, Refusal, Web, segment
from archiver.errors import Forbidden
from archiver.formats.folder_name import component
from archiver.model import Folder, Kind
from archiver.plan.special_uses import INBOX

USES = {
    "inbox": None,
    "sentitems": "\\Sent",
    "deleteditems": "\\Trash",
    "drafts": "\\Drafts",
    "junkemail": "\\Junk",
    "archive": "\\Archive",
}
"""Names that Graph knows mail folders by in any language, and the special use (RFC 6154) of each."""

CALENDAR, CONTACTS, TASKS = "Calendar", "Contacts", "Tasks"
"""What the first folder of each kind is called here, whatever its language; the others lie below it."""

KIND_OF = {CALENDAR: Kind.EVENT, CONTACTS: Kind.CONTACT, TASKS: Kind.TASK}
_TOP = "250"


class Native(Struct, frozen=True):
    """A folder as Graph has it. `path` is where it is found, `items` its items below it, `item` one of them by id."""

    folder: Folder
    id: str
    path: str
    items: str

    @property
    def epoch(self) -> str:
        """The epoch of its items' keys."""
        return epoch_of(self.id)


def listed(web: Web, warn: Callable[[str], None]) -> list[Native]:
    """List all folders, each once. What may not be read beside mail is told and left out."""
    try:
        found = list(_mail(web))
    except Refusal as error:
        raise Forbidden(
            f"the mailbox cannot be opened: {error.text}",
            "check the address of the mailbox, and that it lies in Exchange Online",
        ) from error
    for what, listing in (("calendars", _calendars), ("contacts", _contacts), ("tasks", _tasks)):
        try:
            found += list(listing(web))
        except (Forbidden, Refusal) as error:
            warn(f"{what} are left out: {error.text}" + (f"; {error.hint}" if error.hint else ""))
    named: dict[str, Native] = {}
    for one in found:
        name = one.folder.name
        if name in named:  # a folder of another kind is called so already
            name = f"{name} ({one.folder.kind.value})"
        named.setdefault(name, Native(_renamed(one.folder, name), one.id, one.path, one.items))
    return list(named.values())


def _renamed(folder: Folder, name: str) -> Folder:
    return Folder(name, folder.separator, folder.special_use, folder.subscribed, folder.kind)


# --- mail ----------------------------------------------------------------------------------------------


def _mail(web: Web) -> Iterator[Native]:
    known: dict[str, str] = {}
    for well_known in USES:
        try:
            known[str(web.get(f"{web.me}/mailFolders/{well_known}", **{"$select": "id"})["id"])] = well_known
        except Refusal as error:
            if not error.is_gone:
                raise
    yield from _branch(web, f"{web.me}/mailFolders", "", known)


def _branch(web: Web, path: str, above: str, known: dict[str, str]) -> Iterator[Native]:
    for told in web.all(path, **{"$top": _TOP}):
        if "mailSearchFolder" in str(told.get("@odata.type", "")):
            continue
        folder_id, well_known = str(told["id"]), known.get(str(told["id"]))
        name = (
            INBOX if well_known == "inbox" else above + component(str(told.get("displayName") or folder_id))
        )
        if name.upper() == INBOX and well_known != "inbox":
            name += " (mail)"
        where = f"{web.me}/mailFolders/{segment(folder_id)}"
        use = USES.get(well_known) if well_known else None
        yield Native(Folder(name, "/", use), folder_id, where, f"{where}/messages")
        if told.get("childFolderCount", 1):
            yield from _branch(web, f"{where}/childFolders", f"{name}/", known)


# --- the other kinds -----------------------------------------------------------------------------------


def _calendars(web: Web) -> Iterator[Native]:
    """Those of the mailbox itself; what others share is theirs to archive."""
    all_of_them = list(web.all(f"{web.me}/calendars", **{"$top": _TOP}))
    owner = next((_owner(one) for one in all_of_them if one.get("isDefaultCalendar")), None)
    for told in all_of_them:
        if owner and _owner(told) not in (None, owner):
            continue
        name = CALENDAR if told.get("isDefaultCalendar") else f"{CALENDAR}/{component(str(told.get('name')))}"
        where = f"{web.me}/calendars/{segment(told['id'])}"
        use = "\\Calendar" if name == CALENDAR else None
        yield Native(Folder(name, "/", use, kind=Kind.EVENT), str(told["id"]), where, f"{where}/events")


def _owner(told: Json) -> str | None:
    address = (told.get("owner") or {}).get("address")
    return str(address).lower() if address else None


def _contacts(web: Web) -> Iterator[Native]:
    first = web.get(f"{web.me}/contactFolders/contacts")
    where = f"{web.me}/contactFolders/{segment(first['id'])}"
    folder = Folder(CONTACTS, "/", "\\Contacts", kind=Kind.CONTACT)
    yield Native(folder, str(first["id"]), where, f"{where}/contacts")
    yield from _books(web, f"{web.me}/contactFolders", f"{CONTACTS}/", {str(first["id"])})


def _books(web: Web, path: str, above: str, seen: set[str]) -> Iterator[Native]:
    for told in web.all(path, **{"$top": _TOP}):
        if str(told["id"]) in seen:
            continue
        seen.add(str(told["id"]))
        name = above + component(str(told.get("displayName") or told["id"]))
        where = f"{web.me}/contactFolders/{segment(told['id'])}"
        yield Native(Folder(name, "/", kind=Kind.CONTACT), str(told["id"]), where, f"{where}/contacts")
        yield from _books(web, f"{where}/childFolders", f"{name}/", seen)


def _tasks(web: Web) -> Iterator[Native]:
    for told in web.all(f"{web.me}/todo/lists"):
        use = told.get("wellknownListName")
        if (
            use == "flaggedEmails" or told.get("isOwner") is False
        ):  # mail that is archived as mail; another's list
            continue
        first = use == "defaultList"
        name = TASKS if first else f"{TASKS}/{component(str(told.get('displayName')))}"
        where = f"{web.me}/todo/lists/{segment(told['id'])}"
        special = "\\Tasks" if first else None
        yield Native(Folder(name, "/", special, kind=Kind.TASK), str(told["id"]), where, f"{where}/tasks")
