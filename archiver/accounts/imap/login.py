"""Open a session: greeting, TLS, login, and what is asked of every server right after it."""

import logging
from collections.abc import Callable

from archiver.accounts import refusals, sasl
from archiver.accounts.connection import Server
from archiver.accounts.imap import quirks, replies
from archiver.accounts.imap.connection import Connection
from archiver.accounts.imap.events import Continue, Status
from archiver.accounts.imap.session import Session, astring
from archiver.accounts.link import logged_in
from archiver.errors import Unreachable, Untrusted
from archiver.model import AccessToken, Secret

_log = logging.getLogger(__name__)


def open_session(server: Server, user: str, password: Callable[[], Secret], owner: str) -> Session:
    """Connect, log in and prepare; `owner` says whose mailbox it is.

    Raises `Unreachable`, `Untrusted`, `LoginRefused`, `Forbidden`.
    """
    return logged_in(password, lambda ask: _open_session(server, user, ask, owner))


def _open_session(server: Server, user: str, password: Callable[[], Secret], owner: str) -> Session:
    session, greeting = _greeted(server, owner)
    try:
        if greeting.word != "PREAUTH":
            _login(session, server, user, password())
        _prepare(session)
    except BaseException:
        session.connection.close()
        raise
    return session


def greet(server: Server) -> Connection:
    """Open a line up to the login, in TLS where `server` says so. Raises `Unreachable`, `Untrusted`."""
    session, _ = _greeted(server, "")
    return session.connection


def _greeted(server: Server, owner: str) -> tuple[Session, Status]:
    connection = Connection(server)
    try:
        session = Session(connection, owner)
        greeting = _greeting(session)
        if server.security == "starttls":
            _start_tls(session, server, greeting)
    except BaseException:
        connection.close()
        raise
    return session, greeting


def _greeting(session: Session) -> Status:
    greeting = session.event()
    if not isinstance(greeting, Status):
        raise Unreachable("the server does not greet as IMAP servers do", "check host and port")
    session.note(greeting)
    if greeting.word not in ("OK", "PREAUTH"):
        raise replies.goodbye(greeting)
    if not session.capabilities:
        session.run(b"CAPABILITY")
    return greeting


def _start_tls(session: Session, server: Server, greeting: Status) -> None:
    # PREAUTH would leave the session in the clear for good: https://nostarttls.secvuln.info
    if greeting.word == "PREAUTH" or "STARTTLS" not in session.capabilities:
        raise Untrusted(
            f'"{server.host}:{server.port}" does not offer STARTTLS',
            "use port 993, without starttls, if the server has it",
        )
    status = session.run(b"STARTTLS")
    if status.word != "OK":
        raise Untrusted(f'"{server.host}" does not start TLS: {replies.words(status)}')
    session.connection.start_tls()
    session.capabilities = frozenset()  # what was said in the clear may have been forged
    session.run(b"CAPABILITY")


def _login(session: Session, server: Server, user: str, secret: Secret) -> None:
    before = session.capabilities
    session.capabilities = before & {"LITERAL+"}  # the rest changes with the login, and is taken from its end
    offered = {word.removeprefix("AUTH=") for word in before if word.startswith("AUTH=")}
    is_token = isinstance(secret, AccessToken)
    guarded = server.security != "plaintext"
    status, told, more = None, "", not is_token
    for mechanism in sasl.mechanisms(offered, user, secret, server.host, server.port):
        status = _authenticate(session, mechanism, at_once="SASL-IR" in before)
        told, understood = mechanism.told, status.word != "BAD"
        if status.word == "OK":
            mechanism.check()
        more = status.word != "OK" and sasl.may_follow(mechanism, understood=understood, guarded=guarded)
        more = more and replies.busy(status) is None
        if not more:
            break
        _log.info("the server offers %s, and refuses it: %s", mechanism.name, replies.words(status))
    if more and "LOGINDISABLED" not in before:
        password = astring(secret.reveal().encode())
        status = session.run(b"LOGIN ", astring(user.encode()), b" ", password, shown=b"LOGIN ***")
    if status is None:
        raise refusals.no_way_in(is_token=is_token)
    if status.word != "OK":
        raise replies.login_refused(status, user, told, host=server.host, is_token=is_token)
    if len(session.capabilities) < 2 or quirks.hides_capabilities(session.capabilities):
        session.run(b"CAPABILITY")


def _authenticate(session: Session, mechanism: sasl.Mechanism, *, at_once: bool) -> Status:
    """Log in by SASL (RFC 9051 section 6.2.2), with the first message in one step where there is SASL-IR (RFC 4959)."""
    name = b"AUTHENTICATE " + mechanism.name.encode()
    first: bytes | None = mechanism.first()
    if at_once:
        tag = session.send(name + b" " + (sasl.encode(first or b"") or b"="), shown=name + b" ***")
        first = None
    else:
        tag = session.send(name)
    rounds = 0
    while rounds <= sasl.ROUNDS:
        event = session.event()
        if isinstance(event, Continue):
            rounds += 1
            answer = mechanism.answer(sasl.decode(event.text)) if first is None else first
            first = None
            session.connection.send(sasl.encode(answer) + b"\r\n", shown=b"***")
        elif isinstance(event, Status) and event.tag == tag:
            session.note(event)
            return event
        else:
            session.note(event)
    raise Unreachable(f"the server does not end its side of {mechanism.name}", "try again later")


def _prepare(session: Session) -> None:
    """Say who is calling and switch on what reading needs; a server that refuses is served without."""
    can = session.capabilities
    if "ID" in can:
        session.identify()
    wanted = []
    if "QRESYNC" in can and not quirks.distrusts_qresync(can):
        wanted.append(b"QRESYNC")
    elif "CONDSTORE" in can:
        wanted.append(b"CONDSTORE")
    if "UTF8=ACCEPT" in can:  # without it a server may rewrite internationalised messages (RFC 6858)
        wanted.append(b"UTF8=ACCEPT")
    if "ENABLE" in can and wanted:
        status = session.run(b"ENABLE " + b" ".join(wanted))
        if status.word != "OK":
            _log.debug("the server refuses what it offers: %s", replies.words(status))
