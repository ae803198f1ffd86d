"""schedule: put jobs where a scheduler of the system finds them, tell of them, and take them away again.

What was not written by archiver, or was changed by hand since, is never overwritten and never removed.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from archiver.errors import ArchiverError
from archiver.formats import crontab, launchd, units
from archiver.formats.mark import Mark, State, read_mark
from archiver.model import When


class Answer(Struct, frozen=True):
    """What a program of the system said; `found` is false where there is no such program."""

    exit: int
    out: str
    err: str
    found: bool = True


class Ask(Protocol):
    """Runs a program of the system."""

    def __call__(self, words: Sequence[str], given: str = "") -> Answer:
        """Run it with `given` on standard input, and wait."""


class Installed(Struct, frozen=True):
    """One file, or one part of a crontab. `next_run` is as the scheduler tells it; None where it does not.

    `program` is what it starts, where it starts one; `since` is when the file was written, where it is one.
    """

    where: str
    job: str
    when: When | None
    state: State
    next_run: str | None = None
    program: str | None = None
    since: datetime | None = None


class Change(Struct):
    """What was done: files written or removed, files left since they are not archiver's any more.

    `undone` says what could not be done, and `remedy` how to do it.
    """

    done: list[str] = []
    left: list[str] = []
    undone: str | None = None
    remedy: str | None = None


class Scheduler(Protocol):
    """A scheduler of the system."""

    def install(self, files: Mapping[str, str]) -> Change:
        """Put jobs there, in the place of those that archiver put there before."""

    def installed(self) -> list[Installed]:
        """Tell what is there."""

    def remove(self) -> Change:
        """Take away what archiver put there."""


class Files:
    """The files that archiver has in a folder of a scheduler."""

    def __init__(self, folder: Path, glob: str) -> None:
        self.folder = folder
        self.glob = glob

    def marks(self) -> dict[Path, Mark]:
        """Give the mark of each file whose name could be archiver's."""
        found = {}
        for path in sorted(self.folder.glob(self.glob)):
            if path.is_file():
                found[path] = read_mark(path.read_text("utf-8", "surrogateescape"))
        return found

    def write(self, files: Mapping[str, str], change: Change) -> None:
        """Write files, and remove those of jobs that are no more. Raises `ArchiverError`."""
        marks = self.marks()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                path = self.folder / name
                if path in marks and marks[path].state != "as written":
                    change.left.append(str(path))
                    continue
                beside = path.with_name(f".{name}.new")
                beside.write_text(text, "utf-8", "surrogateescape")
                beside.replace(path)
                change.done.append(str(path))
        except OSError as error:
            raise _refused(error) from error

    def remove(self, change: Change, keep: Sequence[str] = ()) -> None:
        """Remove what archiver wrote, but for some names."""
        for path, mark in self.marks().items():
            if path.name in keep:
                continue
            if mark.state == "as written":
                try:
                    path.unlink()
                except OSError as error:
                    raise _refused(error) from error
                change.done.append(str(path))
            elif mark.state == "changed by hand":
                change.left.append(str(path))


class Systemd:
    """The units of a user, or of the whole system."""

    def __init__(self, folder: Path, ask: Ask, *, system: bool) -> None:
        self.files = Files(folder, "archiver-*.*")
        self._ask = ask
        self._words = ["systemctl"] if system else ["systemctl", "--user"]

    def install(self, files: Mapping[str, str]) -> Change:
        """Write the units, and start their timers, where a manager runs that can be told so."""
        change = Change()
        before = {path.name for path in self.files.marks()}
        self.files.write(files, change)
        gone = Change()
        old = sorted(name for name in before - set(files) if name.endswith(".timer"))
        self._disable([n for n in old if self.files.marks()[self.files.folder / n].state == "as written"])
        self.files.remove(gone, keep=tuple(files))
        change.left += gone.left
        timers = sorted(name for name in files if name.endswith(".timer"))
        self._tell(change, ["daemon-reload"], ["enable", "--now", *timers])
        return change

    def installed(self) -> list[Installed]:
        """Tell of the timers."""
        found = []
        for path, mark in self.files.marks().items():
            if path.suffix in (".timer", ".service") and mark.state != "not by archiver":
                due = self._next(path.name) if path.suffix == ".timer" else None
                found.append(_installed(path, mark, units.program_in, due))
        return found

    def remove(self) -> Change:
        """Stop the timers, and remove the units."""
        change = Change()
        ours = [path.name for path, mark in self.files.marks().items() if mark.state == "as written"]
        self._disable([name for name in ours if name.endswith(".timer")])
        self.files.remove(change)
        if change.done:
            self._ask([*self._words, "daemon-reload"])
        return change

    def _disable(self, timers: Sequence[str]) -> None:
        if not timers:
            return
        self._ask([*self._words, "disable", "--now", *timers])
        for name in timers:  # the link of a timer, where no manager takes it away
            link = self.files.folder / "timers.target.wants" / name
            if link.is_symlink():
                link.unlink()

    def _tell(self, change: Change, *calls: Sequence[str]) -> None:
        for words in calls:
            answer = self._ask([*self._words, *words])
            if answer.exit:
                typed = " && ".join(" ".join([*self._words, *each]) for each in calls)
                why = answer.err.strip().partition("\n")[0] or "systemctl is not there"
                change.undone = f"the units are written, and systemd did not take them: {why}"
                change.remedy = (
                    f"where systemd runs, type: {typed}; elsewhere: archiver schedule remove, and --with cron"
                )
                return

    def _next(self, timer: str) -> str | None:
        answer = self._ask([*self._words, "show", timer, "--property=NextElapseUSecRealtime", "--value"])
        return answer.out.strip() or None if answer.exit == 0 else None


class Launchd:
    """The agents of a user, or the daemons of the system."""

    def __init__(self, folder: Path, ask: Ask, domain: str) -> None:
        self.files = Files(folder, "archiver.*.plist")
        self._ask = ask
        self._domain = domain

    def install(self, files: Mapping[str, str]) -> Change:
        """Write the property lists, and load them."""
        change = Change()
        old = Change()
        self._unload([path for path, mark in self.files.marks().items() if mark.state == "as written"])
        self.files.write(files, change)
        self.files.remove(old, keep=tuple(files))
        change.left += old.left
        for path in change.done:
            answer = self._ask(["launchctl", "bootstrap", self._domain, path])
            if answer.exit:
                why = answer.err.strip().partition("\n")[0] or "launchctl is not there"
                change.undone = f"the files are written, and launchd did not take them: {why}"
                change.remedy = f"log in anew, or type: launchctl bootstrap {self._domain} {path}"
        return change

    def installed(self) -> list[Installed]:
        """Tell of the property lists."""
        return [
            _installed(path, mark, launchd.program_in)
            for path, mark in self.files.marks().items()
            if mark.state != "not by archiver"
        ]

    def remove(self) -> Change:
        """Unload and remove the property lists."""
        change = Change()
        self._unload([path for path, mark in self.files.marks().items() if mark.state == "as written"])
        self.files.remove(change)
        return change

    def _unload(self, paths: Sequence[Path]) -> None:
        for path in paths:
            self._ask(["launchctl", "bootout", self._domain, str(path)])


class Cron:
    """A user's crontab, of which archiver has a part; or a file of its own in the system's folder."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def install(self, files: Mapping[str, str]) -> Change:
        """Put archiver's parts at the end of the crontab."""
        change = Change()
        rest, marks = crontab.without_parts(self._read())
        if any(mark.state == "changed by hand" for mark in marks):
            change.left.append("crontab")
            return change
        self._write("".join([rest, "\n" if rest and not rest.endswith("\n") else "", *files.values()]))
        change.done.append("crontab")
        return change

    def installed(self) -> list[Installed]:
        """Tell of archiver's parts."""
        return _parts("crontab", self._read())

    def remove(self) -> Change:
        """Take archiver's parts out of the crontab; the other lines stay."""
        change = Change()
        rest, marks = crontab.without_parts(self._read())
        if any(mark.state == "as written" for mark in marks):
            self._write(rest)
            change.done.append("crontab")
        if any(mark.state == "changed by hand" for mark in marks):
            change.left.append("crontab")
        return change

    def _read(self) -> str:
        answer = self._ask(["crontab", "-l"])
        if not answer.found:
            raise _no_crontab()
        if answer.exit and "no crontab" not in answer.err.lower():
            raise ArchiverError(
                f"the crontab cannot be read: {answer.err.strip().partition(chr(10))[0]}",
                "ask who runs this machine whether you may use cron",
            )
        return answer.out if answer.exit == 0 else ""

    def _write(self, table: str) -> None:
        answer = self._ask(["crontab", "-"], table)
        if answer.exit:
            raise ArchiverError(
                f"cron did not take the crontab: {answer.err.strip().partition(chr(10))[0]}",
                "print the lines and enter them by hand: archiver schedule install --with cron --print",
            )


class CronFile:
    """A file of cron's folder for the whole system."""

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder, "archiver")
        self._path = folder / "archiver"

    def install(self, files: Mapping[str, str]) -> Change:
        """Write the file."""
        change = self.remove()
        if not change.left:
            change.done.clear()
            self.files.write(files, change)
        return change

    def installed(self) -> list[Installed]:
        """Tell of the parts of the file."""
        if not self._path.exists():
            return []
        table = self._path.read_text("utf-8", "surrogateescape")
        return _parts(str(self._path), table, _written(self._path))

    def remove(self) -> Change:
        """Remove the file if all of it is as it was written."""
        change = Change()
        if self._path.exists():
            rest, marks = self._parts()
            if rest or any(mark.state != "as written" for mark in marks):
                change.left.append(str(self._path))
            else:
                self._path.unlink()
                change.done.append(str(self._path))
        return change

    def _parts(self) -> tuple[str, list[Mark]]:
        if not self._path.exists():
            return "", []
        return crontab.without_parts(self._path.read_text("utf-8", "surrogateescape"))


def _installed(
    path: Path, mark: Mark, program_in: Callable[[str], str | None], next_run: str | None = None
) -> Installed:
    program = program_in(path.read_text("utf-8", "surrogateescape"))
    return Installed(str(path), mark.job, mark.when, mark.state, next_run, program, _written(path))


def _parts(where: str, table: str, since: datetime | None = None) -> list[Installed]:
    """Tell of archiver's parts of a crontab."""
    programs = crontab.programs(table)
    return [
        Installed(where, mark.job, mark.when, mark.state, None, programs.get(mark.job), since)
        for mark in crontab.without_parts(table)[1]
    ]


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _no_crontab() -> ArchiverError:
    return ArchiverError(
        "there is no crontab on this machine", "install cron, or use another scheduler: --with systemd"
    )


def _refused(error: OSError) -> ArchiverError:
    return ArchiverError(
        f'"{error.filename}" cannot be written: {error.strerror}',
        "for the whole system be root; or leave out --system, and schedule for yourself alone",
    )
