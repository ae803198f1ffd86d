"""The page about commands names what the program has, and nothing else."""

import re
import shlex
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from archiver.cli.main import COMMANDS, cli
from archiver.cli.session import shared_options
from tests.house.tracked import ROOT, tracked

PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text()
# A name that help shows before its module is there has a section, and cannot be compared.
THERE = [name for name in COMMANDS if find_spec(f"archiver.cli.{name}")]


@click.command()
@shared_options
def bare(session: object) -> None:
    """Have the shared options alone."""


def options(command: click.Command) -> set[str]:
    return {name for each in command.params if isinstance(each, click.Option) for name in each.opts}


SHARED = options(bare)


def commands() -> dict[str, click.Command]:
    """Give each command that can be typed, by its words."""
    found: dict[str, click.Command] = {}
    for name in THERE:
        command = import_module(f"archiver.cli.{name}").command
        if isinstance(command, click.Group):
            found |= {f"{name} {below}": each for below, each in command.commands.items()}
        else:
            found[name] = command
    return found


def sections() -> dict[str, str]:
    """Give the text of each command's section, by the words of the command."""
    parts = re.split(r"^## `archiver ([^`]+)`$", PAGE, flags=re.MULTILINE)
    return {
        " ".join(word for word in heading.split() if word.islower()): heading + "\n" + text
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def written(text: str) -> set[str]:
    return set(re.findall(r"^\| `(--[a-z0-9-]+)", text, re.MULTILINE))


def test_every_command_has_a_section_and_no_other_has() -> None:
    missing = set(COMMANDS) - set(THERE)
    assert set(sections()) - missing == set(commands())
    assert [name.split()[0] for name in sections()] == sorted(
        (name.split()[0] for name in sections()), key=list(COMMANDS).index
    )


@pytest.mark.parametrize("name", commands())
def test_a_section_names_every_option_and_no_other(name: str) -> None:
    assert written(sections()[name]) == options(commands()[name]) - SHARED


@pytest.mark.parametrize("name", commands())
def test_the_heading_of_a_section_shows_the_arguments(name: str) -> None:
    heading = sections()[name].splitlines()[0]
    told = [re.sub(r"[^A-Z]", "", word) for word in heading.split() if not word.islower()]
    arguments = [
        re.sub(r"[^A-Z]", "", each.make_metavar(click.Context(commands()[name])))
        for each in commands()[name].params
        if isinstance(each, click.Argument)
    ]
    assert told == arguments


def test_the_shared_options_are_told_once() -> None:
    text = PAGE.partition("## Options of every command")[2].partition("\n## ")[0]
    told = set(re.findall(r"`(--?[a-z]+)", text.partition("They stand")[0]))
    assert told == SHARED | {"-h", "--help"}


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in COMMANDS)


TYPED = re.compile(r"^(?:\$ |ExecStart=\S+/|[0-9* ]+  )?archiver ([^\n|<>;#]*)", re.MULTILINE)
# the format has texts that begin with the same word
PAGES = [path for path in tracked() if path.suffix == ".md" and path.name != "format.md"]


def code(page: Path) -> str:
    """Give the code of a page, blocks and words, each on lines of its own."""
    text = page.read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_pages_type_is_a_command_with_these_options(page: Path) -> None:
    known = commands()
    for typed in TYPED.findall(code(page)):
        words = [word for word in typed.split() if word not in ("…", "...")]
        if not words or words[0].startswith("-") or not words[0].islower() or typed == "COMMAND --help":
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        assert name in known or name in COMMANDS, f"archiver {typed}"
        if name in known:
            told = set(re.findall(r"(?<= )--?[a-z][a-z0-9-]*", " " + typed))
            assert told <= options(known[name]) | {"-h", "--help"}, f"archiver {typed}"


LINE = re.compile(r"^ *(?:\$ |[A-Z_]+=\S+ )*archiver (?!\d)(.+)$", re.MULTILINE)
# where the shell goes on, or a remark begins
END = re.compile(r";? (?:[|<>&]|#|2>)|;|  +(?=[a-z])")


def lines() -> list[tuple[str, str]]:
    """Give each line that somebody may type off a page or the help, and where it stands."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
        found += [(page.name, line) for block in blocks for line in LINE.findall(block)]
    for name, command in {"": cli, **commands()}.items():
        examples = re.findall(r"\x08\n(.*?)(?:\n\n|\Z)", command.help or "", re.DOTALL)
        found += [(f"archiver {name} --help", line) for text in examples for line in LINE.findall(text)]
    return found


def test_a_line_to_type_is_taken_as_it_stands() -> None:
    known, refused = commands(), []
    for where, line in lines():
        words = shlex.split(END.split(line, maxsplit=1)[0])
        if words[0].startswith("-"):
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        try:
            known[name].make_context(name, words[len(name.split()) :]).close()
        except (KeyError, click.ClickException) as error:
            refused.append((where, line, str(error)))
    assert refused == []
    assert len(lines()) > 150
