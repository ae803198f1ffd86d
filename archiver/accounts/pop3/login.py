"""Open a POP3 session: greeting, TLS, login. APOP is not used: it needs passwords that servers keep in the clear."""

import base64
import logging
from collections.abc import Callable

from archiver.accounts.connection import Server, plain_response
from archiver.accounts.pop3 import replies
from archiver.accounts.pop3.connection import Connection, Stalled
from archiver.accounts.pop3.session import Session
from archiver.accounts.pop3.wire import Status
from archiver.errors import LoginRefused, Untrusted
from archiver.model import Secret

_log = logging.getLogger(__name__)

_CAPA_S = 10.0
"""How long CAPA may take: there are servers that never answer it (fetchmail FAQ R11)."""


class _Silent(Exception):
    pass


def open_session(server: Server, user: str, password: Callable[[], Secret]) -> Session:
    """Connect and log in. Raises `Unreachable`, `Untrusted`, `LoginRefused`, `Forbidden`.

    A server that does not answer CAPA is left, and taken a second time without that question.
    """
    try:
        return _open(server, user, password, asks=True)
    except _Silent:
        _log.info("the server does not answer CAPA; going on without")
        return _open(server, user, password, asks=False)


def _open(server: Server, user: str, password: Callable[[], Secret], *, asks: bool) -> Session:
    connection = Connection(server)
    try:
        session = Session(connection)
        _greet(session)
        knows = asks and _ask(session)
        if server.security == "starttls":
            _start_tls(session)
            knows = knows and _ask(session)  # what was said in the clear may have been forged
        _login(session, user, password())
        if knows:
            _ask(session)  # other words may hold after the login
    except BaseException:
        connection.close()
        raise
    return session


def _greet(session: Session) -> None:
    greeting = session.status()
    if not greeting.ok:
        raise replies.greeting_refused(greeting)


def _ask(session: Session) -> bool:
    line = session.connection
    line.socket.settimeout(min(_CAPA_S, line.server.timeout_s))
    try:
        return session.ask_capabilities()
    except Stalled as error:
        raise _Silent from error
    finally:
        line.socket.settimeout(line.server.timeout_s)


def _start_tls(session: Session) -> None:
    """Turn to TLS (RFC 2595 section 4), whether CAPA told of it or not; a refusal ends all."""
    server = session.connection.server
    status = session.run(b"STLS")
    if not status.ok:
        raise Untrusted(
            f'"{server.host}:{server.port}" does not start TLS: {replies.words(status)}',
            "use port 995, without starttls, if the server has it",
        )
    session.connection.start_tls()
    session.capabilities = {}


def _login(session: Session, user: str, password: Secret) -> None:
    delay_s = session.login_delay_s
    status = None
    if "PLAIN" in session.capabilities.get("SASL", ()):
        status = _exchange(session, b"AUTH PLAIN", plain_response(user, password.reveal()))
    if status is None:
        status = session.run(b"USER " + _one_line(user), shown=b"USER ***")
        if status.ok:
            status = session.run(b"PASS " + _one_line(password.reveal()), shown=b"PASS ***")
    if not status.ok:
        raise replies.login_refused(status, user, delay_s)


def login_with_token(session: Session, user: str, token: Secret) -> None:
    """Log in by XOAUTH2, in two steps: Microsoft takes no first answer beside the command (getmail 6.19.11).

    Raises `LoginRefused`, `Forbidden`, `Busy`.
    """
    answer = base64.b64encode(f"user={user}\x01auth=Bearer {token.reveal()}\x01\x01".encode())
    status = _exchange(session, b"AUTH XOAUTH2", answer)
    if status is None:
        raise LoginRefused("the server takes no XOAUTH2 login", "use a password, if the provider gives one")
    if not status.ok:
        raise replies.login_refused(status, user, session.login_delay_s)


def _exchange(session: Session, command: bytes, answer: bytes) -> Status | None:
    """Do a SASL exchange of one answer (RFC 5034 section 4); None if the server does not begin it."""
    session.send(command)
    line = session.connection.read_line()
    if not line.startswith(b"+") or line[:3].upper() == b"+OK":
        return None
    session.connection.send(answer + b"\r\n", shown=b"***")
    line = session.connection.read_line()
    if line.startswith(b"+ ") or line == b"+":  # XOAUTH2: an error in JSON, to be taken with an empty answer
        session.connection.send(b"\r\n")
        return session.status()
    return session.parse(line)


def _one_line(text: str) -> bytes:
    if any(letter in text for letter in "\r\n\0"):
        raise LoginRefused("a user or password with a line break cannot be sent", "check where it comes from")
    return text.encode()
