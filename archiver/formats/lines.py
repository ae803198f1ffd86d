"""Signed text in lines, the form that manifests and roots share: `word value…`, LF only, closed by `end`.

A reader knows every line or refuses the text, except lines that begin with `x-`, which it passes over.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from archiver.errors import Damaged

MAX_TEXT = 1 << 20  # 1 MiB: a signed text is small by design, so a larger one is not ours

_HEX = re.compile(r"[0-9a-f]+\Z")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
_KEY = re.compile(r"[A-Za-z0-9._\-:,=+$]+(?:/[A-Za-z0-9._\-:,=+$]+)*\Z")
_CHAIN = re.compile(r"[a-z0-9]{8}\Z")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Lines:
    """Reads a signed text line by line; every complaint names the text and the line."""

    def __init__(self, text: bytes, what: str) -> None:
        self.what = what
        if len(text) > MAX_TEXT:
            raise self.refuse("it is larger than 1 MiB")
        try:
            lines = text.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise self.refuse("it is not ASCII text") from error
        if lines[-2:] != ["end", ""]:
            raise self.refuse("it does not close with the line 'end'")
        self._lines = [line for line in lines[:-2] if not line.startswith("x-")]
        self._at = 0

    def refuse(self, why: str) -> Damaged:
        """Make the error for this text."""
        return Damaged(f"{self.what} is not valid: {why}")

    def one(self, word: str) -> str:
        """Read the value of the next line, which must be of this word."""
        values = list(self._take(word, most=1))
        if not values:
            raise self.refuse(f'the line "{word}" is not where it must be')
        return values[0]

    def many(self, word: str) -> list[str]:
        """Read the values of all next lines of this word; there may be none."""
        return list(self._take(word, most=len(self._lines)))

    def done(self) -> None:
        """Make sure that no line is left."""
        if self._at < len(self._lines):
            raise self.refuse(f"unknown line {self._lines[self._at][:60]!r}")

    def _take(self, word: str, most: int) -> Iterator[str]:
        while most and self._at < len(self._lines):
            found, _, value = self._lines[self._at].partition(" ")
            if found != word:
                return
            self._at += 1
            most -= 1
            yield value

    def words(self, value: str, count: int) -> list[str]:
        """Split a value into exactly `count` words."""
        words = value.split(" ")
        if len(words) != count or not all(words):
            raise self.refuse(f"{value[:60]!r} is not {count} words")
        return words

    def number(self, value: str) -> int:
        """Read a non-negative decimal number in its one canonical form."""
        if not _NUMBER.match(value):
            raise self.refuse(f"{value[:60]!r} is not a number")
        return int(value)

    def hex(self, value: str, digits: int) -> str:
        """Read lower-case hex of a given length."""
        if len(value) != digits or not _HEX.match(value):
            raise self.refuse(f"{value[:80]!r} is not {digits} hex digits")
        return value

    def key(self, value: str) -> str:
        """Read an object's key: no empty or dotted part that could lead out of the archive."""
        if not _KEY.match(value) or any(part in (".", "..") for part in value.split("/")):
            raise self.refuse(f"{value[:80]!r} is not an object's key")
        return value

    def chain(self, value: str) -> str:
        """Read the name of a chain: eight characters."""
        if not _CHAIN.match(value):
            raise self.refuse(f"{value[:80]!r} is not a chain's name")
        return value

    def time(self, value: str) -> datetime:
        """Read a time in UTC, to the second."""
        try:
            return datetime.strptime(value, _TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise self.refuse(f"{value[:60]!r} is not a time") from error


def utc(at: datetime) -> str:
    """Write a time in the form that `Lines.time` reads."""
    return at.astimezone(UTC).strftime(_TIME)
