"""What a refused login means, and what to do about it: servers' words in, plain words out. Pure; for IMAP and POP3."""

import re

from archiver.errors import LoginRefused

# What servers say, and the remedy; the first that matches wins. For both kinds of login unless it says otherwise.
_BOTH = (
    # imapsync FAQ.Exchange and #411, email-oauth2-proxy#74 and #275: Microsoft says so for a wrong password too
    (
        r"authenticated but not connected",
        "Microsoft knows the user and opens no mailbox: check the password, or who signed in; that user is the address "
        "of the mailbox itself, no alias; that it has a licence, and IMAP switched on",
    ),
    # https://support.google.com/mail/answer/7126229
    (
        r"(imap|pop3?)( access)? (is |has been )?(disabled|not enabled|turned off)"
        r"|not enabled for (imap|pop)|enable (imap|pop)",
        "switch IMAP (or POP) on in the settings of the account, on the provider's web site; in a company its "
        "administrator may have to",
    ),
    (
        r"web ?browser|webalert|unusual activity|sign-in attempt was blocked",
        "the provider wants to see you: log in once with a browser, answer what it asks, and try again",
    ),
    (
        r"too many (failed )?(login|logon|authentication)|temporarily (blocked|locked)|try again later",
        "wait before you try again; each try may make the wait longer",
    ),
    (
        r"\b(account|user|mailbox)\b.{0,20}\b(locked|suspended|disabled|blocked)\b|UserDisabled",
        "the provider has closed this account for now: log in with a browser to see why",
    ),
)
_PASSWORD = (
    # https://support.google.com/accounts/answer/185833
    (
        r"application-specific password|app(lication)?[- ](specific )?password",
        "make an app password in the security settings of the account and give archiver that one (Google: "
        "https://myaccount.google.com/apppasswords), or sign in by OAuth: docs/how-to/sign-in-with-oauth.md",
    ),
    # https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/deprecation-of-basic-authentication-exchange-online
    (
        r"basic ?auth(entication)?( is)? ?(blocked|disabled)|LogonDenied-BasicAuth|basic authentication",
        "this provider takes no passwords any more: sign in by OAuth, see docs/how-to/sign-in-with-oauth.md",
    ),
    (r"\bEXPIRED\b|password (has |is )?expired", "the password has expired: set a new one at the provider"),
    (
        r"Invalid credentials \(Failure\)",
        "Gmail takes no password of the account here: make an app password at "
        "https://myaccount.google.com/apppasswords, or sign in by OAuth: docs/how-to/sign-in-with-oauth.md",
    ),
)
_TOKEN = (
    (
        r"insufficient.?(scope|permission)|\bscope\b|PrivacyRequired",
        "the sign-in was not granted access to mail: sign in again and agree to all that is asked; the scopes are in "
        "docs/how-to/sign-in-with-oauth.md",
    ),
    (
        r"AuthFailed|LogonFailed|Session ?invalid",
        "the provider knows the sign-in and does not let it in by IMAP or POP: the scopes, or the settings of the "
        "mailbox; see docs/how-to/sign-in-with-oauth.md",
    ),
)
# https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/deprecation-of-basic-authentication-exchange-online
_TAKES_NO_PASSWORD = re.compile(r"(^|\.)(office365|outlook|hotmail|live)\.com$", re.IGNORECASE)


def explain(said: str, *, is_token: bool) -> str | None:
    """Tell the remedy for what a server said when it refused a login; None if its words tell no more than that."""
    rules: tuple[tuple[str, str], ...] = (*(_TOKEN if is_token else _PASSWORD), *_BOTH)
    return next((remedy for pattern, remedy in rules if re.search(pattern, said, re.IGNORECASE)), None)


def usual(user: str, host: str, *, is_token: bool) -> str:
    """Tell the remedy for a refusal that gives no reason."""
    if is_token:
        return (
            f'was it "{user}" who signed in? It must be the main address, no alias; to see more: '
            "archiver account test NAME; to sign in again: archiver account login NAME"
        )
    if _TAKES_NO_PASSWORD.search(host):
        return "Microsoft takes no passwords here any more: sign in by OAuth, see docs/how-to/sign-in-with-oauth.md"
    return "check user and password; many providers want an app password here, not that of the account"


def no_way_in(*, is_token: bool) -> LoginRefused:
    """Make the error for a server that offers no login which fits."""
    if is_token:
        return LoginRefused(
            "the server takes no OAuth sign-in on this connection: it offers neither XOAUTH2 nor OAUTHBEARER",
            "check host and port; if they are right, this server wants a password: remove oauth from the account",
        )
    return LoginRefused(
        "the server takes no password on this connection",
        "use TLS: port 993, or starttls; if the provider wants OAuth, see docs/how-to/sign-in-with-oauth.md",
    )
