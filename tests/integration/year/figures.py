"""What the nights took, and the chain in the end: printed, for the report of a year."""

import shutil
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from archiver.archive.archive import Archive
from archiver.archive.machine import Machine
from archiver.catalog.sqlite import SqliteCatalog
from archiver.stores.local import LocalStore
from tests.integration.year.household import Ran, Size


@dataclass(frozen=True)
class Night:
    """One pull: whether there was news, how it ended, and what was written into the archive."""

    number: int
    news: bool
    ran: Ran
    before: Size
    after: Size

    @property
    def usual(self) -> bool:
        """Whether it is one to compare with others."""
        return self.ran.exit == 0


@dataclass
class Figures:
    """What is counted in a year."""

    nights: list[Night] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)

    def ran(self, job: str, ran: Ran) -> None:
        """Count a run."""
        self.counts[f"runs of {job}"] += 1
        self.peak[job] = max(self.peak[job], ran.rss)

    def usual_s(self) -> float:
        """Tell how long a pull has taken lately."""
        return statistics.median([night.ran.seconds for night in self.nights[-15:] if night.usual] or [0.5])

    def quarters(self) -> tuple[Sequence[Night], Sequence[Night]]:
        """Give the first and the last quarter of the year."""
        quarter = max(1, len(self.nights) // 4)
        return self.nights[1 : 1 + quarter], self.nights[-quarter:]  # the first night makes the archive

    def table(self) -> str:
        """Compare the first and the last quarter, night for night."""
        lines = ["                                    first quarter  last quarter"]
        first, last = self.quarters()
        for name, news in (("with news", True), ("without news", False)):
            both = [[night for night in part if night.usual and night.news == news] for part in (first, last)]
            rows = {
                "seconds": [median(night.ran.seconds for night in part) for part in both],
                "processor seconds": [median(night.ran.cpu_s for night in part) for part in both],
                "objects": [
                    mean(night.after.objects - night.before.objects for night in part) for part in both
                ],
                "bytes": [mean(night.after.size - night.before.size for night in part) for part in both],
                "bytes of manifest and index": [
                    mean(night.after.metadata - night.before.metadata for night in part) for part in both
                ],
            }
            lines.append(f"pulls {name}: {len(both[0])} and {len(both[1])}")
            lines += [f"  {what:32}  {a:13,.2f}  {b:12,.2f}" for what, (a, b) in rows.items()]
        return "\n".join(lines)


def median(found: Iterable[float]) -> float:
    """Give the median; of nothing, 0."""
    return statistics.median(list(found) or [0])


def mean(found: Iterable[float]) -> float:
    """Give the mean; of nothing, 0."""
    return statistics.mean(list(found) or [0])


class CountingStore(LocalStore):
    """A store that counts what is read of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads = 0

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self.reads += 1
        return super().get(key, start, length)


@dataclass(frozen=True)
class Opened:
    """How long it took to open an archive and its chain, of it on the processor, and how many objects were read."""

    seconds: float
    cpu_s: float
    reads: int
    seq: int


def open_chain(archive: Path, state: Path) -> Opened:
    """Open the chain as each run does: up to its head, from what this machine has seen."""
    store = CountingStore(archive)
    began, used = time.perf_counter(), time.process_time()
    opened = Archive.open(store, Machine(state))
    (name,) = opened.chains()
    head = opened.chain(name).head()
    return Opened(time.perf_counter() - began, time.process_time() - used, store.reads, head.seq)


def open_anew(archive: Path, state: Path, scratch: Path) -> tuple[Opened, Opened]:
    """Open it where only the writer's key is left: every manifest is verified; then every index replayed."""
    scratch.mkdir(mode=0o700)
    shutil.copy(state / "writer.key", scratch)
    verified = open_chain(archive, scratch)
    store = CountingStore(archive)
    catalog = SqliteCatalog(scratch / "catalog.sqlite")
    began, used = time.perf_counter(), time.process_time()
    opened = Archive.open(store, Machine(scratch))
    (name,) = opened.chains()
    head = opened.catch_up(opened.chain(name), catalog)
    catalog.close()
    return verified, Opened(time.perf_counter() - began, time.process_time() - used, store.reads, head.seq)
