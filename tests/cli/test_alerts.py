"""What costs something later is warned of by runs, by status and by doctor, and goes into the report."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver import wiring
from archiver.notices import herald
from tests.cli.conftest import Mailboxes, mail
from tests.command_line import CommandLine, Done
from tests.servers.dovecot import Dovecot
from tests.servers.listener import Listener

DAY = timedelta(days=1)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr(herald, "PAUSES_S", ())
    with Listener() as running:
        yield running


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Give a function that puts the clock some days ahead of where it is."""

    def put(days: float) -> None:
        monkeypatch.setattr(wiring, "now", lambda: datetime.now(UTC) + timedelta(days=days))

    return put


def fill_disk(monkeypatch: pytest.MonkeyPatch, percent: int) -> None:
    usage = type(shutil.disk_usage("/"))
    total = 10**12
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda path: usage(total, total * percent // 100, total * (100 - percent) // 100),
    )


def last_report(home: CommandLine) -> dict[str, Any]:
    newest = max((home.home / "state" / "archiver" / "reports").iterdir())
    found: dict[str, Any] = json.loads(newest.read_bytes())
    return found


def warnings(done: Done) -> list[str]:
    return [line.removeprefix("warning: ") for line in done.err.splitlines() if line.startswith("warning: ")]


def kinds(home: CommandLine) -> list[tuple[str, str]]:
    return [(one["kind"], one["about"]) for one in home("status", "--json").document["warnings"]]


def tried(home: CommandLine, at: datetime) -> None:
    (folder,) = [path.parent for path in (home.home / "state").glob("archiver/*/writer.key")]
    (folder / "owner.tried").write_text(at.isoformat())


# --- the disk --------------------------------------------------------------------------------------------


def test_a_disk_that_is_nearly_full_is_a_warning_of_each_run_and_of_status(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch, 89)
    assert pulled("pull", "-q") == Done(0, b"", "")
    assert kinds(pulled) == []
    fill_disk(monkeypatch, 90)
    for words in (["pull", "-q"], ["verify", "ann", "-q"]):
        done = pulled(*words)
        assert (done.exit, done.out) == (0, b"")
        (text,) = warnings(done)
        assert text.startswith('archive "mail": the disk of ')
        assert "90% full" in text
        report = last_report(pulled)
        assert (report["outcome"], report["code"], report["text"]) == ("warning", "warned", text)
        (warned,) = report["warnings"]
        assert (warned["kind"], warned["about"], warned["text"]) == ("space", "mail", text)
    assert kinds(pulled) == [("space", "mail")]
    status = pulled("status")
    assert warnings(status) == [text]
    assert "  pull  done, with warnings: archive " in status.text


def test_a_run_that_is_to_be_quiet_prints_a_warning_once_and_again_after_a_week(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    fill_disk(monkeypatch, 95)
    counts = []
    for day in (0, 2, 4, 6, 8, 9):
        later(day)
        counts.append(len(warnings(pulled("pull", "-q"))))
        assert last_report(pulled)["code"] == "warned", "told or not, it stands in the report"
    assert counts == [1, 0, 0, 0, 1, 0]
    assert len(warnings(pulled("pull"))) == 1, "who does not ask for quiet is told each time"
    assert len(warnings(pulled("pull", "ann", "-q"))) == 1, "another command, maybe another reader"


def test_a_warning_is_told_once_and_its_end_once_where_warnings_are_asked_for(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    with pulled.config.open("a") as file:
        file.write(f'\n[notify]\nwhen = "warning"\nwebhook = "{listener.url}"\n')
    for percent in (50, 91, 92, 93, 50, 50):
        fill_disk(monkeypatch, percent)
        assert pulled("pull", "-q", "--notify").exit == 0
    first, end = [json.loads(body) for _, body in listener.heard]
    assert (first["outcome"], first["warnings"][0]["kind"]) == ("warning", "space")
    assert "done, with warnings" in first["text"]
    assert end["outcome"] == "ok"
    (over,) = end["over"]
    assert over.startswith('no longer so: archive "mail": the disk of ')
    assert "93% full" in over


def test_a_failure_tells_the_warnings_too(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch, server: Dovecot, listener: Listener
) -> None:
    text = pulled.config.read_text().replace(f"echo {server.password}", "echo not-the-password")
    pulled.config.write_text(f'{text}\n[notify]\nwebhook = "{listener.url}"\n')
    fill_disk(monkeypatch, 95)
    done = pulled("pull", "-q", "--notify")
    assert done.exit == 21
    assert "95% full" in warnings(done)[0]
    report = last_report(pulled)
    assert (report["outcome"], report["code"]) == ("failure", "login-refused")
    assert [one["kind"] for one in report["warnings"]] == ["space"]
    assert [(one["account"], one["code"]) for one in report["failed"]] == [("ann", "login-refused")]
    ((_, body),) = listener.heard
    assert '\nwarning: archive "mail": the disk of ' in json.loads(body)["text"]


# --- no successful pull for days -------------------------------------------------------------------------


def test_an_account_without_a_successful_pull_is_told_by_status_doctor_and_the_next_run(
    pulled: CommandLine, later: Callable[[float], None], server: Dovecot
) -> None:
    later(2.9)
    assert kinds(pulled) == []
    later(3.1)
    assert kinds(pulled) == [("overdue", "ann")]
    (text,) = warnings(pulled("status"))
    assert text.startswith('account "ann": no pull has ended well since ')
    (check,) = [one for one in pulled("doctor", "--json").lines[0]["checks"] if one["name"] == "last-run"]
    assert (check["state"], check["about"]) == ("warn", "ann")
    assert warnings(pulled("verify", "-q")) == [text], "another command tells it too"
    good = pulled.config.read_text()
    pulled.config.write_text(good.replace(f"echo {server.password}", "echo not-the-password"))
    assert text in warnings(pulled("pull", "-q")), "a pull that fails as well"
    pulled.config.write_text(good)
    (once,) = warnings(pulled("pull", "-q"))
    assert "no pull had ended well since " in once
    assert once.endswith("3 days ago; this one did")
    assert (warnings(pulled("pull", "-q")), kinds(pulled)) == ([], [])


def test_a_pull_that_found_nothing_new_is_a_success_and_one_done_in_part_is_too(
    pulled: CommandLine, later: Callable[[float], None]
) -> None:
    later(2)
    assert pulled("pull", "-q") == Done(0, b"", "")
    head = pulled("status", "--json").document["accounts"][0]["head"]
    assert head["seq"] == 1, "nothing was committed"
    later(4.5)
    assert kinds(pulled) == []


def test_after_how_many_days_is_configured(pulled: CommandLine, later: Callable[[float], None]) -> None:
    good = pulled.config.read_text()
    pulled.config.write_text(good + "\n[warn]\noverdue-days = 10\n")
    later(9.9)
    assert kinds(pulled) == []
    later(10.1)
    assert kinds(pulled) == [("overdue", "ann")]
    pulled.config.write_text(good + "\n[warn]\noverdue-days = 0\n")
    assert kinds(pulled) == []


def test_where_the_note_of_the_last_pull_is_lost_the_archive_tells_when_it_was(
    pulled: CommandLine, later: Callable[[float], None]
) -> None:
    note = pulled.home / "state" / "archiver" / "pulled.json"
    assert note.stat().st_mode & 0o777 == 0o600
    later(3.1)
    for content in (b"", b"[]", None):
        if content is None:
            note.unlink()
        else:
            note.write_bytes(content)
        assert kinds(pulled) == [("overdue", "ann")]


def test_an_account_that_was_never_pulled_is_not_overdue(home: CommandLine, ann: str) -> None:
    assert kinds(home) == []
    assert ann


# --- a folder that shrank --------------------------------------------------------------------------------


def test_a_folder_that_lost_half_of_its_mail_on_the_server_is_told_once(
    home: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    mailboxes.deliver(ann, *[mail(f"n{number}") for number in range(9)])  # twelve in INBOX
    assert home("pull", "-q") == Done(0, b"", "")
    mailboxes.expunge(ann, "mailbox", "INBOX", "1:7")
    done = home("pull", "-q")
    assert done.exit == 0
    (text,) = warnings(done)
    assert text.startswith('account "ann": folder "INBOX" has 5 messages on the server, and had 12; ')
    report = last_report(home)
    assert [(one["kind"], one["about"]) for one in report["warnings"]] == [("shrunk", "ann/INBOX")]
    (folder,) = [one for one in report["details"][0]["folders"] if one["folder"] == "INBOX"]
    assert (folder["before"], folder["vanished"], folder["balance"]["exists"]) == (12, 7, 5)
    assert warnings(home("pull", "-q")) == []


def test_a_folder_that_is_no_longer_there_is_told_with_its_messages(
    home: CommandLine, mailboxes: Mailboxes, ann: str, server: Dovecot
) -> None:
    mailboxes.deliver(ann, *[mail(f"n{number}") for number in range(12)], folder="Projects")
    assert home("pull", "-q").exit == 0
    server.doveadm("mailbox", "delete", "-u", ann, "Projects")
    done = home("pull", "-q")
    assert done.exit == 0
    (text,) = warnings(done)
    assert 'folder "Projects" has 0 messages on the server, and had 12' in text
    (folder,) = [one for one in last_report(home)["details"][0]["folders"] if one["folder"] == "Projects"]
    assert (folder["gone"], folder["vanished"]) == (True, 12)
    assert warnings(home("pull", "-q")) == []


def test_mail_that_was_filed_away_or_pruned_is_not_lost(
    home: CommandLine, mailboxes: Mailboxes, ann: str, server: Dovecot
) -> None:
    mailboxes.deliver(ann, *[mail(f"n{number}") for number in range(12)])
    assert home("pull", "-q").exit == 0
    server.doveadm("mailbox", "create", "-u", ann, "Filed")
    server.doveadm("move", "-u", ann, "Filed", "mailbox", "INBOX", "1:10")
    assert home("pull", "-q") == Done(0, b"", "")
    words = ["--folder", "Filed", "--allow-empty", "Filed", "--max-share", "100%", "--unread", "--expunge"]
    done = home("prune", "ann", "--keep-last", "1", *words, "--yes", "-q")
    assert (done.exit, done.err) == (0, "")
    assert mailboxes.server.doveadm("search", "-u", ann, "mailbox", "Filed", "all").count(b"\n") == 1
    assert home("pull", "-q") == Done(0, b"", "")


# --- the owner key ---------------------------------------------------------------------------------------


def test_an_owner_key_that_nobody_tried_for_ninety_days_is_told(pulled: CommandLine) -> None:
    now = datetime.now(UTC)
    tried(pulled, now - 89 * DAY)
    assert (pulled("pull", "-q"), kinds(pulled)) == (Done(0, b"", ""), [])
    tried(pulled, now - 91 * DAY)
    (text,) = warnings(pulled("pull", "-q"))
    assert text.startswith('archive "mail": the owner key was last tried 91 days ago; try it with: ')
    assert kinds(pulled) == [("owner-key", "mail")]
    assert pulled("verify", "--read", "-q") == Done(0, b"", ""), "it was opened by this very run"
    assert kinds(pulled) == []


def test_an_archive_that_no_account_here_fills_is_minded_too(home: CommandLine) -> None:
    tried(home, datetime.now(UTC) - 91 * DAY)
    assert kinds(home) == [("owner-key", "mail")]
    assert len(warnings(home("verify", "-q"))) == 1


def test_without_a_note_the_owner_key_was_last_tried_for_the_root(
    pulled: CommandLine, later: Callable[[float], None]
) -> None:
    with pulled.config.open("a") as file:
        file.write("\n[warn]\noverdue-days = 0\n")
    later(91)
    assert kinds(pulled) == [("owner-key", "mail")]


# --- none of it keeps a run from its work ----------------------------------------------------------------


def test_what_cannot_be_found_out_is_not_warned_of_and_fails_no_run(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(5, os.strerror(5), str(path))

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    assert pulled("pull", "-q") == Done(0, b"", "")
    shutil.move(pulled.home / "mail", pulled.home / "elsewhere")
    done = pulled("pull", "-q")
    assert (done.exit, warnings(done)) == (10, [])


def test_a_rehearsal_warns_of_nothing(pulled: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk(monkeypatch, 99)
    assert warnings(pulled("pull", "--dry-run", "-q")) == []
