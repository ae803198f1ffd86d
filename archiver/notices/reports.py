"""The reports of runs on this machine: one JSON file for each, the newest kept."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from archiver.errors import StoreFailed
from archiver.formats.notice import report
from archiver.model import Notice
from archiver.notices.private_file import write_private

KEPT = 400  # a year of nights, and some
_log = logging.getLogger(__name__)


class Reports:
    """The reports in a folder, named so that their order is that of the runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, notice: Notice, details: Sequence[dict[str, Any]]) -> None:
        """Write the report of a run, and remove the oldest ones. Raises `StoreFailed`."""
        name = f"{notice.began:%Y%m%dT%H%M%S.%fZ}-{notice.command}.json"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self._folder / name, report(notice, details))
        except OSError as error:
            raise StoreFailed(
                f"the report of this run cannot be kept: {error.strerror}",
                "check the disk of the state folder",
            ) from error
        for path in self._paths()[:-KEPT]:
            with suppress(OSError):
                path.unlink()

    def last(self, count: int) -> list[Notice]:
        """Give how the last runs ended, the newest first; a report that cannot be read is left out."""
        found: list[Notice] = []
        for path in reversed(self._paths()):
            if len(found) == count:
                break
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Notice))
            except (OSError, msgspec.DecodeError) as error:
                _log.debug("a report cannot be read: %s", type(error).__name__)
        return found

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))
