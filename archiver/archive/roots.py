"""Which roots an archive has had, and which one is in force: each signed by the owner of the one before."""

import hashlib
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from archiver.archive.keys import KeyPair
from archiver.archive.machine import RootPin
from archiver.errors import Damaged, NoArchive, ObjectMissing, RefusedForSafety, RolledBack
from archiver.formats import signify
from archiver.formats.root import Power, Root, decode_root, encode_root, root_key
from archiver.ports import Store

KNOWN_FEATURES: frozenset[str] = frozenset()


class RootFile(Struct, frozen=True):
    """A root and the SHA-256 of the file that holds it."""

    root: Root
    sha256: str


class Roots:
    """All roots of an archive, oldest first, verified against what this machine has seen before."""

    def __init__(self, files: list[RootFile]) -> None:
        self._files = files

    @property
    def current(self) -> RootFile:
        """The root in force."""
        return self._files[-1]

    @property
    def pin(self) -> RootPin:
        """What a machine keeps of the root in force."""
        return RootPin(self.current.root.number, self.current.sha256, self.current.root.owner)

    def get(self, number: int, sha256: str) -> Root:
        """Find the root that a manifest names. Raises `Damaged` where it names another."""
        for file in self._files:
            if (file.root.number, file.sha256) == (number, sha256):
                return file.root
        raise Damaged(f"it names root {number}, which is not the one in this archive")

    def refuse_unknown_features(self, power: Power) -> None:
        """Refuse what a feature forbids that this archiver does not know. Raises `RefusedForSafety`."""
        for feature in self.current.root.features:
            if feature.power == power and feature.name not in KNOWN_FEATURES:
                raise RefusedForSafety(
                    f'to {power} this archive one must know its feature "{feature.name}"',
                    "use a newer archiver",
                )


def load_roots(store: Store, pin: RootPin | None) -> Roots:
    """Read and verify every root. Raises `NoArchive`, `Damaged`, `RolledBack`.

    A machine that has seen a root (`pin`) accepts that very one and what its owner signed after it. A
    machine that has seen none accepts what is there: trust on first use.
    """
    files: list[RootFile] = []
    while True:
        number = len(files) + 1
        try:
            data = store.get(root_key(number))
        except ObjectMissing:
            break
        files.append(_verify(data, number, files[-1] if files else None, pin))
    if pin is not None and len(files) < pin.number:
        raise RolledBack(
            f"root {pin.number} of the archive, which this machine has seen, is missing",
            "the archive was rolled back or damaged: restore the file from a copy of the archive",
        )
    if not files:
        raise NoArchive("there is no archive here", "make one with: archiver init FOLDER")
    return Roots(files)


def _verify(data: bytes, number: int, before: RootFile | None, pin: RootPin | None) -> RootFile:
    what = f"root {number}"
    sha256 = hashlib.sha256(data).hexdigest()
    if pin is not None and pin.number == number and pin.sha256 != sha256:
        raise RolledBack(
            f"{what} is not the one that this machine has seen",
            "this is another archive, or its root was exchanged: do not write to it before you know why",
        )
    try:
        root = decode_root(signify.split_embedded(data).message, "its text")
        if pin is None or number > pin.number:
            owner = before.root.owner if before else root.owner
            signify.open_embedded(data, [signify.PublicKey.from_text(owner)])
    except Damaged as error:
        raise Damaged(f"{what}: {error.text}", "put the file back from a copy of the archive") from error
    if root.number != number or root.prev != (before.sha256 if before else "0" * 64):
        raise Damaged(f"{what} does not follow the root before it")
    if before and (root.archive, root.layout) != (before.root.archive, before.root.layout):
        raise Damaged(f"{what} is of another archive")
    return RootFile(root, sha256)


def sign_root(root: Root, owner: KeyPair) -> bytes:
    """Make the file of a root."""
    return signify.sign_embedded(
        owner.signing, encode_root(root), f"archiver root {root.archive} {root.number}"
    )


def next_root(roots: Roots, time: datetime) -> Root:
    """Give the root that would follow the one in force, unchanged but for its number, prev and time."""
    current = roots.current
    return msgspec.structs.replace(
        current.root, number=current.root.number + 1, prev=current.sha256, time=time.astimezone(UTC)
    )
