"""`[account.NAME.oauth]`: each provider has its keys, and no secret stands in the file."""

from pathlib import Path

import pytest

from archiver import config
from archiver.config import OAuthSettings
from archiver.errors import ConfigInvalid

HERE = Path("/etc/archiver/config.toml")
ACCOUNT = """
[archive.home]
path = "/backup/mail"
[account.work]
archive = "home"
kind = "imap"
host = "imap.example.org"
user = "ann"
"""


def parse(table: str) -> OAuthSettings:
    found = config.parse(f"{ACCOUNT}\n[account.work.oauth]\n{table}".encode(), HERE).account("work").oauth
    assert found is not None
    return found


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        config.parse(f"{ACCOUNT}\n{text}".encode(), HERE)
    return caught.value.text.split("\n  ")[1:]


def table_problems(table: str) -> list[str]:
    return [each.removeprefix("account.work.oauth.") for each in problems(f"[account.work.oauth]\n{table}")]


def test_microsoft_needs_a_client_and_may_have_a_tenant() -> None:
    assert parse('provider = "microsoft"\nclient-id = "id"') == OAuthSettings("microsoft", "id")
    made = parse('provider = "microsoft"\nclient-id = "id"\ntenant = "contoso.example"\nstore = "sealed"')
    assert (made.tenant, made.store) == ("contoso.example", "sealed")


@pytest.mark.parametrize("url", ["https://login.microsoftonline.us", "https://fs.example.org:444/"])
def test_microsoft_may_be_signed_in_to_elsewhere(url: str) -> None:
    made = parse(f'provider = "microsoft"\nclient-id = "id"\nauthority = "{url}"')
    assert made.authority == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://login.microsoftonline.us",
        "http://localhost",
        "https://login.microsoftonline.us/contoso.example",
        "https://login.microsoftonline.us?x=1",
        "https://ann:pw@login.microsoftonline.us",
        "https://",
        "https://exämple.org",
        "login.microsoftonline.us",
    ],
)
def test_an_authority_is_a_host_alone(url: str) -> None:
    (found,) = table_problems(f'provider = "microsoft"\nclient-id = "x"\nauthority = "{url}"')
    assert found.startswith('authority: must be "https://" and a host')


def test_google_has_a_secret_from_a_command_or_a_file() -> None:
    made = parse('provider = "google"\nclient-id = "id"\nclient-secret-command = "pass show x"')
    assert made.client_secret_command == "pass show x"
    made = parse('provider = "google"\nclient-id = "id"\nclient-secret-file = "secret"')
    assert made.client_secret_file == Path("/etc/archiver/secret")


def test_a_generic_provider_has_addresses_and_scopes() -> None:
    made = parse(
        'provider = "generic"\nclient-id = "id"\nscopes = ["mail", "offline_access"]\n'
        'authorize-url = "https://login.example.org/authorize?x=1"\ntoken-url = "http://127.0.0.1:8080/token"'
    )
    assert made.scopes == ("mail", "offline_access")
    assert made.authorize_url == "https://login.example.org/authorize?x=1"
    assert made.token_url == "http://127.0.0.1:8080/token"


def test_it_may_stand_in_one_line() -> None:
    text = f'{ACCOUNT}oauth = {{provider = "google", client-id = "id"}}\n'
    assert config.parse(text.encode(), HERE).account("work").oauth == OAuthSettings("google", "id")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('client-id = "x"', "provider: missing"),
        ('provider = "microsoft"', "client-id: missing"),
        ('provider = "gogle"\nclient-id = "x"', 'did you mean "google"?'),
        (
            'provider = "google"\nclient-id = "x"\nclient-secret = "hunter2"',
            "client-secret: a secret does not",
        ),
        ('provider = "google"\nclient-id = "x"\ntenant = "y"', "tenant: is Microsoft's"),
        ('provider = "google"\nclient-id = "x"\nauthority = "https://a"', "authority: is Microsoft's"),
        ('provider = "microsoft"\nclient-id = "x"\ntenant = "a/b"', "tenant: must be"),
        ('provider = "google"\nclient-id = "x"\ntoken-url = "https://a"', "token-url: archiver knows"),
        ('provider = "google"\nclient-id = "x"\nscopes = ["a b"]', "scopes: a scope has no spaces"),
        ('provider = "google"\nclient-id = "x"\nstore = "clear"', "store: must be one of"),
        (
            'provider = "google"\nclient-id = "x"\nclientid = "x"',
            'clientid: unknown key, did you mean "client-id"?',
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key(table: str, told: str) -> None:
    found = table_problems(table)
    assert any(told in each for each in found), found
    assert "hunter2" not in str(found)


def test_a_generic_provider_without_its_keys_is_told_of_all() -> None:
    found = table_problems('provider = "generic"\nclient-id = "x"')
    assert [each.partition(":")[0] for each in found] == ["token-url", "scopes", "authorize-url"]


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org/token",
        "ftp://login.example.org/",
        "https://",
        "https://ann:pw@example.org/",
        "https://example.org/#x",
        "https://exämple.org/",
        "https://[::1/",
        "file:///etc/passwd",
        "login.example.org",
        "https://a b/",
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    table = f'provider = "generic"\nclient-id = "x"\nscopes = ["m"]\ndevice-url = "https://a"\ntoken-url = "{url}"'
    (found,) = table_problems(table)
    assert found.startswith("token-url: must be an address")


def test_a_word_in_its_place_is_told_what_it_must_be() -> None:
    (found,) = problems('oauth = "microsoft"')
    assert found.startswith("account.work.oauth: must be a table, such as {provider")


def test_a_password_beside_it_is_one_too_many() -> None:
    found = problems('password-keyring = true\noauth = {provider = "google", client-id = "x"}')
    assert found == ['account.work.oauth: "password-keyring" and "oauth" are set; keep one of them']
