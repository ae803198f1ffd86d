"""Random access to a sealed object: any range of its plaintext for the cost of the chunks that cover it."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from archiver.formats.age.header import HEADER_LIMIT, header_end
from archiver.formats.age.keys import Identity
from archiver.formats.age.payload import CHUNK_SIZE, NONCE_SIZE, SEALED_SIZE, TAG_SIZE, bad_payload
from archiver.formats.age.stream import open_start
from archiver.formats.age.wrap import unwrap_with

_FIRST_READ = 4 * 1024  # holds the header of some 30 recipients
_CHUNKS_AT_ONCE = 128  # 8 MiB of sealed bytes in memory beside the result


class RandomReader:
    """Reads ranges of one sealed object through `read(start, length)`, which may give fewer bytes at the end.

    Making one reads the header (at most 64 KiB, 20 stanzas), checks its MAC and authenticates the last chunk,
    which alone proves `size`, the length of the plaintext. Every byte that `read` gives is authenticated;
    what is not asked for is not looked at. It keeps no state between reads: safe in threads if `read` is.
    With `cut`, the last chunk is not looked at before it is asked for: what is whole in an object that is cut, or
    damaged at its end, can be read, and `size` must be trusted for another reason.
    Raises `BadHeader`, `BadMac`, `BadPayload`, `NoMatch`.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        size: int,
        identities: Iterable[Identity],
        *,
        cut: bool = False,
    ) -> None:
        self._read = read
        head = read(0, min(size, _FIRST_READ))
        if (header_end(head) or HEADER_LIMIT) + NONCE_SIZE > len(head) and size > len(head):
            head = read(0, min(size, HEADER_LIMIT + NONCE_SIZE))
        self._chunks, self._start = open_start(head, partial(unwrap_with, identities=identities))
        self._sealed_size = size - self._start
        self._last = max(0, self._sealed_size - 1) // SEALED_SIZE
        self.size = self._sealed_size - TAG_SIZE * (self._last + 1)
        if not cut:
            self._open(self._last, self._last + 1)

    def read(self, start: int, length: int) -> bytes:
        """Give the plaintext from `start` on, `length` bytes or as many as there are."""
        if start < 0 or length < 0:
            raise ValueError("a range begins at 0 or later and has no negative length")
        end = min(start + length, self.size)
        if start >= end:
            return b""
        first, behind = start // CHUNK_SIZE, (end - 1) // CHUNK_SIZE + 1
        plain: list[bytes] = []
        for number in range(first, behind, _CHUNKS_AT_ONCE):
            plain += self._open(number, min(number + _CHUNKS_AT_ONCE, behind))
        cut = end - (behind - 1) * CHUNK_SIZE
        plain[-1] = plain[-1][:cut]
        plain[0] = plain[0][start - first * CHUNK_SIZE :]
        return plain[0] if len(plain) == 1 else b"".join(plain)

    def read_on(self, start: int, length: int) -> Iterator[bytes]:
        """Give the same piece by piece: what lies before a damaged chunk is given before the error is raised."""
        end = min(start + length, self.size)
        while start < end:
            behind = min(end, (start // CHUNK_SIZE + 1) * CHUNK_SIZE)
            yield self.read(start, behind - start)
            start = behind

    def _open(self, first: int, behind: int) -> list[bytes]:
        """Fetch and open the chunks from `first` to before `behind`."""
        begin = first * SEALED_SIZE
        end = min(behind * SEALED_SIZE, self._sealed_size)
        sealed = memoryview(self._read(self._start + begin, end - begin))
        if len(sealed) != end - begin:
            raise bad_payload("the object is shorter than it was said to be")
        return [
            self._chunks.open(number, sealed[offset : offset + SEALED_SIZE], last=number == self._last)
            for number, offset in zip(
                range(first, behind), range(0, len(sealed) or 1, SEALED_SIZE), strict=True
            )
        ]
