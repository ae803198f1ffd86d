"""Who may ask the double, and how."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from exchangelib.errors import (
    ErrorImpersonateUserDenied,
    ErrorInvalidServerVersion,
    UnauthorizedError,
)

from tests.integration.ews.client import ANN, account
from tests.servers.ews.builder import Owner
from tests.servers.ews.server import EwsDouble

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
RAW = b"Subject: hello\r\n\r\ntext\r\n"


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
