"""Each form of mail on a disk, told by its content, with its folders and flags."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from archiver.accounts.files.disk import Unreadable
from archiver.accounts.files.packed import unpack
from archiver.formats.mbox_dialects import Dialect
from archiver.model import Done, Kind
from tests.unit.accounts.files.reading import LINE, Taken, mail, mbox, write

ONE, TWO, THREE = mail("one"), mail("two"), mail("three")


def maildir(path: Path, **files: bytes) -> Path:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    for name, content in files.items():
        write(path / "cur" / name, content)
    return path


# --- Maildir --------------------------------------------------------------------------------------------


def test_a_maildir_with_its_folders_flags_and_times(tmp_path: Path) -> None:
    top = maildir(tmp_path / "Maildir")
    file = write(top / "cur" / "1700000000.M1P1.host,S=72:2,FRSabcd", ONE)
    os.utime(file, (1600000000.75, 1600000000.75))
    write(top / "new" / "1700000001.M1P1.host", TWO)
    write(top / "tmp" / "1700000002.M1P1.host", b"being written")
    write(top / "dovecot-keywords", b"0 Work\n1 $Label1\n2 a b\n3 \nx y\n26 z\n")
    write(top / "dovecot-uidlist", b"3 V1 N3 Gabc\n")
    write(maildir(top / ".Lists.Z&APw-rich") / "cur" / "x:2,", THREE)
    taken = Taken(top)
    assert taken.raws == {"INBOX": [ONE, TWO], "Lists/Zürich": [THREE]}
    assert set(taken.forms.values()) == {"Maildir"}
    first, second = taken.remotes("INBOX")
    assert first.flags == {"\\Flagged", "\\Answered", "\\Seen", "Work", "$Label1", "a_b"}
    assert first.received == datetime.fromtimestamp(1600000000, UTC)
    assert (first.size, second.flags) == (72, frozenset())
    assert taken.notes == []


def test_maildirs_in_folders_are_named_by_their_folders(tmp_path: Path) -> None:
    maildir(tmp_path / "mail" / "Inbox", a=ONE)
    maildir(tmp_path / "mail" / "Work" / "Old", b=TWO)
    maildir(tmp_path / "mail" / ".Work.directory" / "KMail", c=THREE)
    assert Taken(tmp_path / "mail").raws == {"INBOX": [ONE], "Work/Old": [TWO], "Work/KMail": [THREE]}


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        zstandard.compress,
        lambda raw: gzip.compress(raw[:40]) + gzip.compress(raw[40:]),
        lambda raw: bz2.compress(raw[:40]) + bz2.compress(raw[40:]),
        lambda raw: zstandard.compress(raw[:40]) + zstandard.compress(raw[40:]),
    ],
    ids=["gzip", "bzip2", "xz", "zstd", "gzip-twice", "bzip2-twice", "zstd-twice"],
)
def test_compressed_messages_are_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    long = mail("long", "x" * 3_000_000)
    assert Taken(maildir(tmp_path / "m", a=pack(ONE), b=pack(long))).raws == {"INBOX": [ONE, long]}


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"Dovecot-LZ4\r\x2a\x9b\xc5....", "it is compressed with LZ4, which archiver does not read"),
        (gzip.compress(ONE)[:-10], "it is compressed, and cut"),
        (bz2.compress(ONE)[:-10], "it is compressed, and cut"),
        (lzma.compress(ONE)[:-20], "it is compressed, and cut"),
        (gzip.compress(ONE)[:-8] + bytes(8), "it is compressed, and damaged"),
        (lzma.compress(ONE)[:20] + bytes(50), "it is compressed, and damaged"),
    ],
    ids=["lz4", "gzip-cut", "bzip2-cut", "xz-cut", "gzip-sum", "xz-damaged"],
)
def test_compressed_messages_that_cannot_be_read_are_missed_and_their_neighbours_are_not(
    tmp_path: Path, stored: bytes, reason: str
) -> None:
    taken = Taken(maildir(tmp_path / "m", a=stored, b=ONE))
    assert taken.missed == {"INBOX": [reason]}
    assert taken.raws == {"INBOX": [ONE]}


def test_cut_zstd_is_missed(tmp_path: Path) -> None:
    taken = Taken(maildir(tmp_path / "m", a=zstandard.compress(ONE)[:-6]))
    assert "it is cut" in taken.missed["INBOX"][0]


@pytest.mark.parametrize("form", ["gzip", "bzip2", "xz", "zstd"])
def test_decompression_stops_at_the_limit(form: str) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": lambda raw: zlib.compress(raw, wbits=31),
        "bzip2": bz2.compress,
        "xz": lzma.compress,
        "zstd": zstandard.compress,
    }
    bomb = packers[form](bytes(8_000_000))
    with pytest.raises(Unreadable, match="more than 1000000 bytes"):
        unpack(bomb, 1_000_000)


# --- mbox -----------------------------------------------------------------------------------------------


def test_a_tree_of_mbox_files_with_flags(tmp_path: Path) -> None:
    noted = ONE.replace(b"\n\n", b"\nStatus: RO\nX-Status: A\nX-Keywords: Work\n\n", 1)
    write(tmp_path / "mail" / "inbox", mbox(noted, TWO))
    write(tmp_path / "mail" / "Lists" / "python.mbox", mbox(THREE))
    write(tmp_path / "mail" / "empty", b"")
    taken = Taken(tmp_path / "mail")
    assert taken.raws == {"Lists/python": [THREE], "empty": [], "INBOX": [noted, TWO]}
    assert taken.remotes("INBOX")[0].flags == {"\\Seen", "\\Answered", "Work"}
    assert taken.remotes("INBOX")[0].received == datetime(2024, 1, 1, 10, tzinfo=UTC)


def test_what_is_said_of_the_quoting(tmp_path: Path) -> None:
    quoted = ONE + b">From here\n"
    write(tmp_path / "m" / "plain", mbox(ONE))
    write(tmp_path / "m" / "rd", mbox(quoted, TWO + b">>From there\n"))
    write(tmp_path / "m" / "unclear", mbox(quoted))
    taken = Taken(tmp_path / "m")
    assert taken.forms == {
        "plain": "mbox",
        "rd": "mboxrd",
        "unclear": 'mbox (mboxo or mboxrd: ">From " is kept as it stands)',
    }
    assert taken.raws["rd"] == [ONE + b"From here\n", TWO + b">From there\n"]
    assert taken.raws["unclear"] == [quoted]
    told = Taken(tmp_path / "m", "mboxrd")
    assert told.raws["unclear"] == [ONE + b"From here\n"]
    assert Taken(tmp_path / "m", "mboxo").raws["rd"] == [quoted, TWO + b">>From there\n"]


def test_the_keys_of_an_mbox_stay_when_it_turns_out_to_be_of_another_dialect(tmp_path: Path) -> None:
    file = write(tmp_path / "box", mbox(ONE + b">From here\n"))
    before = [remote.ref.key for remote in Taken(file).remotes("box")]
    write(file, mbox(ONE + b">From here\n", TWO + b">>From there\n"))
    assert [remote.ref.key for remote in Taken(file).remotes("box")][:1] == before


def test_thunderbirds_folders(tmp_path: Path) -> None:
    top = tmp_path / "Mail" / "Local Folders"
    note = b"X-Mozilla-Status: 0005\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1   \n"
    write(top / "Inbox", b"From - Mon Jan  1 10:00:00 2024\n" + note + ONE + b"\n")
    write(top / "Inbox.msf", b"// <!-- <mdb:mork:z v='1.4'/> -->\n")
    write(top / "Inbox.sbd" / "Work.sbd" / "Old", mbox(TWO))
    write(top / "Inbox.sbd" / "Work", b"")
    taken = Taken(top)
    assert taken.raws == {"INBOX": [note + ONE], "Inbox/Work": [], "Inbox/Work/Old": [TWO]}
    assert taken.remotes("INBOX")[0].flags == {"\\Seen", "\\Flagged", "$label1"}
    assert taken.notes == []


def test_googles_takeout(tmp_path: Path) -> None:
    raw = b"X-GM-THRID: 1\nX-Gmail-Labels: Inbox,Opened,Family\n" + ONE
    file = write(
        tmp_path / "All mail Including Spam and Trash.mbox",
        b"From 1792837483@xxx Tue Mar 05 10:11:12 +0000 2019\r\n" + raw.replace(b"\n", b"\r\n") + b"\r\n",
    )
    taken = Taken(file)
    assert taken.raws == {"All mail Including Spam and Trash": [raw.replace(b"\n", b"\r\n")]}
    (remote,) = taken.remotes("All mail Including Spam and Trash")
    assert remote.flags == {"Inbox", "\\Seen", "Family"}
    assert remote.received == datetime(2019, 3, 5, 10, 11, 12, tzinfo=UTC)


def test_folders_of_imap_backup_have_their_flags_and_are_mboxrd(tmp_path: Path) -> None:
    file = write(tmp_path / "ann" / "Work.mbox", mbox(ONE + b">From here\n", TWO))
    second = file.read_bytes().index(LINE, 1)
    noted = '{"version": 3, "uid_validity": 1, "messages": [{"uid": 1, "offset": 0, "length": 9, "flags": %s}, %s]}'
    last = f'{{"uid": 2, "offset": {second}, "length": 9, "flags": ["Flagged", "Recent", "$Junk"]}}'
    beside = write(tmp_path / "ann" / "Work.imap", (noted % ('["Seen"]', last)).encode())
    taken = Taken(tmp_path / "ann")
    assert taken.raws == {"Work": [ONE + b"From here\n", TWO]}
    assert [remote.flags for remote in taken.remotes("Work")] == [{"\\Seen"}, {"\\Flagged", "$Junk"}]
    assert taken.notes == []
    done = list(taken.account.changes(taken.account.folders()[0], None, dict))[-1]
    assert isinstance(done, Done)
    write(beside, (noted % ("[]", last)).encode())
    again = list(taken.account.changes(taken.account.folders()[0], done.cursor, dict))
    assert len(again) == 3  # the flags alone changed, and that is seen
    write(beside, b"{}")
    assert Taken(tmp_path / "ann").raws == {"Work": [ONE + b">From here\n", TWO]}


def test_patches_of_git_have_the_date_of_their_header(tmp_path: Path) -> None:
    patch = b"From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\n"
    patch += b"From: a@b\nDate: Fri, 5 Jan 2024 10:00:00 +0100\nSubject: [PATCH] x\n\nx\n\n"
    (remote,) = Taken(write(tmp_path / "x.patch", patch)).remotes("x.patch")
    assert remote.received == datetime(2024, 1, 5, 9, tzinfo=UTC)


# --- single files ---------------------------------------------------------------------------------------


def test_a_tree_of_eml_files(tmp_path: Path) -> None:
    dated = b"Received: by x;\n Tue, 2 Jan 2024 08:00:00 +0000\nDate: Mon, 1 Jan 2024 08:00:00 +0000\n" + ONE
    write(tmp_path / "saved" / "a.eml", dated)
    write(tmp_path / "saved" / "2023" / "b.EML", TWO)
    write(tmp_path / "saved" / "2023" / "c.eml", TWO)
    taken = Taken(tmp_path / "saved")
    assert taken.raws == {"saved": [dated], "2023": [TWO, TWO]}
    assert taken.remotes("saved")[0].received == datetime(2024, 1, 2, 8, tzinfo=UTC)
    first, second = (remote.ref.key for remote in taken.remotes("2023"))
    assert second == f"{first}-2"
    assert Taken(tmp_path / "saved" / "a.eml").raws == {"a": [dated]}


def test_files_that_are_numbers_are_messages_where_they_begin_as_one(tmp_path: Path) -> None:
    write(tmp_path / "mh" / "inbox" / "1", ONE)
    write(tmp_path / "mh" / "inbox" / "12", b"no mail\n")
    write(tmp_path / "mh" / "inbox" / "letter", TWO)
    taken = Taken(tmp_path / "mh")
    assert taken.raws == {"INBOX": [ONE]}
    assert taken.notes == [f'"{tmp_path}/mh/inbox": 2 files are no mail, and passed over']


def test_apple_mails_folders(tmp_path: Path) -> None:
    plist = b'<?xml version="1.0"?><plist version="1.0"><dict><key>flags</key><integer>17</integer></dict></plist>'
    messages = tmp_path / "V9" / "Work.mbox" / "Sub.mbox" / "3F0C" / "Data" / "1" / "Messages"
    write(messages / "11.emlx", b"%d\n" % len(ONE) + ONE + plist)
    write(messages / "12.partial.emlx", b"%d\n" % len(ONE) + ONE + plist)
    write(messages / "13.emlx", b"%d\n" % (len(ONE) - 9) + ONE + plist)
    write(tmp_path / "V9" / "Exported.mbox" / "mbox", mbox(TWO))
    write(tmp_path / "V9" / "Exported.mbox" / "table_of_contents", b"\0\1")
    write(tmp_path / "V9" / "Outlook" / "Sent" / "mbox", mbox(THREE))  # of readpst -r
    taken = Taken(tmp_path / "V9")
    assert taken.raws == {"Exported": [TWO], "Outlook/Sent": [THREE], "Work/Sub": [ONE]}
    assert taken.remotes("Work/Sub")[0].flags == {"\\Seen", "\\Flagged"}
    assert [reason.partition(": ")[2] for reason in taken.missed["Work/Sub"]] == [
        "Apple Mail has only a part of this message on the disk",
        "the length that it begins with is not that of its message",
    ]


def test_calendars_and_contacts(tmp_path: Path) -> None:
    write(tmp_path / "dav" / "home" / "x.ics", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    write(tmp_path / "dav" / "people" / "y.vcf", b"BEGIN:VCARD\r\nFN:Ann\r\nEND:VCARD\r\n")
    write(tmp_path / "dav" / "people" / "z.vcf", b"hello")
    taken = Taken(tmp_path / "dav")
    assert [remote.kind for remote in taken.remotes("home")] == [Kind.EVENT]
    assert [remote.kind for remote in taken.remotes("people")] == [Kind.CONTACT]
    assert taken.missed["people"] == ['"people/z.vcf": it does not begin with BEGIN:VCARD']


def test_folders_that_would_have_one_name_stay_apart(tmp_path: Path) -> None:
    write(tmp_path / "m" / "Work", mbox(ONE))
    write(tmp_path / "m" / "Work.mbox", mbox(TWO))
    maildir(tmp_path / "m" / "Work.sbd", a=THREE)
    assert Taken(tmp_path / "m").raws == {"Work": [ONE], "Work (2)": [TWO], "Work (3)": [THREE]}


def test_message_and_from_line_fit(tmp_path: Path) -> None:
    assert Taken(write(tmp_path / "x", LINE + ONE)).raws == {"x": [ONE]}


def test_another_reading_of_the_same_file_names_the_same_messages(tmp_path: Path) -> None:
    file = write(tmp_path / "x", mbox(ONE + b">From here\n", TWO))
    readings: list[Dialect | None] = [None, "mboxrd", "mboxo", "mboxcl2"]
    keys = [[remote.ref.key for remote in Taken(file, told).remotes("x")] for told in readings]
    assert keys == [keys[0]] * 4
