"""The payload of an age file: chunks of 64 KiB, each sealed under its number (age v1, "Payload")."""

from collections.abc import Iterator
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from archiver.formats.age.errors import BadPayload
from archiver.formats.age.keys import hkdf

NONCE_SIZE = 16
CHUNK_SIZE = 64 * 1024
TAG_SIZE = 16
SEALED_SIZE = CHUNK_SIZE + TAG_SIZE
Piece: TypeAlias = bytes | bytearray | memoryview


class Chunks:
    """The cipher of one payload. It keeps no state: the caller numbers the chunks from 0."""

    def __init__(self, file_key: bytes, nonce: bytes) -> None:
        self._cipher = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))

    def seal(self, number: int, plain: Piece, *, last: bool) -> bytes:
        """Seal one chunk; a number must never be used twice."""
        return self._cipher.encrypt(_nonce(number, last), plain, None)

    def open(self, number: int, sealed: Piece, *, last: bool) -> bytes:
        """Authenticate and open one chunk; raises `BadPayload`, also for an empty last chunk after others."""
        if len(sealed) < TAG_SIZE:
            raise bad_payload("it is cut")
        if number and len(sealed) == TAG_SIZE:
            raise bad_payload("its last chunk is empty")
        plain = self.try_open(number, sealed, last=last)
        if plain is None:
            raise bad_payload(f"chunk {number} is not what was written")
        return plain

    def try_open(self, number: int, sealed: Piece, *, last: bool) -> bytes | None:
        """Open one chunk, or give None where it does not authenticate."""
        try:
            return self._cipher.decrypt(_nonce(number, last), sealed, None)
        except InvalidTag:
            return None


class Cutter:
    """Cuts pieces of any size into blocks of one size, and holds back what may turn out to be the last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = bytearray()

    def feed(self, piece: Piece) -> Iterator[Piece]:
        """Give the full blocks that certainly have something after them; views of `piece` where possible."""
        view = memoryview(piece)
        room = self._size - len(self._held)
        if len(view) > room:
            if self._held:
                self._held += view[:room]
                view = view[room:]
                yield self._held
            whole = (len(view) - 1) // self._size * self._size
            for start in range(0, whole, self._size):
                yield view[start : start + self._size]
            view = view[whole:]
            self._held = bytearray()
        self._held += view

    def rest(self) -> bytearray:
        """Give the last block: of 0 bytes to the full size."""
        return self._held


def bad_payload(why: str) -> BadPayload:
    """Make the error for a payload that is not to be trusted further, with the reason."""
    return BadPayload(
        f"the age payload is damaged: {why}", "the object was changed or cut; take it from another copy"
    )


def _nonce(number: int, last: bool) -> bytes:
    """Eleven bytes of chunk number, big endian, and one that marks the last chunk."""
    return (number << 8 | last).to_bytes(12)
