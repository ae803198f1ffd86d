"""drill: restore a sample of an archive, as after a loss, to a place of its own, and compare.

It goes the way that `export` goes, with the owner's key, and then reads what lies on the disk: a message passes if its
file holds what was decrypted, and that has the digest that the signed index names.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from archiver.errors import ArchiverError
from archiver.formats.message import count_parts, headers
from archiver.model import EMPTY_HEAD, Entry, Head
from archiver.ops.export import export
from archiver.plan.sample import draw
from archiver.ports import Catalog, Reader, Reporter


class Failed(Struct, frozen=True):
    """One message that was not restored as it was archived, and why."""

    digest: str
    folder: str
    reason: str


class DrillReport(Struct):
    """What was tried in one chain; `parsed` messages have a header and a body that a mail program can read."""

    chain: str
    account: str
    head: Head = EMPTY_HEAD
    archived: int = 0
    tried: int = 0
    messages: int = 0
    size: int = 0
    parsed: int = 0
    failed: list[Failed] = []
    took_s: float = 0.0


def drill(
    report: DrillReport,
    catalog: Catalog,
    reader: Reader,
    place: Path,
    count: int,
    roll: Callable[[int], int],
    reporter: Reporter,
) -> None:
    """Restore `count` messages, chosen by `roll` (below its argument), to the empty folder `place`, and compare.

    What a repair has given up for lost is not chosen: that is told where it was found. Raises `StoreFailed` where
    `place` cannot be written.
    """
    report.head = catalog.head()
    sample = draw((entry for entry in catalog.entries() if not entry.lost), count, roll)
    report.archived, entries = sample.of, list({entry.digest: entry for entry in sample.drawn}.values())
    report.tried = len(entries)
    watched = _Watched(reader)
    export(entries, watched, "eml", place, reporter)
    files = {path.name.rpartition("-")[2]: path for path in place.rglob("*.eml")}
    for entry in entries:
        path = files.get(f"{entry.digest[:12]}.eml")
        raw = _read(path) if path is not None else None
        reason = watched.errors.get(entry.digest) or _compare(entry, watched.given.get(entry.digest), raw)
        if reason is not None or raw is None:
            report.failed.append(Failed(entry.digest, entry.ref.folder, reason or "it was not written"))
            continue
        report.messages += 1
        report.size += len(raw)
        report.parsed += bool(headers(raw)) and count_parts(raw) > 0


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None  # a disk that does not give back what was just written: told as not written


def _compare(entry: Entry, decrypted: str | None, raw: bytes | None) -> str | None:
    if raw is None or decrypted is None:
        return "it was not written"
    if decrypted != entry.digest:
        return "what was decrypted is not what the index names"
    if len(raw) != entry.size or hashlib.sha256(raw).hexdigest() != decrypted:
        return "its file does not hold what was decrypted"
    return None


class _Watched:
    """A reader of which is known what it gave: the digests are counted here anew, and not taken from it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.given: dict[str, str] = {}
        self.errors: dict[str, str] = {}

    def read(self, entry: Entry) -> bytes:
        """See `Reader.read`."""
        return self._reader.read(entry)

    def read_many(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ArchiverError]]:
        """See `Reader.read_many`."""
        for entry, found in self._reader.read_many(entries):
            if isinstance(found, bytes):
                self.given[entry.digest] = hashlib.sha256(found).hexdigest()
            else:
                self.errors[entry.digest] = found.text
            yield entry, found
