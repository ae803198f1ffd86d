"""What a provider's refusal of a sign-in means, in plain words. Pure.

Error words are those of RFC 6749 section 5.2, RFC 8628 section 3.5 and OpenID Connect Core section 3.1.2.6; AADSTS
numbers those of https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

import re
from collections.abc import Mapping

from archiver.errors import ArchiverError, ConfigInvalid, Forbidden, LoginRefused, Unreachable

AGAIN = "sign in again: archiver account login NAME"


class SignInLost(LoginRefused):
    """The sign-in is of no more use: a person has to sign in again."""


_CLIENT = "see docs/how-to/sign-in-with-oauth.md, and compare with what is registered at the provider"

# AADSTS number -> what is wrong, the remedy, the kind of error
_MICROSOFT: Mapping[str, tuple[str, str, type[ArchiverError]]] = {
    "7000218": (
        "Microsoft wants a client secret for this client",
        'register the address under "Mobile and desktop applications" and allow public client flows; '
        "no secret is needed then",
        ConfigInvalid,
    ),
    "700025": (
        "this client is public and takes no secret",
        "remove client-secret-command or client-secret-file",
        ConfigInvalid,
    ),
    "7000215": ("the client secret is wrong", "give the value of the secret, not its ID", ConfigInvalid),
    "7000222": ("the client secret has expired", "make a new one at the provider", ConfigInvalid),
    "700027": (
        "Microsoft does not know this certificate of the client",
        "upload it to the client, under Certificates & secrets; the old one may have expired",
        ConfigInvalid,
    ),
    "700024": (
        "what the certificate signed is too old or too new",
        "set the clock of this machine right",
        ConfigInvalid,
    ),
    "7000229": (
        "nobody has let this client into the tenant",
        "have an administrator grant it the permissions in this tenant",
        ConfigInvalid,
    ),
    "700016": ("this tenant does not know the client ID", "check client-id and tenant", ConfigInvalid),
    "90002": ("there is no such tenant", "check tenant", ConfigInvalid),
    "900023": ("this is neither the name nor the ID of a tenant", "check tenant", ConfigInvalid),
    "50011": (
        "the address to come back to is not registered",
        'register "http://localhost" under "Mobile and desktop applications"',
        ConfigInvalid,
    ),
    "9002331": (
        "this client is for personal accounts alone",
        'set tenant = "consumers"',
        ConfigInvalid,
    ),
    "65001": (
        "nobody has agreed yet that this client may read the mail",
        f"agree when you are asked; {AGAIN}",
        SignInLost,
    ),
    "90094": (
        "an administrator has to agree first that this client may read mail",
        "ask the administrator of your company to grant consent to the client ID",
        Forbidden,
    ),
    "90095": (
        "an administrator has to agree first that this client may read mail",
        "ask the administrator of your company to grant consent to the client ID",
        Forbidden,
    ),
    "50105": ("the client is not assigned to this user", "ask the administrator of your company", Forbidden),
    "53003": (
        "a rule of the company (Conditional Access) forbids this sign-in",
        "try the other way, --browser or --device, or ask the administrator",
        Forbidden,
    ),
    "53000": (
        "a rule of the company (Conditional Access) lets its own devices sign in alone",
        "try --browser on a device of the company, or ask the administrator",
        Forbidden,
    ),
    "7000112": ("the client is disabled at Microsoft", "enable it there, or register another", ConfigInvalid),
    "50133": ("the password was changed, which ends all sign-ins", AGAIN, SignInLost),
    "700082": ("the sign-in was not used for 90 days and has expired", AGAIN, SignInLost),
    "70043": ("the company lets sign-ins live only so long, and this one is over", AGAIN, SignInLost),
    "50173": ("the password was changed, which ends all sign-ins", AGAIN, SignInLost),
    "50076": ("the company wants a second factor", AGAIN, SignInLost),
    "50079": ("the company wants a second factor", AGAIN, SignInLost),
    "50078": ("the second factor has to be shown again", AGAIN, SignInLost),
    "50057": ("the account is disabled", "ask the administrator of your company", Forbidden),
    "50034": ("there is no such user in this tenant", "check user and tenant", LoginRefused),
}

_DECLINED = (
    "the sign-in was declined",
    f"agree when you are asked, or ask the administrator of your company to; {AGAIN}",
    LoginRefused,
)

_WORDS: Mapping[str, tuple[str, str, type[ArchiverError]]] = {
    "invalid_grant": (
        "the sign-in was revoked or has expired (a new password ends it too)",
        AGAIN,
        SignInLost,
    ),
    "interaction_required": ("the provider wants to see a person", AGAIN, SignInLost),
    "login_required": ("the provider wants to see a person", AGAIN, SignInLost),
    "consent_required": (
        "nobody has agreed yet that this client may read the mail",
        f"agree when you are asked; {AGAIN}",
        SignInLost,
    ),
    "access_denied": _DECLINED,
    "authorization_declined": _DECLINED,  # Microsoft's word for it where a code was given
    "expired_token": ("nobody signed in before the code expired", AGAIN, LoginRefused),
    "invalid_client": ("client ID or client secret is wrong", _CLIENT, ConfigInvalid),
    "deleted_client": ("the client was deleted at the provider", _CLIENT, ConfigInvalid),
    "org_internal": ("the client is for members of another company alone", _CLIENT, ConfigInvalid),
    "unauthorized_client": ("the client may not sign in this way", _CLIENT, ConfigInvalid),
    "redirect_uri_mismatch": (
        "the address to come back to is not registered",
        'make a client of the type "Desktop app" (Google), or register http://127.0.0.1',
        ConfigInvalid,
    ),
    "invalid_scope": (
        "the provider does not give the scopes that were asked for",
        "check scopes; Google gives none for mail by device code",
        ConfigInvalid,
    ),
    "admin_policy_enforced": (
        "a rule of the company forbids this client",
        "ask the administrator of Google Workspace to trust the client ID",
        Forbidden,
    ),
    "unsupported_grant_type": ("the provider has no such way to sign in", "try --browser", ConfigInvalid),
    "server_error": ("the provider has a fault of its own", "try again later", Unreachable),
    "temporarily_unavailable": ("the provider is busy", "try again later", Unreachable),
}


def refused(error: object, description: object, provider: str) -> ArchiverError:
    """Make the error of a provider's refusal, from `error` and `error_description` of its answer."""
    word, said = str(error or "no reason")[:60], str(description or "")
    code = re.search(r"AADSTS(\d+)", said)
    known = (_MICROSOFT.get(code[1]) if code else None) or _WORDS.get(word)
    if word == "invalid_grant" and not code and "rapt" in said.lower():
        known = ("the company wants the sign-in repeated now and then", AGAIN, SignInLost)
    if known is None:
        known = ("the sign-in was refused", f"{AGAIN}; see docs/how-to/sign-in-with-oauth.md", LoginRefused)
    what, remedy, kind = known
    shown = f"AADSTS{code[1]}" if code else re.sub(r"[^\w. -]", "?", word)
    return kind(f'{what} ("{shown}" from {provider})', remedy)
