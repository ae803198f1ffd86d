"""Several chains of one account seen as one: what two machines archived, without what both did."""

from collections.abc import Iterator, Mapping, Sequence

from archiver.errors import ArchiverError, Damaged
from archiver.model import Entry, Folder
from archiver.ports import Catalog
from archiver.rows import VolumeRow


class SeveralCatalogs:
    """Asks each catalog in turn; of a message that several hold in a folder, the first one's entry counts."""

    def __init__(self, catalogs: Sequence[Catalog]) -> None:
        self._catalogs = catalogs

    def entries(self) -> Iterator[Entry]:
        """Give the archived messages of all chains."""
        told: set[tuple[str, str]] = set()
        last = len(self._catalogs) - 1
        for number, catalog in enumerate(self._catalogs):
            here = set()
            for entry in catalog.entries():
                if number < last:
                    here.add((entry.ref.folder, entry.digest))
                if number == 0 or (entry.ref.folder, entry.digest) not in told:
                    yield entry
            told |= here

    def folders(self) -> Sequence[Folder]:
        """List the folders of all chains, each name once."""
        found: dict[str, Folder] = {}
        for catalog in self._catalogs:
            for state in catalog.folders():
                found.setdefault(state.folder.name, state.folder)
        return list(found.values())

    def hold_records(self) -> bool:
        """Tell whether an account of Exchange filled one of the chains: its items are archived as records."""
        headers = [catalog.header() for catalog in self._catalogs]
        return any(header is not None and header.kind == "exchange" for header in headers)

    def restored(self, account: str, folder: str, epoch: str) -> Mapping[str, str]:
        """Tell what was put into a folder of an account: key there -> digest."""
        return {
            key: digest
            for catalog in self._catalogs
            for key, digest in catalog.restored(account, folder, epoch).items()
        }

    def held(self, folder: str, epoch: str) -> Mapping[str, str]:
        """Tell what was archived from a folder under an epoch: key -> digest."""
        return {
            entry.ref.key: entry.digest
            for catalog in self._catalogs
            for entry in catalog.entries(folder)
            if entry.ref.epoch == epoch
        }

    def ledger(self, account: str, folder: str, epoch: str, *, same: bool) -> Mapping[str, str]:
        """Tell what is known of a folder of an account: what was put there and, of the `same` account that the
        mail came from, what was archived from there. Key there -> digest.
        """
        held = self.held(folder, epoch) if same else {}
        return {**held, **self.restored(account, folder, epoch)}

    def volume(self, key: str) -> VolumeRow:
        """Find a volume in whichever chain has it. Raises `Damaged`."""
        last: ArchiverError = Damaged(f'no index names the frames of "{key}"')
        for catalog in self._catalogs:
            try:
                return catalog.volume(key)
            except Damaged as error:
                last = error
        raise last
