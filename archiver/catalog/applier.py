"""Taking the rows of a run into the catalog's tables."""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from archiver.model import Flags
from archiver.rows import (
    AnyRow,
    EndRow,
    FlagsRow,
    FolderRow,
    HeaderRow,
    MessageRow,
    MissedRow,
    PrunedRow,
    RestoredRow,
    VanishedRow,
    VolumeRow,
)


def flags_text(flags: Flags) -> str:
    """Write flags for a column; a keyword may hold spaces: Exchange's categories do."""
    return "\0".join(sorted(flags))


def read_flags(text: str) -> Flags:
    """Undo `flags_text`."""
    return frozenset(text.split("\0")) if text else frozenset()


class Applier:
    """Takes the rows of one run in; many rows of a kind go to SQLite together."""

    def __init__(self, db: sqlite3.Connection, seq: int) -> None:
        """`seq` numbers the run."""
        self._db = db
        self._seq = seq
        self._volumes: dict[str, int] = {}
        self._touched: set[int] = set()

    def apply(self, rows: Iterable[AnyRow]) -> None:
        """Take in rows in their order; the caller holds the transaction."""
        messages: list[MessageRow] = []
        for row in rows:
            if isinstance(row, MessageRow):
                messages.append(row)
                continue
            self._insert(messages)
            messages = []
            self._apply_one(row)
        self._insert(messages)
        for folder_id in self._touched:
            self._count(folder_id)

    def relocate(self, rows: Iterable[AnyRow]) -> None:
        """Take in where stored copies lie, and nothing else; the caller holds the transaction."""
        for row in rows:
            if isinstance(row, VolumeRow):
                self._apply_one(row)
            elif isinstance(row, MessageRow) and not row.lost:
                self._db.execute(
                    "UPDATE message SET volume = ?, offset = ?, length = ? WHERE sha256 = ?",
                    (self._volume_id(row.volume), row.offset, row.length, bytes.fromhex(row.sha256)),
                )

    def _apply_one(self, row: AnyRow) -> None:
        match row:
            case HeaderRow():
                self._db.execute("UPDATE state SET header = ?", (msgspec.json.encode(row).decode(),))
            case FolderRow():
                self._folder(row)
            case FlagsRow():
                refs = [(flags_text(row.flags), row.folder, row.epoch, key) for key in row.keys]
                for table in ("message", "missed"):
                    change = f"UPDATE {table} SET flags = ? WHERE folder = ? AND epoch = ? AND key = ?"  # noqa: S608 -- two constants
                    self._db.executemany(change, refs)
            case VanishedRow():
                self._vanished(row)
            case MissedRow():
                self._missed(row)
            case RestoredRow():
                self._db.executemany(
                    "INSERT OR REPLACE INTO restored VALUES (?, ?, ?, ?, ?)",
                    [
                        (row.account, row.folder, row.epoch, key, bytes.fromhex(digest))
                        for key, digest in zip(row.keys, row.sha256, strict=True)
                        if key
                    ],
                )
            case PrunedRow():
                self._pruned(row)
            case VolumeRow():
                self._volume_id(row.key)
                self._db.execute(
                    "UPDATE volume SET frames = ? WHERE key = ?", (msgspec.json.encode(row), row.key)
                )
            case MessageRow() | EndRow():
                pass

    def _folder(self, row: FolderRow) -> None:
        self._touched.add(row.id)
        self._db.execute(
            "INSERT INTO folder (id, name, epoch, token, separator, special_use, present, gone, subscribed, kind)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
            " epoch = excluded.epoch, token = excluded.token, separator = excluded.separator,"
            " special_use = excluded.special_use, present = excluded.present, gone = excluded.gone,"
            " subscribed = excluded.subscribed, kind = excluded.kind",
            (
                *(row.id, row.name, row.epoch, row.token, row.separator, row.special_use),
                *(row.exists, row.gone, row.subscribed, row.kind.value),
            ),
        )

    def _vanished(self, row: VanishedRow) -> None:
        self._touched.add(row.folder)
        refs = [(row.folder, row.epoch, key) for key in row.keys]
        ref = "WHERE folder = ? AND epoch = ? AND key = ?"
        self._db.executemany(f"UPDATE message SET vanished = 1 {ref}", refs)  # noqa: S608 -- a constant
        self._db.executemany(f"DELETE FROM missed {ref}", refs)  # noqa: S608 -- a constant

    def _pruned(self, row: PrunedRow) -> None:
        self._touched.add(row.folder)
        change = {
            "intent": "pruned = ?",
            "removed": "pruned = ?, vanished = 1",
            "kept": "pruned = nullif(pruned, ?)",
        }[row.state]
        self._db.executemany(
            f"UPDATE message SET {change} WHERE folder = ? AND epoch = ? AND key = ?",  # noqa: S608 -- three constants
            [(row.run, row.folder, row.epoch, key) for key in row.keys],
        )

    def _missed(self, row: MissedRow) -> None:
        self._touched.add(row.folder)
        self._db.execute(
            "INSERT OR REPLACE INTO missed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(row.folder, row.epoch, row.key, row.reason, row.tries, row.size),
                *(flags_text(row.flags), row.received.isoformat() if row.received else None, row.kind.value),
            ),
        )

    def _insert(self, rows: Sequence[MessageRow]) -> None:
        if not rows:
            return
        values = [
            (
                *(row.folder, row.epoch, row.key, bytes.fromhex(row.sha256), row.size),
                *(self._volume_id(row.volume), row.offset, row.length, flags_text(row.flags)),
                row.received.isoformat() if row.received else None,
                *(row.named_size, row.message_id, row.kind.value, self._seq, row.lost),
            )
            for row in rows
        ]
        # A UID that a server gave to two messages, or a UIDVALIDITY that came back for others: that which was
        # there stays, as a message of an epoch that is past.
        self._db.executemany(
            "UPDATE message SET epoch = epoch || ' ~' || id, vanished = 1"
            " WHERE folder = ? AND epoch = ? AND key = ? AND sha256 <> ?",
            [each[:4] for each in values],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO message (folder, epoch, key, sha256, size, volume, offset, length,"
            " flags, received, named_size, message_id, kind, run, lost)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            values,
        )
        self._db.executemany(
            "DELETE FROM missed WHERE folder = ? AND epoch = ? AND key = ?",
            [(row.folder, row.epoch, row.key) for row in rows],
        )
        for row in rows:
            self._touched.add(row.folder)

    def _volume_id(self, key: str) -> int:
        found = self._volumes.get(key)
        if found is None:
            self._db.execute("INSERT OR IGNORE INTO volume (key) VALUES (?)", (key,))
            found = self._db.execute("SELECT id FROM volume WHERE key = ?", (key,)).fetchone()[0]
            self._volumes[key] = found
        return found

    def _count(self, folder_id: int) -> None:
        self._db.execute(
            "UPDATE folder SET"
            " held = CASE WHEN gone THEN 0 ELSE (SELECT count(*) FROM message m"
            "  WHERE m.folder = folder.id AND m.epoch = folder.epoch AND m.vanished = 0) END,"
            " missed = CASE WHEN gone THEN 0 ELSE (SELECT count(*) FROM missed x"
            "  WHERE x.folder = folder.id AND x.epoch = folder.epoch) END,"
            " archived = (SELECT count(*) FROM message m WHERE m.folder = folder.id),"
            " size = (SELECT coalesce(sum(size), 0) FROM message m WHERE m.folder = folder.id)"
            " WHERE id = ?",
            (folder_id,),
        )
