"""Sign in with a code, typed on any device that has a browser (RFC 8628)."""

from collections.abc import Callable
from datetime import datetime, timedelta
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
    status, told = ask(provider, provider.device_url, {"scope": provider.scope})
    if status != 200 or "error" in told:
        raise refused(told.get("error"), told.get("error_description"), provider.name)
    url = told.get("verification_uri") or told.get("verification_url")
    code, secret = told.get("user_code"), told.get("device_code")
    if not all(isinstance(each, str) and each for each in (url, code, secret)):
        raise Unreachable("the provider's answer holds no code", "check device-url")
    if urlsplit(str(url)).scheme not in ("https", "http") or not _fit_to_show(f"{url}{code}"):
        raise Unreachable("the provider's answer cannot be shown", "check device-url")
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
    """Ask until the person has signed in, at the pace that the provider wants. Raises as `grants.redeemed`."""
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": code.device_code.reveal(),
    }
    interval_s = code.interval_s
    while clock() < code.until:
        pause(min(interval_s, LONGEST_PAUSE_S))
        try:
            status, told = ask(provider, provider.token_url, fields)
        except Unreachable:  # RFC 8628 section 3.5: wait longer, and go on
            interval_s *= 2
            continue
        if status == 200 and "error" not in told:
            return granted(told, clock(), None)
        match told.get("error"):
            case "authorization_pending":
                continue
            case "slow_down":
                interval_s += SLOWER_S
            case error:
                raise refused(error, told.get("error_description"), provider.name)
    raise refused("expired_token", "", provider.name)


def _fit_to_show(text: str) -> bool:
    return text.isprintable() and len(text) < 2000
