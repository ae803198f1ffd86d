"""The store in a directory is a store, and what it says of durability, rights and errors is true."""

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import ObjectExists, StoreFailed, StoreFull, StoreReadOnly
from archiver.stores import local
from archiver.stores.local import LocalStore
from tests.contract.store import KEY, MANIFEST, ODD, StoreContract


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "archive")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "archive")


def files(store: LocalStore) -> list[str]:
    return sorted(str(path.relative_to(store.folder)) for path in store.folder.rglob("*") if path.is_file())


class Recorder:
    """Keeps the order of what is asked of the system, with paths relative to the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, top: Path) -> None:
        self.calls: list[tuple[str, str]] = []
        self._top = top
        self._open: dict[int, str] = {}
        for name in ("open", "fsync", "link", "rename", "replace", "unlink", "mkdir"):
            monkeypatch.setattr(os, name, self._recording(name, getattr(os, name)))

    def _recording(self, name: str, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            result = real(*args, **options)
            what = str(args[-1] if name in ("link", "rename", "replace") else args[0])
            if name == "open":
                self._open[result] = str(args[0])
            else:
                path = self._open.get(args[0], "?") if name == "fsync" else what
                self.calls.append((name, self._short(path)))
            return result

        return call

    def _short(self, path: str) -> str:
        relative = os.path.relpath(path, self._top)
        folder, _, name = relative.rpartition("/")
        return f"{folder}/TEMPORARY".lstrip("/") if name.endswith(".tmp") else relative


def test_a_commit_is_durable_in_the_right_order(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("README.txt", [b"x"], if_absent=True)
    recorder = Recorder(monkeypatch, store.folder)
    store.put(KEY, [b"mail"])
    store.put(MANIFEST, [b"signed"], if_absent=True)
    calls = [call for call in recorder.calls if call[0] != "mkdir"]
    volumes, manifests = str(Path(KEY).parent), str(Path(MANIFEST).parent)
    object_written = [("fsync", f"{volumes}/TEMPORARY"), ("replace", KEY)]
    assert [("rename" if name == "rename" else name, path) for name, path in calls[:2]] in (
        object_written,
        [("fsync", f"{volumes}/TEMPORARY"), ("rename", KEY)],
    )
    linked = calls.index(("link", MANIFEST))
    before, after = calls[2:linked], calls[linked + 1 :]
    assert before[0] == ("fsync", f"{manifests}/TEMPORARY"), "the manifest's own bytes"
    assert {path for name, path in before[1:] if name == "fsync"} == {
        ".",
        "chains",
        "chains/k7q2m9xa",
        volumes,
    }, "every directory that got an entry"
    assert after == [("unlink", f"{manifests}/TEMPORARY"), ("fsync", manifests)]


def test_an_object_is_never_under_its_name_before_its_bytes_are_safe(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(os, "fsync", fail)
    for if_absent in (False, True):
        with pytest.raises(StoreFailed):
            store.put(KEY, [b"mail"], if_absent=if_absent)
    assert files(store) == []


def test_no_object_is_committed_where_its_directories_cannot_be_made_safe(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(KEY, [b"mail"])

    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(local, "_sync_folder", fail)
    with pytest.raises(StoreFailed):
        store.put(MANIFEST, [b"signed"], if_absent=True)
    assert files(store) == [KEY]


def test_a_failed_directory_sync_is_tried_again_by_the_next_commit(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(KEY, [b"mail"])
    real = local._sync_folder
    synced: list[str] = []
    broken = True

    def sync(folder: Path) -> None:
        if broken and folder.name == "volumes":
            raise OSError(errno.EIO, "broken disk")
        synced.append(folder.name)
        real(folder)

    monkeypatch.setattr(local, "_sync_folder", sync)
    with pytest.raises(StoreFailed):
        store.put(MANIFEST, [b"signed"], if_absent=True)
    broken = False
    store.put(MANIFEST, [b"signed"], if_absent=True)
    assert "volumes" in synced


def test_files_are_for_their_owner_alone_whatever_the_umask(store: LocalStore) -> None:
    before = os.umask(0)
    try:
        store.put(KEY, [b"x"])
        store.put(MANIFEST, [b"x"], if_absent=True)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in store.folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    folders = [store.folder, *(path for path in store.folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_what_a_dead_process_left_unfinished_is_not_listed(store: LocalStore) -> None:
    store.put(KEY, [b"x"])
    (store.folder / KEY).with_name(".00000001-01-c81e92aa.mbox.zst.age.0123abcd.tmp").write_bytes(b"half")
    assert list(store.keys()) == [KEY]
    assert list(store.keys("chains/k7q2m9xa/")) == [KEY]


def test_what_a_dead_process_left_unfinished_is_told_with_its_key_and_can_be_removed(
    store: LocalStore,
) -> None:
    store.put(KEY, [b"x"])
    left = f"{Path(KEY).parent}/.{Path(KEY).name}.0123abcd.tmp"
    odd = f"{Path(KEY).parent}/.a stranger's.tmp"
    other = "chains/aaaaaaaa/manifests/.00000001.manifest.00000000.tmp"
    for path in (left, odd, other):
        (store.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (store.folder / path).write_bytes(b"half")
    assert list(store.unfinished("chains/k7q2m9xa/")) == [(left, KEY), (odd, "")]
    assert list(store.unfinished()) == [
        (other, "chains/aaaaaaaa/manifests/00000001.manifest"),
        (left, KEY),
        (odd, ""),
    ]
    store.delete(left)
    assert list(store.unfinished("chains/k7q2m9xa/")) == [(odd, "")]
    assert store.get(KEY) == b"x"


@pytest.mark.parametrize(
    "key", ["", "/", "../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "a/", "chains/../../x"]
)
def test_no_key_leads_out_of_the_archive(store: LocalStore, key: str) -> None:
    for call in (lambda: store.get(key), lambda: store.put(key, [b"x"]), lambda: store.delete(key)):
        with pytest.raises(StoreFailed):
            call()
    with pytest.raises(StoreFailed):
        list(store.folders("../"))
    with pytest.raises(StoreFailed):
        list(store.keys("../x"))
    assert not store.folder.exists()


def test_a_long_name_of_a_maildir_is_written(store: LocalStore) -> None:
    key = ODD.replace("RS", "DFPRST")
    store.put(key, [b"x"])
    assert store.get(key) == b"x"
    long = "chains/" + "n" * 250
    store.put(long, [b"x"])
    assert store.get(long) == b"x"


def test_where_there_are_no_hard_links_a_commit_still_never_replaces(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store.put(MANIFEST, [b"one"], if_absent=True)
    with pytest.raises(ObjectExists):
        store.put(MANIFEST, [b"two"], if_absent=True)
    assert store.get(MANIFEST) == b"one"
    assert files(store) == [MANIFEST]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreReadOnly),
        (errno.EACCES, StoreReadOnly),
        (errno.EIO, StoreFailed),
    ],
)
@pytest.mark.parametrize("if_absent", [False, True])
def test_what_the_system_refuses_is_said_in_the_words_of_the_house(
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    error: type[StoreFailed],
    if_absent: bool,
) -> None:
    def write(descriptor: int, data: object) -> int:
        raise OSError(code, os.strerror(code))

    store.put(KEY, [b"kept"])
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(error) as failed:
        store.put(MANIFEST, [b"x"], if_absent=if_absent)
    assert type(failed.value) is error
    assert failed.value.exit == 1
    assert files(store) == [KEY]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, timeout=20, check=False)
    except OSError:
        pytest.skip("there is no mount program here")
    if os.geteuid() != 0 or made.returncode != 0:
        pytest.skip("a disk of its own can be mounted by root alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=20)


def test_a_full_disk_is_said_to_be_full_and_keeps_what_it_has(small_disk: Path) -> None:
    store = LocalStore(small_disk / "archive")
    store.put(KEY, [bytes(300_000)])
    with pytest.raises(StoreFull) as full:
        store.put(KEY + "2", (bytes(100_000) for _ in range(20)))
    assert "free some space" in str(full.value.hint)
    assert list(store.keys()) == [KEY]
    assert files(store) == [KEY]
    store.put(MANIFEST, [b"there is room again"], if_absent=True)


def test_a_disk_that_is_mounted_read_only_is_said_to_be_that(small_disk: Path) -> None:
    store = LocalStore(small_disk / "archive")
    store.put(KEY, [b"mail"])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True, timeout=20)
    calls: list[Callable[[], None]] = [
        lambda: store.put(KEY, [b"x"]),
        lambda: store.put(MANIFEST, [b"x"], if_absent=True),
        lambda: LocalStore(small_disk / "archive").put(MANIFEST, [b"x"], if_absent=True),
        lambda: store.delete(KEY),
    ]
    for call in calls:
        with pytest.raises(StoreReadOnly) as refused:
            call()
        assert str(small_disk) in refused.value.text
    assert store.get(KEY) == b"mail"


def test_a_folder_in_the_place_of_an_object_is_an_error_of_the_store(store: LocalStore) -> None:
    (store.folder / KEY).mkdir(parents=True)
    with pytest.raises(StoreFailed):
        store.get(KEY)
    with pytest.raises(StoreFailed):
        store.put(KEY, [b"x"])
    with pytest.raises(StoreFailed):
        store.delete(KEY)
