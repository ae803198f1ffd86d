"""What goes wrong with Exchange, played before plain exchangelib: why archiver does not trust it alone."""

import logging
import re

import exchangelib
import pytest
from exchangelib import Message
from exchangelib.errors import (
    ErrorAccessDenied,
    ErrorExceededConnectionCount,
    ErrorInternalServerError,
    ErrorMailboxMoveInProgress,
    ErrorServerBusy,
    ErrorTimeoutExpired,
    EWSError,
    MalformedResponseError,
    RateLimitError,
    UnauthorizedError,
)

from tests.integration.ews.client import account, handle, page
from tests.servers import fault_proxy
from tests.servers.ews.builder import Owner
from tests.servers.ews.plans import When, backwards, one_fewer
from tests.servers.ews.server import EwsDouble
from tests.servers.ews.state import Item
from tests.servers.fault_proxy import Fault, FaultProxy

RAW = (
    b"From: bob@example.org\r\nTo: ann@example.com\r\nSubject: hello %d\r\n\r\n"
    + b"line after line\r\n" * 200
)


def deliver(ann: Owner, count: int) -> list[Item]:
    return [ann.folder("inbox").deliver(RAW % number) for number in range(count)]


def mimes(opened: exchangelib.Account, items: list[Item]) -> list[object]:
    return list(opened.fetch([handle(item) for item in items], only_fields=["mime_content"]))


# --- H1: a reply that was cut short, and is well framed ------------------------------------------


def test_exchangelib_takes_a_truncated_message_for_a_whole_one(proxy: FaultProxy, ann: Owner) -> None:
    items = deliver(ann, 1)
    proxy.inject(fault_proxy.truncated(0.5), "GetItem", nth=2)
    with account(proxy.url) as opened:
        [whole], [cut] = mimes(opened, items), mimes(opened, items)
    assert 0 < len(cut.mime_content) < len(whole.mime_content)  # type: ignore[attr-defined]


def test_exchangelib_takes_fewer_items_for_all(proxy: FaultProxy, ann: Owner) -> None:
    items = deliver(ann, 10)
    proxy.inject(fault_proxy.truncated(0.5), "GetItem")
    with account(proxy.url) as opened:
        assert 0 < len(mimes(opened, items)) < 10


def test_exchangelib_loses_changes_of_a_truncated_page_and_has_the_next_state(
    proxy: FaultProxy, ann: Owner
) -> None:
    deliver(ann, 20)
    proxy.inject(fault_proxy.truncated(0.7), "SyncFolderItems", nth=1)
    with account(proxy.url) as opened:
        got, state, _ = page(opened, opened.inbox, None)
        assert 0 < len(got) < 20
        assert page(opened, opened.inbox, state)[0] == []


def test_a_cut_that_can_be_told_by_the_framing_is_noticed(proxy: FaultProxy, ann: Owner) -> None:
    items = deliver(ann, 3)
    proxy.inject(fault_proxy.cut_midway(), "GetItem", nth=1)
    with account(proxy.url) as opened:
        with pytest.raises(ErrorTimeoutExpired):
            mimes(opened, items)
        assert len(mimes(opened, items)) == 3


# --- H2, H3: what is done twice --------------------------------------------------------------------


@pytest.mark.parametrize("fault", [fault_proxy.unavailable(1, after=True), fault_proxy.cut_after()])
def test_exchangelib_creates_twice_what_was_created_before_the_reply_was_lost(
    proxy: FaultProxy, ann: Owner, fault: Fault
) -> None:
    proxy.inject(fault, "CreateItem", nth=1)
    with account(proxy.url, patience_s=30, sessions=2) as opened:
        Message(account=opened, folder=opened.inbox, subject="once").save()
    assert ann.folder("inbox").subjects == ["once", "once"]


def test_a_request_cut_before_it_came_did_nothing(proxy: FaultProxy, ann: Owner) -> None:
    proxy.inject(fault_proxy.cut_before(), "CreateItem")
    with account(proxy.url) as opened, pytest.raises(ErrorTimeoutExpired):
        Message(account=opened, folder=opened.inbox, subject="never").save()
    assert ann.folder("inbox").items == []


def test_exchangelib_gives_results_again_when_the_server_is_busy_within_a_batch(
    double: EwsDouble, ann: Owner
) -> None:
    items = deliver(ann, 8)
    double.plans.refuse("ErrorInternalServerTransientError", 2, When("GetItem", 1))
    with account(double.url, patience_s=30, sessions=2) as opened:
        assert len(mimes(opened, items)) == 10


# --- H4, H5, H8: what servers say instead -------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (fault_proxy.busy(5000), ErrorServerBusy),
        (fault_proxy.soap_fault("ErrorExceededConnectionCount"), ErrorExceededConnectionCount),
        (fault_proxy.soap_fault("ErrorTimeoutExpired"), ErrorTimeoutExpired),
        (fault_proxy.soap_fault("ErrorInternalServerTransientError"), ErrorServerBusy),
        (fault_proxy.soap_fault("ErrorMailboxMoveInProgress"), ErrorMailboxMoveInProgress),
        (fault_proxy.unavailable(), ErrorServerBusy),
        (fault_proxy.unavailable(30), ErrorServerBusy),
        (fault_proxy.error_page(), ErrorServerBusy),
        (fault_proxy.too_many_requests(30), MalformedResponseError),
        (fault_proxy.bad_gateway(), MalformedResponseError),
        (fault_proxy.forbidden(), MalformedResponseError),
        (fault_proxy.unauthorized(), UnauthorizedError),
        (fault_proxy.says(500, b"<html>Server Error</html>"), MalformedResponseError),
        (fault_proxy.cut_before(), ErrorTimeoutExpired),
        (fault_proxy.cut_after(), ErrorTimeoutExpired),
    ],
)
def test_what_a_server_says_instead_is_what_exchangelib_raises(
    proxy: FaultProxy, ann: Owner, fault: Fault, error: type[EWSError]
) -> None:
    items = deliver(ann, 1)
    proxy.inject(fault, "GetItem", nth=1)
    with account(proxy.url) as opened:
        with pytest.raises(error):
            mimes(opened, items)
        assert len(mimes(opened, items)) == 1
    assert proxy.injected == 1


def test_a_busy_server_tells_how_long_to_wait(proxy: FaultProxy, ann: Owner) -> None:
    proxy.inject(fault_proxy.busy(5000), "GetItem")
    with account(proxy.url) as opened, pytest.raises(ErrorServerBusy) as busy:
        mimes(opened, deliver(ann, 1))
    assert busy.value.back_off == 5.0


def test_exchangelib_takes_a_wrong_password_for_throttling(double: EwsDouble, ann: Owner) -> None:
    with account(double.url, password="wrong", patience_s=0.05) as opened, pytest.raises(RateLimitError):
        assert opened.inbox


def test_exchangelib_does_not_wait_when_there_were_too_many_requests(proxy: FaultProxy, ann: Owner) -> None:
    proxy.inject(fault_proxy.too_many_requests(1), "GetItem", nth=1)
    with account(proxy.url, patience_s=30) as opened, pytest.raises(MalformedResponseError):
        mimes(opened, deliver(ann, 1))


# --- H6, H7, H10: content ---------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["ErrorItemNotFound", "ErrorCorruptData", "ErrorMessageSizeExceeded"])
def test_an_item_that_cannot_be_had_does_not_hide_the_others(
    double: EwsDouble, ann: Owner, code: str
) -> None:
    items = deliver(ann, 3)
    items[1].errors["GetItem"] = code
    with account(double.url) as opened:
        assert [type(one).__name__ for one in mimes(opened, items)] == ["Message", code, "Message"]


def test_an_item_may_be_had_at_the_third_time_alone(double: EwsDouble, ann: Owner) -> None:
    items = deliver(ann, 2)
    double.plans.refuse("ErrorItemNotFound", items[1].id, When("GetItem", times=2))
    with account(double.url) as opened:
        mimes(opened, items[:1])  # is not meant
        tries = [[type(one).__name__ for one in mimes(opened, items)] for _ in range(3)]
    assert tries == [["Message", "ErrorItemNotFound"]] * 2 + [["Message", "Message"]]


@pytest.mark.parametrize(
    ("code", "error"),
    [("ErrorInternalServerError", ErrorInternalServerError), ("ErrorAccessDenied", ErrorAccessDenied)],
)
def test_exchangelib_loses_a_batch_to_one_bad_item(
    double: EwsDouble, ann: Owner, code: str, error: type[EWSError]
) -> None:
    items = deliver(ann, 3)
    items[1].errors["*"] = code
    with account(double.url) as opened, pytest.raises(error):
        mimes(opened, items)


def test_exchangelib_gives_content_that_is_no_base64_as_nothing(
    proxy: FaultProxy, ann: Owner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("exchangelib.fields"), "disabled", False)  # archiver silences it
    items = deliver(ann, 1)
    # four characters make three bytes, and one more makes none
    cut = re.compile(rb"(<t:MimeContent[^>]*>[^<]{4001})[^<]*")
    proxy.inject(fault_proxy.changed(lambda body: cut.sub(rb"\1", body)), "GetItem")
    with account(proxy.url) as opened, caplog.at_level(logging.WARNING, "exchangelib.fields"):
        [got] = mimes(opened, items)
    assert got.mime_content is None  # type: ignore[attr-defined]
    assert len(caplog.text) > 2000  # and all of the content stands in the log


def test_exchangelib_gives_the_results_of_a_connection_that_lags_to_the_wrong_ids(
    proxy: FaultProxy, ann: Owner
) -> None:
    items = deliver(ann, 2)
    proxy.inject(fault_proxy.lagging(), "GetItem", nth=2)
    with account(proxy.url) as opened:
        [first], [second] = mimes(opened, items[:1]), mimes(opened, items[1:])
    assert first.id == second.id == items[0].id  # type: ignore[attr-defined]


def test_results_may_come_in_the_wrong_order_or_too_few(double: EwsDouble, ann: Owner) -> None:
    items = deliver(ann, 3)
    double.plans.warp(backwards, When("GetItem", 1))
    double.plans.warp(one_fewer, When("GetItem", 2))
    with account(double.url) as opened:
        assert [one.id for one in mimes(opened, items)] == [item.id for item in items[::-1]]  # type: ignore[attr-defined]
        assert [one.id for one in mimes(opened, items)] == [item.id for item in items[:2]]  # type: ignore[attr-defined]


def test_subjects_may_hold_control_characters_that_xml_does_not_know(double: EwsDouble, ann: Owner) -> None:
    ann.folder("inbox").deliver(b"Subject: a\x1fb\x02c\r\n\r\ntext")
    [item] = ann.folder("inbox").items
    assert ann.folder("inbox").subjects == ["a\x1fb\x02c"]
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)], only_fields=["subject"])
    assert got.subject.startswith("a")


def test_a_mailbox_may_be_unavailable_for_a_while(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        inbox = opened.inbox
        ann.mailbox.unavailable = "ErrorMailboxStoreUnavailable"
        with pytest.raises(EWSError) as raised:
            page(opened, inbox, None)
        assert type(raised.value).__name__ == "ErrorMailboxStoreUnavailable"
        ann.mailbox.unavailable = None
        assert page(opened, inbox, None)[0] == []


def test_faults_of_the_double_are_planned_by_number_and_by_times(double: EwsDouble, ann: Owner) -> None:
    items = deliver(ann, 1)
    double.plans.fault("ErrorServerBusy", When("GetItem", times=2), back_off_ms=100)
    with account(double.url) as opened:
        for _ in range(2):
            with pytest.raises(ErrorServerBusy):
                mimes(opened, items)
        assert len(mimes(opened, items)) == 1
