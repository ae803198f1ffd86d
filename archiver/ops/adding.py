"""An account as it is seen by an import: what it has is added to what is archived, and nothing is missing from it."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from archiver.model import Change, Cursor, Done, Flags, Folder, Message, Missed, New, Remote, Vanished
from archiver.ports import Account, Known


class Adding:
    """`ports.Account` of which only what is new is told.

    One account may be filled from many places, one after another: what an earlier one brought is not gone because
    this one does not have it.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def folders(self) -> Sequence[Folder]:
        """See `Account.folders`."""
        return self._account.folders()

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        """See `Account.changes`; nothing vanishes, and all that is known counts as being there."""
        held: Mapping[str, Flags] = {} if since is None else known()
        there = set(held)
        for change in self._account.changes(folder, since, lambda: held):
            match change:
                case Vanished():
                    continue
                case New(remote):
                    there.add(remote.ref.key)
                    yield change
                case Done():
                    yield msgspec.structs.replace(change, exists=len(there))
                case _:
                    yield change

    def fetch(self, remotes: Sequence[Remote]) -> Iterator[Message | Missed]:
        """See `Account.fetch`; a message missed at an earlier place stays missed."""
        for found in self._account.fetch(remotes):
            if isinstance(found, Missed) and found.gone:
                yield Missed(found.remote, "it is not where mail was imported from last")
            else:
                yield found

    def message_ids(self, remotes: Sequence[Remote]) -> Mapping[str, str]:
        """See `Account.message_ids`."""
        return self._account.message_ids(remotes)

    def close(self) -> None:
        """See `Account.close`."""
        self._account.close()
