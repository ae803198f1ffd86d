"""Turn a server's refusals into archiver's errors: pure."""

from archiver.accounts.imap import quirks
from archiver.accounts.imap.events import Status
from archiver.accounts.link import Busy
from archiver.errors import ArchiverError, FolderRefused, Forbidden, LoginRefused, Unreachable

_LOGIN_HINT = "check user and password; many providers want an app password here, not that of the account"
_FORBIDDEN = {"AUTHORIZATIONFAILED", "PRIVACYREQUIRED", "CONTACTADMIN", "NOPERM", "OVERQUOTA", "EXPIRED"}


def words(status: Status) -> str:
    """Write a status as text for people: the server's words, quoted, with the code before them."""
    said = " ".join(status.text.split())[:200].rstrip(".")
    return f'"[{status.code}] {said}"' if status.code else f'"{said}"'


def busy(status: Status) -> Busy | None:
    """Tell whether a NO, BAD or BYE means "later", as an error."""
    wait_s = quirks.backoff_s(status.text)
    if wait_s is not None:
        return Busy(f"the server throttles this account for {wait_s:g} s", wait_s)
    if quirks.is_busy(status.code, status.text):
        return Busy(f"the server is busy: {words(status)}")
    return None


def goodbye(status: Status) -> Unreachable:
    """Make the error of a BYE."""
    return busy(status) or Unreachable(f"the server ended the session: {words(status)}", "try again later")


def login_refused(status: Status, user: str) -> ArchiverError:
    """Make the error of a refused login."""
    said = words(status)
    if status.code in _FORBIDDEN:
        return Forbidden(f'the server does not let "{user}" in: {said}', "ask the server's administrator")
    if status.code != "AUTHENTICATIONFAILED":
        later = busy(status)
        if later:
            return later
    return LoginRefused(f'the server refused the login of "{user}": {said}', _LOGIN_HINT)


def folder_refused(status: Status, name: str) -> ArchiverError:
    """Make the error of a refused EXAMINE."""
    said = words(status)
    if quirks.is_not_connected(status.text):
        return Forbidden(
            f"the server has no mailbox for this login: {said}",
            "check the licence of the account and the rights of the login",
        )
    refused = FolderRefused(f'the server does not open the folder "{name}": {said}')
    return refused if quirks.backoff_s(status.text) is None else busy(status) or refused
