"""status, folders, runs, list, show and export."""

import hashlib
import json
import mailbox
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import click
import pytest

from archiver.cli import folders, main
from archiver.cli.output import print_table
from tests.cli.conftest import FOREIGN, GREETING, PASSPHRASE, Mailboxes, mail, write_account
from tests.command_line import CommandLine
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.terminal import Terminal

PDF = bytes(range(256)) * 9


def with_attachments(*names: str) -> bytes:
    made = EmailMessage()
    made["From"], made["Subject"] = "Eve <eve@example.net>", "files"
    made["Message-ID"] = f"<{time.monotonic_ns()}@example.org>"
    made.set_content("plain words\n")
    made.add_alternative("<p>rich <b>words</b></p>\n", subtype="html")
    for number, name in enumerate(names):
        made.add_attachment(PDF + bytes([number]), maintype="application", subtype="pdf", filename=name)
    return made.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def messages(home: CommandLine, *more: object) -> list[dict[str, Any]]:
    done = home("list", "ann", "--json", *more)
    assert done.exit == 0, done.err
    found: list[dict[str, Any]] = done.document["messages"]
    return found


def find(home: CommandLine, subject: str) -> str:
    (found,) = [one["id"] for one in messages(home) if one["subject"] == subject]
    return str(found)


# --- without the passphrase -------------------------------------------------------------------------------


def test_status_folders_and_runs_need_no_passphrase(pulled: CommandLine) -> None:
    del pulled.environment["ARCHIVER_PASSPHRASE_COMMAND"]
    status = pulled.typed("status")
    assert (status.exit, status.err) == (0, "")
    assert "5 messages" in status.text
    folders = pulled("folders")
    assert folders.exit == 0
    assert FOREIGN in folders.text
    runs = pulled("runs")
    assert runs.text.count("\n") == 2
    head = pulled("status", "--json").document["accounts"][0]["head"]
    assert head["seq"] == 1
    assert head["sha256"][:16] in runs.text
    (inbox,) = [f for f in pulled("folders", "--json").document["folders"] if f["folder"] == "INBOX"]
    assert (inbox["messages"], inbox["on_server"], inbox["missed"]) == (3, 3, 0)


def test_nothing_archived_yet_is_said(home: CommandLine, ann: str) -> None:
    done = home("status")
    assert done.exit == 0
    assert "archiver pull" in done.err
    assert home("status", "--json").document["accounts"] == []
    for command in (["list", "ann"], ["verify", "ann"], ["export", "ann", "--to", "eml", "out"]):
        done = home(*command)
        assert done.exit == 2
        assert "archiver pull ann" in done.err


def test_list_without_a_passphrase_says_what_is_not_there(pulled: CommandLine) -> None:
    del pulled.environment["ARCHIVER_PASSPHRASE_COMMAND"]
    done = pulled.typed("list", "ann")
    assert done.exit == 0
    assert "note:" in done.err
    assert "hello" not in done.text
    assert "note:" not in pulled("list", "ann", "--no-key").err
    sender = pulled("list", "ann", "--from", "bob")
    assert sender.exit == 14, "this cannot be answered without"


def test_a_passphrase_that_was_meant_to_be_there_is_no_note(pulled: CommandLine) -> None:
    done = pulled("list", "ann", ARCHIVER_PASSPHRASE_COMMAND="exit 3")
    assert done.exit == 14
    wrong = pulled("list", "ann", "--json", ARCHIVER_PASSPHRASE_COMMAND="echo wrong")
    assert wrong.exit == 12
    assert wrong.error["code"] == "wrong-key"
    assert "recovery line" in wrong.error["hint"]


# --- list -------------------------------------------------------------------------------------------------


def test_list_shows_subjects_whatever_the_alphabet(pulled: CommandLine) -> None:
    done = pulled.typed("list", "ann")
    assert done.exit == 0
    assert done.err == ""
    assert GREETING in done.text
    assert "Jürgen Müller" in done.text
    lines = done.text.splitlines()
    assert len(lines) == 6
    assert lines[0].split() == ["ID", "RECEIVED", "FOLDER", "FLAGS", "SIZE", "FROM", "SUBJECT"]


def test_list_filters(pulled: CommandLine) -> None:
    def count(*words: object) -> int:
        return len(messages(pulled, *words))

    assert count("--folder", "Archive/*") == 1
    assert count("--folder", "INBOX", "--folder", FOREIGN) == 4
    assert count("--from", "EVE@") == 1
    assert count("--since", "1d") == 5
    assert count("--before", "1d") == 0
    assert count("--before", "2100-01-01") == 5
    assert count("--larger-than", "1M") == 0
    assert count("--larger-than", "10") == 5
    assert count("--present") == 5
    assert pulled("list", "ann", "--larger-than", "big").exit == 2


def test_list_as_of_a_run_or_a_time(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    time.sleep(1.1)
    between = pulled("runs", "--json").document["runs"][0]["time"]
    mailboxes.deliver(ann, mail("late"))
    mailboxes.expunge(ann, "mailbox", "INBOX", "subject", "one")
    assert pulled("pull", "-q").exit == 0
    assert len(messages(pulled)) == 6
    assert len(messages(pulled, "--present")) == 5
    then = messages(pulled, "--as-of", "1")
    assert len(then) == 5
    assert all(one["on_server"] for one in then)
    assert len(messages(pulled, "--as-of", between)) == 5
    assert len(messages(pulled, "--as-of", "2")) == 6
    assert messages(pulled, "--as-of", "2001-01-01") == []


# --- show -------------------------------------------------------------------------------------------------


def test_show_a_message(pulled: CommandLine) -> None:
    done = pulled.typed("show", find(pulled, GREETING)[:12])
    assert done.exit == 0
    assert f"Subject: {GREETING}" in done.text
    assert "hello" in done.text
    assert "Message-ID" not in done.text
    assert "Message-ID: <" in pulled("show", find(pulled, GREETING), "--headers").text
    document = pulled("show", find(pulled, "one"), "--json").document
    assert document["text"].strip() == "hello"


def test_raw_is_what_the_server_sent_to_the_byte(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    raw = (
        b"From: x@example.org\r\nSubject: odd\r\n\r\n>From \xff\x00".replace(b"\x00", b"\x01")
        + b"\nbare LF\r\n\r\n"
    )
    mailboxes.deliver(ann, raw)
    assert pulled("pull", "-q").exit == 0
    digest = find(pulled, "odd")
    shown = pulled.typed("show", digest, "--raw")
    assert shown.exit == 0
    assert hashlib.sha256(shown.out).hexdigest() == digest
    assert b"\xff\x01" in shown.out


def test_attachments_of_an_enemy_stay_in_the_folder(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    long = "雪" * 150 + ".pdf"
    names = ("../../x", "/etc/passwd", "a.pdf", "a.pdf", "..", ".bashrc", "con\x1b[31m.pdf", long, "-rf")
    mailboxes.deliver(ann, with_attachments(*names))
    assert pulled("pull", "-q").exit == 0
    digest = find(pulled, "files")
    out = pulled.home / "deep" / "er" / "out"
    done = pulled("show", digest, "--save-attachments", out)
    assert done.exit == 0, done.err
    assert "\x1b" not in done.err
    saved = sorted(out.iterdir())
    assert len(saved) == len(names)
    assert {path.read_bytes()[:-1] for path in saved} == {PDF}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in saved)
    assert not list(pulled.home.glob("x*")) + list((pulled.home / "deep").glob("*x*"))
    assert {"a.pdf", "a-2.pdf"} <= {path.name for path in saved}
    assert not [path for path in saved if path.name.startswith(".")]
    again = pulled("show", digest, "--save-attachments", out)
    assert again.exit == 0
    assert len(list(out.iterdir())) == 2 * len(names), "nothing is overwritten"
    shown = pulled("show", digest)
    assert "plain words" in shown.text
    assert "[attachment " in shown.text
    assert "\x1b" not in shown.text
    assert "<b>words</b>" in pulled("show", digest, "--html").text


def test_an_id_that_names_nothing_or_too_much(pulled: CommandLine) -> None:
    for wrong in ("ffffffffffff", "xyz", "ab"):
        done = pulled("show", wrong)
        assert done.exit == 2
        assert f'"{wrong}"' in done.err
        assert "archiver list" in done.err


# --- export -----------------------------------------------------------------------------------------------


@pytest.fixture
def varied(home: CommandLine, server: Dovecot, mailboxes: Mailboxes) -> list[bytes]:
    """Give account "ann" messages that formats get wrong, and pull them."""
    user = mailboxes.new()
    head = b"From: x@example.org\r\nSubject: %d\r\n\r\n"
    bodies = [b"From here\r\n>From there\r\n", b"", b"no end", b"\xff\xfe\r\n", b"end\r\n\r\n\r\n"]
    found = [head % number + body for number, body in enumerate(bodies)]
    mailboxes.deliver(user, *found)
    mailboxes.deliver(user, mail(GREETING), folder=FOREIGN)
    mailboxes.deliver(user, mail("deep"), folder="a.b/c")
    write_account(home, server, "ann", user)
    assert home("pull", "-q").exit == 0
    return found


def test_eml_files_are_the_messages_to_the_byte(home: CommandLine, varied: list[bytes]) -> None:
    done = home("export", "ann", "--to", "eml", "out")
    assert done.exit == 0
    assert "7 messages" in done.err
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in home.home.glob("out/**/*.eml")}
    assert digests == {one["id"] for one in messages(home)}
    assert sorted(path.read_bytes() for path in home.home.glob("out/INBOX/*.eml")) == sorted(
        _stored(home, raw) for raw in varied
    )


def _stored(home: CommandLine, raw: bytes) -> bytes:
    """What the server made of a message when it took it in: its own line ends, here none changed."""
    digest = hashlib.sha256(raw).hexdigest()
    if digest in {one["id"] for one in messages(home)}:
        return raw
    return raw + b"\r\n"


def test_mbox_files_are_read_by_others(home: CommandLine, varied: list[bytes]) -> None:
    done = home("export", "ann", "--to", "mbox", "out", "--json")
    assert done.exit == 0
    assert done.document["messages"] == 7
    path = home.home / "out" / "INBOX.mbox"
    assert (home.home / "out" / f"{FOREIGN}.mbox").is_file()
    box = mailbox.mbox(path, create=False)
    assert [found["Subject"] for found in box] == ["0", "1", "2", "3", "4"]
    box.close()
    (home.home / "split").mkdir()
    split = [require("git"), "mailsplit", "--mboxrd", f"-o{home.home / 'split'}", str(path)]
    assert subprocess.run(split, capture_output=True, check=True).stdout.strip() == b"5"
    first = next(file for file in sorted((home.home / "split").iterdir()))
    assert b"\nFrom here\n>From there\n" in first.read_bytes()


@pytest.mark.parametrize(("target", "path"), [("mbox", "out/INBOX.mbox"), ("maildir", "out")])
def test_mutt_reads_what_was_exported(home: CommandLine, varied: list[bytes], target: str, path: str) -> None:
    mutt = require("mutt")
    (home.home / "Mail").mkdir()  # or it asks
    assert home("export", "ann", "--to", target, "out").exit == 0
    words = ("-n", "-F", "/dev/null", "-R", "-f", path)
    terminal = Terminal(home, *words, program=mutt, TERM="vt100")
    terminal.until("Msgs:5")
    terminal.type("x")
    assert terminal.end() == 0


def test_a_maildir_is_served_by_dovecot(
    home: CommandLine, varied: list[bytes], server: Dovecot, mailboxes: Mailboxes
) -> None:
    out = server.base / f"exported{time.monotonic_ns()}"
    assert home("export", "ann", "--to", "maildir", out).exit == 0
    subprocess.run(["chmod", "-R", "a+rwX", out], check=True)
    user = mailboxes.new()
    server.load(user, out)
    assert sorted(mailboxes.folders(user)) == sorted(
        ["INBOX", "a_b", "a_b/c", FOREIGN.split("/")[0], FOREIGN]
    )
    fetched = server.doveadm("fetch", "-u", user, "hdr.subject", "mailbox", "INBOX")
    assert fetched.count(b"hdr.subject") == 5


def test_export_goes_to_a_new_folder_alone(pulled: CommandLine) -> None:
    (pulled.home / "out").mkdir()
    (pulled.home / "out" / "mine.txt").write_text("mine")
    done = pulled("export", "ann", "--to", "mbox", "out", "--json")
    assert done.exit == 24
    assert done.error["code"] == "refused"
    assert pulled("export", "ann", "--to", "pst", "out2").exit == 2
    assert pulled("export", "ann", "out2").exit == 2


def test_export_filters(pulled: CommandLine) -> None:
    done = pulled("export", "ann", "--to", "eml", "out", "--from", "eve", "--folder", "INBOX")
    assert done.exit == 0
    assert "1 message " in done.err
    assert len(list(pulled.home.glob("out/**/*.eml"))) == 1


# --- terminals, pipes, alphabets --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alphabet",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
)
def test_no_alphabet_ends_a_command(pulled: CommandLine, alphabet: dict[str, Any]) -> None:
    digest = find(pulled, GREETING)
    for words in (["list", "ann"], ["folders"], ["show", digest], ["status"], ["list", "ann", "--json"]):
        done = pulled.typed(*words, **alphabet)
        assert done.exit == 0, done.err
        assert "Traceback" not in done.err
    done = pulled.typed("export", "ann", "--to", "mbox", f"out{len(alphabet)}", **alphabet)
    assert done.exit == 0, done.err
    done = pulled.typed("pull", "--folder", "Grüße/*", **alphabet)
    assert done.exit == 0, done.err


def test_a_reader_that_goes_away_is_no_error(pulled: CommandLine) -> None:
    script = f"set -o pipefail; {sys.executable} -c 'from tests.cli.test_read import many; many()' | head -1"
    ran = subprocess.run(
        ["bash", "-c", script], cwd=pulled.home, env=pulled.environment, capture_output=True, check=False
    )
    assert ran.stderr == b""
    assert ran.stdout.count(b"\n") == 1


def many() -> None:
    """Print a long table as `list` does."""

    @click.command("folders")
    def command() -> None:
        print_table([(str(number), "x" * 60) for number in range(20_000)], ("A", "B"))

    folders.command = command
    sys.argv = ["archiver", "folders"]
    main.main()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_takes_nothing_is_told(pulled: CommandLine) -> None:
    with Path("/dev/full").open("wb") as full:
        process = pulled.start("list", "ann", stdout=full)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert err.decode().startswith("error: the output cannot be written")
    assert b"Traceback" not in err


def test_a_typo_in_a_command_or_an_option_is_answered_with_a_guess(home: CommandLine) -> None:
    for words, guess in (
        (["pul"], '"pull"'),
        (["pull", "--dry-rum"], '"--dry-run"'),
        (["key", "shwo"], '"show"'),
    ):
        done = home(*words)
        assert done.exit == 2
        assert f"did you mean {guess}?" in done.err
        assert "hint: see" in done.err


def test_help_shows_examples_before_options(home: CommandLine) -> None:
    for command in ("init", "pull", "list", "show", "export", "verify"):
        text = home(command, "--help").text
        assert text.index(f"  archiver {command}") < text.index("Options:"), command
        assert max(map(len, text.splitlines())) <= 80
    whole = home("--help")
    assert whole.exit == 0
    assert max(map(len, whole.text.splitlines())) <= 80
    alone = home()
    assert alone.exit == 2
    assert alone.err.startswith("Usage:")


def test_every_document_names_the_schema(pulled: CommandLine) -> None:
    for words in (
        ["status"],
        ["folders"],
        ["runs"],
        ["list", "ann"],
        ["verify"],
        ["account", "list"],
        ["writer", "list"],
    ):
        done = pulled(*words, "--json")
        assert done.exit == 0
        assert done.err == ""
        assert json.loads(done.out)["schema"] == "archiver/1"


def test_the_passphrase_is_nowhere(pulled: CommandLine) -> None:
    done = pulled("list", "ann", "-vv", "--passphrase-command", f"echo {PASSPHRASE}")
    assert done.exit == 0
    assert PASSPHRASE not in done.err
    assert PASSPHRASE.encode() not in done.out
