"""Find the mail below a path, and tell by its content what it is."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from archiver.accounts.files.maildir import MaildirSource
from archiver.accounts.files.mbox import MboxSource
from archiver.accounts.files.source import Source
from archiver.formats.mbox_dialects import Dialect


class Found(Struct):
    """The folders that were found, by name, and what was passed over, told in sentences."""

    sources: Mapping[str, Source]
    notes: list[str]


def discover(path: Path, dialect: Dialect | None) -> Found:
    """Find all folders."""
    if path.is_dir():
        return Found({"INBOX": MaildirSource(path)}, [])
    return Found({path.stem: MboxSource(path, dialect)}, [])
