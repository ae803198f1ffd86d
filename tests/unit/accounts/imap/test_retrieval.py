"""The state machine of fetching: what a refusal, a silence and a drop mean."""

from archiver.accounts.imap.retrieval import BATCH_BYTES, Batch, Retrieval, batches
from archiver.accounts.reasons import DROPPED, GONE
from archiver.model import Ref, Remote


def remotes(*uids: int, size: int = 100) -> list[Remote]:
    """Name messages."""
    return [Remote(Ref("INBOX", "7", str(uid)), size) for uid in uids]


def test_batches_are_neither_many_nor_large() -> None:
    plan = list(batches(dict.fromkeys(range(1, 1202), 100)))
    assert [len(batch.uids) for batch in plan] == [500, 500, 201]
    large = dict.fromkeys(range(1, 4), BATCH_BYTES // 2 + 1)
    assert [batch.uids for batch in batches(large)] == [(1,), (2,), (3,)]


def test_a_key_that_is_no_uid_is_missed_at_once() -> None:
    plan = Retrieval([*remotes(1), Remote(Ref("INBOX", "7", "x")), Remote(Ref("INBOX", "7", "0"))])
    assert [missed.remote.ref.key for missed in plan.take_missed()] == ["x", "0"]
    assert plan.next(0) == Batch((1,))


def test_a_refused_batch_is_halved_until_the_bad_one_stands_alone_and_is_tried_in_parts() -> None:
    plan = Retrieval(remotes(*range(1, 9)))
    asked = []
    while (batch := plan.next(0)) is not None:
        asked.append(batch)
        if 5 not in batch.uids:
            for uid in batch.uids:
                plan.arrived(uid)
            plan.answered(batch)
        elif batch.parts:
            plan.give_up(5, batch.reason)
        else:
            plan.refused(batch, "no")
    assert [batch.uids for batch in asked] == [
        (1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4), (5, 6, 7, 8), (5, 6), (5,), (6,), (7, 8), (5,),
    ]  # fmt: skip
    assert asked[-1].parts
    assert [(missed.remote.ref.key, missed.reason) for missed in plan.take_missed()] == [("5", "no")]


def test_what_came_before_a_refusal_is_not_asked_for_again() -> None:
    plan = Retrieval(remotes(1, 2, 3))
    batch = plan.next(0)
    assert batch
    plan.arrived(1)
    plan.arrived(2)
    plan.refused(batch, "no")
    assert plan.next(0) == Batch((3,))


def test_a_silence_is_asked_once_more_and_then_means_gone() -> None:
    plan = Retrieval(remotes(1, 2))
    batch = plan.next(0)
    assert batch
    plan.arrived(1)
    plan.answered(batch)
    again = plan.next(0)
    assert again == Batch((2,))
    plan.answered(again)
    assert [missed.reason for missed in plan.take_missed()] == [GONE]


def test_a_drop_asks_the_rest_again_and_the_suspect_last_and_alone() -> None:
    plan = Retrieval(remotes(1, 2, 3, 4))
    batch = plan.next(0)
    assert batch
    plan.arrived(1)
    plan.dropped([batch], 3)
    assert plan.next(0) == Batch((2, 4))
    assert plan.next(1) is None
    for uid in (2, 4):
        plan.arrived(uid)
    assert plan.next(0) == Batch((3,), alone=True)
    plan.dropped([Batch((3,), alone=True)], None)
    assert [missed.reason for missed in plan.take_missed()] == [DROPPED]
    assert plan.next(0) is None


def test_without_a_suspect_the_first_outstanding_is_blamed() -> None:
    plan = Retrieval(remotes(1, 2))
    batch = plan.next(0)
    assert batch
    plan.arrived(1)
    plan.dropped([batch], 1)
    assert plan.next(0) == Batch((2,), alone=True)


def test_a_busy_server_is_asked_the_same_again_and_nobody_is_blamed() -> None:
    plan = Retrieval(remotes(*range(1, 1001)))
    flying = [batch for batch in (plan.next(0), plan.next(1)) if batch]
    plan.again(flying)
    assert [plan.next(0), plan.next(1)] == flying


def test_a_body_that_was_not_asked_for_is_nobodys() -> None:
    plan = Retrieval(remotes(1))
    assert plan.arrived(2) is None
    assert plan.arrived(1) is not None
    assert plan.arrived(1) is None
