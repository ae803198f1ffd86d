"""One line on a terminal that tells how far a run is: messages, bytes, rate, time to go, folder."""

import sys
import time
from types import TracebackType
from typing import Self

from archiver.cli.output import cut, duration, number, print_json, say, shown, size, terminal_columns, width
from archiver.events import (
    Event,
    FolderFailed,
    FolderScanned,
    MessageArchived,
    MessageMissed,
    MessagePruned,
    MessageRead,
    MessageRestored,
    ObjectChecked,
    RunCommitted,
    Warned,
)

INTERVAL_S = 0.2


class Progress:
    """A `Reporter` that draws on a terminal, prints warnings anywhere, and speaks JSON lines if told to."""

    def __init__(self, *, quiet: bool = False, json: bool = False, verbose: int = 0) -> None:
        self._draws = sys.stderr.isatty() and not quiet and not json
        self._json = json
        self._verbose = verbose
        self._started = self._drawn = time.monotonic()
        self._messages = self._size = self._total = self._total_size = 0
        self._where = ""
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def report(self, event: Event) -> None:
        """See `Reporter.report`."""
        match event:
            case FolderScanned(_, folder, new, new_size):
                self._where = folder
                self._total += new
                self._total_size += new_size
            case MessageArchived(_, folder, length, _):
                self._where = folder
                self._count(length)
            case MessageRestored(folder, length) | MessagePruned(folder, length):
                self._where = folder
                self._count(length)
            case MessageRead(length) | ObjectChecked(_, length):
                self._count(length)
            case MessageMissed(account, folder, key, reason):
                self._tell(f'{account}: message {key} of folder "{folder}" was missed: {reason}', event)
            case FolderFailed(account, folder, reason):
                self._tell(f'{account}: folder "{folder}": {reason}', event)
            case Warned(text):
                self._tell(f"warning: {text}", event)
            case RunCommitted(account, head):
                if self._verbose:
                    self._tell(f"{account}: committed run {head.seq}", event)
        if self._draws and time.monotonic() - self._drawn >= INTERVAL_S:
            self._draw()

    def expect(self, messages: int, total_size: int) -> None:
        """Tell how much there is to do, where that is known."""
        self._total, self._total_size = messages, total_size

    def _count(self, length: int) -> None:
        self._messages += 1
        self._size += length

    def _tell(self, text: str, event: Event) -> None:
        self.clear()
        if self._json:
            fields = {name: getattr(event, name) for name in event.__struct_fields__}
            print_json({"type": _kebab(type(event).__name__), **fields})
        else:
            say(text)

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        elapsed = self._drawn - self._started
        rate = self._size / elapsed if elapsed else 0.0
        parts = [number(self._messages, "message"), size(self._size), f"{size(rate)}/s"]
        if self._total:
            parts[0] = f"{self._messages:,} of {self._total:,} messages"
        where = shown(self._where)
        if rate and self._total_size > self._size:
            left = f"{duration((self._total_size - self._size) / rate)} to go"
            parts.append(f"{left} in {where}" if where else left)
        elif where:
            parts.append(where)
        line = ", ".join(parts)
        line = cut(line, terminal_columns() - 1)
        sys.stderr.write("\r" + line + " " * (self._width - width(line)))
        sys.stderr.flush()
        self._width = width(line)

    def clear(self) -> None:
        """Take the line away: something else is going to be written."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0


def _kebab(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
