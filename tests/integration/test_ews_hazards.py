"""What exchangelib and the way to Exchange do that would lose mail, or double it, and what archiver does against it.

The table in docs/explanation/exchange.md names these tests.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from exchangelib.autodiscover import cache
from exchangelib.autodiscover.discovery import Autodiscovery
from exchangelib.errors import AutoDiscoverFailed

from archiver.accounts.ews.account import EwsAccount
from archiver.accounts.ews.discover import discover
from archiver.accounts.ews.transport import Endpoint
from archiver.errors import Forbidden, LoginRefused, Unreachable
from archiver.formats.record import unpack
from archiver.model import AccessToken, Change, Done, Message, Missed, New, Remote, Secret
from tests.contract.account import Copy, find, listed, mail
from tests.contract.append import outgoing
from tests.contract.exchange import gist
from tests.servers import fault_proxy as faults
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.plans import When, backwards, one_fewer
from tests.servers.ews.server import EwsDouble
from tests.servers.fault_proxy import FaultProxy

_numbers = count()


@pytest.fixture(scope="module")
def double() -> Iterator[EwsDouble]:
    with EwsDouble() as running:
        yield running


@pytest.fixture
def proxy(double: EwsDouble) -> Iterator[FaultProxy]:
    with FaultProxy(double.url) as running:
        yield running


@pytest.fixture
def mailbox(double: EwsDouble, proxy: FaultProxy) -> EwsMailbox:
    """Give a mailbox of its own, which archiver reaches through the proxy."""
    return EwsMailbox(double, f"hazard{next(_numbers)}@example.com", proxy.url)


@pytest.fixture
def account(mailbox: EwsMailbox) -> Iterator[EwsAccount]:
    opened = mailbox.account()
    yield opened
    opened.close()


def filled(mailbox: EwsMailbox, number: int = 8) -> list[str]:
    return [mailbox.deliver("INBOX", mail(one)) for one in range(number)]


def fetched(account: EwsAccount, remotes: list[Remote]) -> dict[str, Message | Missed]:
    """Fetch, and check that each was answered once."""
    told = list(account.fetch(remotes))
    assert sorted(one.remote.ref.key for one in told) == sorted(one.ref.key for one in remotes)
    return {one.remote.ref.key: one for one in told}


def check_all_there(account: EwsAccount, remotes: list[Remote], keys: list[str]) -> None:
    found = fetched(account, remotes)
    for number, key in enumerate(keys):
        one = found[key]
        assert isinstance(one, Message), one
        assert gist(one.raw) == gist(mail(number))


# --- H1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    "operation", ["GetItem", "ExportItems", "SyncFolderItems", "GetFolder", "FindFolder"]
)
def test_a_reply_cut_short_and_well_framed_is_asked_for_again(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy, operation: str, share: float
) -> None:
    keys = filled(mailbox)
    proxy.inject(faults.truncated(share), operation, times=2)
    remotes = listed(account)
    assert sorted(one.ref.key for one in remotes) == sorted(keys)
    check_all_there(account, remotes, keys)
    assert proxy.injected == 2


def test_a_page_of_changes_that_never_comes_whole_moves_no_cursor(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy
) -> None:
    copy = Copy()
    copy.update(account)
    before = copy.cursor
    keys = filled(mailbox)
    proxy.inject(faults.truncated(0.7), "SyncFolderItems")
    told: list[Change] = []
    with pytest.raises(Unreachable):
        told += account.changes(find(account, "INBOX"), before, copy.known)
    assert not told
    proxy.heal()
    copy.update(account)
    assert set(copy.flags) == set(keys)


# --- H2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [faults.cut_after, faults.cut_midway, faults.truncated, lambda: faults.unavailable(after=True)]
)
def test_a_reply_that_was_lost_after_an_item_was_made_makes_no_second_one(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy, fault: Callable[[], faults.Fault]
) -> None:
    folder = find(account, "INBOX")
    proxy.inject(fault(), "CreateItem", times=2)
    given = [outgoing(mail(number)) for number in range(12)]
    taken = list(account.append(folder, iter(given)))
    assert [one.digest for one in taken] == [one.digest for one in given]
    assert proxy.injected >= 1
    assert len(mailbox.place("INBOX").items) == 12


@pytest.mark.parametrize(
    "fault", [faults.cut_after, faults.cut_midway, faults.truncated, lambda: faults.unavailable(after=True)]
)
def test_a_reply_that_was_lost_after_an_export_was_put_in_makes_no_second_one(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy, fault: Callable[[], faults.Fault]
) -> None:
    filled(mailbox, 12)
    records = [one.raw for one in fetched(account, listed(account)).values() if isinstance(one, Message)]
    mailbox.create("Back")
    proxy.inject(fault(), "UploadItems", times=1)
    folder = find(account, "Back")
    taken = list(account.append(folder, (outgoing(raw) for raw in records)))
    assert len(taken) == 12
    assert proxy.injected == 1
    there = listed(account, "Back")
    assert {one.ref for one in there} == {getattr(one, "ref", None) for one in taken}
    found = {gist(one.raw) for one in fetched(account, there).values() if isinstance(one, Message)}
    assert found == {gist(mail(number)) for number in range(12)}


def test_what_was_put_in_is_not_put_in_again_by_a_later_run(mailbox: EwsMailbox, account: EwsAccount) -> None:
    given = [outgoing(mail(number)) for number in range(3)]
    folder = find(account, "INBOX")
    first = list(account.append(folder, given))
    other = mailbox.account()
    assert list(other.append(folder, given)) == first
    other.close()
    assert len(mailbox.place("INBOX").items) == 3


# --- H3 -------------------------------------------------------------------------------------------


def test_an_item_of_a_batch_that_the_server_is_too_busy_for_doubles_no_other(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    keys = filled(mailbox)
    remotes = listed(account)
    double.plans.refuse("ErrorServerBusy", 5, When("GetItem", double.plans.counts["GetItem"] + 1))
    check_all_there(account, remotes, keys)


# --- H4 -------------------------------------------------------------------------------------------


def test_a_wrong_password_is_told_at_once(mailbox: EwsMailbox, proxy: FaultProxy) -> None:
    waits: list[float] = []
    where = Endpoint(proxy.url, mailbox.address, sign_in="basic")
    account = EwsAccount(where, lambda: Secret("wrong"), pause=waits.append)
    with pytest.raises(LoginRefused) as refused:
        account.folders()
    assert refused.value.hint
    assert waits == []
    assert len(proxy.seen) == 1


def test_a_login_refused_in_mid_run_is_tried_once_more_and_no_more(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy
) -> None:
    keys = filled(mailbox)
    remotes = listed(account)
    proxy.inject(faults.unauthorized(), "GetItem", times=1)
    check_all_there(account, remotes, keys)
    proxy.inject(faults.unauthorized())
    with pytest.raises(LoginRefused):
        list(account.fetch(remotes))
    assert mailbox.waits == []


# --- H5 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        (faults.too_many_requests(7), 7),
        (faults.too_many_requests(), None),
        (faults.bad_gateway(), None),
        (faults.unavailable(11), 11),
        (faults.unavailable(), None),
        (faults.busy(13_000), 13),
        (faults.error_page(), None),
        (faults.soap_fault("ErrorInternalServerTransientError"), None),
        (faults.soap_fault("ErrorExceededConnectionCount"), None),
        (faults.soap_fault("ErrorTimeoutExpired"), None),
        (faults.soap_fault("ErrorMailboxStoreUnavailable"), None),
        (faults.soap_fault("ErrorMailboxMoveInProgress"), None),
        (faults.cut_before(), None),
        (faults.cut_midway(), None),
    ],
)
def test_a_busy_server_is_waited_for_as_long_as_it_asks_and_then_called_unreachable(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy, fault: faults.Fault, wait_s: int | None
) -> None:
    keys = filled(mailbox, 3)
    remotes = listed(account)
    proxy.inject(fault, times=2)
    check_all_there(account, remotes, keys)
    assert len(mailbox.waits) == 2
    if wait_s is not None:
        assert mailbox.waits == [wait_s, wait_s]
    proxy.inject(fault)
    with pytest.raises(Unreachable) as failed:
        list(account.fetch(remotes))
    assert failed.value.exit == 20


def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy
) -> None:
    account.folders()
    proxy.inject(faults.busy(3_600_000))
    with pytest.raises(Unreachable):
        account.folders()
    assert mailbox.waits == []


# --- H6 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["ErrorInternalServerError", "ErrorAccessDenied", "ErrorCorruptData", "ErrorMessageSizeExceeded"]
)
def test_an_item_that_the_server_cannot_give_is_missed_and_its_neighbours_are_not(
    mailbox: EwsMailbox, account: EwsAccount, code: str
) -> None:
    keys = filled(mailbox)
    remotes = listed(account)
    mailbox.item(keys[3]).errors["GetItem"] = code
    found = fetched(account, remotes)
    bad = found.pop(keys[3])
    assert isinstance(bad, Missed)
    assert code in bad.reason
    assert not bad.gone
    assert all(isinstance(one, Message) for one in found.values())


def test_an_item_over_which_every_request_falls_is_found_by_halves(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy
) -> None:
    keys = filled(mailbox)
    remotes = listed(account)
    identity = mailbox.item(keys[5]).id
    proxy.inject(faults.soap_fault("ErrorInternalServerError"), "GetItem", contains=identity)
    found = fetched(account, remotes)
    assert [key for key, one in found.items() if isinstance(one, Missed)] == [keys[5]]


def test_an_item_without_an_export_is_archived_and_says_so(mailbox: EwsMailbox, account: EwsAccount) -> None:
    keys = filled(mailbox, 3)
    mailbox.item(keys[1]).errors["ExportItems"] = "ErrorInternalServerError"
    found = fetched(account, listed(account))
    records = [unpack(one.raw) for key in keys if isinstance(one := found[key], Message)]
    assert [one.export is not None for one in records] == [True, False, True]
    assert "ErrorInternalServerError" in records[1].details.extra["export-refused"]


# --- H7 -------------------------------------------------------------------------------------------


def test_mime_that_cannot_be_read_is_missed_and_never_logged(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    filled(mailbox, 2)
    remotes = listed(account)
    broken = b'CharacterSet="UTF-8">*secret*'
    proxy.inject(faults.changed(lambda body: body.replace(b'CharacterSet="UTF-8">', broken)), "GetItem")
    found = fetched(account, remotes)
    assert all(isinstance(one, Missed) and not one.gone for one in found.values())
    assert "*secret*" not in caplog.text
    assert "hello" not in caplog.text


# --- H8 -------------------------------------------------------------------------------------------


def test_an_error_that_is_no_reply_of_exchange_is_told_in_plain_words(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy
) -> None:
    account.folders()
    proxy.inject(faults.says(500, b"<html>Server Error, and all about it</html>"))
    with pytest.raises(Unreachable) as failed:
        account.folders()
    assert "HTTP 500" in failed.value.text
    assert "html" not in failed.value.text
    assert failed.value.hint


def test_a_tenant_that_has_ews_switched_off_is_told_of_graph(account: EwsAccount, proxy: FaultProxy) -> None:
    proxy.inject(faults.forbidden())
    with pytest.raises(Forbidden) as refused:
        account.folders()
    assert "use the graph backend" in (refused.value.hint or "")
    assert "Set-OrganizationConfig" in (refused.value.hint or "")
    assert len(proxy.seen) == 1


# --- H9 -------------------------------------------------------------------------------------------


def test_nothing_is_kept_where_others_could_put_their_pickles(
    double: EwsDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storages: list[Path] = []

    def ask(self: object) -> None:
        storages.append(cache.AUTODISCOVER_PERSISTENT_STORAGE)
        assert cache.AUTODISCOVER_PERSISTENT_STORAGE.parent.stat().st_mode & 0o777 == 0o700
        raise AutoDiscoverFailed("no such domain")

    shared = cache.AUTODISCOVER_PERSISTENT_STORAGE
    monkeypatch.setattr(Autodiscovery, "discover", ask)
    with pytest.raises(Unreachable) as failed:
        discover("ann@example.com", "ann@example.com", Secret("secret"))
    assert "url =" in (failed.value.hint or "")
    assert storages
    assert storages[0] != shared
    assert not storages[0].parent.exists()
    assert shared == cache.AUTODISCOVER_PERSISTENT_STORAGE


# --- H10 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["GetItem", "ExportItems"])
def test_a_reply_to_another_request_is_never_taken_for_this_one(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy, operation: str
) -> None:
    keys = filled(mailbox, 6)
    remotes = listed(account)
    fetched(account, remotes[:3])
    proxy.inject(faults.lagging(), operation, times=1)
    found = fetched(account, remotes)
    for number, key in enumerate(keys):
        one = found[key]
        assert isinstance(one, Missed) or gist(one.raw) == gist(mail(number))


@pytest.mark.parametrize("warp", [backwards, one_fewer])
@pytest.mark.parametrize("operation", ["GetItem", "ExportItems"])
def test_results_in_the_wrong_order_or_too_few_are_asked_for_again(
    mailbox: EwsMailbox,
    account: EwsAccount,
    double: EwsDouble,
    operation: str,
    warp: Callable[[list[Element]], list[Element]],
) -> None:
    keys = filled(mailbox)
    remotes = listed(account)
    double.plans.warp(warp, When(operation, double.plans.counts[operation] + 1))
    check_all_there(account, remotes, keys)
    assert len(mailbox.waits) == 1


# --- H11 ------------------------------------------------------------------------------------------


def test_the_last_page_is_known_in_every_form_of_a_truth_value(
    mailbox: EwsMailbox, account: EwsAccount, proxy: FaultProxy
) -> None:
    for number in range(6):
        mailbox.create(f"Folder {number}")
    keys = filled(mailbox, 250)

    def in_digits(body: bytes) -> bytes:
        for name in (b"IncludesLastItemInRange>", b'IncludesLastItemInRange="'):
            body = body.replace(name + b"true", name + b"1").replace(name + b"false", name + b"0")
        return body

    proxy.inject(faults.changed(in_digits))
    assert len([one for one in account.folders() if one.name.startswith("Folder ")]) == 6
    assert sorted(one.ref.key for one in listed(account)) == sorted(keys)
    assert proxy.counts["FindFolder"] <= 3


# --- states, tokens, changes between pages -----------------------------------------------------------


@pytest.mark.parametrize("bare", [False, True])
def test_a_state_that_the_server_takes_no_more_leads_to_a_comparison(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble, bare: bool
) -> None:
    keys = filled(mailbox, 6)
    copy = Copy()
    copy.update(account)
    mailbox.expunge("INBOX", keys[0])
    mailbox.flag("INBOX", keys[1], ["\\Seen"])
    new = mailbox.deliver("INBOX", mail(9))
    with double.lock:
        double.states.expire()
        double.states.bare_errors = bare
    try:
        told = copy.update(account)
    finally:
        double.states.bare_errors = False
    assert [one.remote.ref.key for one in told if isinstance(one, New)] == [new]
    assert set(copy.flags) == {*keys[1:], new}
    assert copy.flags[keys[1]] == {"\\Seen"}


def test_items_that_change_while_a_folder_is_listed_are_told_as_they_are_in_the_end(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    keys = filled(mailbox, 450)

    def meanwhile() -> None:
        mailbox.expunge("INBOX", keys[449], keys[3])
        mailbox.flag("INBOX", keys[448], ["\\Seen", "Work"])
        mailbox.owner.edit(mailbox.item(keys[447]), Subject="another")
        mailbox.deliver("INBOX", mail(1000))

    double.plans.after(meanwhile, When("SyncFolderItems", double.plans.counts["SyncFolderItems"] + 1))
    copy = Copy()
    copy.update(account)
    assert copy.exists == len(copy.flags) == 449
    fresh = Copy()
    fresh.update(account)
    assert copy.flags == fresh.flags


def test_an_edited_mail_is_archived_again_beside_its_old_version(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    key, other = mailbox.deliver("INBOX", mail(1)), mailbox.deliver("INBOX", mail(2))
    copy = Copy()
    copy.update(account)
    mailbox.owner.edit(mailbox.item(key), Subject="edited")
    mailbox.owner.edit(
        mailbox.item(other), Culture="fr-FR"
    )  # nothing of it shows in a list but that it changed
    before = dict(copy.flags)
    copy.update(account)
    assert len(copy.flags) == 2
    assert not set(copy.flags) & set(before)
    assert all(isinstance(one, Message) for one in fetched(account, listed(account)).values())
    told = account.look(
        find(account, "INBOX"), copy.cursor.epoch if copy.cursor else "", [*before, *copy.flags]
    )
    assert set(told.messages) == set(copy.flags)


def test_an_item_that_was_edited_since_it_was_listed_is_not_given_under_its_old_key(
    mailbox: EwsMailbox, account: EwsAccount
) -> None:
    filled(mailbox, 3)
    remotes = listed(account)
    changed = remotes[1].ref.key
    mailbox.owner.edit(mailbox.item(changed), Subject="edited")
    found = fetched(account, remotes)
    assert isinstance(found[changed], Missed)
    assert sum(isinstance(one, Message) for one in found.values()) == 2


def test_an_item_that_changes_between_the_look_and_the_removal_stays(
    mailbox: EwsMailbox, account: EwsAccount, double: EwsDouble
) -> None:
    keys = filled(mailbox, 4)
    inbox = find(account, "INBOX")
    (done,) = (one for one in account.changes(inbox, None, dict) if isinstance(one, Done))
    account.look(inbox, done.cursor.epoch, keys)
    mailbox.flag("INBOX", keys[0], ["\\Flagged"])
    double.plans.after(
        lambda: mailbox.flag("INBOX", keys[1], ["\\Flagged"]),
        When("GetItem", double.plans.counts["GetItem"] + 1),
    )
    told = {
        one.key: type(one).__name__ for one in account.remove(inbox, done.cursor.epoch, keys, account.trash())
    }
    assert told == {keys[0]: "Unremoved", keys[1]: "Unremoved", keys[2]: "Removed", keys[3]: "Removed"}
    assert {one.ref.key for one in listed(account)} == set(keys[:2])


@pytest.mark.parametrize("to_trash", [True, False])
@pytest.mark.parametrize("fault", [faults.cut_after, faults.cut_before, faults.truncated])
def test_a_reply_to_a_removal_that_was_lost_is_made_up_for_by_looking(
    mailbox: EwsMailbox,
    account: EwsAccount,
    proxy: FaultProxy,
    fault: Callable[[], faults.Fault],
    to_trash: bool,
) -> None:
    keys = filled(mailbox, 6)
    inbox = find(account, "INBOX")
    (done,) = (one for one in account.changes(inbox, None, dict) if isinstance(one, Done))
    to = account.trash() if to_trash else None
    for operation in ("MoveItem", "DeleteItem"):
        proxy.inject(fault(), operation, times=1)
    told = list(account.remove(inbox, done.cursor.epoch, keys[:4], to))
    assert sorted(one.key for one in told) == sorted(keys[:4])
    assert {type(one).__name__ for one in told} == {"Removed"}
    assert {one.ref.key for one in listed(account)} == set(keys[4:])
    assert len(mailbox.place("Trash").items) == (4 if to_trash else 0)


# --- OAuth ----------------------------------------------------------------------------------------


def test_a_token_that_ends_in_mid_run_is_renewed_once(tmp_path: Path) -> None:
    tokens = count(1)
    good = ["token1"]

    with EwsDouble(tls=tmp_path) as double:
        double.judge = lambda token: "ann@example.com" if token == good[0] else None
        mailbox = EwsMailbox(double, "ann@example.com")
        filled(mailbox, 2)

        def renew(claims: str | None = None) -> AccessToken:
            return AccessToken(f"token{next(tokens)}", renew)

        kept = renew()
        where = Endpoint(double.url, "ann@example.com", sign_in="oauth", ca_file=str(double.ca_file))
        account = EwsAccount(where, lambda: kept, pause=lambda _: None)
        remotes = listed(account)
        good[0] = "token2"
        assert all(isinstance(one, Message) for one in fetched(account, remotes).values())
        good[0] = "none"
        with pytest.raises(LoginRefused):
            account.folders()
        account.close()
