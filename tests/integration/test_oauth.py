"""The flows of OAuth against an authorization server that checks what the RFCs have it check, and against Microsoft's.

What is Microsoft's alone is in `test_oauth_microsoft`.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from archiver.accounts import oauth
from archiver.accounts.oauth.browser import Loopback
from archiver.errors import ArchiverError, ConfigInvalid, Forbidden, LoginRefused, Unreachable, UsageError
from archiver.model import Secret
from tests.servers.authority import TENANT, Authority, provider

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(params=["generic", "microsoft"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Authority]:
    with Authority(tls=tmp_path if request.param == "microsoft" else None) as running:
        yield running


@pytest.fixture
def plain() -> Iterator[Authority]:
    """One that is not Microsoft's."""
    with Authority() as running:
        yield running


def clock() -> datetime:
    return NOW


def browse(authority: Authority, show: Callable[[str], object] | None = None) -> oauth.Granted:
    def shown(url: str) -> None:
        (show or authority.visit)(url)

    return oauth.sign_in_by_browser(provider(authority), "ann", shown, clock, 20)


def void(_: object) -> None:
    return None


def device(authority: Authority, waited: list[float]) -> oauth.Granted:
    code = oauth.begin_device(provider(authority), NOW)
    return oauth.finish_device(provider(authority), code, clock, waited.append)


# --- browser -------------------------------------------------------------------------------------------


def test_a_browser_brings_tokens(authority: Authority) -> None:
    authority.client_secret = "s3cret"
    authority.refresh_lives_s = 604_800
    granted = browse(authority)
    assert authority.access[granted.access.reveal()] == "ann"
    assert authority.refresh[granted.refresh.reveal()] == "ann"
    assert granted.access_until == NOW + timedelta(hours=1)
    assert granted.refresh_until == NOW + timedelta(days=7)
    (asked,) = authority.forms("/authorize")
    assert {"mail", "offline_access"} <= set(asked["scope"].split())
    assert asked["login_hint"] == "ann"
    assert urlsplit(asked["redirect_uri"]).hostname == ("localhost" if authority.tls else "127.0.0.1")


def test_what_the_browser_sees_holds_neither_secret_nor_verifier(authority: Authority) -> None:
    authority.client_secret = "s3cret"
    shown: list[str] = []

    def show(url: str) -> None:
        shown.append(url)
        authority.visit(url)

    browse(authority, show)
    (form,) = authority.forms("/token")
    assert "s3cret" not in shown[0]
    assert form["code_verifier"] not in shown[0]
    assert len(form["code_verifier"]) >= 43  # RFC 7636 section 4.1


def test_a_visit_without_the_state_is_turned_away_and_the_true_one_still_counts(authority: Authority) -> None:
    turned: list[int] = []

    def show(url: str) -> None:
        back = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        for query in ("", "?code=forged", "?code=forged&state=guess", "?state=guess&error=access_denied"):
            turned.append(authority.visit(f"{back}/{query}"))
        state = parse_qs(urlsplit(url).query)["state"][0]
        turned.append(authority.visit(f"{back}/?state={state}"))
        turned.append(authority.visit(f"{back}/?code=a&code=b&state={state}"))
        authority.visit(url)

    assert browse(authority, show).access.reveal() in authority.access
    assert turned == [404] * 6


def test_a_line_that_says_nothing_holds_nobody_up(authority: Authority) -> None:
    def show(url: str) -> None:
        port = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).port
        idle.append(socket.create_connection(("127.0.0.1", port)))
        authority.visit(url)

    idle: list[socket.socket] = []
    try:
        assert browse(authority, show).access.reveal() in authority.access
    finally:
        idle[0].close()


def test_the_loopback_listens_on_this_machine_alone() -> None:
    with Loopback("state") as loopback:
        assert loopback._server.server_address[0] == "127.0.0.1"


def test_nobody_who_comes_back_is_told(authority: Authority) -> None:
    with pytest.raises(LoginRefused, match="no browser came back"):
        oauth.sign_in_by_browser(provider(authority), "ann", void, clock, 0.05)


def test_a_person_who_declines_is_no_sign_in(authority: Authority) -> None:
    authority.refuses = {"authorize": ("access_denied", "The user denied it")}
    with pytest.raises(LoginRefused, match="declined"):
        browse(authority)
    assert authority.forms("/token") == []


def test_another_code_than_that_of_the_verifier_is_refused(authority: Authority) -> None:
    def show(
        url: str,
    ) -> None:  # somebody begins a sign-in of their own, and sends us its code (RFC 7636 section 1)
        parts = parse_qs(urlsplit(url).query)
        authority.visit(url.replace(parts["code_challenge"][0], "A" * 43))

    with pytest.raises(oauth.SignInLost):
        browse(authority, show)


# --- device --------------------------------------------------------------------------------------------


def test_a_code_brings_tokens_at_the_pace_that_the_provider_wants(authority: Authority) -> None:
    authority.pending, authority.slow = 3, True
    waited: list[float] = []
    granted = device(authority, waited)
    assert granted.access.reveal() in authority.access
    assert waited == [1, 6, 6, 6, 6]  # slow_down adds five seconds for good (RFC 8628 section 3.5)


def test_a_code_that_nobody_used_ends(authority: Authority) -> None:
    authority.pending = 1 << 30
    at = [NOW]

    def pause(seconds: float) -> None:
        at[0] += timedelta(seconds=seconds * 100)

    code = oauth.begin_device(provider(authority), NOW)
    with pytest.raises(LoginRefused, match="expired"):
        oauth.finish_device(provider(authority), code, lambda: at[0], pause)


def test_a_provider_that_is_away_for_a_moment_ends_no_waiting(authority: Authority) -> None:
    authority.broken, authority.status = b"gone", 503
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            authority.broken, authority.status = None, 400

    code = oauth.begin_device(provider(authority), NOW)
    granted = oauth.finish_device(provider(authority), code, clock, pause)
    assert granted.access.reveal() in authority.access
    assert waited == [1, 2, 4]


@pytest.mark.parametrize(
    ("error", "description", "kind", "words"),
    [
        ("access_denied", "", LoginRefused, "declined"),
        ("authorization_declined", "", LoginRefused, "declined"),
        ("expired_token", "", LoginRefused, "before the code expired"),
        ("invalid_client", "AADSTS7000218: The request body must contain", ConfigInvalid, "client secret"),
        ("invalid_grant", "AADSTS65001: consent", oauth.SignInLost, "agreed"),
        ("interaction_required", "AADSTS53003: blocked", Forbidden, "Conditional Access"),
        ("something_new", "who knows", LoginRefused, "refused"),
    ],
)
def test_a_refusal_ends_the_waiting_in_plain_words(
    authority: Authority, error: str, description: str, kind: type[ArchiverError], words: str
) -> None:
    authority.refuses = {"device_code": (error, description)}
    with pytest.raises(kind, match=words) as told:
        device(authority, [])
    assert told.value.hint
    assert description not in told.value.text or not description


def test_google_has_no_code_for_mail() -> None:
    with pytest.raises(UsageError, match="Google") as told:
        oauth.begin_device(oauth.google("id", None, None), NOW)
    assert told.value.hint == "use --browser"


# --- renewing ------------------------------------------------------------------------------------------


def test_a_refresh_token_is_traded_for_a_new_one(authority: Authority) -> None:
    old = Secret(authority.grant()["refresh_token"])
    granted = oauth.refreshed(provider(authority), old, NOW)
    assert granted.access.reveal() in authority.access
    assert granted.refresh.reveal() != old.reveal()
    with pytest.raises(oauth.SignInLost, match="revoked or has expired"):
        oauth.refreshed(provider(authority), old, NOW)


def test_a_provider_that_sends_no_new_refresh_token_means_the_old_one(authority: Authority) -> None:
    authority.rotates = False
    old = Secret(authority.grant()["refresh_token"])
    assert oauth.refreshed(provider(authority), old, NOW).refresh is old


def test_a_sign_in_without_a_refresh_token_is_refused(authority: Authority) -> None:
    authority.broken, authority.status = b'{"access_token": "a", "expires_in": 60}', 200
    with pytest.raises(LoginRefused, match="no refresh token"):
        browse(authority)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>log in to the hotel</html>"),
        (200, b"[]"),
        (200, b'{"token_type": "Bearer"}'),
        (200, b'{"access_token": ""}'),
        (200, b'{"access_token": {"a": 1}}'),
        (200, '{"access_token": "é"}'.encode()),
        (200, b'{"access_token": "a\\u0001auth=Bearer b"}'),
        (503, b"busy"),
        (500, b'{"error": "server_error"}'),
        (429, b"{}"),
        (307, b""),
    ],
)
def test_an_answer_that_is_none_is_no_refusal_and_never_shown(
    authority: Authority, status: int, body: bytes
) -> None:
    authority.broken, authority.status = body, status
    with pytest.raises(Unreachable) as told:
        oauth.refreshed(provider(authority), Secret("old"), NOW)
    assert "hotel" not in told.value.text
    assert "auth=Bearer" not in told.value.text


@pytest.mark.parametrize("told", ["3600", 3600, None, -5, True, "soon", 1e300, [1]])
def test_the_life_of_a_token_is_read_with_patience(authority: Authority, told: object) -> None:
    answer = {"access_token": "a", "refresh_token": "r", "expires_in": told, "refresh_token_expires_in": told}
    authority.broken, authority.status = json.dumps(answer).encode(), 200
    granted = oauth.refreshed(provider(authority), Secret("old"), NOW)
    assert NOW < granted.access_until <= NOW + timedelta(days=3660)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_is_sent_goes_nowhere_else(plain: Authority, status: int) -> None:
    redirecting = _Redirecting(status, f"{plain.url}/token")
    with redirecting, pytest.raises(ArchiverError):
        oauth.refreshed(replace(provider(plain), token_url=redirecting.url), Secret("old"), NOW)
    assert plain.seen == []


def test_a_provider_that_is_not_there_is_unreachable(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = provider(authority)
    if found.authority:
        found = replace(found, authority=f"https://localhost:{port}/{TENANT}")
    else:
        found = replace(found, token_url=f"http://127.0.0.1:{port}/")
    with pytest.raises(Unreachable, match="cannot be reached"):
        oauth.refreshed(found, Secret("o"), NOW)


def test_a_wrong_client_secret_is_a_matter_of_the_configuration(authority: Authority) -> None:
    wrong = provider(authority)
    authority.client_secret = "another"
    with pytest.raises(ConfigInvalid, match="client secret is wrong"):
        oauth.refreshed(wrong, Secret("old"), NOW)


class _Redirecting:
    """A server that sends every visitor on."""

    def __init__(self, status: int, where: str) -> None:
        self._answer = (
            f"HTTP/1.1 {status} Elsewhere\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/token"

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client:
            client.recv(65536)
            client.sendall(self._answer)
