"""EwsAccount keeps its contracts on a real server, in a tree of folders of its own, which is removed afterwards.

`ARCHIVER_TEST_EWS_URL`, `ARCHIVER_TEST_EWS_USER` (a mail address) and `ARCHIVER_TEST_EWS_PASSWORD` name it. Of its
folder of deleted items, which the mailbox's owner uses as well, only what these tests brought there is seen, and it is
removed afterwards.
"""

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from functools import partial
from itertools import count
from typing import Any

import pytest
from exchangelib.folders import Folder as ServerFolder
from exchangelib.items import ALWAYS_OVERWRITE, SAVE_ONLY, SEND_TO_NONE
from exchangelib.properties import FolderId
from exchangelib.services import DeleteFolder, UpdateFolder
from msgspec.structs import replace

from archiver.accounts.ews.account import EwsAccount, Wanted
from archiver.accounts.ews.folders import Node
from archiver.accounts.ews.properties import LISTED, paths
from archiver.accounts.ews.transport import Endpoint
from archiver.accounts.ews.wire import GetItem, MoveItem, UpdateItem, handles
from archiver.accounts.exchange import REPLIED_TO_SENDER, id_of
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
    Refused,
    Remote,
    Removed,
    Secret,
    Unremoved,
)
from archiver.plan.categories import FORWARDED, categories_of
from archiver.ports import Known
from tests.contract.account import AccountContract, mail
from tests.contract.append import CanAppendContract
from tests.contract.delete import CanDeleteContract, removed, there
from tests.contract.exchange import gist

URL = os.environ.get("ARCHIVER_TEST_EWS_URL", "")
USER = os.environ.get("ARCHIVER_TEST_EWS_USER", "")
PASSWORD = os.environ.get("ARCHIVER_TEST_EWS_PASSWORD", "")

pytestmark = pytest.mark.skipif(not URL, reason="ARCHIVER_TEST_EWS_URL names no server")


class Trash:
    """The mailbox's folder of deleted items, as if only what these tests brought there were in it."""

    def __init__(self, owner: EwsAccount) -> None:
        self._owner = owner
        self.message_ids: set[str] = set()
        """Of what these tests put into the mailbox."""
        found = owner.trash()
        assert found is not None
        self.folder = found
        self._others: dict[str, Flags] = {}
        for one in owner.changes(found, None, dict):
            if isinstance(one, New):
                self._others[one.remote.ref.key] = one.remote.flags
            elif isinstance(one, Done):
                self._before = one.cursor

    def changes(self, account: EwsAccount) -> Iterator[New | Done]:
        """Tell of all that these tests brought there, as if for the first time."""
        told = list(account.changes(self.folder, self._before, lambda: self._others))
        came = [one.remote for one in told if isinstance(one, New)]
        message_ids = account.message_ids(came)
        own = [one for one in came if message_ids.get(one.ref.key) in self.message_ids]
        yield from map(New, own)
        yield from (replace(one, exists=len(own)) for one in told if isinstance(one, Done))

    def empty(self) -> None:
        """Remove what these tests brought there."""
        own = [one.remote.ref for one in self.changes(self._owner) if isinstance(one, New)]
        if own:
            list(self._owner.remove(self.folder, own[0].epoch, [ref.key for ref in own], None))


class Below:
    """An account as if its folders below one, and a part of its trash, were all that it has."""

    def __init__(self, inner: EwsAccount, home: str, trash: Trash) -> None:
        self.inner = inner
        self._home = home + "/"
        self._trash = trash

    def _in(self, folder: Folder) -> Folder:
        return replace(folder, name=self._name(folder.name))

    def _name(self, name: str) -> str:
        return name if name == self._trash.folder.name else self._home + name

    def _remote(self, remote: Remote, *, out: bool) -> Remote:
        name = remote.ref.folder
        name = name.removeprefix(self._home) if out else self._name(name)
        return replace(remote, ref=replace(remote.ref, folder=name))

    def folders(self) -> Sequence[Folder]:
        return [
            replace(one, name=one.name.removeprefix(self._home))
            for one in self.inner.folders()
            if one.name.startswith(self._home) or one.name == self._trash.folder.name
        ]

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        if folder.name == self._trash.folder.name:
            assert since is None
            yield from self._trash.changes(self.inner)
            return
        for one in self.inner.changes(self._in(folder), since, known):
            if isinstance(one, Done):
                yield one
            elif isinstance(one, New):
                yield New(self._remote(one.remote, out=True))
            else:
                yield replace(one, ref=replace(one.ref, folder=folder.name))

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        for one in self.inner.fetch([self._remote(remote, out=False) for remote in remotes]):
            yield replace(one, remote=self._remote(one.remote, out=True))

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        return self.inner.message_ids([self._remote(remote, out=False) for remote in remotes])

    def home(self) -> str:
        return self.inner.home()

    def takes(self, kind: Kind) -> bool:
        return self.inner.takes(kind)

    def make_folder(self, folder: Folder) -> Folder:
        return replace(self.inner.make_folder(self._in(folder)), name=folder.name)

    def keeps_labels(self) -> bool:
        return self.inner.keeps_labels()

    def append(self, folder: Folder, messages: Iterable[Outgoing]) -> Iterator[Appended | Refused]:
        for one in self.inner.append(self._in(folder), messages):
            if isinstance(one, Appended) and one.ref is not None:
                yield replace(one, ref=replace(one.ref, folder=folder.name))
            else:
                yield one

    def keep_flags(self, folder: Folder, epoch: str, wanted: Mapping[str, Flags]) -> Mapping[str, Flags]:
        return self.inner.keep_flags(self._in(folder), epoch, wanted)

    def trash(self) -> Folder | None:
        return self.inner.trash()

    def look(self, folder: Folder, epoch: str, keys: Sequence[str]) -> Looked:
        told = self.inner.look(self._in(folder), epoch, keys)
        messages = {key: self._remote(remote, out=True) for key, remote in told.messages.items()}
        return replace(told, messages=messages)

    def remove(
        self, folder: Folder, epoch: str, keys: Sequence[str], to: Folder | None
    ) -> Iterator[Removed | Unremoved]:
        for one in self.inner.remove(self._in(folder), epoch, keys, self._in(to) if to is not None else None):
            if isinstance(one, Removed) and one.to is not None:
                yield replace(one, to=replace(one.to, folder=one.to.folder.removeprefix(self._home)))
            else:
                yield one

    def close(self) -> None:
        self.inner.close()


class Scratch:
    """A mailbox on the server, below a folder of its own; beside it, what comes into the trash from there."""

    def __init__(self) -> None:
        self.home = f"archiver-test-{uuid.uuid4().hex[:12]}"
        self._copies = count()
        self.owner = self._open()
        self.trash = Trash(self.owner)
        self.create("INBOX")

    def _open(self) -> EwsAccount:
        return EwsAccount(Endpoint(URL, USER), lambda: Secret(PASSWORD), None, Wanted(export=False))

    def account(self) -> Below:
        return Below(self._open(), self.home, self.trash)

    def _name(self, folder: str) -> str:
        return folder if folder == self.trash.folder.name else f"{self.home}/{folder}"

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        self.trash.message_ids.add(message_from_bytes(raw)["Message-ID"])
        digest = hashlib.sha256(raw).hexdigest()
        one = Outgoing(digest, raw, frozenset(flags), received, copy=next(self._copies))
        (answer,) = self.owner.append(Folder(self._name(folder)), [one])
        assert isinstance(answer, Appended)
        assert answer.ref is not None
        return answer.ref.key

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        given = frozenset(flags)
        verb = 104 if FORWARDED in given else REPLIED_TO_SENDER if "\\Answered" in given else None

        def update(account: Any) -> None:
            identity = id_of(key)
            assert identity is not None
            (item,) = GetItem(account=account).call(handles([identity]), paths(LISTED), "IdOnly")
            item.is_read, item.categories = "\\Seen" in given, categories_of(given) or None
            item.archiver_flag, item.archiver_verb = 2 if "\\Flagged" in given else None, verb
            names = ["archiver_flag", "archiver_verb", "categories", "is_read"]
            list(
                UpdateItem(account=account).call(
                    [(item, names)], ALWAYS_OVERWRITE, SAVE_ONLY, SEND_TO_NONE, True
                )
            )

        self._run(update)

    def expunge(self, folder: str, *keys: str) -> None:
        self.owner.folders()
        node = self._node(folder)
        list(self.owner.remove(Folder(f"{self.home}/{folder}"), node.epoch, keys, None))

    def create(self, folder: str) -> None:
        self.owner.make_folder(Folder(f"{self.home}/{folder}"))

    def rename(self, old: str, new: str) -> None:
        node = self._node(old)

        def update(account: Any) -> None:
            handle = FolderId(id=node.id, changekey=node.change_key)
            list(
                UpdateFolder(account=account).call(
                    [(ServerFolder(root=account.root, name=new, _id=handle), ["name"])]
                )
            )

        self._run(update)
        self.owner.folders()

    def delete(self, folder: str) -> None:
        self._remove(self._node(folder))

    def renumber(self, folder: str) -> None:
        before = self._node(folder)
        self.create("other")
        after = self._node("other")
        found = self.owner.changes(Folder(f"{self.home}/{folder}"), None, dict)
        keys = [one.remote.ref.key for one in found if isinstance(one, New)]
        ids = [identity for key in keys if (identity := id_of(key)) is not None]
        if ids:
            self._run(lambda account: list(MoveItem(account=account).call(handles(ids), after.handle)))
        self._remove(before)
        self.rename("other", folder)

    def close(self) -> None:
        self.trash.empty()
        for name in [one.name for one in self.owner.folders() if one.name == self.home]:
            self._remove(self.owner._tree.find(name))
        self.owner.close()

    def _node(self, folder: str) -> Node:
        self.owner.folders()
        return self.owner._tree.find(f"{self.home}/{folder}")

    def _remove(self, node: Node) -> None:
        self._run(lambda account: list(DeleteFolder(account=account).call([node.handle], "HardDelete")))
        self.owner.folders()

    def _run(self, work: Any) -> None:
        self.owner._service.run(partial(work))


class _OnServer:
    has_order = False
    keeps_bytes = False
    many = 220  # it is asked about 200 at a time, and 50 go in

    def gist(self, raw: bytes) -> Any:
        return gist(raw)

    @pytest.fixture
    def mailbox(self) -> Iterator[Scratch]:
        scratch = Scratch()
        yield scratch
        scratch.close()


class TestAccount(_OnServer, AccountContract):
    """Reading."""


class TestAppend(_OnServer, CanAppendContract):
    """Putting in."""


class TestDelete(_OnServer, CanDeleteContract):
    """Moved to the folder of deleted items, and removed for good."""

    tells_where = None

    @pytest.fixture(autouse=True)
    def _named(self, mailbox: Scratch) -> None:
        """Call the folder of deleted items as the server does."""
        self.TRASH = mailbox.trash.folder.name

    def flags(self, *flags: str) -> Flags:
        return frozenset(flags) - {"\\Deleted"}

    def test_a_trash_that_is_not_there_any_more_is_made(self, mailbox: Any, account: Any) -> None:
        """Exchange lets nobody remove the folder of deleted items, so another one is to take the messages."""
        keys = [mailbox.deliver("INBOX", mail(n)) for n in range(3)]
        mailbox.create("Aside")
        mailbox.delete("Aside")
        removed(account, keys, Folder("Aside"))
        assert there(account) == []
        assert len(there(account, "Aside")) == 3
