"""Categories of a groupware server, carried among a message's flags, each as a keyword of IMAP.

A category is any text, a keyword is an atom (RFC 9051, section 9): each byte of UTF-8 that an atom cannot hold is
written `=XX`. A category goes to an IMAP server and comes back, and a keyword is a category of the same name.
"""

import re

from archiver.model import Flags

FORWARDED = "$Forwarded"
_ODD = re.compile(rb'[\x00-\x20(){%*"\\\]\x7f-\xff]|=(?=[0-9A-F]{2})')
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")


def flag_of(category: str) -> str:
    """Write a category as the keyword that stands for it."""
    raw = category.encode("utf-8", "replace")
    if category.lower() == FORWARDED.lower():
        return f"=24{category[1:]}"  # no category says that a message was forwarded
    return _ODD.sub(lambda found: b"=%02X" % found[0][0], raw).decode("ascii")


def category_of(flag: str) -> str:
    """Read the category that a keyword stands for."""
    raw = flag.encode("utf-8", "replace")
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), raw).decode("utf-8", "replace")


def categories_of(flags: Flags) -> list[str]:
    r"""Give the categories among flags, sorted: all but `\Words`, `$Forwarded`, and what is no atom."""
    return sorted(
        category_of(flag)
        for flag in flags
        if not flag.startswith("\\") and flag.lower() != FORWARDED.lower() and not _ODD.search(_bare(flag))
    )


def _bare(flag: str) -> bytes:
    return _ESCAPED.sub(b"", flag.encode("utf-8", "replace"))
