"""Split a response into atoms, strings, lists and NIL (RFC 9051 section 4): pure and bounded.

A value is `bytes` (an atom or a string), None (NIL) or a list of values. Atoms are taken widely: whatever is
not a space, a bracket or a quote, since servers write flags and names that the grammar forbids.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias

Value: TypeAlias = "bytes | list[Value] | None"

NESTING_LIMIT = 64
"""Deepest list within a list: a BODYSTRUCTURE of a much forwarded mail has about 20."""

_SPACE = re.compile(rb" *")
_ATOM = re.compile(rb"[^\s()\"{]+")
_QUOTED = re.compile(rb"\"([^\"\\]*(?:\\.[^\"\\]*)*)\"")
_ESCAPE = re.compile(rb"\\(.)")
_ANNOUNCED = re.compile(rb"~?\{\d+\+?\}\r?\n$")


class WireError(ValueError):
    """What the server sent is not IMAP, or beyond the limits."""


def text(raw: bytes) -> str:
    """Read bytes as text without ever failing; what is not UTF-8 is shown as `\\xNN`."""
    return raw.decode("utf-8", "backslashreplace")


class Scanner:
    """A place in a response, moving to its end."""

    __slots__ = ("_at", "_line", "_piece", "_response")

    def __init__(self, response: Sequence[bytes], at: int) -> None:
        self._response = response
        self._piece = 0
        self._line = response[0]
        self._at = at

    def space(self) -> None:
        """Pass over spaces."""
        found = _SPACE.match(self._line, self._at)
        if found:
            self._at = found.end()

    def peek(self) -> bytes:
        """Tell the next byte; nothing at the end of the response."""
        byte = self._line[self._at : self._at + 1]
        return b"" if byte in b"\r\n" else byte

    def token(self, pattern: re.Pattern[bytes]) -> bytes | None:
        """Take what the pattern matches here."""
        found = pattern.match(self._line, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def skip(self, byte: bytes) -> None:
        """Pass over this byte. Raises `WireError` where another is."""
        if self.peek() != byte:
            raise WireError(f"{text(byte)} is missing: {self._line[:60]!r}")
        self._at += 1

    def values(self) -> list[Value]:
        """Take a list in parentheses. Raises `WireError`."""
        found = self.value()
        if not isinstance(found, list):
            raise WireError(f"a list is missing: {self._line[:60]!r}")
        return found

    def string(self) -> bytes:
        """Take an atom or a string; NIL is an atom here (a mailbox may be named so). Raises `WireError`."""
        found = self.value()
        if isinstance(found, list):
            raise WireError(f"a string is missing: {self._line[:60]!r}")
        return b"NIL" if found is None else found

    def string_or_nil(self) -> bytes | None:
        """Take an atom, a string or NIL. Raises `WireError`."""
        found = self.value()
        if isinstance(found, list):
            raise WireError(f"a string is missing: {self._line[:60]!r}")
        return found

    def rest(self) -> list[Value]:
        """Take all that is left. Raises `WireError`."""
        found = []
        self.space()
        while self.peek():
            found.append(self.value())
            self.space()
        return found

    def value(self) -> Value:
        """Take the next value. Raises `WireError`."""
        self.space()
        if self.peek() != b"(":
            return self._plain()
        self._at += 1
        stack: list[list[Value]] = [[]]
        while True:
            self.space()
            byte = self.peek()
            if byte == b")":
                self._at += 1
                done = stack.pop()
                if not stack:
                    return done
                stack[-1].append(done)
            elif byte == b"(":
                self._at += 1
                stack.append([])
                if len(stack) > NESTING_LIMIT:
                    raise WireError(f"lists are nested more than {NESTING_LIMIT} deep")
            else:
                stack[-1].append(self._plain())

    def _plain(self) -> bytes | None:
        byte = self.peek()
        if byte == b'"':
            quoted = _QUOTED.match(self._line, self._at)
            if not quoted:
                raise WireError(f"a string does not end: {self._line[:60]!r}")
            self._at = quoted.end()
            return _ESCAPE.sub(rb"\1", quoted[1]) if b"\\" in quoted[1] else quoted[1]
        if byte in (b"{", b"~") and _ANNOUNCED.match(self._line, self._at):
            return self._literal()
        atom = self.token(_ATOM)
        if atom is None:
            raise WireError(f"a value is missing: {self._line[:60]!r}")
        return None if atom.upper() == b"NIL" else atom

    def _literal(self) -> bytes:
        if self._piece + 2 >= len(self._response):
            raise WireError("a literal is missing")
        literal = self._response[self._piece + 1]
        self._piece += 2
        self._line = self._response[self._piece]
        self._at = 0
        return literal


def strings(values: Sequence[Value]) -> list[bytes]:
    """Keep the atoms and strings of a list."""
    return [value for value in values if isinstance(value, bytes)]


def texts(scanner: Scanner) -> list[str]:
    """Take all that is left, as text."""
    return [text(word) for word in strings(scanner.rest())]
