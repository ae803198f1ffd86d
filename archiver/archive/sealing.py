"""One sealed object: compressed frames are padded, encrypted, written, and read back from the store."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from archiver.errors import Damaged
from archiver.formats import age, frames
from archiver.model import Sealed
from archiver.ports import Store

READ_SIZE = 4 << 20


class Compression(Struct, frozen=True):
    """How hard to look for repetition, and over what distance, in one kind of frames."""

    frame_size: int  # a frame closes at this many bytes; a larger message has its own
    level: int = 3
    window_log: int | None = None
    far: bool = False  # with a table made for long distances


class Compressions(Struct, frozen=True):
    """How small messages are compressed, and how large ones: those of `large_size` bytes and more.

    Most messages are small, and one is quickly read from a short frame. Most bytes are in large ones, and what
    repeats there, an attachment, does so at a distance: their frames are long.
    """

    small: Compression
    large: Compression
    large_size: int = 1 << 16

    def of(self, size: int) -> Compression:
        """Choose by the size of a message."""
        return self.large if size >= self.large_size else self.small


COMPRESSIONS = {
    "default": Compressions(Compression(1 << 20), Compression(24 << 20, window_log=25)),
    # the largest window that a plain `zstd -d` takes; finds an attachment again 100 MiB later
    "long": Compressions(Compression(1 << 20), Compression(1 << 28, window_log=27, far=True)),
}


def seal(
    store: Store,
    role: Literal["index", "volume"],
    key: str,
    packed: Iterable[Sequence[bytes]],
    recipients: Sequence[age.Recipient],
) -> Sealed:
    """Encrypt frames into one object, padded to a Padmé length, write it, and read it back.

    Raises `Damaged` where the store gives back other bytes than it was given.
    """
    encryptor = age.Encryptor(recipients)
    hasher = hashlib.sha256()
    size = 0

    def sealed() -> Iterator[bytes]:
        nonlocal size
        for piece in _encrypted(encryptor, packed):
            hasher.update(piece)
            size += len(piece)
            yield piece

    store.put(key, sealed())
    digest = hasher.hexdigest()
    if sha256_of(store, key, size) != digest:
        raise Damaged(
            f'"{key}" reads back other than it was written',
            "the disk or its connection alters data: check both before anything else is archived there",
        )
    return Sealed(role=role, size=size, sha256=digest, key=key)


def _encrypted(encryptor: age.Encryptor, packed: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
    """Give sealed bytes in pieces as large as they came: each is hashed and written in one call."""
    length = 0
    for pieces in packed:
        for piece in pieces:
            length += len(piece)
            yield b"".join(encryptor.update(piece))
    yield b"".join(encryptor.update(frames.padding(length)) + encryptor.finish())


def sha256_of(store: Store, key: str, size: int) -> str:
    """Hash an object as it lies in the store; one longer than `size` hashes differently too."""
    hasher = hashlib.sha256()
    start = 0
    while piece := store.get(key, start, READ_SIZE):
        hasher.update(piece)
        start += len(piece)
        if start > size:
            break
    return hasher.hexdigest()
