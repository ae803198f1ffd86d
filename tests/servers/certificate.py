"""A self-signed certificate for localhost, made anew for each server."""

import datetime
import ipaddress
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def make_certificate(
    certificate: Path,
    key: Path,
    begins: datetime.datetime | None = None,
    ends: datetime.datetime | None = None,
) -> None:
    """Write a certificate that is its own authority, and its key, as PEM; good for a day if nothing else is said."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "localhost"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, secrets.token_hex(8)),  # two may be trusted at once
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or now - datetime.timedelta(hours=1))
        .not_valid_after(ends or now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def make_client_certificate(path: Path) -> bytes:
    """Write the certificate of a program that signs in as itself, and its RSA key; give the certificate, PEM."""
    secret = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "archiver")])
    now = datetime.datetime.now(datetime.UTC)
    ends = now + datetime.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, secret.public_key(), 1, now, ends).sign(
        secret, hashes.SHA256()
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(certificate + secret.private_bytes(serialization.Encoding.PEM, form, none))
    path.chmod(0o600)
    return certificate
