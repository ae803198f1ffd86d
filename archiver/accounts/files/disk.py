"""Files as they lie on the disk, read without a trace: no lock, no time of access, nothing followed or waited for."""

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from archiver.errors import FolderRefused
from archiver.formats.receipt import receipt

MESSAGE_LIMIT = 1 << 30
"""Bytes of a message, as for those of a server: a larger one is missed."""

_FINE_S = 0.02  # what a clock of a file system may be late: a jiffy, twice
_COARSE_S = 2.0  # the same where times are whole seconds, or every second one of them (FAT)


class Changed(Exception):
    """The file is another one than it was when its messages were listed."""


class Unreadable(Exception):
    """A message cannot be had; the text is the reason."""


class OpenFile:
    """A regular file open for reading."""

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path
        self.stat = os.fstat(handle)

    def read(self, offset: int, length: int) -> bytes:
        """Read `length` bytes from `offset`, fewer at the end of the file. Raises `Unreadable`."""
        try:
            data = os.pread(self._handle, length, offset)
            while len(data) < length:
                more = os.pread(self._handle, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise Unreadable(_reason(error)) from error
        return data


@contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """Open a regular file. Raises `Unreadable` for anything else, and `FileNotFoundError`."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO is not to hold the run up
    try:
        try:
            handle = os.open(path, flags | getattr(os, "O_NOATIME", 0))  # its readers look for new mail by it
        except PermissionError:
            handle = os.open(path, flags)  # another user's file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(_reason(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unreadable("it is not a regular file")
        yield OpenFile(handle, path)
    finally:
        os.close(handle)


def read_whole(path: Path, limit: int = MESSAGE_LIMIT) -> bytes:
    """Read a file. Raises `Unreadable`, also where it is larger than `limit`, and `FileNotFoundError`."""
    with opened(path) as file:
        if file.stat.st_size > limit:
            raise Unreadable(f"it is larger than {limit} bytes")
        return file.read(0, file.stat.st_size)


def status(path: Path) -> os.stat_result:
    """Tell size and times of what is to be listed, once they can be trusted. Raises `FolderRefused`."""
    try:
        found = path.lstat()
    except OSError as error:
        raise FolderRefused(f'"{path}" cannot be read: {_reason(error)}', "is it still there?") from error
    _settle(found)
    return found


def fingerprint(stats: Iterable[tuple[str, os.stat_result]]) -> str:
    """Condense what tells that files are those of before: names, sizes, times; 32 hex digits."""
    told = hashlib.sha256()
    for name, one in stats:
        what = f"{name}\0{one.st_size} {one.st_mtime_ns} {one.st_ctime_ns} {one.st_ino}\0"
        told.update(what.encode("utf-8", "surrogateescape"))
    return told.hexdigest()[:32]


def modified(found: os.stat_result) -> datetime | None:
    """Give the time of last change, in whole seconds; None for one that no calendar has."""
    try:
        return receipt(datetime.fromtimestamp(found.st_mtime_ns // 1_000_000_000, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def text_of(name: str) -> str:
    """Make text of a file's name: bytes that are not UTF-8, and control characters, become `%XX`."""
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    return "".join(
        f"%{ord(letter) & 0xFF:02X}"
        if "\udc80" <= letter <= "\udcff" or ord(letter) < 32 or letter == "\x7f"
        else letter
        for letter in text
    )


def _settle(found: os.stat_result) -> None:
    """Wait until a further change would show in the file's times."""
    tick = _COARSE_S if found.st_ctime_ns % 1_000_000_000 == 0 else _FINE_S
    age = time.time() - found.st_ctime_ns / 1e9
    if -tick < age < tick:
        time.sleep(min(tick - age, tick))


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
