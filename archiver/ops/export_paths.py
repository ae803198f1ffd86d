"""export: the files of a folder, by names that are harmless whatever a server calls its folders."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from archiver.formats.message import safe_name

_NAME_LIMIT = 150  # bytes of a folder's name as a file name; a file system takes 255


def open_end(path: Path) -> BinaryIO:
    """Open a file to write at its end, readable by its owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "wb")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, for their owner alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def parts(folder: str) -> list[str]:
    """Give a folder's name as file names, one for each component."""
    return [part(each.replace("%2F", "_").replace("%25", "%")) for each in folder.split("/")]


def part(name: str) -> str:
    """Make one harmless file name; a long one is cut, and told from its likes by a hash."""
    encoded = name.encode("utf-8", "replace")
    if len(encoded) <= _NAME_LIMIT:
        return safe_name(name, "_")
    start = encoded[: _NAME_LIMIT - 20].decode("utf-8", "ignore")
    return f"{safe_name(start, '_')}-{hashlib.sha256(encoded).hexdigest()[:12]}"


def below(path: Path, folder: str, end: str = "") -> Path:
    """Give the path of a folder below `path`; `end` is put to its last component."""
    names = parts(folder)
    names[-1] += end
    return path.joinpath(*map(on_disk, names))


def on_disk(name: str) -> str:
    """Give a name that is UTF-8 on the disk, whatever alphabet the user's locale has."""
    return os.fsdecode(name.encode("utf-8", "replace"))
