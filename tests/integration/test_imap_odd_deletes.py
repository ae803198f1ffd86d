"""Taking mail out of servers that do it otherwise than they say: only what was named goes, or nothing more."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec import Struct

from archiver.accounts.imap import delete as delete_module
from archiver.accounts.imap import epoch as epochs
from archiver.accounts.owner import owner_of
from archiver.errors import ArchiverError, FolderRefused, Forbidden, RefusedForSafety, Unreachable
from archiver.model import Folder, Message, Ref, Removed, Unremoved
from tests.integration.double_client import INBOX, Make, mails
from tests.servers.imap_double import Mail
from tests.servers.stateful_double import Box, Deed, StatefulDouble, all_marked, nothing

TRASH = Folder("Trash", "/", "\\Trash")
OWNER = owner_of("127.0.0.1", "ann")
EPOCH = epochs.write(7, OWNER)
BASE = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+"
MOVE, COPY, GMAIL = f"{BASE} UIDPLUS MOVE", f"{BASE} UIDPLUS", f"{BASE} UIDPLUS MOVE X-GM-EXT-1"
WAYS = {"move": (MOVE, TRASH), "copy": (COPY, TRASH), "for good": (COPY, None)}
CHANGES = rb"UID (STORE|COPY|MOVE|EXPUNGE)|EXPUNGE|CLOSE"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete_module, "BATCH", 4)


def server(capabilities: str = MOVE, count: int = 12, **knobs: Any) -> StatefulDouble:
    """Make a server with an INBOX, whose last message but one others marked as deleted, and a trash."""
    inbox = Box(mails(count))
    inbox.mark(count - 1)
    boxes = {"INBOX": inbox, "Trash": Box(uidvalidity=38505, attributes=b"\\Trash", uidnext=3956)}
    return StatefulDouble(capabilities=capabilities, boxes=boxes, **knobs)


class Outcome(Struct):
    """What was answered: key -> where to, key -> why not; and what ended it."""

    removed: dict[str, Ref | None]
    kept: dict[str, str]
    error: ArchiverError | None


def take(
    client: Make,
    double: StatefulDouble,
    uids: Iterable[int],
    to: Folder | None,
    *,
    lost: Iterable[int] = (),
    marks: bool = True,
) -> Outcome:
    """Remove, and check what holds whatever the server does; but that it took `lost` itself."""
    before = double.snapshot()["INBOX"]
    keys = [str(uid) for uid in uids]
    outcome = Outcome({}, {}, None)
    try:
        for one in client(double).account.remove(INBOX, EPOCH, keys, to):
            assert one.key in keys, "answered for what was not asked"
            assert one.key not in outcome.removed | outcome.kept, "answered twice"
            if isinstance(one, Removed):
                outcome.removed[one.key] = one.to
            elif isinstance(one, Unremoved):
                outcome.kept[one.key] = one.reason
    except ArchiverError as error:
        assert error.hint
        outcome.error = error
    now = double.snapshot()["INBOX"]
    assert not {int(key) for key in outcome.removed} & set(now), "told as removed, and is there"
    assert {int(key) for key in outcome.kept} <= set(now), "told as kept, and is gone"
    if outcome.error is None:
        assert {*outcome.removed, *outcome.kept} == set(keys)
    assert set(before) - set(now) - {int(key) for key in keys} == set(lost), "others went"
    if marks:
        ours = {uid for uid in now if "\\Deleted" in now[uid][1] and "\\Deleted" not in before[uid][1]}
        assert ours == set(), "a mark was left"
    assert not double.commands(rb"EXPUNGE|CLOSE|SEARCH|UID SEARCH")
    return outcome


def gone(double: StatefulDouble) -> set[int]:
    """Tell which of the first messages of INBOX are there no more."""
    return set(range(1, 13)) - set(double.boxes["INBOX"].mails)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[str, Folder | None]:
    return WAYS[request.param]


# --- as it should be --------------------------------------------------------------------------------------


def test_the_named_go_and_it_is_told_where_to(client: Make, way: tuple[str, Folder | None]) -> None:
    capabilities, to = way
    with server(capabilities) as double:
        told = take(client, double, [9, 1, 2, 3, 5, 6, 77], to)
        assert gone(double) == {1, 2, 3, 5, 6, 9}
        assert (told.kept, told.error) == ({}, None)
        assert told.removed.pop("77") is None
        trash = double.snapshot()["Trash"]
        if to is None:
            assert not trash
        for key, ref in told.removed.items():
            if to is None:
                assert ref is None
                continue
            assert ref is not None
            assert (ref.folder, ref.epoch) == ("Trash", epochs.write(38505, OWNER))
            assert trash[int(ref.key)] == (b"Subject: %s\r\n\r\nbody %s\r\n" % (2 * (key.encode(),)), "")


def test_the_first_goes_alone_and_the_others_in_batches(client: Make) -> None:
    with server() as double:
        take(client, double, range(1, 11), TRASH)
        assert double.commands(rb"UID MOVE") == [
            b'UID MOVE 1 "Trash"',
            b'UID MOVE 2:5 "Trash"',
            b'UID MOVE 6:9 "Trash"',
            b'UID MOVE 10 "Trash"',
        ]


def test_nothing_asked_is_nothing_sent(client: Make) -> None:
    with server() as double:
        assert list(client(double).account.remove(INBOX, EPOCH, [], TRASH)) == []
        assert double.seen == []


def test_vanished_is_as_good_as_expunge(client: Make, way: tuple[str, Folder | None]) -> None:
    with server(way[0] + " ENABLE QRESYNC") as double:
        told = take(client, double, range(1, 9), way[1])
        assert double.commands(rb"ENABLE QRESYNC")
        assert (len(told.removed), told.error) == (8, None)


def test_imap4rev2_has_both_in_it(client: Make) -> None:
    with server("IMAP4rev1 IMAP4rev2 SASL-IR AUTH=PLAIN LITERAL+ UIDPLUS MOVE") as double:
        assert len(take(client, double, [1, 2], TRASH).removed) == 2


def test_a_reader_after_a_removal_opens_for_reading(client: Make) -> None:
    with server() as double:
        one = client(double)
        assert len(list(one.account.remove(INBOX, EPOCH, ["1", "2"], TRASH))) == 2
        del double.seen[:]
        assert len(one.remotes()) == 10
        list(one.account.remove(INBOX, EPOCH, ["3"], TRASH))
        del double.seen[:]
        (body,) = one.account.fetch([remote for remote in one.remotes() if remote.ref.key == "4"])
        assert isinstance(body, Message)
        assert double.commands(rb"EXAMINE")
        assert not double.commands(rb"SELECT")


def test_a_body_is_never_read_from_a_mailbox_opened_for_writing(client: Make) -> None:
    with server() as double:
        one = client(double)
        remotes = one.remotes()
        list(one.account.remove(INBOX, EPOCH, ["3"], TRASH))
        del double.seen[:]
        assert len(list(one.account.fetch(remotes[5:]))) == 7
        assert double.commands(rb"EXAMINE|UID FETCH")[0].startswith(b"EXAMINE")


# --- what may not be --------------------------------------------------------------------------------------


def test_a_read_only_folder_is_left_alone(client: Make, way: tuple[str, Folder | None]) -> None:
    with server(way[0]) as double:
        double.boxes["INBOX"].read_only = True
        told = take(client, double, [1, 2], way[1])
        assert isinstance(told.error, Forbidden)
        assert not double.commands(CHANGES)


def test_a_folder_that_takes_no_marks_is_left_alone(client: Make) -> None:
    for permanent in (b"", b"\\Seen \\*"):
        with server(COPY) as double:
            double.boxes["INBOX"].permanent = permanent
            assert isinstance(take(client, double, [1, 2], None).error, Forbidden)
            assert not double.commands(CHANGES)


@pytest.mark.parametrize(
    ("capabilities", "to"), [(BASE, None), (BASE, TRASH), (f"{BASE} MOVE", None), (f"{BASE} UNSELECT", None)]
)
def test_without_the_power_nothing_is_changed(client: Make, capabilities: str, to: Folder | None) -> None:
    with server(capabilities) as double:
        before = double.snapshot()
        assert isinstance(take(client, double, [1, 2], to).error, RefusedForSafety)
        assert double.snapshot() == before
        assert not double.commands(CHANGES)


@pytest.mark.parametrize("uidvalidity", [8, 0])
def test_a_folder_that_was_renumbered_is_left_alone(
    client: Make, way: tuple[str, Folder | None], uidvalidity: int
) -> None:
    with server(way[0]) as double:
        one = client(double)
        assert len(one.account.look(INBOX, EPOCH, ["1", "2"]).messages) == 2
        double.boxes["INBOX"].uidvalidity = uidvalidity
        with pytest.raises(FolderRefused):
            list(one.account.remove(INBOX, EPOCH, ["1", "2"], way[1]))
        with pytest.raises(FolderRefused):
            one.account.look(INBOX, EPOCH, ["1", "2"])
        assert not double.commands(CHANGES)


def test_a_folder_renumbered_between_two_answers_is_left_alone_from_then_on(
    client: Make, way: tuple[str, Folder | None]
) -> None:
    with server(way[0]) as double:
        one = client(double)
        answers = iter(one.account.remove(INBOX, EPOCH, ["1", "2", "3"], way[1]))
        assert next(answers).key == "1"
        one.account.look(TRASH, epochs.write(38505, OWNER), [])
        double.boxes["INBOX"].uidvalidity = 8
        with pytest.raises(FolderRefused):
            list(answers)
        assert gone(double) == {1}


# --- servers that say OK and do otherwise -----------------------------------------------------------------


@pytest.mark.parametrize("way", ["move", "copy", "for good"])
def test_what_a_server_says_it_did_and_did_not_is_told_as_kept(client: Make, way: str) -> None:
    capabilities, to = WAYS[way]
    with server(capabilities, moves=nothing, expunges=nothing) as double:
        told = take(client, double, range(1, 11), to)
        assert told.error is None
        assert told.removed == {}
        assert set(told.kept.values()) == {"the server keeps it"}
        assert gone(double) == set()
        assert len(double.commands(rb"UID (MOVE|EXPUNGE)")) == delete_module.PATIENCE, (
            "it is not tried for ever"
        )


@pytest.mark.parametrize("way", ["copy", "for good"])
@pytest.mark.parametrize("tells", [True, False])
def test_an_expunge_that_takes_what_others_marked_is_found_out_by_the_first(
    client: Make, way: str, tells: bool
) -> None:
    capabilities, to = WAYS[way]
    with server(capabilities, expunges=all_marked, tells_expunges=tells) as double:
        told = take(client, double, range(1, 9), to, lost=[11])
        assert isinstance(told.error, RefusedForSafety)
        assert "the server removed more than it was asked to" in told.error.text
        assert set(told.removed) == {"1"}
        assert gone(double) == {1, 11}


@pytest.mark.parametrize("qresync", ["", " ENABLE QRESYNC"])
@pytest.mark.parametrize("way", ["move", "copy", "for good"])
def test_more_that_goes_with_a_later_batch_stops_it(client: Make, way: str, qresync: str) -> None:
    capabilities, to = WAYS[way]

    def one_more(box: Box, uids: list[int]) -> Iterable[int]:
        return [*uids, 12] if len(uids) > 1 else uids

    with server(capabilities + qresync, moves=one_more, expunges=one_more) as double:
        told = take(client, double, range(1, 11), to, lost=[12])
        assert isinstance(told.error, RefusedForSafety)
        assert set(told.removed) == {"1", "2", "3", "4", "5"}
        assert gone(double) == {1, 2, 3, 4, 5, 12}


@pytest.mark.parametrize("way", ["move", "copy", "for good"])
def test_one_more_that_goes_with_the_first_is_found_out_though_it_is_not_told(client: Make, way: str) -> None:
    capabilities, to = WAYS[way]

    def one_more(box: Box, uids: list[int]) -> Iterable[int]:
        return [*uids, 12]

    with server(capabilities, moves=one_more, expunges=one_more, untold={12}) as double:
        told = take(client, double, range(1, 9), to, lost=[12])
        assert isinstance(told.error, RefusedForSafety)
        assert gone(double) == {1, 12}


@pytest.mark.parametrize("late", [True, False])
def test_a_move_that_takes_another_message_than_the_named_one_stops_it(client: Make, late: bool) -> None:
    with server(moves=lambda box, uids: [uid + 1 for uid in uids], tells_late=late) as double:
        told = take(client, double, [3, 4, 5], TRASH)
        assert isinstance(told.error, RefusedForSafety)
        assert told.kept.keys() == {"3"}
        assert gone(double) == {4}


def test_a_move_of_half_a_batch_is_told_message_by_message(client: Make) -> None:
    with server(moves=lambda box, uids: uids[: max(1, len(uids) // 2)]) as double:
        told = take(client, double, range(1, 10), TRASH)
        assert told.error is None
        assert set(told.removed) == {"1", "2", "3", "6", "7"}


@pytest.mark.parametrize("way", ["move", "copy", "for good"])
def test_a_server_that_tells_no_expunge_is_asked_anew(client: Make, way: str) -> None:
    capabilities, to = WAYS[way]
    with server(capabilities, tells_expunges=False) as double:
        told = take(client, double, range(1, 9), to)
        assert (len(told.removed), told.error) == (8, None)


@pytest.mark.parametrize("way", ["move", "copy", "for good"])
def test_a_server_that_tells_an_expunge_late_is_believed(client: Make, way: str) -> None:
    capabilities, to = WAYS[way]
    with server(capabilities, tells_late=True) as double:
        told = take(client, double, range(1, 9), to)
        assert (len(told.removed), told.error) == (8, None)


def test_a_mark_that_removes_at_once_is_no_harm(client: Make) -> None:
    with server(COPY, expunges_on_store=True) as double:
        told = take(client, double, range(1, 9), None)
        assert (len(told.removed), told.error) == (8, None)


# --- listings that lie ------------------------------------------------------------------------------------


@pytest.mark.parametrize("knob", ["hides", "garbles"])
def test_a_folder_that_is_not_listed_in_full_is_left_alone(client: Make, knob: str) -> None:
    for uid in (1, 9):
        with server() as double:
            setattr(double, knob, {uid})
            told = take(client, double, [1, 2], TRASH)
            assert isinstance(told.error, FolderRefused)
            assert told.removed == {}
            assert not double.commands(CHANGES)


@pytest.mark.parametrize("way", ["move", "copy", "for good"])
@pytest.mark.parametrize("knob", ["hides", "garbles"])
@pytest.mark.parametrize("uid", [1, 4])
def test_a_message_that_is_kept_and_no_more_listed_is_not_told_as_removed(
    client: Make, way: str, knob: str, uid: int
) -> None:
    capabilities, to = WAYS[way]

    def but_one(box: Box, uids: list[int]) -> Iterable[int]:
        getattr(double, knob).update({uid} & set(uids))
        return [one for one in uids if one != uid]

    with server(capabilities, moves=but_one, expunges=but_one) as double:
        told = take(client, double, range(1, 9), to, marks=False)
        assert isinstance(told.error, Unreachable)
        assert str(uid) not in told.removed


def test_a_folder_that_is_called_empty_and_is_not_is_left_alone(client: Make) -> None:
    with server(exists=0) as double:
        told = take(client, double, [1, 2], TRASH)
        assert isinstance(told.error, FolderRefused)
        assert told.removed == {}


def test_in_an_empty_folder_all_is_gone_already(client: Make) -> None:
    with server(answers=[(rb"UID FETCH 1:\*", b"%t BAD there is nothing\r\n")]) as double:
        double.boxes["INBOX"].mails.clear()
        assert take(client, double, [1, 2], TRASH).removed == {"1": None, "2": None}


def test_a_listing_that_is_refused_leaves_all_alone(client: Make) -> None:
    with server(answers=[(rb"UID FETCH", b"%t NO not now\r\n")]) as double:
        assert isinstance(take(client, double, [1, 2], TRASH).error, FolderRefused)
        assert not double.commands(CHANGES)


# --- COPYUID ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tagged", [True, False])
def test_where_a_message_went_is_told_wherever_the_server_says_it(client: Make, tagged: bool) -> None:
    with server(copyuid_tagged=tagged) as double:
        told = take(client, double, [3, 1, 2], TRASH)
        assert {key: ref.key for key, ref in told.removed.items() if ref} == {
            "3": "3956",
            "1": "3957",
            "2": "3958",
        }


def test_a_move_without_a_word_of_where_to_is_removed_all_the_same(client: Make) -> None:
    with server(copyuid=lambda pairs: []) as double:
        told = take(client, double, [1, 2], TRASH)
        assert told.removed == {"1": None, "2": None}


def test_a_copy_without_a_word_of_where_to_removes_nothing(client: Make) -> None:
    with server(COPY, copyuid=lambda pairs: []) as double:
        told = take(client, double, range(1, 9), TRASH)
        assert told.removed == {}
        assert set(told.kept.values()) == {"the server does not say where its copy is"}
        assert not double.commands(rb"UID (STORE|EXPUNGE)")


@pytest.mark.parametrize("lie", ["fewer", "not copied", "one target twice", "others"])
def test_only_what_is_surely_copied_is_removed(client: Make, lie: str) -> None:
    lies = {
        "fewer": lambda pairs: [pair for pair in pairs if pair[0] != 3],
        "not copied": lambda pairs: pairs,
        "one target twice": lambda pairs: [(a, 4000 if a in (3, 4) else b) for a, b in pairs],
        "others": lambda pairs: [*[pair for pair in pairs if pair[0] != 3], (11, 5000)],
    }
    with server(COPY, copyuid=lies[lie]) as double:
        if lie == "not copied":
            double.copies = lambda box, uids: [uid for uid in uids if uid != 3]
        told = take(client, double, range(1, 9), TRASH)
        assert told.error is None
        assert set(told.kept) == ({"3", "4"} if lie == "one target twice" else {"3"})
        raws = {raw for raw, _ in double.snapshot()["Trash"].values()}
        assert all(mails(12)[int(key)].raw in raws for key in told.removed)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [b"UID COPY", b"UID MOVE"])
@pytest.mark.parametrize("words", [b"NO [OVERQUOTA] full", b"NO Mailbox is full", b"NO [NOPERM] not you"])
def test_a_trash_that_takes_nothing_ends_it(client: Make, verb: bytes, words: bytes) -> None:
    with server(COPY if verb == b"UID COPY" else MOVE, answers=[(verb, b"%t " + words + b"\r\n")]) as double:
        told = take(client, double, range(1, 9), TRASH)
        assert isinstance(told.error, Forbidden)
        assert words.split()[-1].decode() in told.kept["1"]
        assert gone(double) == set()


@pytest.mark.parametrize("capabilities", [MOVE, COPY])
def test_a_trash_that_is_not_there_is_made_once(client: Make, capabilities: str) -> None:
    with server(capabilities) as double:
        del double.boxes["Trash"]
        told = take(client, double, [1, 2, 3], TRASH)
        assert (len(told.removed), told.error) == (3, None)
        assert double.commands(rb"CREATE") == [b'CREATE "Trash"']
        assert len(double.boxes["Trash"].mails) == 3


@pytest.mark.parametrize("verb", [rb"UID MOVE", rb"UID COPY"])
def test_a_trash_that_the_server_never_finds_is_made_once(client: Make, verb: bytes) -> None:
    answers = [(verb, b"%t NO [TRYCREATE] not here\r\n")]
    with server(MOVE if verb == rb"UID MOVE" else COPY, answers=[*answers]) as double:
        told = take(client, double, range(1, 9), TRASH)
        assert (len(told.kept), told.error) == (8, None)
        assert len(double.commands(rb"CREATE")) == 1


@pytest.mark.parametrize("capabilities", [MOVE, COPY])
def test_a_trash_that_cannot_be_made_ends_it(client: Make, capabilities: str) -> None:
    with server(capabilities, answers=[(rb"CREATE", b"%t NO not here\r\n")]) as double:
        del double.boxes["Trash"]
        told = take(client, double, [1, 2, 3], TRASH)
        assert isinstance(told.error, FolderRefused)
        assert gone(double) == set()


@pytest.mark.parametrize("word", [b"NO cannot", b"BAD what"])
def test_a_store_that_is_refused_removes_nothing(client: Make, word: bytes) -> None:
    with server(COPY, answers=[(rb"UID STORE \S+ \+", b"%t " + word + b"\r\n")]) as double:
        told = take(client, double, range(1, 9), None)
        assert told.error is None
        assert len(told.kept) == 8
        assert all(word.split()[1].decode() in reason for reason in told.kept.values())
        assert not double.commands(rb"UID EXPUNGE")


@pytest.mark.parametrize("word", [b"NO cannot", b"BAD what"])
@pytest.mark.parametrize("to", [TRASH, None])
def test_an_expunge_that_is_refused_leaves_no_mark(client: Make, word: bytes, to: Folder | None) -> None:
    with server(COPY, answers=[(rb"UID EXPUNGE", b"%t " + word + b"\r\n")]) as double:
        told = take(client, double, [11, 1, 2], to)
        assert told.error is None
        assert len(told.kept) == 3
        assert double.boxes["INBOX"].marked() == [11], "the mark of others stays"


def test_a_mark_that_does_not_come_off_is_told(client: Make) -> None:
    stuck = [(rb"UID EXPUNGE|UID STORE \S+ -", b"%t NO stuck\r\n")]
    with server(COPY, answers=[*stuck]) as double:
        told = take(client, double, [1], None, marks=False)
        assert "it is marked as deleted" in told.kept["1"]


def test_a_mark_that_stays_though_the_server_says_otherwise_is_told(client: Make) -> None:
    with server(COPY, expunges=nothing) as double:
        double.after.append((rb"UID STORE", lambda: setattr(double, "stores", nothing)))
        told = take(client, double, [1], None, marks=False)
        assert "it is marked as deleted" in told.kept["1"]


def test_a_busy_server_is_left_alone(client: Make) -> None:
    with server(answers=[(rb"UID MOVE", b"%t NO [INUSE] later\r\n")]) as double:
        told = take(client, double, range(1, 9), TRASH)
        assert isinstance(told.error, Unreachable)
        assert set(told.kept) == {"1"}


# --- the line drops ---------------------------------------------------------------------------------------

STEPS = {
    "move": [rb"SELECT", rb"UID FETCH", rb"UID MOVE 1 ", rb"UID MOVE 2:5 ", rb"NOOP"],
    "copy": [rb"SELECT", rb"UID COPY 2:5", rb"UID STORE 2:5 \+", rb"UID EXPUNGE 2:5", rb"NOOP"],
    "for good": [rb"UID FETCH", rb"UID STORE 1 \+", rb"UID STORE 2:5 \+", rb"UID EXPUNGE 2:5", rb"NOOP"],
}


@pytest.mark.parametrize(("way", "step"), [(way, step) for way, steps in STEPS.items() for step in steps])
@pytest.mark.parametrize("done", [False, True])
def test_a_dropped_line_is_told_and_nothing_is_sent_twice(
    client: Make, way: str, step: bytes, done: bool
) -> None:
    capabilities, to = WAYS[way]
    with server(capabilities) as double:
        (double.drops_after if done else double.drops_before).append(step)
        told = take(client, double, range(1, 9), to)
        if step != rb"SELECT":  # to open it again changes nothing
            assert isinstance(told.error, Unreachable)
        changes = [line for line in double.commands(CHANGES) if b"-FLAGS" not in line]
        assert len(changes) == len(set(changes)), "sent twice"
        assert not double.drops_after + double.drops_before
        again = take(client, double, range(1, 9), to)
        assert again.error is None
        assert gone(double) == set(range(1, 9))


def test_marks_that_nobody_can_take_off_are_warned_of(client: Make) -> None:
    warned: list[str] = []
    with server(COPY) as double:
        double.drops_before += [rb"UID EXPUNGE", rb"SELECT"]
        double.before.append((rb"UID STORE", lambda: double.drops_before.append(rb"NOOP")))
        account = client(double).account
        account._warn = warned.append
        double.drops_before.remove(rb"SELECT")
        double.before.append(
            (rb"UID EXPUNGE", lambda: double.answers.append((rb"SELECT", b"%t NO gone\r\n")))
        )
        with pytest.raises(Unreachable):
            list(account.remove(INBOX, EPOCH, ["1"], None))
        assert len(warned) == 1
        assert "marked as deleted" in warned[0]


# --- others at work ---------------------------------------------------------------------------------------


def test_what_others_took_before_is_gone_and_stops_nothing(
    client: Make, way: tuple[str, Folder | None]
) -> None:
    with server(way[0]) as double:
        one = client(double)
        assert len(one.account.look(INBOX, EPOCH, ["1", "2", "3"]).messages) == 3
        for uid in (1, 12):
            del double.boxes["INBOX"].mails[uid]
        told = list(one.account.remove(INBOX, EPOCH, ["1", "2", "3"], way[1]))
        assert [answer.key for answer in told if isinstance(answer, Removed)] == ["1", "2", "3"]
        assert gone(double) == {1, 2, 3, 12}


@pytest.mark.parametrize("qresync", ["", " ENABLE QRESYNC"])
def test_what_others_took_just_before_the_listing_is_not_held_against_the_server(
    client: Make, way: tuple[str, Folder | None], qresync: str
) -> None:
    with server(way[0] + qresync) as double:
        double.before.append((rb"UID FETCH", lambda: double.boxes["INBOX"].mails.pop(12)))
        told = take(client, double, [1, 2], way[1], lost=[12])
        assert (len(told.removed), told.error) == (2, None)


def test_what_others_took_while_another_folder_was_open_is_not_held_against_the_server(
    client: Make, way: tuple[str, Folder | None]
) -> None:
    with server(way[0]) as double:
        one = client(double)
        answers = iter(one.account.remove(INBOX, EPOCH, [str(uid) for uid in range(1, 9)], way[1]))
        assert next(answers).key == "1"
        for uid in (4, 12):
            del double.boxes["INBOX"].mails[uid]
        one.account.look(TRASH, epochs.write(38505, OWNER), [])
        assert [answer.key for answer in answers if isinstance(answer, Removed)] == [*"2345678"]
        assert gone(double) == {*range(1, 9), 12}


def test_a_first_message_that_others_took_proves_nothing(
    client: Make, way: tuple[str, Folder | None]
) -> None:
    with server(way[0]) as double:
        one = client(double)
        answers = iter(one.account.remove(INBOX, EPOCH, ["77", "1", "2", "3", "4"], way[1]))
        assert next(answers) == Removed("77")
        del double.boxes["INBOX"].mails[1]
        one.account.look(TRASH, epochs.write(38505, OWNER), [])
        assert {answer.key for answer in answers if isinstance(answer, Removed)} == {*"1234"}
        assert double.commands(CHANGES)[0].split()[2] == b"2", "the first goes alone"


def test_what_comes_in_meanwhile_stays_and_stops_nothing(
    client: Make, way: tuple[str, Folder | None]
) -> None:
    def deliver(double: StatefulDouble, uid: int) -> Deed:
        return lambda: double.boxes["INBOX"].put(Mail(b"new %d" % uid))

    with server(way[0]) as double:
        for number, step in enumerate([rb"UID FETCH", rb"UID (MOVE|STORE)", rb"NOOP", rb"UID (MOVE|STORE)"]):
            double.before.append((step, deliver(double, number)))
        told = take(client, double, range(1, 9), way[1])
        assert (len(told.removed), told.error) == (8, None)
        assert {b"new %d" % number for number in range(4)} <= double.everywhere()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_others_take_in_the_very_moment_is_no_loss_that_goes_on(
    client: Make, way: tuple[str, Folder | None], when: str
) -> None:
    """Whose doing it was cannot be told; it ends there, and the next run goes on."""
    with server(way[0]) as double:
        step = (rb"UID (MOVE|EXPUNGE)", lambda: double.boxes["INBOX"].mails.pop(12))
        getattr(double, when).append(step)
        told = take(client, double, range(1, 9), way[1], lost=[12])
        assert isinstance(told.error, RefusedForSafety)
        assert set(told.removed) == {"1"}
        again = take(client, double, range(1, 9), way[1])
        assert (len(again.removed), again.error) == (8, None)


UNASKED: Mapping[str, bytes] = {
    "flags": b"* 3 FETCH (FLAGS (\\Seen \\Deleted))\r\n",
    "flags with a UID": b"* 3 FETCH (UID 3 FLAGS (\\Flagged))\r\n",
    "more messages": b"* 13 EXISTS\r\n* 1 RECENT\r\n",
    "an alert": b"* OK [ALERT] five minutes to midnight\r\n",
    "an unrelated COPYUID": b"* OK [COPYUID 5 44 45] moved\r\n",
    "a COPYUID without sense": b"* OK [COPYUID 5 1:99999999999 1] moved\r\n",
    "nonsense": b"* 5 FETCH (UID (\r\n* XYZZY ]\r\n",
}


@pytest.mark.parametrize("line", UNASKED)
def test_what_a_server_says_unasked_changes_nothing(
    client: Make, way: tuple[str, Folder | None], line: str
) -> None:
    with server(way[0]) as double:
        double.unasked.append((rb"UID (MOVE|STORE|COPY|EXPUNGE)", UNASKED[line]))
        told = take(client, double, range(1, 9), way[1])
        assert gone(double) <= set(range(1, 9))
        assert told.error is None or isinstance(told.error, Unreachable)
        if line != "more messages":
            assert (len(told.removed), told.error) == (8, None)


@pytest.mark.parametrize("line", [b"* 1 EXPUNGE\r\n", b"* VANISHED 12\r\n", b"* VANISHED 1:4294967295\r\n"])
def test_more_expunges_than_were_asked_for_stop_it_though_nothing_is_missing(
    client: Make, way: tuple[str, Folder | None], line: bytes
) -> None:
    with server(way[0]) as double:
        double.unasked.append((rb"UID (MOVE|EXPUNGE)", line))
        told = take(client, double, range(1, 9), way[1])
        assert isinstance(told.error, RefusedForSafety | Unreachable)
        assert gone(double) == {1}


def test_a_uidvalidity_that_changes_under_a_command_ends_it(
    client: Make, way: tuple[str, Folder | None]
) -> None:
    with server(way[0]) as double:
        double.unasked.append((rb"UID (MOVE|EXPUNGE)", b"* OK [UIDVALIDITY 9] new\r\n"))
        told = take(client, double, range(1, 9), way[1])
        assert isinstance(told.error, FolderRefused)
        assert told.removed == {}, "what a listing under other numbers lacks is not gone for that"
        assert gone(double) == {1}


# --- Gmail ------------------------------------------------------------------------------------------------


def gmail(**knobs: Any) -> StatefulDouble:
    """Make a Gmail: a message is in its label's folder and in All Mail."""
    double = server(GMAIL, gmail=True, **knobs)
    every = Box(dict(double.boxes["INBOX"].mails), 11, b"\\All")
    double.boxes["[Gmail]/All Mail"] = every
    double.boxes["Trash"].put(Mail(b"thrown away by the user", "\\Deleted"))
    return double


def test_at_gmail_a_message_goes_for_good_by_way_of_the_trash(client: Make) -> None:
    with gmail() as double:
        told = take(client, double, range(1, 9), None)
        assert (told.error, told.kept) == (None, {})
        assert set(told.removed.values()) == {None}
        assert double.everywhere() == {
            *(mail.raw for uid, mail in mails(12).items() if uid > 8),
            b"thrown away by the user",
        }


def test_at_gmail_a_message_stays_in_the_trash_where_it_is_not_told_which_it_is(client: Make) -> None:
    with gmail(copyuid=lambda pairs: [pair for pair in pairs if pair[0] != 3]) as double:
        told = take(client, double, range(1, 9), None)
        assert set(told.removed) == {str(uid) for uid in range(1, 9)}
        assert mails(12)[3].raw in double.everywhere()
        assert len(double.boxes["Trash"].mails) == 2


def test_at_gmail_a_message_that_stays_in_the_trash_is_told_so(client: Make) -> None:
    with gmail(answers=[(rb"UID EXPUNGE", b"%t NO cannot\r\n")]) as double:
        told = take(client, double, [1, 2], None)
        assert all(ref is not None and ref.folder == "Trash" for ref in told.removed.values())
        assert len(double.boxes["Trash"].mails) == 3
        assert double.boxes["Trash"].marked() == [3956]


def test_at_gmail_what_is_in_the_trash_is_expunged_there(client: Make) -> None:
    with gmail() as double:
        epoch = epochs.write(38505, OWNER)
        uid = double.boxes["Trash"].put(Mail(b"to go"))
        told = list(client(double).account.remove(TRASH, epoch, [str(uid)], None))
        assert told == [Removed(str(uid))]
        assert b"thrown away by the user" in double.everywhere()
        assert not double.commands(rb"UID MOVE")


def test_at_gmail_without_a_trash_nothing_is_changed(client: Make) -> None:
    with gmail() as double:
        del double.boxes["Trash"]
        assert isinstance(take(client, double, [1], None).error, RefusedForSafety)
        assert not double.commands(CHANGES)


@pytest.mark.parametrize(
    "step", [rb"UID MOVE 2", rb"SELECT \"Trash\"", rb"UID STORE 39\S+ \+", rb"UID EXPUNGE 39"]
)
def test_at_gmail_a_dropped_line_leaves_no_mark_in_the_trash(client: Make, step: bytes) -> None:
    with gmail() as double:
        double.drops_after.append(step)
        told = take(client, double, range(1, 9), None)
        assert told.error is None or isinstance(told.error, Unreachable)
        assert double.boxes["Trash"].marked() == [3956]


# --- look -------------------------------------------------------------------------------------------------


def test_a_look_that_does_not_learn_the_flags_is_refused(client: Make) -> None:
    with server(row="UID {uid} RFC822.SIZE {size}") as double, pytest.raises(FolderRefused):
        client(double).account.look(INBOX, EPOCH, ["1"])


def test_a_look_opens_anew_each_time_and_only_for_reading(client: Make) -> None:
    with server() as double:
        one = client(double)
        for _ in range(2):
            assert one.account.look(INBOX, EPOCH, ["1", "3"]).exists == 12
        assert len(double.commands(rb"EXAMINE")) == 2
        assert not double.commands(rb"SELECT|UID SEARCH|SEARCH")


def test_the_trash_is_known_by_a_usual_name_if_it_is_the_only_one(client: Make) -> None:
    names = {
        ("INBOX", "Deleted Items"): "Deleted Items",
        ("INBOX", "TRASH", "Sent"): "TRASH",
        ("INBOX", "Trash", "Deleted Items"): None,
        ("INBOX", "INBOX/Trash", "INBOX/Sent"): "INBOX/Trash",
        ("INBOX", "Old/Trash"): None,
        ("INBOX",): None,
    }
    for folders, expected in names.items():
        with StatefulDouble(boxes={name: Box() for name in folders}) as double:
            found = client(double).account.trash()
            assert (found.name if found else None) == expected
