"""The doors of the house: what an account, a store, a layout, a catalog and a reporter must do.

The contract of each door is written at it and tested in tests/contract/, one class for each door. All are
imported from here.
"""

from typing import Protocol

from archiver.events import Event
from archiver.ports.accounts import Account, Allowance, CanAppend, CanDelete, Describes, Known, Source, Target
from archiver.ports.archive import (
    Audit,
    Catalog,
    Label,
    Layout,
    Reader,
    Reading,
    Readings,
    Run,
    Store,
    Volumes,
)

__all__ = [
    "Account",
    "Allowance",
    "Audit",
    "CanAppend",
    "CanDelete",
    "Catalog",
    "Describes",
    "Known",
    "Label",
    "Layout",
    "Reader",
    "Reading",
    "Readings",
    "Reporter",
    "Run",
    "Source",
    "Store",
    "Target",
    "Volumes",
]


class Reporter(Protocol):
    """Who is told what happens during a run."""

    def report(self, event: Event) -> None:
        """Take one event; must be quick and must not raise."""
        ...
