"""Read what an account of kind "exchange" has beyond the others: its backend, its endpoint, its mailboxes."""

import re
from typing import Literal, cast
from urllib.parse import urlsplit

from archiver.config.settings import ExchangeSettings, OAuthSettings
from archiver.config.table import Table

BACKENDS = ("auto", "ews", "graph")
SIGN_INS = ("auto", "basic", "ntlm", "kerberos", "oauth")
EXCHANGE_KEYS = ("backend", "url", "sign-in", "mailbox", "archive-mailbox", "public-folders", "export")
ONLINE = "outlook.office365.com"
"""The host of Exchange Online, where `auto` means Graph."""

_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
_PASSWORDS = ("password-command", "password-keyring", "password-file")
_NO_GRAPH = ("archive-mailbox", "public-folders")


def read_exchange(account: Table, oauth: OAuthSettings | None) -> ExchangeSettings | None:
    """Read the keys of an account; None where something is wrong with them, which is noted."""
    before = len(account.problems)
    backend = account.choice("backend", BACKENDS, "auto")
    sign_in = account.choice("sign-in", SIGN_INS, "auto")
    url = _url(account)
    mailbox = account.text("mailbox")
    if mailbox is not None and not _ADDRESS.fullmatch(mailbox):
        account.problem("mailbox", 'must be the address of a mailbox, such as "sales@example.org"')
    for key in ("host", "port", "starttls"):
        if key in account.raw:
            account.problem(key, 'does not go with kind = "exchange", which has a "url"')
    settings = ExchangeSettings(
        backend=cast(Literal["auto", "ews", "graph"], backend),
        url=url,
        sign_in=cast(Literal["auto", "basic", "ntlm", "kerberos", "oauth"], sign_in),
        mailbox=mailbox,
        archive_mailbox=account.flag("archive-mailbox"),
        public_folders=account.flag("public-folders"),
        export=account.flag("export") or "export" not in account.raw,
    )
    if len(account.problems) > before:
        return None
    _fit(
        account,
        settings,
        signs_in="oauth" in account.raw,
        certificate=oauth is not None and oauth.client_certificate_file is not None,
    )
    return settings if len(account.problems) == before else None


def backend_of(exchange: ExchangeSettings) -> Literal["ews", "graph"]:
    """Tell what an account is read by: `auto` is Graph for Exchange Online, else EWS."""
    if exchange.backend != "auto":
        return exchange.backend
    return "graph" if host_of(exchange) == ONLINE else "ews"


def host_of(exchange: ExchangeSettings) -> str:
    """Name the host of an account's endpoint."""
    return (urlsplit(exchange.url).hostname if exchange.url else None) or ONLINE


def endpoint_of(exchange: ExchangeSettings) -> str:
    """Give the endpoint of EWS: the one that is set, else that of Exchange Online."""
    return exchange.url or f"https://{ONLINE}/EWS/Exchange.asmx"


def _url(account: Table) -> str | None:
    url = account.text("url")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        bad = not parts.hostname or parts.username or parts.fragment or (parts.port or 1) > 65535
    except ValueError:
        bad = True
    if (
        bad
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or parts.scheme not in ("https", "http")
    ):
        account.problem("url", 'must be an address, such as "https://mail.example.org/EWS/Exchange.asmx"')
    elif parts.scheme == "http" and not account.flag("insecure-plaintext"):
        account.problem("url", 'begins with "http://": set "insecure-plaintext" if it is on this machine')
    return url


def _fit(account: Table, settings: ExchangeSettings, *, signs_in: bool, certificate: bool) -> None:
    """Note what contradicts what."""
    graph = backend_of(settings) == "graph"
    if signs_in and settings.sign_in not in ("auto", "oauth"):
        account.problem("sign-in", f'is "{settings.sign_in}", and there is a table "oauth"; keep one of them')
    if settings.sign_in == "oauth" and not signs_in:
        account.problem("oauth", 'missing, as sign-in is "oauth"')
    elif graph and not signs_in:
        text = "missing: Exchange Online is signed in to by OAuth"
        account.problem(
            "oauth", f'{text}; for a server of your own set "url"' if settings.url is None else text
        )
    if settings.sign_in == "kerberos":
        for key in _PASSWORDS:
            if account.raw.get(key):
                account.problem(key, 'does not go with sign-in = "kerberos", which takes a ticket; remove it')
    if graph:
        for key in _NO_GRAPH:
            if account.flag(key):
                account.problem(key, 'is not to be had by Graph; set backend = "ews" while there is EWS')
        if settings.sign_in not in ("auto", "oauth"):
            account.problem("sign-in", 'Graph is signed in to by "oauth" alone')
    if certificate and account.raw.get("oauth", {}).get("tenant") in (None, "common", "organizations"):
        account.problem("oauth.tenant", "must name the tenant, as an application signs in")
