"""Folder names that users write with `*`, `?` and `[…]`, case and all."""

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matches(name: str, globs: Iterable[str]) -> bool:
    """Tell whether a folder's name matches one of the globs.

    A bracket is also taken for itself, so that `[Gmail]/*` is what it looks like and no set of letters.
    """
    return any(_matches(name, glob) for glob in globs)


def _matches(name: str, glob: str) -> bool:
    return fnmatchcase(name, glob) or ("[" in glob and fnmatchcase(name, glob.replace("[", "[[]")))
