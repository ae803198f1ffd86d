"""The age v1 file format on the primitives of `cryptography` (https://age-encryption.org/v1, C2SP age.md).

X25519 and scrypt alone: stanzas of other kinds are passed over, keys of other kinds refused. On purpose it
differs from the age program in two ways: it reads ranges without the rest, and it holds headers to 64 KiB and
20 stanzas.
"""

from archiver.formats.age.armor import decode_armor, encode_armor
from archiver.formats.age.errors import BadArmor, BadHeader, BadMac, BadPayload, NoMatch, NotAKey
from archiver.formats.age.keys import Identity, Recipient, derive
from archiver.formats.age.reader import RandomReader
from archiver.formats.age.stream import (
    Encryptor,
    decrypt,
    decrypt_stream,
    decrypt_with_passphrase,
    encrypt,
    encrypt_with_passphrase,
)

__all__ = [
    "BadArmor",
    "BadHeader",
    "BadMac",
    "BadPayload",
    "Encryptor",
    "Identity",
    "NoMatch",
    "NotAKey",
    "RandomReader",
    "Recipient",
    "decode_armor",
    "decrypt",
    "decrypt_stream",
    "decrypt_with_passphrase",
    "derive",
    "encode_armor",
    "encrypt",
    "encrypt_with_passphrase",
]
