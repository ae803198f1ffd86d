"""Mailboxes in files, changed by a test as a mail program would: a Maildir, and a tree of mbox files."""

import base64
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from archiver.accounts.files.account import FilesAccount
from archiver.model import New
from archiver.ports import Account

LETTERS = {"\\Seen": "S", "\\Answered": "R", "\\Flagged": "F", "\\Draft": "D", "\\Deleted": "T"}
STATUS = {"\\Answered": "A", "\\Flagged": "F", "\\Draft": "T", "\\Deleted": "D"}
_times = count(1_600_000_000, 10)


def encoded(part: str) -> str:
    """Write one part of a folder's name in modified UTF-7, by the rule of RFC 3501 section 5.1.3."""
    out, shift = "", ""
    for letter in part + "\0":
        if " " <= letter <= "~" or letter == "\0":
            if shift:
                packed = base64.b64encode(shift.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
                out, shift = f"{out}&{packed}-", ""
            out += "&-" if letter == "&" else letter.strip("\0")
        else:
            shift += letter
    return out


class MaildirBox:
    """A Maildir++ with Dovecot's keywords."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.create("INBOX")

    def account(self) -> Account:
        return FilesAccount(self.path, print)

    def folder(self, name: str) -> Path:
        return self.path if name == "INBOX" else self.path / ("." + ".".join(map(encoded, name.split("/"))))

    def create(self, folder: str) -> None:
        for name in ("cur", "new", "tmp"):
            (self.folder(folder) / name).mkdir(parents=True)

    def rename(self, old: str, new: str) -> None:
        self.folder(old).rename(self.folder(new))

    def delete(self, folder: str) -> None:
        shutil.rmtree(self.folder(folder))

    def renumber(self, folder: str) -> None:
        (self.folder(folder) / "dovecot-uidlist").write_text(f"3 V{next(_times)} N1\n")

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        at = next(_times)
        path = self.folder(folder) / ("new" if not flags else "cur") / f"{at}.M1P1.host"
        made = self.folder(folder) / "tmp" / path.name
        made.write_bytes(raw)
        seconds = int(received.timestamp()) if received else at
        os.utime(made, (seconds, seconds))
        made.rename(path)
        if flags:
            self._mark(folder, path, flags)
        return f"{at}.M1P1.host:{seconds}:{len(raw)}"

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        self._mark(folder, self._file(folder, key), flags)

    def expunge(self, folder: str, *keys: str) -> None:
        for key in keys:
            self._file(folder, key).unlink()

    def _file(self, folder: str, key: str) -> Path:
        (found,) = self.folder(folder).glob(f"*/{key.partition(':')[0]}*")
        return found

    def _mark(self, folder: str, path: Path, flags: Iterable[str]) -> None:
        known = self.folder(folder) / "dovecot-keywords"
        words = [line.split(" ", 1)[1] for line in known.read_text().splitlines()] if known.exists() else []
        letters = set()
        for flag in flags:
            if flag not in LETTERS and flag not in words:
                words.append(flag)
            letters.add(LETTERS.get(flag) or chr(ord("a") + words.index(flag)))
        known.write_text("".join(f"{number} {word}\n" for number, word in enumerate(words)))
        name = path.name.partition(":")[0] + ":2," + "".join(sorted(letters))
        path.rename(self.folder(folder) / "cur" / name)


class MboxBox:
    """A tree of mbox files, with flags in Status, X-Status and X-Keywords as Dovecot writes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mail: dict[str, list[tuple[bytes, bytes, frozenset[str]]]] = {}
        self.create("INBOX")

    def account(self) -> Account:
        return FilesAccount(self.path, print)

    def create(self, folder: str) -> None:
        self.mail[folder] = []
        self._write(folder)

    def rename(self, old: str, new: str) -> None:
        self.mail[new] = self.mail.pop(old)
        (self.path / old).rename(self.path / new)

    def delete(self, folder: str) -> None:
        del self.mail[folder]
        (self.path / folder).unlink()

    def renumber(self, folder: str) -> None:
        """Write the file anew, as a program does that compacts it."""
        self._write(folder)

    def deliver(
        self, folder: str, raw: bytes, flags: Iterable[str] = (), received: datetime | None = None
    ) -> str:
        at = received.astimezone(UTC) if received else datetime.fromtimestamp(next(_times), UTC)
        line = f"From ann@example.org {at:%a %b %e %H:%M:%S %Y}\n".encode()
        before = set(self._keys(folder))
        self.mail[folder].append((line, raw, frozenset(flags)))
        self._write(folder)
        (key,) = set(self._keys(folder)) - before
        return key

    def flag(self, folder: str, key: str, flags: Iterable[str]) -> None:
        number = self._keys(folder).index(key)
        line, raw, _ = self.mail[folder][number]
        self.mail[folder][number] = (line, raw, frozenset(flags))
        self._write(folder)

    def expunge(self, folder: str, *keys: str) -> None:
        listed = self._keys(folder)
        self.mail[folder] = [
            one for key, one in zip(listed, self.mail[folder], strict=True) if key not in keys
        ]
        self._write(folder)

    def _keys(self, folder: str) -> list[str]:
        """Ask a new account for the keys; that they stay the same is what the contract tests."""
        account = self.account()
        found = next(each for each in account.folders() if each.name == folder)
        return [one.remote.ref.key for one in account.changes(found, None, dict) if isinstance(one, New)]

    def _write(self, folder: str) -> None:
        path = self.path / folder
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(path.name + ".new")
        written.write_bytes(
            b"".join(line + _status(flags) + raw + b"\n" for line, raw, flags in self.mail[folder])
        )
        written.rename(path)


def _status(flags: frozenset[str]) -> bytes:
    fields = ""
    if "\\Seen" in flags:
        fields += "Status: RO\n"
    letters = "".join(letter for flag, letter in STATUS.items() if flag in flags)
    if letters:
        fields += f"X-Status: {letters}\n"
    words = " ".join(sorted(flag for flag in flags if flag not in LETTERS))
    return (fields + (f"X-Keywords: {words}   \n" if words else "")).encode()
