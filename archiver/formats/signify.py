"""Signatures in the form of OpenBSD's signify: Ed25519, Base64, one comment line (signify(1)).

A public key is `Ed`, a key number of 8 bytes and the 32 bytes of the key; a signature is `Ed`, the same
number and 64 bytes. The embedded form (`signify -e`) carries the message behind its signature, in one file.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from archiver.errors import Damaged

_ALGORITHM = b"Ed"
_NUMBER_SIZE = 8
_KEY_SIZE = 32
_SIGNATURE_SIZE = 64
_COMMENT_PREFIX = b"untrusted comment: "
_COMMENT_LIMIT = 1023  # signify's buffer holds that and a NUL
_HINT = "the file was changed or is not signed as archiver signs; take it from another copy"


class PublicKey(Struct, frozen=True):
    """What checks a signature: a key number, which finds the key, and 32 bytes."""

    number: bytes
    key: bytes

    @classmethod
    def from_text(cls, text: str) -> "PublicKey":
        """Read the Base64 line of a signify public key, `RW…`; raises `Damaged`."""
        data = _decode(text.encode("ascii", "replace"), _KEY_SIZE, "public key")
        return cls(data[:_NUMBER_SIZE], data[_NUMBER_SIZE:])

    @property
    def text(self) -> str:
        """The key as signify writes it: `RW…`, 56 characters."""
        return base64.b64encode(_ALGORITHM + self.number + self.key).decode("ascii")

    def file(self, comment: str) -> bytes:
        """Write the key as a signify `.pub` file."""
        return b"%s\n%s\n" % (_comment_line(comment), self.text.encode("ascii"))

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether these 64 bytes are this key's signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """What signs: an Ed25519 key made of a seed. Its repr shows the public half alone."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        key = private.public_key().public_bytes_raw()
        self.public = PublicKey(hashlib.sha256(key).digest()[:_NUMBER_SIZE], key)

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Make the key of a 32-byte seed; its number is the first 8 bytes of the public key's SHA-256."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> bytes:
        """Sign a message: 64 bytes, always the same for the same message."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(of {self.public.text})"


class Embedded(Struct, frozen=True):
    """A signed file taken apart, and nothing of it checked: for diagnostics alone."""

    comment: str
    number: bytes
    signature: bytes
    message: bytes


def sign_embedded(key: SigningKey, message: bytes, comment: str) -> bytes:
    """Write `signify -e` form: comment line, signature line, message. The comment is not signed."""
    line = base64.b64encode(_ALGORITHM + key.public.number + key.sign(message))
    return b"%s\n%s\n%s" % (_comment_line(comment), line, message)


def split_embedded(data: bytes) -> Embedded:
    """Take a signed file apart without checking who signed it; raises `Damaged` for a bad form."""
    first, _, rest = data.partition(b"\n")
    second, newline, message = rest.partition(b"\n")
    if not newline:
        raise _damaged("it has not the two lines that stand before a message")
    signed = _decode(second, _SIGNATURE_SIZE, "signature")
    return Embedded(_read_comment(first), signed[:_NUMBER_SIZE], signed[_NUMBER_SIZE:], message)


def open_embedded(data: bytes, keys: Iterable[PublicKey]) -> tuple[bytes, PublicKey]:
    """Check a signed file against the keys that may have signed it: the message, and whose signature it is.

    Raises `Damaged` for a bad form, for a signer not among `keys`, for a signature that does not fit. The
    comment is not covered by the signature.
    """
    parts = split_embedded(data)
    candidates = [key for key in keys if key.number == parts.number]
    if not candidates:
        raise _damaged(f"it is signed by an unknown key, number {parts.number.hex()}")
    for key in candidates:
        if key.verifies(parts.signature, parts.message):
            return parts.message, key
    raise _damaged("its signature does not fit its text")


def _decode(text: bytes, size: int, noun: str) -> bytes:
    """Read canonical Base64 of `Ed`, a key number and `size` bytes; gives the number and those."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        data = b""
    if base64.b64encode(data) != text or len(data) != len(_ALGORITHM) + _NUMBER_SIZE + size:
        raise _damaged(f"its {noun} is not Base64 of the right length")
    if not data.startswith(_ALGORITHM):
        raise _damaged(f"its {noun} is of another algorithm than Ed25519")
    return data[len(_ALGORITHM) :]


def _comment_line(comment: str) -> bytes:
    encoded = comment.encode()
    if not comment.isprintable() or not 0 < len(encoded) <= _COMMENT_LIMIT:
        raise ValueError(f"a comment is one line of 1 to {_COMMENT_LIMIT} bytes")
    return _COMMENT_PREFIX + encoded


def _read_comment(line: bytes) -> str:
    comment = line.removeprefix(_COMMENT_PREFIX)
    if comment == line or not 0 < len(comment) <= _COMMENT_LIMIT:
        raise _damaged("its first line is not an untrusted comment")
    try:
        text = comment.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        raise _damaged("its comment is not plain text")
    return text


def _damaged(why: str) -> Damaged:
    return Damaged(f"the signed file cannot be trusted: {why}", _HINT)
