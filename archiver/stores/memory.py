"""A store in memory: for tests, and for trying things."""

from collections.abc import Iterable, Iterator

from archiver.errors import ObjectExists, ObjectMissing


class MemoryStore:
    """Keeps objects in a dictionary. `objects` is open to tests that damage them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> None:
        """See `Store.put`."""
        data = b"".join(chunks)
        if if_absent and key in self.objects:
            raise ObjectExists(f'"{key}" is there already')
        self.objects[key] = data

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        try:
            data = self.objects[key]
        except KeyError:
            raise ObjectMissing(f'"{key}" is missing from the archive') from None
        return data[start:] if length is None else data[start : start + length]

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See `Store.keys`."""
        yield from sorted(key for key in self.objects if key.startswith(prefix))

    def folders(self, prefix: str) -> Iterator[str]:
        """See `Store.folders`."""
        below = (key[len(prefix) :] for key in self.objects if key.startswith(prefix))
        yield from sorted({part for part, slash, _ in (key.partition("/") for key in below) if slash})

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self.objects.pop(key, None)

    def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        """See `Store.unfinished`: a write is one step here."""
        return iter(())
