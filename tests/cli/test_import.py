"""archiver import, as a user types it."""

import os
from pathlib import Path

from tests.cli.conftest import mail
from tests.command_line import CommandLine


def write_mbox(path: Path, *messages: bytes) -> Path:
    """Write an mboxrd file, LF lines."""
    with path.open("wb") as file:
        for raw in messages:
            text = raw.replace(b"\r\n", b"\n")
            lines = text.splitlines(keepends=True)
            quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
            file.write(b"From MAILER-DAEMON Mon Jan  1 10:00:00 2024\n" + b"".join(quoted) + b"\n")
    return path


def write_maildir(path: Path, *messages: bytes, info: str = "2,S") -> Path:
    """Write a Maildir."""
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    for number, raw in enumerate(messages):
        file = path / "cur" / f"{1700000000 + number}.M1P1.host:{info}"
        file.write_bytes(raw.replace(b"\r\n", b"\n"))
        os.utime(file, (1700000000 + number, 1700000000 + number))
    return path


def test_an_mbox_file_and_a_maildir_are_taken_in_and_read_back(home: CommandLine, tmp_path: Path) -> None:
    file = write_mbox(tmp_path / "Old.mbox", mail("one", text="hello\nFrom here\n>From there\n"), mail("two"))
    folder = write_maildir(tmp_path / "Maildir", mail("three"))
    first = home("import", file, "--to", "attic")
    assert (first.exit, first.out) == (0, b""), first.err
    assert "Old: mboxrd, 2 messages new" in first.err
    second = home("import", folder, "--to", "attic")
    assert second.exit == 0, second.err
    assert "INBOX: Maildir, 1 message new" in second.err
    listed = home("list", "attic", "--json").document["messages"]
    assert {(each["folder"], each["subject"], tuple(each["flags"])) for each in listed} == {
        ("Old", "one", ()),
        ("Old", "two", ()),
        ("INBOX", "three", ("\\Seen",)),
    }
    assert all(each["on_server"] for each in listed)
    out = tmp_path / "out"
    assert home("export", "attic", "--to", "mbox", out, "--folder", "Old").exit == 0
    assert (out / "Old.mbox").read_bytes() == file.read_bytes()
    third = home("import", file, "--to", "attic")
    assert "attic: 0 messages imported" in third.err
