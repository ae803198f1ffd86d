"""A mailbox of Exchange, with items of all kinds, through every verb, while its server does what servers do."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from archiver.accounts.exchange import id_of
from archiver.errors import ArchiverError, Unreachable
from archiver.formats.record import Record, unpack
from archiver.plan.prune import Policy
from archiver.plan.pull import Selection
from tests.contract.account import mail
from tests.contract.exchange import gist
from tests.scene import Scene, in_the_end
from tests.servers import fault_proxy as faults
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.filling import fill
from tests.servers.ews.markup import text
from tests.servers.ews.server import EwsDouble
from tests.servers.ews.state import Item
from tests.servers.ews.temper import OTHER_MAKER
from tests.servers.fault_proxy import Fault, FaultProxy

ITEMS = int(os.environ.get("ARCHIVER_TEST_EWS_ITEMS", "150"))
STEP = int(os.environ.get("ARCHIVER_TEST_EWS_STEP", "9"))
"""A fault comes at every so-manieth request; 1 is all of them."""
FEW = ("INBOX", "Calendar", "Contacts")
EVERY = (
    4  # to log in again takes two requests, so that each step fails, and goes through when it is tried again
)
TRIES = 12  # more than are made, with those that log in again

_numbers = count()

FAULTS: dict[str, Callable[[], Fault]] = {
    "cut before": faults.cut_before,
    "cut after": faults.cut_after,
    "cut midway": faults.cut_midway,
    "cut short, well framed": faults.truncated,
    "busy": lambda: faults.busy(100),
    "internal error": lambda: faults.soap_fault("ErrorInternalServerError"),
    "503 when done": lambda: faults.unavailable(after=True),
}
QUICK = tuple(FAULTS) if STEP == 1 else ("cut after", "cut short, well framed", "busy")


@pytest.fixture(params=["mbox"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path / "state", request.param)


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
    return EwsMailbox(double, f"scene{next(_numbers)}@example.com", proxy.url)


def items_of(mailbox: EwsMailbox) -> dict[str, Item]:
    """Give all items below the top of a mailbox, by id."""
    top = mailbox.owner.mailbox.distinguished["msgfolderroot"]
    return {item.id: item for folder in top.below() for item in folder.normal_items}


def held(scene: Scene) -> dict[str, Record]:
    """Give what the archive holds of what is still there; fails for an item that it holds twice."""
    found: dict[str, Record] = {}
    for (_, key), raw in scene.here().items():
        identity = id_of(key) or ""
        assert identity not in found
        found[identity] = unpack(raw)
    return found


def check_same(found: dict[str, Record], items: dict[str, Item]) -> None:
    """Check that the archive holds each item, once and as it is."""
    assert set(found) == set(items)
    for identity, item in items.items():
        record = found[identity]
        assert record.details.change_key is not None
        assert record.details.subject == (text(item.fields.get("Subject")) or "")
        if item.source is not None:
            assert gist(record.body) == gist(item.source)
        assert record.export is not None


def stir(mailbox: EwsMailbox) -> None:
    """Change something of everything."""
    inbox = mailbox.place("INBOX")
    mailbox.owner.delete(inbox.items[0])
    mailbox.owner.mark(inbox.items[1], read=not inbox.items[1].is_read)
    mailbox.owner.categorize(inbox.items[2], "Ünïcode & more")
    mailbox.owner.edit(inbox.items[3], Subject="another subject")
    mailbox.owner.move(inbox.items[4], mailbox.place("Projects"))
    inbox.deliver(mail(99_999))
    mailbox.owner.edit(mailbox.owner.folder("calendar").items[0], Location="elsewhere")
    mailbox.owner.edit(mailbox.owner.folder("contacts").items[0], CompanyName="Another Ltd.")


def test_a_mailbox_of_all_kinds_is_archived_verified_and_kept_up_with(
    scene: Scene, mailbox: EwsMailbox, proxy: FaultProxy
) -> None:
    fill(mailbox.owner, ITEMS)
    account = mailbox.account()
    assert scene.pull(account=account).complete
    check_same(held(scene), items_of(mailbox))
    kinds = {record.details.kind for record in held(scene).values()}
    assert len(kinds) == 5
    requests = len(proxy.seen)
    before = {entry.ref for entry in scene.entries()}
    stir(mailbox)
    report = scene.pull(account=account)
    assert report.complete
    check_same(held(scene), items_of(mailbox))
    assert before < {entry.ref for entry in scene.entries()}, "the old versions stay"
    assert sum(folder.new for folder in report.folders) == 5
    requests = len(proxy.seen)
    assert scene.pull(account=account).complete
    assert proxy.counts["GetItem"] and len(proxy.seen) - requests <= 4 + 2 * len(report.folders)
    assert scene.verify(messages=True).findings == []
    account.close()


def requests_of(mailbox: EwsMailbox, proxy: FaultProxy, do: Callable[[], object]) -> int:
    """Count the requests that something takes."""
    before = len(proxy.seen)
    do()
    return len(proxy.seen) - before


@pytest.mark.parametrize("name", FAULTS)
def test_a_pull_that_meets_a_fault_at_any_request_loses_nothing_and_doubles_nothing(
    tmp_path: Path, mailbox: EwsMailbox, proxy: FaultProxy, name: str
) -> None:
    fill(mailbox.owner, 30)
    selection = Selection(include=FEW)
    clean = Scene(tmp_path / "clean")
    account = mailbox.account()
    total = requests_of(mailbox, proxy, lambda: clean.pull(account=account, selection=selection))
    account.close()
    wanted = {key for key, item in items_of(mailbox).items() if item.folder.name in ("Inbox", *FEW)}
    for at in range(1, total + 1, STEP):
        scene = Scene(tmp_path / f"state{at}")
        account = mailbox.account()
        proxy.heal()
        for number in range(TRIES):
            proxy.inject(FAULTS[name](), nth=len(proxy.seen) + at + number)
        try:
            scene.pull(account=account, selection=selection)
        except ArchiverError as error:
            assert isinstance(error, Unreachable), error
        assert set(held(scene)) <= wanted
        proxy.heal()
        account.close()
        account = mailbox.account()
        report = scene.pull(account=account, selection=selection)
        assert report.complete, (at, [folder.balance for folder in report.folders])
        assert set(held(scene)) == wanted
        account.close()


@pytest.mark.parametrize("name", QUICK)
def test_a_restore_that_meets_a_fault_at_any_request_puts_each_item_in_once(
    tmp_path: Path, scene: Scene, mailbox: EwsMailbox, double: EwsDouble, proxy: FaultProxy, name: str
) -> None:
    fill(mailbox.owner, 30)
    source = mailbox.account()
    scene.pull(account=source, selection=Selection(include=FEW))
    source.close()
    wanted = Counter(summary(one) for one in items_of(mailbox).values() if one.folder.name in ("Inbox", *FEW))

    def target() -> EwsMailbox:
        return EwsMailbox(double, f"target{next(_numbers)}@example.com", proxy.url)

    clean = target()
    account = clean.account()
    total = requests_of(
        clean, proxy, lambda: scene.restore(account=account, to="other", ledger=False, records=True)
    )
    account.close()
    assert Counter(summary(one) for one in items_of(clean).values()) == wanted
    assert double.sent == []
    for at in range(1, total + 1, STEP):
        there = target()
        account = there.account()
        proxy.heal()
        proxy.inject(FAULTS[name](), nth=len(proxy.seen) + at)
        with suppress(Unreachable):  # a server that never answered is not asked twice
            scene.restore(account=account, to="other", ledger=False, records=True)
        scene.restore(account=account, to="other", ledger=False, records=True)
        assert Counter(summary(one) for one in items_of(there).values()) == wanted, at
        account.close()


def summary(item: Item) -> tuple[str | None, ...]:
    """Give what tells items apart, whatever their ids."""
    fields = (
        text(item.fields.get(name)) for name in ("Subject", "DisplayName", "Start", "InternetMessageId")
    )
    body = gist(item.source) if item.source is not None else None
    return (item.folder.name, item.item_class, str(item.received), str(item.is_read), body, *fields)


@pytest.mark.parametrize("name", QUICK)
def test_a_prune_that_meets_a_fault_at_any_request_removes_nothing_that_is_not_archived(
    tmp_path: Path, mailbox: EwsMailbox, double: EwsDouble, proxy: FaultProxy, name: str
) -> None:
    at = 0
    done = False
    while not done:
        at += STEP
        scene = Scene(tmp_path / f"state{at}")
        one = EwsMailbox(double, f"pruned{next(_numbers)}@example.com", proxy.url)
        fill(one.owner, 20)
        account = one.account()
        selection = Selection(include=("INBOX",))
        scene.pull(account=account, selection=selection)
        archived = {id_of(entry.ref.key) for entry in scene.entries()}
        first = one.place("INBOX").deliver(mail(5))
        before = items_of(one)
        proxy.heal()
        start = len(proxy.seen)
        for number in range(TRIES):
            proxy.inject(FAULTS[name](), nth=start + at + number)
        try:
            policy = Policy(unread=True, flagged=True)
            scene.prune(policy, account=account, to="Deleted Items", selection=selection)
            done = len(proxy.seen) - start < at
        except ArchiverError as error:
            assert isinstance(error, Unreachable), error
        proxy.heal()
        gone = set(before) - set(items_of(one))
        assert gone <= archived
        assert first.id not in gone
        assert len(one.place("Trash").items) == len(gone), "what left the folder is in the trash"
        account.close()


def test_a_mailbox_of_all_kinds_goes_through_every_verb_in_a_storm(
    scene: Scene, mailbox: EwsMailbox, double: EwsDouble, proxy: FaultProxy
) -> None:
    """Hardly a request goes through at once, while it is pulled in parts, put back, and pruned."""
    fill(mailbox.owner, ITEMS)
    account = mailbox.account()
    proxy.storm(FAULTS.values(), EVERY)
    in_the_end(lambda: scene.pull(account=account))
    check_same(held(scene), items_of(mailbox))
    stir(mailbox)
    in_the_end(lambda: scene.pull(account=account))
    check_same(held(scene), items_of(mailbox))
    assert scene.verify(messages=True).findings == []
    target = EwsMailbox(double, f"target{next(_numbers)}@example.com", proxy.url)
    taker = target.account()
    wanted = Counter(summary(one) for one in items_of(mailbox).values())
    for _ in range(2):
        in_the_end(lambda: scene.restore(account=taker, to="other", ledger=False, records=True))
        assert Counter(summary(one) for one in items_of(target).values()) == wanted
    taker.close()
    inbox = {item.id for item in mailbox.place("INBOX").items}
    policy, selection = Policy(unread=True, flagged=True), Selection(include=("INBOX",))
    in_the_end(lambda: scene.prune(policy, account=account, to="Deleted Items", selection=selection))
    assert mailbox.place("INBOX").items == []
    assert len(mailbox.place("Trash").items) == len(inbox)
    account.close()
    assert double.sent == []
    print(f"{len(wanted)} items, {len(proxy.seen)} requests, {proxy.injected} faults")


def test_a_mailbox_on_a_server_of_another_maker_is_archived_restored_and_pruned(
    tmp_path: Path, scene: Scene
) -> None:
    with EwsDouble(temper=OTHER_MAKER) as other:
        mailbox = EwsMailbox(other, "ann@example.com")
        fill(mailbox.owner, ITEMS)
        account = mailbox.account()
        assert scene.pull(account=account).complete
        found, items = held(scene), items_of(mailbox)
        assert set(found) == set(items)
        assert {record.export for record in found.values()} == {None}
        stir(mailbox)
        other.states.expire()
        report = scene.pull(account=account)
        assert report.complete
        assert sum(folder.new for folder in report.folders) == 5
        assert scene.verify(messages=True).findings == []
        target = EwsMailbox(other, "bob@example.com")
        target.deliver("INBOX", mail(1))  # of a mailbox that never saw archiver
        taker = target.account()
        for _ in range(2):
            scene.restore(account=taker, to="other", ledger=False, records=True)
            assert len(items_of(target)) == len(items_of(mailbox)) + 1
        taker.close()
        policy = Policy(unread=True, flagged=True, refetch=True)
        selection = Selection(include=("INBOX", "Projects", "Contacts"))
        before = set(items_of(mailbox))
        named = {"Contacts"}
        scene.prune(
            policy, account=account, to="Deleted Items", selection=selection, records=True, named=named
        )
        gone = before - set(items_of(mailbox))
        assert gone <= {id_of(entry.ref.key) for entry in scene.entries()}
        assert {items[one].item_class for one in gone if one in items} >= {"IPM.Note", "IPM.Contact"}
        assert len(mailbox.place("Trash").items) == len(gone)
        assert other.sent == []
        account.close()
