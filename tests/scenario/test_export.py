"""export: plain files of all that was archived, each message once, for folder names made by anybody."""

import mailbox
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.errors import RefusedForSafety
from archiver.events import Warned
from archiver.ops.export import ExportReport, Target, export
from tests.contract.layout import HOSTILE
from tests.scene import Scene, Told, mail

HARMFUL = [
    "../../up",
    "/etc/passwd",
    "a\x00b",
    ".",
    "..",
    "...",
    "a.b",
    "a_b",
    "con",
    "\u6f22" * 120,
    "%2F%25",
]


def exported(scene: Scene, target: Target, path: Path, told: Told | None = None) -> ExportReport:
    reader = scene.open(unlock=True).reader(scene.catalog)
    return export(scene.entries(), reader, target, path, told or Told())


def files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file())


def test_eml_files_are_the_very_bytes(scene: Scene, tmp_path: Path) -> None:
    for raw in HOSTILE.values():
        scene.server.deliver("INBOX", raw)
    scene.pull()
    report = exported(scene, "eml", tmp_path / "out")
    assert sorted(path.read_bytes() for path in files(tmp_path / "out")) == sorted(HOSTILE.values())
    assert (report.messages, report.unreadable) == (len(HOSTILE), 0)


@pytest.mark.parametrize("target", ["eml", "mbox", "maildir"])
def test_no_folder_name_leads_out_of_the_target_or_stops_the_export(
    scene: Scene, tmp_path: Path, target: Target
) -> None:
    for name in HARMFUL:
        scene.server.create(name)
        scene.server.deliver(name, mail(f"in {HARMFUL.index(name)}"))
    scene.server.create("/".join(["\u6f22" * 30] * 12))
    scene.server.deliver("/".join(["\u6f22" * 30] * 12), mail("deep"))
    scene.pull()
    before = set(tmp_path.iterdir())
    report = exported(scene, target, tmp_path / "out")
    assert report.messages == len(HARMFUL) + 1
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out"}
    text = b"".join(path.read_bytes() for path in files(tmp_path / "out"))
    assert all(b"Subject: in %d\n" % n in text.replace(b"\r\n", b"\n") for n in range(len(HARMFUL)))


@pytest.mark.parametrize("target", ["eml", "mbox", "maildir"])
def test_a_message_under_its_old_and_its_new_uid_is_exported_once(
    scene: Scene, tmp_path: Path, target: Target
) -> None:
    for number in range(3):
        at = datetime(2024, 1, 1 + number, tzinfo=UTC)
        scene.server.deliver("INBOX", mail(str(number), size=100 * number), received=at)
    scene.server.deliver("INBOX", mail("twin"))
    scene.server.deliver("INBOX", mail("twin"))
    scene.pull()
    scene.server.expunge("INBOX", "1")
    scene.pull()
    scene.server.renumber("INBOX")
    scene.pull()
    report = exported(scene, target, tmp_path / "out")
    assert report.messages == 5, "the vanished one, and both twins, too"
    text = b"".join(path.read_bytes() for path in files(tmp_path / "out")).replace(b"\r\n", b"\n")
    for subject, times in ((b"0", 1), (b"1", 1), (b"2", 1), (b"twin", 2)):
        assert text.count(b"Subject: " + subject + b"\n") == times


def test_mbox_and_maildir_are_ones_that_python_opens(scene: Scene, tmp_path: Path) -> None:
    scene.server.create("Work/Deep")
    for number in range(3):
        scene.server.deliver("Work/Deep", mail(str(number)), flags=["\\Seen"])
    scene.pull()
    exported(scene, "mbox", tmp_path / "mbox")
    box = mailbox.mbox(tmp_path / "mbox" / "Work" / "Deep.mbox", create=False)
    assert [message["Subject"] for message in box] == ["0", "1", "2"]
    box.close()
    exported(scene, "maildir", tmp_path / "maildir")
    tree = mailbox.Maildir(tmp_path / "maildir" / ".Work.Deep", create=False)
    assert sorted(message["Subject"] for message in tree) == ["0", "1", "2"]
    tree.close()
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path / "mbox")} == {0o600}


def test_what_cannot_be_read_is_told_and_left_out(scene: Scene, tmp_path: Path) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    scene.server.deliver("INBOX", mail("two"))
    scene.pull()
    first = scene.entries()[0]
    scene.memory()[first.place.volume] = b"garbage"
    told = Told()
    report = exported(scene, "eml", tmp_path / "out", told)
    assert (report.messages, report.unreadable) == (1, 1)
    assert [event.text.startswith(f"message {first.digest[:12]}") for event in told.of(Warned)] == [True]


def test_an_export_goes_to_an_empty_place_alone(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(RefusedForSafety):
        exported(scene, "eml", tmp_path / "out")
    assert files(tmp_path / "out") == [tmp_path / "out" / "mine"]
