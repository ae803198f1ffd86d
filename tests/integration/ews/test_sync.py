"""Changes, ids and change keys of the double, as plain exchangelib sees them."""

import base64
import random
from typing import Any

import pytest
from exchangelib import Message
from exchangelib.errors import (
    ErrorInvalidSyncStateData,
    ErrorIrresolvableConflict,
    ErrorItemNotFound,
    ErrorStaleObject,
)
from exchangelib.fields import FieldPath
from exchangelib.services import SyncFolderItems

from tests.integration.ews.client import RAW, account, handle, numbered, page
from tests.servers.ews.builder import Owner
from tests.servers.ews.plans import When, told_twice
from tests.servers.ews.server import EwsDouble


def test_ids_can_differ_by_letter_case_alone(double: EwsDouble, ann: Owner) -> None:
    one, other = (ann.folder("inbox").deliver(numbered(count)) for count in (1, 2))
    assert one.id != other.id
    assert one.id.casefold() == other.id.casefold()
    assert base64.b64decode(one.id) != base64.b64decode(other.id)
    with account(double.url) as opened:
        assert [item.subject for item in opened.fetch([handle(one), handle(other)])] == ["hello 1", "hello 2"]


def test_every_write_gives_a_new_change_key_and_a_stale_one_is_refused(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        [got] = opened.fetch([handle(item)])
        ann.flag(item)
        assert item.change_key != got.changekey
        got.subject = "mine"
        with pytest.raises(ErrorIrresolvableConflict):
            got.save(update_fields=["subject"])
        with pytest.raises(ErrorStaleObject):
            opened.bulk_delete([(got.id, got.changekey)])
        assert ann.folder("inbox").items == [item]
        [got] = opened.fetch([handle(item)])
        got.subject = "mine"
        got.save(update_fields=["subject"])
        assert got.changekey == item.change_key
    assert ann.folder("inbox").subjects == ["mine"]


def test_moving_gives_a_new_id(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    before = handle(item)
    with account(double.url) as opened:
        [(moved, _)] = opened.bulk_move([before], opened.junk)
        assert moved != before.id
        assert ann.folder("junkemail").items[0].id == moved
        [gone] = opened.fetch([before])
        assert isinstance(gone, ErrorItemNotFound)


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ("HardDelete", None),
        ("SoftDelete", "recoverableitemsdeletions"),
        ("MoveToDeletedItems", "deleteditems"),
    ],
)
def test_the_three_ways_to_delete(double: EwsDouble, ann: Owner, how: str, where: str | None) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        one, other = opened.bulk_delete([handle(item), ("bm8=", None)], delete_type=how)
        assert one is True
        assert isinstance(other, ErrorItemNotFound)
    assert ann.folder("inbox").items == []
    assert [name for name in ann.mailbox.distinguished if ann.mailbox.distinguished[name].items] == (
        [where] if where else []
    )


def test_changes_come_in_pages_newest_first(double: EwsDouble, ann: Owner) -> None:
    items = [ann.folder("inbox").deliver(numbered(count)) for count in range(5)]
    with account(double.url) as opened:
        got, state, last = page(opened, opened.inbox, None, 2)
        assert ([item.id for _, item in got], last) == ([items[4].id, items[3].id], False)
        _, state, last = page(opened, opened.inbox, state, 2)
        got, state, last = page(opened, opened.inbox, state, 2)
        assert ([item.id for _, item in got], last) == ([items[0].id], True)
        assert page(opened, opened.inbox, state)[0] == []


def test_every_kind_of_change_is_told(double: EwsDouble, ann: Owner) -> None:
    inbox = ann.folder("inbox")
    items = [inbox.deliver(numbered(count)) for count in range(4)]
    with account(double.url) as opened:
        _, state, _ = page(opened, opened.inbox, None)
        ann.mark(items[0])
        ann.flag(items[1])
        ann.delete(items[2])
        old = items[3].id
        ann.move(items[3], ann.folder("junkemail"))
        new = inbox.deliver(numbered(9))
        changes = page(opened, opened.inbox, state)[0]
    told = {(kind, (one[0] if isinstance(one, tuple) else one).id) for kind, one in changes}
    assert told == {
        ("read_flag_change", items[0].id),
        ("update", items[1].id),
        ("delete", items[2].id),
        ("delete", old),
        ("create", new.id),
    }


def test_a_folder_may_change_between_two_pages(double: EwsDouble, ann: Owner) -> None:
    inbox = ann.folder("inbox")
    items = [inbox.deliver(numbered(count)) for count in range(4)]
    double.plans.after(lambda: ann.delete(items[0]), When("SyncFolderItems", 1))
    double.plans.after(lambda: ann.flag(items[3]), When("SyncFolderItems", 1))
    with account(double.url) as opened:
        _, state, _ = page(opened, opened.inbox, None, 2)
        changes, _, last = page(opened, opened.inbox, state, 10)
    assert last
    assert [(kind, one.id) for kind, one in changes] == [("update", items[3].id), ("create", items[1].id)]


def test_a_page_may_be_empty_and_a_change_told_twice(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    double.states.empty_pages = 1
    double.plans.warp(told_twice, When("SyncFolderItems", 2))
    with account(double.url) as opened:
        changes, state, last = page(opened, opened.inbox, None)
        assert (changes, last) == ([], False)
        changes, state, last = page(opened, opened.inbox, state)
        assert ([one.id for _, one in changes], last) == ([item.id, item.id], True)


def test_a_state_is_of_one_folder_and_can_expire(double: EwsDouble, ann: Owner) -> None:
    ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        _, state, _ = page(opened, opened.inbox, None)
        with pytest.raises(ErrorInvalidSyncStateData):
            page(opened, opened.drafts, state)
        with pytest.raises(ErrorInvalidSyncStateData):
            page(opened, opened.inbox, state[:-4] + "AAAA")
        assert page(opened, opened.inbox, state)[0] == []
        double.states.expire(ann.folder("inbox").folder)
        with pytest.raises(ErrorInvalidSyncStateData):
            page(opened, opened.inbox, state)
        double.states.bare_errors = True
        with pytest.raises(AttributeError):  # exchangelib cannot read the refusal without a state
            page(opened, opened.inbox, state)


@pytest.mark.parametrize("seed", range(6))
def test_who_applies_every_change_knows_what_is_in_the_folder(
    double: EwsDouble, ann: Owner, seed: int
) -> None:
    dice = random.Random(seed)
    inbox, junk = ann.folder("inbox"), ann.folder("junkemail")
    known: dict[str, tuple[str, bool]] = {}

    def stir() -> None:
        for _ in range(dice.randint(0, 4)):
            act = dice.randint(0, 4)
            if act == 0 or not inbox.items:
                inbox.deliver(RAW)
            else:
                item = dice.choice(inbox.items)
                acts = (ann.delete, ann.flag, lambda one: ann.mark(one, not one.is_read))
                (*acts, lambda one: ann.move(one, junk))[act - 1](item)

    def apply(kind: str, told: Any) -> None:
        if kind == "delete":
            del known[told.id]
        elif kind == "read_flag_change":
            known[told[0].id] = (told[0].changekey, told[1])
        else:
            assert (told.id in known) == (kind == "update")
            known[told.id] = (told.changekey, told.is_read)

    state = None
    with account(double.url) as opened:
        for _ in range(25):
            stir()
            service = SyncFolderItems(account=opened)
            fields = [FieldPath(field=Message.get_field_by_fieldname("is_read"))]
            for kind, told in service.call(
                opened.inbox, "IdOnly", fields, state, None, dice.randint(1, 4), None
            ):
                apply(kind, told)
            state = service.sync_state
        while not service.includes_last_item_in_range:
            for kind, told in service.call(opened.inbox, "IdOnly", fields, state, None, 100, None):
                apply(kind, told)
            state = service.sync_state
    assert known == {item.id: (item.change_key, item.is_read) for item in inbox.items}
