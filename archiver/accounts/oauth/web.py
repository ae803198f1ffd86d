"""Ask a provider: a form out, or nothing, and one JSON object back. The only file of OAuth that opens a line."""

import json
import logging
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from archiver.accounts import failures
from archiver.accounts.connection import trusting
from archiver.accounts.oauth.provider import NOTHING
from archiver.errors import Unreachable, Untrusted

_log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
LIMIT_BYTES = 1 << 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is sent is for the configured address alone."""

    def redirect_request(self, *args: Any) -> None:
        return None


def send(
    url: str,
    form: Mapping[str, Any] | None,
    headers: Mapping[str, str] = NOTHING,
    ca_file: str | None = None,
) -> tuple[int, dict[str, Any]]:
    """Send a form (RFC 6749 section 4.1.3), without one just ask; give the status and the JSON object of the answer.

    Raises `Unreachable`, `Untrusted`, and `ConfigInvalid` for a `ca_file` that holds no certificates; no error holds
    what was sent or what came. `url` is `https`, or `http` on this machine: the configuration sees to that.
    """
    host = urllib.parse.urlsplit(url).netloc
    request = urllib.request.Request(  # noqa: S310 -- the scheme is checked with the configuration
        url,
        data=None if form is None else urllib.parse.urlencode(form).encode(),
        headers={"Accept": "application/json", **headers},
    )
    https = urllib.request.HTTPSHandler(context=trusting(ca_file))
    opener = urllib.request.build_opener(_NoRedirect, https)
    try:
        try:
            answer = opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            status, raw = int(answer.status), answer.read(LIMIT_BYTES)
    except urllib.error.URLError as error:
        raise _unreachable(host, error.reason, ca_file) from None
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(host, error, ca_file) from None
    _log.debug("%s answers %d", host, status)
    if status >= 500 or status == 429:
        raise Unreachable(f'"{host}" cannot serve a sign-in now (HTTP {status})', "try again later")
    try:
        told = json.loads(raw)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Unreachable(
            f'"{host}" does not answer as a sign-in server does (HTTP {status})',
            "check the addresses that are set under oauth, and any proxy between",
        )
    return status, told


def _unreachable(host: str, reason: object, ca_file: str | None) -> Unreachable | Untrusted:
    if isinstance(reason, ssl.SSLCertVerificationError):
        found = failures.distrusted(host, reason)
        if ca_file is None:
            found.hint = "a proxy that opens TLS wants its certificates named in SSL_CERT_FILE"
        return found
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
    return Unreachable(f'"{host}" cannot be reached for the sign-in: {text.lower()}', "try again later")
