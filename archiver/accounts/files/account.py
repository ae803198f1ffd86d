"""The account on mail in files: it finds the folders below a path, lists them, and reads their messages."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from archiver.accounts.files.discover import discover
from archiver.accounts.files.disk import Changed, Unreadable
from archiver.accounts.files.source import EPOCH, Item, Source
from archiver.errors import FolderRefused, Unreachable
from archiver.formats.mbox_dialects import Dialect
from archiver.formats.message_id import message_id
from archiver.model import (
    Change,
    Cursor,
    Done,
    Folder,
    Message,
    Missed,
    New,
    Ref,
    Reflagged,
    Remote,
    Vanished,
)
from archiver.ports import Known

GONE = "no longer on the server"
_TRIES = 3  # to list or read what other programs change meanwhile


class _Listing(Struct, frozen=True):
    """A folder as it was listed: its source, the state it was in, its messages by key."""

    source: Source
    state: str
    items: Mapping[str, Item]


class FilesAccount:
    """`ports.Account` on a file or a folder of this machine. Nothing there is changed.

    `warn` is told of what was passed over, `dialect` is how mbox files are read where the user says so.
    """

    def __init__(self, path: Path, warn: Callable[[str], None], dialect: Dialect | None = None) -> None:
        self._path = path
        self._warn = warn
        self._dialect = dialect
        self._sources: Mapping[str, Source] | None = None
        self._listing: tuple[str, _Listing] | None = None
        self._warned: set[str] = set()

    def folders(self) -> Sequence[Folder]:
        """See `Account.folders`. Raises `Unreachable` where there is nothing at all: a disk that is not mounted."""
        try:
            found = discover(self._path, self._dialect)
        except OSError as error:
            why = (error.strerror or "").lower()
            raise Unreachable(f'"{self._path}" cannot be read: {why}', "check its rights") from error
        for note in found.notes:
            if note not in self._warned:
                self._warned.add(note)
                self._warn(note)
        if not found.sources:
            raise Unreachable(
                f'there is no mail in "{self._path}"', "is its disk mounted, and the path right?"
            )
        self._sources = found.sources
        return [Folder(name, "/") for name in found.sources]

    def forms(self) -> Mapping[str, str]:
        """Tell what each folder was taken as: folder -> form; exact for those that were listed."""
        return {name: source.form for name, source in (self._sources or {}).items()}

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """See `Account.changes`. What looks as it did is not read again."""
        source = self._source(folder.name)
        state = source.state()
        same = since is not None and since.epoch == EPOCH
        count, _, before = since.token.partition(" ") if since is not None and same else ("", "", "")
        if since is not None and before == state:
            yield Done(since, int(count))
            return
        listing = self._list(folder.name)
        flags = known() if same else {}
        for item in listing.items.values():
            ref = Ref(folder.name, EPOCH, item.key)
            if item.key not in flags:
                yield New(Remote(ref, item.size, item.flags, item.received, item.kind))
            elif flags[item.key] != item.flags:
                yield Reflagged(ref, item.flags)
        for key in flags:
            if key not in listing.items:
                yield Vanished(Ref(folder.name, EPOCH, key))
        yield Done(Cursor(EPOCH, f"{len(listing.items)} {listing.state}"), len(listing.items))

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """See `Account.fetch`."""
        for remote in remotes:
            found = self._read(remote)
            yield found if isinstance(found, Missed) else Message(remote, found)

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """See `Account.message_ids`."""
        found = {}
        for remote in remotes:
            raw = self._read(remote)
            value = None if isinstance(raw, Missed) else message_id(raw)
            if value:
                found[remote.ref.key] = value
        return found

    def close(self) -> None:
        """Forget what was listed."""
        self._listing = None

    def _source(self, name: str) -> Source:
        if self._sources is None:
            self.folders()
        found = (self._sources or {}).get(name)
        if found is None:
            raise FolderRefused(f'there is no folder "{name}" in "{self._path}"', "is it still there?")
        return found

    def _list(self, name: str, *, anew: bool = True) -> _Listing:
        """List a folder while it does not change. Raises `FolderRefused`."""
        if not anew and self._listing is not None and self._listing[0] == name:
            return self._listing[1]
        source = self._source(name)
        for attempt in range(_TRIES):
            state = source.state()
            items = {item.key: item for item in source.items()}
            last = attempt == _TRIES - 1
            if source.state() == state or (source.whole and last):  # what came since is for the next run
                listing = _Listing(source, state, items)
                self._listing = (name, listing)
                return listing
        raise _restless(name)

    def _read(self, remote: Remote) -> bytes | Missed:
        """Read a message; where its folder changed since it was listed, find it again."""
        name = remote.ref.folder
        for attempt in range(_TRIES):
            listing = self._list(name, anew=attempt > 0)
            item = listing.items.get(remote.ref.key)
            if item is None or remote.ref.epoch != EPOCH:
                if attempt == 0 and listing.source.state() != listing.state:
                    continue
                return Missed(remote, GONE, gone=True)
            if item.trouble is not None:
                return Missed(remote, item.trouble)
            try:
                return listing.source.read(item)
            except Unreadable as error:
                return Missed(remote, str(error))
            except Changed:
                continue
        raise _restless(name)


def _restless(name: str) -> FolderRefused:
    return FolderRefused(
        f'folder "{name}" changes while it is read', "run again when no other program writes to it"
    )
