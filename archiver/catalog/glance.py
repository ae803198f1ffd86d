"""A look into a catalog that neither makes, brings up nor changes it: for what must be quick, or must not touch."""

import sqlite3
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from archiver.model import EMPTY_HEAD, Head
from archiver.rows import HeaderRow


class Glance(Struct, frozen=True):
    """What a catalog says of itself; `newest` is about the latest date of receipt that a server gave."""

    head: Head = EMPTY_HEAD
    account: str | None = None
    folders: tuple[str, ...] = ()
    newest: datetime | None = None


def glance(path: Path, *, with_newest: bool = False) -> Glance:
    """Look into the catalog at `path`, waiting for nobody. Raises `sqlite3.Error` where that cannot be."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
    try:
        seq, sha256, header = db.execute("SELECT seq, sha256, header FROM state").fetchone()
        folders = tuple(name for (name,) in db.execute("SELECT name FROM folder WHERE NOT gone ORDER BY id"))
        # as text: exact but for the zones, which the question does not need
        newest = db.execute("SELECT max(received) FROM message").fetchone()[0] if with_newest else None
    finally:
        db.close()
    account = msgspec.json.decode(header, type=HeaderRow).account if header else None
    head = Head(seq, sha256) if seq else EMPTY_HEAD
    return Glance(head, account, folders, datetime.fromisoformat(newest) if newest else None)
