"""Whatever lies in a tree of files: each message is given or missed, the second look is quiet, and nothing breaks."""

import bz2
import gzip
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.accounts.files.account import FilesAccount
from archiver.errors import Unreachable
from archiver.model import Cursor, Done, Message, Missed, New

LINE = b"From ann@example.org Mon Jan  1 10:00:00 2024\n"
pieces = st.sampled_from(
    [
        LINE,
        b"From \n",
        b">From x\n",
        b">>From x\n",
        b"\n",
        b"\r\n",
        b"Subject: x\n",
        b"Date: Mon, 1 Jan 2024 10:00:00 +0000\n",
        b"Received: x; Tue, 99 Foo 10000 99:99:99 +9999\n",
        b"Status: RO\n",
        b'X-Gmail-Labels: =?utf-8?q?a=2Cb?=, "c,d\n',
        b"X-Mozilla-Status: 0009\n",
        b"Content-Length: 20\n",
        b"12\n",
        b"99999999999\n",
        b'<?xml version="1.0"?><plist><dict><key>flags</key><integer>99</integer></dict></plist>',
        b"BEGIN:VCALENDAR\r\n",
        b"BEGIN:VCARD\r\nFN:x\r\n",
        b'{"version": 3, "uid_validity": 1, "messages": [{"offset": 0, "flags": ["Seen", ""]}]}',
        gzip.compress(b"Subject: x\n\n"),
        bz2.compress(b"Subject: x\n\n")[:20],
        b"\x28\xb5\x2f\xfd\x24",
        b"\0",
        b"\xff",
    ]
)
contents = st.lists(st.one_of(pieces, st.binary(max_size=12)), max_size=9).map(b"".join)
names = st.sampled_from(
    [
        *("box", "INBOX", "inbox", "Work.mbox", "Work.imap", "Work.msf", "X.mbox/mbox", "X.mbox/Y/9.emlx"),
        *("a.eml", "7", "8.", "b.emlx", "c.partial.emlx", "d.ics", "e.vcf", "X.sbd/Work", "X.sbd/a.eml"),
        *("cur/1:2,FSab", "cur/2", "new/3,S=9", "dovecot-keywords", "Work.sbd/Work"),
        *(".Sub.Z&APw-rich/cur/1:2,", ".Sub.Z&APw-rich/new/2", ".&x/cur/1", ".&x/new/1"),
        *(".a.directory/b/cur/1", ".a.directory/b/tmp/1"),
    ]
)
trees = st.dictionaries(names, contents, max_size=6)


def _note(text: str) -> None:
    text.encode()


@given(trees)
@settings(deadline=None)
def test_each_message_is_given_or_missed_and_the_second_look_is_quiet(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in tree.items():
            path = Path(folder) / "top" / name
            if not any(parent.is_file() for parent in path.parents) and not path.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        account = FilesAccount(Path(folder) / "top", _note)
        try:
            folders = account.folders()
        except Unreachable:
            return
        assert len({each.name for each in folders}) == len(folders)
        for each in folders:
            *told, done = account.changes(each, None, dict)
            assert isinstance(done, Done)
            remotes = [one.remote for one in told if isinstance(one, New)]
            assert len(remotes) == len(told) == done.exists == len({one.ref.key for one in remotes})
            given_back = list(account.fetch(remotes))
            assert [one.remote for one in given_back] == remotes
            for one in given_back:
                assert isinstance(one, Message) or (isinstance(one, Missed) and one.reason and not one.gone)
                one.remote.ref.key.encode()
            held = {one.ref.key: one.flags for one in remotes}
            for token in (done.cursor.token, ""):
                again = account.changes(each, Cursor(done.cursor.epoch, token), held.copy)
                assert list(again) == [done]
