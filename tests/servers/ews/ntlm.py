"""The log-in by NTLM: a challenge, an answer to it, and from then on the connection is the user's (MS-NTHT)."""

import base64
import binascii
import os
import ssl
import threading
from pathlib import Path
from unittest import mock

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

_ENVIRONMENT = threading.Lock()


class Accounts:
    """Users and passwords in the file that spnego reads; with a certificate, a log-in belongs to its TLS."""

    def __init__(self, file: Path, ca_file: Path | None) -> None:
        self._file = file
        self.bindings = bindings_of(ca_file) if ca_file is not None else None
        self.challenges = 0
        """How many log-ins were begun."""
        self.silent = False
        """Whether it is too busy for a challenge."""
        self.broken: str | None = None
        """What to answer instead of a challenge; nothing where it is empty."""

    def write(self, passwords: dict[str, str]) -> None:
        """Set who may come in: `user@domain` or `DOMAIN\\user` -> password."""
        split = [(*name.rpartition("\\")[::2], password) for name, password in passwords.items()]
        self._file.write_text("".join(f"{domain}:{user}:{password}\n" for domain, user, password in split))

    def known(self) -> "mock._patch_dict":
        """Show the file to spnego, which looks for it in the environment."""
        return mock.patch.dict(os.environ, NTLM_USER_FILE=str(self._file))


class Login:
    """What a connection's client has told so far."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._context: spnego.ContextProxy | None = None
        self.user: str | None = None

    def step(self, header: str) -> str | None:
        """Take in a token; gives the challenge to answer with, or None when `user` is known, or refused."""
        self.user = None
        kind, _, value = header.partition(" ")
        if kind != "NTLM":
            return None
        if self._accounts.broken is not None:
            return self._accounts.broken
        try:
            token = base64.b64decode(value)
        except binascii.Error:
            return None
        with _ENVIRONMENT, self._accounts.known():
            try:
                if self._context is None:
                    self._accounts.challenges += 1
                    self._context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
                    challenge = self._context.step(token)
                    return base64.b64encode(challenge or b"").decode()
                context, self._context = self._context, None
                context.step(token, channel_bindings=self._accounts.bindings)
            except SpnegoError:
                return None
        self.user = (context.client_principal or "").casefold().removeprefix("\\")
        return None


def bindings_of(ca_file: Path) -> GssChannelBindings:
    """Name a certificate as RFC 5929 does (tls-server-end-point)."""
    certificate = x509.load_pem_x509_certificate(ca_file.read_bytes())
    digest = hashes.Hash(certificate.signature_hash_algorithm or hashes.SHA256())
    digest.update(ssl.PEM_cert_to_DER_cert(certificate.public_bytes(Encoding.PEM).decode()))
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())
