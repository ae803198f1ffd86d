"""A notice is sent for each trouble once, and for its end once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from msgspec.structs import replace

from archiver.events import AccountFailed, Alert, Notice
from archiver.plan.notify import News, Occasion, Troubles, news, untold

NIGHT = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
WEEK = timedelta(days=7)
Outcome = Literal["ok", "warning", "failure"]


def notice(outcome: Outcome, code: str = "", **failed: str) -> Notice:
    code = code or {"ok": "ok", "warning": "incomplete", "failure": "login-refused"}[outcome]
    accounts = tuple(AccountFailed(account, one.replace("_", "-"), "why") for account, one in failed.items())
    return Notice("pull", (), outcome, code, 0, "", None, "here", NIGHT, NIGHT, accounts)


def play(
    occasion: Occasion, nights: Sequence[Notice], *, remind: timedelta | None = WEEK, deaf: Sequence[int] = ()
) -> list[tuple[int, News]]:
    """Play some nights; give those on which a notice went out. On `deaf` nights nobody hears it."""
    troubles: Troubles = {}
    found = []
    for night, one in enumerate(nights):
        at = NIGHT + timedelta(days=night)
        told = news(occasion, replace(one, began=at, ended=at), troubles, remind)
        heard = told.send and night not in deaf
        troubles = told.heard if heard else told.unheard
        if heard:
            found.append((night, told))
    return found


def sent(occasion: Occasion, *nights: Notice, remind: timedelta | None = WEEK) -> list[int]:
    return [night for night, _ in play(occasion, nights, remind=remind)]


def over(occasion: Occasion, *nights: Notice) -> list[tuple[int, str]]:
    return [(night, line) for night, told in play(occasion, nights) for line in told.over]


FINE = notice("ok")
PART = notice("warning")
WRONG = notice("failure")
AWAY = notice("failure", "unreachable")
STOPPED = notice("warning", "interrupted")


def warned(*alerts: Alert, outcome: Outcome = "warning", code: str = "warned") -> Notice:
    return replace(notice(outcome, code), warnings=alerts)


FULL = Alert("space", "home", "the disk is 91% full; free some space")
FULLER = Alert("space", "home", "the disk is 95% full; free some space")
ENDS = Alert("sign-in", "ann", "the sign-in ends; sign in")
SHRANK = Alert("shrunk", "ann/INBOX", "it shrank", once=True)


def test_nothing_is_sent_while_all_is_well() -> None:
    assert sent("failure", FINE, FINE, FINE) == []


def test_a_failure_is_told_once_and_its_end_once() -> None:
    assert sent("failure", FINE, WRONG, WRONG, WRONG, FINE, FINE) == [1, 4]


def test_the_end_says_how_many_runs_failed_and_since_when() -> None:
    assert over("failure", FINE, WRONG, WRONG, WRONG, FINE, FINE) == [
        (4, "it works again after 3 failed runs since 2026-03-02 02:30+00:00")
    ]
    assert over("failure", WRONG, FINE) == [
        (1, "it works again after 1 failed run since 2026-03-01 02:30+00:00")
    ]


def test_another_failure_is_told_too_and_all_of_them_end_at_once() -> None:
    assert sent("failure", WRONG, AWAY, AWAY, WRONG) == [0, 1, 3]
    assert over("failure", WRONG, AWAY, AWAY, FINE) == [
        (3, "it works again after 3 failed runs since 2026-03-01 02:30+00:00")
    ]


def test_a_failure_that_lasts_is_told_again_after_some_days_or_never() -> None:
    assert sent("failure", *[WRONG] * 16) == [0, 7, 14]
    assert sent("failure", *[WRONG] * 7, remind=timedelta(days=2)) == [0, 2, 4, 6]
    assert sent("failure", *[WRONG] * 400, FINE, remind=None) == [0, 400]


def test_a_clock_that_was_ahead_when_it_was_told_does_not_put_the_reminder_off() -> None:
    ahead = NIGHT + timedelta(days=1000)
    troubles = news("failure", replace(WRONG, began=ahead, ended=ahead), {}, WEEK).heard
    told = []
    for night in range(8):
        at = NIGHT + timedelta(days=night)
        found = news("failure", replace(WRONG, began=at, ended=at), troubles, WEEK)
        troubles = found.unheard
        told.append(found.send)
    assert told == [False] * 7 + [True]


def test_what_was_done_in_part_is_told_where_warnings_are_asked_for() -> None:
    assert sent("failure", FINE, PART, PART, FINE) == []
    assert sent("warning", FINE, PART, PART, FINE) == [1, 3]
    assert over("warning", PART, PART, FINE) == [
        (2, "it is complete again after 2 runs done in part since 2026-03-01 02:30+00:00")
    ]


def test_a_failure_that_ends_in_part_has_ended() -> None:
    assert sent("failure", WRONG, PART, PART, FINE) == [0, 1]
    assert sent("warning", WRONG, PART, PART, FINE) == [0, 1, 3]


def test_a_run_that_was_stopped_ends_no_failure_and_tells_nobody() -> None:
    assert sent("failure", WRONG, STOPPED, WRONG, FINE) == [0, 3]
    assert sent("warning", STOPPED, WRONG, STOPPED, STOPPED, WRONG) == [1]


@pytest.mark.parametrize("one", [FINE, PART, WRONG, STOPPED, warned(FULL)])
def test_always_is_always(one: Notice) -> None:
    assert sent("always", one, one, one) == [0, 1, 2]


def test_each_account_has_troubles_of_its_own() -> None:
    ann = notice("failure", ann="login_refused")
    both = notice("failure", ann="login_refused", bob="login_refused")
    assert sent("failure", ann, both, both, ann, ann, FINE) == [0, 1, 3, 5]
    assert over("failure", ann, both, both, ann, ann, FINE) == [
        (3, 'account "bob" works again after 2 failed runs since 2026-03-02 02:30+00:00'),
        (5, 'account "ann" works again after 5 failed runs since 2026-03-01 02:30+00:00'),
    ]


def test_an_account_that_was_done_in_part_beside_one_that_failed_is_no_failure() -> None:
    beside = notice("failure", ann="login_refused", bob="incomplete")
    alone = notice("failure", ann="login_refused")
    assert sent("failure", alone, beside, beside) == [0]
    assert sent("warning", alone, beside, beside, alone) == [0, 1, 3]


def test_a_run_that_fails_as_a_whole_knows_nothing_of_single_accounts() -> None:
    ann = notice("failure", ann="login_refused")
    full = notice("failure", "disk-full")
    assert sent("failure", ann, full, full, FINE) == [0, 1, 3]
    assert [line.partition(" after")[0] for _, line in over("failure", ann, full, full, FINE)] == [
        'account "ann" works again',
        "it works again",
    ]
    assert over("failure", ann, full, ann) == [
        (2, "the run as a whole works again after 1 failed run since 2026-03-02 02:30+00:00")
    ]


def test_a_bug_that_ends_a_run_is_told_beside_the_account_that_failed_before_it() -> None:
    ann = notice("failure", ann="login_refused")
    assert sent("failure", ann, notice("failure", "bug", ann="login_refused")) == [0, 1]


def test_each_warning_is_told_once_and_its_end_once_whatever_it_counts() -> None:
    nights = [warned(FULL), warned(FULLER), warned(FULLER, ENDS), warned(ENDS), FINE, FINE]
    assert sent("failure", *nights) == []
    assert sent("warning", *nights) == [0, 2, 3, 4]
    assert over("warning", *nights) == [
        (3, "no longer so: the disk is 95% full; free some space"),
        (4, "no longer so: the sign-in ends; sign in"),
    ]


def test_a_warning_beside_a_failure_is_told_with_it_and_once() -> None:
    both = warned(FULL, outcome="failure", code="login-refused")
    assert sent("warning", warned(FULL), both, warned(FULL), FINE) == [0, 1, 2, 3]
    assert sent("failure", warned(FULL), both, warned(FULL), FINE) == [1, 2]


def test_an_account_that_fails_is_not_told_once_more_when_it_is_overdue() -> None:
    overdue = Alert("overdue", "ann", "no pull has ended well for 3 days; see why")
    fails = notice("failure", ann="login_refused")
    late = replace(fails, warnings=(overdue,))
    assert sent("warning", fails, fails, late, late, FINE) == [0, 4]
    assert sent("warning", notice("failure", bob="login_refused"), warned(overdue), warned(overdue)) == [0, 1]


def test_what_happened_once_is_told_each_time_and_has_no_end() -> None:
    assert sent("warning", warned(SHRANK), warned(SHRANK), FINE) == [0, 1]
    assert over("warning", warned(SHRANK), FINE) == []
    assert sent("failure", warned(SHRANK)) == []


def test_what_nobody_heard_is_told_by_the_next_run_with_all_runs_counted() -> None:
    told = play("failure", [WRONG, WRONG, WRONG, FINE], deaf=[0])
    assert [night for night, _ in told] == [1, 3]
    assert told[-1][1].over == ("it works again after 3 failed runs since 2026-03-01 02:30+00:00",)


def test_an_end_that_nobody_heard_is_told_by_the_next_run() -> None:
    assert [night for night, _ in play("failure", [WRONG, FINE, FINE, FINE], deaf=[1])] == [0, 2]


def test_a_failure_that_nobody_heard_of_has_no_end_to_be_told() -> None:
    assert play("failure", [WRONG, FINE, FINE], deaf=[0]) == []


def test_who_asks_for_failures_alone_from_now_on_hears_of_no_end_of_a_warning() -> None:
    told = news("warning", warned(FULL, outcome="failure", code="login-refused"), {}, WEEK).heard
    assert len(told) == 2
    after = news("failure", warned(FULL), told, WEEK)
    assert (after.send, after.over, after.heard) == (
        True,
        ("it works again after 1 failed run since 2026-03-01 02:30+00:00",),
        {},
    )
    part = news("warning", PART, {}, WEEK).heard
    assert not news("failure", FINE, part, WEEK).send


# --- what each run prints, and cron makes a mail of -------------------------------------------------------


def printed(*nights: Notice, remind: timedelta | None = WEEK) -> list[tuple[int, list[Alert]]]:
    before: list[Notice] = []
    found = []
    for night, one in enumerate(nights):
        at = NIGHT + timedelta(days=night)
        shown = untold(one.warnings, iter(before), at, remind)
        found += [(night, shown)] if shown else []
        before.insert(0, replace(one, began=at, ended=at + timedelta(minutes=5)))
    return found


def test_a_warning_that_lasts_is_printed_by_the_first_run_and_once_a_week() -> None:
    assert printed(*[warned(FULL)] * 16) == [(0, [FULL]), (7, [FULL]), (14, [FULL])]
    assert printed(*[warned(FULL)] * 16, remind=None) == [(0, [FULL])]


def test_a_warning_that_comes_back_or_is_another_one_is_printed() -> None:
    assert printed(warned(FULL), FINE, warned(FULL)) == [(0, [FULL]), (2, [FULL])]
    assert printed(warned(FULL), warned(FULLER, ENDS)) == [(0, [FULL]), (1, [ENDS])]
    other = Alert("space", "away", "the disk is 91% full; free some space")
    assert printed(warned(FULL), warned(other)) == [(0, [FULL]), (1, [other])]


def test_what_happened_is_printed_whenever_it_happens() -> None:
    assert printed(warned(SHRANK), warned(SHRANK)) == [(0, [SHRANK]), (1, [SHRANK])]


def test_a_run_that_was_stopped_ends_no_warning_and_one_that_failed_tells_it() -> None:
    assert printed(warned(FULL), STOPPED, warned(FULL)) == [(0, [FULL])]
    failed = warned(FULL, outcome="failure", code="unreachable")
    assert printed(failed, warned(FULL)) == [(0, [FULL])]
