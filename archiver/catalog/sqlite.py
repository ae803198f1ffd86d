"""The catalog in one SQLite file for each chain: what its indexes say, for quick questions.

It is a cache: a file that is missing, damaged or of another version is made anew from the archive. It holds
folder names, UIDs, digests, sizes, dates and flags; no subject, no address, no body.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from archiver.catalog.applier import Applier, read_flags
from archiver.errors import Damaged, StoreFailed
from archiver.model import EMPTY_HEAD, Cursor, Entry, Flags, Folder, FolderState, Head, Kind, Place, Ref
from archiver.rows import AnyRow, HeaderRow, MissedRow, VolumeRow

_FEW_LOOKUPS = 500  # a question takes some 20 µs, going through 100,000 digests some 50 ms
_VERSION = 7
_SCHEMA = """
CREATE TABLE state (seq INTEGER NOT NULL, sha256 TEXT NOT NULL, header TEXT);
INSERT INTO state VALUES (0, '', NULL);
CREATE TABLE folder (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL, token TEXT, separator TEXT,
  special_use TEXT, present INTEGER, gone INTEGER NOT NULL, subscribed INTEGER, kind TEXT NOT NULL,
  held INTEGER NOT NULL DEFAULT 0, missed INTEGER NOT NULL DEFAULT 0,
  archived INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT 0);
CREATE TABLE volume (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, frames BLOB);
CREATE TABLE message (
  id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, epoch TEXT NOT NULL, key TEXT NOT NULL,
  sha256 BLOB NOT NULL, size INTEGER NOT NULL, volume INTEGER NOT NULL, offset INTEGER NOT NULL,
  length INTEGER NOT NULL, flags TEXT NOT NULL, received TEXT, named_size INTEGER, message_id TEXT,
  kind TEXT NOT NULL, run INTEGER NOT NULL, lost INTEGER NOT NULL,
  vanished INTEGER NOT NULL DEFAULT 0, pruned INTEGER);
CREATE UNIQUE INDEX message_ref ON message (folder, epoch, key);
CREATE INDEX message_alive ON message (folder, epoch, vanished);
CREATE INDEX message_digest ON message (sha256);
CREATE INDEX message_pruned ON message (pruned) WHERE pruned IS NOT NULL;
CREATE TABLE missed (
  folder INTEGER NOT NULL, epoch TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL,
  tries INTEGER NOT NULL, size INTEGER, flags TEXT NOT NULL, received TEXT, kind TEXT NOT NULL,
  PRIMARY KEY (folder, epoch, key)) WITHOUT ROWID;
CREATE TABLE restored (
  account TEXT NOT NULL, folder TEXT NOT NULL, epoch TEXT NOT NULL, key TEXT NOT NULL, sha256 BLOB NOT NULL,
  PRIMARY KEY (account, folder, epoch, key)) WITHOUT ROWID;
"""
_ENTRY = """
SELECT f.name, m.epoch, m.key, m.sha256, m.size, v.key, m.offset, m.length, m.flags, m.received,
       m.named_size, m.kind, m.vanished OR m.epoch <> f.epoch OR f.gone, m.run, m.pruned, m.lost,
       m.message_id
FROM message m JOIN folder f ON f.id = m.folder JOIN volume v ON v.id = m.volume
"""
_FOLDER = """
SELECT id, name, separator, special_use, epoch, token, present, held, missed, archived, size, gone, subscribed, kind
FROM folder
"""

_CONTENTS = (
    "SELECT * FROM state",
    "SELECT * FROM folder ORDER BY id",
    "SELECT m.folder, m.epoch, m.key, m.sha256, m.size, v.key, m.offset, m.length, m.flags, m.received,"
    " m.named_size, m.message_id, m.kind, m.run, m.lost, m.vanished, m.pruned"
    " FROM message m JOIN volume v ON v.id = m.volume ORDER BY m.id",
    "SELECT key, frames FROM volume ORDER BY key",
    "SELECT * FROM missed ORDER BY folder, epoch, key",
    "SELECT * FROM restored ORDER BY account, folder, epoch, key",
)


class SqliteCatalog:
    """See `Catalog`. One connection; not for several threads."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the catalog at `path`, or an empty one in memory."""
        try:
            self._db = _open(path)
        except sqlite3.OperationalError as error:  # locked, or the disk: no reason to throw it away
            raise StoreFailed(
                f'the local catalog "{path}" cannot be opened: {error}',
                "check the space and the rights of the cache folder; what was archived is safe",
            ) from error
        except sqlite3.DatabaseError:
            if path is None:
                raise
            remove_catalog(path)  # not ours, of another version, or damaged: the archive has all of it
            self._db = _open(path)
        self._lookups = 0
        self._digests: _Digests | None = None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def head(self) -> Head:
        """See `Catalog.head`."""
        seq, sha256 = self._db.execute("SELECT seq, sha256 FROM state").fetchone()
        return Head(seq, sha256) if seq else EMPTY_HEAD

    def header(self) -> HeaderRow | None:
        """See `Catalog.header`."""
        text = self._db.execute("SELECT header FROM state").fetchone()[0]
        return msgspec.json.decode(text, type=HeaderRow) if text else None

    def reset(self) -> None:
        """Forget everything, to be filled anew."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for table in ("folder", "volume", "message", "missed", "restored"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 -- the four names above
            self._db.execute("UPDATE state SET seq = 0, sha256 = '', header = NULL")
        self._digests = None

    def apply(self, head: Head, rows: Iterable[AnyRow]) -> None:
        """See `Catalog.apply`. A run that was applied already, by another process say, is passed over."""
        self._digests = None  # gathered anew when they are wanted
        with self._taking_in(head.seq):
            if self.head().seq >= head.seq:
                return
            Applier(self._db, head.seq).apply(rows)
            self._db.execute("UPDATE state SET seq = ?, sha256 = ?", (head.seq, head.sha256))

    def relocate(self, rows: Iterable[AnyRow]) -> None:
        """See `Catalog.relocate`."""
        with self._taking_in(self.head().seq):
            Applier(self._db, self.head().seq).relocate(rows)

    @contextmanager
    def _taking_in(self, seq: int) -> Iterator[None]:
        """Hold a transaction for the rows of a run, and say in the words of the house what is wrong with them."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield
        except (ValueError, TypeError, OverflowError, sqlite3.IntegrityError) as error:
            raise Damaged(f"the index of run {seq} holds a row that cannot be: {error}") from error
        except sqlite3.OperationalError as error:
            raise StoreFailed(
                f"the local catalog cannot be written: {error}",
                "check the space and the rights of the cache folder; what was archived is safe",
            ) from error

    def folders(self) -> Sequence[FolderState]:
        """See `Catalog.folders`."""
        return [_folder_state(row) for row in self._db.execute(_FOLDER + "ORDER BY id")]

    def folder(self, name: str) -> FolderState | None:
        """See `Catalog.folder`."""
        row = self._db.execute(_FOLDER + "WHERE name = ?", (name,)).fetchone()
        return _folder_state(row) if row else None

    def known(self, folder_id: int, epoch: str) -> Mapping[str, Flags]:
        """See `Catalog.known`."""
        cache: dict[str, Flags] = {}
        found = self._db.execute(
            "SELECT key, flags FROM message WHERE folder = ? AND epoch = ? AND NOT vanished",
            (folder_id, epoch),
        )
        return {key: cache.get(flags) or cache.setdefault(flags, read_flags(flags)) for key, flags in found}

    def known_among(self, folder_id: int, epoch: str, keys: Sequence[str]) -> Mapping[str, Flags]:
        """See `Catalog.known_among`."""
        query = "SELECT flags FROM message WHERE folder = ? AND epoch = ? AND key = ? AND NOT vanished"
        found = ((key, self._db.execute(query, (folder_id, epoch, key)).fetchone()) for key in keys)
        return {key: read_flags(row[0]) for key, row in found if row}

    def place(self, digest: str) -> Place | None:
        """See `Catalog.place`. Who asks often is mostly told from memory that there is none."""
        wanted = bytes.fromhex(digest)
        self._lookups += 1
        if self._lookups > _FEW_LOOKUPS:
            if self._digests is None:
                self._digests = _Digests(self._db)
            if not self._digests.may_hold(wanted):
                return None
        row = self._db.execute(
            "SELECT v.key, m.offset, m.length FROM message m JOIN volume v ON v.id = m.volume"
            " WHERE m.sha256 = ? AND NOT m.lost LIMIT 1",
            (wanted,),
        ).fetchone()
        return Place(*row) if row else None

    def entries(self, folder: str | None = None, *, vanished: bool = True) -> Iterator[Entry]:
        """See `Catalog.entries`."""
        where = "WHERE (? IS NULL OR f.name = ?)"
        if not vanished:
            where += " AND NOT m.vanished AND m.epoch = f.epoch AND NOT f.gone"
        for row in self._db.execute(f"{_ENTRY} {where} ORDER BY m.folder, m.id", (folder, folder)):
            yield _entry(row)

    def find(self, digest_prefix: str) -> Sequence[Entry]:
        """See `Catalog.find`."""
        rows = self._db.execute(
            f"{_ENTRY} WHERE hex(m.sha256) >= ? AND hex(m.sha256) < ? ORDER BY m.id",
            (digest_prefix.upper(), digest_prefix.upper() + "G"),
        )
        return [_entry(row) for row in rows]

    def missed(self, folder_id: int, epoch: str) -> Sequence[MissedRow]:
        """See `Catalog.missed`."""
        rows = self._db.execute(
            "SELECT folder, epoch, key, reason, tries, size, flags, received, kind FROM missed"
            " WHERE folder = ? AND epoch = ?",
            (folder_id, epoch),
        )
        return [
            MissedRow(folder, epoch, key, reason, tries, size, read_flags(flags), _time(received), Kind(kind))
            for folder, epoch, key, reason, tries, size, flags, received, kind in rows
        ]

    def fingerprints(self, folder_id: int) -> Iterator[tuple[Entry, str | None]]:
        """See `Catalog.fingerprints`."""
        where = "WHERE m.folder = ? AND m.epoch = f.epoch AND NOT m.vanished AND NOT m.lost ORDER BY m.id"
        for row in self._db.execute(f"{_ENTRY} {where}", (folder_id,)):
            yield _entry(row), row[-1]

    def restored(self, account: str, folder: str, epoch: str) -> Mapping[str, str]:
        """See `Catalog.restored`."""
        rows = self._db.execute(
            "SELECT key, sha256 FROM restored WHERE account = ? AND folder = ? AND epoch = ?",
            (account, folder, epoch),
        )
        return {key: digest.hex() for key, digest in rows}

    def intended(self, folder_id: int, epoch: str) -> Mapping[str, int]:
        """See `Catalog.intended`."""
        return dict(
            self._db.execute(
                "SELECT key, pruned FROM message"
                " WHERE pruned IS NOT NULL AND NOT vanished AND folder = ? AND epoch = ?",
                (folder_id, epoch),
            )
        )

    def volume(self, key: str) -> VolumeRow:
        """See `Catalog.volume`."""
        row = self._db.execute("SELECT frames FROM volume WHERE key = ?", (key,)).fetchone()
        if row is None or row[0] is None:
            raise Damaged(f'no index names the frames of "{key}"')
        return msgspec.json.decode(row[0], type=VolumeRow)

    def contents(self) -> Iterator[tuple[object, ...]]:
        """See `Catalog.contents`."""
        try:
            (sound,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
            if sound != "ok":
                raise Damaged(f"the local catalog is damaged: {sound}")
            for query in _CONTENTS:
                yield from self._db.execute(query)
        except sqlite3.DatabaseError as error:
            raise Damaged(f"the local catalog is damaged: {error}") from error


class _Digests:
    """Tells most digests that are not there apart from those that are, by their first 24 bits, in 2 MiB."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._bits = bytearray(1 << 21)
        for (start,) in db.execute("SELECT substr(sha256, 1, 3) FROM message"):
            number = int.from_bytes(start)
            self._bits[number >> 3] |= 1 << (number & 7)

    def may_hold(self, digest: bytes) -> bool:
        """Tell whether a digest may be there; False is certain."""
        number = int.from_bytes(digest[:3])
        return bool(self._bits[number >> 3] >> (number & 7) & 1)


def _open(path: Path | None) -> sqlite3.Connection:
    if path is None:
        db = sqlite3.connect(":memory:", isolation_level=None)
    else:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(0o600)
        except OSError as error:
            raise StoreFailed(
                f'the cache folder "{path.parent}" cannot be written: {error.strerror}', "check its rights"
            ) from error
        db = sqlite3.connect(path, isolation_level=None, timeout=30)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        if version or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            db.close()
            raise sqlite3.DatabaseError("a catalog of another version")
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    try:
        for table in ("state", "folder"):  # damage shows here, if it does before its page is needed
            db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 -- the two names above
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def look_at(path: Path) -> str | None:
    """Tell, without changing it, why the catalog at `path` cannot be used; None where it can."""
    if not path.exists():
        return "is not there"
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            sound = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        finally:
            db.close()
    except sqlite3.OperationalError as error:  # locked, or the disk: no reason to throw it away
        raise StoreFailed(f'the local catalog "{path}" cannot be read: {error}', "try again later") from error
    except sqlite3.DatabaseError:
        return "is damaged"
    if version != _VERSION:
        return "is of another version"
    return None if sound == "ok" else "is damaged"


def remove_catalog(path: Path) -> None:
    """Remove a catalog: it is made anew from the archive."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _entry(row: tuple[Any, ...]) -> Entry:
    folder, epoch, key, digest, size, volume, offset, length, flags, received, *rest = row
    named, kind, vanished, run, pruned, lost, _ = rest
    return Entry(
        digest=digest.hex(),
        ref=Ref(folder, epoch, key),
        place=Place(volume, offset, length),
        size=size,
        flags=read_flags(flags),
        received=_time(received),
        kind=Kind(kind),
        named_size=named,
        vanished=bool(vanished),
        run=run,
        pruned=pruned,
        lost=bool(lost),
    )


def _folder_state(row: tuple[Any, ...]) -> FolderState:
    folder_id, name, separator, use, epoch, token, present, held, missed, archived, size, gone, told, kind = (
        row
    )
    return FolderState(
        id=folder_id,
        folder=Folder(name, separator, use, None if told is None else bool(told), Kind(kind)),
        epoch=epoch,
        cursor=Cursor(epoch, token) if token is not None else None,
        exists=present,
        held=held,
        missed=missed,
        archived=archived,
        size=size,
        gone=bool(gone),
    )
