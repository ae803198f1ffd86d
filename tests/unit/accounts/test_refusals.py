"""What servers and providers say when they refuse, in their own words, and what a person is told to do."""

import pytest

from archiver.accounts import refusals
from archiver.accounts.imap import replies
from archiver.accounts.imap.events import Status
from archiver.accounts.oauth.refusals import SignInLost, refused
from archiver.errors import ArchiverError, ConfigInvalid, Forbidden, LoginRefused, Unreachable


def told(code: str, text: str, *, is_token: bool) -> ArchiverError:
    return replies.login_refused(Status("a1", "NO", code, b"", text), "ann", is_token=is_token)


@pytest.mark.parametrize(
    ("code", "text", "is_token", "words"),
    [
        (
            "ALERT",
            "Application-specific password required: https://support.google.com",
            False,
            "app password",
        ),
        ("AUTHENTICATIONFAILED", "Invalid credentials (Failure)", False, "app password"),
        ("AUTHENTICATIONFAILED", "Invalid credentials (Failure)", True, "who signed in"),
        ("ALERT", "Your account is not enabled for IMAP use. Please visit", False, "switch IMAP"),
        ("ALERT", "Your account is not enabled for IMAP use. Please visit", True, "switch IMAP"),
        ("", "IMAP access is disabled for your domain.", True, "switch IMAP"),
        ("ALERT", "Please log in via your web browser: https://support.google.com", False, "browser"),
        ("", "LOGIN failed. LogonDenied-BasicAuthBlocked", False, "no passwords any more"),
        ("", "Basic authentication is disabled.", False, "no passwords any more"),
        ("", "AUTHENTICATE failed. AuthFailed: LogonDenied", True, "scopes, or the settings"),
        ("AUTHENTICATIONFAILED", "User is authenticated but not connected.", True, "licence"),
        ("", "Too many login attempts, please try again", False, "wait"),
        ("", "This account has been suspended", False, "closed this account"),
        ("AUTHENTICATIONFAILED", "Authentication failed.", False, "check user and password"),
        ("AUTHENTICATIONFAILED", "Authentication failed.", True, "account login NAME"),
    ],
)
def test_a_refused_login_has_its_remedy(code: str, text: str, is_token: bool, words: str) -> None:
    error = told(code, text, is_token=is_token)
    assert isinstance(error, LoginRefused)
    assert words in str(error.hint)


def test_an_expired_password_is_forbidden_with_its_remedy() -> None:
    error = told("EXPIRED", "that password isn't the right one any more", is_token=False)
    assert isinstance(error, Forbidden)
    assert "expired" in str(error.hint)


@pytest.mark.parametrize(
    ("host", "is_microsofts"),
    [("outlook.office365.com", True), ("imap-mail.outlook.com", True), ("mail.myoutlook.com", False)],
)
def test_microsofts_servers_refuse_every_password_without_a_reason(host: str, is_microsofts: bool) -> None:
    error = replies.login_refused(Status("a1", "NO", "", b"", "LOGIN failed."), "ann", host=host)
    assert ("takes no passwords" in str(error.hint)) == is_microsofts


@pytest.mark.parametrize("is_token", [True, False])
def test_without_a_fitting_mechanism_the_remedy_fits_the_secret(is_token: bool) -> None:
    assert ("OAuth sign-in" in refusals.no_way_in(is_token=is_token).text) == is_token


@pytest.mark.parametrize(
    ("error", "description", "kind", "words"),
    [
        ("invalid_grant", "Token has been expired or revoked.", SignInLost, "revoked or has expired"),
        ("invalid_grant", "AADSTS70043: The refresh token has expired", SignInLost, "only so long"),
        ("invalid_grant", "AADSTS50173: The provided grant has expired", SignInLost, "password was changed"),
        ("invalid_grant", "reauth related error (invalid_rapt)", SignInLost, "repeated"),
        ("invalid_grant", "AADSTS99999999: new", SignInLost, "revoked or has expired"),
        ("unauthorized_client", "AADSTS700016: Application not found", ConfigInvalid, "client ID"),
        ("invalid_client", "AADSTS7000215: Invalid client secret", ConfigInvalid, "secret is wrong"),
        ("invalid_client", "AADSTS7000222: expired", ConfigInvalid, "secret has expired"),
        ("redirect_uri_mismatch", "", ConfigInvalid, "not registered"),
        ("admin_policy_enforced", "", Forbidden, "forbids"),
        ("access_denied", "AADSTS90094: admin consent", Forbidden, "administrator"),
        ("server_error", "", Unreachable, "fault"),
        ("brand_new", "", LoginRefused, "refused"),
        (None, None, LoginRefused, "refused"),
        ({"a": 1}, ["b"], LoginRefused, "refused"),
    ],
)
def test_a_refused_sign_in_is_told_in_plain_words(
    error: object, description: object, kind: type[ArchiverError], words: str
) -> None:
    made = refused(error, description, "microsoft")
    assert type(made) is kind
    assert words in made.text
    assert made.hint


def test_what_a_provider_says_at_length_is_not_repeated() -> None:
    made = refused("invalid_grant\x1b[31m", "refresh-token-0123456789 is not good", "x")
    assert "0123456789" not in f"{made.text}{made.hint}"
    assert "\x1b" not in made.text
