"""Where archived mail goes on restore, and what of it the target has already."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from archiver.model import Entry, Folder, Remote

INBOX = "INBOX"


def home_of(folders: Iterable[Folder]) -> str:
    """Guess the name below which a server keeps all its folders: `INBOX/` where all but INBOX are there."""
    others = [folder.name for folder in folders if folder.name != INBOX]
    return "INBOX/" if others and all(name.startswith("INBOX/") for name in others) else ""


def target_name(
    source: Folder, sources: Sequence[Folder], targets: Sequence[Folder], *, home: str, into: str | None
) -> str:
    """Choose the folder of the target that a source folder goes to.

    With `into`, below that folder by its own name. Else INBOX goes to INBOX, a folder of a special use
    (RFC 6154) to the target's folder of that use, any other to the folder of its name, below the target's
    `home`.
    """
    own = source.name.removeprefix(home_of(sources)) if source.name != INBOX else INBOX
    if into is not None:
        return f"{_below(home, into)}/{own}"
    if own == INBOX:
        return INBOX
    if source.special_use is not None:
        for target in targets:
            if target.special_use == source.special_use:
                return target.name
    return _below(home, own)


def _below(home: str, name: str) -> str:
    return name if name == INBOX or name.startswith(home) else home + name


class Doubt(Struct, frozen=True):
    """A message of the target that may be an archived one; `by` says what decides."""

    entry: Entry
    remotes: tuple[Remote, ...]


class Wanted(Struct, frozen=True):
    """What a folder needs: what surely is missing, and what is in doubt."""

    missing: Sequence[Entry]
    doubts: Sequence[Doubt]


def wanted(entries: Sequence[Entry], there: Sequence[Remote], ledger: Mapping[str, str]) -> Wanted:
    """Part what must be put into a folder from what may be there already.

    `there` is what the folder has; `ledger` is key -> digest of what was put there before. A message that the
    ledger names counts for one copy of its digest. Of the others, equal size makes the doubt: the same
    message keeps its size, whatever else a server changes.
    """
    present = Counter(ledger[one.ref.key] for one in there if one.ref.key in ledger)
    strangers: dict[int | None, list[Remote]] = {}
    for remote in there:
        if remote.ref.key not in ledger:
            strangers.setdefault(remote.size, []).append(remote)
    missing: list[Entry] = []
    doubts: list[Doubt] = []
    for entry in entries:
        if present[entry.digest]:
            present[entry.digest] -= 1
        elif entry.size in strangers:
            doubts.append(Doubt(entry, tuple(strangers[entry.size])))
        else:
            missing.append(entry)
    return Wanted(missing, doubts)
