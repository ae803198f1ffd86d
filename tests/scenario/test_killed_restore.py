"""Processes that are killed while they put items into Exchange by their exports; the next one makes no second copy."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from archiver.accounts.ews.account import EwsAccount
from archiver.accounts.graph import writing
from archiver.formats.record import pack, unpack
from archiver.model import Appended, Kind, Message, Outgoing
from tests.contract.account import find, listed, mail
from tests.contract.append import outgoing
from tests.mortal import MortalHttp
from tests.servers import fault_proxy as faults
from tests.servers.ews.contract_mailbox import EwsMailbox
from tests.servers.ews.filling import fill
from tests.servers.ews.markup import text
from tests.servers.ews.plans import When
from tests.servers.ews.server import EwsDouble
from tests.servers.ews.state import Item
from tests.servers.fault_proxy import Fault, FaultProxy
from tests.servers.graph import filling as graph_filling
from tests.servers.graph.owner import GraphOwner
from tests.servers.graph.server import GraphDouble
from tests.servers.graph.state import Item as GraphItem
from tests.servers.graph.state import property_id

_numbers = count()
MARK = "00020329-0000-0000-c000-000000000046 name archiver-id"


@pytest.fixture(scope="module")
def double() -> Iterator[EwsDouble]:
    with EwsDouble() as running:
        yield running


@pytest.fixture(scope="module")
def messages(double: EwsDouble) -> list[Outgoing]:
    """Give items of all kinds, as archived: with twins, and with two contents that look alike."""
    source = EwsMailbox(double, f"source{next(_numbers)}@example.com")
    fill(source.owner, 120)
    account = source.account()
    found: dict[tuple[str, str], Message] = {}
    for folder in account.folders():
        for one in account.fetch(listed(account, folder.name)):
            assert isinstance(one, Message)
            details = unpack(one.raw).details
            found.setdefault((details.item_class, type(details.item).__name__), one)
            if details.kind is not Kind.MAIL or len(found) < 4:
                found[folder.name, details.subject] = one
    account.close()
    made = [outgoing(one.raw) for one in list(found.values())[::2]]
    assert {unpack(one.raw).details.kind for one in made} == set(Kind)
    return [*made, replace(made[0], copy=1), replace(made[1], copy=1), alike(made[0])]


def alike(one: Outgoing) -> Outgoing:
    """Give another content that no listing tells from this one."""
    record = unpack(one.raw)
    other = pack(replace(record, details=replace(record.details, importance="high")))
    return replace(outgoing(other), kind=one.kind)


def wanted(messages: list[Outgoing]) -> Counter[tuple[str, str]]:
    """Count the marks that there are to be, each with what its item is called."""
    return Counter((f"{one.digest}.{one.copy}", unpack(one.raw).details.subject) for one in messages)


def marks(items: list[Item]) -> Counter[tuple[str, str]]:
    return Counter(
        (text(one.properties[MARK], "Value") or "", text(one.fields.get("Subject")) or "")
        for one in items
        if MARK in one.properties
    )


def put(account: EwsAccount, messages: list[Outgoing]) -> None:
    answers = list(account.append(find(account, "Back"), iter(messages)))
    assert all(isinstance(one, Appended) and one.ref is not None for one in answers)
    assert Counter(one.digest for one in answers) == Counter(one.digest for one in messages)


class Ews:
    """A mailbox with a folder to restore to, in which there is something already, and the notes of this machine."""

    def __init__(self, double: EwsDouble, tmp_path: Path) -> None:
        self.mailbox = EwsMailbox(double, f"target{next(_numbers)}@example.com")
        self.notes = tmp_path / f"notes{next(_numbers)}"
        self.notes.mkdir(mode=0o700)
        self.own = [self.mailbox.item(self.mailbox.deliver("Back", mail(501)))]

    def run(self, messages: list[Outgoing], doom: MortalHttp | None = None) -> None:
        account = self.mailbox.account(self.notes)
        with doom.living() if doom is not None else nullcontext():
            put(account, messages)
        account.close()

    def meanwhile(self) -> None:
        """Put in what a user may put in between two restores."""
        self.own += [self.mailbox.item(self.mailbox.deliver("Back", mail(number))) for number in (502, 503)]

    def check(self, messages: list[Outgoing]) -> None:
        items = self.mailbox.place("Back").items
        assert marks(items) == wanted(messages)
        unmarked = [one.id for one in items if MARK not in one.properties]
        assert sorted(unmarked) == sorted(one.id for one in self.own)
        assert list(self.notes.iterdir()) == [], "nothing is open any more"
        assert self.mailbox.warnings == []


def test_a_restore_by_export_that_is_killed_at_any_request_puts_each_item_in_once(
    double: EwsDouble, messages: list[Outgoing], tmp_path: Path
) -> None:
    clean = Ews(double, tmp_path)
    whole = MortalHttp(0, after=False, kept=clean.notes)
    clean.run(messages, whole)
    clean.check(messages)
    assert whole.told > 12
    for nth in range(1, whole.told + 1):
        for after in (False, True):
            target = Ews(double, tmp_path)
            doom = MortalHttp(nth, after=after, kept=target.notes)
            target.run(messages, doom)
            assert doom.dead
            target.meanwhile()
            target.run(messages)
            target.check(messages)


def test_a_batch_that_the_server_put_in_half_is_known_in_half(
    double: EwsDouble, messages: list[Outgoing], tmp_path: Path
) -> None:
    for part in (1, 9):
        target = Ews(double, tmp_path)
        clock = MortalHttp(0, after=False, kept=target.notes)
        double.plans.refuse(
            "ErrorServerBusy", part, When("UploadItems", double.plans.counts["UploadItems"] + 1)
        )
        double.plans.after(clock.kill_now, When("UploadItems", double.plans.counts["UploadItems"] + 1))
        target.run(messages, clock)
        assert clock.dead
        assert 0 < len(target.mailbox.place("Back").items) - len(target.own) < len(messages)
        target.meanwhile()
        target.run(messages)
        target.check(messages)


def test_what_the_folder_held_before_is_never_taken_for_what_was_restored(
    double: EwsDouble, tmp_path: Path
) -> None:
    for nth in count(1):
        target = Ews(double, tmp_path)
        account = target.mailbox.account()
        (own,) = account.fetch(listed(account, "Back"))
        account.close()
        assert isinstance(own, Message)
        given = [outgoing(own.raw)]
        doom = MortalHttp(nth, after=False, kept=target.notes)
        target.run(given, doom)
        target.run(given)
        target.check(given)
        if not doom.dead:
            break


def test_an_item_whose_mark_is_refused_is_known_by_the_next_restore(
    double: EwsDouble, messages: list[Outgoing], tmp_path: Path
) -> None:
    target = Ews(double, tmp_path)
    double.plans.refuse("ErrorItemSave", -1, When("UpdateItem", times=2))
    for left in (True, True, False):
        target.run(messages[:4])
        assert len(target.mailbox.place("Back").items) == 4 + len(target.own)
        assert bool(list(target.notes.iterdir())) is left
    target.check(messages[:4])


def test_an_item_that_was_restored_by_ews_before_is_known_by_the_mark_in_its_export(
    double: EwsDouble, messages: list[Outgoing], tmp_path: Path
) -> None:
    first = Ews(double, tmp_path)
    first.run(messages[:6])
    account = first.mailbox.account()
    told = list(account.fetch(listed(account, "Back")))
    account.close()
    again = [outgoing(one.raw) for one in told if isinstance(one, Message)]
    target = Ews(double, tmp_path)
    doom = MortalHttp(0, after=True, kept=target.notes)
    double.plans.after(doom.kill_now, When("UploadItems", double.plans.counts["UploadItems"] + 1))
    target.run(again, doom)
    assert doom.dead
    assert len(target.mailbox.place("Back").items) == len(again) + len(target.own)
    target.meanwhile()
    target.run(again)
    target.check(again)


# --- Graph ------------------------------------------------------------------------------------------------

FOLDERS = {Kind.MAIL: "INBOX", Kind.EVENT: "Calendar", Kind.CONTACT: "Contacts", Kind.TASK: "Tasks"}
OWN_MAIL = graph_filling.MAIL.replace(b"figures@", b"other@")


def archived(source: GraphDouble, kind: Kind) -> list[Outgoing]:
    """Give items of a kind, as archived: with a twin, and with two contents that look alike."""
    graph_filling.fill(source.mailbox)
    graph_filling.fill_many(source.mailbox, 6)
    account = GraphOwner(source, export=True).account()
    found = list(account.fetch(listed(account, FOLDERS[kind])))
    account.close()
    made = []
    for one in found:
        assert isinstance(one, Message)
        made.append(replace(outgoing(one.raw), kind=kind))
    return [*made, replace(made[-1], copy=1), alike(made[-1])]


class Graph:
    """A mailbox with a folder to restore to, in which there is something already, and the notes of this machine."""

    def __init__(self, double: GraphDouble, kind: Kind, tmp_path: Path) -> None:
        self.double = double
        self.kind = kind
        self.notes = tmp_path / f"notes{next(_numbers)}"
        self.notes.mkdir(mode=0o700)
        self.owner = GraphOwner(double)
        names = {
            Kind.MAIL: "inbox",
            Kind.EVENT: "calendar",
            Kind.CONTACT: "contacts",
            Kind.TASK: "defaultList",
        }
        self.folder = double.mailbox.folder(names[kind], kind.value)
        self.own: list[str] = []
        self.enter("2026-04-01")

    def enter(self, day: str) -> None:
        """Put in what a user may: it is called as what is restored is, and is another."""
        zones = {"originalStartTimeZone": "UTC", "originalEndTimeZone": "UTC", "type": "singleInstance"}
        start, end = graph_filling.zoned(day, 9), graph_filling.zoned(day, 10)
        mailbox = self.double.mailbox
        match self.kind:
            case Kind.MAIL:
                made = mailbox.deliver(self.folder, OWN_MAIL.replace(b"other@", b"%s@" % day.encode()))
            case Kind.EVENT:
                called = {"subject": "Holiday", "iCalUId": f"0400{day}", "start": start, "end": end}
                made = mailbox.add(self.folder, {**called, **zones})
            case Kind.CONTACT:
                addresses = [{"name": "Bob", "address": f"{day}@example.org"}]
                made = mailbox.add(self.folder, {"displayName": "Bob Builder", "emailAddresses": addresses})
            case _:
                made = mailbox.add(self.folder, {"title": "Pay the bill", "dueDateTime": start})
        self.own.append(made.id)

    def run(self, messages: list[Outgoing], doom: MortalHttp | None = None) -> None:
        account = self.owner.account(self.notes)
        folder = find(account, FOLDERS[self.kind])
        with doom.living() if doom is not None else nullcontext():
            answers = list(account.append(folder, iter(messages)))
            assert all(isinstance(one, Appended) and one.altered is None for one in answers), answers
        account.close()

    def check(self, messages: list[Outgoing]) -> None:
        items = self.double.mailbox.inside(self.folder.id)
        meetings = [one for one in items if one.props.get("attendees")]
        met = [one for one in messages if "meeting" in str(unpack(one.raw).details.subject).lower()]
        assert len(meetings) == len(met)
        assert marks_in(items) == wanted([one for one in messages if one not in met])
        unmarked = [one.id for one in items if one not in meetings and not marks_of(one)]
        assert sorted(unmarked) == sorted(self.own)
        assert list(self.notes.iterdir()) == [], "nothing is open any more"
        assert self.owner.warnings == []
        assert self.double.sent_invitations == 0


def marks_in(items: list[GraphItem]) -> Counter[tuple[str, str]]:
    return Counter((mark, called(one)) for one in items for mark in marks_of(one))


def called(item: GraphItem) -> str:
    return next(str(item.props[name]) for name in ("subject", "title", "displayName") if name in item.props)


def marks_of(item: GraphItem) -> list[str]:
    name = property_id(writing.ARCHIVER_ID)
    linked = [one["externalId"] for one in item.props.get("linkedResources", ())]
    return [*linked, *(value for key, value in item.extended.items() if key == name)]


@pytest.mark.parametrize("kind", list(FOLDERS))
def test_a_restore_by_import_that_is_killed_at_any_request_puts_each_item_in_once(
    kind: Kind, tmp_path: Path
) -> None:
    with GraphDouble() as source, GraphDouble() as target:
        messages = archived(source, kind)
        clean = Graph(target, kind, tmp_path)
        whole = MortalHttp(0, after=False, kept=clean.notes)
        clean.run(messages, whole)
        clean.check(messages)
    assert whole.told > 10
    for nth in range(1, whole.told + 1):
        for after in (False, True):
            with GraphDouble() as double:
                there = Graph(double, kind, tmp_path)
                doom = MortalHttp(nth, after=after, kept=there.notes)
                there.run(messages, doom)
                assert doom.dead
                there.enter("2026-04-02")
                there.run(messages)
                there.check(messages)


@pytest.mark.parametrize("kind", list(FOLDERS))
@pytest.mark.parametrize("fault", [faults.cut_after, faults.cut_before])
def test_what_a_user_puts_in_while_an_answer_is_lost_is_not_mistaken(
    kind: Kind, fault: Callable[[], Fault], tmp_path: Path
) -> None:
    with GraphDouble() as source, GraphDouble() as double, FaultProxy(double.import_url) as importing:
        messages = archived(source, kind)
        messages = [one for one in messages if unpack(one.raw).details.subject != "Meeting"]
        double.import_url = importing.url
        there = Graph(double, kind, tmp_path)

        def given() -> Iterator[Outgoing]:
            yield messages[-1]
            there.enter("2026-04-02")  # it is called as the first of them
            importing.inject(fault(), nth=len(importing.seen) + 1)
            yield from messages[:-1]

        account = there.owner.account(there.notes)
        assert len(list(account.append(find(account, FOLDERS[kind]), given()))) == len(messages)
        account.close()
        assert importing.injected == 1
        there.check(messages)


@pytest.mark.parametrize("kind", list(FOLDERS))
def test_an_item_that_was_restored_before_is_known_by_the_mark_in_its_export(
    kind: Kind, tmp_path: Path
) -> None:
    with GraphDouble() as source, GraphDouble() as first:
        Graph(first, kind, tmp_path).run(archived(source, kind)[:2])
        account = GraphOwner(first, export=True).account()
        told = list(account.fetch(listed(account, FOLDERS[kind])))
        account.close()
    messages = [replace(outgoing(one.raw), kind=kind) for one in told if isinstance(one, Message)]
    bare = [one for one in messages if b"Meeting" not in one.raw]
    for nth in range(6, 12):
        with GraphDouble() as double:
            there = Graph(double, kind, tmp_path)
            doom = MortalHttp(nth, after=True, kept=there.notes)
            there.run(messages, doom)
            assert doom.dead
            there.run(messages)
            assert len(double.mailbox.inside(there.folder.id)) == len(messages) + len(there.own)
            assert marks_in(double.mailbox.inside(there.folder.id)) & wanted(bare) == wanted(bare)


@pytest.mark.parametrize("kind", list(FOLDERS))
def test_an_item_that_cannot_be_read_after_its_import_is_there_all_the_same(
    kind: Kind, tmp_path: Path
) -> None:
    hidden = {
        Kind.MAIL: "/me/messages/",
        Kind.EVENT: "/events/",
        Kind.CONTACT: "/me/contacts/",
        Kind.TASK: "/tasks/",
    }
    with GraphDouble() as source, GraphDouble() as double:
        messages = archived(source, kind)[:2]
        there = Graph(double, kind, tmp_path)
        account = there.owner.account(there.notes)
        folder = find(account, FOLDERS[kind])
        double.breaks = {hidden[kind]: 404}
        for _ in range(2):
            answers = list(account.append(folder, iter(messages)))
            assert all(isinstance(one, Appended) and one.ref is None for one in answers), answers
            assert all(
                "nothing more can be told of it" in (getattr(one, "altered", "") or "") for one in answers
            )
            assert len(double.mailbox.inside(there.folder.id)) == len(messages) + len(there.own)
        account.close()
        double.breaks = {}
        there.run(messages)
        there.check(messages)
