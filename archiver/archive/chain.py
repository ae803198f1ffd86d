"""The chain of one account and one writer: manifests that follow one another, from the first to the head."""

import hashlib
from collections.abc import Iterator
from datetime import datetime

from archiver.archive.keys import KeyPair
from archiver.archive.machine import Machine
from archiver.archive.roots import Roots
from archiver.errors import Damaged, ObjectMissing, RolledBack, StoreFailed
from archiver.formats import signify
from archiver.formats.manifest import decode_manifest, encode_manifest, manifest_key, seq_of
from archiver.model import EMPTY_HEAD, Drop, Head, Manifest, RunKind, Sealed
from archiver.ports import Store


class Chain:
    """Reads, verifies and extends one chain. A chain that does not exist yet is one without manifests."""

    def __init__(self, store: Store, roots: Roots, name: str, machine: Machine) -> None:
        self._store = store
        self._roots = roots
        self.name = name
        self.archive_id = roots.current.root.archive
        self._machine = machine

    def head(self) -> Head:
        """Find the head: from this machine's pin onward. Raises `RolledBack`, `Damaged`."""
        head = self._machine.pin(self.name)
        if head != EMPTY_HEAD:
            self._check_pin(head)
        self._check_gaps()
        for _, newer in self.runs(head):
            head = newer
        return head

    def pin(self, head: Head) -> None:
        """Keep `head` as seen; an older archive is refused from now on."""
        if head != EMPTY_HEAD:
            self._machine.pin_chain(self.name, head)

    def runs(self, after: Head = EMPTY_HEAD) -> Iterator[tuple[Manifest, Head]]:
        """Give each verified manifest after a head already trusted, oldest first. Raises `Damaged`."""
        prev = after
        before: Manifest | None = None
        while True:
            try:
                data = self._store.get(manifest_key(self.name, prev.seq + 1))
            except ObjectMissing:
                return
            before = before or self._trusted(after)
            manifest, head = self.verify(data, prev)
            if before is not None and manifest.root < before.root:
                raise Damaged(
                    f'run {manifest.seq} of chain "{self.name}" names an older root than the run before'
                )
            yield manifest, head
            prev, before = head, manifest

    def last(self) -> Manifest | None:
        """Give the manifest of the last run that this machine has seen; None before the first."""
        pin = self._machine.pin(self.name)
        if pin != EMPTY_HEAD:
            self._check_pin(pin)
        return self._trusted(pin)

    def _trusted(self, head: Head) -> Manifest | None:
        """Read the manifest of a head already trusted; None before the first."""
        if not self.holds(head):
            return None
        data = self._store.get(manifest_key(self.name, head.seq))
        return decode_manifest(signify.split_embedded(data).message)

    def verify(self, data: bytes, prev: Head) -> tuple[Manifest, Head]:
        """Check one manifest: form, place, predecessor, signature by a writer of the root it names."""
        seq = prev.seq + 1
        what = f'the manifest of run {seq} of chain "{self.name}"'
        try:
            manifest = decode_manifest(signify.split_embedded(data).message, "its text")
            root = self._roots.get(manifest.root, manifest.root_sha256)
            signify.open_embedded(
                data, [signify.PublicKey.from_text(writer.public_key) for writer in root.writers]
            )
        except Damaged as error:
            raise Damaged(f"{what}: {error.text}", _COPY) from error
        if (manifest.archive, manifest.chain, manifest.seq) != (root.archive, self.name, seq):
            raise Damaged(f"{what} belongs to another archive, chain or run", _COPY)
        if manifest.prev != prev.sha256:
            raise Damaged(f"{what} does not follow the run before it", _COPY)
        if any(not sealed.key.startswith(f"chains/{self.name}/") for sealed in manifest.objects):
            raise Damaged(f"{what} names an object of another chain", _COPY)
        return manifest, Head(seq, hashlib.sha256(data).hexdigest())

    def holds(self, head: Head) -> bool:
        """Tell whether the manifest that `head` names is there, to the byte."""
        try:
            data = self._store.get(manifest_key(self.name, head.seq))
        except ObjectMissing:
            return False
        return hashlib.sha256(data).hexdigest() == head.sha256

    def numbers(self) -> list[int]:
        """List the numbers of all manifests that are there, valid or not, sorted."""
        keys = self._store.keys(f"chains/{self.name}/manifests/")
        return sorted(seq for seq in map(seq_of, keys) if seq is not None)

    def commit(
        self,
        after: Head,
        *,
        time: datetime,
        kind: RunKind,
        objects: tuple[Sealed, ...],
        drops: tuple[Drop, ...] = (),
        writer: KeyPair,
    ) -> tuple[Manifest, Head]:
        """Write the manifest that follows `after`: THE COMMIT. Raises `ObjectExists` where one is there."""
        if after != EMPTY_HEAD and not self.holds(after):
            raise StoreFailed(
                f'run {after.seq} of chain "{self.name}" is not there any more: nothing is written after it',
                "is the disk of the archive still mounted? run: archiver verify",
            )
        root = self._roots.current
        manifest = Manifest(
            archive=root.root.archive,
            chain=self.name,
            seq=after.seq + 1,
            prev=after.sha256,
            root=root.root.number,
            root_sha256=root.sha256,
            time=time,
            kind=kind,
            objects=objects,
            drops=drops,
        )
        comment = f"archiver manifest {self.name} {manifest.seq}"
        data = signify.sign_embedded(writer.signing, encode_manifest(manifest), comment)
        self._store.put(manifest_key(self.name, manifest.seq), [data], if_absent=True)
        return manifest, Head(manifest.seq, hashlib.sha256(data).hexdigest())

    def _check_gaps(self) -> None:
        numbers = self.numbers()
        for expected, found in enumerate(numbers, 1):
            if found != expected:
                raise Damaged(f'the manifest of run {expected} of chain "{self.name}" is missing', _COPY)

    def _check_pin(self, pin: Head) -> None:
        try:
            data = self._store.get(manifest_key(self.name, pin.seq))
        except ObjectMissing:
            raise RolledBack(
                f'run {pin.seq} of chain "{self.name}", which this machine has seen, is missing',
                "the archive was rolled back or damaged: put the file back from a copy of the archive",
            ) from None
        if hashlib.sha256(data).hexdigest() != pin.sha256:
            raise RolledBack(
                f'run {pin.seq} of chain "{self.name}" is not the one that this machine has seen',
                "the archive was changed: put the file back from a copy of the archive",
            )


_COPY = "put the file back from a copy of the archive; everything up to the run before is not affected"
