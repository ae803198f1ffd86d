"""A table of the configuration file, read key by key."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from archiver.config.settings import did_you_mean
from archiver.errors import UsageError

T = TypeVar("T")

# A name becomes part of file names and of command lines.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class Table:
    """A table of the file, read key by key. What is wrong is noted, not raised; notes quote no free text."""

    def __init__(self, at: str, raw: dict[str, Any], folder: Path, problems: list[str] | None = None) -> None:
        self.at = at
        self.raw = raw
        self.folder = folder
        self.problems: list[str] = [] if problems is None else problems

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self.at}.{key}: {text}" if self.at else f"{key}: {text}")

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for key in self.raw:
            if key not in known:
                self.problem(shown(key), f"unknown key{did_you_mean(key, known)}")

    def tables(self, key: str) -> Iterator[tuple[str, "Table"]]:
        group = self.raw.get(key, {})
        if not isinstance(group, dict):
            self.problem(key, f"must be tables of the form [{key}.NAME]")
            return
        for name, raw in group.items():
            at = f"{key}.{shown(name)}"
            if not isinstance(raw, dict):
                self.problem(at, f"must be a table of the form [{key}.NAME]")
            elif not NAME.fullmatch(name):
                self.problem(at, "a name is up to 64 letters, digits, dots, hyphens and underscores")
            else:
                yield name, Table(at, raw, self.folder, self.problems)

    def below(self, key: str, form: str) -> "Table | None":
        """Open a table within this one; None where there is none. `form` says how it is to be written."""
        raw = self.raw.get(key)
        if isinstance(raw, dict):
            return Table(f"{self.at}.{key}" if self.at else key, raw, self.folder, self.problems)
        if key in self.raw:
            self.problem(key, f"must be a table{form}")
        return None

    def _typed(self, key: str, wanted: type) -> Any:
        value = self.raw.get(key)
        # bool is an int to Python, and is not one to TOML
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if value is None or (fits and (wanted is bool or not isinstance(value, bool))):
            return value
        self.problem(key, f"must be {_TYPE_NAMES[wanted]}")
        return None

    def text(self, key: str, *, required: bool = False) -> str | None:
        value: str | None = self._typed(key, str)
        if value is not None and (not value.strip() or "\0" in value):
            self.problem(key, "must not be empty" if not value.strip() else "must not hold a NUL")
            return None
        if required and key not in self.raw:
            self.problem(key, "missing")
        return value

    def choice(self, key: str, words: Sequence[str], default: str | None = None) -> str | None:
        value = self.text(key, required=default is None)
        if value is not None and value not in words:
            listed = ", ".join(f'"{word}"' for word in words)
            self.problem(key, f"must be one of {listed}{did_you_mean(value, words)}")
            return None
        return value or default

    def flag(self, key: str) -> bool:
        return bool(self._typed(key, bool))

    def number(self, key: str, wanted: type, low: float, high: float) -> Any:
        value = self._typed(key, wanted)
        if value is not None and not low <= value <= high:  # false for nan too
            self.problem(key, f"must be from {low} to {high}")
            return None
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self.problem(key, 'must be a list of texts, such as ["INBOX", "Archive/*"]')
            return ()
        return tuple(value)

    def understood(self, key: str, read: Callable[[str], T]) -> T | None:
        """Read a text by a rule that the command line has too; a rule's `UsageError` is the problem."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return read(value)
        except UsageError as error:
            self.problem(key, f"{error.text}; {error.hint}")
            return None

    def path(self, key: str, *, required: bool = False) -> Path | None:
        value = self.text(key, required=required)
        if value is None:
            return None
        try:
            return Path(os.path.normpath(self.folder / Path(value).expanduser()))
        except RuntimeError:
            self.problem(key, "names the home folder of a user that is not known")
            return None


def shown(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else repr(key).replace("'", '"')
