"""Reading what a domain says of its mail servers, in the form that Thunderbird made common.

The form: https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/config-file-format.html. The text comes from
a stranger: it is read without entities, and no more than 64 KiB of it (`LIMIT`).
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from archiver.accounts.discovery.offers import Line, Offer, Protocol
from archiver.errors import ArchiverError

LIMIT = 64 << 10
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")
_LINES: dict[str, Line] = {"SSL": "tls", "STARTTLS": "starttls"}
_PROTOCOLS: dict[str, Protocol] = {"imap": "imap", "pop3": "pop3"}


class NotAutoconfig(ArchiverError):
    """What was found at that address is no such text."""

    remedy = "name the server: --imap HOST"


def urls(address: str, domain: str) -> list[str]:
    """List where a domain may keep it, first the one made for the address. TLS alone: it names where passwords go."""
    from urllib.parse import quote  # noqa: PLC0415 -- only discovery needs it

    return [
        f"https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={quote(address)}",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    ]


def read(text: bytes, address: str, source: str) -> list[Offer]:
    """Read the incoming servers, in their order; those without TLS are left out. Raises `NotAutoconfig`."""
    try:
        content = text.decode("utf-8-sig")  # one coding, so that nothing hides from the next line
        if len(text) > LIMIT or "<!DOCTYPE" in content or "<!ENTITY" in content:
            raise NotAutoconfig(f"{source} is no description of mail servers")
        root = ElementTree.fromstring(content)  # noqa: S314 -- without a DOCTYPE there is nothing to expand
    except (ElementTree.ParseError, ValueError) as error:
        raise NotAutoconfig(f"{source} is no description of mail servers: {error}") from error
    if root.tag != "clientConfig":
        raise NotAutoconfig(f"{source} is no description of mail servers")
    return list(_offers(root, address, source))


def _offers(root: ElementTree.Element, address: str, source: str) -> Iterator[Offer]:
    for server in root.iterfind("./emailProvider/incomingServer"):
        protocol = _PROTOCOLS.get(server.get("type", ""))
        line = _LINES.get((server.findtext("socketType") or "").strip())
        host = _filled(server.findtext("hostname") or "", address)
        port = (server.findtext("port") or "").strip()
        if protocol is None or line is None or not _HOST.match(host) or not port.isdecimal():
            continue
        if not 0 < int(port) < 65536:
            continue
        user = _filled(server.findtext("username") or "%EMAILADDRESS%", address)
        yield Offer(protocol, host.lower(), int(port), line, user, source)


def _filled(text: str, address: str) -> str:
    local, _, domain = address.rpartition("@")
    for name, value in (("%EMAILADDRESS%", address), ("%EMAILLOCALPART%", local), ("%EMAILDOMAIN%", domain)):
        text = text.replace(name, value)
    return text.strip()
