"""Each run leaves a report on this machine, and status shows how the last ones ended."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import StoreFailed
from archiver.model import Notice
from archiver.notices import reports
from archiver.notices.reports import Reports
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
    assert [one.text for one in folder.last(10)] == ["4", "3", "2"]
    assert [one.text for one in folder.last(1)] == ["4"]
    with pytest.raises(StoreFailed):
        Reports(tmp_path / "no" / "reports").keep(folder.last(1)[0], [])
