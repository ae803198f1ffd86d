"""A program that signs in as itself, by a certificate: no person, no refresh token (RFC 6749 section 4.4, RFC 7523).

What it signs is what Microsoft asks for
(https://learn.microsoft.com/entra/identity-platform/certificate-credentials).
"""

import base64
import hashlib
import json
import secrets
from datetime import datetime, timedelta

from archiver.accounts.oauth.grants import ask, read_access
from archiver.accounts.oauth.provider import Provider
from archiver.accounts.oauth.refusals import refused
from archiver.errors import ConfigInvalid
from archiver.model import AccessToken

_LIFE = timedelta(minutes=5)
_SKEW = timedelta(minutes=5)
_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def as_program(provider: Provider, certificate: bytes, now: datetime) -> tuple[AccessToken, datetime]:
    """Get an access token, and until when it is good. `certificate` is PEM, with its RSA key unencrypted.

    Raises `ConfigInvalid` for what is no such certificate, and as `grants.redeemed`.
    """
    form = {
        "grant_type": "client_credentials",
        "scope": provider.scope,
        "client_assertion_type": _BEARER,
        "client_assertion": _assertion(provider, certificate, now),
    }
    status, told = ask(provider, provider.token_url, form)
    if status != 200 or "error" in told:
        raise refused(told.get("error"), told.get("error_description"), provider.name)
    return read_access(told, now)


def _assertion(provider: Provider, pem: bytes, now: datetime) -> str:
    from cryptography import x509  # noqa: PLC0415 -- slow to load, and few accounts need it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        raise _unusable("it holds no certificate (PEM) with its private key, unencrypted") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _unusable("its key is not of the kind RSA, which alone is taken")
    if certificate.public_key() != key.public_key():
        raise _unusable("its key is another one's")
    thumb = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
    head = {"alg": "PS256", "typ": "JWT", "x5t#S256": _text(thumb)}
    claims = {
        "aud": provider.token_url,
        "iss": provider.client_id,
        "sub": provider.client_id,
        "jti": secrets.token_hex(16),
        "nbf": int((now - _SKEW).timestamp()),  # a clock that is a little wrong is an everyday thing
        "exp": int((now + _LIFE).timestamp()),
    }
    signed = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
    digest = hashes.SHA256()
    padded = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
    return f"{signed}.{_text(key.sign(signed.encode('ascii'), padded, digest))}"


def _unusable(why: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"the certificate to sign in with is of no use: {why}",
        "client-certificate-file holds both, one after the other: -----BEGIN CERTIFICATE----- and PRIVATE KEY",
    )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
