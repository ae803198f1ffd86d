"""Nothing is done without a yes: typed at a terminal, or given with `--yes`."""

import io
import sys

import click
import pytest

from archiver.cli import consent
from archiver.cli.consent import agree
from archiver.errors import Interrupted, UsageError


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(consent, "can_prompt", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))


def test_without_a_terminal_the_option_is_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError) as refused:
        agree("Remove it?", yes=False)
    assert refused.value.exit == 2
    assert "--yes" in str(refused.value.hint)
    assert sys.stdin.read() == "y\n", "nothing is read where nobody was asked"


def test_the_option_answers_beforehand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    agree("Remove it?", yes=True)
    at_a_terminal(monkeypatch, "")
    agree("Remove it?", yes=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "Y\n", "what\ny\n"])
def test_a_yes_lets_it_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    at_a_terminal(monkeypatch, typed)
    agree("Remove it?", yes=False)
    said = capsys.readouterr()
    assert "Remove it? [y/N]" in said.err
    assert "Remove it" not in said.out, "standard output is for data"


@pytest.mark.parametrize("typed", ["n\n", "\n", "no\n"])
def test_anything_else_ends_it(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    at_a_terminal(monkeypatch, typed)
    with pytest.raises(Interrupted) as ended:
        agree("Remove it?", yes=False)
    assert ended.value.exit == 130
    assert ended.value.text == "nothing was done"


def test_the_end_of_the_input_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "")
    with pytest.raises(click.Abort):
        agree("Remove it?", yes=False)


def test_a_question_is_harmless_for_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_a_terminal(monkeypatch, "y\n")
    agree("Empty folder \x1b[2J?", yes=False)
    assert "\x1b" not in capsys.readouterr().err
