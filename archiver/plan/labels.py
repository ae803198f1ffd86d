"""Labels of a message, as Gmail has them, carried among its flags: `label: Work/2024`.

No keyword of IMAP holds a space (RFC 9051 section 9, `atom`), so none can be taken for a label. Labels of
Gmail's own begin with a backslash: `label: \\Inbox` (https://developers.google.com/gmail/imap/imap-extensions).
"""

from archiver.model import Flags

PREFIX = "label: "


def flag_of(label: str) -> str:
    """Write a label as the flag that stands for it."""
    return PREFIX + label


def labels_of(flags: Flags) -> Flags:
    """Give the labels among flags, without the prefix."""
    return frozenset(flag.removeprefix(PREFIX) for flag in flags if flag.startswith(PREFIX))


def label_flags(flags: Flags) -> Flags:
    """Give those flags that stand for labels, as they are."""
    return frozenset(flag for flag in flags if flag.startswith(PREFIX))


def without_labels(flags: Flags) -> Flags:
    """Give the flags without the labels: what a server may be sent as flags."""
    found = label_flags(flags)
    return flags - found if found else flags
