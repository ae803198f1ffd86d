"""Where mail goes on restore, and what of it is there already."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.model import Entry, Folder, Place, Ref, Remote
from archiver.plan.restore import Destination, claims_by_id, once, target_names, wanted, without_slashes

AT = datetime(2024, 1, 1, tzinfo=UTC)


def folders(*names: str, separator: str = "/", **uses: str) -> list[Folder]:
    return [Folder(name, separator, f"\\{uses[name]}" if name in uses else None) for name in names]


def names(sources: list[Folder], targets: list[Folder], **more: object) -> list[str]:
    found = target_names(sources, Destination(targets, **more))  # type: ignore[arg-type]  # of a test
    return [found[source.name] for source in sources]


# --- folders --------------------------------------------------------------------------------------------


def test_a_folder_goes_to_the_one_of_its_name() -> None:
    sources = folders("INBOX", "Work", "Work/Old")
    assert names(sources, folders("INBOX")) == ["INBOX", "Work", "Work/Old"]


def test_a_folder_of_a_special_use_goes_to_the_targets_of_that_use() -> None:
    sources = folders("INBOX", "Sent", "Trash", Sent="Sent", Trash="Trash")
    targets = folders("INBOX", "Gesendet", "Papierkorb", Gesendet="Sent", Papierkorb="Trash")
    assert names(sources, targets) == ["INBOX", "Gesendet", "Papierkorb"]


def test_a_special_use_that_one_side_does_not_tell_is_known_by_the_usual_names() -> None:
    assert names(folders("Deleted Items"), folders("Bin", Bin="Trash")) == ["Bin"]
    assert names(folders("Envoyés", Envoyés="Sent"), folders("INBOX", "Sent Items")) == ["Sent Items"]
    assert names(folders("Sent", Sent="Sent"), folders("Sent", "Sent Items")) == ["Sent"]
    assert names(folders("Sent"), folders("INBOX", "Sent Items")) == ["Sent"], "two guesses are one too many"


def test_views_are_no_folders_of_a_use() -> None:
    assert names(folders("All", All="All"), folders("Alle", Alle="All")) == ["All"]


@pytest.mark.parametrize(("home", "expected"), [("", "Work/Old"), ("INBOX/", "INBOX/Work/Old")])
def test_the_prefix_of_the_target_takes_the_place_of_the_sources(home: str, expected: str) -> None:
    for sources in (folders("INBOX", "Work/Old"), folders("INBOX", "INBOX/Work/Old")):
        assert names(sources, folders("INBOX"), home=home) == ["INBOX", expected]


def test_a_child_of_inbox_is_not_a_prefix_where_other_folders_are_beside_it() -> None:
    assert names(folders("INBOX", "INBOX/Work", "Old"), folders("INBOX")) == ["INBOX", "INBOX/Work", "Old"]


def test_the_same_account_gets_every_folder_under_its_own_name() -> None:
    sources = folders("INBOX", "INBOX/Work", "INBOX/Sent", "INBOX/a%2Fb", "INBOX/x.y")
    assert names(sources, folders("INBOX", separator="."), home="INBOX/", same=True) == [
        one.name for one in sources
    ]


def test_below_a_folder_all_keep_their_own_names() -> None:
    sources = folders("INBOX", "Sent", "Work/Old", Sent="Sent")
    targets = folders("INBOX", "Gesendet", Gesendet="Sent")
    assert names(sources, targets, into="Restored/") == [
        "Restored/INBOX",
        "Restored/Sent",
        "Restored/Work/Old",
    ]
    assert names(sources, targets, into="Restored", home="INBOX/")[0] == "INBOX/Restored/INBOX"


def test_the_targets_separator_parts_no_name() -> None:
    assert names(folders("v1.2/a", "v1_2/a"), folders("INBOX", separator=".")) == ["v1_2/a", "v1_2/a_"]
    assert names(folders("a%2Fb/c.d"), folders("INBOX")) == ["a_b/c.d"]
    assert names(folders("a%2Fb/c"), folders("INBOX", separator=".")) == ["a%2Fb/c"]
    assert without_slashes("a%2Fb/c") == "a_b/c"


# --- messages -------------------------------------------------------------------------------------------


def entry(digest: str, size: int = 10, *, key: str = "1", second: int = 0, gone: bool = False) -> Entry:
    ref = Ref("INBOX", "7", key)
    at = AT + timedelta(seconds=second)
    return Entry(digest, ref, Place("v", 0, 1), size, received=at, vanished=gone)


def remote(key: str, size: int | None = 10, second: int = 0) -> Remote:
    return Remote(Ref("INBOX", "9", key), size, received=AT + timedelta(seconds=second, milliseconds=300))


def test_what_the_ledger_names_and_is_there_still_is_not_wanted() -> None:
    plan = wanted([entry("a"), entry("b")], [remote("1"), remote("2")], {"1": "a", "3": "b"})
    assert not plan.missing
    assert [doubt.entry.digest for doubt in plan.doubts] == ["b"], "key 3 went, key 2 may be it"


def test_each_message_there_stands_for_one_copy() -> None:
    plan = wanted([entry("a"), entry("a"), entry("a")], [remote("1"), remote("2")], {"1": "a", "2": "a"})
    assert len(plan.missing) == 1


def test_the_ledgers_messages_are_no_strangers() -> None:
    plan = wanted([entry("b")], [remote("1")], {"1": "a"})
    assert len(plan.missing) == 1
    assert not plan.doubts


def test_equal_size_or_second_or_no_size_at_all_is_a_doubt() -> None:
    (doubt,) = wanted([entry("a", 10, second=5)], [remote("1", 10, 9), remote("2", 11, 5)], {}).doubts
    assert [one.ref.key for one in doubt.same_size] == ["1"]
    assert [one.ref.key for one in doubt.same_second] == ["2"]
    (doubt,) = wanted([entry("a", 10, second=5)], [remote("3", None, 9)], {}).doubts
    assert [one.ref.key for one in doubt.same_size] == ["3"]
    assert wanted([entry("a", 10, second=5)], [remote("1", 11, 9)], {}).missing


def test_message_id_and_size_pair_each_message_once() -> None:
    doubts = wanted([entry("a"), entry("a"), entry("b", 20)], [remote("1"), remote("2", 20)], {}).doubts
    claimed, by_content = claims_by_id(doubts, {"a": "<a>", "b": "<b>"}, {"1": "<a>", "2": "<x>"})
    assert claimed == {0: "1"}
    assert by_content == []


def test_content_decides_without_message_id_and_between_two_of_one_message_id_and_size() -> None:
    doubts = wanted([entry("a"), entry("b"), entry("c", 20)], [remote("1"), remote("2", 20)], {}).doubts
    claimed, by_content = claims_by_id(doubts, {"a": "<d>", "b": "<d>"}, {"1": "<d>"})
    assert claimed == {}
    assert by_content == [0, 1, 2]


def test_a_message_under_several_refs_is_restored_once() -> None:
    renumbered = [entry("a", key="1", gone=True), entry("a", key="2"), entry("b", key="3", gone=True)]
    assert [one.ref.key for one in once(renumbered, vanished=False)] == ["2"]
    assert [one.ref.key for one in once(renumbered, vanished=True)] == ["2", "3"]
    copies = [entry("a", key="1"), entry("a", key="2")]
    assert once(copies, vanished=True) == copies
