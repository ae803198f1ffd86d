"""archiver init."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PASSPHRASE
from tests.command_line import CommandLine

GIVEN: dict[str, Any] = {"ARCHIVER_PASSPHRASE_COMMAND": f"echo {PASSPHRASE}"}


@pytest.mark.parametrize("layout", ["mbox", "maildir"])
def test_the_recovery_line_alone_is_on_stdout(empty_home: CommandLine, layout: str) -> None:
    done = empty_home.typed("init", "mail", "--layout", layout, light=True, **GIVEN)
    assert done.exit == 0
    assert done.text.startswith("AGE-SECRET-KEY-1")
    assert done.text.count("\n") == 1
    assert f"layout {layout}" in done.err
    assert "archiver account add" in done.err
    assert max(map(len, done.text.splitlines())) < 80
    assert stat.S_IMODE((empty_home.home / "mail").stat().st_mode) == 0o700
    assert stat.S_IMODE(empty_home.config.stat().st_mode) == 0o600
    assert f'path = "{empty_home.home / "mail"}"' in empty_home.config.read_text()


def test_json_tells_all_in_one_document(empty_home: CommandLine) -> None:
    other = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    done = empty_home.typed("init", "mail", "--recipient", other, "--json", light=True, **GIVEN)
    assert done.exit == 0
    assert done.document["type"] == "archive-made"
    assert done.document["recovery_line"].startswith("AGE-SECRET-KEY-1")
    assert done.err == ""


def test_a_recipient_that_is_none_makes_nothing(empty_home: CommandLine) -> None:
    done = empty_home.typed("init", "mail", "--recipient", "age1typo", "--json", light=True, **GIVEN)
    assert done.exit in (2, 12)
    assert done.error
    assert not (empty_home.home / "mail").exists()
    assert not empty_home.config.exists()


def test_a_second_archive_in_the_same_folder_is_refused(home: CommandLine) -> None:
    for more in ([], ["--name", "other"]):
        done = home("init", home.home / "mail", "--json", *more)
        assert done.exit == 24
        assert done.error["code"] == "refused"
        assert "already" in done.error["message"]
        assert str(home.config) in done.error["hint"]


def test_a_folder_with_something_in_it_is_refused_before_the_passphrase_is_asked_for(
    empty_home: CommandLine,
) -> None:
    (empty_home.home / "mail").mkdir()
    (empty_home.home / "mail" / "letter.txt").write_text("dear")
    done = empty_home("init", "mail", ARCHIVER_PASSPHRASE_COMMAND="echo asked >&2; echo x")
    assert done.exit == 24
    assert "letter.txt" in done.err
    assert "asked" not in done.err


def test_a_name_that_is_taken_is_refused(home: CommandLine) -> None:
    done = home("init", home.home / "elsewhere" / "mail", "--json")
    assert done.exit == 2
    assert "--name" in done.error["hint"]
    assert not (home.home / "elsewhere").exists()


def test_a_folder_may_be_called_anything(empty_home: CommandLine) -> None:
    done = empty_home.typed("init", "my Grüße", light=True, **GIVEN)
    assert done.exit == 0
    assert "[archive.my-Gr-e]" in empty_home.config.read_text()


def test_a_folder_that_may_not_be_written_makes_no_archive(empty_home: CommandLine) -> None:
    # a file in the place of a folder stops root too
    (empty_home.home / "file").write_text("")
    done = empty_home.typed("init", "file/mail", "--json", light=True, **GIVEN)
    assert done.exit == 1
    assert done.error["code"] in ("store-failed", "read-only")
    assert not empty_home.config.exists()


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="needs a folder that even root cannot write")
def test_a_read_only_folder_is_told_as_such(empty_home: CommandLine) -> None:
    place = "/proc/sys/mail" if os.geteuid() == 0 else "/mail"
    done = empty_home.typed("init", place, "--json", light=True, **GIVEN)
    assert done.exit == 1
    assert done.error["code"] in ("read-only", "store-failed")


def test_without_a_terminal_nobody_is_asked(empty_home: CommandLine) -> None:
    done = empty_home.typed("init", "mail")
    assert done.exit == 14
    assert done.out == b""
    assert "no terminal" in done.err
    assert "ARCHIVER_PASSPHRASE" in done.err
    assert not (empty_home.home / "mail").exists()


def test_the_folder_is_asked_for_by_name(empty_home: CommandLine) -> None:
    done = empty_home("init")
    assert done.exit == 2
    assert "FOLDER" in done.err
    assert "hint: see: archiver init --help" in done.err
