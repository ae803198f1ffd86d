"""The bench runs: one row of it, with a small corpus, so that it does not rot between two releases."""

import pytest

from bench.__main__ import main
from tests.require import require


def test_a_group_of_the_bench_prints_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    require("dovecot")
    require("mbsync")

    main(["nothing", "--messages", "50", "--rounds", "1", "--corpus", "own"])

    lines = capsys.readouterr().out.splitlines()
    assert "| what | archiver | peer | ratio | at most | reached |" in lines
    assert lines[-1].startswith("| nothing new in 50 messages |")
