"""Signing in to Exchange by NTLM, as most servers on premises ask for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.accounts.ews.account import EwsAccount
from archiver.accounts.ews.transport import Endpoint, SignIn
from archiver.errors import LoginRefused, Unreachable
from archiver.model import Message, Secret
from tests.contract.account import listed, mail
from tests.contract.exchange import gist
from tests.servers.ews.ntlm import Accounts
from tests.servers.ews.server import EwsDouble

ADDRESS = "jo@example.com"
SIGN_INS: list[SignIn] = ["ntlm", "auto"]


@pytest.fixture(params=["http", "https"])
def double(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EwsDouble]:
    """Run one that asks for NTLM; over TLS, for one that names the server's certificate."""
    tls = tmp_path / "tls" if request.param == "https" else None
    if tls is not None:
        tls.mkdir()
    with EwsDouble(tls=tls, ntlm=tmp_path / "users") as running:
        inbox = running.add_mailbox(ADDRESS, readers={"corp\\jo"}).folder("inbox")
        running.passwords["corp\\jo"] = "another"
        for number in range(3):
            inbox.deliver(mail(number))
        yield running


def accounts(double: EwsDouble) -> Accounts:
    assert double.accounts is not None
    return double.accounts


def signed_in(
    double: EwsDouble, sign_in: SignIn, waits: list[float], password: str = "secret", user: str = ADDRESS
) -> EwsAccount:
    ca_file = str(double.ca_file) if double.ca_file is not None else None
    where = Endpoint(double.url, user, ADDRESS, sign_in, ca_file, timeout_s=20)
    return EwsAccount(where, lambda: Secret(password), pause=waits.append)


@pytest.mark.parametrize("sign_in", SIGN_INS)
@pytest.mark.parametrize(("user", "password"), [(ADDRESS, "secret"), ("CORP\\jo", "another")])
def test_an_account_signs_in_by_ntlm_once_for_all_its_requests(
    double: EwsDouble, sign_in: SignIn, user: str, password: str
) -> None:
    waits: list[float] = []
    account = signed_in(double, sign_in, waits, password, user)
    told = list(account.fetch(listed(account)))
    bodies = {gist(one.raw) for one in told if isinstance(one, Message)}
    assert bodies == {gist(mail(number)) for number in range(3)}
    account.close()
    assert waits == []
    assert accounts(double).challenges == 1
    assert {one.user for one in double.seen} == {user.casefold()}


@pytest.mark.parametrize("sign_in", SIGN_INS)
def test_a_wrong_password_is_refused_at_once(double: EwsDouble, sign_in: SignIn) -> None:
    waits: list[float] = []
    account = signed_in(double, sign_in, waits, "wrong")
    with pytest.raises(LoginRefused) as refused:
        account.folders()
    assert refused.value.hint
    assert waits == []
    assert accounts(double).challenges == 1, "an account that is tried often is locked"
    assert double.seen == []


@pytest.mark.parametrize("sign_in", SIGN_INS)
def test_a_server_too_busy_for_a_challenge_is_waited_for(double: EwsDouble, sign_in: SignIn) -> None:
    waits: list[float] = []
    account = signed_in(double, sign_in, waits)
    accounts(double).silent = True
    with pytest.raises(Unreachable):
        account.folders()
    assert set(waits) == {3}
    accounts(double).silent = False
    assert len(listed(account)) == 3
    account.close()


@pytest.mark.parametrize("sign_in", SIGN_INS)
def test_a_server_that_offers_ntlm_and_begins_none_refuses_the_login(
    double: EwsDouble, sign_in: SignIn
) -> None:
    waits: list[float] = []
    accounts(double).broken = ""
    with pytest.raises(LoginRefused, match="NTLM") as refused:
        signed_in(double, sign_in, waits).folders()
    assert refused.value.hint
    assert waits == []


@pytest.mark.parametrize("challenge", ["AAAA", "TlRMTVNTUAAC", "not base64!"])
def test_a_challenge_that_makes_no_sense_is_told_in_plain_words(double: EwsDouble, challenge: str) -> None:
    accounts(double).broken = challenge
    with pytest.raises(Unreachable, match="the challenge of NTLM cannot be understood"):
        signed_in(double, "ntlm", []).folders()


def test_a_log_in_over_tls_belongs_to_the_server_that_it_was_made_for(
    double: EwsDouble, tmp_path: Path
) -> None:
    if double.ca_file is None:
        pytest.skip("nothing tells servers apart without TLS")
    other = tmp_path / "other"
    other.mkdir()
    with EwsDouble(tls=other, ntlm=tmp_path / "others") as foreign:
        accounts(double).bindings = accounts(foreign).bindings
    with pytest.raises(LoginRefused):
        signed_in(double, "ntlm", []).folders()
