"""The pages about commands and their JSON name what the program has, and nothing else."""

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from archiver.cli.main import COMMANDS, cli
from archiver.cli.session import shared_options
from archiver.events import Event
from tests.house.tracked import ROOT, tracked

PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text()
JSON_PAGE = (ROOT / "docs" / "reference" / "json.md").read_text()
CLI = ROOT / "archiver" / "cli"
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


# --- JSON -----------------------------------------------------------------------------------------------


def literal_keys() -> dict[str, set[str]]:
    """Give the keys of each literal that the command line prints as JSON, by its type."""
    found: dict[str, set[str]] = {}
    for path in CLI.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print_json":
                for part in node.args:
                    if isinstance(part, ast.Dict):
                        keys = [key.value for key in part.keys if isinstance(key, ast.Constant)]
                        kind = part.values[0]
                        if isinstance(kind, ast.Constant):
                            found.setdefault(str(kind.value), set()).update(map(str, keys))
    return found


def every_key_below(path_name: str) -> set[str]:
    """Give all keys of all literals in a file: those of what it prints, at any depth."""
    tree = ast.parse((CLI / path_name).read_text())
    return {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def json_section(kind: str) -> str:
    parts = re.split(r"^## (.+)$", JSON_PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[f"`{kind}`"]


def test_every_type_of_document_is_told_and_no_other() -> None:
    named = set(re.findall(r"^## `([a-z-]+)`$", JSON_PAGE, re.MULTILINE))
    named |= {"passphrase-remembered", "passphrase-forgotten"}  # told in a section with another
    assert named == set(literal_keys())


@pytest.mark.parametrize("kind", literal_keys())
def test_every_field_of_a_document_is_told(kind: str) -> None:
    shared = {"passphrase-remembered": "passphrase-changed", "passphrase-forgotten": "passphrase-changed"}
    text = json_section(shared.get(kind, kind))
    assert [key for key in literal_keys()[kind] - {"type"} if f"`{key}`" not in text] == []


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("pull.py", "pull"),
        ("import.py", "imported"),
        ("status.py", "status"),
        ("folders.py", "folders"),
        ("runs.py", "runs"),
        ("list.py", "messages"),
        ("show.py", "message"),
        ("export.py", "exported"),
        ("restore.py", "restored"),
        ("verify.py", "verified"),
        ("repair.py", "repaired"),
        ("doctor.py", "doctor"),
    ],
)
def test_the_fields_told_of_a_command_are_those_of_its_code(file: str, kind: str) -> None:
    text = json_section(kind)
    of_others = {"pull.py": {"code", "exit", "message", "hint", "in_s"}, "show.py": {"paths"}}
    others = of_others.get(file, set[str]())
    code = every_key_below(file) - others - {"type", "seq", "sha256"}  # a head is told once, above
    code |= {"sha256"} if file == "runs.py" else set()
    assert [key for key in code if f"`{key}`" not in text] == []
    assert [key for key in re.findall(r"^\| `(\w+)`", text, re.MULTILINE) if key not in code] == []


def test_the_events_that_are_told_are_events_of_the_code() -> None:
    text = JSON_PAGE.partition("## Events")[2].partition("\n## ")[0]
    kinds = {re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower(): kind for kind in Event.__args__}
    for name, fields in re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", text, re.MULTILINE):
        told = [word for word in re.findall(r"`(\w+)`", fields) if word != "head" or "head" in fields]
        assert tuple(told) == kinds[name].__struct_fields__
