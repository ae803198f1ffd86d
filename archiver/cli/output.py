"""How results are told: data on stdout, everything else on stderr; JSON where asked."""

import re
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from typing import Any
from unicodedata import combining, east_asian_width

import click

SCHEMA = "archiver/1"

# control characters, and what turns the direction of writing: a server or a sender chose these texts
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def accept_any_text() -> None:
    """Let text out that the terminal's encoding cannot write: `\\xfc` in its place is better than an end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors != "surrogateescape":
            stream.reconfigure(errors="backslashreplace")


def shown(text: str) -> str:
    """Make a text of a server or a sender harmless for a terminal, and one line."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def width(text: str) -> int:
    """Count the columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(letter) for letter in text)


def cut(text: str, columns: int) -> str:
    """Cut a text to some columns."""
    if width(text) <= columns:
        return text
    kept, used = "", 0
    for letter in text:
        used += _columns(letter)
        if used > columns - 1:
            break
        kept += letter
    return kept + "…"


def _columns(letter: str) -> int:
    if combining(letter) or letter in "\u200b\u200d\ufe0e\ufe0f":
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document, or one line of several, on stdout."""
    import msgspec  # noqa: PLC0415 -- only `--json` needs it, and help must be quick

    whole = {"schema": SCHEMA, **document}
    try:
        line = msgspec.json.encode(whole, order="deterministic")
    except UnicodeEncodeError:  # a path of bytes that are not UTF-8
        line = msgspec.json.encode(_writable(whole), order="deterministic")
    click.echo(line.decode())


def _writable(value: Any) -> Any:
    """Show half a surrogate pair, which JSON cannot hold, as `\\udcff`."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_writable(key): _writable(each) for key, each in value.items()}
        case list() | tuple():
            return [_writable(each) for each in value]
    return value


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str], right: Sequence[int] = ()) -> None:
    """Print columns, as wide as their widest cell; `right` numbers the columns that are flush right.

    On a terminal, lines are cut to its width.
    """
    columns = terminal_columns() if sys.stdout.isatty() else None
    table = [list(header), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = []
        for column, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (wide - width(cell))
            cells.append(gap + cell if column in right else cell + gap)
        line = "  ".join(cells).rstrip()
        click.echo(cut(line, columns) if columns else line)


def say(text: str) -> None:
    """Tell something that is not data: on stderr."""
    click.echo("\n".join(map(shown, text.split("\n"))), err=True)


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


def duration(seconds: float) -> str:
    """Write a span of time for people, to the second."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )


def is_narrow() -> bool:
    """Whether results go to a terminal with little room."""
    return sys.stdout.isatty() and terminal_columns() < 120


def terminal_columns() -> int:
    """Tell how wide the terminal is."""
    import shutil  # noqa: PLC0415 -- loads every compressor there is

    return shutil.get_terminal_size().columns


def is_terminal() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr.isatty()
