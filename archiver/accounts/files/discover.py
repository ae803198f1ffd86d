"""Find the mail below a path, and tell by its content what it is.

No link is followed, and nothing but regular files and folders is opened; what is passed over is told.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from archiver.accounts.files.disk import Unreadable, opened, text_of
from archiver.accounts.files.loose import SUFFIXES, LooseSource
from archiver.accounts.files.maildir import MaildirSource
from archiver.accounts.files.mbox import MboxSource
from archiver.accounts.files.source import Item, Source
from archiver.accounts.imap import names
from archiver.errors import FolderRefused
from archiver.formats.mbox_dialects import Dialect, begins_mbox
from archiver.formats.mbox_status import begins_message

_HEAD = 4096
_MBOX_SUFFIXES = (".mbox", ".mbx")
_MISREAD = re.compile(r"%(?=2F|25)")
_KMAIL = re.compile(r"\.(.+)\.directory")
_MH = re.compile(r"\d{1,15}\.?")  # Cyrus writes a dot behind
_FOREIGN = {
    b"!BDN": "an Outlook file (PST, OST), which archiver does not read: convert it first, with readpst -r -o FOLDER",
    b"*mbx*": "in the mbx form of UW IMAP, which archiver does not read: convert it first, with mailutil",
}
_PACKED = {
    b"PK\x03\x04": "an archive that has to be unpacked first, with unzip",
    b"\x1f\x8b": "compressed: unpack it first, with gunzip or tar",
    b"BZh": "compressed: unpack it first, with bunzip2 or tar",
    b"\xfd7zXZ\0": "compressed: unpack it first, with unxz or tar",
    b"\x28\xb5\x2f\xfd": "compressed: unpack it first, with unzstd or tar",
}


class Found(Struct):
    """The folders that were found, by name, and what was passed over, told in sentences."""

    sources: Mapping[str, Source]
    notes: list[str]


def discover(path: Path, dialect: Dialect | None) -> Found:
    """Find all folders at a path, which may itself be a link. What is not there has none."""
    return _Walk(path, dialect).found()


class RefusedSource:
    """Something that may be a folder of mail and cannot be looked into: told as one, so that it is not missed."""

    form = "not readable"
    whole = False

    def __init__(self, path: Path, reason: str) -> None:
        self._error = FolderRefused(f'"{path}" cannot be read: {reason}', "check its rights, and run again")

    def state(self) -> str:
        """See `Source.state`."""
        raise self._error

    def items(self) -> Sequence[Item]:
        """See `Source.items`."""
        raise self._error

    def read(self, item: Item) -> bytes:
        """See `Source.read`."""
        raise self._error


class _Walk:
    """One walk through a tree of files."""

    def __init__(self, path: Path, dialect: Dialect | None) -> None:
        self._top = path
        self._dialect = dialect
        self._sources: dict[str, Source] = {}
        self._loose: dict[str, list[Path]] = {}
        self._notes: list[str] = []
        self._other: Counter[str] = Counter()

    def found(self) -> Found:
        """Walk, and gather."""
        if self._top.is_dir():
            waiting: list[tuple[Path, tuple[str, ...]]] = [(self._top, ())]
            while waiting:
                folder, parts = waiting.pop()
                waiting += reversed(self._folder(folder, parts))
        elif self._top.is_file():
            self._file(self._top.resolve(), (text_of(self._top.name),))
        for name, files in self._loose.items():
            self._add(name, LooseSource(self._top, files))
        for name, count in self._other.items():
            which = "1 file is" if count == 1 else f"{count:,} files are"
            self._notes.append(f'"{name}": {which} no mail, and passed over')
        return Found(self._sources, self._notes)

    def _folder(self, folder: Path, parts: tuple[str, ...]) -> list[tuple[Path, tuple[str, ...]]]:
        """Look at what a folder holds, and give the folders below that are to be looked at."""
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            self._add(_name(parts) or self._top_name(), RefusedSource(folder, (error.strerror or "").lower()))
            return []
        kinds = {entry.name for entry in listed if entry.is_dir(follow_symlinks=False)}
        is_maildir = "cur" in kinds and bool({"new", "tmp"} & kinds)
        if is_maildir:
            self._add(_name(parts) or "INBOX", MaildirSource(folder))
        below = []
        for entry in listed:
            path = folder / entry.name
            if entry.is_symlink():
                self._notes.append(f'"{self._shown(path)}" is a link, and links are not followed')
            elif entry.is_dir(follow_symlinks=False):
                if not is_maildir or entry.name not in ("cur", "new", "tmp"):
                    below.append((path, (*parts, *_parts(entry.name, plus=is_maildir))))
            elif entry.is_file(follow_symlinks=False):
                self._file(path, (*parts, text_of(entry.name)), maildir=is_maildir)
            else:
                self._notes.append(f'"{self._shown(path)}" is no regular file, and is passed over')
        return below

    def _file(self, path: Path, parts: tuple[str, ...], *, maildir: bool = False) -> None:
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            self._take_loose(path, parts)
            return
        try:
            with opened(path) as file:
                head, size = file.read(0, _HEAD), file.stat.st_size
        except FileNotFoundError:
            return
        except Unreadable as error:
            if maildir:  # an index of the mail server's
                self._notes.append(f'"{self._shown(path)}" is passed over: {error}')
            else:
                self._add(_name(parts), RefusedSource(path, str(error)))
            return
        empty = not size and (suffix in _MBOX_SUFFIXES or (not suffix and not path.name.startswith(".")))
        meant = path == self._top.resolve() or ".mbox" in path.suffixes  # other packed files are no mail
        magics = {**_FOREIGN, **_PACKED} if meant else _FOREIGN
        foreign = next((what for magic, what in magics.items() if head.startswith(magic)), None)
        if foreign is not None:
            self._notes.append(f'"{self._shown(path)}" is {foreign}')
        elif begins_mbox(head) or (suffix in _MBOX_SUFFIXES and size) or (empty and not maildir):
            self._add(_mbox_name(parts), MboxSource(path, self._dialect))
        elif _MH.fullmatch(path.name) and begins_message(head):
            self._take_loose(path, parts)
        elif not maildir and suffix not in (".msf", ".imap"):
            self._other[self._shown(path.parent)] += 1

    def _take_loose(self, path: Path, parts: tuple[str, ...]) -> None:
        """Put a file with one message into the folder of its folder; alone, it is one."""
        above = parts[:-1]
        if ".emlx" in path.suffixes:  # INBOX.mbox/3C2D…/Data/1/Messages/17.emlx
            marked = [at for at, part in enumerate(above, 1) if part.endswith(_APPLE)]
            above = above[: max(marked, default=len(above))]
        name = _name(above) or (self._top_name() if self._top.is_dir() else _name((Path(parts[-1]).stem,)))
        self._loose.setdefault(name, []).append(path)

    def _add(self, name: str, source: Source) -> None:
        number, free = 1, name
        while free in self._sources or (free in self._loose and not isinstance(source, LooseSource)):
            number += 1
            free = f"{name} ({number})"
        self._sources[free] = source

    def _top_name(self) -> str:
        return _name((text_of(self._top.resolve().name),)) or "INBOX"

    def _shown(self, path: Path) -> str:
        return text_of(str(path))


_APPLE = ".mbox"


def _parts(directory: str, *, plus: bool) -> tuple[str, ...]:
    """Give what a directory stands for in the names of folders: with `plus` it is inside a Maildir."""
    kmail = _KMAIL.fullmatch(directory)
    if kmail:
        return (text_of(kmail[1]),)
    if plus and directory.startswith(".") and directory.strip("."):
        return tuple(names.text(os.fsencode(directory[1:]), ".").split("/"))
    return (text_of(directory.removesuffix(".sbd")),)


def _name(parts: Sequence[str]) -> str:
    """Join the parts of a name as archiver does; INBOX in any case is `INBOX` (RFC 3501 section 5.1)."""
    clean = [_MISREAD.sub("%25", part.removesuffix(_APPLE) or part) for part in parts]
    name = "/".join(clean)
    return "INBOX" if name.upper() == "INBOX" else name


def _mbox_name(parts: tuple[str, ...]) -> str:
    """Name the folder of an mbox file; Apple Mail keeps it as `Name.mbox/mbox`, readpst as `Name/mbox`."""
    if parts[-1] == "mbox" and len(parts) > 1:
        return _name(parts[:-1])
    last = parts[-1]
    stem = last[: -len(Path(last).suffix)] if Path(last).suffix.lower() in _MBOX_SUFFIXES else last
    return _name((*parts[:-1], stem))
