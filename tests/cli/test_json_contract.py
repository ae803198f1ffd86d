"""Every command speaks JSON as the published schemas say, in whatever way it ends; nothing they name is left untried.

The lines are held to the schemas by `CommandLine` itself, here and in all other tests.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import pytest

from archiver.plan import retry
from tests import json_schemas
from tests.cli.conftest import Mailboxes, account_words, mail, write_account
from tests.cli.test_account_login import USER, sign_in_earlier, write_oauth_account
from tests.cli.test_key import RING
from tests.cli.test_schedule import program
from tests.cli.test_verify import flip
from tests.command_line import CommandLine
from tests.house.test_commands_docs import commands, options
from tests.servers.authority import Authority
from tests.servers.dovecot import Dovecot
from tests.servers.imap_double import Mail
from tests.servers.listener import Listener
from tests.servers.stateful_double import Box, StatefulDouble

SPEAK_NO_JSON = {"completion"}  # it prints a script for a shell
UNREACHED = {
    ("demo", "demo"): "tried below",
    ("import", "warned"): "files that change while they are read, twice",
    ("import", "folder-failed"): "files that vanish while they are read",
}


def test_every_command_has_a_schema_and_no_other_has() -> None:
    speaking = {name for name, command in commands().items() if "--json" in options(command)}
    assert set(commands()) - speaking == SPEAK_NO_JSON
    assert set(json_schemas.commands()) == speaking


def test_every_group_leaves_json_to_its_commands() -> None:
    assert not any(isinstance(command, click.Group) for command in commands().values())


@pytest.fixture
def double() -> Iterator[StatefulDouble]:
    """A server that gives one message as nothing, and does not open one of its folders."""
    boxes = {"INBOX": Box(), "Work": Box(), "Closed": Box()}
    for name, number in (("INBOX", 1), ("INBOX", 2), ("INBOX", 3), ("Work", 4), ("Work", 5), ("Work", 6)):
        flags = "\\Flagged \\Seen" if number in (3, 6) else "\\Seen"
        boxes[name].put(Mail(b"Subject: %d\r\n\r\nbody %d\r\n" % (number, number), flags))
    with StatefulDouble(boxes=boxes) as running:
        yield running


def closed(name: str) -> tuple[bytes, bytes]:
    return rb'(SELECT|EXAMINE) "?%s' % name.encode(), b"%t NO closed for today\r\n"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second try come at once."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.05)


@pytest.mark.usefixtures("hasty")
@pytest.mark.timeout(900)  # a tour of all commands, of which some are slow on a busy machine
def test_whatever_is_printed_is_as_published_and_all_that_is_published_is_printed(
    home: CommandLine,
    make_home: Callable[[], CommandLine],
    server: Dovecot,
    mailboxes: Mailboxes,
    double: StatefulDouble,
    ann: str,
    tmp_path: Path,
) -> None:
    json_schemas.met.clear()
    json_schemas.printed.clear()
    for words in commands():
        if words not in SPEAK_NO_JSON:
            assert home(*words.split(), "--json", "--no-such-option").error["code"] == "usage"
    _configure(home, server, mailboxes.new(), tmp_path)
    other = make_home()
    _sign_in(other)
    _pull_and_import(home, server, double, tmp_path)
    _read(home, tmp_path)
    _restore(home, double, server, mailboxes.new())
    _prune(home, double)
    _keep_keys(home)
    _schedule(home)
    _damage_and_repair(home, mailboxes, ann, double, tmp_path)
    _notices(home)
    _reports(home)
    _reports(other)

    wanted = {(stem, kind) for stem in json_schemas.commands().values() for kind in json_schemas.kinds(stem)}
    assert wanted - json_schemas.printed - set(UNREACHED) == set()
    objects = {place for place, _ in json_schemas.objects() if not place.startswith("demo.json")}
    assert objects - json_schemas.met == set()


def test_the_demo_shows_what_it_does_elsewhere(empty_home: CommandLine) -> None:
    pytest.importorskip("pymap")
    done = empty_home.typed("demo", "--json", timeout_s=240)
    assert done.exit == 0, done.err
    assert done.document["messages"] == 40
    assert "$ archiver pull ann" in done.err


def _configure(home: CommandLine, server: Dovecot, user: str, tmp_path: Path) -> None:
    other = ("--config", tmp_path / "other.toml", "--json")
    assert home.typed("init", tmp_path / "other", *other, light=True).exit == 0
    words = account_words(server, "eve", user)
    assert [each["type"] for each in home(*words, "--json").lines] == ["account-tested", "account-added"]
    assert home("account", "test", "eve", "--json").exit == 0
    assert home("account", "remove", "eve", "--json").exit == 0
    assert home("account", "list", "--json").document["accounts"][0]["name"] == "ann"
    assert home("doctor", "--json").document["failed"] == 0


def _sign_in(other: CommandLine) -> None:
    with Authority(user=USER, refresh_lives_s=7 * 86_400) as authority:
        introspection = f"{authority.url}/introspect?token="
        with Dovecot([USER], mechanisms="plain xoauth2", introspection=introspection) as running:
            write_oauth_account(other, running, authority)
            kinds = [each["type"] for each in other.typed("account", "login", "ann", "--json").lines]
            assert kinds == ["sign-in", "signed-in", "account-tested"]
            sign_in_earlier(other, days=5)
            authority.rotates, authority.refresh_lives_s = False, None
            assert other("status", "--json").document["sign_ins"][0]["standing"] == "soon"
            assert other("pull", "-q").exit == 0


def _pull_and_import(home: CommandLine, server: Dovecot, double: StatefulDouble, tmp_path: Path) -> None:
    with home.config.open("a") as file:
        file.write(
            f'\n[account.double]\narchive = "mail"\nkind = "imap"\nhost = "127.0.0.1"\nport = {double.port}\n'
            'user = "ann"\ninsecure-plaintext = true\npassword-command = "echo x"\n'
        )
    write_account(home, server, "wrong", "user1", "")
    text = home.config.read_text()
    head, _, last = text.rpartition(f"echo {server.password}")
    home.config.write_text(f"{head}echo not-the-password{last}")
    assert home("pull", "ann", "--dry-run", "--json").exit == 0
    double.nil, double.nil_parts = {2}, {2}
    double.hides = {3}
    double.answers.append(closed("Closed"))
    done = home("pull", "--json", "-v")
    assert done.exit == 21, done.err
    double.nil, double.nil_parts, double.hides, double.answers = set(), set(), set(), []
    assert home("status", "--json").document["accounts"][1]["missed"]
    assert home("verify", "double", "--server", "--json").lines[0]["server"]["double"][0]["reasons"]
    home.config.write_text(text.rpartition("\n[account.wrong]")[0])
    assert home("pull", "double", "--json").exit == 0
    away = home.config.read_text()
    home.config.write_text(away.replace(f"port = {double.port}", "port = 1"))
    assert home("pull", "double", "--retry", "1", "--json").exit == 20
    home.config.write_text(away)
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "good.eml").write_bytes(mail("good"))
    (folder / "bad.emlx").write_bytes(b"99999\nSubject: bad\n\n")
    assert home("import", folder, "--to", "attic", "--json", "-v").exit == 3


def _read(home: CommandLine, tmp_path: Path) -> None:
    for words in (["status"], ["folders"], ["runs"], ["runs", "ann"]):
        assert home(*words, "--json").exit == 0
    listed = home("list", "ann", "--json").document["messages"]
    secret = home.environment.pop("ARCHIVER_PASSPHRASE_COMMAND")
    assert {each["subject"] for each in home("list", "ann", "--json").document["messages"]} == {None}
    home.environment["ARCHIVER_PASSPHRASE_COMMAND"] = secret
    with_file = (
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=x.pdf\r\n\r\nx\r\n"
    )
    (tmp_path / "x.eml").write_bytes(with_file)
    assert home("import", tmp_path / "x.eml", "--to", "x", "-q").exit == 0
    (one,) = home("list", "x", "--json").document["messages"]
    for digest in (listed[0]["id"], one["id"]):
        assert home("show", digest, "--json").exit == 0
    assert home("show", one["id"], "--save-attachments", tmp_path / "files", "--json").exit == 0
    assert home("export", "ann", "--to", "eml", tmp_path / "eml", "--json").exit == 0


def _restore(home: CommandLine, double: StatefulDouble, server: Dovecot, user: str) -> None:
    assert home("restore", "double", "--dry-run", "--json").exit == 0
    double.takes = lambda posted: b"NO [TOOBIG] too large" if b"hello" in posted.raw else None
    assert home("restore", "ann", "--to", "double", "--json", "-v").exit == 3
    double.answers.append(closed("Work"))
    assert home("restore", "double", "--json").exit == 3
    double.answers.clear()
    double.takes = lambda posted: None
    (home.home / "day.ics").write_bytes(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    assert home("import", home.home / "day.ics", "--to", "dates", "-q").exit == 0
    assert home("restore", "dates", "--to", "double", "--json").document["left_out"]
    # Dovecot keeps no NUL
    double.boxes["INBOX"].put(Mail(b"Subject: nul\r\n\r\na\0b\r\n", "\\Seen"))
    assert home("pull", "double", "-q").exit == 0
    write_account(home, server, "nul", user)
    assert home("restore", "double", "--to", "nul", "--json", "-v").lines[-1]["folders"][0]["altered"]


def _prune(home: CommandLine, double: StatefulDouble) -> None:
    words = ("prune", "double", "--older-than", "1y", "--expunge", "--max-share", "100%", "--json")
    assert home(*words, "--dry-run").document["folders"]
    double.drops_before.append(rb"UID STORE")
    double.answers.append(closed("Work"))
    done = home(*words, "-v", "--yes")
    assert done.exit == 3, done.err
    assert done.lines[-2]["type"] == "pruned"


def _keep_keys(home: CommandLine) -> None:
    new = ("--new-passphrase-command", "echo another one", "--json")
    assert home.typed("key", "show", "--json").exit == 0
    assert home.typed("key", "remember", "--json", **RING).exit == 0
    assert home.typed("key", "forget", "--json", **RING).exit == 0
    assert home.typed("key", "passphrase", *new, light=True, **RING).exit == 0
    home.environment["ARCHIVER_PASSPHRASE_COMMAND"] = "echo another one"
    assert home("writer", "list", "--json").exit == 0
    assert home("writer", "add", "--name", "again", "--json").exit == 0


def _schedule(home: CommandLine) -> None:
    program(home, "systemctl", "case $2 in show) echo Thu 02:41;; esac")
    program(home, "crontab", f'[ "$1" = - ] && cat > "{home.home}/table" || cat "{home.home}/table"')
    (home.home / "table").touch()
    assert home("schedule", "install", "--print", "--with", "launchd", "--json").exit == 0
    for kind in ("systemd", "cron"):
        for verb in ("install", "show", "remove"):
            assert home("schedule", verb, "--with", kind, "--json").exit == 0


def _damage_and_repair(
    home: CommandLine, mailboxes: Mailboxes, ann: str, double: StatefulDouble, tmp_path: Path
) -> None:
    assert home("verify", "--read", "--json").exit == 0
    assert home("drill", "ann", "--json").exit == 0
    mailboxes.deliver(ann, mail("to be lost"), folder="Later")
    assert home("pull", "ann", "-q").exit == 0
    mailboxes.expunge(ann, "mailbox", "Later", "all")
    double.answers.clear()
    double.boxes["Work"].mails[2].raw = b"Subject: 5\r\n\r\nBODY 5\r\n"
    for path in (home.home / "mail" / "chains").glob("*/volumes/*"):
        flip(path)
    assert home("verify", "--json").lines[0]["chains"]
    assert home("drill", "ann", "--json").lines[-2]["chains"][0]["failed"]
    assert home("export", "ann", "--to", "eml", tmp_path / "damaged", "--json").exit == 13
    assert home("repair", "ann", "--dry-run", "--json").exit == 0
    done = home("repair", "--yes", "--json", "-v")
    assert done.exit == 13, done.err
    assert any(chain["lost"] for chain in done.lines[-2]["chains"])


def _notices(home: CommandLine) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(Listener())
        with home.config.open("a") as file:
            file.write(f'\n[notify]\nwhen = "always"\nwebhook = "{listener.url}/w"\n')
        for words in (["pull", "ann"], ["pull", "nul"], ["verify", "ann"]):
            home(*words, "--notify", "-q")
        documents: list[Any] = [json.loads(body) for _, body in listener.heard]
    assert {each["outcome"] for each in documents} == {"ok", "failure"}
    for document in documents:
        json_schemas.check_document("notice.json#", document)
    gone = home.home / "gone.toml"
    gone.write_text(
        '[archive.gone]\npath = "gone"\n[account.lost]\narchive = "gone"\nkind = "files"\npath = "m"\n'
    )
    assert home("pull", "--config", gone, "-q").exit == 10
    assert home("runs", "--reports", "--json").exit == 0
    assert home("runs", "--report", "last", "--json").exit == 0


def _reports(home: CommandLine) -> None:
    for path in (home.home / "state" / "archiver" / "reports").iterdir():
        json_schemas.check_document("run-report.json#", json.loads(path.read_bytes()))
