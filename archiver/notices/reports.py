"""The reports of runs on this machine: one JSON file for each, the newest kept."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from archiver.errors import StoreFailed, UsageError
from archiver.events import Notice
from archiver.formats.notice import report
from archiver.notices.private_file import write_private

KEPT = 400  # a year of nights, and some
_SECOND, _MICROSECOND = len("20260301T023000"), len("20260301T023000.000000")
_log = logging.getLogger(__name__)


class RunReport(Notice, frozen=True):
    """What a run on this machine did: how it ended, and what its command found, as the command's JSON has it.

    `id` is the time at which it began, in UTC, as far as it needs to be told from others: `20260301T023000`.
    """

    id: str = ""
    details: tuple[Mapping[str, Any], ...] = ()


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

    def newest(self) -> Iterator[RunReport]:
        """Give the reports, the newest first, each read when it is asked for; what cannot be read is left out."""
        paths = self._paths()
        starts = Counter(path.name[:_SECOND] for path in paths)
        for path in reversed(paths):
            report = _read(path, alone=starts[path.name[:_SECOND]] == 1)
            if report is not None:
                yield report

    def last(self, count: int) -> list[RunReport]:
        """Give the reports of the last runs, the newest first."""
        return list(islice(self.newest(), count))

    def find(self, begins: str) -> RunReport:
        """Give the one report whose id begins so, or the newest for "last". Raises `UsageError`."""
        if begins == "last":
            newest = self.last(1)
            if newest:
                return newest[0]
        elif begins:
            found = [one for one in self.newest() if one.id.startswith(begins)]
            if len(found) > 1:
                raise UsageError(
                    f'{len(found)} reports begin with "{begins}"',
                    f"name one: {', '.join(one.id for one in found[:3])}",
                )
            if found:
                return found[0]
        raise UsageError("there is no such report on this machine", "list them with: archiver runs --reports")

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))


def _read(path: Path, *, alone: bool) -> RunReport | None:
    try:
        read = msgspec.json.decode(path.read_bytes(), type=RunReport)
    except (OSError, msgspec.DecodeError) as error:
        _log.debug("a report cannot be read: %s", type(error).__name__)
        return None
    return msgspec.structs.replace(read, id=path.name[: _SECOND if alone else _MICROSECOND])
