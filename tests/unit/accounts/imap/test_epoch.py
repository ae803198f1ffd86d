"""The epoch of UIDs names the numbering and whose mailbox it is."""

from archiver.accounts.imap import epoch
from archiver.accounts.owner import owner_of


def test_an_epoch_is_read_back_for_the_mailbox_it_was_written_for() -> None:
    ann = owner_of("imap.example.org", "ann")
    assert epoch.read(epoch.write(1712345678, ann), ann) == 1712345678


def test_the_epoch_of_another_user_or_host_is_another_one() -> None:
    ann = owner_of("imap.example.org", "ann")
    for other in (owner_of("imap.example.org", "bob"), owner_of("mail.example.org", "ann")):
        assert epoch.read(epoch.write(1, ann), other) is None
        assert epoch.write(1, ann) != epoch.write(1, other)


def test_the_case_of_host_and_user_makes_no_other_mailbox() -> None:
    assert owner_of("IMAP.Example.org", "Ann") == owner_of("imap.example.org", "ann")


def test_what_is_no_epoch_is_read_as_none() -> None:
    for text in ("", "7", ".", "7.", "x.ann", "7" * 20 + ".ann"):
        assert epoch.read(text, "ann") is None
