"""Sign-ins are kept sealed or in the keyring, renewed by one run at a time, and never lost to a crash of ours."""

import errno
import json
import logging
import stat
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from archiver import tokens
from archiver.accounts.oauth import DeviceCode, SignInLost
from archiver.archive.machine import Machine
from archiver.config import AccountSettings, OAuthSettings
from archiver.errors import ConfigInvalid, Locked, StoreFailed, Unreachable
from archiver.plan.sign_in import SignIn, Standing, outlook
from tests.servers.authority import CLIENT_ID, TENANT, Authority


class Keyring(ModuleType):
    """A keyring in memory, in the place of the package."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, user: str) -> str | None:
        return self.kept.get((service, user))

    def set_password(self, service: str, user: str, value: str) -> None:
        self.kept[service, user] = value

    def delete_password(self, service: str, user: str) -> None:
        del self.kept[service, user]


@pytest.fixture(params=["generic", "microsoft"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Authority]:
    with Authority(tls=tmp_path if request.param == "microsoft" else None) as running:
        yield running


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that writes to the archive "mail", and has no keyring."""
    monkeypatch.setenv("ARCHIVER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setitem(sys.modules, "keyring", None)
    state = tmp_path / "state"
    Machine(state / "names").name_archive("mail", "0" * 32)
    Machine(state / ("0" * 32)).make_writer()
    return state


@pytest.fixture
def keyring(state: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    made = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", made)
    return made


@pytest.fixture
def account(authority: Authority, state: Path) -> AccountSettings:
    if authority.tls:
        oauth = OAuthSettings("microsoft", CLIENT_ID, tenant=TENANT, authority=authority.microsoft)
        return AccountSettings(
            "ann", "mail", "imap", "localhost", "ann", ca_file=authority.ca_file, oauth=oauth
        )
    oauth = OAuthSettings(
        "generic",
        CLIENT_ID,
        scopes=("mail",),
        device_url=f"{authority.url}/device",
        token_url=f"{authority.url}/token",
    )
    return AccountSettings("ann", "mail", "imap", "localhost", "ann", oauth=oauth)


def sign_in(account: AccountSettings) -> SignIn:
    def code(told: DeviceCode) -> None:
        assert told.user_code == "WDJB-MJHT"

    return tokens.sign_in(account, "device", tokens.Show(lambda url: None, code))


def sealed(state: Path) -> bytes:
    return (state / "sign-in" / "ann.age").read_bytes()


def age_by(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let time pass."""
    at = datetime.now(UTC) + timedelta(days=days)
    monkeypatch.setattr(tokens, "now", lambda: at)


def renewals(authority: Authority) -> int:
    return sum(form["grant_type"] == "refresh_token" for form in authority.forms("/token"))


# --- keeping -------------------------------------------------------------------------------------------


def test_without_a_keyring_it_is_sealed_and_nothing_on_the_disk_shows_it(
    account: AccountSettings, authority: Authority, state: Path
) -> None:
    assert sign_in(account).kept == "sealed"
    assert tokens.access_token(account).reveal() in authority.access
    for path in (state / "sign-in").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for secret in (*authority.access, *authority.refresh):
            assert secret.encode() not in path.read_bytes()
    assert sealed(state).startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")


def test_where_there_is_a_keyring_it_holds_it_and_no_file_does(
    account: AccountSettings, authority: Authority, state: Path, keyring: Keyring
) -> None:
    assert sign_in(account).kept == "keyring"
    assert not (state / "sign-in" / "ann.age").exists()
    assert tokens.access_token(account).reveal() in authority.access
    assert next(iter(authority.refresh)) in keyring.kept["archiver-sign-in", "ann"]


def test_a_store_that_is_asked_for_is_used_or_refused_before_anybody_signs_in(
    account: AccountSettings, authority: Authority, state: Path, keyring: Keyring
) -> None:
    assert account.oauth
    asked = replace(account, oauth=replace(account.oauth, store="sealed"))
    assert sign_in(asked).kept == "sealed"
    assert keyring.kept == {}
    (state / ("0" * 32) / "writer.key").unlink()
    authority.seen.clear()
    with pytest.raises(ConfigInvalid, match="no writer key"):
        sign_in(asked)
    assert authority.seen == []


def test_what_was_kept_elsewhere_before_is_forgotten(
    account: AccountSettings, state: Path, keyring: Keyring
) -> None:
    assert account.oauth
    sign_in(replace(account, oauth=replace(account.oauth, store="sealed")))
    sign_in(account)
    assert not (state / "sign-in" / "ann.age").exists()
    sign_in(replace(account, oauth=replace(account.oauth, store="sealed")))
    assert keyring.kept == {}
    assert (state / "sign-in" / "ann.age").exists()


@pytest.mark.parametrize("with_keyring", [True, False])
def test_forgetting_leaves_nothing(
    account: AccountSettings, state: Path, with_keyring: bool, request: pytest.FixtureRequest
) -> None:
    ring = request.getfixturevalue("keyring") if with_keyring else None
    sign_in(account)
    assert tokens.forget("ann")
    assert not tokens.forget("ann")
    assert [path.suffix for path in (state / "sign-in").iterdir()] == [".lock"]
    assert ring is None or ring.kept == {}
    with pytest.raises(ConfigInvalid, match="nobody has signed in"):
        tokens.access_token(account)


def test_another_user_client_or_provider_is_another_sign_in(
    account: AccountSettings, authority: Authority
) -> None:
    assert account.oauth
    sign_in(account)
    for other in (
        replace(account, user="eve"),
        replace(account, oauth=replace(account.oauth, client_id="another")),
        replace(account, oauth=replace(account.oauth, token_url="https://another.example/token")),
        replace(account, oauth=replace(account.oauth, scopes=("mail", "more"))),
    ):
        assert tokens.look(other) is None
        with pytest.raises(ConfigInvalid, match="nobody has signed in") as told:
            tokens.access_token(other)
        assert told.value.hint == "archiver account login ann"


@pytest.mark.parametrize("harm", ["cut", "garbage", "empty", "another key"])
def test_a_sealed_file_that_cannot_be_read_asks_for_a_new_sign_in(
    account: AccountSettings, state: Path, harm: str
) -> None:
    sign_in(account)
    path = state / "sign-in" / "ann.age"
    raw = path.read_bytes()
    harmed = {"cut": raw[: len(raw) // 2], "garbage": b"nonsense", "empty": b"", "another key": raw}
    path.write_bytes(harmed[harm])
    if harm == "another key":
        (state / ("0" * 32) / "writer.key").unlink()
        Machine(state / ("0" * 32)).make_writer()
    with pytest.raises(SignInLost, match="cannot be read") as told:
        tokens.access_token(account)
    assert "account login ann" in str(told.value.hint)
    sign_in(account)
    assert tokens.access_token(account)


def test_a_note_that_cannot_be_read_is_no_sign_in(account: AccountSettings, state: Path) -> None:
    sign_in(account)
    (state / "sign-in" / "ann.json").write_text("{")
    assert tokens.look(account) is None
    with pytest.raises(ConfigInvalid, match="nobody has signed in"):
        tokens.access_token(account)


# --- renewing ------------------------------------------------------------------------------------------


def test_a_token_that_is_good_is_used_again(account: AccountSettings, authority: Authority) -> None:
    sign_in(account)
    given = {tokens.access_token(account).reveal() for _ in range(3)}
    assert len(given) == 1
    assert renewals(authority) == 0
    assert tokens.access_token(account, anew=True).reveal() not in given
    assert renewals(authority) == 1


@pytest.mark.parametrize("left_s", [0, 299])
def test_a_token_that_dies_soon_is_renewed_and_the_new_refresh_token_kept(
    account: AccountSettings, authority: Authority, state: Path, left_s: int
) -> None:
    authority.lives_s = left_s
    sign_in(account)
    for count in range(1, 4):
        assert tokens.access_token(account).reveal() in authority.access
        assert renewals(authority) == count
    assert len(authority.spent) == 3


def test_a_token_from_a_clock_that_ran_ahead_is_renewed(
    account: AccountSettings, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        age_by(patch, 400)
        sign_in(account)
    tokens.access_token(account)
    assert renewals(authority) == 1


def test_two_runs_at_once_spend_a_refresh_token_once(account: AccountSettings, authority: Authority) -> None:
    authority.lives_s = 0
    sign_in(account)
    authority.lives_s = 3600
    start = threading.Barrier(6)

    def run(_: int) -> str:
        start.wait()
        return tokens.access_token(account).reveal()

    with ThreadPoolExecutor(6) as pool:
        given = set(pool.map(run, range(6)))
    assert len(given) == 1
    assert renewals(authority) == 1


def test_a_run_that_holds_the_sign_in_for_too_long_is_told_of(
    account: AccountSettings, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(account)
    monkeypatch.setattr(tokens, "LOCK_WAIT_S", 0.2)
    with Machine(state / "sign-in").lock("ann"), pytest.raises(Locked, match="renewing"):
        tokens.access_token(account)


def test_a_full_disk_is_found_before_the_refresh_token_is_spent(
    account: AccountSettings, authority: Authority, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.lives_s = 0
    sign_in(account)
    before = sealed(state)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(StoreFailed, match="No space"):
            tokens.access_token(account)
    assert renewals(authority) == 0
    assert sealed(state) == before
    assert tokens.access_token(account).reveal() in authority.access


def test_the_old_token_is_there_until_the_new_one_is(
    account: AccountSettings, authority: Authority, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.lives_s, authority.rotates = 0, False
    sign_in(account)
    real = Path.replace
    seen: list[bool] = []

    def watched(self: Path, target: Path) -> Path:
        if target.suffix == ".age":
            seen.append(target.exists())
            if len(seen) == 2:  # the new one has come from the provider, and dies with this process
                raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", watched)
        with pytest.raises(KeyboardInterrupt):
            tokens.access_token(account)
    assert seen == [True, True]
    assert renewals(authority) == 1
    assert tokens.access_token(account).reveal() in authority.access


# --- what is told --------------------------------------------------------------------------------------


def test_a_revoked_sign_in_is_told_and_noted_and_a_new_one_clears_it(
    account: AccountSettings, authority: Authority
) -> None:
    authority.lives_s = 0
    sign_in(account)
    authority.revoke()
    with pytest.raises(SignInLost, match=r'the sign-in of account "ann" is of no use: .* revoked') as told:
        tokens.access_token(account)
    assert told.value.hint == "sign in again: archiver account login ann"
    assert outlook(tokens.look(account), tokens.now()).standing is Standing.LOST
    sign_in(account)
    assert outlook(tokens.look(account), tokens.now()).standing is Standing.GOOD


def test_a_provider_that_is_away_loses_no_sign_in(account: AccountSettings, authority: Authority) -> None:
    authority.lives_s = 0
    sign_in(account)
    authority.broken, authority.status = b"", 503
    with pytest.raises(Unreachable):
        tokens.access_token(account)
    authority.broken, authority.status = None, 400
    assert outlook(tokens.look(account), tokens.now()).standing is Standing.GOOD
    assert tokens.access_token(account).reveal() in authority.access


def test_a_known_end_is_remembered_over_renewals(
    account: AccountSettings, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.lives_s, authority.refresh_lives_s, authority.rotates = 0, 7 * 86_400, False
    dies = sign_in(account).until
    assert dies is not None
    authority.refresh_lives_s = None
    tokens.access_token(account)
    age_by(monkeypatch, 3)
    known = tokens.look(account)
    assert known is not None
    assert known.until == dies
    assert outlook(known, tokens.now()).standing is Standing.GOOD
    age_by(monkeypatch, 6)
    assert outlook(tokens.look(account), tokens.now()).standing is Standing.SOON


@pytest.mark.parametrize("rotates", [True, False])
def test_an_end_that_the_configuration_tells_is_as_good_as_one_that_the_provider_tells(
    account: AccountSettings, authority: Authority, rotates: bool
) -> None:
    assert account.oauth
    authority.lives_s, authority.rotates = 0, rotates
    account = replace(account, oauth=replace(account.oauth, sign_in_days=7))
    known = sign_in(account)
    assert known.until == known.at + timedelta(days=7)
    tokens.access_token(account)
    after = tokens.look(account)
    assert after is not None
    assert after.until == known.until


def test_each_renewal_counts_as_use(
    account: AccountSettings, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(account)
    age_by(monkeypatch, 50)
    tokens.access_token(account)
    known = tokens.look(account)
    assert known is not None
    assert known.used - known.at > timedelta(days=49)


def test_nothing_that_is_told_or_logged_holds_a_secret(
    account: AccountSettings, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    authority.lives_s = 0
    sign_in(account)
    held = tokens._held(account)
    token = tokens.access_token(account)
    known = tokens.look(account)
    issued = [*authority.access, *authority.refresh, *authority.spent]
    text = caplog.text + repr((held, token, known)) + f"{token}" + json.dumps(str(known))
    assert len(issued) >= 3
    assert [secret for secret in issued if secret in text] == []
