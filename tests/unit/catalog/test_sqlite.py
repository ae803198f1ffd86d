"""The catalog: what rows make of it, and that it is a cache that mends itself."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from archiver.catalog.sqlite import SqliteCatalog
from archiver.errors import Damaged
from archiver.model import EMPTY_HEAD, Cursor, Frame, Head, Place
from archiver.rows import (
    AnyRow,
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

HASH = "ab" * 32
OTHER = "ac" * 32
HEADER = HeaderRow("0" * 32, "k7q2m9xa", 1, "post", "imap", "mbox")
AT = datetime(2024, 4, 5, 19, 34, 38, tzinfo=UTC)


def message(key: str, digest: str = HASH, *, epoch: str = "7", folder: int = 1) -> MessageRow:
    return MessageRow(folder, epoch, key, digest, 10, "v", 0, 20, frozenset({"\\Seen"}), AT, 11, "id")


def catalog_of(*runs: list[AnyRow]) -> SqliteCatalog:
    catalog = SqliteCatalog()
    for number, rows in enumerate(runs, 1):
        catalog.apply(Head(number, f"{number:064}"), [HEADER, *rows])
    return catalog


def test_an_empty_catalog_knows_nothing() -> None:
    catalog = SqliteCatalog()
    assert catalog.head() == EMPTY_HEAD
    assert catalog.header() is None
    assert (catalog.folders(), list(catalog.entries()), catalog.place(HASH)) == ([], [], None)


def test_rows_become_folders_messages_and_places() -> None:
    catalog = catalog_of(
        [FolderRow(1, "INBOX", "7", "token", "/", "\\Inbox", 2), message("1"), message("2", OTHER)]
    )
    state = catalog.folder("INBOX")
    assert state is not None
    assert (state.held, state.archived, state.size, state.exists) == (2, 2, 20, 2)
    assert state.cursor == Cursor("7", "token")
    assert catalog.place(HASH) == Place("v", 0, 20)
    (entry,) = catalog.find("AB")
    assert (entry.received, entry.named_size, entry.flags) == (AT, 11, frozenset({"\\Seen"}))
    assert len(catalog.find("a")) == 2
    assert catalog.find("ad") == []
    assert catalog.header() == HEADER


def test_a_run_is_applied_once() -> None:
    catalog = catalog_of([FolderRow(1, "INBOX", "7"), message("1")])
    catalog.apply(Head(1, "f" * 64), [VanishedRow(1, "7", ("1",))])
    assert [entry.vanished for entry in catalog.entries()] == [False]


def test_flags_and_vanishing_follow_the_rows() -> None:
    catalog = catalog_of(
        [FolderRow(1, "INBOX", "7"), message("1"), message("2")],
        [FlagsRow(1, "7", ("1", "9"), frozenset({"a b", "c"})), VanishedRow(1, "7", ("2", "9"))],
    )
    assert dict(catalog.known(1, "7")) == {"1": frozenset({"a b", "c"})}
    assert dict(catalog.known_among(1, "7", ["1", "2", "9"])) == {"1": frozenset({"a b", "c"})}
    state = catalog.folder("INBOX")
    assert state is not None
    assert (state.held, state.archived) == (1, 2)
    assert [entry.ref.key for entry in catalog.entries(vanished=False)] == ["1"]
    assert [entry.ref.key for entry in catalog.entries("INBOX")] == ["1", "2"]
    assert list(catalog.entries("Elsewhere")) == []


def test_a_new_epoch_leaves_what_was_held_behind() -> None:
    catalog = catalog_of(
        [FolderRow(1, "INBOX", "7"), message("1")],
        [FolderRow(1, "INBOX", "8"), message("5", epoch="8")],
    )
    assert [(entry.ref.epoch, entry.vanished) for entry in catalog.entries()] == [("7", True), ("8", False)]
    assert [entry.ref.key for entry, _ in catalog.fingerprints(1)] == ["5"]


def test_the_ledger_of_the_missed_is_kept_until_a_message_is_there_or_gone() -> None:
    rows: list[AnyRow] = [FolderRow(1, "INBOX", "7"), *(MissedRow(1, "7", key, "bad", 1) for key in "12")]
    catalog = catalog_of(rows, [MissedRow(1, "7", "1", "worse", 2)])
    assert [(row.key, row.reason, row.tries) for row in catalog.missed(1, "7")] == [
        ("1", "worse", 2),
        ("2", "bad", 1),
    ]
    catalog.apply(Head(3, "3" * 64), [message("1"), VanishedRow(1, "7", ("2",))])
    assert catalog.missed(1, "7") == []
    state = catalog.folder("INBOX")
    assert state is not None
    assert (state.held, state.missed) == (1, 0)


def test_frames_of_a_volume_are_told_or_damaged() -> None:
    row = VolumeRow("v", 99, (Frame(5, 20), Frame(6, 30)))
    catalog = catalog_of([FolderRow(1, "INBOX", "7"), message("1"), row])
    assert catalog.volume("v") == row
    with pytest.raises(Damaged):
        catalog.volume("other")
    with pytest.raises(Damaged):
        catalog_of([FolderRow(1, "INBOX", "7"), message("1")]).volume("v")


def test_a_row_that_cannot_be_is_damage_and_leaves_the_catalog_as_it_was() -> None:
    catalog = catalog_of([FolderRow(1, "INBOX", "7")])
    for bad in (
        message("1", "zz"),
        MessageRow(1, "7", "1", HASH, 1 << 70, "v", 0, 0),
        FolderRow(2, "INBOX", "7"),
    ):
        with pytest.raises(Damaged):
            catalog.apply(Head(2, "2" * 64), [message("5"), bad])
        assert catalog.head().seq == 1
        assert list(catalog.entries()) == []


def test_a_catalog_on_disk_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "k7q2m9xa.sqlite"
    catalog = SqliteCatalog(path)
    catalog.apply(Head(1, "1" * 64), [HEADER, FolderRow(1, "INBOX", "7")])
    catalog.close()
    again = SqliteCatalog(path)
    assert again.head().seq == 1
    again.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", [b"not a database at all, " * 100, b"SQLite format 3\0" + bytes(2000)])
def test_a_file_that_is_no_catalog_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(content)
    catalog = SqliteCatalog(path)
    assert catalog.head() == EMPTY_HEAD
    catalog.close()


def test_a_catalog_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    catalog = SqliteCatalog(path)
    assert catalog.head() == EMPTY_HEAD
    catalog.close()


def test_a_catalog_damaged_in_its_middle_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = SqliteCatalog(path)
    rows: list[AnyRow] = [FolderRow(1, "INBOX", "7"), *(message(str(number)) for number in range(3000))]
    catalog.apply(Head(1, "1" * 64), [HEADER, *rows])
    catalog.close()
    data = bytearray(path.read_bytes())
    for place in range(4096, len(data), 4096):
        data[place : place + 200] = bytes(range(200))
    path.write_bytes(bytes(data))
    again = SqliteCatalog(path)
    assert again.head() == EMPTY_HEAD
    again.close()


def lost(row: MessageRow) -> MessageRow:
    return replace(row, lost=True)


def test_what_is_lost_is_held_and_nothing_relies_on_it() -> None:
    catalog = catalog_of(
        [FolderRow(1, "INBOX", "7"), message("1"), message("2", OTHER)], [lost(message("1"))]
    )
    assert catalog.place(HASH) is None
    assert catalog.place(OTHER) is not None
    assert [entry.lost for entry in catalog.entries()] == [False, True]
    assert [entry.ref.key for entry, _ in catalog.fingerprints(1)] == ["2"]
    assert set(catalog.known(1, "7")) == {"1", "2"}
    catalog.apply(Head(3, f"{3:064}"), [HEADER, message("1")])
    assert catalog.place(HASH) is not None


def test_a_later_run_tells_an_earlier_state_where_copies_lie_and_nothing_else() -> None:
    catalog = catalog_of([FolderRow(1, "INBOX", "7"), message("1"), message("2", OTHER)])
    before = list(catalog.entries())
    frames = VolumeRow("w", 9, (Frame(1, 40),))
    moved = replace(message("9"), volume="w", offset=20, flags=frozenset())
    catalog.relocate(
        [FolderRow(2, "Later", "1"), moved, lost(message("2", OTHER)), VanishedRow(1, "7", ("2",)), frames]
    )
    assert list(catalog.entries()) == [replace(before[0], place=Place("w", 20, 20)), before[1]]
    assert catalog.head().seq == 1
    assert [state.folder.name for state in catalog.folders()] == ["INBOX"]
    assert catalog.volume("w") == frames


def test_two_catalogs_of_the_same_rows_have_the_same_contents_and_others_have_not() -> None:
    rows: list[AnyRow] = [FolderRow(1, "INBOX", "7"), message("1"), MissedRow(1, "7", "3", "why")]
    one = list(catalog_of(rows).contents())
    assert one == list(catalog_of(rows).contents())
    others: list[list[AnyRow]] = [
        rows[:2],
        [rows[0], message("2"), rows[2]],
        [*rows, FlagsRow(1, "7", ("1",), frozenset())],
        [*rows, RestoredRow("a", "b", "c", ("1",), (HASH,))],
        [*rows, PrunedRow(1, "7", ("1",), "intent", 1)],
        [*rows, VolumeRow("v", 1, ())],
        [*rows, FolderRow(2, "More", "1")],
    ]
    for other in others:
        assert list(catalog_of(other).contents()) != one
