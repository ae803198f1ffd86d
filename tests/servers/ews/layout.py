"""The folders that a mailbox is born with, on Exchange: distinguished ones, hidden ones, a search folder."""

from tests.servers.ews.state import Folder, Mailbox, Site

# distinguished id, display name, class, parent by its distinguished id
PRIMARY = (
    ("root", "Root", "", None),
    ("msgfolderroot", "Top of Information Store", "IPF.Note", "root"),
    ("inbox", "Inbox", "IPF.Note", "msgfolderroot"),
    ("drafts", "Drafts", "IPF.Note", "msgfolderroot"),
    ("sentitems", "Sent Items", "IPF.Note", "msgfolderroot"),
    ("outbox", "Outbox", "IPF.Note", "msgfolderroot"),
    ("deleteditems", "Deleted Items", "IPF.Note", "msgfolderroot"),
    ("junkemail", "Junk Email", "IPF.Note", "msgfolderroot"),
    ("calendar", "Calendar", "IPF.Appointment", "msgfolderroot"),
    ("contacts", "Contacts", "IPF.Contact", "msgfolderroot"),
    ("tasks", "Tasks", "IPF.Task", "msgfolderroot"),
    ("notes", "Notes", "IPF.StickyNote", "msgfolderroot"),
    ("journal", "Journal", "IPF.Journal", "msgfolderroot"),
    ("recoverableitemsroot", "Recoverable Items", "", "root"),
    ("recoverableitemsdeletions", "Deletions", "", "recoverableitemsroot"),
    ("recoverableitemsversions", "Versions", "", "recoverableitemsroot"),
    ("recoverableitemspurges", "Purges", "", "recoverableitemsroot"),
    ("searchfolders", "Finder", "", "root"),
)
ARCHIVE = (
    ("archiveroot", "Root", "", None),
    ("archivemsgfolderroot", "Top of Information Store", "IPF.Note", "archiveroot"),
    ("archiveinbox", "Inbox", "IPF.Note", "archivemsgfolderroot"),
    ("archivedeleteditems", "Deleted Items", "IPF.Note", "archivemsgfolderroot"),
    ("archiverecoverableitemsroot", "Recoverable Items", "", "archiveroot"),
    ("archiverecoverableitemsdeletions", "Deletions", "", "archiverecoverableitemsroot"),
)


def furnish(site: Site, mailbox: Mailbox, archive: bool = False) -> None:
    """Make the folders of a mailbox; with `archive`, those of the in-place archive beside it."""
    made = mailbox.distinguished
    for name, shown, folder_class, parent in (*PRIMARY, *(ARCHIVE if archive else ())):
        folder = site.add_folder(mailbox, made[parent] if parent else None, shown, folder_class)
        folder.distinguished = name
        made[name] = folder
    unread = site.add_folder(mailbox, made["searchfolders"], "Unread Mail", "IPF.Note")
    unread.is_search = True
    hidden = site.add_folder(
        mailbox, made["msgfolderroot"], "Conversation Action Settings", "IPF.Configuration"
    )
    hidden.is_hidden = True


def furnish_public(site: Site, mailbox: Mailbox) -> Folder:
    """Make the root of the public folders."""
    root = site.add_folder(mailbox, None, "Public Folders", "")
    root.distinguished = "publicfoldersroot"
    mailbox.distinguished["publicfoldersroot"] = root
    return root
