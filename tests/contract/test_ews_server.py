"""EwsAccount keeps its contracts on a real server, in a tree of folders of its own, which is removed afterwards.

`ARCHIVER_TEST_EWS_URL`, `ARCHIVER_TEST_EWS_USER` (a mail address) and `ARCHIVER_TEST_EWS_PASSWORD` name it.
"""

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest
from exchangelib.folders import Folder as ServerFolder
from exchangelib.items import ALWAYS_OVERWRITE, SAVE_ONLY, SEND_TO_NONE
from exchangelib.properties import FolderId
from exchangelib.services import DeleteFolder, MoveItem, UpdateFolder
from msgspec.structs import replace

from archiver.accounts.ews.account import EwsAccount, Wanted
from archiver.accounts.ews.folders import Node
from archiver.accounts.ews.properties import LISTED, paths
from archiver.accounts.ews.transport import Endpoint
from archiver.accounts.ews.wire import GetItem, UpdateItem, handles
from archiver.accounts.exchange import REPLIED_TO_SENDER, id_of
from archiver.model import (
    Appended,
    Change,
    Cursor,
    Done,
    Flags,
    Folder,
    Kind,
    Message,
    Missed,
    New,
    Outgoing,
    Ref,
    Refused,
    Remote,
    Secret,
)
from archiver.plan.categories import FORWARDED, categories_of
from archiver.ports import Known
from tests.contract.account import AccountContract
from tests.contract.append import CanAppendContract
from tests.contract.exchange import gist

URL = os.environ.get("ARCHIVER_TEST_EWS_URL", "")
USER = os.environ.get("ARCHIVER_TEST_EWS_USER", "")
PASSWORD = os.environ.get("ARCHIVER_TEST_EWS_PASSWORD", "")

pytestmark = pytest.mark.skipif(not URL, reason="ARCHIVER_TEST_EWS_URL names no server")
T = TypeVar("T", Folder, Ref)


class Below:
    """An account as if its folders below one were all that it has."""

    def __init__(self, inner: EwsAccount, home: str) -> None:
        self.inner = inner
        self._home = home + "/"

    def _in(self, folder: Folder) -> Folder:
        return replace(folder, name=self._home + folder.name)

    def _remote(self, remote: Remote, *, out: bool) -> Remote:
        name = remote.ref.folder
        name = name.removeprefix(self._home) if out else self._home + name
        return replace(remote, ref=replace(remote.ref, folder=name))

    def folders(self) -> Sequence[Folder]:
        return [
            replace(one, name=one.name.removeprefix(self._home))
            for one in self.inner.folders()
            if one.name.startswith(self._home)
        ]

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
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

    def close(self) -> None:
        self.inner.close()


class Scratch:
    """A mailbox on the server, below a folder of its own."""

    def __init__(self) -> None:
        self.home = f"archiver-test-{uuid.uuid4().hex[:12]}"
        self._copies = count()
        self.owner = self._open()
        self.create("INBOX")

    def _open(self) -> EwsAccount:
        return EwsAccount(Endpoint(URL, USER), lambda: Secret(PASSWORD), None, Wanted(export=False))

    def account(self) -> Below:
        return Below(self._open(), self.home)

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        digest = hashlib.sha256(raw).hexdigest()
        one = Outgoing(digest, raw, frozenset(flags), received, copy=next(self._copies))
        (answer,) = self.owner.append(Folder(f"{self.home}/{folder}"), [one])
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
        self.owner.folders()
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
