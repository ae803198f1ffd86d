"""Sign in at Microsoft by msal: with a code, with the browser of this machine, or as a program with a certificate.

msal speaks the protocol and keeps nothing: what is got goes back to the caller.
"""

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from types import ModuleType
from typing import Any, TypeAlias, cast

from msgspec import Struct

from archiver.accounts.oauth import web
from archiver.accounts.oauth.browser import WAIT_S, Loopback
from archiver.accounts.oauth.device import DeviceCode, polled, read_code
from archiver.accounts.oauth.grants import Granted, granted, read_access
from archiver.accounts.oauth.provider import NOTHING, Provider
from archiver.accounts.oauth.refusals import refused
from archiver.errors import ArchiverError, ConfigInvalid, Unreachable, UsageError
from archiver.model import AccessToken, Secret

_log = logging.getLogger(__name__)

App: TypeAlias = Any

_BY_MSAL = {"openid", "profile", "offline_access"}
"""The scopes that msal asks for by itself, and takes from nobody."""


def begin_device(provider: Provider, now: datetime) -> DeviceCode:
    """Ask for a code. Raises `UsageError` where there is none: for a client with a secret, on an old AD FS.

    Else as `refreshed`.
    """
    if provider.client_secret is not None:
        raise UsageError("Microsoft gives no code to a client with a secret", "use --browser")
    app = _application(provider)
    if not app.authority.device_authorization_endpoint:
        raise UsageError("this authority gives no codes", "use --browser")
    return read_code(_asked(lambda: app.initiate_device_flow(_scopes(provider))), provider, now)


def finish_device(
    provider: Provider, code: DeviceCode, clock: Callable[[], datetime], pause: Callable[[float], None]
) -> Granted:
    """Ask until the person has signed in, at the pace that Microsoft wants. Raises as `refreshed`."""
    apps: list[App] = []

    def once() -> Any:
        if not apps:
            apps.append(_application(provider))
        flow = {"device_code": code.device_code.reveal(), "interval": 1}
        return _asked(lambda: apps[0].acquire_token_by_device_flow(flow, exit_condition=lambda _: True))

    return granted(polled(code, once, clock, pause), provider, clock())


def sign_in_by_browser(
    provider: Provider,
    user: str,
    show: Callable[[str], None],
    clock: Callable[[], datetime],
    wait_s: float = WAIT_S,
) -> Granted:
    """Have a person sign in at the address that `show` is given, and come back to this machine.

    The address to come back to is registered as `http://localhost`, which stands for any port; `127.0.0.1` would not
    do (https://learn.microsoft.com/entra/identity-platform/reply-url). `user` is proposed. Raises `LoginRefused` where
    nobody comes back in `wait_s` seconds, and as `refreshed`.
    """
    app = _application(provider)
    with Loopback(state=secrets.token_urlsafe(24)) as loopback:
        back = f"http://localhost:{loopback.port}"
        flow = app.initiate_auth_code_flow(
            _scopes(provider),
            redirect_uri=back,
            state=loopback.state,
            login_hint=user,
            response_mode="form_post",
        )
        show(flow["auth_uri"])
        answer = loopback.wait(wait_s)
    return granted(_asked(lambda: app.acquire_token_by_auth_code_flow(flow, answer)), provider, clock())


def refreshed(provider: Provider, old: Secret, now: datetime, claims: str | None = None) -> Granted:
    """Trade a refresh token for a new access token, with the `claims` that a server wants of it (JSON).

    Raises `Unreachable`, `Untrusted`, `ConfigInvalid`, `Forbidden`, `LoginRefused`. Claims:
    https://learn.microsoft.com/entra/identity-platform/claims-challenge
    """
    app, more = _application(provider), {"claims": claims}
    told = _asked(lambda: app.acquire_token_by_refresh_token(old.reveal(), _scopes(provider), data=more))
    return granted(told, provider, now, old)


def as_program(
    provider: Provider, certificate: bytes, now: datetime, claims: str | None = None
) -> tuple[AccessToken, datetime]:
    """Get an access token, and until when it is good. `certificate` is PEM, with its RSA key unencrypted.

    Raises `ConfigInvalid` for what is no such certificate, and as `refreshed`.
    """
    app = _application(provider, _credential(certificate))
    told = _asked(lambda: app.acquire_token_for_client(_scopes(provider), claims_challenge=claims))
    return read_access(told, provider, now)


# --- msal ----------------------------------------------------------------------------------------------


def _application(provider: Provider, credential: Mapping[str, str] | None = None) -> App:
    """Make msal's client. It asks at the authority for its addresses; nothing else decides where to ask."""
    msal = _msal()
    secret = provider.client_secret.reveal() if provider.client_secret is not None else None
    kind = msal.ConfidentialClientApplication if credential or secret else msal.PublicClientApplication
    return _asked(
        lambda: kind(
            provider.client_id,
            client_credential=credential or secret,
            authority=provider.authority,
            http_client=_Line(provider),
            token_cache=_forgetful(msal),
            instance_discovery=False,  # else hosts that msal does not know are asked about elsewhere
            azure_region=False,  # else a variable of the environment decides
        )
    )


def _msal() -> ModuleType:
    try:
        import msal  # noqa: PLC0415 -- slow to load, and few accounts need it
    except ImportError as error:
        raise ConfigInvalid(
            f"what signs in at Microsoft is not installed: {error.name}",
            "install it: pip install 'archiver[microsoft]'",
        ) from error
    logging.getLogger("msal").setLevel(logging.CRITICAL + 1)  # it prints codes, and whole answers
    return cast(ModuleType, msal)


def _forgetful(msal: ModuleType) -> Any:
    class Forgetful(msal.TokenCache):  # type: ignore[name-defined,misc]
        """Keeps no token: the caller does."""

        def add(self, event: object, now: object = None) -> None:
            """Keep nothing, and say nothing of it in a log."""

    return Forgetful()


def _asked(ask: Callable[[], Any]) -> Any:
    """Give what msal tells; what it makes of an answer that it cannot read becomes `Unreachable`."""
    try:
        return ask()
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        _log.debug("msal makes a %s of an answer", type(error).__name__)  # its text may hold the answer
        raise Unreachable(
            "Microsoft's answer is not one to a sign-in",
            "try again; check authority and tenant, and any proxy between",
        ) from None


def _scopes(provider: Provider) -> list[str]:
    return [scope for scope in provider.scope.split() if scope not in _BY_MSAL]


class _Answer(Struct):
    """What msal reads of an answer."""

    status_code: int
    text: str
    headers: Mapping[str, str] = NOTHING


class _Line:
    """How msal asks: as all sign-ins here do, with their patience, their trust and their errors."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def get(self, url: str, **_: object) -> _Answer:
        """Ask for the addresses of an authority. Raises what its refusal means."""
        status, told = self._send(url, None, {})
        if "error" in told:
            raise refused(told.get("error"), told.get("error_description"), self._provider.name)
        if status != 200:
            raise Unreachable(
                f"the authority tells no addresses (HTTP {status})", "check authority and tenant"
            )
        named = [str(url) for name, url in told.items() if name.endswith("_endpoint")]
        if not all(url.startswith("https://") for url in named):
            raise Unreachable("the authority names an address without TLS", "check authority and tenant")
        return _Answer(status, json.dumps(told))

    def post(self, url: str, data: Mapping[str, object], headers: Mapping[str, str], **_: object) -> _Answer:
        """Send a form; what has no value is not sent."""
        form = {name: value for name, value in data.items() if value is not None}
        status, told = self._send(url, form, headers)
        return _Answer(status, json.dumps(told if status == 200 else {"error": None, **told}))

    def _send(
        self, url: str, form: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        return web.send(url, form, headers, self._provider.ca_file)


# --- certificates --------------------------------------------------------------------------------------


def _credential(pem: bytes) -> Mapping[str, str]:
    """Read certificate and key for msal, which tells nobody what is wrong with them."""
    from cryptography import x509  # noqa: PLC0415 -- slow to load, and few accounts need it
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        raise _unusable("it holds no certificate (PEM) with its private key, unencrypted") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _unusable("its key is not of the kind RSA, which alone is taken")
    if certificate.public_key() != key.public_key():
        raise _unusable("its key is another one's")
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "private_key": key.private_bytes(serialization.Encoding.PEM, form, none).decode(),
        "public_certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
    }


def _unusable(why: str) -> ArchiverError:
    return ConfigInvalid(
        f"the certificate to sign in with is of no use: {why}",
        "client-certificate-file holds both, one after the other: -----BEGIN CERTIFICATE----- and PRIVATE KEY",
    )
