"""Signing in by Kerberos (RFC 4559): a ticket of this machine's cache, or of a keytab, in the place of a password.

exchangelib's own way, requests-gssapi, makes a refused password of every trouble, prints each with a traceback, takes
the word of a server that proves nothing, and sends each request twice, an upload as well. Here a ticket goes with each
request from the second on; the first asks the server whether it wants one, and learns the certificate of its TLS.
"""

import base64
import binascii
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from exchangelib.errors import TransportError
from exchangelib.transport import AUTH_TYPE_MAP, GSSAPI
from requests import PreparedRequest, Response
from requests.auth import AuthBase

from archiver.errors import ArchiverError, ConfigInvalid, LoginRefused, Unreachable, Untrusted

_LEGS = 4  # of one request: asked, answered, and once more where the server wants another word
_CHALLENGE = re.compile(r"(?:^|,)\s*Negotiate(?:\s+([A-Za-z0-9+/=]+))?\s*(?=,|$)", re.IGNORECASE)
_SPNEGO = "1.3.6.1.5.5.2"
_EXPIRED = {-1765328352}  # KRB5KRB_AP_ERR_TKT_EXPIRED; these numbers are from krb5.h
_AWAY = {-1765328228, -1765328230, -1765328164}  # KRB5_KDC_UNREACH, _REALM_UNKNOWN, _REALM_CANT_RESOLVE
_STRANGER = {-1765328377}  # KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN
_SKEWED = {-1765328347}  # KRB5KRB_AP_ERR_SKEW

_RENEW = (
    "get a ticket: kinit USER@REALM; for runs without a person name a keytab in KRB5_CLIENT_KTNAME: "
    "docs/how-to/archive-exchange-on-premises.md"
)


def require_library() -> None:
    """Raise `ConfigInvalid` where the library for Kerberos is not installed, or finds none of the system's."""
    try:
        import gssapi  # noqa: F401, PLC0415 -- an extra
    except (ImportError, OSError) as error:
        raise ConfigInvalid(
            "signing in by Kerberos needs a library that is not installed",
            'install it: pip install "archiver[kerberos]"; on Debian first: apt-get install libkrb5-dev gcc '
            "python3-dev; or choose another sign-in",
        ) from error


class Ticket(AuthBase):
    """Puts a ticket into the requests of one session, and has the server prove that it can read it.

    A server that takes the first ticket and proves nothing, or proves wrongly at any time, is `Untrusted`. The log-in
    is bound to the certificate of the server's TLS (RFC 5929, tls-server-end-point), as Extended Protection asks.
    """

    def __init__(self) -> None:
        self._context: Any = None
        self._bindings: bytes | None = None
        self._asked = False
        self._proven = False

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Have a ticket in the request, where the server is known to want one."""
        self._context = None
        if self._asked:
            request.headers["Authorization"] = self._begin(str(request.url))
        request.register_hook("response", self._answered)
        return request

    def _answered(self, reply: Response, **how: Any) -> Response:
        try:
            for _ in range(_LEGS):
                if reply.status_code != 401:
                    self._prove(reply)
                    return reply
                reply = _again(reply, self._next(reply, _bindings(reply)), how)
            raise self._refused("it asks again and again")
        except ArchiverError:
            reply.close()  # nobody else would
            raise

    def _next(self, reply: Response, bindings: bytes | None) -> str:
        """Give the header that answers a 401."""
        token = _token(reply)
        if token is None:
            raise LoginRefused(
                "the server does not offer to sign in by Kerberos",
                "choose another sign-in (basic, ntlm), or have its administrator switch on Negotiate",
            )
        if token and self._context is not None and not self._context.complete:
            return self._step(token)
        if self._context is not None and bindings == self._bindings:
            raise self._refused("HTTP 401")
        self._asked, self._bindings = True, bindings
        return self._begin(reply.url)

    def _begin(self, url: str) -> str:
        import gssapi  # noqa: PLC0415 -- an extra

        host = urlsplit(url).hostname or ""
        bound = gssapi.raw.ChannelBindings(application_data=self._bindings) if self._bindings else None
        self._check_ticket()
        self._context = _context(host, bound, gssapi.OID.from_int_seq(_SPNEGO))
        try:
            return _header(self._context.step())
        except gssapi.exceptions.GSSError as error:
            raise _failed(_plainly(host, error), host) from error

    def _step(self, token: bytes) -> str:
        import gssapi  # noqa: PLC0415 -- as above

        try:
            return _header(self._context.step(token))
        except gssapi.exceptions.GSSError as error:
            raise self._refused(_words(error)) from error

    def _prove(self, reply: Response) -> None:
        """Check the server's proof. What is no success brings nothing that would need one."""
        import gssapi  # noqa: PLC0415 -- as above

        token = _token(reply)
        if token and self._context is not None and not self._context.complete:
            try:
                self._context.step(token)
            except gssapi.exceptions.GSSError as error:
                raise _unproven(_words(error)) from error
            mutual = gssapi.RequirementFlag.mutual_authentication
            self._proven = bool(self._context.complete and mutual in self._context.actual_flags)
        if not self._proven and reply.ok:
            raise _unproven("no proof came")

    def _check_ticket(self) -> str:
        """Give whose ticket there is. Raises `LoginRefused` where none is, or none that is good any more."""
        import gssapi  # noqa: PLC0415 -- as above

        try:
            found = gssapi.Credentials(usage="initiate", mechs=[gssapi.MechType.kerberos])
            return str(found.name)
        except gssapi.exceptions.GSSError as error:
            raise _failed(error, "") from error

    def _refused(self, said: str) -> ArchiverError:
        return LoginRefused(
            f'the server refuses the ticket of "{self._check_ticket()}": "{said}"',
            "see what it is for: klist; get another one: kinit USER@REALM; else its administrator knows why: the log "
            "of the server tells",
        )


class Trial(Ticket):
    """A ticket for servers of which one may be the right one: each is left in peace that does not take it."""

    def _answered(self, reply: Response, **how: Any) -> Response:
        try:
            return super()._answered(reply, **how)
        except Unreachable:  # no server of Kerberos: the next server would wait for it, too
            raise
        except ArchiverError as error:
            self._check_ticket()
            raise TransportError(error.text) from error


TRIAL = "a trial of Kerberos"
AUTH_TYPE_MAP.update({GSSAPI: Ticket, TRIAL: Trial})  # where exchangelib looks up who signs in


def is_alone(reply: Response) -> bool:
    """Tell whether a server, asked how to sign in, offers Negotiate and nothing else."""
    if "Authorization" in reply.request.headers:
        return False
    offered = [
        one.split()[0].casefold()
        for one in reply.headers.get("WWW-Authenticate", "").split(",")
        if one.strip()
    ]
    return reply.status_code == 401 and set(offered) == {"negotiate"}


def _context(host: str, bound: Any, mechanism: Any) -> Any:
    import gssapi  # noqa: PLC0415 -- an extra

    made = gssapi.SecurityContext(
        usage="initiate",
        name=gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service),
        mech=mechanism,
        flags=[gssapi.RequirementFlag.mutual_authentication],
        channel_bindings=bound,
    )
    made.__DEFER_STEP_ERRORS__ = False  # else a step that fails seems done, and the next look at it fails
    return made


def _plainly(host: str, error: Any) -> Any:
    """Give the error of Kerberos itself where SPNEGO has hidden its number."""
    import gssapi  # noqa: PLC0415 -- as above

    try:
        _context(host, None, gssapi.MechType.kerberos).step()
    except gssapi.exceptions.GSSError as plain:
        return plain
    return error


def _failed(error: Any, host: str) -> ArchiverError:
    """Make the house's error of one that came before anything was sent."""
    import gssapi  # noqa: PLC0415 -- as above

    number, said = _number(error), _words(error)
    if number in _AWAY:
        return Unreachable(
            f'no server of Kerberos can be reached: "{said}"',
            "are you in the network of your company, and does /etc/krb5.conf (KRB5_CONFIG) name its realm",
        )
    if number in _EXPIRED or isinstance(error, gssapi.exceptions.ExpiredCredentialsError):
        return LoginRefused("the ticket of Kerberos has expired", _RENEW)
    if number in _STRANGER:
        return LoginRefused(
            f'Kerberos knows no server of the name "HTTP/{host}"',
            "name the server in url as Kerberos does, by its whole name, not by a number: setspn -Q HTTP/* lists them",
        )
    if number in _SKEWED:
        return LoginRefused(f'Kerberos refuses the time of this machine: "{said}"', "set the clock")
    if isinstance(error, gssapi.exceptions.MissingCredentialsError):
        return LoginRefused(f'there is no ticket of Kerberos: "{said}"', _RENEW)
    return LoginRefused(f'Kerberos gives no ticket for "HTTP/{host}": "{said}"', _RENEW)


def _unproven(why: str) -> ArchiverError:
    return Untrusted(
        f'the server does not prove by Kerberos that it is the one meant: "{why}"',
        "check the url; a proxy on the way must let its header WWW-Authenticate through",
    )


def _number(error: Any) -> int:
    code = int(error.min_code)
    return code - (1 << 32) if code >= 1 << 31 else code


def _words(error: Any) -> str:
    """Give what Kerberos says of an error, without its numbers."""
    told = error.get_all_statuses(error.min_code, False) or error.get_all_statuses(error.maj_code, True)
    return " ".join(" ".join(told).replace('"', "'").split())[:200]


def _header(token: bytes | None) -> str:
    return "Negotiate " + base64.b64encode(token or b"").decode()


def _token(reply: Response) -> bytes | None:
    """Read the server's word: None where it does not speak of it, empty where it only offers."""
    found = _CHALLENGE.search(reply.headers.get("WWW-Authenticate", ""))
    if found is None:
        return None
    try:
        return base64.b64decode(found[1] or "", validate=True)
    except binascii.Error:
        return b"?"  # no token of any kind: told by who steps it


def _again(reply: Response, word: str, how: dict[str, Any]) -> Response:
    """Send a request again, on the same connection, with another word."""
    _ = reply.content  # so that the connection is free
    reply.close()
    request = reply.request.copy()
    request.headers["Authorization"] = word
    connection: Any = reply.connection
    sent: Response = connection.send(request, **how)
    sent.history.append(reply)
    sent.request = request
    return sent


def _bindings(reply: Response) -> bytes | None:
    """Name the certificate of the connection as RFC 5929 does; None where there is no TLS, or no line any more."""
    line = getattr(getattr(reply.raw, "connection", None), "sock", None)
    if not isinstance(line, ssl.SSLSocket):
        return None
    found = line.getpeercert(binary_form=True)
    if found is None:
        return None
    certificate = x509.load_der_x509_certificate(found)
    named = certificate.signature_hash_algorithm
    weak = named is None or isinstance(named, hashes.MD5 | hashes.SHA1)
    digest = hashes.Hash(hashes.SHA256() if weak or named is None else named)
    digest.update(certificate.public_bytes(Encoding.DER))
    return b"tls-server-end-point:" + digest.finalize()
