"""list and show: what the archive holds, with subjects and senders where the owner's key is at hand."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from archiver.errors import ArchiverError, UsageError
from archiver.formats.message import Summary, summary
from archiver.model import Entry
from archiver.ports import Catalog, Reader

ID_LENGTH = 12  # hex digits of a digest that are shown; enough for millions of messages


class Listed(Struct, frozen=True):
    """One line of a list. Without the owner's key there is no summary; `error` says why it cannot be read."""

    entry: Entry
    summary: Summary | None = None
    error: str | None = None


def list_messages(entries: Sequence[Entry], reader: Reader | None, sender: str | None) -> Iterator[Listed]:
    """Give a line for each entry, by date of receipt; `sender` is a part of From, whatever its case."""
    if reader is None:
        listed: Iterable[Listed] = (Listed(entry) for entry in entries)
    else:
        listed = _with_summaries(entries, reader, sender)
    yield from sorted(listed, key=_by_date)


def _with_summaries(entries: Sequence[Entry], reader: Reader, sender: str | None) -> Iterator[Listed]:
    by_digest: dict[str, list[Entry]] = {}
    for entry in entries:
        by_digest.setdefault(entry.digest, []).append(entry)
    for first, found in reader.read_many(copies[0] for copies in by_digest.values()):
        if isinstance(found, ArchiverError):
            yield from (Listed(entry, error=found.text) for entry in by_digest[first.digest])
            continue
        read = summary(found)
        if sender is None or sender.lower() in read.sender.lower():
            yield from (Listed(entry, read) for entry in by_digest[first.digest])


def _by_date(listed: Listed) -> tuple[float, str, str]:
    received = listed.entry.received
    return (received.timestamp() if received else 0.0, listed.entry.ref.folder, listed.entry.ref.key)


def find_one(message_id: str, catalogs: Iterable[Catalog]) -> tuple[Catalog, Entry]:
    """Find the message that an id of a list, or the beginning of one, means. Raises `UsageError`."""
    prefix = message_id.lower()
    if len(prefix) < 4 or not all(letter in "0123456789abcdef" for letter in prefix):
        raise UsageError(f'"{message_id}" is not the id of a message', "ids are shown by: archiver list NAME")
    found: dict[str, tuple[Catalog, Entry]] = {}
    for catalog in catalogs:
        for entry in catalog.find(prefix):
            found.setdefault(entry.digest, (catalog, entry))
    if not found:
        raise UsageError(f'no archived message has the id "{message_id}"', "look it up: archiver list NAME")
    if len(found) > 1:
        ids = ", ".join(sorted(digest[: len(prefix) + 4] for digest in found)[:5])
        raise UsageError(f'"{message_id}" is the beginning of {len(found)} ids: {ids}', "type more of it")
    return next(iter(found.values()))
