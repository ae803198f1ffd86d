"""The two halves of an X25519 age key: the identity opens, the recipient is whom one seals to."""

import hmac
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from archiver.formats import bech32
from archiver.formats.age.errors import NotAKey

_IDENTITY_PREFIX = "AGE-SECRET-KEY-"
_RECIPIENT_PREFIX = "age"
_KEY_SIZE = 32
_IDENTITY_HINT = "an identity is the line that begins with AGE-SECRET-KEY-1; copy it whole"
_RECIPIENT_HINT = "a recipient is the line that begins with age1; copy it whole"


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """Derive 32 bytes by HKDF-SHA-256 (RFC 5869), the one key derivation of the age format."""
    return HKDF(algorithm=SHA256(), length=_KEY_SIZE, salt=salt, info=info).derive(secret)


class Recipient:
    """Whom a file is sealed to: a Curve25519 point, written `age1…`."""

    def __init__(self, point: bytes) -> None:
        """Take 32 bytes; raises `NotAKey` for another length and for a point of low order (RFC 7748, 6.1)."""
        if len(point) != _KEY_SIZE:
            raise NotAKey(f"a recipient has {_KEY_SIZE} bytes, not {len(point)}", _RECIPIENT_HINT)
        self.point = point
        self._public = X25519PublicKey.from_public_bytes(point)
        try:
            self.exchange(X25519PrivateKey.generate())
        except ValueError:
            raise NotAKey(
                "the recipient is a point of low order, to which nothing can be sealed",
                "it was not made by age; ask its owner for the right one",
            ) from None

    @classmethod
    def from_text(cls, text: str) -> "Recipient":
        """Read `age1…` (age v1, "The X25519 recipient type"); raises `NotAKey`."""
        return cls(_decode(text, _RECIPIENT_PREFIX, "recipient", _RECIPIENT_HINT))

    @cached_property
    def text(self) -> str:
        """The recipient as age writes it: `age1…`."""
        return bech32.encode(_RECIPIENT_PREFIX, self.point)

    def exchange(self, ephemeral: X25519PrivateKey) -> bytes:
        """Compute the shared secret with an ephemeral key; `ValueError` if it is all zero."""
        return ephemeral.exchange(self._public)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipient) and self.point == other.point

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"Recipient({self.text})"


class Identity:
    """What opens a file: 32 secret bytes, written `AGE-SECRET-KEY-1…`. Its repr shows the recipient alone."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_SIZE:
            raise NotAKey(f"an identity has {_KEY_SIZE} bytes, not {len(secret)}", _IDENTITY_HINT)
        self.secret_bytes = secret
        self._private = X25519PrivateKey.from_private_bytes(secret)

    @classmethod
    def generate(cls) -> "Identity":
        """Make a new identity from the system's randomness."""
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_bytes(cls, secret: bytes) -> "Identity":
        """Take 32 secret bytes; raises `NotAKey` for another length."""
        return cls(secret)

    @classmethod
    def from_text(cls, text: str) -> "Identity":
        """Read `AGE-SECRET-KEY-1…` (age v1, "The X25519 recipient type").

        Raises `NotAKey`, also for the hybrid post-quantum identities `AGE-SECRET-KEY-PQ-1…` and for those of
        plugins, which archiver does not support. No message repeats the text.
        """
        return cls(_decode(text, _IDENTITY_PREFIX, "identity", _IDENTITY_HINT))

    @property
    def text(self) -> str:
        """The secret as age writes it: `AGE-SECRET-KEY-1…`."""
        return bech32.encode(_IDENTITY_PREFIX.lower(), self.secret_bytes).upper()

    @cached_property
    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(self._private.public_key().public_bytes_raw())

    def exchange(self, share: bytes) -> bytes:
        """Compute the shared secret with an ephemeral share; `ValueError` if it is all zero."""
        return self._private.exchange(X25519PublicKey.from_public_bytes(share))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and hmac.compare_digest(self.secret_bytes, other.secret_bytes)

    def __hash__(self) -> int:
        return hash(self.recipient)

    def __repr__(self) -> str:
        return f"Identity(of {self.recipient.text})"


def derive(identity: Identity, info: bytes) -> bytes:
    """Derive 32 bytes from an identity's secret: HKDF-SHA-256, empty salt (archive format, section Keys)."""
    return hkdf(identity.secret_bytes, b"", info)


def _decode(text: str, wanted: str, noun: str, hint: str) -> bytes:
    try:
        prefix, data = bech32.decode(text)
    except ValueError as error:
        raise NotAKey(f"the {noun} is malformed: {error}", hint) from None
    if prefix != wanted:
        # the prefix ends at the last '1': those of age1pq1… and of a plugin's age1name1… are longer
        kind = f' but one of the kind "{prefix}"' if prefix.startswith(wanted) else ""
        raise NotAKey(f"this is no X25519 {noun}{kind}, and archiver knows X25519 alone", hint)
    return data
