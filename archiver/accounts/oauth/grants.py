"""Tokens from the token endpoint (RFC 6749), and what an answer of it says."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from archiver.accounts.oauth import web
from archiver.accounts.oauth.provider import Provider
from archiver.accounts.oauth.refusals import refused
from archiver.errors import LoginRefused, Unreachable
from archiver.model import AccessToken, Secret

_USUAL_LIFE_S = 3600
_LONGEST_S = 10 * 365 * 86_400


class Granted(Struct, frozen=True):
    """What a provider gave: the access token and until when it is good, and the refresh token.

    `refresh_until` is when the refresh token dies whatever happens, where the provider says so.
    """

    access: AccessToken
    access_until: datetime
    refresh: Secret
    refresh_until: datetime | None = None


def redeemed(
    provider: Provider, fields: Mapping[str, str], now: datetime, old: Secret | None = None
) -> Granted:
    """Ask the token endpoint. Raises `Unreachable`, `ConfigInvalid`, `Forbidden`, `LoginRefused`."""
    return granted(ask(provider, provider.token_url, fields), provider, now, old)


def ask(provider: Provider, url: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Send a form as this client; its secret goes in the form, as all of these providers take it.

    The answer of a refusal has an `error`, even where the provider names none.
    """
    form = {"client_id": provider.client_id, **fields}
    if provider.client_secret is not None:
        form["client_secret"] = provider.client_secret.reveal()
    status, told = web.send(url, form)
    return told if status == 200 else {"error": None, **told}


def granted(told: Mapping[str, Any], provider: Provider, now: datetime, old: Secret | None = None) -> Granted:
    """Read an answer (RFC 6749 sections 5.1 and 5.2); without a new refresh token, the old one goes on."""
    access, access_until = read_access(told, provider, now)
    refresh = told.get("refresh_token")
    if isinstance(refresh, str) and refresh:
        new: Secret | None = Secret(refresh)
    else:
        new = old
    if new is None:
        raise LoginRefused(
            "the provider gave no refresh token, so every run would need a person",
            "ask for it in scopes: most providers call it offline_access",
        )
    dies_s = _seconds(told.get("refresh_token_expires_in") or told.get("refresh_expires_in"))
    return Granted(
        access,
        access_until,
        new,
        None if not dies_s else now + timedelta(seconds=dies_s),
    )


def read_access(told: Mapping[str, Any], provider: Provider, now: datetime) -> tuple[AccessToken, datetime]:
    """Read the access token of an answer, and until when it is good. Raises what its refusal means."""
    if "error" in told:
        raise refused(told["error"], told.get("error_description"), provider.name)
    access = told.get("access_token")
    if not isinstance(access, str) or not access or not _is_plain(access):
        raise Unreachable(
            "the provider's answer holds no access token", "check the addresses that are set under oauth"
        )
    lives_s = _seconds(told.get("expires_in"))
    return AccessToken(access), now + timedelta(seconds=_USUAL_LIFE_S if lives_s is None else lives_s)


def refreshed(provider: Provider, old: Secret, now: datetime) -> Granted:
    """Trade a refresh token for a new access token (RFC 6749 section 6). Raises as `redeemed`."""
    fields = {"grant_type": "refresh_token", "refresh_token": old.reveal(), "scope": provider.scope}
    return redeemed(provider, fields, now, old)


def _is_plain(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token  # RFC 6750 section 2.1


def _seconds(told: object) -> int | None:
    """Read a number of seconds; some providers write it as text."""
    if isinstance(told, str) and told.isascii() and told.isdigit():
        told = int(told[:12])
    if isinstance(told, bool) or not isinstance(told, int | float) or not told >= 0:
        return None
    return int(min(told, _LONGEST_S))
