"""verify --server: every message of every folder is held, missed, excluded or new, or it is told."""

from archiver.errors import FolderRefused
from archiver.model import Cursor, Done, Folder
from archiver.ops.verify_server import ServerFolder, verify_server
from archiver.plan.pull import Selection
from archiver.ports import Known
from tests.scene import Scene, SceneAccount, mail


def compare(
    scene: Scene, account: SceneAccount | None = None, selection: Selection | None = None
) -> dict[str, ServerFolder]:
    takes = (selection or Selection()).takes_folder
    return {one.folder: one for one in verify_server(account or scene.account, scene.catalog, takes)}


def filled(scene: Scene) -> Scene:
    scene.server.create("Work")
    for number in range(5):
        scene.server.deliver("INBOX", mail(f"in {number}"))
        scene.server.deliver("Work", mail(f"work {number}"))
    scene.server.spoil("INBOX", "2", "server bug")
    scene.pull()
    return scene


def test_what_a_pull_missed_is_missed_with_its_reason_and_not_new(scene: Scene) -> None:
    inbox = compare(filled(scene))["INBOX"]
    assert (inbox.exists, inbox.held, inbox.new, inbox.accounted) == (5, 4, 0, True)
    assert [(row.key, row.reason, row.tries) for row in inbox.missed] == [("2", "server bug", 1)]


def test_what_came_and_went_since_is_told(scene: Scene) -> None:
    filled(scene)
    scene.server.deliver("INBOX", mail("new"))
    scene.server.expunge("INBOX", "1", "2")
    scene.server.flag("INBOX", "3", ["\\Seen"])
    inbox = compare(scene)["INBOX"]
    assert (inbox.exists, inbox.held, inbox.new, inbox.vanished, inbox.reflagged) == (4, 3, 1, 1, 1)
    assert inbox.missed == ()
    assert inbox.accounted


def test_a_folder_that_was_never_pulled_is_all_new(scene: Scene) -> None:
    filled(scene)
    scene.server.create("Late")
    scene.server.deliver("Late", mail("late"))
    late = compare(scene)["Late"]
    assert (late.exists, late.held, late.new, late.accounted) == (1, 0, 1, True)


def test_a_renumbered_folder_is_new_until_it_is_pulled(scene: Scene) -> None:
    filled(scene)
    scene.server.renumber("Work")
    assert (compare(scene)["Work"].held, compare(scene)["Work"].new) == (0, 5)
    scene.pull()
    assert (compare(scene)["Work"].held, compare(scene)["Work"].new) == (5, 0)


def test_an_excluded_folder_is_said_to_be(scene: Scene) -> None:
    work = compare(filled(scene), selection=Selection((), ("Work",)))["Work"]
    assert (work.excluded, work.accounted) == (True, True)


def test_pruned_mail_is_neither_held_there_nor_vanished(scene: Scene) -> None:
    filled(scene)
    for key in ("3", "4"):
        scene.server.flag("INBOX", key, ["\\Seen"])
    scene.pull()
    scene.prune(to=None, selection=Selection(("INBOX",)))
    inbox = compare(scene)["INBOX"]
    assert (inbox.exists, inbox.held, len(inbox.missed), inbox.vanished, inbox.accounted) == (
        3,
        2,
        1,
        0,
        True,
    )


def test_a_message_that_the_listing_lacks_is_not_accounted_for(scene: Scene) -> None:
    class Short(SceneAccount):
        def changes(self, folder: Folder, since: Cursor | None, known: Known):  # type: ignore[no-untyped-def]
            for change in super().changes(folder, since, known):
                yield Done(change.cursor, change.exists + 1) if isinstance(change, Done) else change

    filled(scene)
    assert not compare(scene, Short(scene.server))["Work"].accounted


def test_a_folder_that_does_not_open_is_told_and_stops_no_other(scene: Scene) -> None:
    class Torn(SceneAccount):
        def changes(self, folder: Folder, since: Cursor | None, known: Known):  # type: ignore[no-untyped-def]
            if folder.name == "INBOX":
                raise FolderRefused("no rights")
            for change in super().changes(folder, since, known):
                if not isinstance(change, Done):
                    yield change

    found = compare(filled(scene), Torn(scene.server))
    assert (found["INBOX"].error, found["INBOX"].accounted) == ("no rights", False)
    assert found["Work"].error == "it was not listed to its end"
