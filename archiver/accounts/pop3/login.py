"""Open a POP3 session: greeting, TLS, login. APOP is not used: it needs passwords that servers keep in the clear."""

import logging
from collections.abc import Callable

from archiver.accounts import refusals, sasl
from archiver.accounts.connection import Server
from archiver.accounts.link import logged_in
from archiver.accounts.pop3 import replies
from archiver.accounts.pop3.connection import Connection, Stalled
from archiver.accounts.pop3.session import Session
from archiver.accounts.pop3.wire import Status
from archiver.errors import LoginRefused, Unreachable, Untrusted
from archiver.model import AccessToken, Secret

_log = logging.getLogger(__name__)

_CAPA_S = 10.0
"""How long CAPA may take: there are servers that never answer it (fetchmail FAQ R11)."""


class _Silent(Exception):
    pass


def open_session(server: Server, user: str, password: Callable[[], Secret]) -> Session:
    """Connect and log in. Raises `Unreachable`, `Untrusted`, `LoginRefused`, `Forbidden`.

    A server that does not answer CAPA is left, and taken a second time without that question.
    """

    def connect(ask: Callable[[], Secret]) -> Session:
        try:
            return _open(server, user, ask, asks=True)
        except _Silent:
            _log.info("the server does not answer CAPA; going on without")
            return _open(server, user, ask, asks=False)

    return logged_in(password, connect)


def greet(server: Server) -> Connection:
    """Open a line up to the login, in TLS where `server` says so. Raises `Unreachable`, `Untrusted`."""
    connection = Connection(server)
    try:
        session = Session(connection)
        _greet(session)
        if server.security == "starttls":
            _start_tls(session)
    except BaseException:
        connection.close()
        raise
    return connection


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


def _login(session: Session, user: str, secret: Secret) -> None:
    delay_s, server = session.login_delay_s, session.connection.server
    is_token = isinstance(secret, AccessToken)
    offered = session.capabilities.get("SASL", ("XOAUTH2",) if is_token else ())
    guarded = server.security != "plaintext"
    status, told, more = None, "", not is_token
    for mechanism in sasl.mechanisms(offered, user, secret, server.host, server.port):
        status = _authenticate(session, mechanism)
        told = mechanism.told
        if status is not None and status.ok:
            mechanism.check()
            return
        more = sasl.may_follow(mechanism, understood=status is not None, guarded=guarded)
        more = more and (status is None or replies.busy(status, delay_s) is None)
        if not more:
            break
        _log.info("the server offers %s, and does not do it", mechanism.name)
    if more:
        status = session.run(b"USER " + _one_line(user), shown=b"USER ***")
        if status.ok:
            status = session.run(b"PASS " + _one_line(secret.reveal()), shown=b"PASS ***")
    if status is None:
        raise refusals.no_way_in(is_token=is_token)
    if not status.ok:
        raise replies.login_refused(status, user, delay_s, told, host=server.host, is_token=is_token)


def _authenticate(session: Session, mechanism: sasl.Mechanism) -> Status | None:
    """Log in by SASL (RFC 5034 section 4); None if the server does not begin it.

    In two steps: Microsoft takes no first answer beside the command (getmail 6.19.11).
    """
    session.send(b"AUTH " + mechanism.name.encode())
    line = session.connection.read_line()
    if not _is_challenge(line):
        return None
    answer = mechanism.first()
    for _ in range(sasl.ROUNDS):
        session.connection.send(sasl.encode(answer) + b"\r\n", shown=b"***")
        line = session.connection.read_line()
        if not _is_challenge(line):
            return session.parse(line)
        answer = mechanism.answer(sasl.decode(line[1:].decode("ascii", "replace")))
    raise Unreachable(f"the server does not end its side of {mechanism.name}", "try again later")


def _is_challenge(line: bytes) -> bool:
    return line.startswith(b"+") and line[:3].upper() != b"+OK"


def _one_line(text: str) -> bytes:
    if any(letter in text for letter in "\r\n\0"):
        raise LoginRefused("a user or password with a line break cannot be sent", "check where it comes from")
    return text.encode()
