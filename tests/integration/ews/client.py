"""exchangelib as a client of the double of Exchange Web Services, with nothing of archiver's before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import exchangelib
from exchangelib.properties import ItemId
from exchangelib.protocol import BaseProtocol, FailFast, FaultTolerance, close_connections
from exchangelib.services import SyncFolderItems
from exchangelib.version import EXCHANGE_2019, Version

from tests.servers.ews.state import Item

ANN = "ann@example.com"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
RAW = (
    b"From: Bob <bob@example.org>\r\nTo: ann@example.com\r\nSubject: hello\r\nX-One: 1\r\nX-Two: 2\r\n"
    b"Message-ID: <1@example.org>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="border"\r\n\r\n--border\r\nContent-Type: text/plain\r\n\r\n'
    b"the text\r\n--border\r\nContent-Type: application/pdf\r\n"
    b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\n%PDF\r\n--border--\r\n'
)


def numbered(count: int) -> bytes:
    """Give the message with a number in its subject."""
    return RAW.replace(b"hello", b"hello %d" % count)


@contextmanager
def account(
    url: str,
    user: str = ANN,
    *,
    mailbox: str | None = None,
    password: str = "secret",
    patience_s: float | None = None,
    sessions: int = 1,
    impersonates: bool = False,
) -> Iterator[exchangelib.Account]:
    """Open an account; `patience_s` makes exchangelib repeat what fails for so long."""
    configuration = exchangelib.Configuration(
        service_endpoint=url,
        credentials=exchangelib.Credentials(user, password),
        auth_type=exchangelib.BASIC,
        version=Version(EXCHANGE_2019),
        retry_policy=FailFast() if patience_s is None else FaultTolerance(max_wait=patience_s),
        max_connections=sessions,
    )
    access = exchangelib.IMPERSONATION if impersonates else exchangelib.DELEGATE
    with opened_by(configuration, mailbox or user, access) as opened:
        for _ in range(sessions - opened.protocol.session_pool_size):
            opened.protocol.increase_poolsize()
        yield opened


@contextmanager
def opened_by(
    configuration: exchangelib.Configuration, mailbox: str = ANN, access: str = exchangelib.DELEGATE
) -> Iterator[exchangelib.Account]:
    """Open an account as it is configured."""
    wait, BaseProtocol.RETRY_WAIT = BaseProtocol.RETRY_WAIT, 0.01
    opened = exchangelib.Account(
        mailbox, config=configuration, access_type=access, autodiscover=False, locale="en_US"
    )
    try:
        yield opened
    finally:
        BaseProtocol.RETRY_WAIT = wait
        opened.protocol.close()
        close_connections()


def handle(item: Item) -> ItemId:
    """Give the id of an item of the double, as exchangelib wants it."""
    return ItemId(id=item.id, changekey=item.change_key)


def page(
    opened: exchangelib.Account, folder: object, state: str | None, most: int = 100
) -> tuple[list[tuple[str, Any]], str, bool]:
    """Ask for one page of changes: what changed, the next state, and whether it was the last page."""
    service = SyncFolderItems(account=opened)
    changes = list(
        service.call(
            folder=folder,
            shape="IdOnly",
            additional_fields=None,
            sync_state=state,
            ignore=None,
            max_changes_returned=most,
            sync_scope=None,
        )
    )
    return changes, service.sync_state, service.includes_last_item_in_range
