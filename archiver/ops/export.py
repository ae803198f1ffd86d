"""export: plain files that any program opens. mbox and Maildir get LF lines, `.eml` the very bytes.

Of a record, the mail in it is written. What is no mail can be written as calendars, contacts and texts, too
(`export_items`). Folder names come from a server, so nothing of them is trusted (`export_paths`).
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct, field

from archiver.errors import ArchiverError, RefusedForSafety, StoreFailed
from archiver.events import MessageRead, Warned
from archiver.formats import maildir, mbox
from archiver.formats.message import safe_name
from archiver.formats.record import mail_in
from archiver.model import Entry, Kind
from archiver.ops.export_items import items
from archiver.ops.export_paths import below, make_folder, open_end, parts
from archiver.ports import Reader, Reporter

Target = Literal["mbox", "maildir", "eml", "ics", "vcf", "txt"]
TAKES: dict[Target, frozenset[Kind]] = {
    "ics": frozenset({Kind.EVENT, Kind.TASK}),
    "vcf": frozenset({Kind.CONTACT}),
    "txt": frozenset({Kind.NOTE}),
}
"""The kinds of items that a target is for; mail files take all."""


class ExportReport(Struct):
    """What was written where. `left_out` counts what the target is not for, `older` former versions of items."""

    path: str
    messages: int = 0
    size: int = 0
    unreadable: int = 0
    older: int = 0
    left_out: dict[Kind, int] = field(default_factory=dict)


def export(
    entries: Iterable[Entry],
    reader: Reader,
    target: Target,
    path: Path,
    reporter: Reporter,
    *,
    records: bool = False,
) -> ExportReport:
    """Write messages below `path`, which must be new or empty; one that cannot be read is told and left out.

    `records` says that they are items of a groupware server, of which the mail is wanted.
    """
    report = ExportReport(str(path))
    left_out: Counter[Kind] = Counter()
    by_digest: dict[str, list[Entry]] = {}
    for entry in _once(entries):
        if entry.kind not in TAKES.get(target, frozenset(Kind)):
            left_out[entry.kind] += 1
            continue
        by_digest.setdefault(entry.digest, []).append(entry)
    try:
        _make_empty(path)
        with _writer(target, path, report) as write:
            for first, found in reader.read_many(copies[0] for copies in by_digest.values()):
                copies = by_digest[first.digest]
                if isinstance(found, ArchiverError):
                    report.unreadable += len(copies)
                    reporter.report(Warned(f"message {first.digest[:12]} is left out: {found.text}"))
                    continue
                content = mail_in(found) if records and first.kind is Kind.MAIL else found
                for entry in copies:
                    if write(entry, content):
                        report.messages += 1
                        report.size += len(content)
                    else:
                        left_out[entry.kind] += 1
                        reporter.report(Warned(f"item {entry.digest[:12]} cannot be written as {target}"))
                    reporter.report(MessageRead(len(found)))
    except OSError as error:
        raise StoreFailed(
            f'"{path}" cannot be written: {error.strerror}', "check its space and rights"
        ) from error
    report.left_out = dict(left_out)
    return report


def _once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Leave out what a folder has under another UID still, or had before: after a new UIDVALIDITY, say."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.ref.folder, entry.digest), []).append(entry)
    for copies in found.values():
        yield from [entry for entry in copies if not entry.vanished] or copies[-1:]


Write = Callable[[Entry, bytes], bool]


class _Writer(Protocol):
    def __call__(self, path: Path) -> AbstractContextManager[Write]: ...


@contextmanager
def _mbox(path: Path) -> Iterator[Write]:
    """One mboxrd file for each folder."""
    seen: set[Path] = set()

    def write(entry: Entry, raw: bytes) -> bool:
        file = below(path, entry.ref.folder, ".mbox")
        if file not in seen:
            make_folder(file.parent)
            seen.add(file)
        with open_end(file) as out:
            out.write(mbox.plain(raw, entry.received))
        return True

    yield write


@contextmanager
def _maildir(path: Path) -> Iterator[Write]:
    """A Maildir++ tree, as Dovecot reads it: INBOX at the top, others as `.Parent.Child`."""
    made: set[Path] = set()
    number = 0

    def write(entry: Entry, raw: bytes) -> bool:
        nonlocal number
        number += 1
        folder = path if entry.ref.folder == "INBOX" else path / maildir.folder_name(parts(entry.ref.folder))
        if folder not in made:
            for name in ("cur", "new", "tmp"):
                (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            made.add(folder)
        seconds = int(entry.received.timestamp()) if entry.received else 0
        name = f"{max(seconds, 0)}.{number}.{entry.digest[:16]}:{maildir.info(entry.flags)}"
        with open_end(folder / "cur" / name) as out:
            out.write(raw.replace(b"\r\n", b"\n"))
        os.utime(folder / "cur" / name, (max(seconds, 0), max(seconds, 0)))
        return True

    yield write


@contextmanager
def _eml(path: Path) -> Iterator[Write]:
    """One file a message, byte for byte as the server sent it."""

    def write(entry: Entry, raw: bytes) -> bool:
        folder = below(path, entry.ref.folder)
        make_folder(folder)
        day = entry.received.strftime("%Y-%m-%d-%H%M%S") if entry.received else "undated"
        with open_end(folder / f"{day}-{safe_name(entry.ref.key, 'x')}-{entry.digest[:12]}.eml") as out:
            out.write(raw)
        return True

    yield write


@contextmanager
def _writer(target: Target, path: Path, report: ExportReport) -> Iterator[Write]:
    if target in _WRITERS:
        with _WRITERS[target](path) as write:
            yield write
        return
    with items(path, target) as collected:
        yield collected.take
    report.older = collected.older
    report.messages -= collected.older


_WRITERS: dict[Target, _Writer] = {"mbox": _mbox, "maildir": _maildir, "eml": _eml}


def _make_empty(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise RefusedForSafety(f'"{path}" is not empty', "export to a new folder")
