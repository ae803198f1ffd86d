"""The count of what was downloaded in the last 24 hours."""

from pathlib import Path

from archiver.accounts import daily
from archiver.accounts.daily import DailyLimit

HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000 * HOUR

    def __call__(self) -> float:
        return self.now


def test_what_is_spent_comes_back_after_a_day(tmp_path: Path) -> None:
    clock = Clock()
    limit = DailyLimit(tmp_path / "ann.json", 1000, clock)
    assert limit.left() == 1000
    limit.spend(300)
    clock.now += 5 * HOUR
    limit.spend(600)
    assert limit.left() == 100
    clock.now += 18 * HOUR
    assert limit.left() == 100
    clock.now += HOUR
    assert limit.left() == 400
    clock.now += 5 * HOUR
    assert limit.left() == 1000


def test_another_run_knows_of_it(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "downloads" / "ann.json"
    first = DailyLimit(path, 1000, clock)
    first.spend(700)
    first.close()
    assert DailyLimit(path, 1000, clock).left() == 300
    assert DailyLimit(tmp_path / "downloads" / "bob.json", 1000, clock).left() == 1000


def test_a_run_that_is_killed_forgets_little(tmp_path: Path) -> None:
    path = tmp_path / "ann.json"
    first = DailyLimit(path, 1 << 40)
    first.spend(daily.WRITE_EVERY - 1)
    first.spend(2)
    first.spend(5)
    assert DailyLimit(path, 1 << 40).left() == (1 << 40) - daily.WRITE_EVERY - 1


def test_a_note_that_nobody_can_read_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ann.json"
    for text in ("", "[]", '{"x": 1}', '{"1": null}', "{"):
        path.write_text(text)
        assert DailyLimit(path, 10).left() == 10
