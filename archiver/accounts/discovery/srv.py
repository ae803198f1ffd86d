"""Reading what DNS says of a domain's mail servers: SRV records (RFC 6186, RFC 2782), and MX for who hosts it.

This is the only importer of dnspython.
"""

from typing import TYPE_CHECKING

from archiver.accounts.discovery.offers import Line, Offer, Protocol

if TYPE_CHECKING:
    from dns.resolver import Resolver

LIFETIME_S = 3.0
_SERVICES: tuple[tuple[str, Protocol, Line], ...] = (
    ("_imaps._tcp", "imap", "tls"),
    ("_imap._tcp", "imap", "starttls"),
    ("_pop3s._tcp", "pop3", "tls"),
    ("_pop3._tcp", "pop3", "starttls"),
)


class Dns:
    """Asks the name servers of this machine, or those of `resolver`. What cannot be had is nothing."""

    def __init__(self, resolver: "Resolver | None" = None) -> None:
        self._resolver = resolver
        self._silent = False  # no name server answers: it is not asked again and again

    def offers(self, address: str, domain: str) -> list[Offer]:
        """Give the servers of a domain, best first. DNS can be forged: only a host of the domain itself is trusted."""
        found = []
        for service, protocol, line in _SERVICES:
            records = [
                record for record in self._ask(f"{service}.{domain}", "SRV") if str(record.target) != "."
            ]
            for record in sorted(records, key=lambda record: (record.priority, -record.weight)):
                host = str(record.target).rstrip(".").lower()
                own = host == domain or host.endswith(f".{domain}")
                source = f"the SRV records of {domain}"
                found.append(Offer(protocol, host, record.port, line, address, source, trusted=own))
        return found

    def mail_exchangers(self, domain: str) -> tuple[str, ...]:
        """Give the hosts that take a domain's mail, best first."""
        records = sorted(self._ask(domain, "MX"), key=lambda record: record.preference)
        return tuple(str(record.exchange).rstrip(".").lower() for record in records)

    def _ask(self, name: str, kind: str):  # type: ignore[no-untyped-def]  # records differ by their kind
        import dns.exception  # noqa: PLC0415 -- only discovery needs it
        import dns.resolver  # noqa: PLC0415

        if self._silent:
            return []
        try:
            if self._resolver is None:
                self._resolver = dns.resolver.Resolver()
            return list(self._resolver.resolve(name, kind, lifetime=LIFETIME_S, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError):
            self._silent = True
            return []
