"""OAuth 2.0: sign in once, by browser or by code on another device, and get access tokens without a person after that.

Microsoft is asked by msal, which knows it; Google and all others by what the RFCs say. Nothing here stores anything;
what is got goes back to the caller.
"""

from collections.abc import Callable
from datetime import datetime

from archiver.accounts.oauth import browser, device, entra, grants
from archiver.accounts.oauth.device import DeviceCode
from archiver.accounts.oauth.entra import as_program
from archiver.accounts.oauth.grants import Granted
from archiver.accounts.oauth.provider import PUBLIC_CLOUD, Provider, generic, google, microsoft
from archiver.accounts.oauth.refusals import SignInLost
from archiver.model import Secret

__all__ = [
    "PUBLIC_CLOUD",
    "DeviceCode",
    "Granted",
    "Provider",
    "SignInLost",
    "as_program",
    "begin_device",
    "finish_device",
    "generic",
    "google",
    "microsoft",
    "refreshed",
    "sign_in_by_browser",
]


def begin_device(provider: Provider, now: datetime) -> DeviceCode:
    """Ask for a code. Raises `UsageError` where there is no such way, else as `refreshed`."""
    if provider.authority is not None:
        return entra.begin_device(provider, now)
    return device.begin_device(provider, now)


def finish_device(
    provider: Provider, code: DeviceCode, clock: Callable[[], datetime], pause: Callable[[float], None]
) -> Granted:
    """Ask until the person has signed in, at the pace that the provider wants. Raises as `refreshed`."""
    if provider.authority is not None:
        return entra.finish_device(provider, code, clock, pause)
    return device.finish_device(provider, code, clock, pause)


def sign_in_by_browser(
    provider: Provider,
    user: str,
    show: Callable[[str], None],
    clock: Callable[[], datetime],
    wait_s: float = browser.WAIT_S,
) -> Granted:
    """Have a person sign in at the address that `show` is given, and come back to this machine.

    `user` is proposed to the provider. Raises `LoginRefused` where nobody comes back in `wait_s` seconds, and
    as `refreshed`.
    """
    if provider.authority is not None:
        return entra.sign_in_by_browser(provider, user, show, clock, wait_s)
    return browser.sign_in_by_browser(provider, user, show, clock, wait_s)


def refreshed(provider: Provider, old: Secret, now: datetime, claims: str | None = None) -> Granted:
    """Trade a refresh token for a new access token, of which Microsoft's servers may want `claims`.

    Raises `Unreachable`, `Untrusted`, `ConfigInvalid`, `Forbidden`, `LoginRefused`.
    """
    if provider.authority is not None:
        return entra.refreshed(provider, old, now, claims)
    return grants.refreshed(provider, old, now)
