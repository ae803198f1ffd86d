"""SASL: how a client proves who it is, apart from the protocol that carries it. Pure; for IMAP and POP3.

A mechanism is asked for its first message, then for an answer to each challenge, and in the end, when the server
says that it is content, whether the server has proven itself too. Messages are bytes before base64.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Collection
from typing import ClassVar, Protocol

from archiver.accounts.saslprep import saslprep
from archiver.errors import LoginRefused, Untrusted
from archiver.model import AccessToken, Secret

ROUNDS = 8
"""Challenges after which a server is not serious: no mechanism here has more than two."""

ITERATIONS = range(4096, 2_000_001)
"""The iteration counts of SCRAM that are taken: fewer than RFC 7677 section 4 demands make a stolen exchange
cheap to crack, and more than the upper bound would keep this machine busy for seconds at the word of a server."""


class Mechanism(Protocol):
    """One attempt to log in."""

    @property
    def name(self) -> str:
        """The name that servers offer it by."""

    @property
    def judged(self) -> bool:
        """Whether the server has been given what proves the secret."""

    def first(self) -> bytes:
        """Give the first message; all mechanisms here begin with the client."""

    def answer(self, challenge: bytes) -> bytes:
        """Answer a challenge. Raises `LoginRefused` or `Untrusted` where the exchange makes no sense."""

    def check(self) -> None:
        """Raise `Untrusted` if the server says that it is content and has not proven itself where it must."""

    @property
    def told(self) -> str:
        """What the server told about a failure within the exchange; empty if nothing."""


class _Simple:
    """A mechanism of one message, whose failure may come as a challenge first."""

    name: ClassVar[str]
    last: ClassVar[bytes] = b""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._told = ""
        self.judged = False

    def first(self) -> bytes:
        self.judged = True
        return self._message

    def answer(self, challenge: bytes) -> bytes:
        self._told = _failure(challenge)
        return self.last

    def check(self) -> None:
        pass

    @property
    def told(self) -> str:
        return self._told


class Plain(_Simple):
    """PLAIN (RFC 4616): the password itself, in the clear but for TLS."""

    name = "PLAIN"

    def __init__(self, user: str, password: Secret) -> None:
        super().__init__(f"\0{user}\0{password.reveal()}".encode())


class XOAuth2(_Simple):
    """XOAUTH2, of Google and Microsoft (https://developers.google.com/workspace/gmail/imap/xoauth2-protocol).

    A refusal comes as a challenge in JSON; the true NO comes after an empty answer.
    """

    name = "XOAUTH2"

    def __init__(self, user: str, token: Secret) -> None:
        super().__init__(f"user={user}\1auth=Bearer {token.reveal()}\1\1".encode())


class OAuthBearer(_Simple):
    """OAUTHBEARER (RFC 7628); a failure is acknowledged by one %x01 (section 3.2.3)."""

    name = "OAUTHBEARER"
    last = b"\1"

    def __init__(self, user: str, token: Secret, host: str, port: int) -> None:
        name = user.replace("=", "=3D").replace(",", "=2C")  # gs2 header, RFC 5801 section 4
        text = f"n,a={name},\1host={host}\1port={port}\1auth=Bearer {token.reveal()}\1\1"
        super().__init__(text.encode())


class Scram:
    """SCRAM (RFC 5802, RFC 7677), without channel binding: Python's TLS offers none that TLS 1.3 has.

    The password does not leave this machine, and the server proves that it knew it.
    """

    _hash: ClassVar[str]
    name: ClassVar[str]

    def __init__(
        self, user: str, password: Secret, nonce: Callable[[], str] = lambda: secrets.token_urlsafe(24)
    ) -> None:
        self._password = password
        self._nonce = nonce()
        name = saslprep(user).replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={self._nonce}"
        self._signature: bytes | None = None
        self._proven = False
        self._told = ""
        self.judged = False

    def first(self) -> bytes:
        """Give client-first-message (RFC 5802 section 7); `n` says that there is no channel binding."""
        return f"n,,{self._bare}".encode()

    def answer(self, challenge: bytes) -> bytes:
        """Answer server-first-message with the proof, and check server-final-message."""
        try:
            told = dict(part.split("=", 1) for part in challenge.decode().split(",") if part)
        except ValueError:
            raise _senseless(self.name) from None
        if self._signature is None:
            return self._final(challenge.decode(), told)
        if "e" in told:
            self._told = told["e"][:100]
            return b""
        if not hmac.compare_digest(_bytes(told.get("v", "")), self._signature):
            raise Untrusted(
                "the server does not prove that it knows the password",
                "somebody may be in the place of the server: check host, port and certificate",
            )
        self._proven = True
        return b""

    def check(self) -> None:
        """Raise `Untrusted` if the server's signature never came."""
        if not self._proven:
            raise Untrusted(
                "the server let us in without proof that it knows the password",
                "somebody may be in the place of the server: check host, port and certificate",
            )

    @property
    def told(self) -> str:
        """The server-error of the exchange (RFC 5802 section 7)."""
        return self._told

    def _final(self, challenge: str, told: dict[str, str]) -> bytes:
        nonce, salt, count = told.get("r", ""), _bytes(told.get("s", "")), told.get("i", "")
        if "m" in told or not salt or not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise _senseless(self.name)
        if not (count.isascii() and count.isdigit() and len(count) < 9 and int(count) in ITERATIONS):
            raise LoginRefused(
                f"the server asks for {count[:20]} rounds of {self.name}, and archiver does "
                f"{ITERATIONS.start} to {ITERATIONS.stop - 1}",
                "tell the server's administrator; RFC 7677 asks for at least 4096",
            )
        final = f"c={base64.b64encode(b'n,,').decode()},r={nonce}"
        message = f"{self._bare},{challenge},{final}".encode()
        password = saslprep(self._password.reveal()).encode()
        salted = hashlib.pbkdf2_hmac(self._hash, password, salt, int(count))
        client_key = hmac.digest(salted, b"Client Key", self._hash)
        stored = hashlib.new(self._hash, client_key).digest()
        signature = hmac.digest(stored, message, self._hash)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", self._hash), message, self._hash)
        self.judged = True
        return f"{final},p={base64.b64encode(proof).decode()}".encode()


class ScramSha256(Scram):
    """SCRAM-SHA-256 (RFC 7677)."""

    name = "SCRAM-SHA-256"
    _hash = "sha256"


class ScramSha1(Scram):
    """SCRAM-SHA-1 (RFC 5802): its HMAC is sound where SHA-1 by itself is not."""

    name = "SCRAM-SHA-1"
    _hash = "sha1"


def mechanisms(offered: Collection[str], user: str, secret: Secret, host: str, port: int) -> list[Mechanism]:
    """Make the mechanisms that fit secret and server, best first; none if nothing fits.

    A token goes by the mechanisms of tokens alone. For a password: the best SCRAM, and PLAIN, which may follow only
    where `may_follow` says so.
    """
    if isinstance(secret, AccessToken):
        if "XOAUTH2" in offered:
            return [XOAuth2(user, secret)]
        return [OAuthBearer(user, secret, host, port)] if "OAUTHBEARER" in offered else []
    found: list[Mechanism] = []
    for kind in (ScramSha256, ScramSha1):
        if kind.name in offered and not found:
            found.append(kind(user, secret))
    if "PLAIN" in offered:
        found.append(Plain(user, secret))
    return found


def may_follow(failed: Mechanism, *, understood: bool, guarded: bool) -> bool:
    """Tell whether the password may be tried in another way after `failed`.

    Only if the server did not judge it: it offers SCRAM and cannot do it for this user, or does not understand
    PLAIN (BAD). A password that was judged is never tried again, since that is how accounts get locked. And after
    SCRAM only on a line that TLS guards: in the clear, whoever sits between could have the password sent by breaking
    SCRAM.
    """
    if isinstance(failed, Plain):
        return not understood
    return guarded and isinstance(failed, Scram) and not failed.judged


def decode(text: str) -> bytes:
    """Read a challenge from its base64. Raises `LoginRefused`."""
    try:
        return base64.b64decode(text.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _senseless("SASL") from None


def encode(message: bytes) -> bytes:
    """Write an answer in base64."""
    return base64.b64encode(message)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""


def _failure(challenge: bytes) -> str:
    """Read the JSON of a refused token (RFC 7628 section 3.2.2): its status, and nothing that could be secret."""
    try:
        told = json.loads(challenge)
    except ValueError:
        return ""
    status = told.get("status") if isinstance(told, dict) else None
    return str(status)[:60] if isinstance(status, str | int) else ""


def _senseless(name: str) -> LoginRefused:
    return LoginRefused(
        f"the server's side of {name} makes no sense",
        "try again; if it stays so, tell the server's administrator",
    )
