"""Events, contacts and tasks whole: with their exceptions, attachments and pictures."""

from archiver.accounts.graph.folders import Native
from archiver.accounts.graph.web import Web
from archiver.formats.record import Export, Record
from archiver.model import Remote


def record(web: Web, native: Native, item_id: str, remote: Remote, export: Export | None) -> Record | None:
    """Read an item; None where it is gone."""
    raise NotImplementedError
