"""What is noted on this machine before it is put in by its export."""

import errno
import os
import stat
from pathlib import Path

import pytest

from archiver.accounts.intents import Came, FolderIntents, Intents, Sent, looks_of, recognise, worn_by
from archiver.errors import ArchiverError, FolderRefused

A, B = "a" * 64, "b" * 64
LOOKS, OTHER = looks_of("one"), looks_of("other")


class Machine:
    """A folder for notes, and what was warned of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []

    def of(self, epoch: str = "exchange.1") -> FolderIntents:
        return Intents(lambda: self.folder, self.warnings.append).of("INBOX", epoch)

    @property
    def file(self) -> Path:
        return self.folder / "exchange.1.jsonl"

    def left(self, *lines: bytes) -> dict[str, Sent]:
        """Write lines behind what is there, and tell what is read."""
        with self.file.open("ab") as file:
            file.writelines(lines)
        with self.of() as noted:
            return dict(noted.open)

    def dies_with(self, *marks: str) -> None:
        """Note what is sent, and come to an end before it is marked."""
        with self.of() as noted:
            noted.begin(["there"])
            noted.note({mark: Sent(LOOKS) for mark in marks})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_was_sent_and_not_marked_is_told_to_the_next_process(machine: Machine) -> None:
    with machine.of() as noted:
        assert noted.open == {}
        noted.begin(["there", "too"])
        noted.note({f"{A}.0": Sent(LOOKS), f"{B}.0": Sent(OTHER, (f"{A}.3",))})
        noted.done([f"{A}.0"])
    with machine.of() as noted:
        assert noted.open == {f"{B}.0": Sent(OTHER, (f"{A}.3",))}
        assert not noted.is_new("there")
        assert not noted.is_new("too")
        assert noted.is_new("came")
    with machine.of("exchange.2") as other:
        assert other.open == {}
        assert other.is_new("there"), "of another folder nothing is known"
    assert machine.warnings == []


def test_it_is_on_the_disk_before_it_is_sent(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    plain = os.fsync

    def fsync(file: int) -> None:
        plain(file)
        if stat.S_ISREG(os.fstat(file).st_mode):
            synced.append(machine.file.read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    with machine.of() as noted:
        noted.begin([])
        noted.note({f"{A}.0": Sent(LOOKS)})
        assert synced[-1:] == [machine.file.read_bytes()]
        assert A.encode() in synced[-1]


def test_nothing_is_left_behind_where_all_is_marked(machine: Machine) -> None:
    with machine.of() as noted:
        noted.begin(["there"])
        for number in range(100):
            noted.note({f"{A}.{number}": Sent(LOOKS)})
            noted.done([f"{A}.{number}"])
        assert machine.file.stat().st_size < 200, "what is done takes no place"
    assert list(machine.folder.iterdir()) == []


def test_what_the_folder_held_counts_from_the_first_that_is_open(machine: Machine) -> None:
    machine.dies_with(f"{A}.0")
    with machine.of() as noted:
        noted.begin(["there", "came"])
        noted.note({f"{B}.0": Sent(LOOKS)})
    with machine.of() as noted:
        assert noted.is_new("came")
        assert set(noted.open) == {f"{A}.0", f"{B}.0"}
        noted.done(list(noted.open))
        noted.begin(["there", "came"])
        assert not noted.is_new("came")
        noted.note({f"{B}.1": Sent(LOOKS)})
    with machine.of() as noted:
        assert not noted.is_new("came")
        assert set(noted.open) == {f"{B}.1"}


def test_its_owner_alone_may_read_it(machine: Machine) -> None:
    before = os.umask(0)
    try:
        with machine.of() as noted:
            noted.begin([])
            noted.note({f"{A}.0": Sent(LOOKS)})
    finally:
        os.umask(before)
    assert stat.S_IMODE(machine.file.stat().st_mode) == 0o600


def test_a_line_that_was_torn_was_never_sent_and_is_overwritten(machine: Machine) -> None:
    machine.dies_with(f"{A}.0")
    whole = machine.file.read_bytes()
    with machine.of() as noted:
        noted.note({f"{B}.0": Sent(LOOKS)})
    longer = machine.file.read_bytes()
    for end in range(len(longer)):
        machine.file.write_bytes(longer[:end])
        with machine.of() as noted:
            assert set(noted.open) == ({f"{A}.0"} if end >= len(whole) else set())
            noted.begin(["there"])
            noted.note({f"{B}.1": Sent(LOOKS)})
        with machine.of() as noted:
            assert set(noted.open) == ({f"{A}.0", f"{B}.1"} if end >= len(whole) else {f"{B}.1"})
            assert not noted.is_new("there")
    assert machine.warnings == []


@pytest.mark.parametrize(
    "text", [b"what is this\n", b"\n", b"{}\n", b"\xff\xfe\n", b'deadbeef {"done":[]}\n']
)
def test_foreign_text_is_told_and_taken_for_nothing(machine: Machine, text: bytes) -> None:
    machine.dies_with(f"{A}.0")
    assert set(machine.left(text)) == {f"{A}.0"}
    assert len(machine.warnings) == 1
    assert "some items in twice" in machine.warnings[0]
    machine.file.write_bytes(text)
    assert machine.left() == {}
    assert len(machine.warnings) == 2
    assert list(machine.folder.iterdir()) == []


def test_a_changed_byte_makes_no_item_new_that_was_there(machine: Machine) -> None:
    machine.dies_with(f"{A}.0")
    raw = machine.file.read_bytes()
    for at in range(raw.index(b"\n")):
        machine.file.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        with machine.of() as noted:
            assert not noted.open


def test_while_one_process_puts_items_in_no_other_may(machine: Machine) -> None:
    with machine.of() as first:
        first.begin([])
        with (
            pytest.raises(FolderRefused, match="another restore is putting items into") as refused,
            machine.of(),
        ):
            pass
        assert refused.value.hint == "run again when it has ended"
        first.note({f"{A}.0": Sent(LOOKS)})
    with machine.of() as second:
        assert set(second.open) == {f"{A}.0"}


def disk_full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["pwrite", "fsync", "ftruncate"])
def test_where_nothing_can_be_written_it_is_told_once_and_the_work_goes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with machine.of() as noted:
        noted.begin([])
        noted.note({f"{A}.0": Sent(LOOKS)})
        monkeypatch.setattr(os, call, disk_full)
        for number in range(3):
            noted.note({f"{B}.{number}": Sent(LOOKS)})
            noted.done([f"{B}.{number}"])
        monkeypatch.undo()
    assert len(machine.warnings) == 1
    assert "No space left on device" in machine.warnings[0]
    with machine.of() as noted:
        assert f"{A}.0" in noted.open, "what was noted before stays"


def test_a_line_of_which_the_disk_takes_a_part_is_no_line(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.pwrite
    with machine.of() as noted:
        noted.begin([])
        noted.note({f"{A}.0": Sent(LOOKS)})
        monkeypatch.setattr(os, "pwrite", lambda file, raw, at: plain(file, raw[:20], at))
        noted.note({f"{B}.0": Sent(LOOKS)})
        monkeypatch.undo()
    assert len(machine.warnings) == 1
    with machine.of() as noted:
        assert set(noted.open) == {f"{A}.0"}


def test_where_there_can_be_no_file_it_is_told_once_and_the_work_goes_on(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "a file")
    machine.folder.write_text("")
    with machine.of() as noted:
        noted.begin(["there"])
        noted.note({f"{A}.0": Sent(LOOKS)})
        assert not noted.is_new("there")
        noted.done([f"{A}.0"])
    assert len(machine.warnings) == 1

    def nowhere() -> Path:
        raise ArchiverError("the folder cannot be made")

    warnings: list[str] = []
    intents = Intents(nowhere, warnings.append)
    for _ in range(2):
        with intents.of("INBOX", "exchange.1") as noted:
            noted.begin([])
            noted.note({f"{A}.0": Sent(LOOKS)})
    assert len(warnings) == 1
    assert "the folder cannot be made" in warnings[0]


def test_an_account_that_keeps_none_works_without_a_word() -> None:
    with Intents().of("INBOX", "exchange.1") as noted:
        noted.begin(["there"])
        noted.note({f"{A}.0": Sent(LOOKS)})
        assert noted.is_new("came")
        noted.done([f"{A}.0"])
        assert noted.open == {}


# --- recognising ------------------------------------------------------------------------------------------


def test_what_looks_so_is_known_and_of_copies_the_first_comes_first() -> None:
    sent = {f"{A}.10": Sent(LOOKS), f"{A}.9": Sent(LOOKS), f"{B}.0": Sent(OTHER)}
    assert recognise(sent, [Came("1", LOOKS), Came("2", looks_of("third"))]) == {f"{A}.9": "1"}
    assert recognise(sent, [Came("1", LOOKS), Came("2", LOOKS), Came("3", LOOKS), Came("4", OTHER)]) == {
        f"{A}.9": "1",
        f"{A}.10": "2",
        f"{B}.0": "4",
    }


def test_what_bears_a_mark_is_known_only_where_its_export_bears_it_too() -> None:
    sent = {f"{A}.0": Sent(LOOKS, (f"{B}.0",))}
    assert recognise(sent, [Came("1", LOOKS, frozenset({f"{B}.1"}))]) == {}
    assert recognise(sent, [Came("1", LOOKS, frozenset({f"{B}.0", f"{B}.1"}))]) == {}
    assert recognise(sent, [Came("1", LOOKS, frozenset({f"{B}.0"}))]) == {f"{A}.0": "1"}


def test_of_contents_that_look_alike_none_is_taken_for_another() -> None:
    sent = {f"{A}.0": Sent(LOOKS), f"{B}.0": Sent(LOOKS)}
    assert recognise(sent, [Came("1", LOOKS)]) == {}
    assert recognise(sent, [Came("1", LOOKS), Came("2", LOOKS)]) == {}


def test_marks_are_found_in_an_export_in_either_width() -> None:
    first, second = f"{A}.0", f"{B}.12"
    export = (
        b"\x00\x01" + first.encode() + b"\x00" + second.encode("utf-16-le") + b"\x00\x00" + A[:60].encode()
    )
    assert worn_by(export) == (first, second)
    assert worn_by(b"") == ()
