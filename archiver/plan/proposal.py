"""Which folders of an account to archive, as `account add` proposes it from their listing."""

from collections.abc import Sequence

from msgspec import Struct

from archiver.model import Folder
from archiver.plan.special_uses import called, home_of

_BESIDE_ALL = ("\\Junk", "\\Trash")  # what Gmail's folder of all mail does not contain


class Proposal(Struct, frozen=True):
    """Globs for `folders` and `exclude` of the configuration; no `include` means all folders."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def propose(folders: Sequence[Folder], labels: bool) -> Proposal:
    """Propose what to archive of these folders; `labels` says that the server tells the labels of messages (Gmail).

    There, all mail is archived once with its labels, and with it what it does not contain: spam and trash. Drafts
    are in it. Where the user hides that folder from IMAP, and everywhere else, all folders are archived but spam
    and trash. Folders are known by special use (RFC 6154), in whatever language, else by a usual name.
    """
    every = [folder.name for folder in folders if folder.special_use == "\\All"]
    beside = tuple(name for use in _BESIDE_ALL for name in _of_use(folders, use))
    if labels and every:
        return Proposal(include=(*every, *beside))
    return Proposal(exclude=beside)


def _of_use(folders: Sequence[Folder], use: str) -> list[str]:
    told = [folder.name for folder in folders if folder.special_use == use]
    if told:
        return told
    plain = [folder for folder in folders if folder.special_use is None]
    homes = dict.fromkeys(("", home_of(folders)))
    return [folder.name for home in homes for folder in called(plain, use, home)]
