"""Gmail as a user archives it: all mail once, its labels kept, put back and moved elsewhere."""

import re
from collections.abc import Iterator

import pytest

from tests.cli.conftest import mail
from tests.command_line import CommandLine
from tests.servers.gmail import ENGLISH, GERMAN, GmailDouble
from tests.servers.imap_double import Mail
from tests.servers.stateful_double import Box, StatefulDouble

ALL, SPAM, TRASH = "[Gmail]/All Mail", "[Gmail]/Spam", "[Gmail]/Trash"
ONE, TWO, THREE, JUNK = (mail(name) for name in ("one", "two", "three", "junk"))


@pytest.fixture
def gmail() -> Iterator[GmailDouble]:
    with GmailDouble(language=ENGLISH) as double:
        double.file(ONE, "INBOX", "Work/2024", "To do (soon)", flags="\\Seen")
        double.file(TWO, "[Gmail]/Sent Mail", "Gr&APwA3w-e", "[Gmail]/Starred", flags="\\Flagged \\Seen")
        double.file(THREE)
        double.boxes[SPAM].put(Mail(JUNK))
        yield double


def account(home: CommandLine, name: str, double: StatefulDouble, more: str = "") -> None:
    """Write an account into the configuration, as the how-to does."""
    with home.config.open("a") as file:
        file.write(
            f'\n[account.{name}]\narchive = "mail"\nkind = "imap"\nhost = "127.0.0.1"\nport = {double.port}\n'
            f'user = "ann"\ninsecure-plaintext = true\npassword-command = "echo secret"\n{more}\n'
        )


def archived(home: CommandLine, name: str) -> dict[str, tuple[str, list[str], list[str]]]:
    """Tell what is archived, by subject: folder, flags, labels."""
    found = home("list", name, "--json").document["messages"]
    return {one["subject"]: (one["folder"], one["flags"], one["labels"]) for one in found}


@pytest.fixture
def pulled(home: CommandLine, gmail: GmailDouble) -> CommandLine:
    account(home, "gm", gmail, f'folders = ["{ALL}", "{SPAM}", "{TRASH}"]')
    done = home("pull", "gm")
    assert done.exit == 0, done.err
    return home


def test_all_mail_is_archived_once_with_its_labels(pulled: CommandLine, gmail: GmailDouble) -> None:
    assert archived(pulled, "gm") == {
        "one": (ALL, ["\\Seen"], ["To do (soon)", "Work/2024", "\\Inbox"]),
        "two": (ALL, ["\\Flagged", "\\Seen"], ["Grüße", "\\Sent", "\\Starred"]),
        "three": (ALL, [], []),
        "junk": (SPAM, [], []),
    }
    assert len(gmail.commands(rb"UID FETCH .*BODY")) == 2, "all mail, and spam"
    assert pulled("verify", "--read").exit == 0
    del gmail.boxes["Work/2024"]
    again = pulled("pull", "gm", "--json").document
    assert sum(one["reflagged"] for one in again["folders"]) == 1
    assert archived(pulled, "gm")["one"][2] == ["To do (soon)", "\\Inbox"]
    (row,) = [line for line in pulled("list", "gm").text.splitlines() if line.endswith("one")]
    assert re.search(rf"{re.escape(ALL)} +S +\d", row), "labels are no letters among the flags"


def test_another_gmail_gets_the_labels(pulled: CommandLine) -> None:
    with GmailDouble(language=GERMAN) as other:
        account(pulled, "new", other)
        for restored, there in ((4, 0), (0, 4)):
            done = pulled("restore", "gm", "--to", "new", "--json")
            assert done.exit == 0, done.err
            folders = done.document["folders"]
            assert sum(one["restored"] for one in folders) == restored
            assert sum(one["there"] for one in folders) == there
            assert not any(one["altered"] for one in folders)
        assert other.labels() == {
            ONE: {"[Gmail]/Alle Nachrichten", "INBOX", "Work/2024", "To do (soon)"},
            TWO: {"[Gmail]/Alle Nachrichten", "[Gmail]/Gesendet", "[Gmail]/Markiert", "Gr&APwA3w-e"},
            THREE: {"[Gmail]/Alle Nachrichten"},
            JUNK: {"[Gmail]/Spam"},
        }
        assert {one.raw: one.flags for one in other.posted}[ONE] == {"\\Seen"}
        assert len(other.posted) == 4


def test_another_provider_gets_a_folder_for_each_label(pulled: CommandLine) -> None:
    boxes = {"INBOX": Box(), "Gesendet": Box(attributes=b"\\Sent"), "Spamverdacht": Box(attributes=b"\\Junk")}
    with StatefulDouble(boxes=boxes) as other:
        account(pulled, "new", other)
        done = pulled("restore", "gm", "--to", "new", "--json")
        assert done.exit == 0, done.err
        assert {
            (name, one.raw, one.flags) for name, box in other.boxes.items() for one in box.mails.values()
        } == {
            *((name, ONE, "\\Seen") for name in ("INBOX", "Work/2024", "To do (soon)")),
            *((name, TWO, "\\Flagged \\Seen") for name in ("Gesendet", "Gr&APwA3w-e")),
            ("Archive", THREE, ""),
            ("Spamverdacht", JUNK, ""),
        }


def test_what_is_pruned_from_all_mail_goes_to_the_trash_and_loses_every_label(
    pulled: CommandLine, gmail: GmailDouble
) -> None:
    words = ("prune", "gm", "--folder", ALL, "--older-than", "1d", "--yes", "--max-share", "100%")
    done = pulled(*words, "--allow-empty", ALL)
    assert done.exit == 0, done.err
    where = gmail.labels()
    assert where[ONE] == {TRASH}
    assert where[TWO] == {ALL, "[Gmail]/Sent Mail", "Gr&APwA3w-e", "[Gmail]/Starred"}, "it has a star"
    assert where[THREE] == {ALL}, "it is unread"
