"""Open a session: greeting, TLS, login, and what is asked of every server right after it."""

import logging
from collections.abc import Callable

from archiver.accounts.imap import quirks, replies
from archiver.accounts.imap.connection import Connection, Server, plain_response
from archiver.accounts.imap.events import Continue, Status
from archiver.accounts.imap.session import Session, astring
from archiver.errors import LoginRefused, Unreachable, Untrusted
from archiver.model import Secret

_log = logging.getLogger(__name__)


def open_session(server: Server, user: str, password: Callable[[], Secret], owner: str) -> Session:
    """Connect, log in and prepare; `owner` says whose mailbox it is.

    Raises `Unreachable`, `Untrusted`, `LoginRefused`, `Forbidden`.
    """
    connection = Connection(server)
    try:
        session = Session(connection, owner)
        greeting = _greeting(session)
        if server.security == "starttls":
            _start_tls(session, server, greeting)
        if greeting.word != "PREAUTH":
            _login(session, user, password())
        _prepare(session)
    except BaseException:
        connection.close()
        raise
    return session


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


def _login(session: Session, user: str, password: Secret) -> None:
    before = session.capabilities
    session.capabilities = before & {"LITERAL+"}  # the rest changes with the login, and is taken from its end
    status = None
    if "AUTH=PLAIN" in before:
        status = _authenticate_plain(session, before, user, password)
    if "LOGINDISABLED" not in before and (status is None or status.word == "BAD"):
        secret = astring(password.reveal().encode())
        status = session.run(b"LOGIN ", astring(user.encode()), b" ", secret, shown=b"LOGIN ***")
    if status is None:
        raise LoginRefused(
            "the server takes no password on this connection",
            "use TLS: port 993, or starttls; if it wants another kind of login, archiver does not know it yet",
        )
    if status.word != "OK":
        raise replies.login_refused(status, user)
    if len(session.capabilities) < 2 or quirks.hides_capabilities(session.capabilities):
        session.run(b"CAPABILITY")


def _authenticate_plain(session: Session, before: frozenset[str], user: str, password: Secret) -> Status:
    """Log in by SASL PLAIN (RFC 4616), in one step where the server has SASL-IR (RFC 4959)."""
    answer = plain_response(user, password.reveal())
    if "SASL-IR" in before:
        return session.run(b"AUTHENTICATE PLAIN " + answer, shown=b"AUTHENTICATE PLAIN ***")
    tag = session.send(b"AUTHENTICATE PLAIN")
    while not isinstance(event := session.event(), Continue):
        if isinstance(event, Status) and event.tag == tag:
            return event
        session.note(event)
    session.connection.send(answer + b"\r\n", shown=b"***")
    return session.finish(tag)


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
