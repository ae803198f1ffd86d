"""Each run leaves a report on this machine, and status shows how the last ones ended."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from archiver.cli.side_by_side import SideBySide
from archiver.cli.stop import Stop
from archiver.errors import ArchiverError, Interrupted, StoreFailed, Unreachable
from archiver.events import Notice
from archiver.notices import reports
from archiver.notices.reports import Reports
from archiver.ops import pull_folder
from archiver.ops.pull import Pull
from archiver.ops.pull_folder import Work
from tests.cli.conftest import Mailboxes, mail, write_account
from tests.command_line import CommandLine
from tests.servers.dovecot import Dovecot


def kept(home: CommandLine) -> list[dict[str, Any]]:
    folder = home.home / "state" / "archiver" / "reports"
    return [json.loads(path.read_bytes()) for path in sorted(folder.iterdir())]


def ended(home: CommandLine) -> list[tuple[str, str, str]]:
    found = home("status", "--json").document["reports"]
    return [(one["command"], one["outcome"], one["code"]) for one in found]


def test_a_report_says_what_the_command_found(pulled: CommandLine) -> None:
    assert pulled("verify", "ann", "-q").exit == 0
    pull, verify = kept(pulled)
    assert (pull["type"], pull["command"], pull["outcome"], pull["exit"]) == ("run-report", "pull", "ok", 0)
    assert pull["began"] < pull["ended"] < verify["ended"]
    (account,) = pull["details"]
    assert account["head"]["seq"] == 1
    assert sum(folder["new"] for folder in account["folders"]) == 5
    assert (verify["accounts"], verify["details"][0]["damaged"]) == (["ann"], False)


def test_status_shows_the_last_five_runs_the_newest_first(pulled: CommandLine, server: Dovecot) -> None:
    good = pulled.config.read_text()
    for _ in range(4):
        pulled("verify", "-q")
    assert ended(pulled) == [*[("verify", "ok", "ok")] * 4, ("pull", "ok", "ok")]
    pulled.config.write_text(good.replace(f"echo {server.password}", "echo not-the-password"))
    assert pulled("pull", "-q").exit == 21
    assert ended(pulled)[0] == ("pull", "failure", "login-refused")
    shown = pulled("status").text
    assert "  pull  FAILED: " in shown
    assert "  verify  done\n" in shown
    assert "not-the-password" not in json.dumps(kept(pulled))


def test_a_run_of_another_account_is_not_shown_with_one(pulled: CommandLine) -> None:
    pulled.config.write_text(
        pulled.config.read_text() + '[account.bob]\narchive = "mail"\nkind = "files"\npath = "m"\n'
    )
    pulled("pull", "bob", "-q")
    assert len(ended(pulled)) == 2
    assert [each["command"] for each in pulled("status", "ann", "--json").document["reports"]] == ["pull"]


def test_neither_a_rehearsal_nor_a_slip_is_a_run(pulled: CommandLine) -> None:
    assert pulled("pull", "--dry-run", "-q").exit == 0
    assert pulled("pull", "nobody", "-q").exit == 2
    assert len(kept(pulled)) == 1


def test_a_report_that_cannot_be_kept_fails_no_run(home: CommandLine, ann: str) -> None:
    (home.home / "state" / "archiver" / "reports").write_text("in the way")
    done = home("pull", "-q")
    assert done.exit == 0
    assert done.err == "warning: the report of this run cannot be kept: File exists\n"
    assert home("status", "--json").document["reports"] == []


def test_a_damaged_report_is_left_out(pulled: CommandLine) -> None:
    pulled("verify", "-q")
    newest = max((pulled.home / "state" / "archiver" / "reports").iterdir())
    newest.write_bytes(b"{")
    assert ended(pulled) == [("pull", "ok", "ok")]


def test_the_oldest_reports_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "KEPT", 3)
    folder = Reports(tmp_path / "reports")
    for night in range(5):
        at = datetime(2026, 3, 30, 2, 30, tzinfo=UTC) + timedelta(days=night)
        folder.keep(Notice("pull", (), "ok", "ok", 0, str(night), None, "box", at, at), [])
    assert [one.text for one in folder.newest()] == ["4", "3", "2"]
    assert [one.id for one in folder.newest()] == ["20260403T023000", "20260402T023000", "20260401T023000"]
    assert folder.find("20260402").text == "3"
    with pytest.raises(StoreFailed):
        Reports(tmp_path / "no" / "reports").keep(folder.find("last"), [])


# --- runs --reports, runs --report -----------------------------------------------------------------------


def listed(home: CommandLine, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home("runs", *words, "--reports", "--json").document["reports"]
    return found


def test_the_reports_are_listed_with_what_each_run_did_and_how_it_ended(
    pulled: CommandLine, server: Dovecot
) -> None:
    pulled("verify", "ann", "-q")
    good = pulled.config.read_text()
    pulled.config.write_text(good.replace(f"echo {server.password}", "echo not-the-password"))
    pulled("pull", "-q")
    found = listed(pulled)
    assert [(one["command"], one["accounts"], one["outcome"]) for one in found] == [
        ("pull", [], "ok"),
        ("verify", ["ann"], "ok"),
        ("pull", [], "failure"),
    ]
    assert len({one["id"] for one in found}) == 3
    lines = pulled("runs", "--reports").text.splitlines()
    assert lines[0].split() == ["ID", "TIME", "TOOK", "RUN", "DID", "ENDED"]
    assert [line.split()[0] for line in lines[1:]] == [one["id"] for one in found]
    assert "  5 messages pulled (" in lines[1]
    assert "  2 objects read (" in lines[2]
    assert lines[3].endswith("  FAILED (login-refused)")
    assert pulled("runs", "--json").document["type"] == "runs", "without the option, the chain's"


def test_the_reports_of_an_account_are_those_that_concern_it(pulled: CommandLine) -> None:
    pulled.config.write_text(
        pulled.config.read_text() + '[account.bob]\narchive = "mail"\nkind = "files"\npath = "m"\n'
    )
    pulled("pull", "bob", "-q")
    pulled("verify", "ann", "-q")
    assert [one["command"] for one in listed(pulled, "ann")] == ["pull", "verify"]
    assert [one["command"] for one in listed(pulled, "bob")] == ["pull", "pull"]


def test_one_report_is_shown_whole(home: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    text = home.config.read_text() + 'exclude = ["Archive"]\n'
    home.config.write_text(text)
    mailboxes.deliver(ann, *[mail(f"n{number}") for number in range(9)])
    assert home("pull", "-q").exit == 0
    mailboxes.expunge(ann, "mailbox", "INBOX", "1:8")
    mailboxes.deliver(ann, mail("new"))
    assert home("pull", "-q").exit == 0
    (account,) = home("status", "--json").document["accounts"]
    rows = [line.split() for line in home("runs", "--report", "last").text.splitlines()]
    assert rows[0] == ["pull:", "done,", "with", "warnings"]
    assert ["head", "2", account["head"]["sha256"]] in rows
    (inbox,) = [row for row in rows if row[:1] == ["INBOX"]]
    assert inbox[:2] == ["INBOX", "1"]
    assert inbox[4:6] == ["8", "5"], "vanished, and on the server"
    (archive,) = [row for row in rows if row[:1] == ["Archive/2023"]]
    assert archive[1:] == ["excluded", "by", "rule"]
    (warning,) = [row for row in rows if row[:1] == ["warning"]]
    assert "INBOX" in " ".join(warning)


def test_a_report_in_json_is_the_whole_of_it(pulled: CommandLine) -> None:
    found = pulled("runs", "--report", "last", "--json").document
    (file,) = (pulled.home / "state" / "archiver" / "reports").iterdir()
    kept_one = json.loads(file.read_bytes())
    assert file.name.startswith(found.pop("id"))
    assert found == kept_one
    assert found["type"] == "run-report"
    (account,) = found["details"]
    assert account["took_s"] > 0
    inbox = next(one for one in account["folders"] if one["folder"] == "INBOX")
    assert (inbox["new"], inbox["before"], inbox["gone"], inbox["held_already"]) == (3, 0, False, 0)


def test_a_report_of_a_verify_a_prune_and_a_failure_can_be_read(pulled: CommandLine, server: Dovecot) -> None:
    head = pulled("status", "--json").document["accounts"][0]["head"]
    pulled("verify", "-q")
    text = pulled("runs", "--report", "last").text
    assert "no damage; 1 run, 2 objects (" in text
    assert f"  head    1 {head['sha256']}\n" in text
    words = ["prune", "ann", "--keep-last", "2", "--folder", "INBOX", "--unread", "--yes", "-q"]
    assert pulled(*words).exit == 24
    assert "does not tell which folder is its Trash (refused)" in pulled("runs", "--report", "last").text
    assert pulled(*words, "--expunge").exit == 0
    text = pulled("runs", "--report", "last").text
    (inbox,) = [line.split() for line in text.splitlines() if line.startswith("  INBOX ")]
    assert inbox[1] == "1"
    head = pulled("status", "--json").document["accounts"][0]["head"]
    assert f"  head    {head['seq']} {head['sha256']}\n" in text
    good = pulled.config.read_text()
    pulled.config.write_text(good.replace(f"echo {server.password}", "echo not-the-password"))
    pulled("pull", "-q")
    text = pulled("runs", "--report", "last").text
    assert text.startswith("pull: FAILED\n")
    assert text.count("(login-refused)") == 1
    assert "\n  hint    check user and password" in text


def test_each_account_that_failed_stands_in_the_report_with_its_reason(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    write_account(pulled, server, "bob", mailboxes.new())
    write_account(pulled, server, "eve", "nobody-of-this-name")
    pulled.config.write_text(pulled.config.read_text() + 'folders = ["INBOX"]\n')
    assert pulled("pull", "-q").exit == 21
    report = pulled("runs", "--report", "last", "--json").document
    assert [(one["account"], one["code"]) for one in report["failed"]] == [("eve", "login-refused")]
    assert [one["account"] for one in report["details"]] == ["ann", "bob", "eve"]
    text = pulled("runs", "--report", "last").text
    assert text.count("login-refused") == 2, "as the end of the run, and of its account"


def stop_at_inbox(monkeypatch: pytest.MonkeyPatch, error: ArchiverError) -> None:
    real = pull_folder.FolderPull.take

    def take(self: pull_folder.FolderPull) -> Any:
        if self.folder.name == "INBOX":
            raise error
        return real(self)

    monkeypatch.setattr(pull_folder.FolderPull, "take", take)


def test_what_was_pulled_before_an_account_stopped_stands_in_the_report(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.deliver(ann, mail("more"), folder="Archive/2023")
    mailboxes.deliver(ann, mail("last"), folder="INBOX")
    stop_at_inbox(monkeypatch, Unreachable("the line is dead"))
    assert pulled("pull", "-q").exit == 20
    (account,) = pulled("runs", "--report", "last", "--json").document["details"]
    assert (account["code"], account["message"]) == ("unreachable", "the line is dead")
    assert (account["complete"], account["head"]["seq"]) == (False, 2)
    new = {one["folder"]: (one["new"], one["balance"] is None) for one in account["folders"]}
    assert (new["Archive/2023"], new["INBOX"]) == ((1, False), (0, True))
    rows = [line.split() for line in pulled("runs", "--report", "last").text.splitlines()]
    (inbox,) = [row for row in rows if row[:1] == ["INBOX"]]
    assert inbox[-2:] == ["not", "done"]


def test_what_was_pulled_before_a_run_was_stopped_stands_in_the_report(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.deliver(ann, mail("more"), folder="Archive/2023")
    stop_at_inbox(monkeypatch, Interrupted("stopped as asked"))
    assert pulled("pull", "-q").exit == 130
    report = pulled("runs", "--report", "last", "--json").document
    assert (report["outcome"], report["code"]) == ("warning", "interrupted")
    (account,) = report["details"]
    assert sum(one["new"] for one in account["folders"]) == 1
    assert (account["code"], account["complete"]) == ("interrupted", False)


def test_the_accounts_of_a_run_that_was_stopped_stand_in_its_report_in_their_order(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_account(pulled, server, "bob", "nobody-of-this-name")
    write_account(pulled, server, "eve", mailboxes.new())
    stop_at_inbox(monkeypatch, Interrupted("stopped as asked"))
    assert pulled("pull", "-q").exit == 130
    report = pulled("runs", "--report", "last", "--json").document
    assert [(one["account"], one["code"]) for one in report["details"]] == [
        ("ann", "interrupted"),
        ("bob", "login-refused"),
        ("eve", "interrupted"),
    ]


def test_an_account_that_was_refused_at_login_is_not_complete(pulled: CommandLine, server: Dovecot) -> None:
    good = pulled.config.read_text()
    pulled.config.write_text(good.replace(f"echo {server.password}", "echo not-the-password"))
    assert pulled("pull", "-q").exit == 21
    (account,) = pulled("runs", "--report", "last", "--json").document["details"]
    assert (account["code"], account["folders"], account["complete"]) == ("login-refused", [], False)


def test_an_account_stopped_after_its_last_folder_is_not_complete(
    pulled: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise Interrupted("stopped as asked")

    monkeypatch.setattr(Pull, "_record_gone", stop)
    assert pulled("pull", "-q").exit == 130
    (account,) = pulled("runs", "--report", "last", "--json").document["details"]
    assert all(one["balance"] for one in account["folders"])
    assert account["complete"] is False


def test_what_was_not_committed_is_in_no_report(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailboxes.deliver(ann, mail("more"), folder="Archive/2023")

    def full(self: Any, kind: str) -> None:
        raise StoreFailed("the disk is full")

    stop_at_inbox(monkeypatch, Unreachable("the line is dead"))
    monkeypatch.setattr(Work, "commit", full)
    assert pulled("pull", "-q").exit == StoreFailed.exit
    (account,) = pulled("runs", "--report", "last", "--json").document["details"]
    assert (account["code"], account["folders"], account["head"]["seq"]) == ("store-failed", [], 1)


def test_a_bug_in_one_account_is_told_of_that_account_and_keeps_no_other(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_account(pulled, server, "bob", mailboxes.new())
    write_account(pulled, server, "eve", "nobody-of-this-name")
    mailboxes.deliver(ann, mail("more"), folder="Archive/2023")
    real = pull_folder.FolderPull.take

    def take(self: pull_folder.FolderPull) -> Any:
        balance = real(self)
        if self.new:
            raise ZeroDivisionError("a subject")
        return balance

    monkeypatch.setattr(pull_folder.FolderPull, "take", take)
    done = pulled("pull", "--json")
    assert done.exit == 70
    assert "ann: a bug in archiver: ZeroDivisionError\n" in done.err
    assert "a subject" not in done.err
    assert [line["type"] for line in done.lines] == ["account-failed", "pull", "account-failed"]
    report = pulled("runs", "--report", "last", "--json").document
    assert [(one["account"], one["code"]) for one in report["failed"]] == [
        ("ann", "bug"),
        ("eve", "login-refused"),
    ]
    found = {one["account"]: (one.get("code"), one["complete"]) for one in report["details"]}
    assert found == {"ann": ("bug", False), "bob": (None, True), "eve": ("login-refused", False)}
    assert report["details"][0]["folders"] == [], "nothing of it was committed"


def test_the_second_ctrl_c_takes_nothing_from_the_report(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_account(pulled, server, "eve", "nobody-of-this-name")
    real = SideBySide.outcomes

    def outcomes(self: SideBySide[Any], stop: Stop) -> Iterator[Any]:
        yield from islice(real(self, stop), 2)
        raise KeyboardInterrupt

    write_account(pulled, server, "zoe", mailboxes.new())
    monkeypatch.setattr(SideBySide, "outcomes", outcomes)
    stop_at_inbox(monkeypatch, Interrupted("stopped as asked"))
    assert pulled("pull", "-q").exit == 130
    report = pulled("runs", "--report", "last", "--json").document
    assert [(one["account"], one["code"]) for one in report["failed"]] == [("eve", "login-refused")]
    assert [(one["account"], one["code"]) for one in report["details"][:2]] == [
        ("ann", "interrupted"),
        ("eve", "login-refused"),
    ]


def test_a_report_that_is_not_there_or_not_the_only_one_is_a_slip(pulled: CommandLine) -> None:
    pulled("verify", "-q")
    for words, said in (
        (["--report", "1999"], "there is no such report"),
        (["--report", ""], "there is no such report"),
        (["--report", "2"], '2 reports begin with "2"'),
        (["--report", "last", "--reports"], "nothing else"),
        (["ann", "--report", "last"], "nothing else"),
        (["--reports", "--archive", "mail"], "NAME alone"),
    ):
        done = pulled("runs", *words, "--json")
        assert done.exit == 2, words
        assert said in done.error["message"]
    for one in listed(pulled):
        assert pulled("runs", "--report", one["id"], "--json").document["command"] == one["command"]


def test_before_the_first_run_there_is_no_report(home: CommandLine) -> None:
    assert listed(home) == []
    assert home("runs", "--report", "last").exit == 2
