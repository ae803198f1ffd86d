"""What of an account is proposed for archiving, and globs that say so."""

import pytest

from archiver.model import Folder
from archiver.plan.globs import matches
from archiver.plan.proposal import Proposal, propose
from archiver.plan.pull import Selection

ENGLISH = ("All Mail", "Drafts", "Important", "Sent Mail", "Spam", "Starred", "Trash")
GERMAN = ("Alle Nachrichten", "Entwürfe", "Wichtig", "Gesendet", "Spam", "Markiert", "Papierkorb")
USES = ("\\All", "\\Drafts", "\\Important", "\\Sent", "\\Junk", "\\Flagged", "\\Trash")


def gmail(names: tuple[str, ...], home: str = "[Gmail]") -> list[Folder]:
    own = [Folder(f"{home}/{name}", "/", use) for name, use in zip(names, USES, strict=True)]
    return [Folder("INBOX", "/"), Folder("Work", "/"), Folder("Trash of Ann", "/"), *own]


@pytest.mark.parametrize(
    ("folders", "include"),
    [
        (gmail(ENGLISH), ("[Gmail]/All Mail", "[Gmail]/Spam", "[Gmail]/Trash")),
        (gmail(GERMAN), ("[Gmail]/Alle Nachrichten", "[Gmail]/Spam", "[Gmail]/Papierkorb")),
        (
            gmail(GERMAN, "[Google Mail]"),
            ("[Google Mail]/Alle Nachrichten", "[Google Mail]/Spam", "[Google Mail]/Papierkorb"),
        ),
    ],
)
def test_at_gmail_all_mail_is_taken_once_with_spam_and_trash(
    folders: list[Folder], include: tuple[str, ...]
) -> None:
    proposal = propose(folders, labels=True)
    assert proposal == Proposal(include=include)
    selection = Selection(proposal.include, proposal.exclude)
    assert tuple(one.name for one in folders if selection.takes_folder(one)) == include


def test_at_gmail_with_all_mail_hidden_every_label_is_taken() -> None:
    folders = [one for one in gmail(ENGLISH) if one.special_use != "\\All"]
    assert propose(folders, labels=True) == Proposal(exclude=("[Gmail]/Spam", "[Gmail]/Trash"))


def plain(*names: str) -> list[Folder]:
    return [Folder(name, "/") for name in names]


@pytest.mark.parametrize(
    ("folders", "exclude"),
    [
        (
            [*plain("INBOX", "Trash"), Folder("Junk", "/", "\\Junk"), Folder("Bin", "/", "\\Trash")],
            ("Junk", "Bin"),
        ),
        (plain("INBOX", "Junk E-mail", "Deleted Items", "Sent"), ("Junk E-mail", "Deleted Items")),
        (plain("INBOX", "INBOX/spam", "INBOX/Trash", "INBOX/Work"), ("INBOX/spam", "INBOX/Trash")),
        ([Folder("All", "/", "\\All"), Folder("Spam", "/", "\\Junk")], ("Spam",)),
        (plain("INBOX", "Work/Trash"), ()),
        ([], ()),
    ],
)
def test_elsewhere_all_is_taken_but_spam_and_trash(folders: list[Folder], exclude: tuple[str, ...]) -> None:
    assert propose(folders, labels=False) == Proposal(exclude=exclude)


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("[Gmail]/All Mail", "[Gmail]/All Mail", True),
        ("[Gmail]/*", "[Gmail]/Spam", True),
        ("[Gmail]/*", "Work/Spam", False),
        ("201[0-4]", "2012", True),
        ("201[0-4]", "2015", False),
        ("work*", "Work", False),
        ("W?rk", "Work", True),
    ],
)
def test_a_bracket_is_a_set_of_letters_and_also_itself(glob: str, name: str, expected: bool) -> None:
    assert matches(name, [glob]) is expected
