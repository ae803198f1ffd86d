"""What a run warns of, and what it does not."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.errors import StoreFull
from archiver.plan.alerts import FEW, Counted, alert_of, judge_last_run, overdue, shrunk
from archiver.plan.doctor import State, doubted, failed, passed

NOW = datetime(2026, 3, 10, 2, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def told(*folders: Counted) -> list[str]:
    return [one.about for one in shrunk("ann", folders)]


def test_what_is_well_is_no_warning() -> None:
    assert alert_of("space", "", passed("space", "home", "half full")) is None


@pytest.mark.parametrize(
    "check",
    [
        doubted("space", "home", "it is 95% full", "free some"),
        failed("space", "home", StoreFull("it is 95% full", "free some")),
    ],
)
def test_a_warning_says_what_is_so_and_what_to_do(check: object) -> None:
    alert = alert_of("space", 'archive "home": ', check)  # type: ignore[arg-type]
    assert alert is not None
    assert (alert.kind, alert.about, alert.once) == ("space", "home", False)
    assert alert.text == 'archive "home": it is 95% full; free some'


# --- no successful run for days --------------------------------------------------------------------------


def test_a_pull_that_is_overdue_is_told_from_the_day_that_is_configured() -> None:
    almost, just = NOW - 3 * DAY + timedelta(seconds=1), NOW - 3 * DAY
    assert overdue({"ann": almost}, NOW, 3, []) == []
    (alert,) = overdue({"ann": just, "bob": NOW}, NOW, 3, [])
    assert (alert.kind, alert.about, alert.once) == ("overdue", "ann", False)
    assert 'account "ann": no pull has ended well since 2026-03-07' in alert.text
    assert "3 days ago" in alert.text


def test_an_account_that_was_never_pulled_and_one_that_nobody_waits_for_are_not_overdue() -> None:
    assert overdue({"ann": None}, NOW, 1, []) == []
    assert overdue({"ann": NOW - 400 * DAY}, NOW, 0, []) == []


def test_the_pull_that_ends_the_gap_tells_it_once() -> None:
    (alert,) = overdue({"ann": NOW - 9 * DAY}, NOW, 3, ["ann"])
    assert alert.once
    assert "no pull had ended well since 2026-03-01" in alert.text
    assert alert.text.endswith("9 days ago; this one did")


def test_doctor_judges_the_last_pull_in_the_same_way() -> None:
    assert judge_last_run("ann", NOW - 4 * DAY, NOW, 3).state is State.WARN
    assert judge_last_run("ann", NOW - 4 * DAY, NOW, 5).state is State.OK
    assert judge_last_run("ann", None, NOW, 5).state is State.OK


# --- a folder that shrank --------------------------------------------------------------------------------


def test_a_folder_that_lost_half_of_its_messages_is_told() -> None:
    (alert,) = shrunk("ann", [Counted("INBOX", 100, 50), Counted("Work", 100, 51)])
    assert (alert.kind, alert.about, alert.once) == ("shrunk", "ann/INBOX", True)
    assert 'folder "INBOX" has 50 messages on the server, and had 100' in alert.text


def test_a_folder_that_is_gone_is_told_and_one_that_grew_is_not() -> None:
    assert told(Counted("Old", 40, 0), Counted("New", 10, 400), Counted("Empty", 0, 0)) == ["ann/Old"]


def test_a_small_folder_is_halved_by_its_user_every_day() -> None:
    assert told(Counted("INBOX", FEW - 1, 0)) == []
    assert told(Counted("INBOX", FEW, 0)) == ["ann/INBOX"]


def test_what_was_moved_to_another_folder_is_not_lost() -> None:
    assert told(Counted("INBOX", 30, 5), Counted("Archive", 100, 125, moved=25)) == []
    assert told(Counted("INBOX", 30, 4), Counted("Archive", 100, 125, moved=25)) == ["ann/INBOX"]


def test_what_was_moved_counts_for_one_folder_alone() -> None:
    moved = Counted("Archive", 0, 30, moved=30)
    assert told(Counted("A", 30, 0), Counted("B", 30, 0), moved) == ["ann/B"]


@pytest.mark.parametrize(
    "trash", [("Deleted", "\\Trash"), ("Trash", None), ("INBOX/Spam", None), ("x", "\\Junk")]
)
def test_what_was_moved_to_the_trash_is_lost_and_the_trash_itself_may_be_emptied(
    trash: tuple[str, str | None],
) -> None:
    name, use = trash
    assert told(Counted("INBOX", 30, 0), Counted(name, 0, 30, moved=30, special_use=use)) == ["ann/INBOX"]
    assert told(Counted(name, 300, 0, special_use=use)) == []
