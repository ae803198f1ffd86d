r"""Gmail's labels on the wire: X-GM-LABELS in FETCH and STORE, read into flags and written from them.

A label is a string in the encoding of mailbox names, since each is a folder too; those of Gmail's own begin
with a backslash (https://developers.google.com/gmail/imap/imap-extensions). In a folder that is itself a label,
that one is not told; so only those that are none are asked for labels: all mail, spam and trash.
"""

from collections.abc import Iterable
from functools import lru_cache

from archiver.accounts.imap import names, quirks
from archiver.accounts.imap.session import Piece, astring
from archiver.model import Flags, Folder
from archiver.plan.labels import flag_of, labels_of

ITEM = b"X-GM-LABELS"
_WITH_LABELS = frozenset({"\\All", "\\Junk", "\\Trash"})


def are_told(capabilities: frozenset[str], folder: Folder) -> bool:
    """Tell whether the messages of this folder are archived with their labels."""
    return quirks.has_labels(capabilities) and folder.special_use in _WITH_LABELS


# few sets of labels stand beside many messages
@lru_cache(maxsize=4096)
def read(words: tuple[bytes, ...], *, utf8: bool) -> Flags:
    """Read labels as flags; with `utf8` the session has names in UTF-8 (RFC 6855)."""
    return frozenset(flag_of(_text(one, utf8=utf8)) for one in words if one)


def _text(word: bytes, *, utf8: bool) -> str:
    if word.startswith(b"\\"):  # Gmail has been seen to quote it once too often (planetaryescape/mxr#50)
        word = b"\\" + word.lstrip(b"\\")
    return names.text(word, "/", utf8=utf8).replace("\0", "\\x00")  # NUL parts the flags in the catalog


def write(flags: Iterable[str], *, utf8: bool) -> list[Piece]:
    """Write flags that are labels as the list that STORE takes, with its parentheses."""
    pieces: list[Piece] = [b"("]
    for label in sorted(labels_of(frozenset(flags))):
        pieces += [b" "] * (len(pieces) > 1) + [astring(names.mailbox(label, "/", utf8=utf8))]
    return [*pieces, b")"]


def is_folder(label: str) -> bool:
    """Tell whether a label is one of the user's, which is a folder too, and not Gmail's own."""
    return not label.startswith("\\")
