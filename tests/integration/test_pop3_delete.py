"""Deleting by POP3: only what was named, only by a QUIT that was heard, and told only by a new listing."""

import re
from collections.abc import Iterator

import pytest

from archiver.errors import FolderRefused, RefusedForSafety, Unreachable
from archiver.model import Folder, Remote, Removed, Unremoved
from tests.contract.account import mail
from tests.integration.pop3_client import INBOX, Client, Make, clients, mails
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Pop3Owner
from tests.servers.pop3_double import Mail, Pop3Double


@pytest.fixture
def client() -> Iterator[Make]:
    with clients() as make:
        yield make


def removed(one: Client, *keys: str) -> tuple[list[str], dict[str, str]]:
    """Remove; give the keys of the removed, and reasons of the others."""
    told = list(one.account.remove(INBOX, one.epoch, keys, None))
    assert [item.key for item in told] == list(dict.fromkeys(keys))
    gone = [item.key for item in told if isinstance(item, Removed)]
    return gone, {item.key: item.reason for item in told if isinstance(item, Unremoved)}


def ids(double: Pop3Double) -> list[bytes | None]:
    return [mail.uidl for mail in double.mails]


# --- a real server ---------------------------------------------------------------------------------------------


def test_dovecot_deletes_what_was_named_and_nothing_else() -> None:
    require("dovecot")
    with Dovecot(["ann"], pop3=True) as server:
        owner = Pop3Owner(server, "ann")
        keys = [owner.deliver("INBOX", mail(number)) for number in range(300)]
        account = owner.account()
        (epoch,) = {remote.ref.epoch for remote in _listed(owner)}
        doomed = keys[10:250]
        late = owner.deliver("INBOX", mail(999))
        looked = account.look(INBOX, epoch, [keys[0], late, "unknown:3"])
        assert looked.exists == 301
        assert {key: (one.size, one.received) for key, one in looked.messages.items()} == {
            keys[0]: (len(mail(0)), None),
            late: (len(mail(999)), None),
        }
        told = list(account.remove(INBOX, epoch, doomed, None))
        assert told == [Removed(key) for key in doomed]
        assert [remote.ref.key for remote in _listed(owner)] == [*keys[:10], *keys[250:], late]
        account.close()
        owner.close()


def _listed(owner: Pop3Owner) -> list[Remote]:
    account = owner.account()
    try:
        changes = account.changes(INBOX, None, dict)
        return [change.remote for change in changes if hasattr(change, "remote")]
    finally:
        account.close()


# --- what deletes, and what does not ---------------------------------------------------------------------------


@pytest.mark.parametrize("capabilities", ["PIPELINING|UIDL", "UIDL"])
def test_the_named_are_deleted_by_their_ids_whatever_their_numbers_were(
    client: Make, capabilities: str
) -> None:
    with Pop3Double(mails(9), capabilities=capabilities) as double:
        one = client(double)
        keys = one.keys()
        one.account.close()
        double.mails.insert(0, Mail(b"new\r\n", b"new"))
        assert removed(one, keys[4], keys[1]) == ([keys[4], keys[1]], {})
        assert ids(double) == [b"new", b"id1", b"id3", b"id4", b"id6", b"id7", b"id8", b"id9"]


def test_there_is_no_trash_and_moving_is_refused_before_anything_is_done(client: Make) -> None:
    with Pop3Double(mails(2)) as double:
        one = client(double)
        keys = one.keys()
        assert one.account.trash() is None
        with pytest.raises(RefusedForSafety) as raised:
            one.account.remove(INBOX, one.epoch, keys, Folder("Trash"))
        assert "--expunge" in str(raised.value.hint)
        assert len(double.mails) == 2


def test_an_id_that_belongs_to_another_size_by_now_is_left_alone_and_not_told_as_removed(
    client: Make,
) -> None:
    with Pop3Double(mails(2)) as double:
        one = client(double)
        keys = one.keys()
        double.mails[0].raw = b"Subject: another\r\n\r\n"
        gone, left = removed(one, *keys)
        assert gone == [keys[1]]
        assert left == {keys[0]: "the server still has its id, of another size or for several messages"}
        assert double.commands(rb"DELE") == [b"DELE 2"]


def test_an_id_that_several_messages_have_deletes_none_of_them(client: Make) -> None:
    with Pop3Double(mails(3)) as double:
        one = client(double)
        keys = one.keys()
        double.mails.append(Mail(b"x\r\n", b"id2"))
        gone, left = removed(one, keys[1])
        assert (gone, double.commands(rb"DELE")) == ([], [])
        assert list(left) == [keys[1]]
        assert len(double.mails) == 4


def test_a_server_that_forgets_its_ids_in_between_is_not_taken_to_have_deleted_anything(client: Make) -> None:
    with Pop3Double(mails(3)) as double:
        one = client(double)
        keys = one.keys()
        one.account.close()
        double.answers.append((rb"UIDL", lambda found: b"-ERR not now\r\n" if double.logins > 2 else None))
        double.answers.append((rb"QUIT", lambda found: b"DROP" if double.logins == 2 else None))
        gone, left = removed(one, *keys)
        assert (gone, len(left), len(double.mails)) == ([], 3, 3)


def test_messages_without_id_are_deleted_by_their_content(client: Make) -> None:
    with Pop3Double(mails(4), uidl=False) as double:
        one = client(double)
        keys = one.keys()
        double.mails.reverse()
        assert removed(one, keys[0]) == ([keys[0]], {})
        assert sorted(mail.raw[9:10] for mail in double.mails) == [b"2", b"3", b"4"]


def test_of_equal_messages_without_id_as_many_go_as_were_named(client: Make) -> None:
    with Pop3Double([Mail(b"twin\r\n") for _ in range(3)], uidl=False) as double:
        one = client(double)
        keys = one.keys()
        gone, left = removed(one, keys[1])
        assert len(double.mails) == 2
        assert (gone, len(left)) in (([keys[1]], 0), ([], 1))
        left_there = one.keys()
        assert keys[2] not in left_there


def test_a_refused_dele_leaves_that_message_and_takes_the_others(client: Make) -> None:
    with Pop3Double(mails(4), answers=[(rb"DELE 2", b"-ERR [SYS/PERM] keep it\r\n")]) as double:
        one = client(double)
        keys = one.keys()
        gone, left = removed(one, *keys)
        assert gone == [keys[0], keys[2], keys[3]]
        assert left == {keys[1]: 'the server refuses to delete it: "[SYS/PERM] keep it"'}
        assert ids(double) == [b"id2"]


@pytest.mark.parametrize("pattern", [rb"DELE 3", rb"QUIT"])
@pytest.mark.parametrize("answer", [b"DROP", b"garbage\r\n"])
def test_a_session_that_does_not_reach_its_quit_has_deleted_nothing(
    client: Make, pattern: bytes, answer: bytes
) -> None:
    with Pop3Double(mails(4), capabilities="UIDL") as double:
        one = client(double)
        keys = one.keys()
        one.account.close()
        once = iter([answer])
        double.answers.append((pattern, lambda found: next(once, None)))
        gone, left = removed(one, *keys)
        assert (gone, list(left)) == ([], keys)
        assert ids(double) == [b"id1", b"id2", b"id3", b"id4"]
        assert removed(one, *keys) == (keys, {})


def test_a_deletion_whose_answer_was_lost_is_found_by_the_new_listing(client: Make) -> None:
    with Pop3Double(mails(3)) as double:
        one = client(double)
        keys = one.keys()
        one.account.close()

        def quit_and_drop(found: re.Match[bytes]) -> bytes | None:
            if len(double.mails) < 3:
                return None
            del double.mails[:2]
            return b"DROP"

        double.answers.append((rb"QUIT", quit_and_drop))
        assert removed(one, *keys[:2]) == (keys[:2], {})


def test_a_server_that_keeps_what_it_said_to_delete_is_not_believed(client: Make) -> None:
    said = b"-ERR some deleted messages not removed\r\n"
    for answer in (b"+OK bye\r\n", said):
        with Pop3Double(mails(2), answers=[(rb"QUIT", answer)]) as double:
            one = client(double)
            keys = one.keys()
            gone, left = removed(one, *keys)
            assert gone == []
            assert set(left) == set(keys)
            assert ("some deleted messages" in left[keys[0]]) == (answer == said)


def test_what_somebody_else_deleted_is_gone(client: Make) -> None:
    with Pop3Double(mails(3)) as double:
        one = client(double)
        keys = one.keys()
        del double.mails[1]
        assert removed(one, keys[1]) == ([keys[1]], {})
        assert ids(double) == [b"id1", b"id3"]


def test_a_server_that_cannot_be_reached_after_the_deletion_answers_for_nothing(client: Make) -> None:
    with Pop3Double(mails(2), capabilities="UIDL") as double:
        one = client(double)
        keys = one.keys()
        one.account.close()
        double.answers.append(
            (rb"PASS", lambda found: None if double.logins < 2 else b"-ERR [IN-USE] no\r\n")
        )
        with pytest.raises(Unreachable):
            list(one.account.remove(INBOX, one.epoch, keys, None))


def test_reading_to_delete_where_reading_deletes_is_refused(client: Make) -> None:
    double = Pop3Double(mails(3), capabilities="EXPIRE 0", uidl=False, reads_delete=True)
    with double:
        one = client(double)
        keys = one.keys()
        with pytest.raises(RefusedForSafety):
            list(one.account.remove(INBOX, one.epoch, keys[:1], None))
        one.account.close()
        assert len(double.mails) == 3


def test_another_users_epoch_touches_nothing(client: Make) -> None:
    with Pop3Double(mails(2)) as double:
        one = client(double)
        keys = one.keys()
        with pytest.raises(FolderRefused):
            one.account.look(INBOX, "pop3.00000000", keys)
        with pytest.raises(FolderRefused):
            one.account.remove(INBOX, "pop3.00000000", keys, None)
        assert list(one.account.remove(INBOX, one.epoch, [], None)) == []
        assert len(double.mails) == 2


def test_closing_a_session_deletes_nothing(client: Make) -> None:
    with Pop3Double(mails(3)) as double:
        one = client(double)
        keys = one.keys()
        reader = one.account.remove(INBOX, one.epoch, keys, None)
        one.account.close()
        del reader
        assert len(double.mails) == 3
        assert double.commands(rb"DELE") == []
