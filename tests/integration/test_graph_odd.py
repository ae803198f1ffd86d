"""What Exchange Online may refuse, break, or ask for by Graph: an error with a remedy, a wait, or one item missed."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archiver.accounts.graph.account import GraphAccount
from archiver.accounts.graph.fetch import batches, is_complete
from archiver.accounts.graph.web import GraphServer, Web
from archiver.errors import (
    ArchiverError,
    FolderRefused,
    Forbidden,
    LoginRefused,
    RefusedForSafety,
    Unreachable,
)
from archiver.formats.record import unpack
from archiver.model import AccessToken, Cursor, Done, Kind, Message, Missed, Ref, Remote, Secret, Unremoved
from tests.contract.account import Copy, fetched, find, listed, mail
from tests.scene import Scene
from tests.servers.graph.filling import MAIL, fill
from tests.servers.graph.owner import GraphOwner
from tests.servers.graph.server import GraphDouble
from tests.servers.graph.state import Item, Refused


@pytest.fixture
def double() -> Iterator[GraphDouble]:
    with GraphDouble() as running:
        yield running


@pytest.fixture
def owner(double: GraphDouble) -> GraphOwner:
    return GraphOwner(double, export=True)


def account_of(double: GraphDouble, token: Callable[[], Secret]) -> GraphAccount:
    return GraphAccount(GraphServer(url=double.url, timeout_s=20, export=False), token, pause=lambda _: None)


# --- rights and sign-ins ------------------------------------------------------------------------------


def test_mail_that_may_not_be_read_names_the_permission_that_is_missing(owner: GraphOwner) -> None:
    owner.double.forbids = ("/mailFolders",)
    with pytest.raises(Forbidden) as refused:
        owner.account().folders()
    assert refused.value.exit == 22
    assert '"Mail.Read"' in str(refused.value.hint)


@pytest.mark.parametrize(
    ("part", "kind", "permission"),
    [
        ("/calendars", Kind.EVENT, "Calendars.Read"),
        ("/contactFolders", Kind.CONTACT, "Contacts.Read"),
        ("/todo", Kind.TASK, "Tasks.Read"),
    ],
)
def test_what_may_not_be_read_beside_mail_is_told_and_left_out(
    owner: GraphOwner, part: str, kind: Kind, permission: str
) -> None:
    owner.double.forbids = (part,)
    told = {one.kind for one in owner.account().folders()}
    assert told == {Kind.MAIL, Kind.EVENT, Kind.CONTACT, Kind.TASK} - {kind}
    assert [f'"{permission}"' in one for one in owner.warnings] == [True]


def test_without_the_right_to_export_items_are_archived_without_exports_and_that_is_told_once(
    owner: GraphOwner, tmp_path: Path
) -> None:
    fill(owner.mailbox)
    owner.double.forbids = ("exportItems",)
    scene = Scene(tmp_path / "state")
    report = scene.pull(account=owner.account())
    assert all(one.complete for one in report.folders)
    assert len(scene.read()) == len(owner.mailbox.items)
    assert all(unpack(raw).export is None for raw in scene.read().values())
    assert len(owner.warnings) == 1
    assert '"MailboxItem.Export"' in owner.warnings[0]
    assert owner.account().abilities()[1] == "archives items without their exports"


def test_a_restore_without_the_right_to_write_names_the_permission(owner: GraphOwner) -> None:
    owner.double.forbids = ("/messages",)
    account = owner.account()
    find(account, "INBOX")
    with pytest.raises(Forbidden) as refused:
        account._web.once("POST", "/me/messages", body={})
    assert '"Mail.ReadWrite"' in str(refused.value.hint)


def test_a_mailbox_that_is_not_there_is_told_as_that(owner: GraphOwner) -> None:
    owner.double.breaks = {"/mailFolders": 404}
    with pytest.raises(Forbidden) as refused:
        owner.account().folders()
    assert "address of the mailbox" in str(refused.value.hint)


def test_a_token_that_is_refused_before_its_time_is_renewed_once(double: GraphDouble) -> None:
    asked: list[str] = []

    def renew(claims: str | None = None) -> AccessToken:
        asked.append("renewed")
        return AccessToken("good", renew)

    account = account_of(double, lambda: AccessToken("stale", renew))
    assert len(account.folders()) == 9
    assert asked == ["renewed"]


@pytest.mark.parametrize("renews", [True, False])
def test_a_token_that_stays_refused_ends_with_what_to_do(double: GraphDouble, renews: bool) -> None:
    double.tokens = ()
    count: list[int] = []

    def renew(claims: str | None = None) -> AccessToken:
        count.append(1)
        return AccessToken("bad", renew)

    with pytest.raises(LoginRefused) as refused:
        account_of(double, lambda: AccessToken("bad", renew if renews else None)).folders()
    assert refused.value.exit == 21
    assert "archiver account login" in str(refused.value.hint)
    assert len(count) == renews


def test_what_the_company_wants_of_a_token_is_asked_for(double: GraphDouble) -> None:
    double.claims = True
    asked: list[str | None] = []

    def renew(claims: str | None = None) -> AccessToken:
        asked.append(claims)
        return AccessToken("good", renew)

    assert len(account_of(double, lambda: AccessToken("stale", renew)).folders()) == 9
    assert asked == ['{"access_token":{}}']


@pytest.mark.parametrize("renews", [True, False])
def test_a_company_that_wants_the_sign_in_repeated_is_told_as_that(double: GraphDouble, renews: bool) -> None:
    double.tokens, double.claims = (), True

    def renew(claims: str | None = None) -> AccessToken:
        return AccessToken("bad", renew)

    with pytest.raises(LoginRefused, match="repeated"):
        account_of(double, lambda: AccessToken("stale", renew if renews else None)).folders()
    assert len(double.seen) == 1 + renews


def test_a_token_is_sent_to_no_other_server(double: GraphDouble, owner: GraphOwner) -> None:
    double.public = "http://127.0.0.1:9"
    double.paging.page = 2
    with pytest.raises(Unreachable, match="another server"):
        owner.account().folders()


def test_the_passwords_of_a_netrc_file_do_not_take_the_place_of_the_token(
    owner: GraphOwner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert len(owner.account().folders()) == 9


def test_a_link_of_another_server_is_not_followed_and_the_folder_is_compared(owner: GraphOwner) -> None:
    owner.deliver("INBOX", mail(1))
    copy = Copy()
    copy.update(owner.account())
    assert copy.cursor is not None
    token = copy.cursor.token.replace(owner.double.url, "https://elsewhere.invalid/v1.0")
    assert token != copy.cursor.token
    copy.cursor = Cursor(copy.cursor.epoch, token)
    assert [type(one) for one in copy.update(owner.account())] == [Done]


@pytest.mark.parametrize(("name", "to"), [("Tasks", "Deleted Items"), ("Contacts", "Archive")])
def test_what_is_no_mail_goes_to_the_deleted_items_or_nowhere(owner: GraphOwner, name: str, to: str) -> None:
    fill(owner.mailbox)
    account = owner.account()
    (remote,) = listed(account, name)
    with pytest.raises(RefusedForSafety):
        list(account.remove(find(account, name), remote.ref.epoch, [remote.ref.key], find(account, to)))
    assert len(listed(account, name)) == 1


# --- too much, and too busy ---------------------------------------------------------------------------


def test_a_busy_server_is_waited_for_as_long_as_it_says(double: GraphDouble, owner: GraphOwner) -> None:
    double.busy, double.retry_after = 2, "7"
    owner.account().folders()
    assert [7 <= one < 8 for one in owner.pauses] == [True, True]


def test_a_busy_server_that_names_no_time_is_waited_for_longer_each_time(
    double: GraphDouble, owner: GraphOwner
) -> None:
    double.busy, double.retry_after = 3, None
    owner.account().folders()
    assert len(owner.pauses) == 3
    assert owner.pauses == sorted(owner.pauses)


@pytest.mark.parametrize(("retry_after", "waits"), [("1", 3), (None, 3), ("3600", 0)])
def test_a_server_that_stays_busy_or_wants_an_hour_is_unreachable(
    double: GraphDouble, owner: GraphOwner, retry_after: str | None, waits: int
) -> None:
    double.busy, double.retry_after = 99, retry_after
    with pytest.raises(Unreachable) as refused:
        owner.account().folders()
    assert refused.value.exit == 20
    assert len(owner.pauses) == waits


def test_at_most_three_requests_are_on_their_way(double: GraphDouble, owner: GraphOwner) -> None:
    for number in range(30):
        owner.deliver("INBOX", mail(number))
    double.slow_s = 0.01
    account = owner.account()
    remotes = listed(account)
    assert len(fetched(account, remotes)) == 30
    assert 1 < double.most_at_once <= 3


# --- answers that are cut, and items that break -------------------------------------------------------


def break_one(owner: GraphOwner) -> tuple[GraphAccount, list[str], str]:
    """Give a mailbox of five mails, with the id of the third."""
    inbox = owner.mailbox.folder("inbox", "mail")
    items = [owner.mailbox.deliver(inbox, MAIL.replace(b"figures@", b"%d@" % n)) for n in range(5)]
    return owner.account(), [one.id for one in items], items[2].id


@pytest.mark.parametrize("framed", [True, False])
def test_mime_that_is_cut_short_is_missed_and_its_neighbours_are_not(owner: GraphOwner, framed: bool) -> None:
    account, _, bad = break_one(owner)
    owner.double.cuts = {f"{bad}/$value"}
    owner.double.frames = framed
    told = list(account.fetch(listed(account)))
    assert [type(one) for one in told].count(Message) == 4
    (missed,) = [one for one in told if isinstance(one, Missed)]
    assert missed.remote.ref.key.startswith(bad)
    assert not missed.gone


def test_mime_is_complete_with_its_last_boundary_alone() -> None:
    assert is_complete(MAIL)
    assert is_complete(b"Subject: x\r\n\r\nplain\r\n")
    assert not is_complete(MAIL[:-4])
    assert not is_complete(b"")


@pytest.mark.parametrize("status", [500, 502, 400, 423, 403])
def test_an_item_that_the_server_breaks_at_is_missed_and_its_neighbours_are_not(
    owner: GraphOwner, status: int
) -> None:
    account, _, bad = break_one(owner)
    owner.double.breaks = {f"{bad}/$value": status}
    told = list(account.fetch(listed(account)))
    assert [type(one) for one in told].count(Message) == 4
    assert [one.gone for one in told if isinstance(one, Missed)] == [False]


def test_a_server_that_breaks_at_every_item_is_unreachable(owner: GraphOwner) -> None:
    account, _, _ = break_one(owner)
    remotes = listed(account)
    owner.double.breaks = {"$value": 500}
    with pytest.raises(Unreachable):
        list(account.fetch(remotes))


def test_a_listing_that_is_cut_short_moves_no_cursor(owner: GraphOwner) -> None:
    account, _, _ = break_one(owner)
    find(account, "INBOX")
    owner.double.cuts = {"messages/delta"}
    told = []
    with pytest.raises(ArchiverError):
        for change in account.changes(find(account, "INBOX"), None, dict):
            told.append(change)
    assert not [one for one in told if isinstance(one, Done)]


def test_bodies_without_a_length_are_read_twice_and_have_to_agree(owner: GraphOwner) -> None:
    account, ids, _ = break_one(owner)
    owner.double.frames = False
    assert len(fetched(account, listed(account))) == len(ids)
    asked = [one for one in owner.double.seen if one.endswith("$value")]
    assert len(asked) == 2 * len(ids)


@pytest.mark.parametrize("status", [400, 500])
def test_a_folder_that_breaks_is_refused_and_the_others_are_served(
    owner: GraphOwner, tmp_path: Path, status: int
) -> None:
    fill(owner.mailbox)
    calendar = owner.mailbox.folder("calendar", "event")
    owner.double.breaks = {f"{calendar.id}/events": status}
    scene = Scene(tmp_path / "state")
    report = scene.pull(account=owner.account())
    assert [one.folder for one in report.folders if not one.complete] == ["Calendar"]
    owner.double.breaks = {}
    scene.pull(account=owner.account())
    scene.check()
    assert len(scene.read()) == len(owner.mailbox.items)


def test_one_export_that_cannot_be_had_leaves_the_others(owner: GraphOwner) -> None:
    account, _, bad = break_one(owner)
    remotes = listed(account)
    kept = owner.mailbox.find

    def find_but_one(told: str, kind: str | None = None) -> object:
        if kind is None and told == bad:
            raise Refused(500, "ErrorCorruptData")
        return kept(told, kind)

    owner.mailbox.find = find_but_one  # type: ignore[method-assign, assignment]  # an item that is corrupt
    exports = [unpack(one.raw).export for one in fetched(account, remotes)]
    assert [one is None for one in exports] == [False, False, True, False, False]


@pytest.mark.parametrize("status", [500, 400])
def test_exports_that_always_break_are_given_up_and_told_once(owner: GraphOwner, status: int) -> None:
    account, ids, _ = break_one(owner)
    owner.double.breaks = {"exportItems": status}
    remotes = listed(account)
    for _ in range(2):
        assert [unpack(one.raw).export for one in fetched(account, remotes)] == [None] * len(ids)
    assert len(owner.warnings) == 1


def test_one_item_that_breaks_a_whole_export_leaves_the_others(
    owner: GraphOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _, bad = break_one(owner)
    remotes = listed(account)
    serve = owner.mailbox.blob

    def blob(item: Item) -> bytes:
        if item.id == bad:
            raise Refused(500, "InternalServerError")
        return serve(item)

    monkeypatch.setattr(owner.mailbox, "blob", blob)
    exports = [unpack(one.raw).export for one in fetched(account, remotes)]
    assert [one is None for one in exports] == [False, False, True, False, False]
    assert owner.warnings == []


def test_an_item_that_is_edited_or_moved_after_it_was_listed_is_gone_as_that_version(
    owner: GraphOwner,
) -> None:
    account, ids, _ = break_one(owner)
    remotes = listed(account)
    edited, moved = (owner.mailbox.items[ids[number]] for number in (1, 3))
    owner.mailbox.change(edited, {"subject": "Edited"})
    owner.mailbox.move(moved, owner.mailbox.folder("archive", "mail"))
    told = list(account.fetch(remotes))
    assert {one.remote.ref.key.partition("~")[0] for one in told if isinstance(one, Missed)} == {
        edited.id,
        moved.id,
    }
    assert {one.gone for one in told if isinstance(one, Missed)} == {True}
    assert len(account.message_ids(remotes)) == 4, "moved, it is another folder's"


@pytest.mark.parametrize("to", ["Archive", None])
def test_what_a_server_says_it_removed_and_keeps_is_not_removed(
    owner: GraphOwner, monkeypatch: pytest.MonkeyPatch, to: str | None
) -> None:
    account, _, _ = break_one(owner)
    remotes = listed(account)
    monkeypatch.setattr(owner.mailbox, "move", lambda item, folder: None)
    monkeypatch.setattr(owner.mailbox, "remove", lambda item: None)
    target = find(account, to) if to else None
    told = list(account.remove(find(account, "INBOX"), remotes[0].ref.epoch, [remotes[0].ref.key], target))
    assert told == [Unremoved(remotes[0].ref.key, "the server keeps it")]


def test_exports_are_held_for_so_many_bytes_and_so_many_items_at_once() -> None:
    small = [Remote(Ref("F", "e", str(number)), 10) for number in range(45)]
    assert [len(one) for one in batches(small)] == [20, 20, 5]
    large = [Remote(Ref("F", "e", str(number)), 20 << 20) for number in range(3)]
    assert [len(one) for one in batches(large)] == [1, 1, 1]
    assert list(batches([])) == []


def test_ids_that_differ_in_case_alone_are_two_items(owner: GraphOwner) -> None:
    keys = [owner.deliver("INBOX", mail(number)) for number in range(2)]
    first, second = (owner.item(key) for key in keys)
    del owner.mailbox.items[second.id]
    second.id = first.id.swapcase()
    owner.mailbox.items[second.id] = second
    account = owner.account()
    copy = Copy()
    copy.update(account)
    raws = {one.remote.ref.key: unpack(one.raw).details.subject for one in fetched(account, listed(account))}
    assert sorted(raws.values()) == ["0", "1"]
    assert len({key.lower() for key in raws}) == 2, "their marks differ"
    owner.mailbox.remove(second)
    copy.update(account)
    assert list(copy.flags) == [key for key, subject in raws.items() if subject == "0"]


def test_another_mailbox_is_asked_for_by_its_address(double: GraphDouble) -> None:
    where = GraphServer(user="bob o'hara@example.org", url=double.url, export=False)
    GraphAccount(where, lambda: Secret("good")).folders()
    assert {one.split("/")[2] for one in double.seen} == {"bob%20o%27hara%40example.org"}


def test_a_folder_that_is_unknown_is_refused(owner: GraphOwner) -> None:
    from archiver.model import Folder  # noqa: PLC0415

    with pytest.raises(FolderRefused):
        list(owner.account().changes(Folder("Nowhere"), None, dict))


def test_a_server_that_does_not_answer_is_unreachable() -> None:
    web = Web(GraphServer(url="http://127.0.0.1:9/v1.0", timeout_s=2), lambda: Secret("x"), lambda _: None)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        web.get("/me")
    assert time.monotonic() - started < 30
