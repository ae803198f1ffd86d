"""Find the servers of an address: presets, then what the domain serves, then DNS, then the common names."""

from collections.abc import Callable
from typing import Protocol as Door

from archiver.accounts.discovery import autoconfig, presets
from archiver.accounts.discovery.offers import Offer, Protocol, domain_of

Fetch = Callable[[str], bytes | None]
"""Gets an https address; None where there is nothing to be had."""


class Names(Door):
    """What is asked of DNS; `srv.Dns` is one."""

    def offers(self, address: str, domain: str) -> list[Offer]:
        """Give the servers that SRV records name."""
        ...

    def mail_exchangers(self, domain: str) -> tuple[str, ...]:
        """Give the hosts of the MX records."""
        ...


def find(address: str, protocol: Protocol, fetch: Fetch, names: Names) -> Offer | None:
    """Find the server of an address; None where nobody knows one."""
    domain = domain_of(address)
    if not domain:
        return None
    provider = presets.by_domain(domain)
    if provider is not None:
        return provider.offer(protocol, address, f"what is known of {provider.name}")
    for found in (_served(address, domain, fetch), names.offers(address, domain)):
        offer = next((one for one in found if one.protocol == protocol), None)
        if offer is not None:
            return offer
    provider = presets.by_mail_exchanger(names.mail_exchangers(domain))
    if provider is not None:
        return provider.offer(protocol, address, f"the mail of {domain} goes to {provider.name}")
    return None


def _served(address: str, domain: str, fetch: Fetch) -> list[Offer]:
    for url in autoconfig.urls(address, domain):
        text = fetch(url)
        if text is not None:
            try:
                return autoconfig.read(text, address, url.partition("?")[0])
            except autoconfig.NotAutoconfig:
                continue  # many domains answer any address with a page
    return []


def fetch(url: str) -> bytes | None:
    """Get an https address, within 5 s and at most `autoconfig.LIMIT` bytes; no redirect leads out of https."""
    from urllib.error import URLError  # noqa: PLC0415 -- only discovery needs it
    from urllib.request import HTTPRedirectHandler, Request, build_opener  # noqa: PLC0415

    class Guard(HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
            if not newurl.startswith("https://"):
                return None
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    request = Request(url, headers={"User-Agent": "archiver"})  # noqa: S310 -- https alone, see autoconfig.urls
    try:
        with build_opener(Guard()).open(request, timeout=5) as answer:
            found: bytes = answer.read(autoconfig.LIMIT + 1)
            return found
    except (URLError, OSError, ValueError):
        return None
