"""Where messages with labels go on restore: all mail with its labels, or into the folder of each label.

Where labels are kept (Gmail), one copy goes to the folder of all mail, and its labels put it into the others. Only
what was sent, and drafts, go to the folders for these: Gmail silently gives no message those two labels
(Foundry376/Mailspring, commit 574f171f). Elsewhere a message is copied into the folder that each of its labels
names, and one with none is archived.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from archiver.model import Entry, Flags, Folder
from archiver.plan.labels import flag_of, label_flags, labels_of
from archiver.plan.special_uses import INBOX

ARCHIVE = Folder("Archive", "/", "\\Archive")
_FOLDERS = {
    "\\Inbox": Folder(INBOX, "/"),
    "\\Sent": Folder("Sent", "/", "\\Sent"),
    "\\Draft": Folder("Drafts", "/", "\\Drafts"),
    "\\Drafts": Folder("Drafts", "/", "\\Drafts"),
    "\\Spam": Folder("Junk", "/", "\\Junk"),
    "\\Junk": Folder("Junk", "/", "\\Junk"),
    "\\Trash": Folder("Trash", "/", "\\Trash"),
}
_FLAGS = {"\\Starred": "\\Flagged", "\\Important": "$Important"}  # RFC 8457 section 2
_FIXED = frozenset({"\\Sent", "\\Draft"})
_LABELS = {"\\Sent": "\\Sent", "\\Drafts": "\\Draft", "\\Flagged": "\\Starred", "\\Important": "\\Important"}


def spread(
    entries: Iterable[Entry], sources: Sequence[Folder], uses: AbstractSet[str] | None
) -> tuple[list[Entry], list[Folder]]:
    """Choose folders for entries with labels.

    `uses` are the special uses of the target's folders where it keeps labels, and None where it keeps none. Gives
    the entries, each under the folder that it is to be restored from, and these folders. Archives whose folder of
    all mail has no labels are left as they are.
    """
    listed = list(entries)
    views = {folder.name for folder in sources if folder.special_use == "\\All"}
    if not any(entry.ref.folder in views and label_flags(entry.flags) for entry in listed):
        return listed, list(sources)
    if uses is None:
        return _to_folders(listed, sources, views)
    return _by_labels(_without_copies(listed, sources, views), sources, views, uses)


def _without_copies(entries: Sequence[Entry], sources: Sequence[Folder], views: set[str]) -> list[Entry]:
    """Leave out what was archived from a label's folder too, where the message in all mail has that label."""
    labelled = {
        (entry.digest, label)
        for entry in entries
        if entry.ref.folder in views
        for label in labels_of(entry.flags)
    }
    own = {folder.name: _label(folder) for folder in sources if folder.name not in views}
    return [entry for entry in entries if (entry.digest, own.get(entry.ref.folder)) not in labelled]


def _by_labels(
    entries: Sequence[Entry], sources: Sequence[Folder], views: set[str], uses: AbstractSet[str]
) -> tuple[list[Entry], list[Folder]]:
    """Leave entries with the labels that they have, but put what was sent, and drafts, into the folders for these."""
    by_use = {folder.special_use: folder for folder in sources if folder.special_use}
    folders = {folder.name: folder for folder in sources}
    found = []
    for entry in entries:
        own = _FIXED & labels_of(entry.flags) if entry.ref.folder in views else frozenset()
        label = next((one for one in sorted(own) if _FOLDERS[one].special_use in uses), None)
        if label is None:
            found.append(entry)
            continue
        folder = by_use.get(_FOLDERS[label].special_use or "", _FOLDERS[label])
        folders.setdefault(folder.name, folder)
        ref = replace(entry.ref, folder=folder.name)
        found.append(replace(entry, ref=ref, flags=entry.flags - {flag_of(label)}))
    return found, list(folders.values())


def _label(folder: Folder) -> str:
    if folder.name == INBOX:
        return "\\Inbox"
    return _LABELS.get(folder.special_use or "", folder.name)


def _to_folders(
    entries: Sequence[Entry], sources: Sequence[Folder], views: set[str]
) -> tuple[list[Entry], list[Folder]]:
    by_use = {folder.special_use: folder for folder in sources if folder.special_use}
    folders = {folder.name: folder for folder in sources}
    own = {(entry.ref.folder, entry.digest) for entry in entries}
    found: list[Entry] = []
    for entry in entries:
        if entry.ref.folder not in views:
            found.append(entry)
            continue
        flags, named = _parted(entry.flags)
        for one in named or [ARCHIVE]:
            folder = by_use.get(one.special_use or "", one)
            folders.setdefault(folder.name, folder)
            if (folder.name, entry.digest) not in own:  # it was archived from that folder too
                ref = replace(entry.ref, folder=folder.name)
                found.append(replace(entry, ref=ref, flags=flags))
    return found, list(folders.values())


def _parted(flags: Flags) -> tuple[Flags, list[Folder]]:
    """Part flags from the folders that labels among them name.

    A label of the server's own that stands for no folder known here stays among the flags: as one that is not
    kept, it is told of.
    """
    kept = set(flags - label_flags(flags))
    named: dict[str, Folder] = {}
    for label in sorted(labels_of(flags)):
        folder = _FOLDERS.get(label) if label.startswith("\\") else Folder(label, "/")
        if folder is not None:
            named.setdefault(folder.name, folder)
        else:
            kept.add(_FLAGS.get(label, flag_of(label)))
    return frozenset(kept), list(named.values())
