"""archiver drill: a sample is restored and compared, what is wrong is found, and nothing stays behind."""

import fcntl
import os
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from archiver.ops import export as export_module
from tests.cli.conftest import Mailboxes, mail, write_account
from tests.command_line import CommandLine, Done
from tests.servers.dovecot import Dovecot


@pytest.fixture
def temporary(pulled: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder for what is temporary; nothing of a drill may stay in it."""
    folder = pulled.home / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    pulled.environment["TMPDIR"] = str(folder)
    yield folder
    assert list(folder.iterdir()) == []


def chain(done: Done) -> dict[str, Any]:
    (document,) = [one for one in done.lines if one["type"] == "drilled"]
    (found,) = document["chains"]
    return dict(found)


def spoil(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]) -> None:
    """Change what was restored before it is compared."""
    real = export_module.export

    def export(entries: Any, reader: Any, target: Any, path: Path, reporter: Any) -> Any:
        report = real(entries, reader, target, path, reporter)
        change(path)
        return report

    monkeypatch.setattr("archiver.ops.drill.export", export)


def test_a_sample_is_restored_and_is_as_it_was_archived(pulled: CommandLine, temporary: Path) -> None:
    done = pulled("drill", "--messages", "3", "--json")
    assert done.exit == 0, done.err
    found = chain(done)
    assert (found["account"], found["archived"]) == ("ann", 5)
    assert (found["tried"], found["messages"], found["parsed"], found["failed"]) == (3, 3, 3, [])
    assert found["head"] == pulled("status", "--json").document["accounts"][0]["head"]
    assert found["size"] > 3 * 100
    done = pulled("drill")
    assert done.err.startswith("ann: 5 messages (")
    assert " of 5 restored, as archived; head 1 " in done.err
    assert temporary.is_dir()


def test_an_archive_of_single_messages_and_of_several_accounts_is_tried_too(
    make_home: Callable[..., CommandLine], server: Dovecot, mailboxes: Mailboxes
) -> None:
    home = make_home("maildir")
    for name in ("ann", "bob"):
        user = mailboxes.new()
        mailboxes.deliver(user, mail(f"one of {name}"), mail(f"two of {name}"))
        write_account(home, server, name, user)
    assert home("pull", "-q").exit == 0
    (document,) = home("drill", "--messages", "2", "--json").lines
    assert [(one["account"], one["messages"]) for one in document["chains"]] == [("ann", 2), ("bob", 2)]
    (document,) = home("drill", "bob", "--json").lines
    assert [one["account"] for one in document["chains"]] == ["bob"]


@pytest.mark.usefixtures("temporary")
def test_every_message_is_chosen_sooner_or_later(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[str] = set()
    spoil(monkeypatch, lambda place: seen.update(path.name[-16:] for path in place.rglob("*.eml")))
    for _ in range(60):
        assert pulled("drill", "--messages", "1", "-q").exit == 0
    assert len(seen) == 5


def test_the_place_is_private_and_holds_the_mail_only_while_it_is_compared(
    pulled: CommandLine, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: dict[str, int] = {}

    def look(place: Path) -> None:
        for path in (place.parent, place, *place.rglob("*.eml")):
            modes[str(path)] = stat.S_IMODE(path.stat().st_mode)
        assert place.parent.parent == temporary

    spoil(monkeypatch, look)
    assert pulled("drill", "-q") == Done(0, b"", "")
    assert set(modes.values()) == {0o700, 0o600}
    assert not any(Path(path).exists() for path in modes)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes() + b"\n"),
            "its file does not hold what was decrypted",
        ),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n")), "does not hold"),
        (lambda path: path.unlink(), "it was not written"),
    ],
)
@pytest.mark.usefixtures("temporary")
def test_a_file_that_is_not_the_message_is_found(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], why: str
) -> None:
    spoil(monkeypatch, lambda place: change(next(iter(sorted(place.rglob("*.eml"))))))
    done = pulled("drill", "--json")
    assert (done.exit, done.error["code"]) == (13, "damaged")
    (failed,) = chain(done)["failed"]
    assert why in failed["reason"]
    assert chain(done)["messages"] == 4


@pytest.mark.usefixtures("temporary")
def test_what_a_reader_gives_is_compared_with_the_index(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archiver.archive import reader  # noqa: PLC0415 -- only this test breaks it

    real = reader.Reader.read_many

    def lie(self: Any, entries: Any) -> Any:
        for entry, found in real(self, entries):
            yield entry, found.replace(b"hello", b"HELLO") if isinstance(found, bytes) else found

    monkeypatch.setattr(reader.Reader, "read_many", lie)
    done = pulled("drill", "--json")
    assert done.exit == 13
    assert {one["reason"] for one in chain(done)["failed"]} == {
        "what was decrypted is not what the index names"
    }


@pytest.mark.usefixtures("temporary")
def test_a_damaged_volume_is_found_and_told_with_the_folders(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    mailboxes.deliver(ann, mail("later", text="x" * 3000), folder="Later")
    pulled("pull", "-q")
    volumes = sorted((pulled.home / "mail").rglob("*.mbox.zst.age"))
    newest = max(volumes, key=lambda path: path.name)
    newest.chmod(0o600)
    data = newest.read_bytes()
    newest.write_bytes(data[:-20] + b"\0" * 20)
    done = pulled("drill", "--json")
    assert done.exit == 13
    assert [one["folder"] for one in chain(done)["failed"]] == ["Later"]
    assert chain(done)["messages"] == 5
    text = pulled("drill").text
    assert 'of folder "Later": ' in text
    assert pulled("runs", "--report", "last").text.count("\n  failed  ") == 1


@pytest.mark.usefixtures("temporary")
def test_a_broken_chain_is_found(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    mailboxes.deliver(ann, mail("later"))
    pulled("pull", "-q")
    newest = max((pulled.home / "mail").rglob("*.manifest"))
    newest.chmod(0o600)
    newest.write_bytes(newest.read_bytes()[:-3] + b"???")
    done = pulled("drill", "--json")
    assert done.exit == 13
    assert len(chain(done)["failed"]) == 1
    assert chain(done)["failed"][0]["sha256"] == ""


@pytest.mark.usefixtures("temporary")
def test_it_is_a_try_of_the_owner_key_and_needs_it(pulled: CommandLine) -> None:
    (note,) = [path.parent / "owner.tried" for path in (pulled.home / "state").glob("archiver/*/writer.key")]
    done = pulled("drill", "--passphrase-command", "echo wrong", "--json")
    assert (done.exit, note.exists()) == (12, False)
    assert pulled("drill", "-q").exit == 0
    assert (datetime.now(UTC) - datetime.fromisoformat(note.read_text().strip())).total_seconds() < 60
    bare = dict(pulled.environment)
    pulled.environment.pop("ARCHIVER_PASSPHRASE_COMMAND")
    assert pulled("drill", "--json").error["code"] == "config-invalid"
    pulled.environment.update(bare)


@pytest.mark.usefixtures("temporary")
def test_a_name_is_that_of_an_account_that_is_archived(pulled: CommandLine) -> None:
    assert chain(pulled("drill", "ann", "--json"))["account"] == "ann"
    pulled.config.write_text(
        pulled.config.read_text() + '[account.bob]\narchive = "mail"\nkind = "files"\npath = "m"\n'
    )
    assert pulled("drill", "bob", "--json").error["message"] == 'nothing is archived of account "bob"'


@pytest.mark.usefixtures("temporary")
def test_it_leaves_a_report_and_shows_in_status(pulled: CommandLine) -> None:
    assert pulled("drill", "-q").exit == 0
    report = pulled("runs", "--report", "last", "--json").document
    assert (report["command"], report["outcome"], report["details"][0]["messages"]) == ("drill", "ok", 5)
    text = pulled("runs", "--report", "last").text
    assert "  as archived; 5 messages (" in text
    assert "  5 messages restored (" in pulled("runs", "--reports").text
    assert pulled("status", "--json").document["reports"][0]["command"] == "drill"


@pytest.mark.usefixtures("temporary")
def test_nothing_stays_of_a_drill_that_fails_or_is_stopped(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(place: Path) -> None:
        assert list(place.rglob("*.eml"))
        os.kill(os.getpid(), signal.SIGTERM)

    def fail(place: Path) -> None:
        raise MemoryError

    for change, code in ((stop, 130), (fail, 1)):
        with monkeypatch.context() as patch:
            spoil(patch, change)
            assert pulled("drill", "-q").exit == code


def test_what_a_killed_drill_left_is_removed_by_the_next_one_and_no_other_folder(
    pulled: CommandLine, temporary: Path
) -> None:
    left, works, foreign = (temporary / name for name in ("archiver-drill-dead", "archiver-drill-lives", "x"))
    for folder in (left, works, foreign):
        (folder / "restored").mkdir(parents=True)
        (folder / "restored" / "one.eml").write_bytes(b"mail")
    (temporary / "archiver-drill-link").symlink_to(foreign)
    lock = os.open(works, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert pulled("drill", "-q").exit == 0
    assert not left.exists()
    assert (works / "restored" / "one.eml").exists()
    assert (foreign / "restored" / "one.eml").exists()
    os.close(lock)
    (temporary / "archiver-drill-link").unlink()
    assert pulled("drill", "-q").exit == 0
    assert not works.exists()
    (foreign / "restored" / "one.eml").unlink()
    (foreign / "restored").rmdir()
    foreign.rmdir()


def test_a_drill_that_is_killed_leaves_what_the_next_one_removes(
    pulled: CommandLine, temporary: Path, mailboxes: Mailboxes, ann: str
) -> None:
    mailboxes.deliver(ann, *[mail(f"n{number}", text="text\n" * 4000) for number in range(40)])
    pulled("pull", "-q")
    running = pulled.start("drill", "--messages", "10000")
    while not list(temporary.rglob("*.eml")) and running.poll() is None:
        time.sleep(0.001)
    running.kill()
    running.communicate()
    assert pulled("drill", "-q").exit == 0


def test_without_a_place_to_restore_to_it_says_so(
    pulled: CommandLine, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "nowhere"))
    error = pulled("drill", "--json").error
    assert "there is no temporary folder to restore to" in error["message"]
    assert "TMPDIR" in error["hint"]


@pytest.mark.usefixtures("temporary")
def test_how_it_ended_is_told(pulled: CommandLine) -> None:
    with pulled.config.open("a") as file:
        file.write('\n[notify]\nwhen = "always"\ncommand = "cat > said"\n')
    assert pulled("drill", "-q", "--notify").exit == 0
    assert (pulled.home / "said").read_text().startswith("archiver drill on ")
