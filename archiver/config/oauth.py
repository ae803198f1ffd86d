"""Read `[account.NAME.oauth]`: which provider, and which keys it takes."""

import re
from typing import cast
from urllib.parse import urlsplit

from archiver.config.settings import OAuthProvider, OAuthSettings, TokenStore
from archiver.config.table import Table

PROVIDERS = ("microsoft", "google", "generic")
STORES = ("auto", "keyring", "sealed")
SECRET_KEYS = ("client-secret-command", "client-secret-file")
URL_KEYS = ("authorize-url", "device-url", "token-url")
CERTIFICATE = "client-certificate-file"
MICROSOFT_KEYS = (CERTIFICATE, "tenant", "authority")
OAUTH_KEYS = (
    "provider",
    "client-id",
    *SECRET_KEYS,
    *MICROSOFT_KEYS,
    "scopes",
    *URL_KEYS,
    "sign-in-days",
    "store",
)

_TENANT = re.compile(r"[A-Za-z0-9.-]{1,120}")
_AUTHORITY = re.compile(r"https://[A-Za-z0-9.-]{1,250}(:[0-9]{1,5})?/?")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
_HERE = {"localhost", "127.0.0.1", "::1"}


def read_oauth(account: Table) -> OAuthSettings | None:
    """Read the table of an account; None where there is none. What is wrong is noted with the account."""
    table = account.below("oauth", ', such as {provider = "microsoft", client-id = "..."}')
    if table is None:
        return None
    before = len(table.problems)
    table.refuse_unknown((*OAUTH_KEYS, "client-secret"))
    provider = table.choice("provider", PROVIDERS)
    client_id = table.text("client-id", required=True)
    urls = {key: _url(table, key) for key in URL_KEYS}
    scopes = table.texts("scopes")
    if not all(_SCOPE.fullmatch(scope) for scope in scopes):
        table.problem("scopes", "a scope has no spaces, quotes or backslashes; several are several texts")
    tenant = table.text("tenant")
    if tenant is not None and not _TENANT.fullmatch(tenant):
        table.problem("tenant", "must be the name or the ID of a tenant, alone")
    authority = _authority(table)
    command, file = table.text(SECRET_KEYS[0]), table.path(SECRET_KEYS[1])
    certificate = table.path(CERTIFICATE)
    _refuse_secrets(table)
    if provider is not None:
        _fit(table, provider)
    store = table.choice("store", STORES, "auto")
    days = table.number("sign-in-days", int, 1, 3650)
    if len(table.problems) > before or client_id is None:
        return None
    return OAuthSettings(
        provider=cast(OAuthProvider, provider),
        client_id=client_id,
        client_secret_command=command,
        client_secret_file=file,
        client_certificate_file=certificate,
        tenant=tenant or "common",
        authority=authority,
        scopes=scopes,
        authorize_url=urls["authorize-url"],
        device_url=urls["device-url"],
        token_url=urls["token-url"],
        sign_in_days=days,
        store=cast(TokenStore, store),
    )


def _url(table: Table, key: str) -> str | None:
    url = table.text(key)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    safe = host and (parts.scheme == "https" or (parts.scheme == "http" and host in _HERE))
    if (
        not safe
        or parts.username
        or parts.fragment
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        table.problem(key, 'must be an address that begins with "https://" (or "http://" on this machine)')
    return url


def _authority(table: Table) -> str | None:
    """Read where the sign-in of a cloud is: an address without the tenant, which has a key of its own."""
    url = table.text("authority")
    if url is None:
        return None
    if not _AUTHORITY.fullmatch(url):
        table.problem("authority", 'must be "https://" and a host, alone; the tenant has a key of its own')
    return url.rstrip("/")


def _refuse_secrets(table: Table) -> None:
    if "client-secret" in table.raw:
        table.problem(
            "client-secret",
            'a secret does not belong in this file; remove it, and use "client-secret-command" or '
            '"client-secret-file"',
        )
    given = [key for key in (*SECRET_KEYS, CERTIFICATE) if key in table.raw]
    if len(given) > 1:
        table.problem(given[1], f'"{given[0]}" and "{given[1]}" are set; keep one of them')


def _fit(table: Table, provider: str) -> None:
    """Note the keys that a provider needs and has not, and those that it does not take."""
    for key in MICROSOFT_KEYS if provider != "microsoft" else ():
        if key in table.raw:
            table.problem(key, f'is Microsoft\'s; provider is "{provider}"')
    if provider != "generic":
        for key in URL_KEYS:
            if key in table.raw:
                table.problem(key, f'archiver knows the addresses of "{provider}"; use provider = "generic"')
        return
    for key in ("token-url", "scopes"):
        if key not in table.raw:
            table.problem(key, "missing")
    if not {"authorize-url", "device-url"} & set(table.raw):
        table.problem("authorize-url", "missing, and so is device-url; one of them is needed")
