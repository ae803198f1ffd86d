"""Who may ask the double, and how."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from exchangelib import (
    BASIC,
    OAUTH2,
    Account,
    Configuration,
    Credentials,
    FailFast,
    OAuth2AuthorizationCodeCredentials,
    Version,
)
from exchangelib.autodiscover.protocol import AutodiscoverProtocol
from exchangelib.errors import (
    ErrorExceededConnectionCount,
    ErrorImpersonateUserDenied,
    ErrorInvalidServerVersion,
    ErrorNonExistentMailbox,
    UnauthorizedError,
)
from exchangelib.properties import ENTRY_ID, EWS_ID, AlternateId
from exchangelib.version import EXCHANGE_2019
from oauthlib.oauth2 import OAuth2Token

from tests.integration.ews.client import ANN, RAW, account, handle, opened_by
from tests.servers.ews.builder import Owner
from tests.servers.ews.server import EwsDouble


def test_a_wrong_password_is_refused(double: EwsDouble, ann: Owner) -> None:
    with account(double.url, password="wrong") as opened, pytest.raises(UnauthorizedError):
        assert opened.inbox


def test_applications_that_may_act_for_others_do(double: EwsDouble, ann: Owner) -> None:
    double.add_mailbox("app@example.com")
    ann.folder("inbox").deliver(RAW)
    double.impersonators.add("app@example.com")
    with account(double.url, "app@example.com", mailbox=ANN, impersonates=True) as opened:
        assert opened.inbox.total_count == 1
    double.impersonators.clear()
    with (
        account(double.url, "app@example.com", mailbox=ANN, impersonates=True) as opened,
        pytest.raises(ErrorImpersonateUserDenied),
    ):
        assert opened.inbox


def test_schema_versions_that_are_not_known_are_refused(double: EwsDouble, ann: Owner) -> None:
    double.versions.clear()
    with account(double.url) as opened, pytest.raises(Exception, match="invalid") as raised:
        assert opened.inbox
    assert raised.type.__name__ in (
        ErrorInvalidServerVersion.__name__,
        "ErrorInvalidSchemaVersionForMailboxVersion",
    )


def test_the_double_speaks_tls(tmp_path: Path) -> None:
    with EwsDouble(tls=tmp_path) as double:
        double.add_mailbox(ANN)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("REQUESTS_CA_BUNDLE", str(double.ca_file))
            with account(double.url) as opened:
                assert opened.inbox.name == "Inbox"


class Tokens(OAuth2AuthorizationCodeCredentials):  # type: ignore[misc]
    """Gives a token that was got elsewhere."""

    def __init__(self, token: str) -> None:
        told = OAuth2Token({"access_token": token, "token_type": "Bearer", "expires_at": 4_000_000_000})
        super().__init__(client_id="the-client", client_secret="", access_token=told)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def test_bearer_tokens_are_judged_and_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"token one": ANN}
    with EwsDouble(tls=tmp_path) as double:
        double.add_mailbox(ANN)
        double.judge = good.get
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(double.ca_file))
        configuration = Configuration(
            service_endpoint=double.url,
            credentials=Tokens("token one"),
            auth_type=OAUTH2,
            version=Version(EXCHANGE_2019),
            retry_policy=FailFast(),
        )
        with opened_by(configuration) as opened:
            assert opened.inbox.name == "Inbox"
            good.clear()
            with pytest.raises(UnauthorizedError):
                list(opened.inbox.all())


def test_autodiscover_tells_where_a_mailbox_is(double: EwsDouble, ann: Owner) -> None:
    protocol = AutodiscoverProtocol(
        config=Configuration(
            service_endpoint=double.discover_url,
            credentials=Credentials(ANN, "secret"),
            auth_type=BASIC,
            version=Version(EXCHANGE_2019),
            retry_policy=FailFast(),
        )
    )
    try:
        told = protocol.get_user_settings(ANN)
        assert (told.ews_url, told.autodiscover_smtp_address) == (double.url, ANN)
        assert told.version.api_version == "Exchange2016"
        with pytest.raises(ErrorNonExistentMailbox):
            protocol.get_user_settings("nobody@example.com").raise_errors()
    finally:
        protocol.close()


def test_only_so_many_requests_are_answered_at_a_time(double: EwsDouble, ann: Owner) -> None:
    double.concurrency = 1
    double.add_mailbox("bob@example.com")
    ann.mailbox.readers.add("bob@example.com")
    item = ann.folder("inbox").deliver(RAW)

    def ask(opened: Account) -> int:
        return len(list(opened.fetch([handle(item)], only_fields=["subject"])))

    with account(double.url) as one, account(double.url, "bob@example.com", mailbox=ANN) as other:
        # exchangelib gets the root of an account under one lock for all accounts of the process
        assert one.root.name == other.root.name
        double.busiest = 0
        with ThreadPoolExecutor(1) as pool:
            with double.lock:
                waiting = pool.submit(ask, one)
                while not double.busiest:
                    assert not waiting.done()
                with pytest.raises(ErrorExceededConnectionCount):
                    ask(other)
            assert waiting.result(20) == 1
        assert ask(other) == 1
    assert double.busiest == 2


def test_names_are_resolved_and_ids_converted(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        assert [one.email_address for one in opened.protocol.resolve_names(["ann"])] == [ANN]
        assert opened.protocol.resolve_names(["nobody"])[0].args
        given = AlternateId(id=item.id, format=EWS_ID, mailbox=ANN)
        [entry] = opened.protocol.convert_ids([given], ENTRY_ID)
        [back] = opened.protocol.convert_ids([entry], EWS_ID)
        assert entry.id != back.id == item.id
