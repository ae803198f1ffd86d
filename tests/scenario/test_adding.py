"""Adding: one place after another fills an account, and none takes away what another brought."""

from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.accounts.fake import FakeAccount, FakeMailbox
from archiver.errors import Interrupted
from archiver.events import MessageMissed
from archiver.ops.adding import Adding
from archiver.ops.pull import Pull
from archiver.ops.pull_folder import Work
from archiver.ops.pull_report import PullReport
from archiver.plan.pull import Selection
from tests.scene import OWNER, Scene, mail


class Place(FakeMailbox):
    """A mailbox whose keys and epochs are its own: `at` numbers its messages on from others'."""

    def __init__(self, at: int) -> None:
        super().__init__(has_modseq=False)
        self.folders()["INBOX"].uidnext = at


def add(scene: Scene, place: FakeMailbox, stop: Callable[[], bool] = lambda: False) -> PullReport:
    archive = scene.open()
    chain = scene.chain(archive)
    archive.catch_up(chain, scene.catalog)
    with archive.begin(OWNER, chain, scene.catalog, "default", scene.clock) as run:
        account = Adding(FakeAccount(place))
        work = Work("post", account, run, Selection(), scene.told, stop, partial=True)
        return Pull(work, accept_other_mailbox=True)()


def held(scene: Scene) -> set[tuple[str, str, bool]]:
    return {(one.ref.folder, one.ref.key, one.vanished) for one in scene.catalog.entries()}


def test_what_one_place_brought_stays_when_another_is_added(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    first, second = Place(1), Place(10)
    first.create("Only here")
    first.deliver("Only here", mail("a"))
    first.deliver("INBOX", mail("b"))
    second.deliver("INBOX", mail("c"), flags=["\\Seen"])
    for place, new in ((first, 2), (second, 1), (first, 0), (second, 0)):
        report = add(scene, place)
        assert report.complete
        assert sum(folder.new for folder in report.folders) == new
    assert held(scene) == {("Only here", "1", False), ("INBOX", "1", False), ("INBOX", "10", False)}
    assert [(state.gone, state.held) for state in scene.catalog.folders()] == [(False, 2), (False, 1)]


def test_flags_are_those_of_the_last_place_that_has_the_message(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    place = Place(1)
    key = place.deliver("INBOX", mail("a"))
    add(scene, place)
    place.flag("INBOX", key, ["\\Seen"])
    place.deliver("INBOX", mail("b"))
    add(scene, place)
    assert [sorted(one.flags) for one in scene.catalog.entries()] == [["\\Seen"], []]


def test_a_message_missed_at_one_place_stays_missed_at_the_next(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    first, second = Place(1), Place(10)
    key = first.deliver("INBOX", mail("a"))
    first.spoil("INBOX", key, "unreadable")
    second.deliver("INBOX", mail("b"))
    assert not add(scene, first).complete
    report = add(scene, second)
    assert not report.complete
    assert [one.key for one in scene.told.of(MessageMissed)] == [key, key]
    assert report.folders[0].balance is not None
    assert report.folders[0].balance.unexplained == 0
    first.heal("INBOX", key)
    assert add(scene, first).complete
    assert held(scene) == {("INBOX", key, False), ("INBOX", "10", False)}


def test_an_interrupted_import_goes_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    place = Place(1)
    for number in range(5):
        place.deliver("INBOX", mail(str(number)))
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        add(scene, place, stop=lambda: next(asked))
    assert 0 < len(held(scene)) < 5
    assert add(scene, place).complete
    assert len(held(scene)) == 5
