"""What may be removed: every condition alone keeps a message, and none of them is left out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from archiver.model import Entry, Kind, Looked, Place, Ref, Remote
from archiver.plan.prune import CHOICE, Cut, Evidence, Policy, Proof, Why, brakes, last_of, why_kept

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OLD = NOW - timedelta(days=400)
REF = Ref("INBOX", "7", "42")
DIGEST = "ab" * 32
ENTRY = Entry(
    digest=DIGEST,
    ref=REF,
    place=Place("chains/c/volumes/1", 0, 100),
    size=5000,
    received=OLD,
    named_size=5010,
    run=3,
)
REMOTE = Remote(REF, 5010, frozenset({"\\Seen"}), OLD)
TIMES = {run: NOW - timedelta(days=10 - run) for run in range(1, 6)}
POLICY = Policy(before=NOW - timedelta(days=365))


def evidence(remote: Remote | None = REMOTE, **others: Any) -> Evidence:
    looked = Looked(10, {remote.ref.key: remote} if remote else {})
    given = {"times": TIMES, "last": frozenset(), "looked": looked, "proofs": {DIGEST: Proof()}, **others}
    return Evidence(**given)


def with_flags(*flags: str) -> Evidence:
    return evidence(structs.replace(REMOTE, flags=frozenset(flags)))


def test_a_message_of_which_all_is_proven_may_go() -> None:
    assert why_kept(ENTRY, POLICY, evidence()) is None


# --- the policy -----------------------------------------------------------------------------------------


def test_the_day_before_is_old_enough_and_the_moment_itself_is_not() -> None:
    limit = NOW - timedelta(days=365)
    for received, why in ((limit - timedelta(seconds=1), None), (limit, Why.TOO_YOUNG), (NOW, Why.TOO_YOUNG)):
        entry = structs.replace(ENTRY, received=received)
        assert why_kept(entry, POLICY, evidence(structs.replace(REMOTE, received=received))) is why


@pytest.mark.parametrize("kind", [Kind.EVENT, Kind.CONTACT, Kind.TASK, Kind.NOTE])
def test_what_is_no_mail_goes_only_where_its_folder_is_named_read_or_not(kind: Kind) -> None:
    entry = structs.replace(ENTRY, kind=kind)
    for flags in ((), ("\\Seen",)):
        assert why_kept(entry, POLICY, with_flags(*flags)) is Why.NO_MAIL
        assert why_kept(entry, structs.replace(POLICY, items=True), with_flags(*flags)) is None
    assert Why.NO_MAIL in CHOICE


def test_mail_in_a_folder_that_is_named_is_guarded_as_anywhere() -> None:
    assert why_kept(ENTRY, structs.replace(POLICY, items=True), with_flags()) is Why.UNREAD


def test_what_is_no_mail_is_guarded_by_every_other_rule() -> None:
    policy = structs.replace(POLICY, items=True)
    entry = structs.replace(ENTRY, kind=Kind.EVENT)
    assert why_kept(entry, policy, with_flags("\\Flagged")) is Why.FLAGGED
    assert why_kept(entry, policy, with_flags("\\Draft")) is Why.DRAFT
    assert why_kept(structs.replace(entry, received=None), policy, evidence()) is Why.UNDATED
    assert why_kept(structs.replace(entry, received=NOW), policy, evidence()) is Why.TOO_YOUNG
    assert why_kept(entry, policy, evidence(proofs={})) is Why.NOT_READ_BACK


def test_what_has_no_date_is_not_old() -> None:
    entry = structs.replace(ENTRY, received=None)
    assert why_kept(entry, POLICY, evidence(structs.replace(REMOTE, received=None))) is Why.UNDATED


def test_larger_means_larger_by_the_bytes_archived_not_by_the_servers_word() -> None:
    for larger, why in ((4999, None), (5000, Why.TOO_SMALL), (5005, Why.TOO_SMALL)):
        assert why_kept(ENTRY, Policy(larger=larger), evidence()) is why


def test_both_conditions_must_hold() -> None:
    both = structs.replace(POLICY, larger=9000)
    assert why_kept(ENTRY, both, evidence()) is Why.TOO_SMALL
    young = structs.replace(ENTRY, received=NOW)
    assert why_kept(young, structs.replace(POLICY, larger=1), evidence()) is Why.TOO_YOUNG


def test_the_last_messages_of_a_folder_stay() -> None:
    assert why_kept(ENTRY, POLICY, evidence(last=frozenset({"42"}))) is Why.AMONG_LAST
    assert why_kept(ENTRY, POLICY, evidence(last=frozenset({"41"}))) is None


def test_the_last_are_those_received_last_and_those_of_no_date() -> None:
    def entry(key: str, received: datetime | None, run: int = 1) -> Entry:
        return structs.replace(ENTRY, ref=Ref("INBOX", "7", key), received=received, run=run)

    entries = [
        entry("1", NOW),
        entry("2", OLD),
        entry("3", None),
        entry("4", NOW - timedelta(days=1)),
        entry("5", OLD, run=2),
    ]
    assert last_of(entries, 0) == set()
    assert last_of(entries, 1) == {"3"}
    assert last_of(entries, 2) == {"3", "1"}
    assert last_of(entries, 3) == {"3", "1", "4"}
    assert last_of(entries, 4) == {"3", "1", "4", "5"}
    assert last_of(entries, 9) == {"1", "2", "3", "4", "5"}


# --- the guards -----------------------------------------------------------------------------------------


def test_the_grace_period_counts_from_the_commit_of_its_run() -> None:
    for settled, why in (
        (TIMES[3], None),
        (TIMES[3] - timedelta(seconds=1), Why.GRACE),
        (TIMES[3] + timedelta(seconds=1), None),
    ):
        assert why_kept(ENTRY, structs.replace(POLICY, settled=settled), evidence()) is why


def test_a_run_that_nobody_can_date_is_in_its_grace_period() -> None:
    policy = structs.replace(POLICY, settled=NOW)
    assert why_kept(structs.replace(ENTRY, run=99), policy, evidence()) is Why.GRACE


def test_what_the_server_has_no_more_cannot_be_removed() -> None:
    assert why_kept(ENTRY, POLICY, evidence(None)) is Why.NOT_THERE


@pytest.mark.parametrize("ref", [Ref("INBOX", "8", "42"), Ref("Sent", "7", "42"), Ref("INBOX", "7", "43")])
def test_folder_epoch_and_key_must_all_name_it(ref: Ref) -> None:
    found = evidence(looked=Looked(10, {"42": structs.replace(REMOTE, ref=ref)}))
    assert why_kept(ENTRY, POLICY, found) is Why.NOT_THERE


def test_what_the_archive_saw_vanish_is_not_there() -> None:
    assert why_kept(structs.replace(ENTRY, vanished=True), POLICY, evidence()) is Why.NOT_THERE


@pytest.mark.parametrize("size", [None, 5009, 5011, 5000])
def test_the_server_must_name_the_size_that_it_named_before(size: int | None) -> None:
    assert why_kept(ENTRY, POLICY, evidence(structs.replace(REMOTE, size=size))) is Why.OTHER_SIZE


def test_a_size_that_was_never_named_cannot_be_compared() -> None:
    entry = structs.replace(ENTRY, named_size=None)
    assert why_kept(entry, POLICY, evidence(structs.replace(REMOTE, size=None))) is Why.OTHER_SIZE
    assert why_kept(entry, POLICY, evidence()) is Why.OTHER_SIZE


@pytest.mark.parametrize("received", [None, OLD + timedelta(seconds=1), OLD - timedelta(seconds=1)])
def test_the_server_must_name_the_date_that_it_named_before(received: datetime | None) -> None:
    assert why_kept(ENTRY, POLICY, evidence(structs.replace(REMOTE, received=received))) is Why.OTHER_DATE


def test_without_a_date_on_either_side_content_alone_decides() -> None:
    entry, remote = structs.replace(ENTRY, received=None), structs.replace(REMOTE, received=None)
    assert why_kept(entry, Policy(larger=1), evidence(remote)) is Why.NOT_FETCHED
    policy = Policy(larger=1, refetch=True)
    assert why_kept(entry, policy, evidence(remote)) is Why.NOT_FETCHED
    assert why_kept(entry, policy, evidence(remote, fetched={"42": DIGEST})) is None


def test_a_server_that_keeps_no_dates_is_held_to_the_content() -> None:
    looked = Looked(10, {"42": structs.replace(REMOTE, received=None)}, dates=False)
    assert why_kept(ENTRY, POLICY, evidence(looked=looked)) is Why.NOT_FETCHED
    policy = structs.replace(POLICY, refetch=True)
    assert why_kept(ENTRY, policy, evidence(looked=looked, fetched={"42": DIGEST})) is None


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("\\Seen", "\\Flagged"), Why.FLAGGED),
        (("\\seen", "\\FLAGGED"), Why.FLAGGED),
        (("\\Seen", "\\Draft"), Why.DRAFT),
        ((), Why.UNREAD),
        (("$Forwarded",), Why.UNREAD),
        (("\\SEEN",), None),
        (("\\Seen", "$Important"), None),
    ],
)
def test_flags_of_now_keep_a_message(flags: tuple[str, ...], why: Why | None) -> None:
    assert why_kept(ENTRY, POLICY, with_flags(*flags)) is why


@pytest.mark.parametrize(
    ("guard", "flags"),
    [("flagged", ("\\Seen", "\\Flagged")), ("drafts", ("\\Seen", "\\Draft")), ("unread", ())],
)
def test_each_flag_lets_go_when_the_user_says_so_and_no_other(guard: str, flags: tuple[str, ...]) -> None:
    for each in ("flagged", "drafts", "unread"):
        kept = why_kept(ENTRY, structs.replace(POLICY, **{each: True}), with_flags(*flags))
        assert (kept is None) == (each == guard)


def test_a_server_that_keeps_no_flags_has_nothing_unread() -> None:
    looked = Looked(10, {"42": structs.replace(REMOTE, flags=frozenset())}, flags=False)
    assert why_kept(ENTRY, POLICY, evidence(looked=looked)) is None


def test_what_is_in_the_trash_is_not_moved_there() -> None:
    assert why_kept(ENTRY, POLICY, evidence(in_trash=True)) is Why.IN_TRASH


# --- the proof ------------------------------------------------------------------------------------------


def test_without_a_proof_of_its_own_a_message_stays() -> None:
    assert why_kept(ENTRY, POLICY, evidence(proofs={})) is Why.NOT_READ_BACK
    assert why_kept(ENTRY, POLICY, evidence(proofs={"cd" * 32: Proof()})) is Why.NOT_READ_BACK


def test_what_a_repair_gave_up_stays() -> None:
    assert why_kept(structs.replace(ENTRY, lost=True), POLICY, evidence()) is Why.NOT_READ_BACK
    assert why_kept(structs.replace(ENTRY, lost=True), POLICY, evidence(proofs=None)) is Why.NOT_READ_BACK


def test_before_any_proof_only_the_rest_is_decided() -> None:
    assert why_kept(ENTRY, POLICY, evidence(proofs=None)) is None
    assert why_kept(ENTRY, POLICY, evidence(None, proofs=None)) is Why.NOT_THERE


def test_a_stand_in_is_no_proof() -> None:
    assert why_kept(ENTRY, POLICY, evidence(proofs={DIGEST: Proof(stand_in=True)})) is Why.STAND_IN


def test_refetched_content_must_be_the_archived_one() -> None:
    policy = structs.replace(POLICY, refetch=True)
    assert why_kept(ENTRY, policy, evidence()) is Why.NOT_FETCHED
    assert why_kept(ENTRY, policy, evidence(fetched={"41": DIGEST})) is Why.NOT_FETCHED
    assert why_kept(ENTRY, policy, evidence(fetched={"42": "cd" * 32})) is Why.OTHER_CONTENT
    assert why_kept(ENTRY, policy, evidence(fetched={"42": DIGEST})) is None


# --- the brakes -----------------------------------------------------------------------------------------


def test_a_small_plan_meets_no_brake() -> None:
    assert brakes([Cut("INBOX", 3, 10, 12), Cut("Sent", 0, 5, 0)], 20) == []


@pytest.mark.parametrize(("held", "exists"), [(3, 3), (3, 9), (9, 3), (2, 9)])
def test_a_folder_is_not_emptied_by_the_archives_count_nor_by_the_servers(held: int, exists: int) -> None:
    [objection] = brakes([Cut("Old", 3, held, exists)], 100)
    assert '--allow-empty "Old"' in objection
    assert brakes([Cut("Old", 3, held, exists)], 100, allow_empty=["Old"]) == []
    assert brakes([Cut("Old", 3, held, exists)], 100, allow_empty=["Other"]) == [objection]


def test_one_message_left_is_not_empty() -> None:
    assert brakes([Cut("Old", 3, 4, 4)], 100) == []


def test_half_of_the_account_may_go_and_one_more_may_not() -> None:
    assert brakes([Cut("A", 5, 9, 9), Cut("B", 5, 9, 9)], 20) == []
    [objection] = brakes([Cut("A", 5, 9, 9), Cut("B", 6, 9, 9)], 20)
    assert "11 of the account's 20" in objection
    assert "--max-share" in objection
    assert brakes([Cut("A", 5, 9, 9), Cut("B", 6, 9, 9)], 20, max_share=0.6) == []
    assert brakes([Cut("A", 3, 9, 9)], 20, max_share=0.1) != []
