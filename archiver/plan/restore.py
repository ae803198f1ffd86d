"""Where archived mail goes on restore, and what of it the target has already."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from archiver.model import Entry, Folder, Kind, Remote
from archiver.plan.special_uses import INBOX, NAMES, below, called, home_of, use_of


class Destination(Struct, frozen=True):
    """The account that mail goes to.

    `home` is the name below which it keeps its folders (`INBOX/`, mostly empty); `same` says that it is the
    account the mail came from; with `into`, all goes below that folder. `labels` says that it keeps labels, so
    that its folder of all mail is one to put mail into, and no mere view.
    """

    folders: Sequence[Folder]
    home: str = ""
    same: bool = False
    into: str | None = None
    labels: bool = False

    @property
    def separator(self) -> str:
        """What no component of a folder's name may hold."""
        return next((folder.separator for folder in self.folders if folder.separator), "/")


# --- folders --------------------------------------------------------------------------------------------


def target_names(sources: Sequence[Folder], to: Destination) -> dict[str, str]:
    """Choose for each source folder the folder of the target that it goes to.

    INBOX goes to INBOX, a folder of a special use (RFC 6154) to the target's folder of that use, any other to
    the folder of its name, below the target's home. Only folders of one use come together; two names that the
    target's separator would make one are kept apart, and so are folders of two kinds that have one name.
    """
    kinds = {folder.name: folder.kind for folder in to.folders}
    home = "" if to.same else home_of(sources)
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for source in sources:
        name = _by_use(source, home, to)
        if name is None:
            name = _by_name(source.name.removeprefix(home) if source.name != INBOX else INBOX, to)
            while (name in taken or kinds.get(name, source.kind) is not source.kind) and name != INBOX:
                name += "_"
            taken.add(name)
        chosen[source.name] = name
    return chosen


def _by_use(source: Folder, home: str, to: Destination) -> str | None:
    if to.into is not None or to.same or source.name == INBOX:
        return None
    if source.kind is not Kind.MAIL:  # by what the servers say alone: a folder of mail may be called "Notes"
        wanted = source.special_use
        return next((one.name for one in to.folders if wanted and one.special_use == wanted), None)
    own = source.name.removeprefix(home)
    use = source.special_use or use_of(own)
    if use is None or (use not in NAMES and not (use == "\\All" and to.labels)):
        return None
    for target in to.folders:
        if target.special_use == use:
            return target.name
    if source.special_use is None or any(target.name == below(to.home, own) for target in to.folders):
        return None
    return next((one.name for one in called(to.folders, use, to.home)), None)


def _by_name(own: str, to: Destination) -> str:
    fit = own if to.same else "/".join(_component(part, to.separator) for part in own.split("/"))
    if to.into is not None:
        return f"{below(to.home, to.into.strip('/'))}/{fit}"
    return fit if to.same else below(to.home, fit)


def _component(part: str, separator: str) -> str:
    """Put `_` for what would part this component in two at the target; `%2F` is a `/` within it."""
    return part.replace("%2F" if separator == "/" else separator, "_")


def without_slashes(name: str) -> str:
    """Give the name for a server that takes no `/` within a component."""
    return name.replace("%2F", "_")


# --- messages -------------------------------------------------------------------------------------------


def once(entries: Iterable[Entry], *, vanished: bool) -> list[Entry]:
    """Leave out what is archived under more refs than there were messages.

    What is on the server counts for each of its copies. With `vanished`, of what a folder no longer has, one
    copy of each content counts, unless it has another still: renumbered or put back, it has a new ref.
    """
    alive: list[Entry] = []
    gone: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if not entry.vanished:
            alive.append(entry)
        elif vanished:
            gone[entry.ref.folder, entry.digest] = entry
    for entry in alive:
        gone.pop((entry.ref.folder, entry.digest), None)
    return [*alive, *gone.values()]


def before_prune(then: Iterable[Entry], now: Iterable[Entry], run: int) -> list[Entry] | None:
    """Choose what puts a folder's copies back as they were before a prune; None if that run removed nothing.

    `then` are the messages of the time before it, of which every copy of a content that the run removed, or was
    about to, counts: those that are there still are not put in again. `now` tells what it removed.
    """
    removed = {(entry.ref.folder, entry.digest) for entry in now if entry.pruned == run}
    if not removed:
        return None
    return [entry for entry in then if (entry.ref.folder, entry.digest) in removed]


class Doubt(Struct, frozen=True):
    """A message that the target may have: one of those of its size or, rewritten there, of its second."""

    entry: Entry
    same_size: tuple[Remote, ...] = ()
    same_second: tuple[Remote, ...] = ()


class Wanted(Struct, frozen=True):
    """What a folder needs: what surely is missing, and what is in doubt."""

    missing: Sequence[Entry]
    doubts: Sequence[Doubt]


def wanted(entries: Sequence[Entry], there: Sequence[Remote], ledger: Mapping[str, str]) -> Wanted:
    """Part what must be put into a folder from what may be there already.

    `there` is what the folder has; `ledger` is key -> digest of what is known of it. A message that the
    ledger names counts for one copy of its digest. Of the others, equal size makes the doubt, and equal date
    of receipt, since some servers rewrite what they are given.
    """
    present = Counter(ledger[one.ref.key] for one in there if one.ref.key in ledger)
    by_size: dict[int | None, list[Remote]] = {}
    by_second: dict[float, list[Remote]] = {}
    for remote in there:
        if remote.ref.key not in ledger:
            by_size.setdefault(remote.size, []).append(remote)
            if remote.received is not None:
                by_second.setdefault(_second(remote.received), []).append(remote)
    of_any_size = by_size.get(None, [])
    missing: list[Entry] = []
    doubts: list[Doubt] = []
    for entry in entries:
        if present[entry.digest]:
            present[entry.digest] -= 1
            continue
        same_size = [*by_size.get(entry.size, ()), *of_any_size]
        same_second = by_second.get(_second(entry.received), ()) if entry.received else ()
        if same_size or same_second:
            doubts.append(Doubt(entry, tuple(same_size), tuple(same_second)))
        else:
            missing.append(entry)
    return Wanted(missing, doubts)


def _second(at: datetime) -> float:
    return at.timestamp() // 1


def claims_by_id(
    doubts: Sequence[Doubt], own: Mapping[str, str], theirs: Mapping[str, str]
) -> tuple[dict[int, str], list[int]]:
    """Pair doubts with messages of the target by Message-ID and size.

    `own` is digest -> Message-ID, `theirs` key -> Message-ID. Gives the pairs, number of the doubt -> key, and
    the numbers of those that content alone decides: without Message-ID, or where another content of the same
    Message-ID and size is wanted too.
    """
    alike: dict[tuple[int, str | None], list[int]] = {}
    for number, doubt in enumerate(doubts):
        alike.setdefault((doubt.entry.size, own.get(doubt.entry.digest)), []).append(number)
    claimed: dict[int, str] = {}
    taken: set[str] = set()
    by_content: list[int] = []
    for (_, message_id), numbers in alike.items():
        if message_id is None or len({doubts[number].entry.digest for number in numbers}) > 1:
            by_content += numbers
            continue
        for number in numbers:
            for remote in doubts[number].same_size:
                if remote.ref.key not in taken and theirs.get(remote.ref.key) == message_id:
                    taken.add(remote.ref.key)
                    claimed[number] = remote.ref.key
                    break
    return claimed, by_content
