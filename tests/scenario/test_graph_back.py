"""Items put back into Exchange Online by Graph, and taken out: no second copy, no invitation, no change unnoticed."""

import copy
import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from archiver.accounts.exchange import id_of
from archiver.accounts.graph.account import GraphAccount
from archiver.errors import ArchiverError, Unreachable
from archiver.formats.record import pack, unpack
from archiver.model import Appended, Folder, Kind, Outgoing, Refused, Removed, Unremoved
from archiver.plan.prune import Policy
from archiver.plan.pull import Selection
from tests.contract.account import find, listed
from tests.scenario.test_graph import FAULTS, STEP, check, held, through
from tests.scene import Scene, in_the_end
from tests.servers.fault_proxy import FaultProxy, cut_after, unavailable
from tests.servers.graph.filling import MAIL, PICTURE, fill, fill_many
from tests.servers.graph.owner import GraphOwner
from tests.servers.graph.server import GraphDouble, Reply, Request

ITEMS = int(os.environ.get("ARCHIVER_TEST_GRAPH_ITEMS", "80"))
EVERY = (
    7  # three requests are on their way at a time, and four tries of one must not all meet a fault too often
)
MAILS = Selection(include=("INBOX", "Sent Items", "Archive"))


@pytest.fixture
def source() -> Iterator[GraphDouble]:
    with GraphDouble() as running:
        fill(running.mailbox)
        yield running


@pytest.fixture
def target() -> Iterator[GraphDouble]:
    with GraphDouble() as running:
        yield running


@pytest.fixture
def scene(tmp_path: Path, source: GraphDouble) -> Scene:
    """An archive of a mailbox with items of every sort."""
    made = Scene(tmp_path / "state")
    made.pull(account=GraphOwner(source, export=True).account())
    return made


def outgoing(scene: Scene) -> dict[str, list[Outgoing]]:
    """Give what the archive holds, by folder."""
    found: dict[str, list[Outgoing]] = {}
    kept = {(one.ref.folder, one.ref.key): one for one in scene.entries() if not one.vanished}
    for (folder, key), raw in scene.here().items():
        entry = kept[folder, key]
        one = Outgoing(hashlib.sha256(raw).hexdigest(), raw, entry.flags, entry.received, entry.kind)
        found.setdefault(folder, []).append(one)
    return found


def put_back(scene: Scene, account: GraphAccount) -> list[Appended | Refused]:
    """Put all back, each into a folder of its name."""
    answers: list[Appended | Refused] = []
    for name, messages in outgoing(scene).items():
        folder = account.make_folder(Folder(name, kind=messages[0].kind))
        told = list(account.append(folder, iter(messages)))
        assert [one.digest for one in told] == [one.digest for one in messages]
        answers += told
    return answers


def subjects(double: GraphDouble) -> Counter[str]:
    return Counter(
        next(str(one.props[name]) for name in ("subject", "title", "displayName") if name in one.props)
        for one in double.mailbox.items.values()
    )


def test_what_has_an_export_comes_back_as_it_was(
    scene: Scene, source: GraphDouble, target: GraphDouble
) -> None:
    answers = put_back(scene, GraphOwner(target).account())
    assert all(isinstance(one, Appended) and one.altered is None for one in answers)
    assert subjects(target) == subjects(source)

    def blobs(double: GraphDouble) -> Counter[bytes]:
        plain = [unmarked(double, item_id) for item_id in double.mailbox.items]
        return Counter(plain)

    assert blobs(target) == blobs(source)
    assert target.sent_invitations == 0
    assert {one.name for one in GraphOwner(target).account().folders()} >= {
        "Calendar/Team%2FOps",
        "Contacts/Friends",
    }


def unmarked(double: GraphDouble, item_id: str) -> bytes:
    """Give an item's export without the marks that archiver put on it."""
    item = copy.deepcopy(double.mailbox.items[item_id])
    item.extended = {}
    item.props.pop("linkedResources", None)
    return double.mailbox.blob(item)


def test_an_answer_names_the_item_as_the_next_listing_does(scene: Scene, target: GraphDouble) -> None:
    account = GraphOwner(target).account()
    answers = put_back(scene, account)
    refs = {one.ref for one in answers if isinstance(one, Appended)}
    there = {one.ref for name in outgoing(scene) for one in listed(account, name)}
    assert refs == there


def test_without_exports_items_are_made_anew_and_the_loss_is_told(scene: Scene, target: GraphDouble) -> None:
    target.forbids = ("createImportSession",)
    answers = put_back(scene, GraphOwner(target).account())
    altered = sorted(one.altered for one in answers if isinstance(one, Appended) and one.altered)
    assert altered == [
        "Exchange Online makes it anew, without 1 changed and 1 cancelled occurrences of the series",
        "Exchange Online makes it anew, without the 1 people who are asked, so that nobody is written to",
    ]
    assert target.sent_invitations == 0
    other = Scene(scene.state.parent / "copy")
    other.pull(account=GraphOwner(target).account())
    before = {one.details.subject: one.details.item for one in held(scene).values()}
    after = {one.details.subject: one for one in held(other).values()}
    assert after.keys() == before.keys()
    for subject in ("Holiday", "On call", "Bob Builder", "Wendy", "Pay the bill"):
        old, new = before[subject], after[subject].details.item
        assert old is not None and new is not None
        plain: dict[str, object] = {"created": None, "modified": None}
        if hasattr(old, "uid"):
            plain["uid"] = old.uid
        assert replace(new, **plain) == replace(old, **{**plain})
    assert [one.content for one in after["Bob Builder"].attachments] == [PICTURE]
    assert [one.content for one in after["Pay the bill"].attachments] == [b"42 euro"]
    assert [one.content for one in after["Meeting"].attachments] == [b"1. cake"]
    assert b"MSwyLDMK" in after["Figures"].body
    assert not any(item.props.get("isDraft") for item in target.mailbox.items.values())


@pytest.mark.parametrize("imports", [True, False])
def test_to_put_back_twice_makes_no_second_copy(scene: Scene, target: GraphDouble, imports: bool) -> None:
    if not imports:
        target.forbids = ("createImportSession",)
    put_back(scene, GraphOwner(target).account())
    before = subjects(target)
    answers = put_back(scene, GraphOwner(target).account())
    assert all(isinstance(one, Appended) for one in answers)
    assert subjects(target) == before


def test_equal_messages_that_the_folder_is_to_have_twice_are_there_twice(
    scene: Scene, target: GraphDouble
) -> None:
    account = GraphOwner(target).account()
    folder = account.make_folder(Folder("Twice"))
    one = Outgoing(hashlib.sha256(MAIL).hexdigest(), MAIL)
    for _ in range(2):
        list(account.append(folder, iter([one, replace(one, copy=1)])))
    assert len(target.mailbox.items) == 2


@pytest.mark.parametrize("fault", ["cut after", "unavailable afterwards"])
@pytest.mark.parametrize("imports", [True, False])
def test_a_lost_answer_at_any_request_makes_no_second_copy(
    scene: Scene, source: GraphDouble, fault: str, imports: bool
) -> None:
    with GraphDouble() as target:
        if not imports:
            target.forbids = ("createImportSession",)
        put_back(scene, GraphOwner(target).account())
        total = len(target.seen)
    assert total > 30
    for at in range(1 + (2 * imports + (fault == "cut after")) % STEP, total + 1, STEP):
        with (
            GraphDouble() as target,
            FaultProxy(target.url.removesuffix("/v1.0")) as proxy,
            FaultProxy(target.import_url) as importing,
        ):
            target.public, target.import_url = proxy.url, importing.url
            if not imports:
                target.forbids = ("createImportSession",)
            owner = GraphOwner(target)
            owner.url = f"{proxy.url}/v1.0"
            for one in (proxy, importing):
                one.inject(cut_after() if fault == "cut after" else unavailable(after=True), nth=at)
            answers = put_back(scene, owner.account())
            assert all(isinstance(one, Appended) for one in answers)
            assert subjects(target) == subjects(source)
            assert target.sent_invitations == 0


def asked_to_one(source: GraphDouble) -> None:
    """Have Bob asked to one occurrence of the series, which nobody is asked to as a whole."""
    (series,) = [one for one in source.mailbox.items.values() if one.props.get("subject") == "Standup"]
    (late,) = series.props["exceptionOccurrences"]
    late["attendees"] = [{"type": "required", "emailAddress": {"name": "Bob", "address": "bob@example.org"}}]
    source.mailbox.touch(series, "content")


def test_a_series_that_people_are_asked_to_once_is_neither_changed_nor_removed(
    scene: Scene, source: GraphDouble, target: GraphDouble
) -> None:
    asked_to_one(source)
    owner = GraphOwner(source, export=True)
    scene.pull(account=owner.account())
    for _ in range(2):
        put_back(scene, GraphOwner(target).account())
        assert target.sent_invitations == 0
        assert subjects(target) == subjects(source)
    account = owner.account()
    (series,) = [
        one for one in listed(account, "Calendar") if owner.item(one.ref.key).props["subject"] == "Standup"
    ]
    (told,) = account.remove(find(account, "Calendar"), series.ref.epoch, [series.ref.key], None)
    assert isinstance(told, Unremoved)
    assert source.sent_invitations == 0


def test_a_meeting_with_two_files_of_one_name_is_put_back_with_these_two(
    scene: Scene, source: GraphDouble, target: GraphDouble
) -> None:
    for item in source.mailbox.items.values():
        if item.props.get("subject") == "Meeting":
            item.attachments.append({**item.attachments[0], "id": "ATT-second"})
            source.mailbox.touch(item, "content")
    scene.pull(account=GraphOwner(source, export=True).account())
    put_back(scene, GraphOwner(target).account())
    (made,) = [one for one in target.mailbox.items.values() if one.props.get("subject") == "Meeting"]
    assert [one["name"] for one in made.attachments] == ["agenda.txt", "plan.docx", "agenda.txt"]
    assert target.sent_invitations == 0


def test_a_meeting_that_lacks_a_file_is_not_changed_and_that_is_told(
    scene: Scene, source: GraphDouble, target: GraphDouble
) -> None:
    account = GraphOwner(target).account()
    put_back(scene, account)
    (made,) = [one for one in target.mailbox.items.values() if one.props.get("subject") == "Meeting"]
    made.attachments.clear()
    told = [one.altered for one in put_back(scene, GraphOwner(target).account()) if isinstance(one, Appended)]
    assert [one for one in told if one] == ['Exchange Online does not take the attachments "agenda.txt"']
    assert target.sent_invitations == 0


def test_a_meeting_that_is_there_is_not_made_anew_from_an_archive_without_exports(
    scene: Scene, source: GraphDouble, target: GraphDouble
) -> None:
    put_back(scene, GraphOwner(target).account())
    before = subjects(target)
    plain = Scene(scene.state.parent / "plain")
    plain.pull(account=GraphOwner(source).account())
    put_back(plain, GraphOwner(target).account())
    assert subjects(target)["Meeting"] == before["Meeting"] == 1


def test_an_imported_item_whose_mark_is_refused_is_not_made_once_more(
    scene: Scene, source: GraphDouble, target: GraphDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = GraphDouble.answer

    def refusing(double: GraphDouble, request: Request) -> Reply:
        if double is target and request.method == "PATCH":
            return Reply(400, {"error": {"code": "ErrorInvalidExtendedProperty", "message": ""}})
        return serve(double, request)

    monkeypatch.setattr(GraphDouble, "answer", refusing)
    answers = put_back(scene, GraphOwner(target).account())
    assert all(isinstance(one, Appended) for one in answers)
    assert subjects(target) == subjects(source)


def test_an_import_session_that_expires_is_made_anew(
    scene: Scene, source: GraphDouble, target: GraphDouble
) -> None:
    target.import_lives = 1
    put_back(scene, GraphOwner(target).account())
    assert subjects(target) == subjects(source)
    assert not [
        one for one in target.mailbox.items.values() if one.kind == "event" and "iCalUId" not in one.props
    ]


def test_an_export_that_is_damaged_is_made_anew_from_its_details(scene: Scene, target: GraphDouble) -> None:
    account = GraphOwner(target).account()
    (one,) = outgoing(scene)["Contacts"]
    record = unpack(one.raw)
    assert record.export is not None
    export = replace(record.export, data=record.export.data[:-1] + b"?")
    raw = pack(replace(record, export=export))
    (answer,) = account.append(find(account, "Contacts"), iter([replace(one, raw=raw)]))
    assert isinstance(answer, Appended)
    assert subjects(target) == {"Bob Builder": 1}


def test_mail_with_header_fields_that_exchange_does_not_take_tells_which(target: GraphDouble) -> None:
    account = GraphOwner(target).account()
    raw = b"Received: from a by b\r\nList-Id: <x>\r\nX-Mine: 1\r\n" + MAIL
    one = Outgoing(hashlib.sha256(raw).hexdigest(), raw, frozenset({"\\Seen", "\\Deleted"}))
    (answer,) = account.append(find(account, "INBOX"), iter([one]))
    assert isinstance(answer, Appended)
    assert answer.altered == (
        'Exchange Online makes it anew, without header fields "List-Id", "Received", "X-Mine"; the flag "\\Deleted"'
    )
    (item,) = target.mailbox.items.values()
    assert item.props["isDraft"] is False
    assert item.props["isRead"] is True


def test_an_item_is_not_put_into_a_folder_of_another_kind(scene: Scene, target: GraphDouble) -> None:
    account = GraphOwner(target).account()
    (one,) = outgoing(scene)["Contacts"]
    (answer,) = account.append(find(account, "INBOX"), iter([one]))
    assert isinstance(answer, Refused)
    assert target.mailbox.items == {}


def test_signed_mail_brings_its_original_along(target: GraphDouble) -> None:
    account = GraphOwner(target).account()
    raw = MAIL.replace(b"multipart/mixed", b"multipart/signed")
    (answer,) = account.append(find(account, "INBOX"), iter([Outgoing("0" * 64, raw)]))
    assert isinstance(answer, Appended)
    assert answer.altered is not None and "multipart/signed" in answer.altered
    (item,) = target.mailbox.items.values()
    assert "original.eml" in [one["name"] for one in item.attachments]


def test_what_is_larger_than_a_request_may_be_is_refused_with_another_way(target: GraphDouble) -> None:
    account = GraphOwner(target).account()
    raw = MAIL.replace(b"MSwyLDMK", b"A" * 5_000_000)
    (answer,) = account.append(find(account, "INBOX"), iter([Outgoing("0" * 64, raw)]))
    assert isinstance(answer, Refused)
    assert "IMAP" in answer.reason
    assert target.mailbox.items == {}


def test_a_mailbox_of_all_kinds_goes_through_every_verb_in_a_storm(tmp_path: Path) -> None:
    """Hardly a request goes through at once, while it is pulled in parts, put back twice, and pruned."""
    with (
        GraphDouble() as double,
        FaultProxy(double.url.removesuffix("/v1.0")) as proxy,
        GraphDouble() as target,
        FaultProxy(target.url.removesuffix("/v1.0")) as there,
        FaultProxy(target.import_url) as importing,
    ):
        fill(double.mailbox)
        fill_many(double.mailbox, ITEMS // 2 - len(double.mailbox.items))
        scene, owner = Scene(tmp_path / "many"), through(double, proxy)
        for one in (proxy, there, importing):
            one.storm(FAULTS.values(), EVERY)
        in_the_end(lambda: scene.pull(account=owner.account()))
        check(scene, owner)
        rng, busy = random.Random(7), list(double.mailbox.items.values())
        for item in rng.sample(busy, len(busy) // 10):
            name = next(one for one in ("subject", "title", "displayName") if one in item.props)
            double.mailbox.change(item, {name: f"{item.props[name]}, edited"})
        for item in [one for one in busy if one.kind == "mail"][::3]:
            double.mailbox.change(item, {"isRead": not item.props["isRead"]})
        fill_many(double.mailbox, ITEMS - len(busy) + len(busy) // 20)
        for item in rng.sample(busy, len(busy) // 20):
            double.mailbox.remove(item)
        in_the_end(lambda: scene.pull(account=owner.account()))
        assert len(check(scene, owner)) == ITEMS
        assert scene.verify(messages=True).findings == []
        head = scene.chain().head()
        in_the_end(lambda: scene.pull(account=owner.account()))
        assert scene.chain().head() == head
        taker = through(target, there)
        target.import_url = importing.url
        for _ in range(2):
            in_the_end(lambda: put_back(scene, taker.account()))
            assert subjects(target) == subjects(double)
            assert was_read(target) == was_read(double)
        mails = {one.id for one in double.mailbox.items.values() if one.kind == "mail"}
        policy = Policy(unread=True)
        in_the_end(lambda: scene.prune(policy, account=owner.account(), to="Deleted Items", selection=MAILS))
        trash = double.mailbox.folder("deleteditems", "mail").id
        assert {one.id for one in double.mailbox.inside(trash)} == mails
        assert (double.sent_invitations, target.sent_invitations) == (0, 0)
        seen, faults = (
            sum(counts)
            for counts in zip(
                *((len(one.seen), one.injected) for one in (proxy, there, importing)), strict=True
            )
        )
        print(f"{ITEMS} items, {seen} requests, {faults} faults")


def was_read(double: GraphDouble) -> Counter[tuple[str, bool]]:
    return Counter(
        (one.props["subject"], one.props["isRead"])
        for one in double.mailbox.items.values()
        if one.kind == "mail"
    )


# --- taking out ---------------------------------------------------------------------------------------


def test_what_is_pruned_is_in_the_trash_and_the_rest_stays(scene: Scene, source: GraphDouble) -> None:
    owner = GraphOwner(source, export=True)
    before = subjects(source)
    pruned = scene.prune(Policy(unread=True), account=owner.account(), to="Deleted Items")
    removed = {one.folder: one.removed for one in pruned.reports if one.removed}
    assert sum(removed.values()) > 0
    assert subjects(source) == before or source.sent_invitations == 0
    trash = source.mailbox.folder("deleteditems", "mail").id
    assert {one.props["subject"] for one in source.mailbox.inside(trash)} == {"Figures", "Sent"}
    scene.pull(account=owner.account())
    scene.check()
    assert source.sent_invitations == 0


def test_a_meeting_is_never_removed_for_exchange_would_tell_those_who_are_asked(
    scene: Scene, source: GraphDouble
) -> None:
    account = GraphOwner(source).account()
    calendar = find(account, "Calendar")
    remotes = listed(account, "Calendar")
    keys = [one.ref.key for one in remotes]
    told = list(account.remove(calendar, remotes[0].ref.epoch, keys, None))
    assert Counter(type(one) for one in told) == {Removed: 2, Unremoved: 1}
    assert source.sent_invitations == 0
    assert subjects(source)["Meeting"] == 1


@pytest.mark.parametrize("to", ["Deleted Items", None])
def test_an_item_that_was_edited_after_it_was_archived_is_not_removed(
    scene: Scene, source: GraphDouble, to: str | None
) -> None:
    owner = GraphOwner(source)
    account = owner.account()
    for name in ("INBOX", "Contacts"):
        (remote,) = listed(account, name)
        item = owner.item(remote.ref.key)
        owner.mailbox.change(item, {"subject": "Edited"} if name == "INBOX" else {"jobTitle": "Boss"})
        target = find(account, to) if to else None
        (told,) = account.remove(find(account, name), remote.ref.epoch, [remote.ref.key], target)
        assert isinstance(told, Unremoved)
        assert item.id in owner.mailbox.items
        assert account.look(find(account, name), remote.ref.epoch, [remote.ref.key]).messages == {}


def six_mails(double: GraphDouble) -> None:
    """Put in what a removal is tried with."""
    inbox = double.mailbox.folder("inbox", "mail")
    for number in range(6):
        double.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"%d@" % number))


@pytest.mark.parametrize("name", FAULTS)
def test_a_removal_through_faults_tells_the_truth(tmp_path: Path, name: str) -> None:
    policy = Policy(unread=True)
    with GraphDouble() as double:
        six_mails(double)
        scene, owner = Scene(tmp_path / "clean"), GraphOwner(double)
        scene.pull(account=owner.account())
        start = len(double.seen)
        scene.prune(policy, account=owner.account(), to="Deleted Items")
        total = len(double.seen) - start
    assert total > 30
    step = 2 * STEP - 1
    for at in range(1 + list(FAULTS).index(name) % 3 % step, total + 1, step):
        for lasting in (1, 4):
            with GraphDouble() as double, FaultProxy(double.url.removesuffix("/v1.0")) as proxy:
                six_mails(double)
                scene = Scene(tmp_path / f"{at}-{lasting}")
                owner = GraphOwner(double)
                owner.url, double.public = f"{proxy.url}/v1.0", proxy.url
                scene.pull(account=owner.account())
                start = len(proxy.seen)
                for number in range(at, at + lasting):
                    proxy.inject(FAULTS[name](), nth=start + number)
                with suppress(ArchiverError):
                    scene.prune(policy, account=owner.account(), to="Deleted Items")
                proxy.heal()
                scene.pull(account=owner.account())
                scene.check()
                assert len(double.mailbox.items) == 6, "nothing is gone for good"
                trash = double.mailbox.folder("deleteditems", "mail").id
                gone = {
                    one.ref.key
                    for one in scene.entries()
                    if one.pruned is not None and one.ref.folder == "INBOX"
                }
                moved = {one.id for one in double.mailbox.inside(trash)}
                assert {id_of(key) for key in gone} == moved


def test_folders_of_every_kind_are_made_once(target: GraphDouble) -> None:
    account = GraphOwner(target).account()
    wanted = [
        Folder("A/B%2FC/D"),
        Folder("Calendar/Team", kind=Kind.EVENT),
        Folder("Calendar/Team%2FOps", kind=Kind.EVENT),
        Folder("Contacts/Friends/Old", kind=Kind.CONTACT),
        Folder("Tasks/Shopping", kind=Kind.TASK),
        Folder("Calendar", kind=Kind.EVENT),
    ]
    for _ in range(2):
        assert [account.make_folder(one).name for one in wanted] == [one.name for one in wanted]
    assert len({one.name for one in account.folders()}) == len(account.folders())


def test_a_server_that_stays_busy_ends_the_restore_with_what_to_do(scene: Scene, target: GraphDouble) -> None:
    owner = GraphOwner(target)
    account = owner.account()
    find(account, "INBOX")
    target.busy = 99
    with pytest.raises(Unreachable):
        put_back(scene, account)
    assert len(owner.pauses) == 3
