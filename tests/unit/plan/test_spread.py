"""Messages with labels: one copy where labels are kept, a copy in each label's folder elsewhere."""

from collections import Counter

from archiver.model import Entry, Flags, Folder, Place, Ref
from archiver.plan.labels import flag_of, label_flags, labels_of, without_labels
from archiver.plan.restore import Destination, target_names
from archiver.plan.spread import spread

ALL = Folder("[Gmail]/All Mail", "/", "\\All")
SENT = Folder("[Gmail]/Sent Mail", "/", "\\Sent")
SPAM = Folder("[Gmail]/Spam", "/", "\\Junk")


def entry(digest: str, *labels: str, folder: str = ALL.name, flags: tuple[str, ...] = ()) -> Entry:
    every = frozenset({*flags, *map(flag_of, labels)})
    return Entry(digest, Ref(folder, "1", digest), Place("v", 0, 1), 1, every)


def gone_to(
    entries: list[Entry], sources: list[Folder], uses: set[str] | None = None
) -> Counter[tuple[str, str, Flags]]:
    found, folders = spread(entries, sources, uses)
    names = {folder.name for folder in folders}
    assert {one.ref.folder for one in found} <= names
    assert len(names) == len(folders)
    return Counter((one.digest, one.ref.folder, one.flags) for one in found)


def test_flags_and_labels_are_told_apart() -> None:
    flags = frozenset({"\\Seen", "label:Work", "label: Work", "label: \\Inbox", "label: label: x"})
    assert labels_of(flags) == {"Work", "\\Inbox", "label: x"}
    assert without_labels(flags) == {"\\Seen", "label:Work"}
    assert label_flags(flags) | without_labels(flags) == flags


def test_a_message_goes_into_the_folder_of_each_of_its_labels() -> None:
    entries = [entry("a", "\\Inbox", "Work/2024", "To do (soon)", flags=("\\Seen",)), entry("b", "Work/2024")]
    assert gone_to(entries, [ALL]) == Counter(
        [
            ("a", "INBOX", frozenset({"\\Seen"})),
            ("a", "Work/2024", frozenset({"\\Seen"})),
            ("a", "To do (soon)", frozenset({"\\Seen"})),
            ("b", "Work/2024", frozenset()),
        ]
    )


def test_labels_of_gmails_own_are_folders_of_a_use_or_flags() -> None:
    entries = [
        entry("sent", "\\Sent", "\\Important"),
        entry("draft", "\\Draft", flags=("\\Draft",)),
        entry("star", "\\Starred"),
        entry("muted", "\\Muted"),
        entry("none"),
    ]
    found, folders = spread(entries, [ALL], None)
    names = target_names(folders, Destination([Folder("INBOX", "/"), Folder("Gesendet", "/", "\\Sent")]))
    assert [(one.digest, names[one.ref.folder], one.flags) for one in found] == [
        ("sent", "Gesendet", {"$Important"}),
        ("draft", "Drafts", {"\\Draft"}),
        ("star", "Archive", {"\\Flagged"}),
        ("muted", "Archive", {"label: \\Muted"}),
        ("none", "Archive", frozenset()),
    ]
    assert {one.name: one.special_use for one in folders}["Archive"] == "\\Archive"


def test_what_was_archived_from_a_labels_folder_too_goes_there_once() -> None:
    entries = [
        entry("a", folder="INBOX"),
        entry("a", folder=SENT.name),
        entry("a", "\\Inbox", "\\Sent", "Work"),
        entry("c", folder=SPAM.name),
    ]
    sources = [Folder("INBOX", "/"), SENT, ALL, SPAM]
    assert gone_to(entries, sources) == Counter(
        (digest, folder, frozenset[str]())
        for digest, folder in (("a", "INBOX"), ("a", SENT.name), ("a", "Work"), ("c", SPAM.name))
    )


def test_where_labels_are_kept_one_copy_stands_for_all() -> None:
    whole = entry("a", "\\Inbox", "\\Sent", "Work")
    entries = [
        entry("a", folder="INBOX"),
        entry("a", folder=SENT.name),
        entry("a", folder="Other"),
        whole,
        entry("b", folder="INBOX"),
    ]
    sources = [Folder("INBOX", "/"), SENT, Folder("Other", "/"), ALL]
    assert gone_to(entries, sources, {"\\All"}) == Counter(
        [("a", "Other", frozenset[str]()), ("a", ALL.name, whole.flags), ("b", "INBOX", frozenset[str]())]
    )


def test_what_was_sent_and_drafts_go_to_the_folders_for_these_where_they_are_shown() -> None:
    entries = [
        entry("sent", "\\Sent", "Work"),
        entry("draft", "\\Draft", flags=("\\Draft",)),
        entry("in", "\\Inbox"),
        entry("sent", folder=SENT.name),
    ]
    assert gone_to(entries, [ALL, SENT], {"\\All", "\\Sent", "\\Drafts"}) == Counter(
        [
            ("sent", SENT.name, frozenset({"label: Work"})),
            ("draft", "Drafts", frozenset({"\\Draft"})),
            ("in", ALL.name, frozenset({"label: \\Inbox"})),
        ]
    )
    hidden = gone_to(entries, [ALL, SENT], {"\\All"})
    assert {folder for _, folder, _ in hidden} == {ALL.name}


def test_all_mail_that_was_archived_without_labels_stays_one_folder() -> None:
    entries = [entry("a"), entry("a", folder="INBOX"), entry("b", "Work", folder=SPAM.name)]
    every: tuple[set[str] | None, ...] = ({"\\All"}, None)
    for uses in every:
        found, folders = spread(entries, [ALL, SPAM], uses)
        assert (found, folders) == (entries, [ALL, SPAM])


def test_all_mail_goes_to_all_mail_of_another_language_where_labels_are_kept() -> None:
    german = [Folder("INBOX", "/"), Folder("[Gmail]/Alle Nachrichten", "/", "\\All")]
    assert target_names([ALL], Destination(german, labels=True)) == {ALL.name: "[Gmail]/Alle Nachrichten"}
