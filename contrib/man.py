"""Write man pages from the help: archiver.1, and one for each command and subcommand.

.venv/bin/python contrib/man.py [FOLDER]        (build/man)
man build/man/archiver-pull.1
"""

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from archiver import __version__
from archiver.cli.main import cli

FOLDER = Path("build/man")
_UNFILLED = "\b"  # Click's mark of a paragraph whose lines stay as they are


def pages() -> dict[str, str]:
    """Give each page by the name of its file."""
    return {f"{_name(context)}.1": _page(context) for context in contexts(cli, None)}


def contexts(command: click.Command, parent: click.Context | None) -> Iterator[click.Context]:
    """Give a context of a command and of all below it."""
    name = "archiver" if parent is None else command.name
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            if below is not None and not below.hidden:
                yield from contexts(below, context)


def escaped(text: str) -> str:
    """Write a text so that roff shows it as it is (groff(7), Escape sequences)."""
    text = (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("`", "\\(ga")
        .replace("^", "\\(ha")
        .replace("~", "\\(ti")
    )
    text = "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in text)
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.split("\n"))


def _page(context: click.Context) -> str:
    command, name = context.command, _name(context)
    short = command.get_short_help_str(200).rstrip(".")
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH {escaped(name.upper())} 1 "{_today()}" "archiver {__version__}" "archiver"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(short)}",
        ".SH SYNOPSIS",
        f".B {escaped(context.command_path)}",
        escaped(usage),
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
        *_options(context),
        *_commands(context),
    ]
    if command.epilog:
        lines += [".SH NOTES", *_paragraphs(command.epilog)]
    return "\n".join([*lines, *_see_also(context), ""])


def _today() -> str:
    """Give the day that pages bear: by SOURCE_DATE_EPOCH of reproducible-builds.org, else this one."""
    at = os.environ.get("SOURCE_DATE_EPOCH")
    return f"{datetime.fromtimestamp(int(at), UTC) if at else datetime.now(UTC):%Y-%m-%d}"


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip("\n"))):
        if number:
            yield ".PP"
        body = paragraph.strip("\n")
        if body.lstrip().startswith(_UNFILLED):
            kept = body.lstrip().removeprefix(_UNFILLED).strip("\n")
            yield from (".nf", escaped(kept), ".fi")
        else:
            yield escaped(" ".join(body.split()))


def _options(context: click.Context) -> Iterator[str]:
    given = [each for each in context.command.get_params(context) if isinstance(each, click.Option)]
    records = [each.get_help_record(context) for each in given]
    told = [record for record in records if record is not None]
    if told:
        yield ".SH OPTIONS"
    for names, text in told:
        yield from (".TP", f".B {escaped(names)}", escaped(text) or "\\&")


def _commands(context: click.Context) -> Iterator[str]:
    if not isinstance(context.command, click.Group):
        return
    yield ".SH COMMANDS"
    for below in _below(context):
        text = below.command.get_short_help_str(200)
        yield from (".TP", f".BR {escaped(_name(below))} (1)", escaped(text))


def _see_also(context: click.Context) -> list[str]:
    others = [] if context.parent is None else [_name(context.parent)]
    others += [_name(below) for below in _below(context)]
    ends = [","] * (len(others) - 1) + [""]
    return [
        ".SH SEE ALSO",
        *(f".BR {escaped(each)} (1){end}" for each, end in zip(others, ends, strict=True)),
    ]


def _below(context: click.Context) -> list[click.Context]:
    return [
        each
        for each in contexts(context.command, context.parent)
        if each.parent and each.parent.command is context.command
    ]


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def main() -> None:
    """Write all pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for name, text in written.items():
        (folder / name).write_text(text, "ascii")
    print(f"{len(written)} pages in {folder}")


if __name__ == "__main__":
    main()
