"""What is Microsoft's alone: an authority that tells its addresses over TLS, and programs with a certificate."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from msgspec.structs import replace

from archiver.accounts import oauth
from archiver.errors import ConfigInvalid, Forbidden, LoginRefused, Unreachable, Untrusted, UsageError
from archiver.model import Secret
from tests.servers.authority import TENANT, Authority, provider
from tests.servers.certificate import certificate_of, key_of, make_certificate

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DISCOVERY = f"/{TENANT}/v2.0/.well-known/openid-configuration"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with Authority(tls=tmp_path) as running:
        yield running


def refresh(authority: Authority, where: oauth.Provider | None = None) -> oauth.Granted:
    old = Secret(authority.grant()["refresh_token"])
    return oauth.refreshed(where or provider(authority), old, NOW)


def browse(authority: Authority) -> oauth.Granted:
    def show(url: str) -> None:
        authority.visit(url)

    return oauth.sign_in_by_browser(provider(authority), "ann", show, lambda: NOW, 20)


# --- where it asks -------------------------------------------------------------------------------------


def test_it_asks_the_authority_for_its_addresses_and_nobody_else(authority: Authority) -> None:
    refresh(authority)
    assert [path for path, _ in authority.seen] == [DISCOVERY, "/token"]


def test_a_tenant_that_is_not_there_is_told(authority: Authority) -> None:
    elsewhere = replace(provider(authority), authority=f"{authority.microsoft}/contoso.example")
    with pytest.raises(ConfigInvalid, match="no such tenant") as told:
        refresh(authority, elsewhere)
    assert told.value.hint == "check tenant"


def test_ad_fs_is_an_authority_too(authority: Authority) -> None:
    own = replace(provider(authority), authority=f"{authority.microsoft}/adfs")
    assert refresh(authority, own).access.reveal() in authority.access
    assert authority.seen[0][0] == "/adfs/.well-known/openid-configuration"


def test_a_server_that_is_no_authority_is_told(authority: Authority) -> None:
    elsewhere = replace(provider(authority), authority=f"{authority.microsoft}/{TENANT}/more")
    with pytest.raises(Unreachable, match=r"no addresses \(HTTP 404\)") as told:
        refresh(authority, elsewhere)
    assert told.value.hint == "check authority and tenant"


def test_an_authority_that_is_none_is_told(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "discover", lambda: {"issuer": "x"})
    with pytest.raises(Unreachable, match="not one to a sign-in") as told:
        refresh(authority)
    assert "check authority and tenant" in str(told.value.hint)


@pytest.mark.parametrize("name", ["token", "authorization", "device_authorization"])
def test_an_address_without_tls_is_asked_and_shown_to_nobody(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    named = authority.discover()
    named[f"{name}_endpoint"] = named[f"{name}_endpoint"].replace(authority.microsoft, authority.url)
    monkeypatch.setattr(authority, "discover", lambda: named)
    with pytest.raises(Unreachable, match="without TLS"):
        browse(authority)
    assert len(authority.seen) == 1


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    make_certificate(other, tmp_path / "other.key")
    for ca_file, hint in ((None, "SSL_CERT_FILE"), (str(other), "ca-file")):
        with pytest.raises(Untrusted, match="not trusted") as told:
            refresh(authority, replace(provider(authority), ca_file=ca_file))
        assert hint in str(told.value.hint)
    assert authority.seen == []


def test_a_file_without_certificates_is_told(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no certificates can be read"):
        refresh(authority, replace(provider(authority), ca_file=str(tmp_path / "none.pem")))


def test_the_environment_leads_to_no_other_place(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, key: rsa.RSAPrivateKey
) -> None:
    monkeypatch.setenv("MSAL_FORCE_REGION", "westeurope")
    authority.certificate = certificate_of(key)
    assert oauth.as_program(provider(authority), key_of(key) + authority.certificate, NOW)


def test_an_account_without_msal_is_told_what_to_install(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    with pytest.raises(ConfigInvalid, match="not installed: msal") as told:
        refresh(authority)
    assert told.value.hint == "install it: pip install 'archiver[microsoft]'"


# --- what it asks for ----------------------------------------------------------------------------------


def test_what_is_asked_for_at_every_sign_in_may_stand_in_the_scopes_and_need_not(
    authority: Authority,
) -> None:
    for scope in ("mail", "mail offline_access openid profile"):
        refresh(authority, replace(provider(authority), scope=scope))
    asked = [set(form["scope"].split()) for form in authority.forms("/token")]
    assert asked == [{"mail", "offline_access", "openid", "profile"}] * 2


def test_what_a_server_wants_of_a_token_is_asked_for_with_it(
    authority: Authority, key: rsa.RSAPrivateKey
) -> None:
    authority.certificate = certificate_of(key)
    claims = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
    old = Secret(authority.grant()["refresh_token"])
    for wanted in (claims, None):
        old = oauth.refreshed(provider(authority), old, NOW, wanted).refresh
        oauth.as_program(provider(authority), key_of(key) + authority.certificate, NOW, wanted)
    sent = [json.loads(form["claims"]) if "claims" in form else None for form in authority.forms("/token")]
    assert sent == [json.loads(claims)] * 2 + [None] * 2


def test_a_client_with_a_secret_signs_in_by_browser_and_by_no_code(authority: Authority) -> None:
    authority.client_secret = "s3cret"
    with pytest.raises(UsageError, match="no code to a client with a secret") as told:
        oauth.begin_device(provider(authority), NOW)
    assert told.value.hint == "use --browser"
    assert authority.seen == []
    granted = browse(authority)
    assert oauth.refreshed(provider(authority), granted.refresh, NOW).access.reveal() in authority.access


def test_an_authority_without_codes_leads_to_the_browser(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = authority.discover()
    del named["device_authorization_endpoint"]
    monkeypatch.setattr(authority, "discover", lambda: named)
    with pytest.raises(UsageError, match="gives no codes"):
        oauth.begin_device(provider(authority), NOW)
    assert browse(authority).access.reveal() in authority.access


def test_a_person_who_may_not_have_a_code_is_told_before_there_is_one(authority: Authority) -> None:
    authority.refuses = {"device": ("access_denied", "AADSTS53003: blocked by Conditional Access")}
    with pytest.raises(Forbidden, match="Conditional Access") as told:
        oauth.begin_device(provider(authority), NOW)
    assert "--browser" in str(told.value.hint)


def test_an_answer_to_another_sign_in_is_refused(authority: Authority) -> None:
    authority.nonce = "of another"
    with pytest.raises(Unreachable, match="not one to a sign-in"):
        browse(authority)


@pytest.mark.parametrize("harm", ["a.b.c", "x", 5, {"a": 1}])
def test_a_word_about_the_person_that_cannot_be_read_is_no_crash(authority: Authority, harm: object) -> None:
    told = {"access_token": "a", "refresh_token": "r", "expires_in": 60, "id_token": harm}
    authority.broken, authority.status = json.dumps(told).encode(), 200
    with pytest.raises(Unreachable, match="not one to a sign-in"):
        oauth.refreshed(provider(authority), Secret("old"), NOW)


@pytest.mark.parametrize(
    ("error", "description", "kind", "words"),
    [
        ("invalid_grant", "AADSTS700082: expired", oauth.SignInLost, "90 days"),
        ("invalid_grant", "AADSTS50173: password", oauth.SignInLost, "password was changed"),
        ("invalid_grant", "AADSTS50133: session", oauth.SignInLost, "password was changed"),
        ("invalid_grant", "AADSTS53000: device", Forbidden, "its own devices"),
        ("unauthorized_client", "AADSTS7000112: disabled", ConfigInvalid, "disabled"),
        ("invalid_grant", "AADSTS65001: consent", oauth.SignInLost, "agreed"),
        ("interaction_required", "AADSTS50076: mfa", oauth.SignInLost, "second factor"),
        ("invalid_grant", "AADSTS53003: policy", Forbidden, "Conditional Access"),
        ("unauthorized_client", "AADSTS700016: application", ConfigInvalid, "client ID"),
        ("invalid_client", "AADSTS7000215: secret", ConfigInvalid, "client secret is wrong"),
        ("invalid_grant", "AADSTS50034: user", LoginRefused, "no such user"),
    ],
)
def test_a_refusal_is_told_in_plain_words_and_asked_for_once(
    authority: Authority, error: str, description: str, kind: type[Exception], words: str
) -> None:
    authority.refuses = {"refresh_token": (error, description)}
    with pytest.raises(kind, match=words):
        refresh(authority)
    assert len(authority.forms("/token")) == 1


def test_msal_logs_nothing_of_what_is_sent_or_comes(
    authority: Authority, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    granted = browse(authority)
    code = oauth.begin_device(provider(authority), NOW)
    oauth.finish_device(provider(authority), code, lambda: NOW, lambda _: None)
    oauth.refreshed(provider(authority), granted.refresh, NOW)
    authority.broken, authority.status = b'{"access_token": "cut', 200
    with pytest.raises(Unreachable):
        oauth.refreshed(provider(authority), granted.refresh, NOW)
    sent = [value for _, form in authority.seen for name, value in form.items() if name in _SECRET]
    secrets = [*sent, *authority.access, *authority.refresh, "cut"]
    assert len(sent) > 5
    assert [one for one in secrets if one in caplog.text] == []
    assert [record.name for record in caplog.records if record.name.startswith("msal")] == []
    assert capsys.readouterr() == ("", "")


_SECRET = ("code", "code_verifier", "device_code", "refresh_token", "nonce", "state")


# --- a program that signs in as itself -------------------------------------------------------------------


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def test_a_program_signs_in_by_its_certificate_without_anybody(
    authority: Authority, key: rsa.RSAPrivateKey
) -> None:
    authority.certificate = certificate_of(key)
    token, until = oauth.as_program(provider(authority), key_of(key) + authority.certificate, NOW)
    assert authority.introspect(token.reveal())["active"]
    assert until == NOW + timedelta(hours=1)
    (form,) = authority.forms("/token")
    assert (form["grant_type"], form["scope"]) == ("client_credentials", "mail")


def test_a_program_with_another_certificate_is_refused(authority: Authority, key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(65537, 2048)
    authority.certificate = certificate_of(other)
    with pytest.raises(ConfigInvalid, match="does not know this certificate") as told:
        oauth.as_program(provider(authority), certificate_of(key) + key_of(key), NOW)
    assert "upload it" in str(told.value.hint)
    assert [path for path, _ in authority.seen] == [DISCOVERY, "/token"]


def test_what_is_no_certificate_with_its_key_is_told_before_anything_is_sent(
    authority: Authority, key: rsa.RSAPrivateKey
) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    other = rsa.generate_private_key(65537, 2048)
    for pem in (
        b"",
        b"x",
        certificate_of(key),
        key_of(key),
        certificate_of(curve) + key_of(curve),
        certificate_of(key) + key_of(other),
        certificate_of(key) + key_of(key, b"pw"),
    ):
        with pytest.raises(ConfigInvalid, match="certificate to sign in with"):
            oauth.as_program(provider(authority), pem, NOW)
    assert authority.seen == []
