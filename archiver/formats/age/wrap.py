"""How a file key is wrapped: to X25519 recipients, or under a passphrase (age v1, "Native recipients")."""

import os
import re
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from archiver.formats.age.errors import NoMatch
from archiver.formats.age.header import Header, Stanza, bad_header, check_mac, decode_base64, encode_base64
from archiver.formats.age.keys import Identity, Recipient, hkdf
from archiver.model import Secret

FILE_KEY_SIZE = 16
_WRAPPED_SIZE = FILE_KEY_SIZE + 16
_X25519 = "X25519"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_SHARE_SIZE = 32
_SCRYPT = "scrypt"
_SCRYPT_SALT = b"age-encryption.org/v1/scrypt"
_SALT_SIZE = 16
_LOG_N = re.compile(r"[1-9][0-9]{0,2}")
_NO_NONCE = bytes(12)  # each wrap key seals one thing alone


def wrap_to(file_key: bytes, recipient: Recipient) -> Stanza:
    """Wrap the file key to one recipient, with a fresh ephemeral secret."""
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    wrap_key = hkdf(recipient.exchange(ephemeral), share + recipient.point, _X25519_INFO)
    body = ChaCha20Poly1305(wrap_key).encrypt(_NO_NONCE, file_key, None)
    return Stanza(_X25519, (encode_base64(share),), body)


def wrap_under(file_key: bytes, passphrase: Secret, log_n: int) -> Stanza:
    """Wrap the file key under a passphrase, with a fresh salt; scrypt takes 2**log_n KiB of memory."""
    salt = os.urandom(_SALT_SIZE)
    body = ChaCha20Poly1305(_stretch(passphrase, salt, log_n)).encrypt(_NO_NONCE, file_key, None)
    return Stanza(_SCRYPT, (encode_base64(salt), str(log_n)), body)


def unwrap_with(header: Header, identities: Iterable[Identity]) -> bytes:
    """Find the file key with one of the identities, and check the header's MAC with it.

    Stanzas of other kinds are passed over. Raises `BadHeader` if any X25519 stanza is malformed, `NoMatch`,
    `BadMac`.
    """
    _check_scrypt_alone(header)
    shares = [(_x25519_share(stanza), stanza.body) for stanza in header.stanzas if stanza.kind == _X25519]
    if not shares:
        locked = header.stanzas[0].kind == _SCRYPT
        raise NoMatch(
            "this is locked with a passphrase" if locked else "this is sealed to no X25519 recipient",
            "give the passphrase, not an identity" if locked else "open it with the program that sealed it",
        )
    for identity in identities:
        for share, body in shares:
            file_key = _unwrap_x25519(identity, share, body)
            if file_key is not None:
                check_mac(header, file_key)
                return file_key
    raise NoMatch("no identity given opens this", "give the identity of one of its recipients")


def unwrap_under(header: Header, passphrase: Secret, max_log_n: int) -> bytes:
    """Find the file key with the passphrase, and check the header's MAC with it.

    A work factor over `max_log_n` is refused before any work. Raises `BadHeader`, `NoMatch`, `BadMac`.
    """
    _check_scrypt_alone(header)
    stanza = header.stanzas[0]
    if stanza.kind != _SCRYPT:
        raise NoMatch("this is not locked with a passphrase", "give the identity of one of its recipients")
    if len(stanza.arguments) != 2:
        raise bad_header("its scrypt stanza has not two arguments")
    salt = decode_base64(stanza.arguments[0].encode("ascii"))
    if len(salt) != _SALT_SIZE or len(stanza.body) != _WRAPPED_SIZE:
        raise bad_header("its scrypt stanza has a salt or a body of a wrong length")
    if not _LOG_N.fullmatch(stanza.arguments[1]):
        raise bad_header("the work factor of its scrypt stanza is no plain number")
    log_n = int(stanza.arguments[1])
    if log_n > max_log_n:
        raise bad_header(f"its work factor {log_n} is over the limit of {max_log_n}")
    file_key = _open(_stretch(passphrase, salt, log_n), stanza.body)
    if file_key is None:
        raise NoMatch("the passphrase does not open this", "try the passphrase again")
    check_mac(header, file_key)
    return file_key


def _check_scrypt_alone(header: Header) -> None:
    """Refuse a passphrase beside anything else: whoever knows it must have written the file."""
    if len(header.stanzas) > 1 and any(stanza.kind == _SCRYPT for stanza in header.stanzas):
        raise bad_header("a scrypt stanza is not alone")


def _x25519_share(stanza: Stanza) -> bytes:
    if len(stanza.arguments) != 1:
        raise bad_header("an X25519 stanza has not one argument")
    share = decode_base64(stanza.arguments[0].encode("ascii"))
    # a body of another length could be made to open under many keys (partitioning oracle)
    if len(share) != _SHARE_SIZE or len(stanza.body) != _WRAPPED_SIZE:
        raise bad_header("an X25519 stanza has a share or a body of a wrong length")
    return share


def _unwrap_x25519(identity: Identity, share: bytes, body: bytes) -> bytes | None:
    try:
        shared = identity.exchange(share)
    except ValueError:
        raise bad_header("the share of an X25519 stanza is a point of low order") from None
    return _open(hkdf(shared, share + identity.recipient.point, _X25519_INFO), body)


def _stretch(passphrase: Secret, salt: bytes, log_n: int) -> bytes:
    scrypt = Scrypt(salt=_SCRYPT_SALT + salt, length=32, n=1 << log_n, r=8, p=1)
    return scrypt.derive(passphrase.reveal().encode())


def _open(wrap_key: bytes, body: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(wrap_key).decrypt(_NO_NONCE, body, None)
    except InvalidTag:
        return None
