"""Who gives tokens: the addresses, scopes and habits of Microsoft, of Google, and of any other provider."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from archiver.model import Secret

DAY_S = 86_400
NOTHING: Mapping[str, str] = MappingProxyType({})


class Provider(Struct, frozen=True):
    """Where to sign in and as which program. Scopes are space-separated, as they are sent.

    `authority` is Microsoft's alone, which tells its own addresses; it is trusted by `ca_file` (PEM), without one by
    the certificates of the system. `idle_s` is how long a refresh token lives that nobody uses, seconds, where the
    provider says so.
    """

    name: str
    client_id: str
    scope: str
    token_url: str = ""
    authority: str | None = None
    ca_file: str | None = None
    authorize_url: str | None = None
    device_url: str | None = None
    client_secret: Secret | None = None
    asks: Mapping[str, str] = NOTHING
    idle_s: int | None = None


PUBLIC_CLOUD = "https://login.microsoftonline.com"
"""Where Microsoft's sign-in is, but for national clouds and servers of one's own."""

_GRAPH = "https://graph.microsoft.com/"
_GRAPH_RIGHTS = (  # to read alone: who restores or prunes sets scopes
    "Mail.Read",
    "Calendars.Read",
    "Contacts.Read",
    "Tasks.Read",
    "MailboxItem.Export",  # each item's full-fidelity export; with the next an administrator has to agree
    "User.Read.All",
)
_MICROSOFT_SCOPES = {
    "imap": "https://outlook.office.com/IMAP.AccessAsUser.All",
    "pop3": "https://outlook.office.com/POP.AccessAsUser.All",
    "ews": "https://outlook.office365.com/EWS.AccessAsUser.All",
    "graph": " ".join(_GRAPH + right for right in _GRAPH_RIGHTS),
}
_MICROSOFT_PROGRAM = {"ews": "https://outlook.office365.com/.default", "graph": f"{_GRAPH}.default"}
"""What a program that signs in as itself asks for: all that the tenant has granted it."""


def microsoft(
    client_id: str,
    secret: Secret | None,
    scope: str | None,
    what: str,
    authority: str,
    *,
    ca_file: str | None = None,
    program: bool = False,
) -> Provider:
    """Microsoft 365 and Outlook.com, for `imap`, `pop3`, `ews` or `graph`, as a person or as a `program`.

    `authority` ends in the tenant. Scopes as in
    https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth

    A refresh token dies after 90 days without use.
    """
    usual = _MICROSOFT_PROGRAM[what] if program else _MICROSOFT_SCOPES[what]
    return Provider(
        name="microsoft",
        client_id=client_id,
        scope=scope or usual,
        authority=authority,
        ca_file=ca_file,
        client_secret=secret,
        idle_s=90 * DAY_S,
    )


def google(client_id: str, secret: Secret | None, scope: str | None) -> Provider:
    """Gmail: https://developers.google.com/identity/protocols/oauth2/native-app

    Google's device flow has no scope for mail, so there is none here. A refresh token comes only with
    `access_type=offline`, again only with `prompt=consent`, and dies after six months without use.
    """
    return Provider(
        name="google",
        client_id=client_id,
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 -- an address
        scope=scope or "https://mail.google.com/",
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        client_secret=secret,
        asks=MappingProxyType({"access_type": "offline", "prompt": "consent"}),
        idle_s=182 * DAY_S,
    )


def generic(client_id: str, secret: Secret | None, scope: str, urls: Mapping[str, str | None]) -> Provider:
    """Any other; `urls` has `token`, and `authorize` or `device` or both."""
    return Provider(
        name="generic",
        client_id=client_id,
        token_url=urls["token"] or "",
        scope=scope,
        authorize_url=urls["authorize"],
        device_url=urls["device"],
        client_secret=secret,
    )
