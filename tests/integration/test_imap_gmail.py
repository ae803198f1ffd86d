"""Gmail's labels: read with the messages of All Mail, told anew when they change, set again on restore."""

import pytest

from archiver.accounts.imap import epoch as epochs
from archiver.accounts.owner import owner_of
from archiver.model import Appended, Change, Cursor, Done, Flags, Folder, New, Outgoing, Reflagged, Removed
from tests.integration.double_client import INBOX, Client, Make, mails
from tests.servers.gmail import CAPABILITIES, ENGLISH, GERMAN, GmailDouble
from tests.servers.imap_double import ImapDouble, Mail
from tests.servers.stateful_double import Box

ALL = Folder("[Gmail]/All Mail", "/", "\\All")
OWNER = owner_of("127.0.0.1", "ann")


def listed(
    one: Client, folder: Folder = ALL, since: Cursor | None = None, known: dict[str, Flags] | None = None
) -> list[Change]:
    """Tell the changes of a folder, after a listing of the folders as a run makes one."""
    one.account.folders()
    return list(one.account.changes(folder, since, lambda: known or {}))


def flags_of(changes: list[Change]) -> dict[str, Flags]:
    """Give the flags that were told: key -> flags."""
    told = {one.remote.ref.key: one.remote.flags for one in changes if isinstance(one, New)}
    return told | {one.ref.key: one.flags for one in changes if isinstance(one, Reflagged)}


def cursor_of(changes: list[Change]) -> Cursor:
    """Give the cursor of a listing that came to its end."""
    done = changes[-1]
    assert isinstance(done, Done)
    return done.cursor


@pytest.mark.parametrize("language", [ENGLISH, GERMAN], ids=["english", "german"])
def test_all_mail_is_known_by_its_special_use_and_tells_labels(
    client: Make, language: dict[str, str]
) -> None:
    with GmailDouble(language=language) as double:
        sent, drafts = ("[Gmail]/" + language[use] for use in ("\\Sent", "\\Drafts"))
        double.file(b"one", "INBOX", "Work/2024", "To do (soon)", flags="\\Seen")
        double.file(b"two", sent, 'a "quoted" \\ one')
        double.file(b"three", "Gr&APwA3w-e", "R&-D", drafts)
        double.file(b"four")
        one = client(double)
        folder = next(one for one in one.account.folders() if one.special_use == "\\All")
        assert folder.name == "[Gmail]/" + language["\\All"]
        assert list(flags_of(listed(one, folder)).values()) == [
            {"\\Seen", "label: \\Inbox", "label: Work/2024", "label: To do (soon)"},
            {"label: \\Sent", 'label: a "quoted" \\ one'},
            {"label: Grüße", "label: R&D", "label: \\Draft"},
            frozenset(),
        ]


@pytest.mark.parametrize(
    "told",
    [
        b'X-GM-LABELS (\\Inbox \\Important "Muy Importante" Gr&APwA3w-e)',
        b'X-GM-LABELS (\\\\Inbox "\\\\\\\\Important" "Muy Importante" "Gr&APwA3w-e")',
        b'X-GM-LABELS ("\\\\Inbox" "\\\\Important" {14}\r\nMuy Importante "Gr&APwA3w-e")',
    ],
)
def test_labels_are_read_as_atoms_strings_and_literals(client: Make, told: bytes) -> None:
    row = (
        b"* 1 FETCH ("
        + told
        + b' UID 1 FLAGS (\\Flagged NotJunk) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 3)\r\n%t OK\r\n'
    )
    folders = [b'(\\All) "/" "[Gmail]/All Mail"']
    with ImapDouble(mails(1), CAPABILITIES, folders=folders, answers=[(rb"UID FETCH", row)]) as double:
        flags = flags_of(listed(client(double)))
        labels = {"label: \\Inbox", "label: \\Important", "label: Muy Importante", "label: Grüße"}
        assert flags == {"1": {"\\Flagged", "NotJunk", *labels}}


def test_labels_come_in_utf_8_where_names_do(client: Make) -> None:
    mail = Mail(b"one", labels='"Grüße" "R&-D"'.encode())
    folders = [b'(\\All) "/" "[Gmail]/All Mail"']
    capabilities = CAPABILITIES + " ENABLE UTF8=ACCEPT"
    enabled = (rb"ENABLE", b"* ENABLED UTF8=ACCEPT\r\n%t OK\r\n")
    with ImapDouble({1: mail}, capabilities, folders=folders, answers=[enabled]) as double:
        assert flags_of(listed(client(double))) == {"1": {"label: Grüße", "label: R&-D"}}


def test_no_other_folder_and_no_other_server_is_asked_for_labels(client: Make) -> None:
    with GmailDouble() as double:
        double.file(b"one", "INBOX", "Work", flags="\\Seen")
        assert flags_of(listed(client(double), INBOX)) == {"1": {"\\Seen"}}
        double.capabilities = CAPABILITIES.replace(" X-GM-EXT-1", "")
        assert list(flags_of(listed(client(double))).values()) == [{"\\Seen"}]
        assert not double.commands(rb".*X-GM-LABELS")


def test_a_flag_that_looks_like_a_label_is_none(client: Make) -> None:
    with ImapDouble(mails(1), row='UID {uid} FLAGS (\\Seen "label: Work") RFC822.SIZE {size}') as double:
        assert flags_of(listed(client(double), INBOX)) == {"1": {"\\Seen", "label:_Work"}}


def test_a_label_that_comes_or_goes_is_told_by_comparison(client: Make) -> None:
    with GmailDouble() as double:
        mail = double.file(b"one", "INBOX", "Work", flags="\\Seen")
        double.file(b"two", "Work")
        first = listed(client(double))
        known = flags_of(first)
        assert flags_of(listed(client(double), ALL, cursor_of(first), known)) == {}
        double.boxes["INBOX"].mails.clear()
        double.boxes["Done"] = Box()
        double.boxes["Done"].put(mail)
        assert flags_of(listed(client(double), ALL, cursor_of(first), known)) == {
            "200": {"\\Seen", "label: Work", "label: Done"}
        }


def condstore() -> ImapDouble:
    """Make a Gmail that tells what changed, as it does: CONDSTORE, no QRESYNC."""
    double = ImapDouble(mails(3), CAPABILITIES + " CONDSTORE ENABLE LIST-STATUS", modseq=70)
    for mail in double.mails.values():
        mail.labels = b'"\\\\Inbox" Work'
    row = b'(\\All) "/" "[Gmail]/All Mail"'

    def status() -> bytes:
        return b" MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 HIGHESTMODSEQ %d)\r\n" % (double.modseq or 0)

    double.folders = [row]
    double.answers.append(
        (
            rb"LIST",
            lambda _: b"* LIST " + row + b'\r\n* STATUS "[Gmail]/All Mail" (' + status()[1:] + b"%t OK\r\n",
        )
    )
    return double


def test_a_label_that_changed_is_told_by_condstore(client: Make) -> None:
    with condstore() as double:
        first = listed(client(double))
        assert set(flags_of(first).values()) == {frozenset({"label: \\Inbox", "label: Work"})}
        double.seen.clear()
        assert len(listed(client(double), ALL, cursor_of(first))) == 1
        assert not double.commands(rb"EXAMINE"), "nothing changed, nothing is opened"
        double.modseq, double.changed, double.mails[2].labels = 71, {2}, b"Work Done"
        assert flags_of(listed(client(double), ALL, cursor_of(first))) == {
            "2": {"label: Work", "label: Done"}
        }
        assert len(double.commands(rb"UID FETCH")) == 1


def test_what_was_archived_without_labels_gets_them_though_nothing_changed(client: Make) -> None:
    with condstore() as double:
        epoch = epochs.write(7, OWNER)
        before = Cursor(epoch, "uidnext=4 modseq=70 messages=3")
        changes = listed(client(double), ALL, before, dict.fromkeys("123", frozenset()))
        assert [type(one) for one in changes] == [Reflagged] * 3 + [Done]
        assert set(flags_of(changes).values()) == {frozenset({"label: \\Inbox", "label: Work"})}


def test_labels_that_are_not_told_any_more_are_kept(client: Make) -> None:
    with condstore() as double:
        first = listed(client(double))
        known = flags_of(first)
        double.capabilities = double.capabilities.replace("X-GM-EXT-1", "")
        double.modseq, double.changed, double.mails[2].flags = 71, {2}, "\\Seen"
        second = listed(client(double), ALL, cursor_of(first), known)
        assert flags_of(second) == {"2": {"\\Seen", "label: \\Inbox", "label: Work"}}
        double.modseq = None  # all is listed and compared
        assert flags_of(listed(client(double), ALL, cursor_of(second), known | flags_of(second))) == {}


def test_a_line_about_flags_alone_takes_no_label_away(client: Make) -> None:
    with condstore() as double:
        first = listed(client(double))
        double.modseq = 71
        double.answers.insert(
            0, (rb"UID FETCH .*CHANGEDSINCE", b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n%t OK\r\n")
        )
        assert flags_of(listed(client(double), ALL, cursor_of(first), flags_of(first))) == {}


def test_qresync_is_not_used_for_labels_since_it_tells_of_flags_alone(client: Make) -> None:
    with condstore() as double:
        double.capabilities += " QRESYNC"
        double.answers.append((rb"ENABLE", b"* ENABLED QRESYNC\r\n%t OK\r\n"))
        first = listed(client(double))
        double.modseq, double.changed, double.mails[2].labels = 71, {2}, b"Work"
        assert flags_of(listed(client(double), ALL, cursor_of(first))) == {"2": {"label: Work"}}
        assert not double.commands(rb"EXAMINE .*QRESYNC")


def test_a_line_about_flags_on_opening_takes_no_label_away(client: Make) -> None:
    with condstore() as double:
        first = listed(client(double))
        double.modseq, double.changed, double.mails[2].flags = 71, {2}, "\\Seen"
        unasked = b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
        double.answers.append((rb"EXAMINE", lambda _: unasked + double._examine() + b"%t OK opened\r\n"))
        assert flags_of(listed(client(double), ALL, cursor_of(first), flags_of(first))) == {
            "2": {"\\Seen", "label: \\Inbox", "label: Work"}
        }


def test_a_line_about_flags_in_a_listing_leaves_the_labels(client: Make) -> None:
    with condstore() as double:
        double.chatter = b"* 2 FETCH (UID 2 FLAGS (\\Answered))\r\n"
        flags = flags_of(listed(client(double)))
        assert {"label: \\Inbox", "label: Work"} <= flags["2"]


# --- putting in -------------------------------------------------------------------------------------------


def put_in(one: Client, flags: Flags, raw: bytes = b"Subject: x\r\n\r\nx\r\n") -> Flags:
    """Put a message into All Mail with its labels; give what the server does not keep."""
    one.account.folders()
    (taken,) = one.account.append(ALL, [Outgoing("d", raw, flags)])
    assert isinstance(taken, Appended)
    assert taken.ref is not None
    assert taken.altered is None
    return one.account.keep_flags(ALL, taken.ref.epoch, {taken.ref.key: flags}).get(
        taken.ref.key, frozenset()
    )


def test_labels_are_set_after_a_message_was_put_in_and_their_folders_made(client: Make) -> None:
    with GmailDouble() as double:
        labels = {
            "label: \\Inbox",
            "label: \\Sent",
            "label: Work/2024",
            "label: To do (soon)",
            "label: Grüße",
        }
        assert put_in(client(double), frozenset({"\\Seen", *labels})) == {"label: \\Sent"}
        assert double.posted[0].flags == {"\\Seen"}
        (where,) = double.labels().values()
        assert where == {"[Gmail]/All Mail", "INBOX", "Work/2024", "To do (soon)", "Gr&APwA3w-e"}


def test_labels_are_set_in_utf_8_where_names_are(client: Make) -> None:
    with GmailDouble(capabilities=CAPABILITIES + " ENABLE UTF8=ACCEPT") as double:
        double.answers.append((rb"ENABLE", b"* ENABLED UTF8=ACCEPT\r\n%t OK\r\n"))
        put_in(client(double), frozenset({"label: Grüße"}))
        assert double.commands(rb"UID STORE") == ["UID STORE 200 +X-GM-LABELS (Grüße)".encode()]


def test_a_line_about_flags_does_not_make_a_label_seem_lost(client: Make) -> None:
    with GmailDouble() as double:
        double.chatter = b"* 1 FETCH (UID 200 FLAGS (\\Seen))\r\n"
        assert put_in(client(double), frozenset({"\\Seen", "label: Work"})) == frozenset()
        assert len(double.commands(rb"UID STORE")) == 1


def test_a_label_that_gmail_refuses_is_told_and_the_others_are_set(client: Make) -> None:
    with GmailDouble() as double:
        flags = frozenset({"label: Work", "label: \\Muted", "label: \\Inbox"})
        assert put_in(client(double), flags) == {"label: \\Muted"}
        (where,) = double.labels().values()
        assert where == {"[Gmail]/All Mail", "INBOX", "Work"}


def test_a_server_without_labels_is_sent_none(client: Make) -> None:
    with GmailDouble(capabilities=CAPABILITIES.replace(" X-GM-EXT-1", "")) as double:
        flags = frozenset({"\\Seen", "label: Work"})
        assert put_in(client(double), flags) == {"label: Work"}
        assert double.posted[0].flags == {"\\Seen"}
        assert not double.commands(rb"UID STORE|CREATE|.*LABELS")


# --- removing ---------------------------------------------------------------------------------------------


def test_what_is_moved_from_all_mail_to_the_trash_is_gone_from_every_label(client: Make) -> None:
    with GmailDouble() as double:
        double.file(b"old", "INBOX", "Work")
        double.file(b"new", "INBOX", "Work")
        one = client(double)
        trash = one.account.trash()
        assert trash is not None
        (told,) = one.account.remove(ALL, epochs.write(2, OWNER), ["200"], trash)
        assert isinstance(told, Removed)
        assert told.to is not None
        assert double.labels() == {
            b"old": {"[Gmail]/Trash"},
            b"new": {"[Gmail]/All Mail", "INBOX", "Work"},
        }
