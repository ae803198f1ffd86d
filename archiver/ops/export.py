"""export: plain files that any mail program opens. mbox and Maildir get LF lines, `.eml` the very bytes.

Folder names come from a server, so nothing of them is trusted: each part becomes one harmless file name.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from msgspec import Struct

from archiver.errors import ArchiverError, RefusedForSafety, StoreFailed
from archiver.events import MessageRead, Warned
from archiver.formats import maildir, mbox
from archiver.formats.message import safe_name
from archiver.model import Entry
from archiver.ports import Reader, Reporter

Target = Literal["mbox", "maildir", "eml"]
_NAME_LIMIT = 150  # bytes of a folder's name as a file name; a file system takes 255


class ExportReport(Struct):
    """What was written where."""

    path: str
    messages: int = 0
    size: int = 0
    unreadable: int = 0


def export(
    entries: Iterable[Entry], reader: Reader, target: Target, path: Path, reporter: Reporter
) -> ExportReport:
    """Write messages below `path`, which must be new or empty; one that cannot be read is told and left out."""
    report = ExportReport(str(path))
    by_digest: dict[str, list[Entry]] = {}
    for entry in _once(entries):
        by_digest.setdefault(entry.digest, []).append(entry)
    try:
        _make_empty(path)
        with _WRITERS[target](path) as write:
            for first, found in reader.read_many(copies[0] for copies in by_digest.values()):
                copies = by_digest[first.digest]
                if isinstance(found, ArchiverError):
                    report.unreadable += len(copies)
                    reporter.report(Warned(f"message {first.digest[:12]} is left out: {found.text}"))
                    continue
                for entry in copies:
                    write(entry, found)
                    report.messages += 1
                    report.size += len(found)
                    reporter.report(MessageRead(len(found)))
    except OSError as error:
        raise StoreFailed(
            f'"{path}" cannot be written: {error.strerror}', "check its space and rights"
        ) from error
    return report


def _once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Leave out what a folder has under another UID still, or had before: after a new UIDVALIDITY, say."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.ref.folder, entry.digest), []).append(entry)
    for copies in found.values():
        yield from [entry for entry in copies if not entry.vanished] or copies[-1:]


Write = Callable[[Entry, bytes], None]


class _Writer(Protocol):
    def __call__(self, path: Path) -> AbstractContextManager[Write]: ...


@contextmanager
def _mbox(path: Path) -> Iterator[Write]:
    """One mboxrd file for each folder."""
    seen: set[Path] = set()

    def write(entry: Entry, raw: bytes) -> None:
        parts = _parts(entry.ref.folder)
        file = path.joinpath(*map(_on_disk, parts[:-1]), _on_disk(parts[-1] + ".mbox"))
        if file not in seen:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            seen.add(file)
        with _open(file) as out:
            out.write(mbox.plain(raw, entry.received))

    yield write


@contextmanager
def _maildir(path: Path) -> Iterator[Write]:
    """A Maildir++ tree, as Dovecot reads it: INBOX at the top, others as `.Parent.Child`."""
    made: set[Path] = set()
    number = 0

    def write(entry: Entry, raw: bytes) -> None:
        nonlocal number
        number += 1
        folder = path if entry.ref.folder == "INBOX" else path / maildir.folder_name(_parts(entry.ref.folder))
        if folder not in made:
            for name in ("cur", "new", "tmp"):
                (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            made.add(folder)
        seconds = int(entry.received.timestamp()) if entry.received else 0
        name = f"{max(seconds, 0)}.{number}.{entry.digest[:16]}:{maildir.info(entry.flags)}"
        with _open(folder / "cur" / name) as out:
            out.write(raw.replace(b"\r\n", b"\n"))
        os.utime(folder / "cur" / name, (max(seconds, 0), max(seconds, 0)))

    yield write


@contextmanager
def _eml(path: Path) -> Iterator[Write]:
    """One file a message, byte for byte as the server sent it."""

    def write(entry: Entry, raw: bytes) -> None:
        folder = path.joinpath(*map(_on_disk, _parts(entry.ref.folder)))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        day = entry.received.strftime("%Y-%m-%d-%H%M%S") if entry.received else "undated"
        with _open(folder / f"{day}-{safe_name(entry.ref.key, 'x')}-{entry.digest[:12]}.eml") as out:
            out.write(raw)

    yield write


_WRITERS: dict[Target, _Writer] = {"mbox": _mbox, "maildir": _maildir, "eml": _eml}


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "wb")


def _parts(folder: str) -> list[str]:
    return [_part(part.replace("%2F", "_").replace("%25", "%")) for part in folder.split("/")]


def _part(name: str) -> str:
    """Make one harmless file name; a long one is cut, and told from its likes by a hash."""
    encoded = name.encode("utf-8", "replace")
    if len(encoded) <= _NAME_LIMIT:
        return safe_name(name, "_")
    start = encoded[: _NAME_LIMIT - 20].decode("utf-8", "ignore")
    return f"{safe_name(start, '_')}-{hashlib.sha256(encoded).hexdigest()[:12]}"


def _on_disk(name: str) -> str:
    """Give a name that is UTF-8 on the disk, whatever alphabet the user's locale has."""
    return os.fsdecode(name.encode("utf-8", "replace"))


def _make_empty(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise RefusedForSafety(f'"{path}" is not empty', "export to a new folder")
