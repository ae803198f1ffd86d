"""Turn a POP3 server's refusals into archiver's errors: pure. Codes: RFC 2449 section 8, RFC 3206."""

from archiver.accounts import refusals
from archiver.accounts.link import Busy
from archiver.accounts.pop3 import quirks
from archiver.accounts.pop3.wire import Status
from archiver.errors import ArchiverError, FolderRefused, Forbidden, LoginRefused, Unreachable


def words(status: Status) -> str:
    """Write a refusal as text for people: the server's words, quoted, with the code before them."""
    said = " ".join(status.text.split())[:200].rstrip(".")
    return f'"[{status.code}] {said}"' if status.code else f'"{said}"'


def busy(status: Status, delay_s: float | None = None) -> Busy | None:
    """Tell whether a refusal means "later", as an error; `delay_s` is what the server wants between logins."""
    if status.code == "LOGIN-DELAY":
        return Busy(f"the server wants more time between two logins: {words(status)}", delay_s)
    if status.code == "IN-USE":
        return Busy(f"another program has the mailbox open: {words(status)}")
    if status.code == "SYS/TEMP" or (not status.code and quirks.is_busy(status.text)):
        return Busy(f"the server is busy: {words(status)}")
    return None


def greeting_refused(status: Status) -> Unreachable:
    """Make the error of a greeting that is none."""
    return busy(status) or Unreachable(f"the server does not serve now: {words(status)}", "try again later")


def login_refused(
    status: Status,
    user: str,
    delay_s: float | None = None,
    told: str = "",
    *,
    host: str = "",
    is_token: bool = False,
) -> ArchiverError:
    """Make the error of a refused login; `told` is what came before it (RFC 7628 section 3.2.2)."""
    why = refusals.explain(f"{status.code} {status.text} {told}", is_token=is_token)
    if status.code == "SYS/PERM":
        return Forbidden(
            f'the server does not let "{user}" in: {words(status)}', why or "ask the server's administrator"
        )
    later = busy(status, delay_s)
    if later:
        return later
    usual = refusals.usual(user, host, is_token=is_token)
    return LoginRefused(
        f'the server refused the login of "{user}": {words(status)}',
        why or f"{usual}; and POP3 must be switched on at the provider",
    )


def listing_refused(status: Status) -> ArchiverError:
    """Make the error of a mailbox that is not listed."""
    return busy(status) or FolderRefused(f'the server does not list the folder "INBOX": {words(status)}')
