"""A Dovecot for all tests of the command line, and homes whose archive was made once and copied."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.message import EmailMessage
from itertools import count
from pathlib import Path

import pytest

from tests import json_schemas
from tests.command_line import CommandLine
from tests.require import require
from tests.servers.dovecot import Dovecot

PASSPHRASE = "open sesame"
_numbers = count(1)

GREETING = "Grüße aus München ☃"
FOREIGN = "Grüße/日本"


def mail(subject: str = "hello", *, sender: str = "Bob <bob@example.org>", text: str = "hello\n") -> bytes:
    """Make a message; no two are alike."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, "ann@example.org", subject
    made["Date"] = "Mon, 01 Jan 2024 10:00:00 +0000"
    made["Message-ID"] = f"<{next(_numbers)}@example.org>"
    made.set_content(text)
    return made.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.fixture(autouse=True)
def half_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a disk that is not what is wrong."""
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12 // 2, 10**12 // 2))


class Mailboxes:
    """Users of one server, each made for one test, with mail in it."""

    def __init__(self, server: Dovecot) -> None:
        self.server = server
        self._numbers = count(1)

    def new(self) -> str:
        """Give a user whom no other test has; the mailbox is empty."""
        return self.server.users[next(self._numbers)]

    def deliver(self, user: str, *messages: bytes, folder: str = "INBOX") -> None:
        """Store messages."""
        if folder != "INBOX" and folder not in self.folders(user):
            self.server.doveadm("mailbox", "create", "-u", user, folder)
        for raw in messages:
            self.server.deliver(user, raw, folder)

    def folders(self, user: str) -> list[str]:
        return self.server.doveadm("mailbox", "list", "-8", "-u", user).decode().splitlines()

    def expunge(self, user: str, *query: str) -> None:
        self.server.doveadm("expunge", "-u", user, *query)


@pytest.fixture(autouse=True)
def reports_as_published(tmp_path: Path) -> Iterator[None]:
    """Hold whatever reports of runs a test leaves to their schema; one that a test has damaged is none."""
    yield
    for path in tmp_path.glob("*/state/archiver/reports/[0-9]*.json"):
        with suppress(ValueError):
            json_schemas.check_document("run-report.json#", json.loads(path.read_bytes()))


@pytest.fixture(scope="session")
def server() -> Iterator[Dovecot]:
    require("dovecot")
    with Dovecot([f"user{number}" for number in range(3000)]) as running:
        yield running


@pytest.fixture(scope="session")
def mailboxes(server: Dovecot) -> Mailboxes:
    return Mailboxes(server)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make an archive of each layout, once: most of the time of `init` is its passphrase."""
    made = {}
    for layout in ("mbox", "maildir"):
        home = made[layout] = tmp_path_factory.mktemp(layout)
        user = CommandLine(home)
        user.environment["ARCHIVER_PASSPHRASE_COMMAND"] = f"echo {PASSPHRASE}"
        words = ("init", home / "mail", "--layout", layout, "--json")
        done = user.typed(*words, light=True)
        assert done.exit == 0, done.err
        (home / "line").write_text(done.document["recovery_line"])
    return made


@pytest.fixture
def make_home(tmp_path: Path, templates: dict[str, Path]) -> Callable[..., CommandLine]:
    """Give a function that makes a home with an archive "mail" and no account."""

    def make(layout: str = "mbox") -> CommandLine:
        home = tmp_path / f"home{next(_numbers)}"
        shutil.copytree(templates[layout], home)
        user = CommandLine(home)
        user.config.write_text(user.config.read_text().replace(str(templates[layout]), str(home)))
        user.environment["ARCHIVER_PASSPHRASE_COMMAND"] = f"echo {PASSPHRASE}"
        return user

    return make


@pytest.fixture
def empty_home(tmp_path: Path) -> CommandLine:
    """A home without anything."""
    home = tmp_path / "bare"
    home.mkdir()
    return CommandLine(home)


@pytest.fixture
def home(make_home: Callable[..., CommandLine]) -> CommandLine:
    return make_home()


def account_words(server: Dovecot, name: str, user: str) -> list[str]:
    """Give the words that add an account."""
    words = (
        f"account add {name} --imap localhost --port {server.imaps} --user {user} --ca-file {server.ca_file}"
    )
    return [*words.split(), "--password-command", f"echo {server.password}"]


def write_account(home: CommandLine, server: Dovecot, name: str, user: str, more: str = "") -> None:
    """Write an account into the configuration, as `account add` does, without a login."""
    with home.config.open("a") as file:
        file.write(
            f'\n[account.{name}]\narchive = "mail"\nkind = "imap"\nhost = "localhost"\n'
            f'port = {server.imaps}\nuser = "{user}"\nca-file = "{server.ca_file}"\n'
            f'password-command = "echo {server.password}"\n{more}\n'
        )


@pytest.fixture
def ann(home: CommandLine, server: Dovecot, mailboxes: Mailboxes) -> str:
    """Give the user on the server behind account "ann": three messages in INBOX, two elsewhere."""
    user = mailboxes.new()
    mailboxes.deliver(user, mail("one"), mail("two"), mail("three", sender="Eve <eve@example.net>"))
    mailboxes.deliver(user, mail(GREETING, sender="Jürgen Müller <j@example.org>"), folder=FOREIGN)
    mailboxes.deliver(user, mail("old"), folder="Archive/2023")
    write_account(home, server, "ann", user)
    return user


@pytest.fixture
def pulled(home: CommandLine, ann: str) -> CommandLine:
    """Give a home whose account "ann" was pulled."""
    done = home("pull", "-q")
    assert (done.exit, done.out, done.err) == (0, b"", "")
    return home
