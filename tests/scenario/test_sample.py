"""verify --data=10%, week by week: within ten weeks all was read, and what was damaged is told until it is mended."""

from collections.abc import Sequence

import pytest

from archiver.errors import Interrupted
from archiver.events import Event, ObjectChecked
from archiver.ops.verify import VerifyReport
from tests.scene import Scene, Told, mail


class Watch:
    """Sees which objects were read; stops at one of them, if it is to."""

    def __init__(self, stop_at: int = 0) -> None:
        self.read: list[str] = []
        self._stop_at = stop_at

    def report(self, event: Event) -> None:
        if isinstance(event, ObjectChecked):
            self.read.append(event.key)
            if len(self.read) == self._stop_at:
                raise Interrupted("stopped")


def nights(scene: Scene, count: int) -> None:
    for _ in range(count):
        scene.wait(1)
        scene.server.deliver("INBOX", mail("another", size=400))
        scene.pull()


def week(scene: Scene) -> tuple[list[str], VerifyReport]:
    """Let a week pass without mail, and verify a tenth."""
    scene.wait(7)
    watch = Watch()
    report = scene.verify(share=0.1, reporter=watch)
    return watch.read, report


def objects(scene: Scene) -> list[str]:
    return [one.key for run in scene.manifests() for one in run.objects]


def sizes(scene: Scene, keys: Sequence[str]) -> int:
    return sum(len(scene.memory()[key]) for key in keys)


def test_within_ten_weeks_everything_was_read_and_each_week_a_tenth(scene: Scene) -> None:
    nights(scene, 30)
    seen, begun, weeks = set[str](), scene.manifests()[-1].time, 0
    while seen != set(objects(scene)):
        read, report = week(scene)
        weeks += 1
        assert not report.damaged
        assert len(read) == len(set(read)) == report.objects
        assert 0.1 <= sizes(scene, read) / sizes(scene, objects(scene)) < 0.15
        seen |= set(read)
        assert (report.read_since is None) is (seen != set(objects(scene)))
    assert 7 <= weeks <= 10
    assert report.read_since is not None
    assert report.read_since > begun
    again, _ = week(scene)
    assert not set(again) & set(read), "the round begins anew with what was read longest ago"


def test_what_comes_meanwhile_keeps_nothing_from_its_turn(scene: Scene) -> None:
    nights(scene, 20)
    old, seen = set(objects(scene)), set[str]()
    for _ in range(10):
        read, _ = week(scene)
        seen |= set(read)
        nights(scene, 7)
    assert old <= seen


def test_a_clock_that_was_ahead_keeps_nothing_from_its_turn(scene: Scene) -> None:
    nights(scene, 6)
    scene.wait(1000)
    nights(scene, 2)  # what these wrote, and what is read now, is of the future
    read, _ = week(scene)
    assert read
    scene.wait(-1000)
    nights(scene, 6)
    assert {key for _ in range(11) for key in week(scene)[0]} == set(objects(scene))


def test_damage_is_told_each_week_until_it_is_mended(scene: Scene) -> None:
    nights(scene, 12)
    key = objects(scene)[3]
    good = scene.memory()[key]
    scene.memory()[key] = good[:-1] + bytes([good[-1] ^ 1])
    found = [week(scene)[1].damaged for _ in range(10)]
    assert True in found
    first = found.index(True)
    assert found == [False] * first + [True] * (10 - first)
    seen = {name for _ in range(10) for name in week(scene)[0]}
    assert seen == set(objects(scene)), "it keeps no other object from its turn"
    scene.memory()[key] = good
    assert not any(week(scene)[1].damaged for _ in range(10))
    assert week(scene)[1].read_since is not None


def test_an_object_that_is_missing_is_told_each_week_and_takes_nothing_from_the_others(scene: Scene) -> None:
    nights(scene, 12)
    key = max(objects(scene), key=lambda one: len(scene.memory()[one]))
    good = scene.memory().pop(key)
    seen = set[str]()
    for _ in range(10):
        read, report = week(scene)
        seen |= set(read)
        assert report.damaged
    assert seen == set(objects(scene)) - {key}
    scene.memory()[key] = good
    assert not week(scene)[1].damaged


def test_a_check_that_is_cut_short_is_taken_up_where_it_stopped(scene: Scene) -> None:
    nights(scene, 12)
    scene.wait(7)
    watch = Watch(stop_at=3)
    with pytest.raises(Interrupted):
        scene.verify(reporter=watch)
    assert len(watch.read) == 3
    read, _ = week(scene)
    assert not set(read) & set(watch.read[:2])


def test_where_the_memory_is_lost_the_round_begins_anew_and_finds_the_same(scene: Scene) -> None:
    nights(scene, 12)
    first, _ = week(scene)
    second, _ = week(scene)
    assert not set(first) & set(second)
    path = scene.state.with_name(f"{scene.state.name}.readings")
    path.unlink()
    assert week(scene)[0] == first
    path.unlink()
    path.mkdir()
    told = Told()
    report = scene.verify(share=0.1, reporter=told)
    assert (report.damaged, report.objects) == (False, len(first))
    assert "it cannot be kept which objects were read" in str(told.events)


def test_a_whole_check_counts_too(scene: Scene) -> None:
    nights(scene, 5)
    scene.wait(3)
    assert scene.verify().read_since is not None
    nights(scene, 1)
    assert week(scene)[1].read_since is None
