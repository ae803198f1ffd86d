"""archiver account login: a person signs in once, and runs need nobody after that."""

import base64
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import mail, write_account
from tests.command_line import CommandLine
from tests.require import require
from tests.servers.authority import CLIENT_ID, Authority
from tests.servers.dovecot import Dovecot
from tests.terminal import Terminal

USER = "ann"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority(user=USER) as running:
        yield running


@contextmanager
def mail_server_of(authority: Authority) -> Iterator[Dovecot]:
    """Run a mail server that asks `authority` about tokens; it holds one message."""
    require("dovecot")
    introspection = f"{authority.url}/introspect?token="
    with Dovecot([USER], mechanisms="plain xoauth2", introspection=introspection) as running:
        running.deliver(USER, mail("one"))
        yield running


@pytest.fixture
def mail_server(authority: Authority) -> Iterator[Dovecot]:
    with mail_server_of(authority) as running:
        yield running


@pytest.fixture
def home(home: CommandLine, authority: Authority, mail_server: Dovecot) -> CommandLine:
    """A home whose account "ann" signs in by OAuth."""
    write_oauth_account(home, mail_server, authority)
    home.environment["BROWSER"] = browser(home.home, authority)
    return home


def write_oauth_account(home: CommandLine, mail_server: Dovecot, authority: Authority) -> None:
    """Write account "ann" into the configuration, which signs in by OAuth."""
    with home.config.open("a") as file:
        file.write(
            f'\n[account.ann]\narchive = "mail"\nkind = "imap"\nhost = "localhost"\n'
            f'port = {mail_server.imaps}\nuser = "{USER}"\nca-file = "{mail_server.ca_file}"\n'
            f'\n[account.ann.oauth]\nprovider = "generic"\nclient-id = "{CLIENT_ID}"\nscopes = ["mail"]\n'
            f'authorize-url = "{authority.url}/authorize"\ndevice-url = "{authority.url}/device"\n'
            f'token-url = "{authority.url}/token"\n'
        )


def browser(folder: Path, authority: Authority) -> str:
    """Make a program that visits an address as a browser does, and follows where it is sent."""
    path = folder / "browser"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.servers.authority import visit\n"
        f"print(visit(sys.argv[1], {authority.ca_file and str(authority.ca_file)!r}),"
        f" file=open({str(folder / 'visited')!r}, 'a'))\n"
    )
    path.chmod(0o755)
    return f"{path} %s"


def sign_in(home: CommandLine, **environment: Any) -> None:
    done = home.typed("account", "login", "ann", "-q", **environment)
    assert done.exit == 0, done.err


def secrets_of(authority: Authority) -> list[str]:
    return [*authority.access, *authority.refresh, *authority.spent]


def test_a_code_signs_in_and_the_runs_need_nobody(home: CommandLine, authority: Authority) -> None:
    authority.pending = 1
    done = home.typed("account", "login", "ann")
    assert done.exit == 0, done.err
    assert f"{authority.url}/activate" in done.err
    assert "WDJB-MJHT" in done.err
    assert "1 folder" in done.err
    assert home.typed("pull", "-q").exit == 0
    assert home("list", "ann", "--json").document["messages"][0]["subject"] == "one"


def test_a_browser_signs_in(home: CommandLine, authority: Authority) -> None:
    done = home.typed("account", "login", "ann", "--browser")
    assert done.exit == 0, done.err
    assert (home.home / "visited").read_text() == "200\n"
    assert f"{authority.url}/authorize?" in done.err  # for who has no browser that can be opened
    assert home.typed("pull", "-q").exit == 0


def test_a_person_at_a_terminal_signs_in(home: CommandLine, authority: Authority) -> None:
    terminal = Terminal(home, "account", "login", "ann")
    terminal.until("WDJB-MJHT")
    terminal.until("signed in to account")
    assert terminal.end() == 0, terminal.shown


@pytest.mark.parametrize("way", ["--device", "--browser"])
def test_ctrl_c_while_waiting_ends_it_and_leaves_the_old_sign_in(
    home: CommandLine, authority: Authority, way: str
) -> None:
    sign_in(home)
    authority.pending = 1 << 30
    terminal = Terminal(home, "account", "login", "ann", way, BROWSER="true %s")
    terminal.until("waiting ...")
    time.sleep(0.5)
    terminal.type("\x03")
    assert terminal.end() == 130, terminal.shown
    assert "Traceback" not in terminal.shown
    assert home.typed("account", "test", "ann").exit == 0


def test_a_run_that_is_killed_while_it_renews_loses_nothing_and_holds_nobody_up(
    home: CommandLine, authority: Authority
) -> None:
    authority.rotates = False
    sign_in(home)
    authority.held_up = threading.Event()
    killed = home.start("account", "test", "ann")
    try:
        assert authority.reached.wait(20)
    finally:
        killed.kill()
        killed.communicate()
        authority.held_up.set()
    done = home.typed("account", "test", "ann")
    assert done.exit == 0, done.err


def test_an_access_token_that_was_ended_early_is_renewed_within_the_run(
    home: CommandLine, authority: Authority
) -> None:
    sign_in(home)
    authority.access.clear()
    done = home.typed("pull", "-q")
    assert (done.exit, done.err) == (0, "")


def test_a_program_is_told_in_json(home: CommandLine, authority: Authority) -> None:
    done = home.typed("account", "login", "ann", "--json")
    assert [line["type"] for line in done.lines] == ["sign-in", "signed-in", "account-tested"]
    assert done.lines[0]["code"] == "WDJB-MJHT"
    assert done.lines[1]["kept"] == "sealed"
    done = home.typed("account", "login", "ann", "--json", "--browser")
    assert done.lines[0]["url"].startswith(f"{authority.url}/authorize?")
    assert done.lines[0]["code"] is None


def tokens_shown(home: CommandLine, authority: Authority) -> list[object]:
    """Sign in and pull, and give the tokens that anything said or kept shows, and the files that do."""
    authority.lives_s = 0
    said = ""
    for words in (["account", "login", "ann"], ["account", "test", "ann"], ["pull"], ["status"]):
        done = home.typed(*words, "-vv")
        assert done.exit == 0, done.err
        said += done.text + done.err
    secrets = secrets_of(authority)
    assert len(secrets) > 4
    encoded = [base64.b64encode(f"user={USER}\1auth=Bearer {one}\1\1".encode()).decode() for one in secrets]
    files = [path for path in home.home.rglob("*") if path.is_file()]
    holding = [path for path in files for one in secrets if one.encode() in path.read_bytes()]
    return [*(one for one in (*secrets, *encoded) if one in said), *holding]


def test_no_output_log_or_file_shows_a_token(home: CommandLine, authority: Authority) -> None:
    assert tokens_shown(home, authority) == []


def test_the_keyring_keeps_it_where_there_is_one(home: CommandLine, authority: Authority) -> None:
    pytest.importorskip("keyring")
    ring: dict[str, Any] = {"PYTHON_KEYRING_BACKEND": "tests.servers.keyring.FileKeyring"}
    sign_in(home, **ring)
    assert "archiver-sign-in ann" in (home.home / "keyring.json").read_text()
    assert home.typed("pull", "-q", **ring).exit == 0
    assert home.typed("account", "remove", "ann", **ring).exit == 0
    assert (home.home / "keyring.json").read_text() == "{}"


def test_an_account_that_is_removed_leaves_no_sign_in(home: CommandLine, authority: Authority) -> None:
    sign_in(home)
    assert home("account", "remove", "ann").exit == 0
    kept = home.home / "state" / "archiver" / "sign-in"
    assert [path.suffix for path in kept.iterdir()] == [".lock"]


# --- what is refused -----------------------------------------------------------------------------------


def test_a_pull_before_the_sign_in_says_what_to_do(home: CommandLine) -> None:
    done = home.typed("pull", "--json")
    assert done.exit == 14
    assert done.error["hint"] == "archiver account login ann"


def test_an_account_with_a_password_has_nothing_to_sign_in_to(
    home: CommandLine, mail_server: Dovecot
) -> None:
    write_account(home, mail_server, "bob", USER)
    done = home("account", "login", "bob")
    assert done.exit == 2
    assert "needs no sign-in" in done.err


def test_a_person_who_declines_ends_it_without_a_change(home: CommandLine, authority: Authority) -> None:
    authority.refuses = {"device_code": ("access_denied", "no")}
    done = home("account", "login", "ann", "--json")
    assert done.exit == 21
    assert "declined" in done.error["message"]
    assert home("status", "--json").document["sign_ins"][0]["standing"] == "none"


def test_the_wrong_person_is_told_of_by_the_test(home: CommandLine, authority: Authority) -> None:
    authority.user = "eve"
    done = home("account", "login", "ann")
    assert done.exit == 21
    assert f'was it "{USER}" who signed in?' in done.err


@pytest.mark.parametrize(
    ("refusal", "exit_code", "words"),
    [
        (("invalid_grant", "Token has been expired or revoked."), 21, "revoked or has expired"),
        (("invalid_grant", "AADSTS700082: expired due to inactivity"), 21, "90 days"),
        (("invalid_grant", "AADSTS65001: not consented"), 21, "agreed"),
        (("interaction_required", "AADSTS50076: mfa"), 21, "second factor"),
        (("invalid_client", "AADSTS7000218: need secret"), 14, "client secret"),
        (("invalid_client", "Unauthorized"), 14, "client ID or client secret is wrong"),
        (("access_denied", "AADSTS53003: policy"), 22, "Conditional Access"),
        (("temporarily_unavailable", ""), 20, "busy"),
    ],
)
def test_test_tells_in_plain_words_why_a_sign_in_is_refused(
    home: CommandLine, authority: Authority, refusal: tuple[str, str], exit_code: int, words: str
) -> None:
    assert home("account", "login", "ann", "-q").exit == 0
    authority.refuses = {"refresh_token": refusal}
    done = home("account", "test", "ann", "--json")
    assert done.exit == exit_code
    assert words in done.error["message"]
    assert "NAME" not in done.error["hint"]


# --- what is told before it is too late ----------------------------------------------------------------


def test_status_tells_how_the_sign_in_stands(home: CommandLine, authority: Authority) -> None:
    (found,) = home("status", "--json").document["sign_ins"]
    assert found == {"account": "ann", "standing": "none", "until": None, "idle": False, "reason": None}
    assert "archiver account login ann" in home("status").err
    assert home("account", "login", "ann", "-q").exit == 0
    assert home("status", "--json").document["sign_ins"][0]["standing"] == "good"
    assert "warning" not in home("status").err


def test_status_and_pull_warn_before_a_sign_in_dies(home: CommandLine, authority: Authority) -> None:
    authority.refresh_lives_s = 7 * 86_400
    assert home("account", "login", "ann", "-q").exit == 0
    assert home("status").err.count("warning") == 0
    sign_in_earlier(home, days=5)
    status = home("status")
    assert status.exit == 0
    assert 'warning: the sign-in of account "ann" dies on' in status.err
    assert "archiver account login ann" in status.err
    (found,) = home("status", "ann", "--json").document["sign_ins"]
    assert (found["standing"], found["idle"]) == ("soon", False)
    authority.rotates = False
    authority.refresh_lives_s = None
    pulled = home("pull", "-q")
    assert pulled.exit == 0
    assert "dies on" in pulled.err


@pytest.mark.parametrize("lives_s", [0, 3600])
def test_status_tells_of_a_sign_in_that_was_refused(
    home: CommandLine, authority: Authority, lives_s: int
) -> None:
    authority.lives_s = lives_s  # a token that was to live for an hour is refused by the mail server first
    assert home("account", "login", "ann", "-q").exit == 0
    authority.revoke()
    assert home("pull", "-q").exit == 21
    status = home("status")
    assert status.exit == 0
    assert "is lost" in status.err
    assert "revoked" in status.err
    assert home("status", "--json").document["sign_ins"][0]["standing"] == "lost"


def test_doctor_tells_how_a_sign_in_stands(home: CommandLine, authority: Authority) -> None:
    def told() -> tuple[int, list[str]]:
        done = home("doctor", "ann", "--json")
        checks = {check["name"]: check["state"] for check in done.lines[0]["checks"]}
        return done.exit, [checks.get("sign-in", ""), checks.get("login", "")]

    assert told() == (14, ["fail", ""])
    sign_in(home)
    assert told() == (0, ["ok", "ok"])
    authority.revoke()
    assert told() == (21, ["ok", "fail"]), "the provider tells it now"
    assert told() == (21, ["fail", ""]), "and it is known from then on"


def sign_in_earlier(home: CommandLine, days: int) -> None:
    """Move all times of the note into the past."""
    (path,) = (home.home / "state" / "archiver" / "sign-in").glob("*.json")
    note = json.loads(path.read_text())
    for key in ("at", "used", "until"):
        note[key] = (datetime.fromisoformat(note[key]) - timedelta(days=days)).isoformat()
    path.write_text(json.dumps(note))


# --- setting it up -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "host", "more"),
    [
        ("microsoft", "outlook.office365.com", ["--tenant", "example.org"]),
        ("google", "imap.gmail.com", ["--client-secret-command", "pass show client"]),
    ],
)
def test_an_account_is_added_with_a_provider_and_a_client_of_ones_own(
    home: CommandLine, provider: str, host: str, more: list[str]
) -> None:
    words = f"account add work --oauth {provider} --client-id an-id --user ann@example.org"
    done = home(*words.split(), *more)
    assert done.exit == 0, done.err
    assert "next: archiver account login work" in done.err
    assert f'oauth = {{provider = "{provider}", client-id = "an-id"' in home.config.read_text()
    assert [a["host"] for a in home("account", "list", "--json").document["accounts"]] == ["localhost", host]
    if provider == "google":
        done = home("account", "login", "work", "--device")
        assert done.exit == 14  # the command of its secret
        home.config.write_text(home.config.read_text().replace("pass show client", "echo secret"))
        done = home("account", "login", "work", "--device")
        assert done.exit == 2
        assert "Google gives no access to mail by device code" in done.err
    assert home("account", "remove", "work").exit == 0
    assert "work" not in home.config.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--oauth microsoft", "archiver has no client of its own"),
        ("--client-id x", "--client-id goes with --oauth"),
        ("--oauth google --client-id x --tenant y", "oauth.tenant"),
        ("--oauth microsoft --client-id x --authority http://a", "oauth.authority"),
        ("--oauth google --client-id x --password-keyring", "keep one of them"),
    ],
)
def test_what_does_not_fit_together_is_refused(home: CommandLine, words: str, told: str) -> None:
    before = home.config.read_text()
    done = home(*f"account add work --imap localhost --user ann {words}".split())
    assert done.exit in (2, 14)
    assert told in done.err
    assert home.config.read_text() == before
