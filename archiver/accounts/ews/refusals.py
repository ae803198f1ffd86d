"""What errors of Exchange, and of the way to it, mean: exchangelib's exceptions in, the house's out."""

from collections.abc import Callable
from typing import Any

from exchangelib import errors as ews
from requests.exceptions import RequestException

from archiver.accounts import failures
from archiver.accounts.link import Busy
from archiver.errors import ArchiverError, ConfigInvalid, Forbidden, LoginRefused, Unreachable

_TEXT_LIMIT = 200

DISABLED = (
    "EWS is disabled for this tenant or app: use the graph backend, or have the administrator run "
    "Set-OrganizationConfig -EwsEnabled $true -EwsAllowedAppIDs APP-ID (Exchange Online takes it until 2027-03-31)"
)
_PASSING = (
    ews.ErrorTimeoutExpired,
    ews.ErrorInternalServerTransientError,
    ews.ErrorInternalServerError,
    ews.ErrorExceededConnectionCount,
    ews.ErrorTooManyObjectsOpened,
    ews.ErrorMailboxMoveInProgress,
    ews.ErrorMailboxStoreUnavailable,
    ews.ErrorConnectionFailed,
    ews.ErrorServerBusy,
)
_STOPPING = (
    ews.ErrorServerBusy,
    ews.ErrorMailboxMoveInProgress,
    ews.ErrorMailboxStoreUnavailable,
    ews.ErrorConnectionFailed,
    ews.ErrorExceededConnectionCount,
)
_SHUT = (
    ews.ErrorAccessDenied,
    ews.ErrorFolderNotFound,
    ews.ErrorItemNotFound,
    ews.ErrorNonExistentMailbox,
    ews.ErrorMissingInformationEmailAddress,
    ews.ErrorImpersonateUserDenied,
    ews.ErrorQuotaExceeded,
)


class Disabled(ews.TransportError):  # type: ignore[misc]
    """The server answered 403."""


class Incomprehensible(ews.TransportError):  # type: ignore[misc]
    """The server answered with something that is no reply of Exchange."""


class Nowhere(ews.TransportError):  # type: ignore[misc]
    """The server has nothing at this address."""


_OWN = (Disabled, Incomprehensible, Nowhere, ews.UnauthorizedError)  # raised by archiver, in its own words


def is_passing(error: Exception) -> bool:
    """Tell whether what an item or a request met is likely to pass by itself."""
    return isinstance(error, _PASSING)


def stops_all(error: Exception) -> bool:
    """Tell whether what one item met is about all of them."""
    return isinstance(error, _STOPPING)


def words(error: Exception) -> str:
    """Give the server's words, short, without line ends; never any content of a mailbox."""
    if isinstance(error, ews.MalformedResponseError | ews.SOAPError | ews.RateLimitError):
        return type(error).__name__
    text = " ".join(str(error).split())[:_TEXT_LIMIT].rstrip(".")
    name = type(error).__name__
    if isinstance(error, _OWN) or name in text:
        return text
    return f"{name}: {text}" if text else name


def translate(error: Exception, mailbox: str) -> ArchiverError:
    """Make the house's error of one that exchangelib raised."""
    said = words(error)
    if isinstance(error, ews.ErrorServerBusy):
        return Busy(f'the server is busy: "{said}"', _seconds(error.back_off))
    found = failures.of_request(error)
    if found is not None:
        return found
    for kinds, make in _MEANINGS:
        if isinstance(error, kinds):
            return make(said, mailbox)
    return Unreachable(
        f'Exchange Web Services failed: "{said}"', "try again later; if it stays so, check the url"
    )


_MEANINGS: tuple[tuple[Any, Callable[[str, str], ArchiverError]], ...] = (
    (
        Disabled,
        lambda said, mailbox: Forbidden(
            f'the server forbids Exchange Web Services for "{mailbox}": HTTP 403', DISABLED
        ),
    ),
    (
        Nowhere,
        lambda said, mailbox: Unreachable(
            f"the server has no Exchange Web Services at this address: {said}",
            "check the url: it ends in /EWS/Exchange.asmx as a rule",
        ),
    ),
    (
        ews.UnauthorizedError,
        lambda said, mailbox: LoginRefused(
            f'the server refuses the login: "{said}"',
            "check user and password, and how one signs in there (sign-in); for Exchange Online sign in by OAuth: "
            "docs/how-to/sign-in-with-oauth.md",
        ),
    ),
    (
        ews.ErrorMailboxMoveInProgress,
        lambda said, mailbox: Unreachable(
            "the mailbox is being moved to another server", "try again when the move is done"
        ),
    ),
    (
        (ews.ErrorInvalidServerVersion, ews.ErrorInvalidSchemaVersionForMailboxVersion),
        lambda said, mailbox: ConfigInvalid(
            f'the server speaks no version of EWS that archiver knows: "{said}"', "check the url"
        ),
    ),
    (
        _SHUT,
        lambda said, mailbox: Forbidden(
            f'the server does not open the mailbox "{mailbox}": "{said}"',
            "check the address (mailbox), and whether this user may open it",
        ),
    ),
    (
        ews.RedirectError,
        lambda said, mailbox: Unreachable(
            "the server sends archiver to another address", "check the url of the account"
        ),
    ),
)


def _seconds(back_off: Any) -> float | None:
    """Read how long the server asks to wait; exchangelib puts 0 where it asks for nothing."""
    return float(back_off) if back_off else None


KNOWN = (ews.EWSError, RequestException)
"""What exchangelib raises for what came over the line."""
