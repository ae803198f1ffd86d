"""Files that are broken, hostile, or change: told, passed over one by one, and never a reason to hang."""

import os
import pwd
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from archiver.accounts.files.account import FilesAccount
from archiver.accounts.files.maildir import MaildirSource
from archiver.accounts.files.mbox import MboxSource
from archiver.accounts.files.source import Item
from archiver.errors import FolderRefused, Unreachable
from archiver.model import Change, Cursor, Done, Message, Missed, New
from tests.unit.accounts.files.reading import LINE, Taken, mail, mbox, write

ONE, TWO = mail("one"), mail("two")


def test_links_are_not_followed_and_told(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret", mbox(TWO))
    top = tmp_path / "mail"
    write(top / "box", mbox(ONE))
    (top / "loop").symlink_to(top)
    (top / "away").symlink_to(outside)
    (top / "nowhere").symlink_to(top / "nothing")
    taken = Taken(top)
    assert taken.raws == {"box": [ONE]}
    assert taken.notes == [
        f'"{top}/{name}" is a link, and links are not followed' for name in ("away", "loop", "nowhere")
    ]


def test_the_path_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "mail" / "box", mbox(ONE))
    (tmp_path / "folder").symlink_to(tmp_path / "mail")
    (tmp_path / "file").symlink_to(tmp_path / "mail" / "box")
    assert Taken(tmp_path / "folder").raws == {"box": [ONE]}
    assert Taken(tmp_path / "file").raws == {"file": [ONE]}


def test_a_link_in_a_maildir_is_missed(tmp_path: Path) -> None:
    for name in ("cur", "new"):
        (tmp_path / "m" / name).mkdir(parents=True)
    (tmp_path / "m" / "cur" / "a:2,").symlink_to(write(tmp_path / "secret", TWO))
    write(tmp_path / "m" / "cur" / "b:2,", ONE)
    taken = Taken(tmp_path / "m")
    assert taken.raws == {"INBOX": [ONE]}
    assert taken.missed == {"INBOX": ["it is not a regular file"]}


def test_pipes_and_devices_are_never_opened(tmp_path: Path) -> None:
    top = tmp_path / "m"
    write(top / "box", mbox(ONE))
    (top / "cur").mkdir()
    (top / "new").mkdir()
    os.mkfifo(top / "pipe.eml")
    os.mkfifo(top / "cur" / "1:2,S")
    os.mkfifo(top / "s")
    taken = Taken(top)
    assert taken.raws == {"INBOX": [], "box": [ONE]}
    assert taken.missed["INBOX"] == ["it is not a regular file"]
    assert taken.notes == [
        f'"{top}/{name}" is no regular file, and is passed over' for name in ("pipe.eml", "s")
    ]


def test_names_of_any_bytes_become_text(tmp_path: Path) -> None:
    top = tmp_path / "m"
    top.mkdir()
    for number, name in enumerate((b"Gr\xfc\xdfe", b"two\nlines", b"50%2F50", "日本".encode(), b"a\x1bb")):
        Path(os.fsdecode(os.fsencode(top) + b"/" + name)).write_bytes(mbox(mail(str(number))))
    assert set(Taken(top).raws) == {"Gr%FC%DFe", "two%0Alines", "50%252F50", "日本", "a%1Bb"}
    (top / "cur").mkdir()
    (top / "new").mkdir()
    Path(os.fsdecode(os.fsencode(top / "cur") + b"/1\xff\n:2,S")).write_bytes(ONE)
    (remote,) = Taken(top).remotes("INBOX")
    assert remote.ref.key.startswith("1%FF%0A:")
    remote.ref.key.encode()


@contextmanager
def without_rights() -> Iterator[Path]:
    """Give a folder, and be somebody who may not read everything: root is nobody for a while."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if os.geteuid() == 0:
            yield from _as_nobody(Path(folder))
        else:
            yield Path(folder)


def _as_nobody(folder: Path) -> Iterator[Path]:
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, -1)
    os.seteuid(nobody)
    try:
        yield folder
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_told_where_it_is() -> None:
    with without_rights() as folder:
        _look_at_what_may_not_be_read(folder / "m")


def _look_at_what_may_not_be_read(top: Path) -> None:
    write(top / "box", mbox(ONE))
    write(top / "shut", mbox(TWO)).chmod(0)
    write(top / "e" / "a.eml", ONE).chmod(0)
    (top / "closed").mkdir(mode=0)
    for name in ("cur", "new"):
        (top / "M" / name).mkdir(parents=True)
    write(top / "M" / "dovecot.index", b"").chmod(0)
    notes: list[str] = []
    account = FilesAccount(top, notes.append)
    folders = {folder.name: folder for folder in account.folders()}
    assert set(folders) == {"box", "shut", "e", "closed", "M"}
    assert notes == [f'"{top}/M/dovecot.index" is passed over: permission denied']
    for name in ("shut", "closed"):
        with pytest.raises(FolderRefused, match="permission denied"):
            list(account.changes(folders[name], None, dict))
    (new, _) = account.changes(folders["e"], None, dict)
    assert isinstance(new, New)
    (missed,) = account.fetch([new.remote])
    assert isinstance(missed, Missed)
    assert missed.reason == '"e/a.eml": permission denied'


def test_an_unreadable_file_is_told_by_whoever_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, too: the disk itself refuses."""
    top = tmp_path / "m"
    write(top / "a.eml", ONE)
    write(top / "b.eml", TWO)
    pread = os.pread

    def refuse(handle: int, length: int, offset: int) -> bytes:
        if os.fstat(handle).st_ino == (top / "a.eml").stat().st_ino:
            raise OSError(5, "Input/output error")
        return pread(handle, length, offset)

    monkeypatch.setattr(os, "pread", refuse)
    taken = Taken(top)
    assert taken.raws == {"m": [TWO]}
    assert taken.missed == {"m": ['"a.eml": input/output error']}


def test_bytes_before_the_first_from_line_are_missed(tmp_path: Path) -> None:
    file = write(tmp_path / "x.mbox", b"lost its beginning\n\n" + mbox(ONE))
    taken = Taken(file)
    assert taken.raws == {"x": [ONE]}
    assert taken.missed == {"x": ["20 bytes stand before the first From_ line, and begin no message"]}
    nothing = Taken(write(tmp_path / "y.mbox", b"never a line\n"))
    assert nothing.missed == {"y": ["13 bytes stand before the first From_ line, and begin no message"]}


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_an_mbox_cut_anywhere_gives_what_is_there(tmp_path: Path, cut: int) -> None:
    whole = mbox(ONE, TWO)
    taken = Taken(write(tmp_path / "x", whole[:-cut]))
    found = taken.raws["x"]
    assert found[0].startswith(ONE) or ONE.startswith(found[0])  # half a From_ line is text
    assert cut > 1 or found == [ONE, TWO]
    assert sum(map(len, found)) >= len(whole) - cut - 2 * len(LINE) - 2


def test_dates_that_no_mail_can_have_are_passed_over(tmp_path: Path) -> None:
    for number, date in enumerate(("Mon, 1 Jan 1900 00:00:00 +0000", "x", "Fri, 31 Dec 9999 23:59:59 -0100")):
        file = write(tmp_path / "m" / f"{number}.eml", f"Received: by x; {date}\nDate: {date}\n\n".encode())
        os.utime(file, (-(10**9) * number, -(10**9) * number))
    assert [remote.received for remote in Taken(tmp_path / "m").remotes("m")] == [
        datetime.fromtimestamp(0, UTC),
        None,
        None,
    ]


def test_nul_bytes_are_bytes(tmp_path: Path) -> None:
    hole = mail("hole", "a\0b" + "\0" * 100_000)
    assert Taken(write(tmp_path / "x", mbox(hole, ONE))).raws == {"x": [hole, ONE]}
    write(tmp_path / "m" / "zeros.eml", bytes(5))
    write(tmp_path / "m" / "empty.eml", b"")
    taken = Taken(tmp_path / "m")
    assert taken.raws == {"m": [bytes(5)]}
    assert taken.missed == {"m": ['"empty.eml": it is empty']}


def test_files_of_other_programs_are_told_with_what_to_do(tmp_path: Path) -> None:
    top = tmp_path / "m"
    write(top / "box", mbox(ONE))
    write(top / "outlook.pst", b"!BDN....")
    write(top / "old.mbox.gz", b"\x1f\x8b....")
    write(top / "picture.png.gz", b"\x1f\x8b....")
    notes = Taken(top).notes
    assert f'"{top}/old.mbox.gz" is compressed: unpack it first, with gunzip or tar' in notes
    assert any("readpst" in note for note in notes)
    assert f'"{top}": 1 file is no mail, and passed over' in notes


@pytest.mark.parametrize("path", ["nothing", "empty", "text", "empty.d/below"])
def test_where_there_is_no_mail_nothing_is_listed(tmp_path: Path, path: str) -> None:
    write(tmp_path / "text", b"hello\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.d" / "below").mkdir(parents=True)
    with pytest.raises(Unreachable, match="there is no mail in"):
        FilesAccount(tmp_path / path, print).folders()


# --- what changes ---------------------------------------------------------------------------------------


def list_all(account: FilesAccount, name: str, since: Cursor | None = None) -> list[Change]:
    folder = next(each for each in account.folders() if each.name == name)
    return list(account.changes(folder, since, dict))


def test_a_file_that_changes_whenever_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "m" / "box", mbox(ONE))
    write(tmp_path / "m" / "calm", mbox(TWO))
    listed = MboxSource.items

    def grow(source: MboxSource) -> Sequence[Item]:
        found = listed(source)
        with file.open("ab") as out:
            out.write(mbox(TWO))
        return found

    account = FilesAccount(tmp_path / "m", print)
    monkeypatch.setattr(MboxSource, "items", grow)
    with pytest.raises(FolderRefused, match='folder "box" changes while it is read') as refused:
        list_all(account, "box")
    assert "run again" in str(refused.value.hint)
    assert len(list_all(account, "calm")) == 2


def test_a_maildir_that_changes_whenever_it_is_listed_is_listed_and_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cur", "new"):
        (tmp_path / "m" / name).mkdir(parents=True)
    listed = MaildirSource.items
    delivered = count(1)

    def deliver(source: MaildirSource) -> Sequence[Item]:
        found = listed(source)
        write(tmp_path / "m" / "new" / f"{next(delivered)}.x", ONE)
        return found

    account = FilesAccount(tmp_path / "m", print)
    with monkeypatch.context() as patch:
        patch.setattr(MaildirSource, "items", deliver)
        *told, done = list_all(account, "INBOX")
    assert isinstance(done, Done)
    assert len(told) == done.exists == 2
    assert len(list_all(account, "INBOX", done.cursor)) == 4  # the third is not passed over


def test_a_file_that_changed_after_it_was_listed_gives_the_same_messages(tmp_path: Path) -> None:
    file = write(tmp_path / "box", mbox(ONE, TWO))
    account = FilesAccount(file, print)
    remotes = [each.remote for each in list_all(account, "box") if isinstance(each, New)]
    write(file, mbox(mail("zero"), TWO, ONE))
    assert [each.raw for each in account.fetch(remotes) if isinstance(each, Message)] == [ONE, TWO]
    write(file, mbox(TWO))
    first, second = account.fetch(remotes)
    assert isinstance(first, Missed)
    assert first.gone
    assert isinstance(second, Message)


def test_what_looks_as_it_did_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "m" / "box", mbox(ONE))
    account = FilesAccount(tmp_path / "m", print)
    done = list_all(account, "box")[-1]
    assert isinstance(done, Done)
    assert len(done.cursor.token) < 50
    monkeypatch.delattr(MboxSource, "items")
    assert list_all(account, "box", done.cursor) == [done]
    monkeypatch.undo()
    same_size = mbox(ONE.replace(b"hello", b"olleh"))
    times = file.stat()
    write(file, same_size)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [type(each) for each in list_all(account, "box", done.cursor)] == [New, Done]


def test_nothing_on_the_disk_is_changed(tmp_path: Path) -> None:
    top = tmp_path / "m"
    write(top / "box", mbox(ONE))
    write(top / "e" / "a.eml", ONE)
    for name in ("cur", "new"):
        (top / "M" / name).mkdir(parents=True)
    write(top / "M" / "new" / "1.x", ONE)
    every = [top, *sorted(top.rglob("*"))]

    def seen() -> list[tuple[object, ...]]:
        stats = [path.lstat() for path in every]
        return [(s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino) for s in stats]

    def read_at() -> list[int]:
        return [path.lstat().st_atime_ns for path in every if path.is_file()]

    before, times = seen(), read_at()
    assert len(Taken(top).raws) == 3
    assert (seen(), sorted(top.rglob("*"))) == (before, every[1:])
    assert read_at() == times
