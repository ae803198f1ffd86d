"""Checking an archive against its signed chains, without any key: every object, every byte.

A finding is a value: the audit goes on to the end, so that one report tells all.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from msgspec import Struct

from archiver.archive.archive import Archive
from archiver.archive.chain import Chain
from archiver.archive.sealing import sha256_of
from archiver.errors import ArchiverError, Damaged, StoreFailed
from archiver.formats.manifest import manifest_key
from archiver.model import EMPTY_HEAD, Head, Manifest, Sealed

Severity = Literal["damage", "note"]


class Finding(Struct, frozen=True):
    """One thing that is not as the chain says. `objects` are the keys that cannot be trusted for it."""

    severity: Severity
    chain: str
    what: str
    objects: tuple[str, ...] = ()


class Checked(Struct, frozen=True):
    """Progress: one object was checked."""

    key: str
    size: int


class ChainAudit:
    """Audits one chain; afterwards `head` and `runs` tell what was verified."""

    def __init__(self, archive: Archive, chain: Chain) -> None:
        self._archive = archive
        self._chain = chain
        self.head: Head = EMPTY_HEAD
        self.runs: list[Manifest] = []

    def manifests(self) -> Iterator[Finding]:
        """Check every manifest: none missing, each signed, each following the one before."""
        try:
            self._chain.head()
        except Damaged as error:
            yield self._finding(error.text)
        try:
            for manifest, head in self._chain.runs():
                self.runs.append(manifest)
                self.head = head
        except Damaged as error:
            yield self._finding(error.text, manifest_key(self._chain.name, self.head.seq + 1))
        for seq in self._chain.numbers():
            if seq > self.head.seq + 1:
                yield self._finding(
                    f"run {seq} cannot be trusted: the chain is broken before it",
                    manifest_key(self._chain.name, seq),
                )

    def objects(self, choose: Callable[[Sealed], bool]) -> Iterator[Finding | Checked]:
        """Check that every named object is there and, where `choose` says so, that its bytes are right."""
        present = set(self._archive.store.keys(f"chains/{self._chain.name}/"))
        dropped = {drop.key for manifest in self.runs for drop in manifest.drops}
        named = [one for run in self.runs for one in run.objects if one.key not in dropped]
        for sealed in named:
            if sealed.key not in present:
                yield self._finding(f"'{sealed.key}' is missing", sealed.key)
        chosen = [one for one in named if one.key in present and choose(one)]
        with ThreadPoolExecutor(2, "audit") as pool:
            for sealed, error in zip(chosen, pool.map(self._check, chosen), strict=True):
                if error:
                    yield self._finding(error, sealed.key)
                yield Checked(sealed.key, sealed.size)
        yield from self._unnamed(present, {one.key for one in named} | dropped)

    def _check(self, sealed: Sealed) -> str | None:
        try:
            found = sha256_of(self._archive.store, sealed.key, sealed.size)
        except StoreFailed as error:
            return f"'{sealed.key}' cannot be read: {error.text}"
        except ArchiverError as error:
            return error.text
        return None if found == sealed.sha256 else f"'{sealed.key}' is not what its manifest names"

    def _unnamed(self, present: set[str], named: set[str]) -> Iterator[Finding]:
        trusted = {manifest_key(self._chain.name, seq) for seq in range(1, self.head.seq + 1)}
        prefix = f"chains/{self._chain.name}/manifests/"
        extra = [key for key in present - named - trusted if not key.startswith(prefix)]
        if extra:
            yield Finding(
                "note",
                self._chain.name,
                f"{len(extra)} objects belong to no run: a run that was cut short left them",
                tuple(sorted(extra)),
            )

    def _finding(self, what: str, *objects: str) -> Finding:
        return Finding("damage", self._chain.name, what, objects)
