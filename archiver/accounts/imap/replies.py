"""Turn a server's answers into archiver's errors and values: pure."""

from collections import Counter
from collections.abc import Collection

from archiver.accounts import refusals
from archiver.accounts.imap import quirks, uidset
from archiver.accounts.imap.events import Status
from archiver.accounts.link import Busy
from archiver.errors import ArchiverError, FolderRefused, Forbidden, LoginRefused, Unreachable

FORBIDDEN = {"AUTHORIZATIONFAILED", "PRIVACYREQUIRED", "CONTACTADMIN", "NOPERM", "OVERQUOTA", "EXPIRED"}


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


def login_refused(
    status: Status, user: str, told: str = "", *, host: str = "", is_token: bool = False
) -> ArchiverError:
    """Make the error of a refused login; `told` is what came before the NO (RFC 7628 section 3.2.2)."""
    if status.code != "AUTHENTICATIONFAILED":
        later = busy(status)
        if later and status.code not in FORBIDDEN:
            return later
    said = words(status)
    why = refusals.explain(f"{status.code} {status.text} {told}", is_token=is_token)
    if status.code in FORBIDDEN:
        return Forbidden(
            f'the server does not let "{user}" in: {said}', why or "ask the server's administrator"
        )
    return LoginRefused(
        f'the server refused the login of "{user}": {said}',
        why or refusals.usual(user, host, is_token=is_token),
    )


def no_mailbox(status: Status) -> Forbidden | None:
    """Tell whether a server let the user in and has no mailbox behind the login, as an error."""
    if not quirks.is_not_connected(status.text):
        return None
    return Forbidden(
        f"the server has no mailbox for this login: {words(status)}",
        refusals.explain(status.text, is_token=False),
    )


def list_refused(status: Status) -> ArchiverError:
    """Make the error of a refused LIST."""
    return (
        no_mailbox(status)
        or busy(status)
        or Unreachable(f"the server does not list its folders: {words(status)}", "try again later")
    )


def folder_refused(status: Status, name: str) -> ArchiverError:
    """Make the error of a refused EXAMINE."""
    said = words(status)
    closed = no_mailbox(status)
    if closed:
        return closed
    refused = FolderRefused(f'the server does not open the folder "{name}": {said}')
    return refused if quirks.backoff_s(status.text) is None else busy(status) or refused


def copied(status: Status, asked: Collection[int]) -> tuple[int, dict[int, int]] | None:
    """Read COPYUID (RFC 4315 section 3): the target's UIDVALIDITY, and UID there by UID here.

    Only what is sure is told: of the UIDs asked for, each named once, and each with a UID of its own there.
    None where there is no COPYUID or it makes no sense.
    """
    words = status.argument.split()
    if status.code != "COPYUID" or len(words) != 3 or not words[0].isdigit() or len(words[0]) > 19:
        return None
    most = 2 * len(asked) + 1
    try:
        here, there = uidset.in_order(words[1], most), uidset.in_order(words[2], most)
    except uidset.BadSet:
        return None
    uidvalidity = int(words[0])
    if len(here) != len(there) or not uidvalidity:
        return None
    sources, targets = Counter(here), Counter(there)
    sure = {
        source: target
        for source, target in zip(here, there, strict=True)
        if sources[source] == targets[target] == 1 and source in asked
    }
    return uidvalidity, sure
