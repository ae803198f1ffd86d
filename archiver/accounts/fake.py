"""A mailbox in memory, and the account that reads it: for the tests of every verb, and for the demo.

`FakeMailbox` is the server, with verbs of its own to deliver, flag, expunge, rename, renumber and spoil;
`FakeAccount` is `ports.Account` on it and, like a real one, changes nothing there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesHeaderParser

from archiver.errors import ArchiverError, FolderRefused, RefusedForSafety
from archiver.model import (
    Appended,
    Change,
    Cursor,
    Done,
    Flags,
    Folder,
    Kind,
    Looked,
    Message,
    Missed,
    New,
    Outgoing,
    Ref,
    Reflagged,
    Refused,
    Remote,
    Removed,
    Unremoved,
    Vanished,
)
from archiver.plan.labels import label_flags, without_labels
from archiver.plan.special_uses import trash_of
from archiver.ports import Known

GONE = "no longer on the server"
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class FakeMessage:
    """A message as the server keeps it; `trouble` is why it cannot be had, if it cannot."""

    raw: bytes
    flags: Flags
    received: datetime
    size: int
    kind: Kind
    modseq: int
    trouble: str | None = None


@dataclass
class FakeFolder:
    """A folder as the server keeps it."""

    epoch: int
    separator: str | None = "/"
    special_use: str | None = None
    subscribed: bool = True
    kind: Kind = Kind.MAIL
    uidnext: int = 1
    modseq: int = 1
    messages: dict[int, FakeMessage] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)  # UID -> MODSEQ of its expunge


class FakeMailbox:
    """A mail server for one user. Times are aware, sizes bytes; keys are those that `Ref.key` carries.

    `has_modseq` says whether the server can tell what changed; without it an account lists all and compares.
    `has_labels` says whether messages can have labels, `forgets` are flags that are lost when a message is put in
    with them, `takes` the kinds of items that can be put in.
    """

    def __init__(self, *, has_modseq: bool = True, has_labels: bool = False) -> None:
        self.has_modseq = has_modseq
        self.has_labels = has_labels
        self.forgets: set[str] = set()
        self.takes: set[Kind] = {Kind.MAIL}
        self.calls: Counter[str] = Counter()
        self._faults: dict[tuple[str, int], ArchiverError] = {}
        self._epochs = 1000
        self._folders: dict[str, FakeFolder] = {}
        self.create("INBOX")

    def create(
        self,
        name: str,
        *,
        separator: str | None = "/",
        special_use: str | None = None,
        kind: Kind = Kind.MAIL,
    ) -> None:
        """Make a folder, with a UIDVALIDITY that no folder here has had."""
        self._epochs += 1
        self._folders[name] = FakeFolder(self._epochs, separator, special_use, kind=kind)

    def rename(self, old: str, new: str) -> None:
        """Give a folder another name; its messages, UIDs and UIDVALIDITY stay, as at most servers."""
        self._folders = {new if name == old else name: kept for name, kept in self._folders.items()}

    def delete(self, name: str) -> None:
        """Remove a folder and all in it."""
        del self._folders[name]

    def renumber(self, name: str) -> None:
        """Give a folder a new UIDVALIDITY and its messages new UIDs, from 1."""
        folder = self._folders[name]
        self._epochs += 1
        folder.epoch = self._epochs
        folder.messages = dict(enumerate(folder.messages.values(), 1))
        folder.uidnext = len(folder.messages) + 1
        folder.gone.clear()

    def folders(self) -> Mapping[str, FakeFolder]:
        """Show the folders, in the order of their making."""
        return self._folders

    # --- messages -------------------------------------------------------------------------------------

    def deliver(
        self,
        name: str,
        raw: bytes,
        *,
        flags: Iterable[str] = (),
        received: datetime | None = None,
        size: int | None = None,
        kind: Kind = Kind.MAIL,
    ) -> str:
        """Put a message into a folder and give its key. `size` is what the server shall claim."""
        folder = self._folders[name]
        uid = folder.uidnext
        folder.uidnext += 1
        folder.modseq += 1
        folder.messages[uid] = FakeMessage(
            raw, frozenset(flags), received or _EPOCH, len(raw) if size is None else size, kind, folder.modseq
        )
        return str(uid)

    def flag(self, name: str, key: str, flags: Iterable[str]) -> None:
        """Give a message exactly these flags."""
        folder = self._folders[name]
        folder.modseq += 1
        message = folder.messages[int(key)]
        message.flags = frozenset(flags)
        message.modseq = folder.modseq

    def expunge(self, name: str, *keys: str) -> None:
        """Remove messages for good."""
        folder = self._folders[name]
        folder.modseq += 1
        for key in keys:
            del folder.messages[int(key)]
            folder.gone[int(key)] = folder.modseq

    def move(self, name: str, key: str, to: str) -> str:
        """Move a message to another folder and give its key there."""
        message = self._folders[name].messages[int(key)]
        moved = self.deliver(
            to,
            message.raw,
            flags=message.flags,
            received=message.received,
            size=message.size,
            kind=message.kind,
        )
        self.expunge(name, key)
        return moved

    def spoil(self, name: str, key: str, reason: str) -> None:
        """Make a message one that cannot be fetched, for this reason, until it is healed."""
        self._folders[name].messages[int(key)].trouble = reason

    def heal(self, name: str, key: str) -> None:
        """Make a message one that can be fetched again."""
        self._folders[name].messages[int(key)].trouble = None

    # --- faults ---------------------------------------------------------------------------------------

    def fail(self, step: str, nth: int, error: ArchiverError) -> None:
        """Raise `error` at the nth time, from now and counting from 1, that an account comes to this step.

        Steps: `folders`, `changes`, `fetch`, `message_ids`, `make_folder` (the calls), `change` and `message`
        (each item that is told or given), `append` and `appended` (before and after a message is taken), `look`
        (the call), `remove` and `removed` (before and after a message is removed).
        """
        self._faults[step, self.calls[step] + nth] = error

    def step(self, name: str) -> None:
        """Count a step of an account and raise what was ordered for it."""
        self.calls[name] += 1
        error = self._faults.pop((name, self.calls[name]), None)
        if error is not None:
            raise error


class FakeAccount:
    """`ports.Account` on a `FakeMailbox`."""

    def __init__(self, mailbox: FakeMailbox) -> None:
        self._mailbox = mailbox

    def folders(self) -> Sequence[Folder]:
        """List the folders."""
        self._mailbox.step("folders")
        return [
            Folder(name, folder.separator, folder.special_use, folder.subscribed, folder.kind)
            for name, folder in self._mailbox.folders().items()
        ]

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """Tell what changed, as of now; what happens while it is told is for the next time."""
        self._mailbox.step("changes")
        for change in self._changes(folder.name, since, known):
            self._mailbox.step("change")
            yield change

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """Give the messages one by one."""
        self._mailbox.step("fetch")
        for remote in remotes:
            self._mailbox.step("message")
            message = self._find(remote.ref)
            if message is None:
                yield Missed(remote, GONE, gone=True)
            elif message.trouble is not None:
                yield Missed(remote, message.trouble)
            else:
                yield Message(remote, message.raw)

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """Read the Message-ID fields."""
        self._mailbox.step("message_ids")
        found = {}
        for remote in remotes:
            message = self._find(remote.ref)
            if message is not None:
                value = "".join(str(BytesHeaderParser().parsebytes(message.raw)["Message-ID"] or "").split())
                if value:
                    found[remote.ref.key] = value
        return found

    def home(self) -> str:
        """See `CanAppend.home`."""
        return ""

    def takes(self, kind: Kind) -> bool:
        """See `CanAppend.takes`."""
        return kind in self._mailbox.takes

    def make_folder(self, folder: Folder) -> Folder:
        """See `CanAppend.make_folder`."""
        self._mailbox.step("make_folder")
        if folder.name not in self._mailbox.folders():
            self._mailbox.create(folder.name, special_use=folder.special_use, kind=folder.kind)
            self._mailbox.folders()[folder.name].subscribed = folder.subscribed is not False
        return next(one for one in self.folders() if one.name == folder.name)

    def keeps_labels(self) -> bool:
        """See `CanAppend.keeps_labels`."""
        return self._mailbox.has_labels

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        """See `CanAppend.append`."""
        for message in messages:
            self._mailbox.step("append")
            epoch = str(self._folder(folder.name).epoch)
            flags = frozenset(flag for flag in message.flags if flag.lower() != "\\recent")
            flags = without_labels(flags - self._mailbox.forgets)
            key = self._mailbox.deliver(folder.name, message.raw, flags=flags, received=message.received)
            self._mailbox.step("appended")
            yield Appended(message.digest, Ref(folder.name, epoch, key))

    def keep_flags(self, folder: Folder, epoch: str, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        """See `CanAppend.keep_flags`."""
        self._mailbox.step("keep_flags")
        lost = {}
        for key, flags in wanted.items():
            message = self._find(Ref(folder.name, epoch, key))
            kept = (flags if self._mailbox.has_labels else without_labels(flags)) - {"\\Recent"}
            if message is not None and not kept <= message.flags:
                self._mailbox.flag(folder.name, key, message.flags | kept)
            if message is not None and (labels := label_flags(flags) - kept):
                lost[key] = labels
        return lost

    def trash(self) -> Folder | None:
        """See `CanDelete.trash`."""
        return trash_of(self.folders(), "")

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        """See `CanDelete.look`."""
        self._mailbox.step("look")
        kept = self._check(folder.name, epoch)
        found = {}
        for key in keys:
            if self._find(Ref(folder.name, epoch, key)) is not None:
                found[key] = _new(folder.name, kept, int(key)).remote
        return Looked(len(kept.messages), found)

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        """See `CanDelete.remove`."""
        if not keys:
            return
        self._check(folder.name, epoch)
        if to is not None and to.name == folder.name:
            raise RefusedForSafety(
                f'the messages are in the folder "{folder.name}" already', "remove them for good instead"
            )
        for key in dict.fromkeys(keys):
            self._mailbox.step("remove")
            moved = None
            if self._find(Ref(folder.name, epoch, key)) is None:
                pass  # somebody else was quicker
            elif to is None:
                self._mailbox.expunge(folder.name, key)
            else:
                if to.name not in self._mailbox.folders():
                    self._mailbox.create(to.name, special_use=to.special_use)
                target = str(self._folder(to.name).epoch)
                moved = Ref(to.name, target, self._mailbox.move(folder.name, key, to.name))
            self._mailbox.step("removed")
            yield Removed(key, moved)

    def close(self) -> None:
        """Do nothing: there is no session."""

    def _find(self, ref: Ref) -> FakeMessage | None:
        messages = self._check(ref.folder, ref.epoch).messages
        known = ref.key.isascii() and ref.key.isdecimal() and not ref.key.startswith("0")
        return messages.get(int(ref.key)) if known else None

    def _check(self, name: str, epoch: str) -> FakeFolder:
        folder = self._folder(name)
        if str(folder.epoch) != epoch:
            raise FolderRefused(
                f'the server renumbered the folder "{name}" during the run', "run again; nothing was lost"
            )
        return folder

    def _folder(self, name: str) -> FakeFolder:
        folder = self._mailbox.folders().get(name)
        if folder is None:
            raise FolderRefused(f'the server does not open the folder "{name}": "no such folder"')
        return folder

    def _changes(self, name: str, since: Cursor | None, known: Known) -> list[Change]:
        folder = self._folder(name)
        epoch = str(folder.epoch)
        found: list[Change]
        if since is None or since.epoch != epoch:
            found = [_new(name, folder, uid) for uid in folder.messages]
        elif self._mailbox.has_modseq and since.token:
            found = _since(name, folder, *(int(part) for part in since.token.split()))
        else:
            found = _compared(name, folder, known())
        modseq = folder.modseq if self._mailbox.has_modseq else 0
        return [*found, Done(Cursor(epoch, f"{folder.uidnext} {modseq}"), len(folder.messages))]


def _since(name: str, folder: FakeFolder, uidnext: int, modseq: int) -> list[Change]:
    epoch = str(folder.epoch)
    new: list[Change] = [_new(name, folder, uid) for uid in folder.messages if uid >= uidnext]
    reflagged = [
        Reflagged(Ref(name, epoch, str(uid)), message.flags)
        for uid, message in folder.messages.items()
        if uid < uidnext and message.modseq > modseq
    ]
    gone = [
        Vanished(Ref(name, epoch, str(uid)))
        for uid, at in folder.gone.items()
        if uid < uidnext and at > modseq
    ]
    return [*new, *reflagged, *gone]


def _compared(name: str, folder: FakeFolder, known: Mapping[str, Flags]) -> list[Change]:
    epoch = str(folder.epoch)
    new: list[Change] = [_new(name, folder, uid) for uid in folder.messages if str(uid) not in known]
    reflagged = [
        Reflagged(Ref(name, epoch, str(uid)), message.flags)
        for uid, message in folder.messages.items()
        if known.get(str(uid), message.flags) != message.flags
    ]
    gone = [Vanished(Ref(name, epoch, key)) for key in known if int(key) not in folder.messages]
    return [*new, *reflagged, *gone]


def _new(name: str, folder: FakeFolder, uid: int) -> New:
    message = folder.messages[uid]
    ref = Ref(name, str(folder.epoch), str(uid))
    return New(Remote(ref, message.size, message.flags, message.received, message.kind))
