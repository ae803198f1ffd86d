"""How results are told: data on stdout, everything else on stderr; JSON where asked."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

SCHEMA = "archiver/1"


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document, or one line of several, on stdout."""
    line = msgspec.json.encode({"schema": SCHEMA, **document}, order="deterministic")
    click.echo(line.decode())


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str], right: Sequence[int] = ()) -> None:
    """Print columns, as wide as their widest cell; `right` numbers the columns that are flush right."""
    table = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def say(text: str) -> None:
    """Tell something that is not data: on stderr."""
    click.echo(text, err=True)


def size(count: float) -> str:
    """Write a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(count: int, noun: str) -> str:
    """Write a count with its noun: `1 message`, `2,000 messages`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def is_terminal() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr.isatty()
