"""Decisions, without a server: what to bind again, what balances, what a selection and a filter mean."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import UsageError
from archiver.model import Entry, Folder, Place, Ref, Remote
from archiver.plan.pull import Balance, Selection, confirmed, is_other_mailbox, rebinding_candidates
from archiver.plan.select import Filter, parse_size, parse_time

AT = datetime(2024, 4, 5, 12, tzinfo=UTC)


def remote(key: str, size: int | None = 10, received: datetime | None = AT) -> Remote:
    return Remote(Ref("INBOX", "8", key), size, frozenset(), received)


def entry(key: str, size: int | None = 10, received: datetime | None = AT, *, folder: str = "INBOX") -> Entry:
    return Entry("ab" * 32, Ref(folder, "7", key), Place("v", 0, 1), 9, received=received, named_size=size)


def test_one_like_it_on_both_sides_is_a_candidate() -> None:
    (found,) = rebinding_candidates([remote("1")], [(entry("5"), "id")])
    assert (found.remote.ref.key, found.entry.ref.key, found.message_id) == ("1", "5", "id")


@pytest.mark.parametrize(
    ("new", "held"),
    [
        ([remote("1"), remote("2")], [(entry("5"), "id")]),
        ([remote("1")], [(entry("5"), "a"), (entry("6"), "b")]),
        ([remote("1")], [(entry("5"), "a"), (entry("6"), None)]),
        ([remote("1")], [(entry("5"), None)]),
        ([remote("1", size=11)], [(entry("5"), "id")]),
        ([remote("1", received=AT + timedelta(seconds=1))], [(entry("5"), "id")]),
        ([remote("1", size=None)], [(entry("5", size=None), "id")]),
        ([remote("1", received=None)], [(entry("5", received=None), "id")]),
    ],
)
def test_what_is_in_doubt_is_no_candidate(new: list[Remote], held: list[tuple[Entry, str | None]]) -> None:
    assert rebinding_candidates(new, held) == []


def test_a_candidate_counts_with_an_equal_message_id_alone() -> None:
    candidates = rebinding_candidates([remote("1")], [(entry("5"), "id")])
    assert confirmed(candidates, {"1": "id"}) == candidates
    assert confirmed(candidates, {"1": "other"}) == []
    assert confirmed(candidates, {}) == []


@given(*[st.integers(0, 1000)] * 4)
def test_what_balances_leaves_nothing_unexplained(held: int, missed: int, excluded: int, gone: int) -> None:
    whole = held + missed + excluded + gone
    assert Balance(whole, held, missed, excluded, gone).unexplained == 0
    assert Balance(whole + 2, held, missed, excluded, gone).unexplained == 2


@pytest.mark.parametrize(
    ("held", "recognised", "new", "other"),
    [(0, 0, 5, False), (5, 0, 5, True), (5, 1, 5, False), (5, 0, 0, False)],
)
def test_another_mailbox_is_one_where_all_is_new(held: int, recognised: int, new: int, other: bool) -> None:
    assert is_other_mailbox(held_before=held, recognised=recognised, new=new) is other


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), {"INBOX", "Work", "Work/Deep", "Workshop"}),
        (Selection(include=("Work",)), {"Work", "Work/Deep"}),
        (Selection(include=("Work*",)), {"Work", "Work/Deep", "Workshop"}),
        (Selection(exclude=("Work/",)), {"INBOX", "Workshop", "Work"}),
        (Selection(exclude=("Work",)), {"INBOX", "Workshop"}),
        (Selection(include=("Work",), exclude=("*/Deep",)), {"Work"}),
        (Selection(include=("inbox",)), set()),
    ],
)
def test_a_selection_takes_folders_by_name(selection: Selection, taken: set[str]) -> None:
    names = ["INBOX", "Work", "Work/Deep", "Workshop"]
    assert {name for name in names if selection.takes_folder(Folder(name))} == taken


def test_a_selection_by_date_takes_what_has_none() -> None:
    selection = Selection(since=AT)
    assert selection.takes(remote("1"))
    assert selection.takes(remote("1", received=None))
    assert not selection.takes(remote("1", received=AT - timedelta(seconds=1)))


def test_a_filter_holds_all_its_conditions() -> None:
    one = entry("1")
    assert Filter().takes(one)
    assert Filter(folders=("INB*",), since=AT, before=AT + timedelta(seconds=1), larger=8).takes(one)
    assert not Filter(before=AT).takes(one)
    assert not Filter(larger=9).takes(one)
    assert not Filter(folders=("Work",)).takes(one)
    assert not Filter(since=AT).takes(entry("1", received=None))


def test_times_and_sizes_are_read_as_people_write_them() -> None:
    assert parse_time("30d", AT) == AT - timedelta(days=30)
    assert parse_time("2024-05-31", AT) == datetime(2024, 5, 31, tzinfo=UTC)
    assert parse_time("2024-05-31T18:00:00+02:00", AT) == datetime(2024, 5, 31, 16, tzinfo=UTC)
    assert (parse_size("300k"), parse_size("5MB"), parse_size("7")) == (300 << 10, 5 << 20, 7)
    assert parse_size("2.4GB") == int(2.4 * (1 << 30))


@pytest.mark.parametrize("text", ["", "yesterday", "30", "-3d", "2024-13-01", "999999y"])
def test_what_is_no_time_is_a_mistake_of_the_user(text: str) -> None:
    with pytest.raises(UsageError):
        parse_time(text, AT)


@pytest.mark.parametrize("text", ["", "5X", "-1", "1.M", ".5M", "M"])
def test_what_is_no_size_is_a_mistake_of_the_user(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)
