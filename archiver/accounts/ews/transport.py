"""The way to Exchange: HTTP that takes no reply for whole which is not, the log-ins, one session of exchangelib.

exchangelib repeats nothing by itself here (`FailFast`): under its own tolerance a lost reply makes a second copy of an
item, a wrong password is tried for an hour, and parts of a batch come twice. archiver repeats, in `service`.
"""

import logging
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import exchangelib
from exchangelib.credentials import OAuth2AuthorizationCodeCredentials
from exchangelib.errors import (
    ErrorInternalServerTransientError,
    ErrorServerBusy,
    ResponseMessageError,
    UnauthorizedError,
)
from exchangelib.protocol import FailFast, Protocol
from exchangelib.transport import GSSAPI
from exchangelib.util import is_xml
from msgspec import Struct
from oauthlib.oauth2 import OAuth2Token
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as ConnectionFailed
from spnego.exceptions import SpnegoError

from archiver.accounts.ews import kerberos
from archiver.accounts.ews.refusals import KNOWN, Disabled, Incomprehensible, Nowhere, translate
from archiver.errors import ArchiverError, ConfigInvalid, LoginRefused
from archiver.model import AccessToken, Secret

SignIn = Literal["auto", "basic", "ntlm", "kerberos", "oauth"]

_AUTH = {
    "basic": exchangelib.BASIC,
    "ntlm": exchangelib.NTLM,
    "kerberos": GSSAPI,
    "oauth": exchangelib.OAUTH2,
}
_END = re.compile(rb"</(?:[A-Za-z_][\w.-]*:)?Envelope\s*>\s*\Z")
_TAIL = 200  # bytes
_PIECE = 32_768  # bytes: as much as lxml asks for at a time
_BUSY = (429, 502, 503, 504)

# the one prints the whole content of what it cannot read, the other every request and reply
for _name in ("exchangelib.fields", "exchangelib.util", "exchangelib.util.xml"):
    logging.getLogger(_name).disabled = True


class Endpoint(Struct, frozen=True):
    """Where a mailbox is, and how one gets in. `mailbox` is its address, where that is not the user's name."""

    url: str
    user: str
    mailbox: str | None = None
    sign_in: SignIn = "auto"
    ca_file: str | None = None
    timeout_s: float = 60.0
    impersonates: bool = False
    """Whether an application signs in, which may open every mailbox, and must say whose it means."""

    @property
    def address(self) -> str:
        """The mailbox's mail address. Raises `ConfigInvalid` where nothing tells it."""
        found = self.mailbox or self.user
        if "@" not in found:
            raise ConfigInvalid(
                f'"{found}" is no mail address', "give the address of the mailbox as well: mailbox = ADDRESS"
            )
        return found


class Adapter(HTTPAdapter):
    """Sends requests. A reply that does not end as an envelope does was cut on its way, however well framed."""

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0, pool_block=True)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request. Raises `ConnectionError` for a reply that is not whole."""
        if self._ca_file is not None:
            kwargs["verify"] = self._ca_file
        reply = super().send(request, *args, **kwargs)
        if _is_handshake(request) and reply.status_code in _BUSY:
            reply.close()
            raise _busy(reply)  # requests_ntlm would look for a challenge in it
        if reply.status_code == 200 or (reply.status_code == 500 and is_xml(reply.content)):
            check_whole(reply.content)
            # exchangelib takes a reply byte by byte, at half a microsecond each
            reply.iter_content = partial(_pieces, reply.content)  # type: ignore[method-assign]
        return reply


def _pieces(content: bytes, *_: object) -> Iterator[bytes]:
    return (content[start : start + _PIECE] for start in range(0, len(content), _PIECE))


def check_whole(body: bytes) -> None:
    """Raise `ConnectionError` for a body that is not a whole envelope: lxml would mend what was cut."""
    if not _END.search(body[-_TAIL:]):
        raise ConnectionFailed("the reply was cut short")


class Policy(FailFast):  # type: ignore[misc]
    """Says what replies mean that bring no answer; nothing is repeated here."""

    def raise_response_errors(self, response: Response) -> None:
        """Raise what a reply's status says."""
        status = response.status_code
        if status == 401:
            raise UnauthorizedError("HTTP 401")
        if status == 403:
            raise Disabled("HTTP 403")
        if status in _BUSY:
            raise _busy(response)
        if status == 302 and "genericerrorpage" in response.headers.get("location", "").lower():
            raise ErrorInternalServerTransientError("HTTP 302 to an error page")
        if status == 500 and not is_xml(response.content):
            raise Incomprehensible("HTTP 500, and no reply of Exchange")
        if status in (404, 405, 410):
            raise Nowhere(f"HTTP {status}")
        if status >= 400 and status != 500:
            raise Incomprehensible(f"HTTP {status}")
        super().raise_response_errors(response)


def _is_handshake(request: PreparedRequest) -> bool:
    return str(request.headers.get("Authorization", "")).startswith(("NTLM ", "Negotiate "))


def _busy(response: Response) -> Exception:
    busy: Exception = ErrorServerBusy(f"HTTP {response.status_code}", back_off=_retry_after(response))
    return busy


def _retry_after(response: Response) -> float | None:
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else None


class Token(OAuth2AuthorizationCodeCredentials):  # type: ignore[misc]
    """An access token that archiver brings, and renews itself; told from others by identity alone."""

    def __init__(self, token: str) -> None:
        super().__init__(access_token=OAuth2Token({"access_token": token, "token_type": "Bearer"}))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class Session:
    """One session: exchangelib's account with a protocol, and so connections, of its own."""

    streaming = False

    def __init__(self, endpoint: Endpoint, secret: Secret | None) -> None:
        self.account = _account(endpoint, secret)

    @property
    def connection(self) -> "Session":
        """Itself: there is no line beside it."""
        return self

    def logout(self) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connections. Never raises."""
        with suppress(Exception):
            self.account.protocol.close()


def open_session(endpoint: Endpoint, ask: Callable[[], Secret]) -> Session:
    """Log in, and ask the server its version. Raises what a user can be told."""
    if endpoint.sign_in == "kerberos":
        kerberos.require_library()
    session = Session(endpoint, None if endpoint.sign_in == "kerberos" else ask())
    try:
        _ = session.account.version.build
    except ArchiverError:
        session.close()
        raise
    except KNOWN as error:
        session.close()
        # what the server said stands behind the complaint that it told no version
        said = error.__context__ if isinstance(error.__context__, ResponseMessageError) else error
        raise translate(said, endpoint.address) from error
    return session


def _signing_in(send: Callable[..., Response]) -> Callable[..., Response]:
    """Make errors of the library for NTLM, which has its own of every kind, such as others raise."""

    def guarded(request: PreparedRequest, **kwargs: Any) -> Response:
        try:
            reply = send(request, **kwargs)
        except PermissionError as error:
            raise UnauthorizedError("it offers NTLM, and gives no challenge") from error
        except (SpnegoError, struct.error, ValueError) as error:
            if isinstance(error, KNOWN):
                raise
            raise Incomprehensible("the challenge of NTLM cannot be understood") from error
        if kerberos.is_alone(reply):
            reply.close()
            raise LoginRefused(
                "the server offers to sign in by Negotiate alone",
                'set sign-in = "kerberos" (account add --sign-in kerberos), and see to a ticket: kinit USER@REALM; or '
                '"ntlm", with the password',
            )
        return reply

    return guarded


def credentials_of(user: str, secret: Secret | None) -> Any:
    """Make exchangelib's credentials; none where a ticket takes their place."""
    if secret is None:
        return None
    if isinstance(secret, AccessToken):
        return Token(secret.reveal())
    return exchangelib.Credentials(user, secret.reveal())


def _account(endpoint: Endpoint, secret: Secret | None) -> Any:
    configuration = exchangelib.Configuration(
        service_endpoint=endpoint.url,
        credentials=credentials_of(endpoint.user, secret),
        auth_type=exchangelib.OAUTH2 if isinstance(secret, AccessToken) else _AUTH.get(endpoint.sign_in),
        retry_policy=Policy(),
        max_connections=1,
    )
    account = exchangelib.Account(
        endpoint.address,
        config=configuration,
        access_type=exchangelib.IMPERSONATION if endpoint.impersonates else exchangelib.DELEGATE,
        autodiscover=False,
        locale="en_US",
        default_timezone=exchangelib.EWSTimeZone("UTC"),
    )
    protocol = account.protocol
    with suppress(KeyError):  # exchangelib would give the same one to the next account, with its settings
        del Protocol[configuration]
    plain = type(protocol).raw_session

    def raw_session(prefix: str, **kwargs: Any) -> Any:
        made = plain(prefix, **kwargs)
        made.mount(prefix, Adapter(endpoint.ca_file))
        made.send = _signing_in(made.send)
        return made

    protocol.raw_session = raw_session
    protocol.TIMEOUT = endpoint.timeout_s
    protocol.RETRY_WAIT = 0  # so that a wait which nobody asked for is seen to be none
    return account
