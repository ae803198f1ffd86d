"""One archive: opened at a store, seen from one machine; made new by `create`."""

import hashlib
import secrets
import string
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime

import msgspec
from msgspec import Struct

from archiver.archive.audit import ChainAudit
from archiver.archive.by_hand import readme
from archiver.archive.chain import Chain
from archiver.archive.keys import OWNER_KEY, OWNER_LOG_N, KeyPair, unwrap_owner, wrap_owner
from archiver.archive.layout import LAYOUTS
from archiver.archive.machine import Machine
from archiver.archive.reader import Reader
from archiver.archive.roots import Roots, load_roots, next_root, sign_root
from archiver.archive.sealing import COMPRESSIONS
from archiver.archive.writer import ChainOwner, Run, Sealing
from archiver.errors import Damaged, ObjectExists, RefusedForSafety, WrongKey
from archiver.formats import age, frames
from archiver.formats.index import decode_index
from archiver.formats.root import Root, Writer, root_key
from archiver.model import EMPTY_HEAD, Head, Manifest, Secret
from archiver.plan.as_of import runs_until
from archiver.ports import Catalog, Store, Volumes
from archiver.rows import AnyRow, HeaderRow

MAX_INDEX = 1 << 30  # decompressed; a run of five million messages stays below
_CHAIN_LETTERS = string.ascii_lowercase + string.digits


class Archive:
    """Gives chains, runs and readers. `identities` are the keys at hand: a writer's, the owner's, both."""

    def __init__(self, store: Store, machine: Machine, roots: Roots) -> None:
        self._store = store
        self._machine = machine
        self._roots = roots
        self._writer = machine.writer()
        self._owner: KeyPair | None = None
        roots.refuse_unknown_features("read")

    @classmethod
    def open(cls, store: Store, machine: Machine) -> "Archive":
        """Open the archive at `store`. Raises `NoArchive`, `Damaged`, `RolledBack`."""
        roots = load_roots(store, machine.root_pin())
        machine.pin_root(roots.pin)
        return cls(store, machine, roots)

    @property
    def root(self) -> Root:
        """The root in force."""
        return self._roots.current.root

    @property
    def store(self) -> Store:
        """Where the archive lies."""
        return self._store

    @property
    def unlocked(self) -> bool:
        """Whether the owner's key is at hand."""
        return self._owner is not None

    def unlock(self, passphrase: Secret) -> KeyPair:
        """Open the owner's key, by its passphrase or its recovery line. Raises `WrongKey`."""
        given = passphrase.reveal().strip().upper()
        if given.startswith("AGE-SECRET-KEY-1"):
            owner = unwrap_owner(b"", passphrase)  # the line alone: works where `keys/` is lost
        else:
            owner = unwrap_owner(self._store.get(OWNER_KEY), passphrase)
        if owner.public_key != self.root.owner:
            raise WrongKey(
                "this is the key of another archive",
                "use the passphrase, or the recovery line, that belongs to this one",
            )
        self._owner = owner
        return owner

    def change_passphrase(self, passphrase: Secret, log_n: int = OWNER_LOG_N) -> None:
        """Wrap the unlocked owner key anew. The old passphrase opens old copies of the file still."""
        self._store.put(OWNER_KEY, [wrap_owner(self._need_owner(), passphrase, log_n)])

    def chains(self) -> list[str]:
        """List all chains, those this machine has seen among them even where they are gone."""
        return sorted({*self._store.folders("chains/"), *self._machine.pinned_chains()})

    def chain(self, name: str) -> Chain:
        """Open a chain; a name that is not there yet is an empty one."""
        return Chain(self._store, self._roots, name, self._machine)

    def catch_up(self, chain: Chain, catalog: Catalog) -> Head:
        """Bring a catalog to the chain's head, from its indexes. Raises `Damaged`, `WrongKey`."""
        head = chain.head()
        before = catalog.head()
        if before == head:
            chain.pin(head)  # where the pin is older, or lost
            return head
        if before != EMPTY_HEAD and (before.seq > head.seq or not chain.holds(before)):
            catalog.reset()
            before = EMPTY_HEAD
        for _ in self._take_in(chain.runs(before), catalog):
            pass
        chain.pin(head)
        return head

    def replay(self, chain: Chain, catalog: Catalog, until: int | datetime) -> None:
        """Fill an empty catalog with the state after a run (its number), or at a time.

        Of what came later only the copies are taken that a repair has given to the messages of then.
        """
        last = until if isinstance(until, int) else self._last_run(chain, until)
        past = False

        def runs() -> Iterator[tuple[Manifest, Head]]:
            nonlocal past
            for manifest, head in chain.runs():
                past = past or manifest.seq > last
                if not past:
                    yield manifest, head
                elif manifest.kind == "repair":
                    catalog.relocate(self.index(manifest)[1])

        try:
            for _ in self._take_in(runs(), catalog):
                pass
        except Damaged:
            if not past:  # what is broken later on takes nothing from what was before
                raise

    def _last_run(self, chain: Chain, until: datetime) -> int:
        times: list[datetime] = []
        with suppress(Damaged):  # `replay` tells of it, if it matters
            times.extend(manifest.time for manifest, _ in chain.runs())
        return runs_until(times, until)

    def replay_verified(self, chain: Chain, catalog: Catalog) -> dict[int, datetime]:
        """Fill an empty catalog from a chain of which every manifest and index was verified, to its head.

        Gives the time of each run. Raises `Damaged`, `RolledBack`, `WrongKey`.
        """
        head = chain.head()  # what this machine has seen before, and gaps
        times = {one.seq: one.time for one in self._take_in(chain.runs(), catalog)}
        if catalog.head() != head:
            raise Damaged(f'chain "{chain.name}" was verified to run {catalog.head().seq} of {head.seq} only')
        return times

    def _take_in(self, runs: Iterator[tuple[Manifest, Head]], catalog: Catalog) -> Iterator[Manifest]:
        for manifest, head in runs:
            header, rows = self.index(manifest)
            catalog.apply(head, [header, *rows])
            yield manifest

    def index(
        self, manifest: Manifest, identities: Sequence[age.Identity] | None = None
    ) -> tuple[HeaderRow, list[AnyRow]]:
        """Read the index of a run, with the keys at hand or those given: its bytes must be those that the
        manifest names. Raises `Damaged`, `WrongKey`.
        """
        what = f'the index of run {manifest.seq} of chain "{manifest.chain}"'
        sealed = next((one for one in manifest.objects if one.role == "index"), None)
        if sealed is None:
            raise Damaged(f"{what} is not named by its manifest")
        data = self._store.get(sealed.key, 0, sealed.size + 1)
        if hashlib.sha256(data).hexdigest() != sealed.sha256:
            raise Damaged(f'{what} ("{sealed.key}") is not what the manifest names', _COPY)
        try:
            payload = age.decrypt_stream([data], self._identities() if identities is None else identities)
            text = _bounded(frames.unpack_stream(payload), what)
        except WrongKey as error:
            raise WrongKey(
                f"no key at hand opens {what}",
                "it was written by another machine: unlock the owner key",
            ) from error
        header, rows = decode_index(text, what)
        if (header.archive, header.chain, header.seq) != (manifest.archive, manifest.chain, manifest.seq):
            raise Damaged(f"{what} says that it is of another archive, chain or run")
        return header, rows

    def chain_of(self, account: str) -> str:
        """Name the chain that this machine writes for an account: a new name where there is none yet."""
        return self._machine.chain_of(account) or self._search_chain(account) or _new_chain_name()

    def account_of(self, chain: str) -> str | None:
        """Name the account whose chain this is and that this machine writes it for; None for all others."""
        noted = self._machine.account_of(chain)
        if noted is not None or self._writer is None:
            return noted
        try:
            manifest, _ = next(self.chain(chain).runs(), (None, None))
            return self.index(manifest, [self._writer.identity])[0].account if manifest else None
        except WrongKey:
            return None  # another writer's

    def lock(self, account: str, wait_s: float = 0) -> AbstractContextManager[None]:
        """Hold an account's chain against other runs of this machine. Raises `Locked` after `wait_s` seconds."""
        return self._machine.lock(account, wait_s)

    def begin(
        self,
        account: ChainOwner,
        chain: Chain,
        catalog: Catalog,
        compression: str,
        clock: Callable[[], datetime],
    ) -> Run:
        """Begin a run. Raises `RefusedForSafety` where this machine may not write."""
        writer = self.check_writer()
        if self._machine.chain_of(account.account) != chain.name:
            self._machine.set_chain(account.account, chain.name)
        recipients = tuple(age.Recipient.from_text(text) for text in self.root.recipients)
        sealing = Sealing(LAYOUTS[self.root.layout], COMPRESSIONS[compression], recipients, writer)
        return Run(self._store, chain, catalog, account, sealing, clock)

    def check_writer(self) -> KeyPair:
        """Give this machine's writer key. Raises `RefusedForSafety` where this machine may not write."""
        self._roots.refuse_unknown_features("write")
        writer = self._writer
        if writer is None or writer.public_key not in [one.public_key for one in self.root.writers]:
            raise RefusedForSafety(
                "this machine may not write to the archive",
                "the owner lets it in with: archiver writer add",
            )
        return writer

    def owner_tried(self) -> datetime:
        """Tell when the owner's key was last opened on this machine, or else for the root that it signed."""
        return self._machine.owner_tried() or self.root.time

    def note_owner_tried(self, at: datetime) -> None:
        """Keep that the owner's key was opened."""
        self._machine.note_owner_tried(at)

    def audit(self, chain: Chain) -> ChainAudit:
        """Check a chain; needs no key."""
        self._roots.refuse_unknown_features("check")
        return ChainAudit(self._store, chain)

    def reader(self, volumes: Volumes, *, salvage: bool = False) -> Reader:
        """Read messages; needs the owner's key. With `salvage`, also what is whole in an object that is cut."""
        identity = self._need_owner().identity
        return Reader(self._store, LAYOUTS[self.root.layout], volumes, [identity], salvage=salvage)

    def add_writer(self, name: str, clock: Callable[[], datetime]) -> Writer:
        """Let this machine write: a new root, signed by the unlocked owner, names its key."""
        owner = self._need_owner()
        key = self._machine.make_writer()
        writer = Writer(name, key.public_key, key.recipient)
        if writer.public_key not in [one.public_key for one in self.root.writers]:
            after = next_root(self._roots, clock())
            root = _with_writer(after, writer)
            self._store.put(root_key(root.number), [sign_root(root, owner)], if_absent=True)
            self._roots = load_roots(self._store, self._machine.root_pin())
            self._machine.pin_root(self._roots.pin)
        self._writer = key
        return writer

    def _identities(self) -> Sequence[age.Identity]:
        return [pair.identity for pair in (self._writer, self._owner) if pair is not None]

    def _need_owner(self) -> KeyPair:
        if self._owner is None:
            raise WrongKey("this needs the owner key", "give its passphrase")
        return self._owner

    def _search_chain(self, account: str) -> str | None:
        """Find this writer's chain of an account in the archive, where the machine's note of it is lost."""
        return next((one for one in self._store.folders("chains/") if self.account_of(one) == account), None)


def check_empty(store: Store) -> None:
    """Raise `RefusedForSafety` where a store holds anything."""
    found = next(iter(store.keys("root/")), None) or next(iter(store.keys()), None)
    if found and found.startswith("root/"):
        raise RefusedForSafety("there is an archive here already", "use it, or choose another folder")
    if found:
        raise RefusedForSafety(
            f'the folder is not empty: it holds "{found}"', "choose a new or an empty folder for the archive"
        )


_COPY = "put the file back from a copy of the archive; the other runs are not affected"


class Founding(Struct, frozen=True):
    """What a new archive is made of, besides its keys."""

    archive: str  # 32 hex digits
    layout: str
    writer_name: str
    time: datetime
    more_recipients: tuple[str, ...] = ()
    log_n: int = OWNER_LOG_N


def create(store: Store, machine: Machine, founding: Founding, passphrase: Secret) -> tuple[Archive, KeyPair]:
    """Make an archive in an empty place. Raises `RefusedForSafety` where something is there already.

    The root is written last and exclusively: it is what makes the archive.
    """
    check_empty(store)
    owner = KeyPair(age.Identity.generate(), "owner")
    writer = machine.make_writer()
    recipients = dict.fromkeys([owner.recipient, *founding.more_recipients])
    root = Root(
        archive=founding.archive,
        number=1,
        prev="0" * 64,
        time=founding.time,
        layout=founding.layout,
        owner=owner.public_key,
        recipients=tuple(age.Recipient.from_text(text).text for text in recipients),
        writers=(Writer(founding.writer_name, writer.public_key, writer.recipient),),
    )
    try:
        store.put(OWNER_KEY, [wrap_owner(owner, passphrase, founding.log_n)], if_absent=True)
        store.put("README.txt", [readme(root)], if_absent=True)
        store.put(root_key(1), [sign_root(root, owner)], if_absent=True)
    except ObjectExists as error:
        raise RefusedForSafety(
            "another archive is being made here at this moment", "choose another folder"
        ) from error
    return Archive.open(store, machine), owner


def _with_writer(root: Root, writer: Writer) -> Root:
    others = tuple(one for one in root.writers if one.name != writer.name)
    if len(others) != len(root.writers):
        raise RefusedForSafety(
            f'there is a writer "{writer.name}" already', "choose another name: --name NAME"
        )
    return msgspec.structs.replace(root, writers=(*others, writer))


def _new_chain_name() -> str:
    return "".join(secrets.choice(_CHAIN_LETTERS) for _ in range(8))


def _bounded(pieces: Iterator[bytes], what: str) -> bytes:
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_INDEX:
            raise Damaged(f"{what} is larger than 1 GiB")
        gathered.append(piece)
    return b"".join(gathered)
