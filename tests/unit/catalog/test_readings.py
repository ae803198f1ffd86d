"""What is remembered of the reading of objects, and that losing it costs nothing."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.catalog.readings import SqliteReadings
from archiver.errors import StoreFailed
from archiver.ports import Reading

AT = datetime(2026, 3, 1, 2, 30, 15, 123456, tzinfo=UTC)


def test_readings_are_remembered_until_their_object_is_gone(tmp_path: Path) -> None:
    readings = SqliteReadings(tmp_path / "made" / "x.readings")
    assert readings.last() == {}
    readings.note({"a": Reading(AT), "b": Reading(AT, sound=False)}, ["a", "b"])
    assert readings.last() == {"a": Reading(AT), "b": Reading(AT, sound=False)}
    later = Reading(AT + timedelta(days=7))
    readings.note({"b": later}, ["b", "c"])
    assert SqliteReadings(tmp_path / "made" / "x.readings").last() == {"b": later}


@pytest.mark.parametrize(
    "content", [b"no database at all, by no means" * 40, b"", b"SQLite format 3\0" + bytes(900)]
)
def test_a_damaged_memory_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.readings"
    path.write_bytes(content)
    readings = SqliteReadings(path)
    assert readings.last() == {}
    readings.note({"a": Reading(AT)}, ["a"])
    assert readings.last() == {"a": Reading(AT)}


def test_a_memory_that_cannot_be_written_is_told_and_not_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "x.readings"
    readings = SqliteReadings(path)
    readings.note({"a": Reading(AT)}, ["a"])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA busy_timeout = 0")
    other.execute("BEGIN EXCLUSIVE")
    busy = SqliteReadings(path, wait_s=0)
    with pytest.raises(StoreFailed, match="it cannot be kept which objects were read"):
        busy.note({"b": Reading(AT)}, ["a", "b"])
    other.execute("ROLLBACK")
    other.close()
    assert readings.last() == {"a": Reading(AT)}
    (tmp_path / "file").write_text("in the way")
    nowhere = SqliteReadings(tmp_path / "file" / "x.readings")
    assert nowhere.last() == {}
    with pytest.raises(StoreFailed):
        nowhere.note({"a": Reading(AT)}, ["a"])
