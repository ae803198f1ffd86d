"""Each oddity of a server by its name."""

import pytest

from archiver.accounts.imap import quirks, replies
from archiver.accounts.imap.events import Status
from archiver.errors import FolderRefused, Forbidden, LoginRefused, Unreachable


def test_exchange_says_how_long_it_wants_to_be_left_alone() -> None:
    said = "Request is throttled. Suggested Backoff Time: 299961 milliseconds"
    assert quirks.backoff_s(said) == pytest.approx(299.961)
    assert quirks.backoff_s("Request is throttled") is None
    error = replies.busy(Status("a1", "BAD", text=said))
    assert error
    assert error.wait_s == pytest.approx(299.961)


def test_icloud_is_known_by_its_capabilities() -> None:
    assert quirks.distrusts_qresync(frozenset({"IMAP4REV1", "QRESYNC", "XAPPLELITERAL"}))
    assert not quirks.distrusts_qresync(frozenset({"IMAP4REV1", "QRESYNC"}))
    assert quirks.hides_capabilities(frozenset({"XAPPLEPUSHSERVICE", "IMAP4REV1"}))


def test_163_com_gets_an_id_with_a_name() -> None:
    assert quirks.identity()["name"] == "archiver"
    assert quirks.is_unsafe_login("SELECT Unsafe Login. Please contact kefu@188.com for help")


def test_modseq_0_is_none() -> None:
    assert quirks.modseq(0) is None
    assert quirks.modseq(None) is None
    assert quirks.modseq(5) == 5


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status("a", "NO", "AUTHENTICATIONFAILED", b"", "Invalid credentials"), LoginRefused),
        (Status("a", "NO", "", b"", "LOGIN failed."), LoginRefused),
        (Status("a", "NO", "AUTHORIZATIONFAILED", b"", "no such authorization-ID"), Forbidden),
        (Status("a", "NO", "UNAVAILABLE", b"", "try later"), Unreachable),
        (Status("a", "NO", "", b"", "Service temporarily unavailable"), Unreachable),
    ],
)
def test_a_refused_login_is_sorted(status: Status, kind: type[Exception]) -> None:
    assert type(replies.login_refused(status, "ann")) is kind or isinstance(
        replies.login_refused(status, "ann"), kind
    )


def test_a_wrong_password_is_no_busy_server_whatever_its_words() -> None:
    said = Status("a", "NO", "", b"", "Invalid credentials, please try again later")
    assert isinstance(replies.login_refused(said, "ann"), LoginRefused)


def test_a_refused_folder_is_the_folders_own_trouble() -> None:
    error = replies.folder_refused(Status("a", "NO", "NONEXISTENT", b"", "Mailbox doesn't exist."), "Été")
    assert isinstance(error, FolderRefused)
    assert error.text == 'the server does not open the folder "Été": "[NONEXISTENT] Mailbox doesn\'t exist"'
    no_mailbox = Status("a", "BAD", text="User is authenticated but not connected.")
    assert isinstance(replies.folder_refused(no_mailbox, "INBOX"), Forbidden)


def test_gmail_is_known_by_its_extension() -> None:
    assert quirks.expunge_only_unlabels(frozenset({"IMAP4REV1", "X-GM-EXT-1", "MOVE"}))
    assert not quirks.expunge_only_unlabels(frozenset({"IMAP4REV1", "MOVE"}))
