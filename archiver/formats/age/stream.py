"""Whole age files, sealed and opened as streams."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from archiver.formats.age.header import (
    HEADER_LIMIT,
    Header,
    Stanza,
    bad_header,
    header_end,
    read_header,
    write_header,
)
from archiver.formats.age.keys import Identity, Recipient
from archiver.formats.age.payload import (
    CHUNK_SIZE,
    NONCE_SIZE,
    SEALED_SIZE,
    Chunks,
    Cutter,
    Piece,
    bad_payload,
)
from archiver.formats.age.wrap import FILE_KEY_SIZE, unwrap_under, unwrap_with, wrap_to, wrap_under
from archiver.model import Secret

LOG_N = 18
MAX_LOG_N = 20


class Encryptor:
    """Seals one file as its pieces come, under a file key and a nonce of its own.

    `update` and `finish` give sealed pieces to be written in order; the first begins with the header.
    An instance is for one thread; the cipher releases the GIL.
    """

    def __init__(self, recipients: Iterable[Recipient]) -> None:
        self._start(lambda file_key: [wrap_to(file_key, recipient) for recipient in recipients])

    @classmethod
    def under(cls, passphrase: Secret, log_n: int = LOG_N) -> "Encryptor":
        """Seal under a passphrase instead of to recipients; scrypt takes 2**log_n KiB of memory."""
        encryptor = cls.__new__(cls)
        encryptor._start(lambda file_key: [wrap_under(file_key, passphrase, log_n)])
        return encryptor

    def _start(self, wrap: Callable[[bytes], Sequence[Stanza]]) -> None:
        file_key = os.urandom(FILE_KEY_SIZE)
        stanzas = wrap(file_key)
        if not stanzas:
            raise ValueError("a file sealed to nobody could never be opened")
        nonce = os.urandom(NONCE_SIZE)
        self._out = [write_header(file_key, stanzas) + nonce]
        self._chunks = Chunks(file_key, nonce)
        self._cutter = Cutter(CHUNK_SIZE)
        self._number = 0
        self._finished = False

    def update(self, piece: Piece) -> list[bytes]:
        """Seal what is certain not to be the last chunk; the rest, at most 64 KiB, is held."""
        self._check_open()
        for block in self._cutter.feed(piece):
            self._out.append(self._chunks.seal(self._number, block, last=False))
            self._number += 1
        return self._take()

    def finish(self) -> list[bytes]:
        """Seal the last chunk, which may be empty only in an empty file."""
        self._check_open()
        self._finished = True
        self._out.append(self._chunks.seal(self._number, self._cutter.rest(), last=True))
        return self._take()

    def _take(self) -> list[bytes]:
        out, self._out = self._out, []
        return out

    def _check_open(self) -> None:
        if self._finished:
            raise ValueError("the file is finished")


def encrypt(data: Piece, recipients: Iterable[Recipient]) -> bytes:
    """Seal `data` to recipients as a binary age file."""
    encryptor = Encryptor(recipients)
    return b"".join(encryptor.update(data) + encryptor.finish())


def encrypt_with_passphrase(data: Piece, passphrase: Secret, log_n: int = LOG_N) -> bytes:
    """Seal `data` under a passphrase (UTF-8, as typed); scrypt takes 2**log_n KiB of memory."""
    encryptor = Encryptor.under(passphrase, log_n)
    return b"".join(encryptor.update(data) + encryptor.finish())


def decrypt(data: bytes, identities: Iterable[Identity]) -> bytes:
    """Open a binary age file, all or nothing; raises `BadHeader`, `BadMac`, `BadPayload`, `NoMatch`."""
    return b"".join(decrypt_stream([data], identities))


def decrypt_with_passphrase(data: bytes, passphrase: Secret, max_log_n: int = MAX_LOG_N) -> bytes:
    """Open a binary age file that is under a passphrase, all or nothing; errors as `decrypt`.

    A file that asks for more work than `max_log_n` is refused as `BadHeader` before any of it is done.
    """
    unwrap = partial(unwrap_under, passphrase=passphrase, max_log_n=max_log_n)
    return b"".join(_open_stream([data], unwrap))


def decrypt_stream(chunks: Iterable[bytes], identities: Iterable[Identity]) -> Iterator[bytes]:
    """Open a binary age file that comes in pieces of any size; give it in pieces of at most 64 KiB.

    A cut or extended file gives all that is authentic and then raises: until the iterator ends by itself,
    what it gave may be a part. Errors as `decrypt`.
    """
    return _open_stream(chunks, partial(unwrap_with, identities=identities))


def open_start(head: bytes, unwrap: Callable[[Header], bytes]) -> tuple[Chunks, int]:
    """Read the header and the nonce that `head` begins with.

    Gives the payload's cipher and the offset at which the payload begins.
    """
    header = read_header(head)
    file_key = unwrap(header)
    start = header.size + NONCE_SIZE
    nonce = head[header.size : start]
    if len(nonce) != NONCE_SIZE:
        raise bad_header("the file is cut inside the nonce")
    return Chunks(file_key, nonce), start


def _open_stream(pieces: Iterable[Piece], unwrap: Callable[[Header], bytes]) -> Iterator[bytes]:
    rest = iter(pieces)
    head, after = _take_head(rest)
    chunks, start = open_start(head, unwrap)
    cutter = Cutter(SEALED_SIZE)
    number = 0
    for piece in chain((memoryview(head)[start:], after), rest):
        for sealed in cutter.feed(piece):
            plain = chunks.try_open(number, sealed, last=False)
            if plain is None:
                yield from _authentic(chunks.try_open(number, sealed, last=True))
                raise bad_payload(f"chunk {number} is changed, or is the last and more follows")
            yield plain
            number += 1
    yield from _open_last(chunks, number, cutter.rest())


def _open_last(chunks: Chunks, number: int, sealed: Piece) -> Iterator[bytes]:
    if len(sealed) == SEALED_SIZE and (plain := chunks.try_open(number, sealed, last=False)) is not None:
        yield plain
        raise bad_payload("it ends before its last chunk")
    yield from _authentic(chunks.open(number, sealed, last=True))


def _authentic(plain: bytes | None) -> Iterator[bytes]:
    """Give what a consumer has use for: not a chunk that failed, not the empty one of an empty file."""
    if plain:
        yield plain


def _take_head(pieces: Iterator[Piece]) -> tuple[bytes, memoryview]:
    """Take pieces until they hold header and nonce, or the limit; give them and the rest of the last one."""
    head = bytearray()
    after = memoryview(b"")
    for piece in pieces:
        view = memoryview(piece)
        room = HEADER_LIMIT + NONCE_SIZE - len(head)
        head += view[:room]
        after = view[room:]
        if len(head) >= (header_end(head) or HEADER_LIMIT) + NONCE_SIZE:
            break
    return bytes(head), after
