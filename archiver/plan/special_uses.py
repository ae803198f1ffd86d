"""What the folders of a special use (RFC 6154) are called where a server does not tell their use."""

from collections.abc import Iterable

from archiver.model import Folder

INBOX = "INBOX"

NAMES = {
    "\\Sent": ("Sent", "Sent Items", "Sent Messages", "Sent Mail"),
    "\\Trash": ("Trash", "Deleted Items", "Deleted Messages"),
    "\\Drafts": ("Drafts",),
    "\\Junk": ("Junk", "Spam", "Junk E-mail", "Junk Email"),
    "\\Archive": ("Archive", "Archives"),
}
_USES = {name.lower(): use for use, names in NAMES.items() for name in names}


def use_of(name: str) -> str | None:
    """Tell the special use that a folder's name stands for; None for any other name."""
    return _USES.get(name.lower())


def called(folders: Iterable[Folder], use: str, home: str = "") -> list[Folder]:
    """Find the folders that have a usual name of this use, in any case, directly below `home`."""
    names = {below(home, name).lower() for name in NAMES.get(use, ())}
    return [folder for folder in folders if folder.name.lower() in names]


def below(home: str, name: str) -> str:
    """Put a name below a home, `INBOX/` or none, unless it is there."""
    return name if name == INBOX or name.startswith(home) else home + name


def home_of(folders: Iterable[Folder]) -> str:
    """Guess the name below which a server keeps all its folders: `INBOX/` where all but INBOX are there."""
    others = [folder.name for folder in folders if folder.name != INBOX]
    return "INBOX/" if others and all(name.startswith("INBOX/") for name in others) else ""


def trash_of(folders: Iterable[Folder], home: str) -> Folder | None:
    """Find the folder for deleted mail: by its special use, else the one that is called so; None if in doubt."""
    listed = list(folders)
    told = [folder for folder in listed if folder.special_use == "\\Trash"]
    if told:
        return told[0]
    named = {one.name: one for where in ("", home) for one in called(listed, "\\Trash", where)}
    return next(iter(named.values())) if len(named) == 1 else None
