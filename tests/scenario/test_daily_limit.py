"""A first pull that takes days: never more a day than is allowed, newest first, nothing twice, all in the end."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.ops import pull_folder
from tests.scene import Scene, by_name, mail

SIZE = 3000


class Day:
    """An allowance in memory, renewed every morning."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.spent = 0

    def left(self) -> int:
        return self.limit - self.spent

    def spend(self, size: int) -> None:
        self.spent += size


def fill(scene: Scene, count: int = 20) -> None:
    scene.server.create("Work")
    for number in range(count):
        at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=number)
        for name in ("INBOX", "Work"):
            scene.server.deliver(name, mail(f"{name} {number}", size=SIZE), received=at)


def test_days_of_pulls_end_with_all_of_it_and_nothing_twice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_folder, "SLICE", 3)
    fill(scene)
    days = 0
    while True:
        day = Day(6 * SIZE)
        report = scene.pull(allowance=day)
        assert day.spent <= day.limit
        scene.check()
        left = len(scene.on_server()) - len(scene.here())
        assert report.waiting == left
        assert report.complete == (left == 0)
        days += 1
        if report.complete:
            break
        assert day.spent > day.limit - 2 * SIZE
    assert days >= 7
    assert scene.here() == scene.on_server()
    assert len(scene.account.fetched) == 40
    scene.check_no_op()


def test_the_newest_come_first(scene: Scene) -> None:
    fill(scene)
    scene.pull(allowance=Day(6 * SIZE + 1000))
    assert {int(key) for name, key in scene.here() if name == "INBOX"} == {16, 17, 18, 19, 20}


def test_all_folders_are_listed_so_that_what_waits_is_known(scene: Scene) -> None:
    fill(scene)
    report = scene.pull(allowance=Day(6 * SIZE + 1000))
    assert by_name(report)["Work"].waiting == 20
    assert report.waiting == 35
    assert report.waiting_size == sum(len(raw) for raw in scene.on_server().values()) - sum(
        len(raw) for raw in scene.here().values()
    )
    balance = by_name(report)["INBOX"].balance
    assert balance is not None
    assert (balance.waiting, balance.unexplained) == (15, 0)
    assert [(state.exists, state.cursor) for state in scene.catalog.folders()] == [(20, None), (20, None)]


def test_a_message_larger_than_a_day_comes_alone(scene: Scene) -> None:
    scene.server.deliver("INBOX", mail("large", size=10 * SIZE))
    scene.server.deliver("INBOX", mail("small", size=100), received=datetime(2025, 1, 1, tzinfo=UTC))
    scene.pull(allowance=Day(SIZE))
    assert set(scene.here()) == {("INBOX", "2")}
    scene.pull(allowance=Day(SIZE))
    assert len(scene.here()) == 2


def test_sizes_that_the_server_does_not_know_are_counted_as_they_come(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_folder, "SLICE", 2)
    for number in range(10):
        scene.server.deliver("INBOX", mail(f"in {number}", size=SIZE), size=0)
    day = Day(3 * SIZE)
    scene.pull(allowance=day)
    assert len(scene.here()) == 4


def test_a_spent_day_downloads_nothing_and_tells_so(scene: Scene) -> None:
    fill(scene, 3)
    scene.server.spoil("INBOX", "1", "server bug")
    scene.pull()
    scene.server.heal("INBOX", "1")
    scene.server.deliver("INBOX", mail("late"))
    day = Day(SIZE)
    day.spent = SIZE
    fetched = len(scene.account.fetched)
    report = scene.pull(allowance=day)
    assert len(scene.account.fetched) == fetched
    assert (report.waiting, report.complete) == (1, False)
