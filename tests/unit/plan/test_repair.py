"""What may be removed, and where each message in doubt is had from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Entry, Place, Ref
from archiver.plan.repair import Leftover, Stored, Sweep, Way, find_doubts, of_way, plan_mends, plan_sweep

A, B = "ab" * 32, "cd" * 32


def entry(
    key: str, volume: str = "bad", digest: str = A, *, vanished: bool = False, lost: bool = False
) -> Entry:
    place = Place(volume, 0, 10)
    return Entry(digest, Ref("INBOX", "1", key), place, 9, vanished=vanished, lost=lost)


def ways(
    *entries: Entry, readable: tuple[Stored, ...] = (), server: bool = True
) -> dict[str, tuple[Way, list[str]]]:
    bad = {"bad", "worse"}
    mends = plan_mends(find_doubts(entries, bad), bad, readable, server=server)
    return {mend.digest: (mend.way, [one.ref.key for one in mend.entries]) for mend in mends}


def test_messages_of_sound_objects_are_not_in_doubt() -> None:
    assert ways(entry("1", "good"), entry("2", "good", B)) == {}


def test_a_message_that_is_whole_in_a_damaged_object_is_salvaged_for_all_its_refs() -> None:
    found = ways(entry("1"), entry("2"), entry("3", digest=B), readable=((A, Place("bad", 0, 10)),))
    assert found == {A: (Way.SALVAGE, ["1", "2"]), B: (Way.FETCH, ["3"])}


def test_a_sound_copy_comes_first_and_keeps_what_it_has() -> None:
    good, bad = Place("good", 0, 10), Place("bad", 0, 10)
    found = ways(entry("1"), entry("2", "good"), readable=((A, bad), (A, good)))
    assert found == {A: (Way.COPY, ["1"])}


def test_a_copy_in_a_sound_object_that_was_not_read_is_not_relied_on() -> None:
    assert ways(entry("1"), entry("2", "good")) == {A: (Way.FETCH, ["1"])}


def test_one_damaged_object_may_have_what_another_has_not() -> None:
    found = ways(entry("1"), entry("2", "worse"), readable=((A, Place("worse", 0, 10)),))
    assert found == {A: (Way.SALVAGE, ["1", "2"])}


def test_another_digest_at_the_same_place_proves_nothing() -> None:
    assert ways(entry("1"), readable=((B, Place("bad", 0, 10)),)) == {A: (Way.FETCH, ["1"])}


@pytest.mark.parametrize(
    ("entries", "server"),
    [([entry("1")], False), ([entry("1", vanished=True)], True), ([entry("1", vanished=True)], False)],
)
def test_without_a_server_that_has_it_a_message_is_lost(entries: list[Entry], server: bool) -> None:
    assert ways(*entries, server=server) == {A: (Way.LOST, ["1"])}


def test_one_ref_that_the_server_has_still_is_enough() -> None:
    assert ways(entry("1", vanished=True), entry("2")) == {A: (Way.FETCH, ["1", "2"])}


def test_what_was_lost_once_is_looked_for_again() -> None:
    found = ways(entry("1", "back", lost=True), readable=((A, Place("back", 0, 10)),))
    assert found == {A: (Way.COPY, ["1"])}


@given(
    st.lists(
        st.builds(
            entry,
            st.integers(1, 9).map(str),
            st.sampled_from(["good", "bad", "worse"]),
            st.sampled_from([A, B]),
            vanished=st.booleans(),
            lost=st.booleans(),
        ),
        unique_by=lambda one: one.ref,
    ),
    st.sets(
        st.tuples(
            st.sampled_from([A, B]), st.sampled_from(["good", "bad", "worse"]).map(lambda v: Place(v, 0, 10))
        )
    ),
    st.booleans(),
)
def test_every_entry_in_doubt_is_mended_once_and_no_other(
    entries: list[Entry], readable: set[Stored], server: bool
) -> None:
    bad = {"bad", "worse"}
    mends = plan_mends(find_doubts(entries, bad), bad, readable, server=server)
    told = [one.ref for mend in mends for one in mend.entries]
    assert sorted(told, key=str) == sorted(
        (one.ref for one in entries if one.lost or one.place.volume in bad), key=str
    )
    assert sum(len(of_way(mends, way)) for way in Way) == len(mends)
    for mend in mends:
        assert {one.digest for one in (*mend.entries, mend.source)} == {mend.digest}
        if mend.way in (Way.COPY, Way.SALVAGE):
            assert (mend.digest, mend.source.place) in readable
            assert (mend.way is Way.SALVAGE) == (mend.source.place.volume in bad)
        if mend.way is Way.FETCH:
            assert server
            assert any(not one.vanished for one in mend.entries)


# --- leftovers --------------------------------------------------------------------------------------------


def test_what_the_run_behind_the_head_left_or_an_earlier_try_is_removed() -> None:
    left = [Leftover("b", 8), Leftover("a", 7, unfinished=True), Leftover("c", 1)]
    assert plan_sweep(left, 7) == Sweep((left[1], left[0], left[2]))


def test_what_archiver_did_not_make_stays() -> None:
    assert plan_sweep([Leftover("x", None), Leftover("a", 1)], 0) == Sweep((Leftover("a", 1),), ("x",))


def test_nothing_is_removed_where_something_tells_of_runs_that_are_missing() -> None:
    found = plan_sweep([Leftover("a", 8), Leftover("b", 9), Leftover("x", None)], 7)
    assert found == Sweep((), ("x",), ("a", "b"))


@given(
    st.lists(st.builds(Leftover, st.text("abc", min_size=1), st.none() | st.integers(0, 9), st.booleans())),
    st.integers(0, 9),
)
def test_everything_found_is_told_once(left: list[Leftover], head: int) -> None:
    found = plan_sweep(left, head)
    told = [*(one.path for one in found.remove), *found.strangers, *found.withheld]
    assert sorted(told) == sorted(one.path for one in left)
    assert all(one.run is not None and one.run <= head + 1 for one in found.remove)
