"""Who gives tokens: the addresses, scopes and habits of Microsoft, of Google, and of any other provider."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from archiver.model import Secret

DAY_S = 86_400
NOTHING: Mapping[str, str] = MappingProxyType({})


class Provider(Struct, frozen=True):
    """Where to sign in and as which program. Scopes are space-separated, as they are sent.

    `idle_s` is how long a refresh token lives that nobody uses, seconds, where the provider says so;
    `redirect_host` is what the browser is sent back to, as the provider wants it spelled.
    """

    name: str
    client_id: str
    token_url: str
    scope: str
    authorize_url: str | None = None
    device_url: str | None = None
    client_secret: Secret | None = None
    asks: Mapping[str, str] = NOTHING
    idle_s: int | None = None
    redirect_host: str = "127.0.0.1"


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
    client_id: str, secret: Secret | None, scope: str | None, what: str, tenant: str, *, program: bool = False
) -> Provider:
    """Microsoft 365 and Outlook.com, for `imap`, `pop3`, `ews` or `graph`, as a person or as a `program`.

    Scopes as in
    https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth

    A refresh token dies after 90 days without use. The address to come back to is registered as
    `http://localhost`, which stands for any port; `127.0.0.1` would not do
    (https://learn.microsoft.com/entra/identity-platform/reply-url).
    """
    base = f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
    usual = _MICROSOFT_PROGRAM[what] if program else f"{_MICROSOFT_SCOPES[what]} offline_access"
    return Provider(
        name="microsoft",
        client_id=client_id,
        token_url=f"{base}/token",
        scope=scope or usual,
        authorize_url=f"{base}/authorize",
        device_url=f"{base}/devicecode",
        client_secret=secret,
        idle_s=90 * DAY_S,
        redirect_host="localhost",
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
