"""restore: put archived mail onto a server, with its flags and dates, nothing twice.

What the target has already is known by this tool's own ledger, by Message-ID and size, and, in doubt, by
content. So a restore that was cut short goes on, and one that is done does nothing. A line that drops in the
middle leaves messages whose fate nobody knows: the folder is listed again, and decided again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from archiver.errors import FolderRefused
from archiver.events import FolderFailed
from archiver.model import Entry, Folder, Kind
from archiver.ops.restore_folder import FolderRestore
from archiver.ops.restoring import FolderRestored, Ledger, LeftOut, Restoring
from archiver.plan.restore import Destination, target_names
from archiver.plan.spread import spread


class Restore:
    """One restore; `reports` grows folder by folder and tells what was done, however it ends.

    `left_out` are items of kinds that the target does not take.
    """

    def __init__(self, work: Restoring) -> None:
        self._work = work
        self.reports: list[FolderRestored] = []
        self.left_out: list[LeftOut] = []

    def __call__(self, entries: Iterable[Entry], sources: Sequence[Folder]) -> list[FolderRestored]:
        """Put entries into the target's folders; what a folder refuses never stops the next."""
        work = self._work
        present = list(work.target.folders())
        visible = {folder.special_use or "" for folder in present}
        labels = work.into is None and "\\All" in visible and work.target.keeps_labels()
        entries = self._taken(entries)
        entries, sources = spread(entries, sources, visible if labels else None)
        by_source: dict[str, list[Entry]] = {}
        for entry in entries:
            by_source.setdefault(entry.ref.folder, []).append(entry)
        destination = Destination(present, work.target.home(), work.same, work.into, labels)
        by_name = {source.name: source for source in sources}
        by_target: dict[str, list[str]] = {}
        for source, name in target_names(sources, destination).items():
            if source in by_source:
                by_target.setdefault(name, []).append(source)
        ledger = Ledger(work)
        try:
            for name, names in by_target.items():
                like = _like(name, [by_name[one] for one in names], keep_use=work.into is None)
                wanted_there = [entry for one in names for entry in by_source[one]]
                self._folder(FolderRestored(names, name), present, like, wanted_there, ledger)
        finally:
            ledger.commit()
        return self.reports

    def _taken(self, entries: Iterable[Entry]) -> list[Entry]:
        """Leave out what the target has no place for, such as the events of a calendar on a mail server."""
        taken: list[Entry] = []
        left: Counter[tuple[str, Kind]] = Counter()
        for entry in entries:
            if self._work.target.takes(entry.kind):
                taken.append(entry)
            else:
                left[entry.ref.folder, entry.kind] += 1
        self.left_out = [LeftOut(folder, kind, count) for (folder, kind), count in left.items()]
        return taken

    def _folder(
        self,
        report: FolderRestored,
        present: Sequence[Folder],
        like: Folder,
        entries: Sequence[Entry],
        ledger: Ledger,
    ) -> None:
        self.reports.append(report)
        try:
            FolderRestore(self._work, report, ledger).restore(present, like, entries)
        except FolderRefused as error:
            report.error = error.text
            self._work.reporter.report(FolderFailed(self._work.account, report.target, error.text))


def _like(name: str, sources: Sequence[Folder], *, keep_use: bool) -> Folder:
    """Say what a folder is to be like that takes these in: of their use, subscribed to if one of them was."""
    use = next((one.special_use for one in sources if one.special_use), None) if keep_use else None
    return Folder(name, None, use, any(one.subscribed is not False for one in sources), sources[0].kind)
