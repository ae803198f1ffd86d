"""A store in a directory: files 0600, folders 0700, written whole or not at all, durable before a commit.

Order of a write: temporary file in the target's directory, fsync, rename. The directories whose entries
changed are fsynced in one batch before the next commit; the commit itself is `link()` to the final name,
which never overwrites, and an fsync of its directory. A temporary file is `.<name>.<hex>.tmp`.
"""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from archiver.errors import ArchiverError, ObjectExists, ObjectMissing, StoreFailed, StoreFull, StoreReadOnly

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TEMPORARY = re.compile(r"\.(.{1,180})\.[0-9a-f]{8}\.tmp", re.DOTALL)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


class LocalStore:
    """Keeps each object as a file below `folder`, at its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._dirty: set[Path] = set()  # directories with entries that are not durable yet
        self._made: set[Path] = set()

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
        """See `Store.put`."""
        target = self._path(key)
        temporary = target.with_name(f".{target.name[:180]}.{secrets.token_hex(4)}.tmp")
        try:
            self._make_folder(target.parent)
            try:
                _write(temporary, chunks)
                if if_absent:
                    self._commit(temporary, target)
                else:
                    temporary.replace(target)
                    self._dirty.add(target.parent)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except FileNotFoundError as error:
            raise StoreFailed(
                f'"{key}" cannot be written in "{self.folder}": its folder is gone',
                "is the disk of the archive still mounted?",
            ) from error
        except OSError as error:
            raise self._explain(error, key) from error

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        try:
            with self._path(key).open("rb", buffering=0) as file:
                if start:
                    file.seek(start)
                if length is None:
                    return file.read()
                return _read(file.fileno(), length)
        except OSError as error:
            raise self._explain(error, key) from error

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See `Store.keys`."""
        yield from (key for key in self._paths(prefix) if not _is_temporary(key.rpartition("/")[2]))

    def folders(self, prefix: str) -> Iterator[str]:
        """See `Store.folders`."""
        try:
            with os.scandir(self._path(prefix.rstrip("/"))) as found:
                yield from sorted(entry.name for entry in found if entry.is_dir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._explain(error, prefix) from error

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._explain(error, key) from error
        self._dirty.add(path.parent)

    def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        """See `Store.unfinished`."""
        for path in self._paths(prefix):
            folder, slash, name = path.rpartition("/")
            if _is_temporary(name):
                made = _TEMPORARY.fullmatch(name)
                yield path, f"{folder}{slash}{made[1]}" if made else ""

    def _paths(self, prefix: str) -> list[str]:
        top = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self.folder
        try:
            found = sorted(
                (parent / name).relative_to(self.folder).as_posix()
                for parent, _, names in _walk(top)
                for name in names
            )
        except OSError as error:
            raise self._explain(error, prefix or ".") from error
        return [path for path in found if path.startswith(prefix)]

    def _commit(self, temporary: Path, target: Path) -> None:
        for folder in self._dirty:
            _sync_folder(folder)
        self._dirty.clear()
        try:
            os.link(temporary, target)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            _create_without_links(temporary, target)  # FAT, some network mounts
        temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        if folder in self._made:
            return
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            self._dirty.add(folder.parent)
        self._made.add(folder)

    def _path(self, key: str) -> Path:
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise StoreFailed(f'"{key}" is not the key of an object')
        return self.folder / key

    def _explain(self, error: OSError, key: str) -> ArchiverError:
        if error.errno == errno.EEXIST:
            return ObjectExists(f'"{key}" is there already in "{self.folder}"')
        if error.errno == errno.ENOENT:
            return ObjectMissing(f'"{key}" is missing from "{self.folder}"', "run: archiver verify")
        if error.errno in _FULL:
            return StoreFull(
                f'no space is left for the archive in "{self.folder}"',
                "free some space and run again: what was committed stays, and the run goes on from there",
            )
        if error.errno in _FORBIDDEN:
            return StoreReadOnly(
                f'"{self.folder}" may not be written or read: {os.strerror(error.errno)}',
                "check the owner and the rights of the folder, and that the disk is not mounted read-only",
            )
        return StoreFailed(f'"{key}" in "{self.folder}": {error.strerror or error}', "check the disk")


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int, length: int) -> bytes:
    data = os.read(descriptor, length)
    if len(data) == length or not data:
        return data
    pieces = [data]
    missing = length - len(data)
    while missing and (data := os.read(descriptor, missing)):  # one read gives 2 GiB at most
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)


def _create_without_links(temporary: Path, target: Path) -> None:
    # a chain has one writer, who holds its lock: between the look and the rename nobody else commits
    if target.exists():
        raise FileExistsError(errno.EEXIST, "exists", str(target))
    temporary.replace(target)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk(top: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    for parent, folders, names in os.walk(top, onerror=_raise_unless_missing):
        yield Path(parent), folders, names


def _raise_unless_missing(error: OSError) -> None:
    if error.errno != errno.ENOENT:
        raise error


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")
