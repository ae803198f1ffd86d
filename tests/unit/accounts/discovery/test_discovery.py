"""Servers found for an address: from what is known, from the domain, from DNS; and nothing forged is believed."""

import pytest

from archiver.accounts.discovery import autoconfig, presets
from archiver.accounts.discovery.autoconfig import NotAutoconfig
from archiver.accounts.discovery.find import find
from archiver.accounts.discovery.offers import Offer, domain_of

ADDRESS = "ann.other@example.org"
TEXT = b"""<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="example.org">
    <domain>example.org</domain>
    <incomingServer type="pop3">
      <hostname>pop.example.org</hostname><port>995</port><socketType>SSL</socketType>
      <username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication>
    </incomingServer>
    <incomingServer type="imap">
      <hostname>plain.example.org</hostname><port>143</port><socketType>plain</socketType>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <incomingServer type="imap">
      <hostname>IMAP.%EMAILDOMAIN%</hostname><port> 993 </port><socketType>SSL</socketType>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname>smtp.example.org</hostname><port>465</port><socketType>SSL</socketType>
    </outgoingServer>
  </emailProvider>
</clientConfig>
"""


class FakeNames:
    """What DNS would say."""

    def __init__(self, offers: list[Offer] | None = None, exchangers: tuple[str, ...] = ()) -> None:
        self._offers = offers or []
        self._exchangers = exchangers

    def offers(self, address: str, domain: str) -> list[Offer]:
        return self._offers

    def mail_exchangers(self, domain: str) -> tuple[str, ...]:
        return self._exchangers


def nothing(url: str) -> None:
    return None


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@Example.ORG", "example.org"),
        ("ann@example.org.", "example.org"),
        ('"a@b"@example.org', "example.org"),
        ("ann@bücher.example", "xn--bcher-kva.example"),
        ("ann", ""),
        ("@example.org", ""),
        ("ann@", ""),
        ("ann@exam ple.org", ""),
        ("ann@" + "a" * 70 + ".org", ""),
    ],
)
def test_the_domain_of_an_address(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_a_domain_says_what_its_servers_are() -> None:
    pop3, imap = autoconfig.read(TEXT, ADDRESS, "it")
    assert (pop3.protocol, pop3.host, pop3.port, pop3.user) == ("pop3", "pop.example.org", 995, "ann.other")
    assert (imap.protocol, imap.host, imap.port, imap.line) == ("imap", "imap.example.org", 993, "tls")
    assert imap.user == ADDRESS
    assert imap.trusted


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: b"<html><body>404</body></html>x",
        lambda text: b"",
        lambda text: b"\xff\xfe",
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.replace(b"<clientConfig", b'<!DOCTYPE x [<!ENTITY a "b">]><clientConfig', 1),
        lambda text: text + b" " * autoconfig.LIMIT,
    ],
)
def test_what_is_no_description_is_refused(harm) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotAutoconfig):
        autoconfig.read(harm(TEXT), ADDRESS, "it")


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (b"IMAP.%EMAILDOMAIN%", b"imap.example.org/evil"),
        (b"IMAP.%EMAILDOMAIN%", b"-x.example.org"),
        (b"IMAP.%EMAILDOMAIN%", b""),
        (b" 993 ", b"70000"),
        (b" 993 ", b"0"),
        (b" 993 ", b"many"),
    ],
)
def test_a_server_that_cannot_be_one_is_left_out(what: bytes, by: bytes) -> None:
    assert [one.protocol for one in autoconfig.read(TEXT.replace(what, by), ADDRESS, "it")] == ["pop3"]


def test_only_https_is_asked_and_the_address_is_quoted() -> None:
    first, second = autoconfig.urls("a+b@example.org", "example.org")
    assert first == "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a%2Bb%40example.org"
    assert second == "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml"


def test_the_order_is_provider_domain_dns_host() -> None:
    srv = Offer("imap", "dns.example.org", 993, "tls", ADDRESS, "DNS")
    asked: list[str] = []

    def serving(url: str) -> bytes | None:
        asked.append(url)
        return TEXT if "well-known" in url else b"<html>no</html>"

    known = find("ann@gmail.com", "imap", serving, FakeNames([srv]))
    assert known is not None
    assert (known.host, asked) == ("imap.gmail.com", [])
    served = find(ADDRESS, "imap", serving, FakeNames([srv]))
    assert served is not None
    assert (served.host, len(asked)) == ("imap.example.org", 2)
    from_dns = find(ADDRESS, "imap", nothing, FakeNames([srv], ("mx.google.com",)))
    assert from_dns == srv
    hosted = find(ADDRESS, "imap", nothing, FakeNames([], ("aspmx.l.google.com",)))
    assert hosted is not None
    assert (hosted.host, hosted.user, hosted.oauth) == ("imap.gmail.com", ADDRESS, "google")
    assert find(ADDRESS, "imap", nothing, FakeNames()) is None
    assert find("ann", "imap", serving, FakeNames([srv])) is None


def test_a_protocol_that_is_not_offered_is_not_found() -> None:
    srv = Offer("imap", "dns.example.org", 993, "tls", ADDRESS, "DNS")
    assert find(ADDRESS, "pop3", nothing, FakeNames([srv])) is None
    assert find("ann@icloud.com", "pop3", nothing, FakeNames()) is None


@pytest.mark.parametrize("provider", presets.PROVIDERS, ids=lambda one: f"{one.name}-{one.imap}")
def test_a_provider_is_found_by_each_of_its_domains_and_exchangers(provider: presets.Provider) -> None:
    for domain in provider.domains:
        assert presets.by_domain(domain) is provider
    for end in provider.mail_exchangers:
        assert presets.by_mail_exchanger((f"mx1.{end}",)) is provider
        assert presets.by_mail_exchanger((f"evil{end}",)) is None
    assert provider.notes


def test_what_providers_limit_is_in_their_offer() -> None:
    gmail = find("ann@gmail.com", "imap", nothing, FakeNames())
    assert gmail is not None
    assert (gmail.daily_download_limit, gmail.oauth) == ("2.2GB", "google")
    icloud = find("ann@me.com", "imap", nothing, FakeNames())
    assert icloud is not None
    assert icloud.user == "ann"
    yahoo = find("ann@yahoo.com", "imap", nothing, FakeNames())
    assert yahoo is not None
    assert yahoo.host == "export.imap.mail.yahoo.com"
