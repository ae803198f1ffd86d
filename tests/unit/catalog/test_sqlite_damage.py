"""A catalog that cannot be used is told apart: locked is kept, damaged is made anew."""

import sqlite3
from pathlib import Path

import pytest

from archiver.catalog.sqlite import SqliteCatalog
from archiver.cli.failure import as_archiver_error
from archiver.errors import StoreFailed


def test_a_catalog_that_cannot_be_opened_is_not_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    path.mkdir()  # SQLite cannot open a folder
    with pytest.raises(StoreFailed):
        SqliteCatalog(path)
    assert path.is_dir()


def test_a_file_that_is_no_catalog_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    catalog = SqliteCatalog(path)
    assert catalog.head().seq == 0
    catalog.close()


def test_damage_deep_inside_is_told_with_its_remedy() -> None:
    told = as_archiver_error(sqlite3.DatabaseError("database disk image is malformed"))
    assert isinstance(told, StoreFailed)
    assert told.hint is not None
    assert "remove the folder" in told.hint
