"""The folders of the double, as plain exchangelib sees them."""

from collections.abc import Callable

import pytest
from exchangelib import Message
from exchangelib.errors import (
    ErrorAccessDenied,
    ErrorFolderExists,
    ErrorFolderNotFound,
)
from exchangelib.folders import Contacts, Inbox

from tests.integration.ews.client import ANN, RAW, account, handle, numbered, page
from tests.servers.ews.builder import Owner
from tests.servers.ews.server import EwsDouble


def test_a_mailbox_has_folders_of_all_classes_hidden_ones_and_a_search(double: EwsDouble, ann: Owner) -> None:
    ann.folder("Projects/2024").deliver(RAW)
    with account(double.url) as opened:
        found = {folder.absolute.removeprefix("/Root/"): folder for folder in opened.root.walk()}
    top = "Top of Information Store"
    classes = {
        found[f"{top}/{name}"].folder_class for name in ("Inbox", "Calendar", "Contacts", "Tasks", "Notes")
    }
    assert classes == {"IPF.Note", "IPF.Appointment", "IPF.Contact", "IPF.Task", "IPF.StickyNote"}
    assert found[f"{top}/Journal"].folder_class == "IPF.Journal"
    assert found[f"{top}/Projects/2024"].total_count == 1
    assert found["Finder/Unread Mail"].total_count == 1  # the same message, seen through a search


def test_folders_are_made_renamed_emptied_and_removed(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        made = Contacts(parent=opened.msg_folder_root, name="People")
        made.save()
        made.name = "Persons"
        made.save()
        with pytest.raises(ErrorFolderExists):
            Inbox(parent=opened.msg_folder_root, name="persons").save()
        ann.folder("Persons").add_contact("Carla", "Cook")
        made.empty(delete_type="HardDelete")
        assert ann.folder("Persons").items == []
        gone = made.id
        made.delete()
        assert gone not in double.site.folders


def test_the_hierarchy_is_told_once_and_then_its_changes_alone(double: EwsDouble, ann: Owner) -> None:
    projects = ann.folder("Projects")
    with account(double.url) as opened:
        top = opened.msg_folder_root
        assert {kind for kind, _ in top.sync_hierarchy()} == {"create"}
        state = top.folder_sync_state
        assert list(top.sync_hierarchy(sync_state=state)) == []
        ann.rename(projects, "Plans")
        later = ann.folder("Later")
        changes = {kind: folder.name for kind, folder in top.sync_hierarchy(sync_state=state)}
        assert changes == {"update": "Plans", "create": "Later"}
        state = top.folder_sync_state
        ann.remove(later)
        [(kind, gone)] = top.sync_hierarchy(sync_state=state)
        assert (kind, gone.id) == ("delete", later.folder.id)


def test_another_ones_mailbox_is_shut_unless_it_is_shared(double: EwsDouble, ann: Owner) -> None:
    double.add_mailbox("bob@example.com")
    double.add_mailbox("team@example.com", readers={ANN}).folder("inbox").deliver(RAW)
    with account(double.url, mailbox="team@example.com") as opened:
        assert [item.subject for item in opened.inbox.all()] == ["hello"]
    with account(double.url, mailbox="bob@example.com") as opened, pytest.raises(ErrorFolderNotFound):
        assert opened.inbox


def test_the_archive_and_the_public_folders_are_trees_of_their_own(double: EwsDouble, ann: Owner) -> None:
    ann.folder("archiveinbox").deliver(numbered(1))
    double.add_public_folders().folder("News").deliver(numbered(2))
    with account(double.url) as opened:
        assert opened.archive_inbox.total_count == 1
        [news] = opened.public_folders_root.children
        assert [item.subject for item in news.all()] == ["hello 2"]


def test_a_folder_may_be_read_and_not_changed(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    ann.folder("inbox").lock()
    with account(double.url) as opened:
        assert opened.inbox.effective_rights.delete is False
        [got] = opened.fetch([handle(item)])
        assert got.subject == "hello"
        got.is_read = True
        changes: tuple[Callable[[], object], ...] = (
            lambda: got.save(update_fields=["is_read"]),
            lambda: opened.bulk_delete([handle(item)]),
            lambda: opened.bulk_move([handle(item)], opened.junk),
            lambda: opened.bulk_copy([handle(item)], opened.inbox),
            lambda: Message(account=opened, folder=opened.inbox, subject="new").save(),
            lambda: Inbox(parent=opened.inbox, name="new").save(),
        )
        for change in changes:
            with pytest.raises(ErrorAccessDenied):
                change()
        opened.bulk_copy([handle(item)], opened.junk)
    assert (ann.folder("inbox").items, ann.folder("junkemail").subjects) == ([item], ["hello"])


def test_a_folder_that_is_gone_takes_nothing(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    place = ann.folder("Projects")
    with account(double.url) as opened:
        projects = opened.msg_folder_root / "Projects"
        ann.remove(place)
        with pytest.raises(ErrorFolderNotFound):
            opened.bulk_move([handle(item)], projects)
        with pytest.raises(ErrorFolderNotFound):
            Message(account=opened, folder=projects, subject="new").save()
    assert ann.folder("inbox").items == [item]


def test_items_go_to_the_archive_without_a_word_of_their_new_ids(double: EwsDouble, ann: Owner) -> None:
    item = ann.folder("inbox").deliver(RAW)
    with account(double.url) as opened:
        assert opened.bulk_move([handle(item)], opened.archive_inbox) == []
    assert ann.folder("archiveinbox").items == [item]


def test_a_folder_that_is_denied_refuses_all_who_ask(double: EwsDouble, ann: Owner) -> None:
    with account(double.url) as opened:
        inbox = opened.inbox
        item = ann.folder("inbox").deliver(RAW)
        ann.folder("inbox").deny()
        with pytest.raises(ErrorAccessDenied):
            page(opened, inbox, None)
        with pytest.raises(ErrorAccessDenied):
            list(opened.fetch([handle(item)]))
