"""A glance into a catalog tells what the catalog would, and leaves no trace."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.catalog.glance import Glance, glance
from archiver.catalog.sqlite import SqliteCatalog
from archiver.model import Head
from archiver.rows import HeaderRow


def test_it_tells_what_the_catalog_tells(tmp_path: Path) -> None:
    path = tmp_path / "k7q2m9xa.sqlite"
    catalog = SqliteCatalog(path)
    assert glance(path) == Glance()
    header = HeaderRow(archive="a", chain="k7q2m9xa", seq=1, account="ann", kind="imap", layout="mbox")
    catalog.apply(Head(1, "f" * 64), [header])
    assert glance(path) == Glance(catalog.head(), "ann")
    catalog.close()


def test_the_newest_date_of_receipt_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "k7q2m9xa.sqlite"
    SqliteCatalog(path).close()
    db = sqlite3.connect(path)
    db.execute(
        "INSERT INTO folder (id, name, epoch, gone, kind)"
        " VALUES (1, 'INBOX', '7', 0, 'mail'), (2, 'Old', '7', 1, 'mail')"
    )
    for key, received in enumerate(("2024-05-31T10:00:00+00:00", "2023-05-31T10:00:00+02:00", None)):
        db.execute(
            "INSERT INTO message (folder, epoch, key, sha256, size, volume, offset, length, flags, received, kind,"
            " run, lost) VALUES (1, '7', ?, x'00', 1, 1, 0, 1, '', ?, 'mail', 1, 0)",
            (str(key), received),
        )
    db.commit()
    db.close()
    assert glance(path).folders == ("INBOX",)
    assert glance(path).newest is None
    assert glance(path, with_newest=True).newest == datetime(2024, 5, 31, 10, tzinfo=UTC)


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        glance(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []
