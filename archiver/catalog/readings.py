"""When each object of a chain was last read by verify on this machine: one SQLite file beside the catalog.

It decides in which order a sample goes round, and nothing else: a file that is lost or damaged is begun anew.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from archiver.errors import StoreFailed
from archiver.ports import Reading

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (key TEXT PRIMARY KEY, at REAL NOT NULL, sound INTEGER NOT NULL) WITHOUT ROWID
"""


class SqliteReadings:
    """See `Readings`."""

    def __init__(self, path: Path, wait_s: float = 5.0) -> None:
        """`wait_s`: how long to wait for another process that writes."""
        self._path = path
        self._wait_s = wait_s

    def last(self) -> dict[str, Reading]:
        """See `Readings.last`."""
        with suppress(sqlite3.DatabaseError, OSError), self._open() as db:
            rows = db.execute("SELECT key, at, sound FROM reading")
            return {
                str(key): Reading(datetime.fromtimestamp(at, UTC), bool(sound)) for key, at, sound in rows
            }
        return {}

    def note(self, read: Mapping[str, Reading], present: Iterable[str]) -> None:
        """See `Readings.note`."""
        rows = [(key, one.at.timestamp(), one.sound) for key, one in read.items()]
        try:
            try:
                self._note(rows, set(present))
            except sqlite3.OperationalError:  # locked, or the disk: no reason to throw it away
                raise
            except sqlite3.DatabaseError:
                self._path.unlink(missing_ok=True)
                self._note(rows, set(present))
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(
                f"it cannot be kept which objects were read: {error}", "check the disk of the cache folder"
            ) from error

    def _note(self, rows: list[tuple[str, float, bool]], present: set[str]) -> None:
        with self._open() as db, db:
            db.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?)", rows)
            gone = [(key,) for (key,) in db.execute("SELECT key FROM reading") if key not in present]
            db.executemany("DELETE FROM reading WHERE key = ?", gone)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=self._wait_s)) as db:
            db.execute(_SCHEMA)
            yield db
