"""Reading a tree of files as the account does, all of it at once."""

from collections.abc import Mapping
from pathlib import Path

from archiver.accounts.files.account import FilesAccount
from archiver.formats.mbox_dialects import Dialect
from archiver.model import Done, Message, Missed, New, Remote

LINE = b"From ann@example.org Mon Jan  1 10:00:00 2024\n"


class Taken:
    """What an account gives on its first run: per folder its messages, what is missed, its form; and the notes."""

    def __init__(self, path: Path, dialect: Dialect | None = None) -> None:
        self.notes: list[str] = []
        self.account = FilesAccount(path, self.notes.append, dialect)
        self.mail: dict[str, list[Message]] = {}
        self.missed: dict[str, list[str]] = {}
        for folder in self.account.folders():
            told = list(self.account.changes(folder, None, dict))
            assert isinstance(told[-1], Done)
            remotes = [one.remote for one in told if isinstance(one, New)]
            assert told[-1].exists == len(remotes)
            given = list(self.account.fetch(remotes))
            assert [one.remote for one in given] == remotes
            self.mail[folder.name] = [one for one in given if isinstance(one, Message)]
            self.missed[folder.name] = [one.reason for one in given if isinstance(one, Missed)]

    @property
    def raws(self) -> Mapping[str, list[bytes]]:
        return {name: [message.raw for message in mail] for name, mail in self.mail.items()}

    @property
    def forms(self) -> Mapping[str, str]:
        return self.account.forms()

    def remotes(self, folder: str) -> list[Remote]:
        return [message.remote for message in self.mail[folder]]


def mail(subject: str, body: str = "hello") -> bytes:
    """Make a message with LF lines."""
    return (
        f"From: bob@example.org\nSubject: {subject}\nMessage-ID: <{subject}@example.org>\n\n{body}\n".encode()
    )


def mbox(*messages: bytes) -> bytes:
    return b"".join(LINE + raw + b"\n" for raw in messages)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
