"""The folder for deleted mail is known by its use or by its one usual name, and by nothing else."""

import pytest

from archiver.model import Folder
from archiver.plan.special_uses import home_of, trash_of, use_of


def folders(*names: str) -> list[Folder]:
    return [Folder(name, "/") for name in names]


def test_a_special_use_wins_over_every_name() -> None:
    listed = [*folders("INBOX", "Trash"), Folder("Papierkorb", "/", "\\Trash")]
    found = trash_of(listed, "")
    assert found is not None
    assert found.name == "Papierkorb"


@pytest.mark.parametrize(
    ("names", "home", "expected"),
    [
        (("INBOX", "trash"), "", "trash"),
        (("INBOX", "Deleted Messages"), "", "Deleted Messages"),
        (("INBOX", "INBOX/Trash"), "INBOX/", "INBOX/Trash"),
        (("INBOX", "INBOX/Trash"), "", None),
        (("INBOX", "Trash", "INBOX/Trash"), "INBOX/", None),
        (("INBOX", "Trash", "Deleted Items"), "", None),
        (("INBOX", "Trashcan", "Old/Trash"), "", None),
        ((), "", None),
    ],
)
def test_without_a_use_the_one_folder_of_a_usual_name_is_it(
    names: tuple[str, ...], home: str, expected: str | None
) -> None:
    found = trash_of(folders(*names), home)
    assert (found.name if found else None) == expected


def test_a_name_stands_for_its_use_in_any_case() -> None:
    assert use_of("sent ITEMS") == "\\Sent"
    assert use_of("Letters") is None


def test_a_home_is_where_all_but_inbox_are() -> None:
    assert home_of(folders("INBOX", "INBOX/a", "INBOX/b")) == "INBOX/"
    assert home_of(folders("INBOX", "INBOX/a", "b")) == ""
    assert home_of(folders("INBOX")) == ""
