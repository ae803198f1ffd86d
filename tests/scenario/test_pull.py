"""(server, archive) before, pull, both after. Every test ends with the laws of the archive and a no-op."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from archiver.errors import FolderRefused, Interrupted, OtherMailbox, Unreachable
from archiver.events import FolderFailed, MessageArchived, MessageMissed, RunCommitted, Warned
from archiver.model import Change, Cursor, Done, Folder, Kind
from archiver.ops import pull_folder
from archiver.plan.pull import Selection
from archiver.ports import Known
from archiver.rows import FlagsRow, FolderRow, MessageRow, MissedRow, VanishedRow, VolumeRow
from tests.scene import Scene, SceneAccount, by_name, mail

HOSTILE = [
    b"",
    b"From the first line on\r\n\r\nFrom here\n>From there\r\n>>From everywhere",
    b"\x00\x00\r\rFrom \n\n\n",
    b"Subject: caf\xe9\r\n\r\n" + b"x" * 100_000,
    b"X-Archiver: 1 folder=1:INBOX key=1:1 received=- flags=- size=0 sha256=00\n",
]


def ends_well(scene: Scene) -> None:
    scene.check()
    scene.check_no_op()


def test_a_first_pull_archives_every_message_of_every_folder(scene: Scene) -> None:
    scene.server.create("Archive/2024", special_use="\\Archive")
    for raw in HOSTILE:
        scene.server.deliver("INBOX", raw, flags=["\\Seen"])
    scene.server.deliver("Archive/2024", mail("old"), received=datetime(2024, 4, 5, 19, 34, 38, tzinfo=UTC))
    report = scene.pull()
    assert report.complete
    assert by_name(report)["INBOX"].new == len(HOSTILE)
    assert scene.here() == scene.on_server()
    folder = scene.catalog.folder("Archive/2024")
    assert folder is not None
    assert folder.folder.special_use == "\\Archive"
    assert report.head == scene.catalog.head() == scene.told.of(RunCommitted)[-1].head
    assert len(scene.told.of(MessageArchived)) == len(HOSTILE) + 1
    ends_well(scene)


def test_an_empty_server_is_archived_too(scene: Scene) -> None:
    assert scene.pull().complete
    ends_well(scene)


def test_a_second_pull_takes_what_is_new_and_nothing_else(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    scene.account.fetched.clear()
    key = scene.server.deliver("INBOX", mail("two"))
    report = scene.pull()
    assert report.complete
    assert [ref.key for ref in scene.account.fetched] == [key]
    assert scene.here() == scene.on_server()
    ends_well(scene)


@pytest.mark.parametrize("has_modseq", [True, False])
def test_flags_follow_the_server_and_cost_one_row(scene: Scene, has_modseq: bool) -> None:
    scene.server.has_modseq = has_modseq
    keys = [scene.server.deliver("INBOX", mail(str(number))) for number in range(5)]
    scene.pull()
    for key in keys[:3]:
        scene.server.flag("INBOX", key, ["\\Seen", "$Work"])
    report = scene.pull()
    assert by_name(report)["INBOX"].reflagged == 3
    assert [row for row in scene.rows() if isinstance(row, FlagsRow)] == [
        FlagsRow(1, scene.entries()[0].ref.epoch, tuple(keys[:3]), frozenset({"\\Seen", "$Work"}))
    ]
    assert scene.flags()["INBOX", keys[0]] == {"\\Seen", "$Work"}
    assert scene.flags()["INBOX", keys[4]] == frozenset()
    ends_well(scene)


@pytest.mark.parametrize("has_modseq", [True, False])
def test_what_vanishes_from_the_server_stays_archived(scene: Scene, has_modseq: bool) -> None:
    scene.server.has_modseq = has_modseq
    keys = [scene.server.deliver("INBOX", mail(str(number))) for number in range(3)]
    scene.pull()
    scene.server.expunge("INBOX", keys[1])
    report = scene.pull()
    assert by_name(report)["INBOX"].vanished == 1
    assert report.complete
    assert mail("1") in scene.read().values()
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_folder_that_goes_and_comes_back_is_not_fetched_again(scene: Scene) -> None:
    scene.server.create("Kept", special_use="\\Archive")
    for number in range(3):
        scene.server.deliver("Kept", mail(str(number)))
    scene.server.deliver("INBOX", mail("inbox"))
    scene.pull()
    hidden = scene.server.folders()["Kept"]
    scene.server.delete("Kept")
    report = scene.pull()
    state = scene.catalog.folder("Kept")
    assert report.complete
    assert state is not None
    assert (state.gone, state.held, state.archived) == (True, 0, 3)
    assert state.folder == Folder("Kept", "/", "\\Archive", subscribed=True), (
        "what the folder was for is known still"
    )
    ends_well(scene)
    scene.server.create("Kept", special_use="\\Archive")
    scene.server.folders()["Kept"].__dict__.update(hidden.__dict__)
    scene.server.expunge("Kept", "1")
    scene.server.deliver("Kept", mail("new"))
    scene.account.fetched.clear()
    assert scene.pull().complete
    assert [ref.key for ref in scene.account.fetched] == ["4"]
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_new_uidvalidity_is_bound_again_without_a_fetch(scene: Scene) -> None:
    for number in range(4):
        at = datetime(2024, 1, 1 + number, tzinfo=UTC)
        scene.server.deliver("INBOX", mail(str(number), size=100 * number), received=at)
    scene.server.expunge("INBOX", "1")
    scene.pull()
    scene.server.renumber("INBOX")
    scene.server.flag("INBOX", "2", ["\\Seen"])
    scene.account.fetched.clear()
    report = scene.pull()
    assert report.complete
    assert by_name(report)["INBOX"].rebound == 3
    assert scene.account.fetched == []
    assert scene.flags()["INBOX", "2"] == {"\\Seen"}
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_what_is_in_doubt_after_a_new_uidvalidity_is_fetched_and_stored_once(scene: Scene) -> None:
    at = datetime(2024, 5, 5, tzinfo=UTC)
    scene.server.deliver("INBOX", mail("aa"), received=at)
    scene.server.deliver("INBOX", mail("bb"), received=at)  # the same size and date
    scene.server.deliver("INBOX", b"Subject: no id\r\n\r\n", received=at)
    scene.server.deliver("INBOX", mail("sure", size=500), received=at)
    scene.pull()
    stored = {key for key in scene.store.keys() if "/volumes/" in key or "/maildir/" in key}  # noqa: SIM118
    scene.server.renumber("INBOX")
    scene.account.fetched.clear()
    report = scene.pull()
    assert report.complete
    assert sorted(ref.key for ref in scene.account.fetched) == ["1", "2", "3"]
    assert by_name(report)["INBOX"].stored == 0
    assert {key for key in scene.store.keys() if "/volumes/" in key or "/maildir/" in key} == stored  # noqa: SIM118
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_message_that_is_another_one_behind_its_old_size_and_date_is_fetched(scene: Scene) -> None:
    at = datetime(2024, 5, 5, tzinfo=UTC)
    scene.server.deliver("INBOX", mail("kept", size=300), received=at.replace(day=1))
    scene.server.deliver("INBOX", mail("old"), received=at)
    scene.pull()
    scene.server.expunge("INBOX", "2")
    scene.server.deliver("INBOX", mail("new"), received=at)  # as long as the old one, in the same second
    scene.server.renumber("INBOX")
    assert scene.pull().complete
    assert mail("new") in scene.read().values()
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_one_message_in_several_folders_is_stored_once(scene: Scene) -> None:
    scene.server.create("Work")
    for folder in ("INBOX", "Work", "INBOX"):
        scene.server.deliver(folder, mail("same"))
    report = scene.pull()
    assert report.complete
    assert by_name(report)["Work"].stored == 0
    scene.server.create("Later")
    scene.server.deliver("Later", mail("same"))
    assert scene.pull().complete
    assert sum(len(row.frames) for row in scene.rows() if isinstance(row, VolumeRow)) == 1
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_missed_message_goes_to_the_ledger_and_is_archived_when_it_can_be_had(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("good"))
    key = scene.server.deliver("INBOX", mail("bad"))
    scene.server.deliver("INBOX", mail("good too"))
    scene.server.spoil("INBOX", key, "server bug")
    for tries in (1, 2):
        report = scene.pull()
        assert not report.complete
        balance = by_name(report)["INBOX"].balance
        assert balance is not None
        assert (balance.held, balance.missed, balance.unexplained) == (2, 1, 0)
        assert [event.reason for event in scene.told.of(MessageMissed)] == ["server bug"]
        ledger = [row for row in scene.rows() if isinstance(row, MissedRow)]
        assert [row.tries for row in ledger] == list(range(1, tries + 1))
    scene.check()
    scene.server.heal("INBOX", key)
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_missed_message_is_archived_with_the_flags_it_has_by_then(scene: Scene) -> None:
    key = scene.server.deliver("INBOX", mail("bad"))
    scene.server.spoil("INBOX", key, "server bug")
    scene.pull()
    scene.server.flag("INBOX", key, ["\\Seen"])
    scene.pull()
    scene.server.heal("INBOX", key)
    scene.pull()
    assert scene.flags()["INBOX", key] == {"\\Seen"}
    ends_well(scene)


def test_a_missed_message_that_is_flagged_and_healed_at_once_has_its_new_flags(scene: Scene) -> None:
    key = scene.server.deliver("INBOX", mail("bad"))
    scene.server.spoil("INBOX", key, "server bug")
    scene.pull()
    scene.server.flag("INBOX", key, ["\\Seen"])
    scene.server.heal("INBOX", key)
    scene.pull()
    assert scene.flags()["INBOX", key] == {"\\Seen"}
    ends_well(scene)


def test_a_missed_message_that_is_listed_again_is_archived_once(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("old"))
    scene.pull()
    bad = scene.server.deliver("INBOX", mail("bad"))
    scene.server.deliver("INBOX", mail("after"))
    scene.server.spoil("INBOX", bad, "server bug")
    scene.server.fail("message", 2, Unreachable("the line dropped"))
    with pytest.raises(Unreachable):
        scene.pull()  # the miss is committed, and the cursor stands before it
    scene.server.heal("INBOX", bad)
    report = scene.pull()
    assert report.complete
    assert by_name(report)["INBOX"].new == 2
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_missed_appointment_is_an_appointment_when_it_can_be_had(scene: Scene) -> None:
    key = scene.server.deliver("INBOX", mail("meeting"), kind=Kind.EVENT)
    scene.server.spoil("INBOX", key, "server bug")
    scene.pull()
    scene.server.heal("INBOX", key)
    scene.pull()
    assert [entry.kind for entry in scene.entries()] == [Kind.EVENT]
    ends_well(scene)


def test_keywords_with_spaces_in_them_stay_whole(scene: Scene) -> None:
    flags = {"Red category", "caf\u00a0\u00e9", "-"}
    key = scene.server.deliver("INBOX", mail("one"), flags=flags)
    scene.pull()
    assert scene.flags()["INBOX", key] == flags
    ends_well(scene)


@pytest.mark.parametrize("has_modseq", [True, False])
def test_a_missed_message_that_vanishes_is_no_longer_missed(scene: Scene, has_modseq: bool) -> None:
    scene.server.has_modseq = has_modseq
    scene.server.deliver("INBOX", mail("good"))
    key = scene.server.deliver("INBOX", mail("bad"))
    scene.server.spoil("INBOX", key, "server bug")
    scene.pull()
    scene.server.expunge("INBOX", key)
    assert scene.pull().complete
    assert [row.keys for row in scene.rows() if isinstance(row, VanishedRow)] == [(key,)]
    ends_well(scene)


def test_a_message_that_goes_between_listing_and_fetch_is_accounted_for(scene: Scene) -> None:
    class Expunging(SceneAccount):
        def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
            yield from list(super().changes(folder, since, known))
            if "1" in self.mailbox.folders():
                return
            if 1 in self.mailbox.folders()["INBOX"].messages:
                self.mailbox.expunge("INBOX", "1")

    scene.server.deliver("INBOX", mail("short-lived"))
    scene.server.deliver("INBOX", mail("stays"))
    report = scene.pull(account=Expunging(scene.server))
    balance = by_name(report)["INBOX"].balance
    assert balance is not None
    assert (balance.held, balance.gone, balance.unexplained) == (1, 1, 0)
    assert report.complete
    assert scene.pull().complete
    ends_well(scene)


def test_what_a_date_excludes_is_counted_and_taken_by_a_later_pull_without_it(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("old"), received=datetime(2020, 1, 1, tzinfo=UTC))
    scene.server.deliver("INBOX", mail("young"), received=datetime(2025, 1, 1, tzinfo=UTC))
    young = Selection(since=datetime(2024, 1, 1, tzinfo=UTC))
    for _ in range(2):
        report = scene.pull(selection=young)
        balance = by_name(report)["INBOX"].balance
        assert balance is not None
        assert (balance.held, balance.excluded, balance.unexplained) == (1, 1, 0)
        assert report.complete
    assert list(scene.here().values()) == [mail("young")]
    scene.check()
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_pull_with_a_date_is_a_no_op_the_second_time(scene: Scene) -> None:
    key = scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    scene.server.flag("INBOX", key, ["\\Seen"])
    scene.server.deliver("INBOX", mail("two"))
    selection = Selection(since=datetime(2020, 1, 1, tzinfo=UTC))
    head = scene.pull(selection=selection).head
    assert scene.pull(selection=selection).head == head
    scene.check()


def test_excluded_folders_are_left_alone_and_complete(scene: Scene) -> None:
    scene.server.create("Trash")
    scene.server.deliver("Trash", mail("rubbish"))
    scene.server.deliver("INBOX", mail("good"))
    report = scene.pull(selection=Selection(exclude=("Trash",)))
    assert report.complete
    assert by_name(report)["Trash"].excluded
    assert list(scene.here().values()) == [mail("good")]
    scene.server.delete("Trash")
    scene.pull(selection=Selection(exclude=("Trash",)))
    scene.check()


def test_another_mailbox_is_refused_and_nothing_is_written(scene: Scene, tmp_path: object) -> None:
    scene.server.deliver("INBOX", mail("mine"))
    head = scene.pull().head
    before = set(scene.store.keys())
    other = type(scene.server)()
    other.renumber("INBOX")
    other.create("Private")
    other.deliver("INBOX", mail("hers"))
    other.deliver("Private", mail("hers too"))
    with pytest.raises(OtherMailbox) as refused:
        scene.pull(account=SceneAccount(other))
    assert refused.value.exit == 23
    assert '"post"' in refused.value.text or "'post'" in refused.value.text
    assert set(scene.store.keys()) == before
    assert scene.chain().head() == head
    assert scene.pull().complete, "the right one goes on"
    assert scene.pull(account=SceneAccount(other), accept=True).complete
    assert mail("hers too") in scene.read().values()
    assert mail("mine") in scene.read().values()
    scene.check()


def test_another_selection_of_folders_is_not_another_mailbox(scene: Scene) -> None:
    scene.server.create("Other")
    scene.server.deliver("INBOX", mail("one"))
    scene.server.deliver("Other", mail("two"))
    scene.pull(selection=Selection(include=("INBOX",)))
    report = scene.pull(selection=Selection(include=("Other",)))
    assert report.complete
    scene.pull()
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_refused_folder_does_not_make_it_another_mailbox(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    scene.server.create("Other")
    scene.server.deliver("Other", mail("two"))
    scene.server.fail("changes", 1, FolderRefused("folder 'INBOX' is being repaired"))
    report = scene.pull()
    assert by_name(report)["INBOX"].error == "folder 'INBOX' is being repaired"
    assert by_name(report)["Other"].complete
    assert scene.pull().complete
    ends_well(scene)


def test_a_mailbox_whose_first_folder_is_new_is_recognised_by_a_later_one(scene: Scene) -> None:
    scene.server.create("Work")
    scene.server.deliver("Work", mail("held"))
    scene.pull()
    scene.server.deliver("INBOX", mail("first in a folder that was empty"))
    report = scene.pull()
    assert report.complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_an_emptied_mailbox_costs_rows_and_no_message(scene: Scene) -> None:
    keys = [scene.server.deliver("INBOX", mail(str(number))) for number in range(3)]
    scene.pull()
    scene.server.expunge("INBOX", *keys)
    report = scene.pull()
    assert report.complete
    assert by_name(report)["INBOX"].vanished == 3
    assert len(scene.read()) == 3
    assert scene.here() == {}
    ends_well(scene)


class Lying(SceneAccount):
    """Claims one message more than it tells of."""

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        for change in super().changes(folder, since, known):
            if isinstance(change, Done):
                yield msgspec.structs.replace(change, exists=change.exists + 1)
            else:
                yield change


def test_counts_that_do_not_fit_are_told_and_hold_the_cursor(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one"))
    report = scene.pull(account=Lying(scene.server))
    assert not report.complete
    assert [event.text for event in scene.told.of(Warned)] == [
        'folder "INBOX": 1 messages are not accounted for'
    ]
    assert [row.token for row in scene.rows() if isinstance(row, FolderRow)] == [None]
    scene.server.deliver("INBOX", mail("two"))
    report = scene.pull()
    assert report.complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


class Forgetful(SceneAccount):
    """Leaves out what is new, unless it is asked for everything."""

    def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
        for change in super().changes(folder, since, known):
            if isinstance(change, Done) or since is None or not since.token:
                yield change


def test_what_a_short_listing_leaves_out_is_found_by_a_full_one_in_the_same_run(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    key = scene.server.deliver("INBOX", mail("two"))
    scene.server.flag("INBOX", "1", ["\\Seen"])
    report = scene.pull(account=Forgetful(scene.server))
    assert report.complete
    assert scene.here() == scene.on_server()
    assert scene.flags() == {("INBOX", "1"): frozenset({"\\Seen"}), ("INBOX", key): frozenset()}
    ends_well(scene)


def test_a_listing_without_an_end_keeps_its_messages_and_not_its_cursor(scene: Scene) -> None:
    class Endless(SceneAccount):
        def changes(self, folder: Folder, since: Cursor | None, known: Known) -> Iterator[Change]:
            yield from (one for one in super().changes(folder, since, known) if not isinstance(one, Done))

    scene.server.deliver("INBOX", mail("one"))
    report = scene.pull(account=Endless(scene.server))
    assert not report.complete
    assert "not listed to its end" in str(by_name(report)["INBOX"].error)
    assert not [row for row in scene.rows() if isinstance(row, FolderRow) and row.token]
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_refused_folder_does_not_stop_the_others(scene: Scene) -> None:
    scene.server.create("Broken")
    scene.server.create("Work")
    for folder in ("INBOX", "Broken", "Work"):
        scene.server.deliver(folder, mail(folder))
    scene.server.fail("changes", 2, FolderRefused("folder 'Broken' is broken"))
    report = scene.pull()
    assert not report.complete
    assert [event.reason for event in scene.told.of(FolderFailed)] == ["folder 'Broken' is broken"]
    assert sorted(scene.here().values()) == sorted([mail("INBOX"), mail("Work")])
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_folder_that_is_refused_in_the_middle_keeps_what_it_gave(scene: Scene) -> None:
    scene.server.create("Work")
    for number in range(4):
        scene.server.deliver("INBOX", mail(str(number)))
    scene.server.deliver("Work", mail("work"))
    scene.server.fail("message", 3, FolderRefused("folder 'INBOX' was closed"))
    report = scene.pull()
    assert not report.complete
    assert len(scene.here()) == 3
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


@pytest.mark.parametrize("step", ["folders", "changes", "change", "fetch", "message"])
def test_a_dropped_line_keeps_what_was_taken_and_the_next_run_goes_on(scene: Scene, step: str) -> None:
    scene.server.create("Work")
    for number in range(3):
        scene.server.deliver("INBOX", mail(str(number)))
        scene.server.deliver("Work", mail(f"work {number}"))
    nth = {"folders": 1, "changes": 2, "change": 6, "fetch": 2, "message": 5}[step]
    scene.server.fail(step, nth, Unreachable("the line dropped"))
    with pytest.raises(Unreachable):
        scene.pull()
    scene.forget_catalog()
    scene.pull()
    assert scene.here() == scene.on_server()
    if step != "folders":
        assert scene.manifests()[0].kind == "checkpoint"
    if step == "message":
        assert len([ref for ref in scene.account.fetched if ref.folder == "Work"]) == 3, "nothing twice"
    ends_well(scene)


def test_a_run_that_is_asked_to_stop_commits_what_it_has(scene: Scene) -> None:
    for number in range(5):
        scene.server.deliver("INBOX", mail(str(number)))
    with pytest.raises(Interrupted) as stopped:
        scene.pull(stop=lambda: len(scene.account.fetched) == 2)
    assert stopped.value.exit == 130
    assert len(scene.read()) == 2
    scene.account.fetched.clear()
    assert scene.pull().complete
    assert len(scene.account.fetched) == 3
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_run_that_is_asked_to_stop_stops_between_folders_too(scene: Scene) -> None:
    for name in ("A", "B", "C"):
        scene.server.create(name)
    scene.pull()
    listed = scene.server.calls["changes"]
    with pytest.raises(Interrupted):
        scene.pull(stop=lambda: scene.server.calls["changes"] > listed)
    assert scene.server.calls["changes"] == listed + 1
    ends_well(scene)


def test_a_dry_run_counts_and_writes_nothing(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    before = dict(scene.memory())
    scene.server.deliver("INBOX", mail("two"))
    scene.server.flag("INBOX", "1", ["\\Seen"])
    scene.server.create("Work")
    report = scene.pull(dry=True)
    assert by_name(report)["INBOX"].new == 1
    assert scene.memory() == before
    assert scene.pull().complete
    ends_well(scene)


def test_a_folder_larger_than_a_batch_is_taken_whole(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_folder, "BATCH", 3)
    for number in range(10):
        scene.server.deliver("INBOX", mail(str(number)))
    scene.server.spoil("INBOX", "2", "bad")
    assert not scene.pull().complete
    scene.server.heal("INBOX", "2")
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    ends_well(scene)


def test_a_moved_message_is_stored_once_and_known_in_both_folders(scene: Scene) -> None:
    scene.server.create("Archive")
    key = scene.server.deliver("INBOX", mail("moved"))
    scene.pull()
    scene.server.move("INBOX", key, "Archive")
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    assert len([row for row in scene.rows() if isinstance(row, MessageRow)]) == 2
    ends_well(scene)


def test_a_renamed_folder_is_stored_once(scene: Scene) -> None:
    scene.server.create("Old")
    scene.server.deliver("Old", mail("one"))
    scene.server.deliver("INBOX", mail("two"))
    scene.pull()
    scene.server.rename("Old", "New")
    assert scene.pull().complete
    assert scene.here() == scene.on_server()
    ends_well(scene)
