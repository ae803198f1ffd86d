"""What DNS says of a domain, asked on the wire of a name server of the test's own."""

import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.resolver
import dns.rrset
import pytest

from archiver.accounts.discovery.find import find
from archiver.accounts.discovery.srv import Dns

RECORDS = {
    ("_imaps._tcp.example.org.", "SRV"): ["10 1 993 far.example.net.", "0 5 1993 imap.example.org."],
    ("_pop3s._tcp.example.org.", "SRV"): ["0 1 0 ."],
    ("_imap._tcp.other.example.", "SRV"): ["0 1 143 mail.hoster.example."],
    ("hosted.example.", "MX"): ["20 mx2.example.net.", "10 hosted-example.mail.protection.outlook.com."],
}


@pytest.fixture
def names() -> Iterator[Dns]:
    """A name server on loopback, and archiver's view of it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, peer = listener.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            question = query.question[0]
            answer = dns.message.make_response(query)
            key = (question.name.to_text(), dns.rdatatype.to_text(question.rdtype))
            if key in RECORDS:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", key[1], *RECORDS[key]))
            else:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            listener.sendto(answer.to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], listener.getsockname()[1]
    yield Dns(resolver)
    listener.sendto(b"", listener.getsockname())
    thread.join(5)
    listener.close()


def test_srv_records_come_by_priority_and_a_foreign_host_is_not_trusted(names: Dns) -> None:
    near, far = names.offers("ann@example.org", "example.org")
    assert (near.host, near.port, near.line, near.trusted) == ("imap.example.org", 1993, "tls", True)
    assert (far.host, far.port, far.trusted) == ("far.example.net", 993, False)


def test_a_service_that_is_said_not_to_be_is_not(names: Dns) -> None:
    assert find("ann@example.org", "pop3", lambda url: None, names) is None


def test_starttls_is_what_the_other_service_means(names: Dns) -> None:
    [one] = names.offers("ann@other.example", "other.example")
    assert (one.line, one.port, one.trusted) == ("starttls", 143, False)


def test_a_domain_that_a_provider_hosts_is_known_by_its_mail_exchanger(names: Dns) -> None:
    found = find("ann@hosted.example", "imap", lambda url: None, names)
    assert found is not None
    assert (found.host, found.oauth) == ("outlook.office365.com", "microsoft")
    assert "Microsoft 365" in found.source


def test_a_domain_that_is_not_there_has_nothing(names: Dns) -> None:
    assert find("ann@nowhere.example", "imap", lambda url: None, names) is None
