"""OAuth 2.0: sign in once, by browser or by code on another device, and get access tokens without a person after that.

Nothing here stores anything; what is got goes back to the caller.
"""

from archiver.accounts.oauth.browser import sign_in_by_browser
from archiver.accounts.oauth.device import DeviceCode, begin_device, finish_device
from archiver.accounts.oauth.grants import Granted, refreshed
from archiver.accounts.oauth.program import as_program
from archiver.accounts.oauth.provider import Provider, generic, google, microsoft
from archiver.accounts.oauth.refusals import SignInLost

__all__ = [
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
