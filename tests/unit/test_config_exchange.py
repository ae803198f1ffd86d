"""Accounts of kind "exchange" in the configuration."""

from pathlib import Path

import pytest

from archiver import config
from archiver.config.exchange import backend_of, host_of
from archiver.config.settings import AccountSettings, ExchangeSettings
from archiver.errors import ConfigInvalid

HEAD = '[archive.a]\npath = "/x"\n[account.w]\narchive = "a"\nkind = "exchange"\nuser = "ann@example.org"\n'
OWN = 'url = "https://mail.example.org/EWS/Exchange.asmx"\n'
OAUTH = 'oauth = {provider = "microsoft", client-id = "i"}\n'


def account(text: str) -> AccountSettings:
    return config.parse((HEAD + text).encode(), Path("/etc/archiver/config.toml")).accounts["w"]


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as found:
        config.parse((HEAD + text).encode(), Path("/etc/archiver/config.toml"))
    return [one.strip() for one in found.value.text.split("\n")[1:]]


def test_a_server_of_ones_own_needs_its_address_alone() -> None:
    found = account(OWN)
    assert found.exchange == ExchangeSettings(url="https://mail.example.org/EWS/Exchange.asmx")
    assert (found.kind, found.user, found.host) == ("exchange", "ann@example.org", "mail.example.org")
    assert backend_of(found.exchange) == "ews"


def test_all_of_it_is_read() -> None:
    found = account(
        OWN + 'backend = "ews"\nsign-in = "ntlm"\nmailbox = "sales@example.org"\narchive-mailbox = true\n'
        'public-folders = true\nexport = false\npassword-file = "secret"\nca-file = "ca.pem"\nfolders = ["Inbox"]\n'
    )
    assert found.exchange == ExchangeSettings(
        backend="ews",
        url="https://mail.example.org/EWS/Exchange.asmx",
        sign_in="ntlm",
        mailbox="sales@example.org",
        archive_mailbox=True,
        public_folders=True,
        export=False,
    )
    assert found.folders == ("Inbox",)
    assert found.password_file == Path("/etc/archiver/secret")


@pytest.mark.parametrize(
    ("text", "backend", "host"),
    [
        (OAUTH, "graph", "outlook.office365.com"),
        (
            'url = "https://outlook.office365.com/EWS/Exchange.asmx"\n' + OAUTH,
            "graph",
            "outlook.office365.com",
        ),
        ('backend = "ews"\n' + OAUTH, "ews", "outlook.office365.com"),
        (OWN + OAUTH, "ews", "mail.example.org"),
        (
            'backend = "graph"\nurl = "https://graph.microsoft.us/v1.0"\n' + OAUTH,
            "graph",
            "graph.microsoft.us",
        ),
    ],
)
def test_exchange_online_is_read_by_graph_and_any_other_server_by_ews(
    text: str, backend: str, host: str
) -> None:
    exchange = account(text).exchange
    assert exchange is not None
    assert (backend_of(exchange), host_of(exchange)) == (backend, host)


def test_an_application_signs_in_by_its_certificate() -> None:
    found = account(
        'oauth = {provider = "microsoft", client-id = "i", client-certificate-file = "c.pem", tenant = "t"}'
    )
    assert found.oauth is not None
    assert found.oauth.client_certificate_file == Path("/etc/archiver/c.pem")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 'oauth: missing: Exchange Online is signed in to by OAuth; for a server of your own set "url"'),
        (OWN + 'host = "mail.example.org"', 'host: does not go with kind = "exchange", which has a "url"'),
        (OWN + "port = 443", 'port: does not go with kind = "exchange", which has a "url"'),
        (OWN + "starttls = true", 'starttls: does not go with kind = "exchange", which has a "url"'),
        (
            'url = "mail.example.org"',
            'url: must be an address, such as "https://mail.example.org/EWS/Exchange.asmx"',
        ),
        (
            'url = "https://u:p@h/"',
            'url: must be an address, such as "https://mail.example.org/EWS/Exchange.asmx"',
        ),
        ('url = "ftp://h/"', 'url: must be an address, such as "https://mail.example.org/EWS/Exchange.asmx"'),
        (
            'url = "http://h/"',
            'url: begins with "http://": set "insecure-plaintext" if it is on this machine',
        ),
        (OWN + 'mailbox = "sales"', 'mailbox: must be the address of a mailbox, such as "sales@example.org"'),
        (OWN + 'backend = "owa"', 'backend: must be one of "auto", "ews", "graph"'),
        (
            OWN + 'sign-in = "nltm"',
            'sign-in: must be one of "auto", "basic", "ntlm", "kerberos", "oauth", did you mean "ntlm"?',
        ),
        (
            OWN + 'sign-in = "kerberos"\npassword-file = "p"',
            'password-file: does not go with sign-in = "kerberos", which takes a ticket; remove it',
        ),
        (OWN + 'sign-in = "oauth"', 'oauth: missing, as sign-in is "oauth"'),
        (
            OWN + 'sign-in = "ntlm"\n' + OAUTH,
            'sign-in: is "ntlm", and there is a table "oauth"; keep one of them',
        ),
        (
            OAUTH + "archive-mailbox = true",
            'archive-mailbox: is not to be had by Graph; set backend = "ews" while there is EWS',
        ),
        (
            OAUTH + "public-folders = true",
            'public-folders: is not to be had by Graph; set backend = "ews" while there is EWS',
        ),
        (OWN + 'export = "no"', "export: must be true or false"),
        (OWN + 'form = "mboxrd"', 'form: goes with kind = "files" alone, and kind is "exchange"'),
        (
            'oauth = {provider = "microsoft", client-id = "i", client-certificate-file = "c"}',
            "oauth.tenant: must name the tenant, as an application signs in",
        ),
        (
            OWN + 'oauth = {provider = "microsoft", client-id = "i", tenant = "t", '
            'client-certificate-file = "c", client-secret-file = "s"}',
            'oauth.client-certificate-file: "client-secret-file" and "client-certificate-file" are set; '
            "keep one of them",
        ),
        (
            OWN + 'oauth = {provider = "google", client-id = "i", client-certificate-file = "c"}',
            'oauth.client-certificate-file: is Microsoft\'s; provider is "google"',
        ),
    ],
)
def test_what_does_not_fit_is_told(text: str, found: str) -> None:
    assert problems(text) == [f"account.w.{found}"]


@pytest.mark.parametrize(
    "key", ['url = "https://h/"', 'mailbox = "a@b"', "export = false", 'backend = "ews"']
)
def test_other_kinds_take_none_of_these_keys(key: str) -> None:
    text = (
        '[archive.a]\npath = "/x"\n[account.w]\narchive = "a"\nkind = "imap"\nhost = "h"\nuser = "u"\n' + key
    )
    with pytest.raises(ConfigInvalid, match='goes with kind = "exchange" alone, and kind is "imap"'):
        config.parse(text.encode(), Path("/etc/archiver/config.toml"))
