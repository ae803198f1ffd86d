"""What is found for an address: where a server is, what the login is, and what its user should know."""

from typing import Literal, TypeAlias

from msgspec import Struct

Protocol: TypeAlias = Literal["imap", "pop3"]
Line: TypeAlias = Literal["tls", "starttls"]


class Offer(Struct, frozen=True):
    """One server for an address. `source` tells who says so, `notes` what its user should know.

    `trusted` is false where the answer came by a way that an attacker on the network could forge: then somebody
    has to look at the host's name before a password goes there (RFC 6186 section 6).
    """

    protocol: Protocol
    host: str
    port: int
    line: Line
    user: str
    source: str
    trusted: bool = True
    notes: tuple[str, ...] = ()
    oauth: str | None = None
    daily_download_limit: str | None = None
    exclude: tuple[str, ...] = ()


def domain_of(address: str) -> str:
    """Give the domain of an address, lower case and in ASCII; empty for what is no address.

    An international domain is written as DNS has it (RFC 3490).
    """
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or any(letter.isspace() for letter in domain):
        return ""
    try:
        return domain.rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        return ""
