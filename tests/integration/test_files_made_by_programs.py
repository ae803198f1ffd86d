"""Mail files that other programs made: mutt, Dovecot, git, and Python's own mailbox module."""

import mailbox
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.terminal import Terminal
from tests.unit.accounts.files.reading import Taken, mail, write

TEXTS = (
    mail("plain"),
    mail("from", "hello\nFrom here Mon Jan  1 10:00:00 2024\n>From there\n>>From yonder\nbye"),
    mail("dots", ".\n..\n\n\nFrom\n"),
    mail("umlaut", "Grüße"),
)


def crlf(raw: bytes) -> bytes:
    return raw.replace(b"\n", b"\r\n")


# --- mutt -----------------------------------------------------------------------------------------------


def mutt(home: Path, folder: Path, keys: str) -> None:
    """Run mutt at a terminal on a folder, with keys pressed for it; it ends by itself."""
    require("mutt")
    settings = "set quit=yes delete=yes move=no confirmappend=no confirmcreate=no folder=~"
    words = ("-n", "-F", os.devnull, "-f", folder, "-e", settings, "-e", f'push "{keys}"')
    terminal = Terminal(CommandLine(home), *words, program="mutt", TERM="vt100")
    assert terminal.end() == 0


def mutt_maildir(path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    for number, raw in enumerate(TEXTS):
        write(path / "cur" / f"170000000{number}.1_{number}.host:2,{'S' if number % 2 else ''}", raw)
    return path


def without_notes(raw: bytes) -> bytes:
    """Take out the fields that mutt writes into an mbox."""
    return b"".join(
        line
        for line in raw.splitlines(keepends=True)
        if not line.startswith((b"Status:", b"X-Status:", b"Content-Length:", b"Lines:"))
    )


def test_an_mbox_of_mutts_is_mboxcl2_and_holds_its_from_lines(tmp_path: Path) -> None:
    folder = mutt_maildir(tmp_path / "Maildir")
    box = tmp_path / "box"
    mutt(tmp_path, folder, f"<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{box}<enter><quit>")
    taken = Taken(box)
    assert taken.forms == {"box": "mboxcl2"}
    assert sorted(map(without_notes, taken.raws["box"])) == sorted(TEXTS)
    seen = {without_notes(each.raw): each.remote.flags for each in taken.mail["box"]}
    assert [seen[raw] for raw in TEXTS] == [frozenset(), {"\\Seen"}, frozenset(), {"\\Seen"}]


def test_flags_that_mutt_sets_in_an_mbox_are_told_for_the_same_messages(tmp_path: Path) -> None:
    box = tmp_path / "box"
    line = b"From ann@example.org Mon Jan  1 10:00:00 2024\n"
    write(box, b"".join(line + raw.replace(b"\nFrom", b"\n>From") + b"\n" for raw in (TEXTS[0], TEXTS[3])))
    before = {remote.ref.key for remote in Taken(box).remotes("box")}
    mutt(tmp_path, box, "<flag-message><next-entry><toggle-new><sync-mailbox><quit>")
    after = {remote.ref.key: remote.flags for remote in Taken(box).remotes("box")}
    assert set(after) == before
    assert sorted(map(sorted, after.values())) == [["\\Flagged"], ["\\Seen"]]


def test_a_maildir_of_mutts(tmp_path: Path) -> None:
    folder = mutt_maildir(tmp_path / "Maildir")
    before = {each.raw: each.remote for each in Taken(folder).mail["INBOX"]}
    mutt(tmp_path, folder, "<tag-pattern>~A<enter><tag-prefix><flag-message><sync-mailbox><quit>")
    after = {each.raw: each.remote for each in Taken(folder).mail["INBOX"]}
    assert set(after) == set(TEXTS)
    assert [after[raw].ref for raw in TEXTS] == [before[raw].ref for raw in TEXTS]
    assert all("\\Flagged" in remote.flags for remote in after.values())


# --- Dovecot --------------------------------------------------------------------------------------------


def serve(location: str, settings: str = "") -> Iterator[Dovecot]:
    require("dovecot")
    with Dovecot(["ann"], mail_location=location, settings=settings) as running:
        yield running


def fill(server: Dovecot) -> None:
    server.doveadm("mailbox", "create", "-u", "ann", "Zürich/Alt")
    for raw in TEXTS:
        server.deliver("ann", crlf(raw))
    server.deliver("ann", crlf(TEXTS[0]), "Zürich/Alt")
    server.doveadm("flags", "add", "-u", "ann", "\\Seen \\Flagged Work", "mailbox", "INBOX", "1")
    server.doveadm("flags", "add", "-u", "ann", "\\Answered $Forwarded", "mailbox", "INBOX", "2")


def home_of(server: Dovecot, tmp_path: Path) -> Path:
    return Path(shutil.copytree(server.base / "home" / "ann", tmp_path / "ann"))


@pytest.mark.parametrize("method", ["gz", "bz2", "zstd", "lz4", None])
def test_a_maildir_of_dovecots_compressed_or_not(tmp_path: Path, method: str | None) -> None:
    plugin = f"mail_plugins = zlib\nplugin {{\n  zlib_save = {method}\n}}\n" if method else ""
    for server in serve("maildir:~/Maildir", plugin):
        try:
            fill(server)
        except RuntimeError as error:
            pytest.skip(f"this Dovecot does not write {method}: {error}")
        top = home_of(server, tmp_path) / "Maildir"
        received = server.doveadm("fetch", "-u", "ann", "date.received.unixtime", "mailbox", "INBOX")
    taken = Taken(top)
    if method == "lz4":
        reason = "it is compressed with LZ4, which archiver does not read"
        assert taken.missed == {"INBOX": [reason] * 4, "Zürich/Alt": [reason]}
        return
    files = [path.read_bytes() for path in (top / "cur").iterdir()] + [
        path.read_bytes() for path in (top / "new").iterdir()
    ]
    assert set(TEXTS).issubset(files) == (method is None)
    assert [each.replace(b"\r\n", b"\n") for each in taken.raws["INBOX"]] == list(TEXTS)
    assert taken.raws["Zürich/Alt"] == taken.raws["INBOX"][:1]
    remotes = taken.remotes("INBOX")
    assert [remote.flags for remote in remotes[:3]] == [
        {"\\Seen", "\\Flagged", "Work"},
        {"\\Answered", "$Forwarded"},
        frozenset(),
    ]
    times = [int(word) for word in received.split() if word.isdigit()]
    assert [int(remote.received.timestamp()) for remote in remotes if remote.received] == times


def test_mbox_files_of_dovecots(tmp_path: Path) -> None:
    for server in serve("mbox:~/mail:INBOX=~/mail/inbox"):
        server.doveadm("mailbox", "create", "-u", "ann", "Lists/Alt")
        for raw in TEXTS:
            server.deliver("ann", crlf(raw))
        server.deliver("ann", crlf(TEXTS[0]), "Lists/Alt")
        server.doveadm("flags", "add", "-u", "ann", "\\Seen \\Flagged Work", "mailbox", "INBOX", "1")
        told = server.doveadm("fetch", "-u", "ann", "text", "mailbox", "INBOX")
        top = home_of(server, tmp_path) / "mail"
    taken = Taken(top)
    assert {"INBOX", "Lists/Alt"} <= set(taken.raws)
    own = [raw for raw in taken.raws["INBOX"] if b"DON'T DELETE THIS MESSAGE" not in raw]
    assert len(own) == len(TEXTS)
    for raw, text in zip(own, TEXTS, strict=True):
        assert raw.partition(b"\n\n")[2].replace(b"\r\n", b"\n") == text.partition(b"\n\n")[2]
    assert told.count(b"Message-ID: <") == len(TEXTS)
    flagged = [remote.flags for remote in taken.remotes("INBOX") if remote.flags]
    assert flagged == [{"\\Seen", "\\Flagged", "Work"}]


# --- git ------------------------------------------------------------------------------------------------


def git(*words: object, folder: Path, stdin: bytes = b"") -> bytes:
    names = {
        f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)}
    ran = subprocess.run(
        ["git", *map(str, words)], cwd=folder, env=environment, input=stdin, capture_output=True, check=True
    )
    return ran.stdout


def test_patches_of_git_are_parted_as_git_parts_them(tmp_path: Path) -> None:
    require("git")
    tree = tmp_path / "tree"
    tree.mkdir()
    git("init", "-q", ".", folder=tree)
    for number in range(4):
        write(tree / "file", b"From here\n\nFrom: there\n" * (number + 1))
        git("add", "file", folder=tree)
        git("commit", "-q", "-m", f"change {number}\n\nFrom now on it is {number}.", folder=tree)
    box = write(tmp_path / "patches", git("format-patch", "--stdout", "--root", folder=tree))
    parts = tmp_path / "parts"
    parts.mkdir()
    assert git("mailsplit", f"-o{parts}", box, folder=tree).strip() == b"4"
    theirs = [path.read_bytes().partition(b"\n")[2] for path in sorted(parts.iterdir())]
    ours = Taken(box).raws["patches"]
    assert [raw + b"\n" for raw in ours] == theirs  # git keeps the empty line between two


# --- Python ---------------------------------------------------------------------------------------------


def test_an_mbox_of_pythons(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for number in range(3):
        made = EmailMessage()
        made["Subject"] = str(number)
        made.set_content(f"hello\nFrom here on {number}\n")
        kept = mailbox.mboxMessage(made)
        kept.set_flags("RF")
        box.add(kept)
    box.close()
    taken = Taken(tmp_path / "box")
    assert taken.forms == {"box": 'mbox (mboxo or mboxrd: ">From " is kept as it stands)'}
    assert [b"\n>From here on %d\n" % number in raw for number, raw in enumerate(taken.raws["box"])] == [
        True
    ] * 3
    assert {remote.flags for remote in taken.remotes("box")} == {frozenset({"\\Seen", "\\Flagged"})}
    told = Taken(tmp_path / "box", "mboxrd")
    assert [b"\nFrom here on %d\n" % number in raw for number, raw in enumerate(told.raws["box"])] == [
        True
    ] * 3


@pytest.mark.parametrize("kind", [mailbox.Maildir, mailbox.MH])
def test_folders_of_pythons(tmp_path: Path, kind: Callable[..., mailbox.Maildir | mailbox.MH]) -> None:
    box = kind(str(tmp_path / "box"), create=True)
    for raw in TEXTS:
        box.add(raw)
    box.close()
    (found,) = Taken(tmp_path / "box").raws.values()
    assert sorted(found) == sorted(TEXTS)
