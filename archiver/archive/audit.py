"""Checking an archive against its signed chains, without any key: every object, every byte.

A finding is a value: the audit goes on to the end, so that one report tells all.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from archiver.archive.chain import Chain
from archiver.archive.sealing import sha256_of
from archiver.errors import ArchiverError, Damaged, StoreFailed
from archiver.events import ObjectChecked
from archiver.formats.manifest import manifest_key
from archiver.model import EMPTY_HEAD, Finding, Head, Manifest, Sealed
from archiver.ports import Store


class ChainAudit:
    """See `Audit`."""

    def __init__(self, store: Store, chain: Chain) -> None:
        self._store = store
        self._chain = chain
        self.name = chain.name
        self.head: Head = EMPTY_HEAD
        self.heads: list[Head] = []
        self.runs: list[Manifest] = []

    def manifests(self) -> Iterator[Finding]:
        """See `Audit.manifests`: none missing, each signed, each following the one before."""
        told: set[str] = set()
        try:
            for manifest, head in self._chain.runs():
                self.runs.append(manifest)
                self.heads.append(head)
                self.head = head
        except Damaged as error:
            told.add(error.text)
            yield self._finding(error.text, manifest_key(self._chain.name, self.head.seq + 1))
        try:
            self._chain.head()  # what this machine has seen before, and gaps
        except Damaged as error:
            if error.text not in told:
                yield self._finding(error.text)
        for seq in self._chain.numbers():
            if seq > self.head.seq + 1:
                yield self._finding(
                    f"run {seq} cannot be trusted: the chain is broken before it",
                    manifest_key(self._chain.name, seq),
                )

    def objects(self, choose: Callable[[Sealed], bool]) -> Iterator[Finding | ObjectChecked]:
        """See `Audit.objects`."""
        present = set(self._store.keys(f"chains/{self._chain.name}/"))
        dropped = {drop.key for manifest in self.runs for drop in manifest.drops}
        named = [one for run in self.runs for one in run.objects if one.key not in dropped]
        for sealed in named:
            if sealed.key not in present:
                yield self._finding(f'"{sealed.key}" is missing', sealed.key)
        chosen = [one for one in named if one.key in present and choose(one)]
        with ThreadPoolExecutor(2, "audit") as pool:
            for sealed, error in zip(chosen, pool.map(self._check, chosen), strict=True):
                if error:
                    yield self._finding(error, sealed.key)
                yield ObjectChecked(sealed.key, sealed.size)
        yield from self._unnamed(present, {one.key for one in named} | dropped)

    def _check(self, sealed: Sealed) -> str | None:
        try:
            found = sha256_of(self._store, sealed.key, sealed.size)
        except StoreFailed as error:
            return f'"{sealed.key}" cannot be read: {error.text}'
        except ArchiverError as error:
            return error.text
        return None if found == sealed.sha256 else f'"{sealed.key}" is not what its manifest names'

    def _unnamed(self, present: set[str], named: set[str]) -> Iterator[Finding]:
        trusted = {manifest_key(self._chain.name, seq) for seq in range(1, self.head.seq + 1)}
        prefix = f"chains/{self._chain.name}/manifests/"
        extra = [key for key in present - named - trusted if not key.startswith(prefix)]
        if extra:
            yield Finding(
                "note",
                self._chain.name,
                f"objects that belong to no run, left by one that was cut short: {len(extra):,}",
                tuple(sorted(extra)),
            )

    def _finding(self, what: str, *objects: str) -> Finding:
        return Finding("damage", self._chain.name, what, objects)
