"""Accounts of Exchange that are signed in to by Kerberos: before a KDC of MIT's, with tickets as kinit gets them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from archiver.accounts.ews.discover import discover
from archiver.accounts.ews.kerberos import Ticket
from archiver.errors import LoginRefused, Unreachable
from tests.cli.exchange import ADDRESS, fill
from tests.command_line import ROOT, CommandLine, Done
from tests.require import require_gssapi
from tests.servers.certificate import make_certificate
from tests.servers.ews.kerberos import Acceptor
from tests.servers.ews.plans import When
from tests.servers.ews.server import EwsDouble
from tests.servers.kerberos import Realm
from tests.terminal import Terminal


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    require_gssapi()
    with Realm(tmp_path_factory.mktemp("realm"), ("ann", "bob")) as running:
        yield running


@pytest.fixture
def office(realm: Realm, tmp_path: Path) -> Iterator[EwsDouble]:
    """Run a server that lets in by Kerberos, over TLS, and by log-ins alone that are bound to its certificate."""
    tls = tmp_path / "tls"
    tls.mkdir()
    with EwsDouble(tls=tls, kerberos=Acceptor(realm.keytab)) as double:
        fill(double.add_mailbox(ADDRESS))
        yield double


@pytest.fixture
def ticket(realm: Realm, tmp_path: Path) -> str:
    return realm.ticket("ann", tmp_path / "ann")


class Desk:
    """A user's home in the realm."""

    def __init__(self, home: CommandLine, realm: Realm, office: EwsDouble) -> None:
        self.home = home
        self._office = office
        home.environment.update(realm.environment)

    def add(self, *more: str, url: str | None = None, **environment: str) -> Done:
        """Add the account "work"."""
        words = ["account", "add", "work", "--exchange", ADDRESS, "--sign-in", "kerberos"]
        words += ["--url", url or self._office.url, "--ca-file", str(self._office.ca_file)]
        return self.home(*words, *more, "--json", **environment)

    @property
    def judge(self) -> Acceptor:
        assert self._office.kerberos is not None
        return self._office.kerberos


@pytest.fixture
def desk(home: CommandLine, realm: Realm, office: EwsDouble) -> Desk:
    return Desk(home, realm, office)


def refused(done: Done, code: str, exit_: int, text: str) -> str:
    """Check how a command failed, and that it says nothing of a library; give the hint."""
    assert (done.error["code"], done.exit) == (code, exit_), done.err
    assert text in done.error["message"]
    assert "Traceback" not in done.err
    assert "gssapi" not in done.err
    hint: str = done.error["hint"]
    return hint


# --- with a ticket ----------------------------------------------------------------------------------------


def test_a_ticket_of_the_cache_opens_the_mailbox_and_nobody_is_asked_for_a_password(
    home: CommandLine, desk: Desk, office: EwsDouble, ticket: str, tmp_path: Path
) -> None:
    gssapi = require_gssapi()
    beside = tmp_path / "beside"
    beside.mkdir()
    for name in ("gssapi", "decorator"):
        file = Path(str((gssapi if name == "gssapi" else sys.modules[name]).__file__))
        found = file.parent if file.name == "__init__.py" else file
        (beside / found.name).symlink_to(found)
    words = ["account", "add", "work", "--exchange", ADDRESS, "--sign-in", "kerberos"]
    words += ["--url", office.url, "--ca-file", str(office.ca_file)]
    home.environment |= {"KRB5CCNAME": ticket, "PYTHONPATH": f"{ROOT}:{beside}"}
    terminal = Terminal(home, *words)
    terminal.answer('Leave out "Junk Email", "Deleted Items"?', "n")
    terminal.until('added account "work"; next: archiver pull work')
    assert terminal.end() == 0
    terminal = Terminal(home, "pull", "work")
    assert terminal.end() == 0, terminal.shown
    assert "assword" not in terminal.shown
    assert len(home("list", "work", "--json").document["messages"]) == 8


def test_a_ticket_goes_with_each_request_and_one_alone_is_asked_for_it(
    desk: Desk, office: EwsDouble, ticket: str
) -> None:
    assert desk.add(KRB5CCNAME=ticket).exit == 0
    desk.judge.taken.clear()
    desk.judge.asked = 0
    office.seen.clear()
    done = desk.home("pull", "-q", KRB5CCNAME=ticket)
    assert (done.exit, done.err) == (0, "")
    assert desk.judge.asked == 1
    assert len(desk.judge.taken) == len(office.seen) > 5
    assert {one.user for one in office.seen} == {ADDRESS}


def test_a_keytab_takes_the_place_of_a_person_and_gives_another_ticket_in_the_middle_of_a_pull(
    desk: Desk, office: EwsDouble, realm: Realm, tmp_path: Path
) -> None:
    keytab = realm.user_keytab("ann", tmp_path / "ann.keytab")
    cache = tmp_path / "fresh"
    nightly = {"KRB5_CLIENT_KTNAME": str(keytab), "KRB5CCNAME": f"FILE:{cache}"}
    assert desk.add(**nightly).exit == 0
    office.plans.after(cache.unlink, When("GetItem", 1, 1))
    assert desk.home("pull", "-q", **nightly).exit == 0
    assert cache.exists()


def test_a_ticket_that_is_lost_in_a_pull_ends_it_and_the_next_pull_goes_on(
    desk: Desk, office: EwsDouble, realm: Realm, ticket: str, tmp_path: Path
) -> None:
    assert desk.add(KRB5CCNAME=ticket).exit == 0
    office.plans.after((tmp_path / "ann").unlink, When("GetItem", 1, 1))
    done = desk.home("pull", "--json", KRB5CCNAME=ticket)
    assert "kinit" in refused(done, "login-refused", 21, "there is no ticket of Kerberos")
    realm.ticket("ann", tmp_path / "ann")
    assert desk.home("pull", "-q", KRB5CCNAME=ticket).exit == 0
    assert len(desk.home("list", "work", "--json").document["messages"]) == 8


def test_the_server_of_a_mailbox_is_found_by_a_ticket(
    desk: Desk, office: EwsDouble, realm: Realm, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "exchangelib.autodiscover.discovery.Autodiscovery._ensure_valid_hostname"
    monkeypatch.setattr(name, lambda *_: None)  # which asks DNS
    for variable, value in {**realm.environment, "KRB5CCNAME": ticket}.items():
        monkeypatch.setenv(variable, value)
    address = "ann@" + office.url.split("/")[2]
    office.add_mailbox(address)
    assert discover(address, address, None, str(office.ca_file)) == office.url
    monkeypatch.setenv("KRB5CCNAME", "MEMORY:none")
    with pytest.raises(LoginRefused, match="there is no ticket"):
        discover(address, address, None, str(office.ca_file))
    monkeypatch.setenv("KRB5CCNAME", ticket)
    desk.judge.offers = 'Basic realm="x"'
    monkeypatch.setattr("exchangelib.autodiscover.discovery.Autodiscovery._step_2", fell_through)
    with pytest.raises(Unreachable, match="no server tells where the mailbox"):
        discover(address, address, None, str(office.ca_file))


def fell_through(self: object, hostname: str) -> None:
    """End the search where the first server is not the right one."""
    from exchangelib.errors import AutoDiscoverFailed  # noqa: PLC0415 -- what the next steps raise in the end

    raise AutoDiscoverFailed(f"not {hostname}")


# --- without one that is good -----------------------------------------------------------------------------


def test_who_has_no_ticket_is_told_how_to_get_one(desk: Desk) -> None:
    before = desk.home.config.read_text()
    hint = refused(desk.add(), "login-refused", 21, "there is no ticket of Kerberos")
    assert "kinit" in hint
    assert "KRB5_CLIENT_KTNAME" in hint
    assert desk.home.config.read_text() == before
    assert (desk.judge.asked, desk.judge.taken) == (1, [])


def test_an_expired_ticket_is_told_as_that(desk: Desk, realm: Realm, tmp_path: Path) -> None:
    cache = realm.ticket("ann", tmp_path / "short", "-l", "1s")
    while realm.holds_good_ticket(cache):
        pass
    assert "kinit" in refused(desk.add(KRB5CCNAME=cache), "login-refused", 21, "has expired")


def test_the_ticket_of_another_user_opens_no_mailbox(desk: Desk, realm: Realm, tmp_path: Path) -> None:
    cache = realm.ticket("bob", tmp_path / "bob")
    hint = refused(desk.add(KRB5CCNAME=cache), "forbidden", 22, f'does not open the mailbox "{ADDRESS}"')
    assert "whether this user may open it" in hint
    assert set(desk.judge.taken) == {"bob@example.com"}


def test_a_kdc_that_is_away_is_told_at_once(
    desk: Desk, office: EwsDouble, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Realm(tmp_path_factory.mktemp("away"), ("ann",)) as away:
        cache = away.ticket("ann", tmp_path / "ann")
    environment = away.environment | {"KRB5CCNAME": cache}
    hint = refused(desk.add(**environment), "unreachable", 20, "no server of Kerberos can be reached")
    assert "krb5.conf" in hint
    assert desk.judge.asked == 1


def test_a_server_that_is_named_otherwise_than_kerberos_knows_it_is_told(
    desk: Desk, office: EwsDouble, ticket: str
) -> None:
    url = office.url.replace("localhost", "127.0.0.1")
    done = desk.add(url=url, KRB5CCNAME=ticket)
    assert "url" in refused(done, "login-refused", 21, 'no server of the name "HTTP/127.0.0.1"')


def test_a_machine_without_the_library_is_told_what_to_install(
    home: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    words = ["account", "add", "work", "--exchange", ADDRESS, "--sign-in", "kerberos"]
    done = home(*words, "--url", "https://localhost:1/EWS/Exchange.asmx", "--json")
    assert (done.error["code"], done.exit) == ("config-invalid", 14)
    assert 'pip install "archiver[kerberos]"' in done.error["hint"]


# --- servers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", ["", "oRQwEqADCgEAoQsGCSqGSIb3EgECAg==", "not base64"])
def test_a_server_that_does_not_prove_itself_is_not_trusted(desk: Desk, ticket: str, proof: str) -> None:
    desk.judge.proof = proof
    done = desk.add(KRB5CCNAME=ticket)
    refused(done, "untrusted-certificate", 20, "does not prove by Kerberos that it is the one meant")
    assert len(desk.judge.taken) == 1


def test_a_proof_that_turns_wrong_ends_a_pull(desk: Desk, office: EwsDouble, ticket: str) -> None:
    assert desk.add(KRB5CCNAME=ticket).exit == 0
    office.plans.after(
        lambda: setattr(desk.judge, "proof", "oRQwEqADCgEAoQsGCSqGSIb3EgECAg=="), When("GetItem", 1, 1)
    )
    done = desk.home("pull", "--json", KRB5CCNAME=ticket)
    refused(done, "untrusted-certificate", 20, "does not prove by Kerberos")


@pytest.mark.parametrize("explains", [False, True])
def test_a_ticket_that_the_server_cannot_read_is_shown_to_it_once(
    desk: Desk, realm: Realm, ticket: str, explains: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    desk.judge.explains = explains
    with Realm(tmp_path_factory.mktemp("other"), ("ann",)) as other:
        desk.judge.read_by(other.keytab)
    done = desk.add(KRB5CCNAME=ticket)
    hint = refused(done, "login-refused", 21, 'refuses the ticket of "ann@EXAMPLE.COM"')
    assert "klist" in hint
    assert desk.judge.asked == 2


def test_a_log_in_belongs_to_the_certificate_that_it_was_made_for(
    desk: Desk, realm: Realm, ticket: str, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with EwsDouble(tls=other) as foreign:
        desk.judge.bind(foreign.ca_file)
    refused(desk.add(KRB5CCNAME=ticket), "login-refused", 21, "refuses the ticket")


def test_a_server_whose_certificate_has_changed_gets_a_log_in_that_is_bound_to_the_new_one(
    desk: Desk, realm: Realm, office: EwsDouble, ticket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind one name there may be several servers: the session finds another when its line was closed."""
    for variable, value in {**realm.environment, "KRB5CCNAME": ticket}.items():
        monkeypatch.setenv(variable, value)
    new, key = tmp_path / "new.pem", tmp_path / "new.key"
    make_certificate(new, key)
    with requests.Session() as session:
        session.auth = Ticket()
        for asked, trusted in ((1, office.ca_file), (2, new)):
            reply = session.post(f"{office.url}/nothing", verify=str(trusted))
            assert (reply.status_code, desk.judge.asked, len(desk.judge.taken)) == (404, asked, asked)
            session.get_adapter(office.url).close()
            office.show(new, key)
            desk.judge.bind(new)


def test_a_ticket_that_is_refused_in_the_middle_of_a_pull_is_followed_by_one_more(
    desk: Desk, office: EwsDouble, ticket: str
) -> None:
    assert desk.add(KRB5CCNAME=ticket).exit == 0
    office.plans.after(lambda: setattr(desk.judge, "forgets", 1), When("GetItem", 1, 1))
    assert desk.home("pull", "-q", KRB5CCNAME=ticket).exit == 0


@pytest.mark.parametrize("offers", ['NTLM, Basic realm="exchange"', ""])
def test_a_server_without_kerberos_is_told_as_that(desk: Desk, ticket: str, offers: str) -> None:
    desk.judge.offers = offers
    done = desk.add(KRB5CCNAME=ticket)
    assert "sign-in" in refused(done, "login-refused", 21, "does not offer to sign in by Kerberos")


def test_a_server_that_offers_negotiate_alone_is_told_to_who_has_not_said_how_to_sign_in(
    home: CommandLine, desk: Desk, office: EwsDouble
) -> None:
    desk.judge.offers = "Negotiate"
    words = ["account", "add", "work", "--exchange", ADDRESS, "--url", office.url]
    words += ["--ca-file", str(office.ca_file), "--password-command", "echo secret", "--json"]
    hint = refused(home(*words), "login-refused", 21, "offers to sign in by Negotiate alone")
    assert "--sign-in kerberos" in hint


# --- around it --------------------------------------------------------------------------------------------


def test_a_sign_in_that_is_not_archivers_is_not_made_by_account_login(desk: Desk, ticket: str) -> None:
    assert desk.add(KRB5CCNAME=ticket).exit == 0
    done = desk.home("account", "login", "work", "--json")
    assert "kinit" in refused(done, "usage", 2, "signed in to by Kerberos")


def test_doctor_tells_of_a_ticket_that_is_missing(desk: Desk, ticket: str) -> None:
    assert desk.add(KRB5CCNAME=ticket).exit == 0
    for cache, state in ((ticket, "ok"), ("MEMORY:none", "fail")):
        told = desk.home("doctor", "work", "--json", KRB5CCNAME=cache).lines[0]["checks"]
        (login,) = [check for check in told if check["name"] == "login"]
        assert login["state"] == state
    assert "kinit" in login["hint"]
