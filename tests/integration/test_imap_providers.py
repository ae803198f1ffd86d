"""Providers by name: what each of them does otherwise, and that mail of it is archived all the same.

Gmail has a file of its own; that 163.com wants to know who calls stands in `test_imap_odd_sessions`.
"""

import re

import pytest

from archiver.plan.proposal import Proposal, propose
from tests.integration.double_client import Make, check_all_but, mails
from tests.servers.imap_double import Answer, ImapDouble

BASE = "IMAP4rev1 SASL-IR AUTH=PLAIN"


def test_microsoft_365_throttles_and_drops_the_line_and_is_given_the_time_it_wants(client: Make) -> None:
    # https://github.com/imapsync/imapsync/issues/272 and its FAQ.Office365
    said = b"%t BAD Request is throttled. Suggested Backoff Time: 29996 milliseconds\r\n"
    script = iter([said, b"DROP"])
    answers: list[tuple[bytes, Answer]] = [(rb"UID FETCH .*BODY", lambda found: next(script, None))]
    with ImapDouble(
        mails(9), f"{BASE} UIDPLUS MOVE ID UNSELECT CHILDREN NAMESPACE LITERAL+", answers=answers
    ) as double:
        one = client(double)
        bodies, reasons = one.got()
        check_all_but(double, bodies)
        assert reasons == {}
        assert 29.996 in one.waited


@pytest.mark.parametrize("code", [b"[UNAVAILABLE] ", b"[SERVERBUG] ", b""])
def test_yahoo_refuses_one_message_for_ever_and_the_others_are_had(client: Make, code: bytes) -> None:
    # https://github.com/joeyates/imap-backup/issues/218
    refusal = b"NO " + code + b"UID FETCH Server error - Please try again later"
    with ImapDouble(mails(9), refused={4}, refused_parts={4}, refusal=refusal) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies, 4)
        assert set(reasons) == {4}
        assert "try again later" in reasons[4]


def test_icloud_is_asked_for_no_rfc822_and_its_qresync_is_not_used(client: Make) -> None:
    # https://github.com/rcarmo/imapbackup/issues/50, https://github.com/Foundry376/Mailspring-Sync/pull/91
    capabilities = f"{BASE} CONDSTORE QRESYNC ENABLE XAPPLEPUSHSERVICE XAPPLELITERAL UIDPLUS"

    def fetch(found: re.Match[bytes]) -> bytes | None:
        asked = found[0].upper()
        return b"* 1 FETCH (UID 1)\r\n%t OK\r\n" if b"RFC822)" in asked or b" RFC822 " in asked else None

    answers: list[tuple[bytes, Answer]] = [(rb"UID FETCH .*", fetch), (rb"ENABLE", b"%t OK\r\n")]
    with ImapDouble(mails(5), capabilities, modseq=60, answers=answers) as double:
        bodies, reasons = client(double).got()
        check_all_but(double, bodies)
        assert reasons == {}
        assert not double.commands(rb"ENABLE.*QRESYNC|.*\(QRESYNC")
        assert not double.commands(rb"SELECT|UID STORE")


def test_gmx_tells_no_namespace_no_special_use_and_no_separator(client: Make) -> None:
    # https://github.com/imapsync/imapsync FAQ.Various_Software_Servers
    names = [b"INBOX", b"Gesendet", b"Entw&APw-rfe", b"Spamverdacht", b"Gel&APY-scht", b"Papierkorb"]
    folders = [b'(\\HasNoChildren) NIL "%s"' % name for name in names]
    answers: list[tuple[bytes, Answer]] = [
        (rb"NAMESPACE", b"%t BAD what is that\r\n"),
        (rb'LIST "" ""', b"%t OK\r\n"),
    ]
    with ImapDouble(mails(2), f"{BASE} IDLE UIDPLUS", folders=folders, answers=answers) as double:
        one = client(double)
        listed = one.account.folders()
        assert [folder.name for folder in listed] == [
            *("INBOX", "Gesendet", "Entwürfe", "Spamverdacht", "Gelöscht", "Papierkorb")
        ]
        assert one.account.home() == ""
        assert list(one.account.changes(listed[2], None, dict))
        assert double.commands(rb"EXAMINE")[-1] == b'EXAMINE "Entw&APw-rfe"'


def test_fastmail_keeps_to_the_standards_and_its_folders_are_known_by_use(client: Make) -> None:
    # https://www.fastmail.help/hc/en-us/articles/1500000278382
    folders = [
        b'(\\HasNoChildren) "/" INBOX',
        b'(\\HasNoChildren \\Archive) "/" Archive',
        b'(\\HasNoChildren \\Junk) "/" Spam',
        b'(\\HasNoChildren \\Trash) "/" Trash',
        b'(\\HasNoChildren) "/" "R&AOk-ponses"',
    ]
    capabilities = f"{BASE} LITERAL+ SPECIAL-USE LIST-EXTENDED LIST-STATUS CONDSTORE UIDPLUS MOVE NAMESPACE"
    answers: list[tuple[bytes, Answer]] = [(rb"NAMESPACE", b'* NAMESPACE (("" "/")) NIL NIL\r\n%t OK\r\n')]
    with ImapDouble(mails(3), capabilities, folders=folders, modseq=9, answers=answers) as double:
        one = client(double)
        listed = one.account.folders()
        assert [(one.name, one.special_use) for one in listed[3:]] == [
            ("Trash", "\\Trash"),
            ("Réponses", None),
        ]
        assert propose(listed, one.account.keeps_labels()) == Proposal(exclude=("Spam", "Trash"))
        bodies, _ = one.got()
        check_all_but(double, bodies)
