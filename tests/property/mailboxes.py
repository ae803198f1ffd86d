"""A mailbox that lives behind archiver's back, in memory or on a real Dovecot, with the same verbs."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from archiver.accounts.fake import FakeAccount, FakeMailbox
from tests.mortal import Both
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Owner

Ref = tuple[str, str, str]  # folder, epoch, key


@dataclass(frozen=True)
class Kept:
    """A message as the server has it; `spoilt` says that it cannot be fetched."""

    raw: bytes
    flags: frozenset[str]
    received: datetime
    spoilt: bool = False


@dataclass(frozen=True)
class Sight:
    """All that a server has at one moment."""

    epochs: Mapping[str, str]
    messages: Mapping[Ref, Kept]

    def of(self, folder: str) -> list[Ref]:
        return [ref for ref in self.messages if ref[0] == folder]


class Box(ABC):
    """A mailbox and its owner, who works with another client."""

    @abstractmethod
    def account(self) -> Both: ...
    @abstractmethod
    def look(self) -> Sight: ...
    @abstractmethod
    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> object: ...
    @abstractmethod
    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None: ...
    @abstractmethod
    def expunge(self, folder: str, *keys: str) -> None: ...
    @abstractmethod
    def move(self, folder: str, key: str, to: str) -> object: ...
    @abstractmethod
    def create(self, folder: str) -> None: ...
    @abstractmethod
    def rename(self, old: str, new: str) -> None: ...
    @abstractmethod
    def delete(self, folder: str) -> None: ...
    @abstractmethod
    def renumber(self, folder: str) -> None: ...

    @abstractmethod
    def spoil(self, folder: str, key: str, *, heal: bool) -> None: ...
    @abstractmethod
    def settle(self) -> None: ...
    @abstractmethod
    def close(self) -> None: ...


class InMemory(FakeMailbox, Box):
    """In this process."""

    def account(self) -> Both:
        return FakeAccount(self)

    def look(self) -> Sight:
        folders = self.folders()
        return Sight(
            {name: str(folder.epoch) for name, folder in folders.items()},
            {
                (name, str(folder.epoch), str(uid)): Kept(
                    one.raw, one.flags, one.received, one.trouble is not None
                )
                for name, folder in folders.items()
                for uid, one in folder.messages.items()
            },
        )

    def deliver(  # type: ignore[override]
        self,
        folder: str,
        raw: bytes,
        flags: Iterable[str] = (),
        received: datetime | None = None,
        **more: int | None,
    ) -> str:
        return super().deliver(folder, raw, flags=flags, received=received, **more)  # type: ignore[arg-type]

    def create(self, folder: str, **more: str | None) -> None:  # type: ignore[override]
        use = more.pop("special_use", None) or ("\\Trash" if folder == "Trash" else None)
        super().create(folder, special_use=use, **more)  # type: ignore[arg-type]

    def spoil(self, folder: str, key: str, *, heal: bool) -> None:  # type: ignore[override]
        if heal:
            self.heal(folder, key)
        else:
            super().spoil(folder, key, "server bug")

    def settle(self) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        """There is no session."""


class OnDovecot(Owner, Box):
    """On a real server, through imaplib and doveadm."""

    def __init__(self, server: Dovecot, user: str) -> None:
        super().__init__(server, user)
        self._numbers = count(1000)

    def look(self) -> Sight:
        epochs: dict[str, str] = {}
        messages: dict[Ref, Kept] = {}
        for name in self.folders():
            epochs[name], found = self.read(name)
            for key, flags, received, raw in found:
                messages[name, epochs[name], key] = Kept(raw, flags, received)
        return Sight(epochs, messages)

    def renumber(self, folder: str, uidvalidity: int | None = None) -> None:
        super().renumber(folder, uidvalidity or next(self._numbers))

    def spoil(self, folder: str, key: str, *, heal: bool) -> None:
        """Dovecot gives all it has."""

    def settle(self) -> None:
        self.wait_until_alone()
