"""One component of a folder's name: a `/` in it is written `%2F`, and a `%` that would then be misread `%25`."""

import re

_MISREAD = re.compile(r"%(?=2F|25)")
_ESCAPED = re.compile(r"%(2F|25)")


def component(name: str) -> str:
    """Write a folder's own name as a component of archiver's."""
    return _MISREAD.sub("%25", name).replace("/", "%2F")


def name_of(written: str) -> str:
    """Read a component: undoes `component`."""
    return _ESCAPED.sub(lambda found: "/" if found[1] == "2F" else "%", written)
