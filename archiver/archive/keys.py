"""Keys of people and machines: one age identity each, and what is derived from it.

The owner's identity opens everything and signs roots. A writer's identity opens the indexes that this
writer wrote, signs its manifests, and opens no mail.
"""

from functools import cached_property
from typing import Literal

from archiver.errors import WrongKey
from archiver.formats import age, signify
from archiver.model import Secret

OWNER_KEY = "keys/owner.age"
OWNER_LOG_N = 18  # scrypt work factor of the owner's passphrase: about a second, 256 MiB


class KeyPair:
    """An age identity and the signing key that is derived from it."""

    def __init__(self, identity: age.Identity, role: Literal["owner", "writer"]) -> None:
        self.identity = identity
        self._role = role

    @cached_property
    def signing(self) -> signify.SigningKey:
        """The Ed25519 key: HKDF-SHA256 of the identity, info `archiver v1 owner|writer signing`."""
        return signify.SigningKey.from_seed(
            age.derive(self.identity, f"archiver v1 {self._role} signing".encode())
        )

    @property
    def recipient(self) -> str:
        """The age recipient, as text."""
        return self.identity.recipient.text

    @property
    def public_key(self) -> str:
        """The signify public key, as text."""
        return self.signing.public.text

    @property
    def line(self) -> Secret:
        """The identity as one line to be written down."""
        return Secret(self.identity.text)


def wrap_owner(owner: KeyPair, passphrase: Secret, log_n: int = OWNER_LOG_N) -> bytes:
    """Encrypt the owner's identity under a passphrase: the content of `keys/owner.age`."""
    return age.encrypt_with_passphrase(owner.line.reveal().encode() + b"\n", passphrase, log_n=log_n)


def unwrap_owner(wrapped: bytes, passphrase: Secret) -> KeyPair:
    """Open `keys/owner.age` by its passphrase. Raises `WrongKey`.

    The recovery line itself is taken in place of the passphrase: whoever has it needs no other.
    """
    given = passphrase.reveal().strip()
    if given.upper().startswith("AGE-SECRET-KEY-1"):
        return KeyPair(age.Identity.from_text(given.upper()), "owner")
    try:
        text = age.decrypt_with_passphrase(wrapped, passphrase)
    except WrongKey as error:
        raise WrongKey(
            "the passphrase does not open the owner key",
            "type it again; the recovery line that `archiver init` showed is taken in its place",
        ) from error
    return KeyPair(age.Identity.from_text(text.decode("ascii").strip()), "owner")
