"""Whose mailbox it is: part of every epoch, so that another mailbox is never taken for this one."""

import hashlib


def owner_of(host: str, user: str) -> str:
    """Name whose mailbox it is: 8 hex digits."""
    return hashlib.sha256(f"{user}\0{host}".lower().encode("utf-8", "replace")).hexdigest()[:8]
