"""Sign in with a code, typed on any device that has a browser (RFC 8628)."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from archiver.accounts.oauth.grants import Granted, ask, granted
from archiver.accounts.oauth.provider import Provider
from archiver.accounts.oauth.refusals import refused
from archiver.errors import Unreachable, UsageError
from archiver.model import Secret

USUAL_INTERVAL_S = 5.0
SLOWER_S = 5.0  # RFC 8628 section 3.5
LONGEST_PAUSE_S = 60.0

_CHECK = "check the addresses that are set under oauth"


class DeviceCode(Struct, frozen=True):
    """What the person needs, `url` and `user_code`, and what this machine asks with until `until`."""

    url: str
    user_code: str
    device_code: Secret
    interval_s: float
    until: datetime


def begin_device(provider: Provider, now: datetime) -> DeviceCode:
    """Ask for a code. Raises `UsageError` where the provider has no such way, else as `grants.redeemed`."""
    if provider.device_url is None:
        raise UsageError(
            "Google gives no access to mail by device code"
            if provider.name == "google"
            else "this provider has no device-url",
            "use --browser",
        )
    return read_code(ask(provider, provider.device_url, {"scope": provider.scope}), provider, now)


def read_code(told: Mapping[str, Any], provider: Provider, now: datetime) -> DeviceCode:
    """Read the answer to who asks for a code (RFC 8628 section 3.2). Raises as `grants.redeemed`."""
    if "error" in told:
        raise refused(told["error"], told.get("error_description"), provider.name)
    url = told.get("verification_uri") or told.get("verification_url")
    code, secret = told.get("user_code"), told.get("device_code")
    if not all(isinstance(each, str) and each for each in (url, code, secret)):
        raise Unreachable("the provider's answer holds no code", _CHECK)
    if urlsplit(str(url)).scheme not in ("https", "http") or not _fit_to_show(f"{url}{code}"):
        raise Unreachable("the provider's answer cannot be shown", _CHECK)
    life_s, interval_s = told.get("expires_in"), told.get("interval")
    return DeviceCode(
        str(url),
        str(code),
        Secret(str(secret)),
        max(1.0, float(interval_s)) if isinstance(interval_s, int | float) else USUAL_INTERVAL_S,
        now + timedelta(seconds=min(float(life_s), 86_400) if isinstance(life_s, int | float) else 900),
    )


def finish_device(
    provider: Provider, code: DeviceCode, clock: Callable[[], datetime], pause: Callable[[float], None]
) -> Granted:
    """Ask until the person has signed in. Raises as `grants.redeemed`."""
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": code.device_code.reveal(),
    }

    def once() -> Mapping[str, Any]:
        return ask(provider, provider.token_url, fields)

    return granted(polled(code, once, clock, pause), provider, clock())


def polled(
    code: DeviceCode,
    once: Callable[[], Mapping[str, Any]],
    clock: Callable[[], datetime],
    pause: Callable[[float], None],
) -> Mapping[str, Any]:
    """Ask by `once` until there is an answer, at the pace that the provider wants (RFC 8628 section 3.5)."""
    interval_s = code.interval_s
    while clock() < code.until:
        pause(min(interval_s, LONGEST_PAUSE_S))
        try:
            told = once()
        except Unreachable:  # wait longer, and go on
            interval_s *= 2
            continue
        match told.get("error"):
            case "authorization_pending":
                continue
            case "slow_down":
                interval_s += SLOWER_S
            case _:
                return told
    return {"error": "expired_token"}


def _fit_to_show(text: str) -> bool:
    return text.isprintable() and len(text) < 2000
