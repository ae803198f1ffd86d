"""The man pages are those of all commands, and roff takes them without a word."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.test_commands_docs import commands, options
from tests.house.tracked import ROOT
from tests.require import require


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, ROOT / "contrib" / "man.py", folder], check=True, capture_output=True)
    return folder


def shown(page: Path) -> str:
    """Give a page as a terminal shows it, without its bold and underlined letters."""
    words = [require("groff"), "-man", "-Tutf8", "-ww", "-P-c", "-rLL=200n", str(page)]
    ran = subprocess.run(words, capture_output=True, check=True)
    assert ran.stderr == b""
    return re.sub(".\b", "", ran.stdout.decode())


def test_each_command_has_a_page_and_no_other_has(pages: Path) -> None:
    below = {f"archiver-{name.replace(' ', '-')}.1" for name in commands()}
    groups = {f"archiver-{name.split()[0]}.1" for name in commands() if " " in name}
    assert {path.name for path in pages.iterdir()} == {"archiver.1"} | below | groups


def test_roff_takes_every_page_without_a_warning_and_shows_every_option(pages: Path) -> None:
    for name, command in commands().items():
        text = shown(pages / f"archiver-{name.replace(' ', '-')}.1")
        missing = [option for option in options(command) if option not in text]
        assert missing == [], name
        assert f"archiver {name}" in text


def test_the_page_of_archiver_lists_the_commands_and_the_exit_codes(pages: Path) -> None:
    text = shown(pages / "archiver.1")
    assert all(f"archiver-{name.split()[0]}(1)" in text for name in commands())
    assert "24 refused for safety" in text
    assert "archiver prune work --older-than 1y --dry-run" in text, "examples keep their hyphens"
    shown(pages / "archiver-account.1")


def test_mandoc_takes_every_page_without_a_warning(pages: Path) -> None:
    words = [require("mandoc"), "-T", "lint", "-W", "warning", *map(str, pages.iterdir())]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_pages_made_again_for_the_same_day_are_the_same(tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "contrib" / "man.py"), str(tmp_path)]
    subprocess.run(
        program, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    )
    assert '"2023-11-14"' in (tmp_path / "archiver-pull.1").read_text()
