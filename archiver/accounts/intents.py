"""What is about to be put into a folder of Exchange by its export, noted on this machine before it is sent.

An export cannot bear the mark by which archiver knows what it put in: that is set right afterwards. A process that is
killed in between leaves an item without it. So what is sent is noted first, durably, and what the folder held before;
the next restore into the folder finds in it what came and bears no mark. A file for each folder, whose lines are JSON
behind the first 8 hex digits of its SHA-256:

    {"before": "<12 hex digits of each item that was there>"}
    {"sent": {"<mark>": {"looks": "<16 hex digits>", "worn": ["<mark that its export bears already>"]}}}
    {"done": ["<mark>"]}

It tells nothing of what it is about but how often something is equal. Where it cannot be written, a restore goes on
without, and says so once: the worst is a second copy. While one process puts items into a folder, no other may.
"""

import errno
import fcntl
import hashlib
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from archiver.errors import ArchiverError, FolderRefused

_log = logging.getLogger(__name__)
_SHORT = 12
_MARK = rb"[0-9a-f]{64}\.[0-9]+"
_WIDE_MARK = rb"(?:[0-9a-f]\0){64}\.\0(?:[0-9]\0)+"


class Sent(Struct, frozen=True, omit_defaults=True):
    """What is sent: how it looks (`looks_of`), and marks that its export bears from an earlier restore."""

    looks: str
    worn: tuple[str, ...] = ()


class Came(Struct, frozen=True):
    """An item that is in a folder and was not there before: the server's id, how it looks, the marks it bears."""

    id: str
    looks: str
    marks: frozenset[str] = frozenset()


class _Line(Struct, omit_defaults=True):
    before: str | None = None
    sent: dict[str, Sent] = {}
    done: tuple[str, ...] = ()


def looks_of(*told: object) -> str:
    """Condense what an item looks like, in a listing and in its record alike: 16 hex digits."""
    return hashlib.sha256("\0".join(map(str, told)).encode("utf-8", "replace")).hexdigest()[:16]


def worn_by(export: bytes) -> tuple[str, ...]:
    """Find the marks in an export: that of an item which was restored once, and archived again.

    A stream holds text in UTF-16 ([MS-OXCFXICS] section 2.2.4.1).
    """
    found = re.findall(_MARK, export) + [one[::2] for one in re.findall(_WIDE_MARK, export)]
    return tuple(sorted({one.decode("ascii") for one in found}))


def recognise(sent: Mapping[str, Sent], came: Iterable[Came]) -> dict[str, str]:
    """Find which of what was sent has come: mark -> id.

    An item that bears a mark is one that was put in already, unless its export bears that mark. Of copies, the lower
    numbers are taken to have come first, as they were sent first. Where several contents look alike, none of them is
    known: to take one for another would lose it.
    """
    alike: dict[str, list[str]] = {}
    for mark, one in sent.items():
        alike.setdefault(one.looks, []).append(mark)
    free: dict[str, list[Came]] = {}
    for item in came:
        free.setdefault(item.looks, []).append(item)
    found: dict[str, str] = {}
    for looks, marks in alike.items():
        if len({mark.rpartition(".")[0] for mark in marks}) > 1:
            continue
        worn = sent[marks[0]].worn
        ids = [item.id for item in free.get(looks, ()) if item.marks <= set(worn)]
        found |= zip(sorted(marks, key=_copy), ids, strict=False)
    return found


def _copy(mark: str) -> int:
    number = mark.rpartition(".")[2]
    return int(number) if number.isdecimal() else 0


class Intents:
    """The notes of one account. `where` gives their folder, which is private; None: none are kept."""

    def __init__(
        self, where: Callable[[], Path] | None = None, warn: Callable[[str], None] = _log.warning
    ) -> None:
        self._where = where
        self._warn = warn
        self._warned = False

    def of(self, folder: str, epoch: str) -> "FolderIntents":
        """Give the notes of one folder, to be entered. They are known by its epoch: another folder has none of them."""
        path: Path | None = None
        try:
            path = self._where() / f"{epoch}.jsonl" if self._where is not None else None
        except (OSError, ArchiverError) as error:
            self.tell(error)
        return FolderIntents(self, path, folder)

    def tell(self, why: Exception | str) -> None:
        """Warn, once, that copies are possible, and why."""
        if self._warned:
            return
        self._warned = True
        reason = getattr(why, "strerror", None) or getattr(why, "text", None) or why
        self._warn(
            f"what is put in cannot be noted on this machine: {reason}; if a restore is killed now, or was, "
            "the next one may put some items in twice"
        )


class FolderIntents:
    """The notes of one folder, held by one process at a time: `open` is what was sent, and is not known to be marked.

    Entering raises `FolderRefused` where another process holds them. However it is left, what is open stays noted.
    """

    def __init__(self, intents: Intents, path: Path | None, folder: str) -> None:
        self._intents = intents
        self._path = path
        self._folder = folder
        self._file: int | None = None
        self._before: set[str] = set()
        self._begun = False
        self._opening_ends = 0
        self._ends = 0
        self.open: dict[str, Sent] = {}

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = _locked(self._path)
                if self._file is not None:
                    self._load(self._file)
            except OSError as error:
                self._give_up(error)
            if self._path is not None and self._file is None:
                raise FolderRefused(
                    f'another restore is putting items into the folder "{self._folder}"',
                    "run again when it has ended",
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            if not self.open and self._path is not None:
                with suppress(OSError):
                    self._path.unlink()
            os.close(self._file)
            self._file = None

    def is_new(self, item_id: str) -> bool:
        """Tell whether an item was not in the folder when the first of what is open was sent."""
        return _short(item_id) not in self._before

    def begin(self, ids: Iterable[str]) -> None:
        """Take in what the folder holds now; while something is open, what it held before that counts."""
        if not self._begun and not self.open:
            self._before = {_short(one) for one in ids}
            self._opening_ends = self._ends = 0

    def note(self, sent: Mapping[str, Sent]) -> None:
        """Note what is about to be sent: when this returns, it is on the disk, or was warned of."""
        self.open |= sent
        if not self._opening_ends:
            self._write(_Line(before="".join(sorted(self._before))))
            self._opening_ends = self._ends
        self._begun = True
        self._write(_Line(sent=dict(sent)))
        self._sync()

    def done(self, marks: Collection[str]) -> None:
        """Note what bears its mark now, or never came. It need not be on the disk: a mark can be seen."""
        there = [mark for mark in marks if self.open.pop(mark, None) is not None]
        if not there:
            return
        if self.open:
            self._write(_Line(done=tuple(there)))
        else:
            self._ends = self._opening_ends if self._begun else 0
            self._opening_ends = self._ends
            self._cut()

    # --- the file -------------------------------------------------------------------------------------

    def _load(self, file: int) -> None:
        """Read what an earlier process left. What is not whole at the end was never sent."""
        with os.fdopen(os.dup(file), "rb") as reader:
            raw = reader.read()
        whole, newline, _ = raw.rpartition(b"\n")
        if not newline:
            return
        opening, *texts = whole.split(b"\n")
        first = _read(opening)
        if first is None or first.before is None:
            self._intents.tell(f'"{self._path}" cannot be read')
            return
        before = first.before
        self._before = {before[at : at + _SHORT] for at in range(0, len(before), _SHORT)}
        for text in texts:
            line = _read(text)
            if line is None:
                self._intents.tell(f'"{self._path}" cannot be read')
                continue
            self.open |= line.sent
            for mark in line.done:
                self.open.pop(mark, None)
        self._opening_ends = len(opening) + 1
        self._ends = len(whole) + 1

    def _write(self, line: _Line) -> None:
        if self._file is None:
            return
        text = msgspec.json.encode(line)
        raw = b"%s %s\n" % (_sum(text), text)
        try:
            os.ftruncate(self._file, self._ends)  # a line that was torn
            whole = os.pwrite(self._file, raw, self._ends) == len(raw)
        except OSError as error:
            self._give_up(error)
            return
        self._ends += len(raw)
        if not whole:
            self._give_up(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _cut(self) -> None:
        if self._file is not None:
            try:
                os.ftruncate(self._file, self._ends)
            except OSError as error:
                self._give_up(error)

    def _sync(self) -> None:
        if self._file is not None:
            try:
                os.fsync(self._file)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Go on without notes; what is on the disk stays, and does no harm: what bears a mark is not looked for."""
        self._intents.tell(error)
        self._path = None
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _locked(path: Path) -> int | None:
    """Open a file, made at need, for this process alone; None where another one has it. Raises `OSError`."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(path, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.fstat(file).st_ino == path.stat().st_ino:
                    _sync_folder(path.parent)
                    return file
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # it was removed by the process that had it


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(line: bytes) -> _Line | None:
    """Read a line; None for one that is not as it was written."""
    total, _, text = line.partition(b" ")
    return msgspec.json.decode(text, type=_Line) if total == _sum(text) else None


def _sum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:8].encode("ascii")


def _short(item_id: str) -> str:
    return hashlib.sha256(item_id.encode("utf-8", "replace")).hexdigest()[:_SHORT]
