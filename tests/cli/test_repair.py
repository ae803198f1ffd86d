"""archiver repair: what verify finds is made good, as far as the archive and the server allow, and no further."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from archiver.archive.machine import Machine
from archiver.errors import StoreFull
from archiver.stores.local import LocalStore
from tests.cli.conftest import PASSPHRASE, Mailboxes, mail, write_account
from tests.cli.test_verify import chain_of, flip, two_volumes, volumes
from tests.command_line import CommandLine
from tests.servers.dovecot import Dovecot
from tests.terminal import Terminal


def state(home: CommandLine) -> dict[str, bytes]:
    """Every file of the archive."""
    top = home.home / "mail"
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def messages(home: CommandLine) -> list[tuple[object, ...]]:
    """What is archived: each message under each of its refs, with all that list tells of it."""
    told = home("list", "ann", "--json").document["messages"]
    return sorted(
        (
            one["folder"],
            one["key"],
            one["id"],
            one["size"],
            tuple(one["flags"]),
            one["on_server"],
            one["subject"],
        )
        for one in told
        if one["error"] is None
    )


def assert_sound(home: CommandLine, before: list[tuple[object, ...]]) -> None:
    done = home("verify", "--read")
    assert done.exit == 0, done.text + done.err
    assert messages(home) == before
    files = state(home)
    again = home("repair", "--json")
    assert again.exit == 0, again.text
    assert state(home) == files, "a second repair does nothing"


def test_a_sound_archive_needs_no_repair_no_passphrase_and_no_answer(pulled: CommandLine) -> None:
    del pulled.environment["ARCHIVER_PASSPHRASE_COMMAND"]
    before = state(pulled)
    done = pulled.typed("repair")
    assert (done.exit, done.text) == (0, "")
    assert "ann: nothing to repair" in done.err
    assert state(pulled) == before


def test_a_changed_byte_is_made_good_from_the_server(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    two_volumes(pulled, mailboxes, ann)
    before = messages(pulled)
    flip(volumes(pulled)[0])
    assert pulled("verify").exit == 13
    files = state(pulled)
    planned = pulled("repair", "--dry-run")
    assert planned.exit == 0
    assert "5 messages in doubt: cannot be read; the server is asked for them" in planned.err
    refused = pulled("repair")
    assert refused.exit == 2
    assert "--yes" in refused.err
    assert state(pulled) == files, "a plan changes nothing"
    done = pulled("repair", "--yes")
    assert done.exit == 0, done.err
    assert "5 messages fetched again" in done.err
    assert {name: state(pulled)[name] for name in files} == files, "nothing is overwritten or removed"
    assert_sound(pulled, before)
    noted = pulled("verify")
    assert "note: " in noted.text
    assert pulled("runs", "--json").document["runs"][-1]["kind"] == "repair"
    assert pulled("pull", "-q").exit == 0
    assert messages(pulled) == before
    then = pulled("list", "ann", "--as-of", "1", "--json").document["messages"]
    assert len(then) == 5
    assert [one["error"] for one in then] == [None] * 5, "what was before the repair is readable by it, too"


def test_each_account_is_repaired_or_the_one_that_is_named(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    user = mailboxes.new()
    mailboxes.deliver(user, mail("bert's"))
    write_account(pulled, server, "bert", user)
    first = volumes(pulled)
    assert pulled("pull", "bert", "-q").exit == 0
    chains = list((pulled.home / "mail" / "chains").iterdir())
    berts = [path for chain in chains for path in chain.glob("volumes/*") if path not in first]
    for path in (*first, *berts):
        flip(path)
    (done,) = pulled("repair", "bert", "--yes", "--json").document["chains"]
    assert (done["account"], done["fetched"]) == ("bert", 1)
    assert pulled("verify", "bert", "-q").exit == 0
    assert pulled("verify", "ann", "-q").exit == 13
    both = pulled("repair", "--yes", "--json").document["chains"]
    assert [(one["account"], one["fetched"]) for one in both] == [("ann", 5), ("bert", 0)]
    assert pulled("verify", "--read", "-q").exit == 0


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("how", [cut, empty, Path.unlink], ids=["cut", "empty", "gone"])
@pytest.mark.parametrize("layout", ["mbox", "maildir"])
def test_an_object_that_is_cut_or_gone_is_made_good_from_the_server(
    make_home: Callable[..., CommandLine],
    server: Dovecot,
    mailboxes: Mailboxes,
    layout: str,
    how: Callable[[Path], None],
) -> None:
    home, user = make_home(layout), mailboxes.new()
    mailboxes.deliver(user, mail("one"), mail("two"), mail("three"))
    mailboxes.deliver(user, mail("old"), folder="Archive/2023")
    write_account(home, server, "ann", user)
    assert home("pull", "-q").exit == 0
    before = messages(home)
    for path in volumes(home):
        how(path)
    assert home("verify").exit == 13
    done = home("repair", "ann", "--yes", "--json")
    assert done.exit == 0, done.err
    (chain,) = done.document["chains"]
    assert (chain["account"], chain["fetched"], chain["lost"]) == ("ann", 4, [])
    assert_sound(home, before)


def test_what_is_whole_in_a_damaged_volume_needs_no_server(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    filling = [random.Random(number).randbytes(150_000).hex() + "\n" for number in range(5)]
    mailboxes.deliver(ann, *(mail(f"large {n}", text=text) for n, text in enumerate(filling)), folder="Large")
    small = volumes(pulled)
    assert pulled("pull", "-q").exit == 0
    before = messages(pulled)
    mailboxes.expunge(ann, "mailbox", "Large", "all")
    assert pulled("pull", "-q").exit == 0
    (large,) = set(volumes(pulled)) - set(small)
    flip(large)
    done = pulled("repair", "--yes", "--json")
    assert done.exit == 13
    chain, _ = done.lines[0]["chains"][0], done.error
    assert (chain["salvaged"], chain["fetched"], len(chain["lost"])) == (2, 0, 3), (
        "what lies before the damage"
    )
    assert {one["folder"] for one in chain["lost"]} == {"Large"}
    after = messages(pulled)
    assert len(after) == len(before) - 3
    assert not {one["sha256"] for one in chain["lost"]} & {one[2] for one in after}
    verified = pulled("verify")
    assert verified.exit == 13
    assert 'affected: 3 messages of folder "Large"' in verified.text
    told = pulled("repair", "--yes")
    assert told.exit == 13
    assert "3 messages could not be had from anywhere" in told.err
    # the copy of the archive that the hint speaks of
    flip(large)
    assert pulled("verify", "--read").exit == 0
    assert len(messages(pulled)) == len(before)
    cured = pulled("repair", "--yes")
    assert cured.exit == 0, cured.err
    assert "3 messages pointed to a sound copy" in cured.err
    assert_sound(pulled, messages(pulled))


# --- asking -----------------------------------------------------------------------------------------------


def test_at_a_terminal_the_plan_is_shown_and_asked_for(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    before = messages(pulled)
    flip(volumes(pulled)[0])
    files = state(pulled)
    terminal = Terminal(pulled, "repair")
    terminal.until("5 messages in doubt")
    terminal.answer("Repair ann? [y/N]", "n")
    assert terminal.end() == 130
    assert "nothing was done" in terminal.shown
    assert state(pulled) == files
    terminal = Terminal(pulled, "repair", "-q")
    terminal.until("5 messages in doubt")
    terminal.answer("Repair ann? [y/N]", "y")
    assert terminal.end() == 0, terminal.shown
    assert_sound(pulled, before)


def test_the_passphrase_is_asked_for_at_the_terminal_before_the_plan(pulled: CommandLine) -> None:
    flip(volumes(pulled)[0])
    terminal = Terminal(pulled, "repair", ARCHIVER_PASSPHRASE_COMMAND="")
    terminal.answer("Passphrase of archive mail", PASSPHRASE)
    terminal.until("5 messages in doubt")
    terminal.answer("Repair ann? [y/N]", "y")
    assert terminal.end() == 0, terminal.shown
    assert "5 messages fetched again" in terminal.shown
    assert pulled("verify", "-q").exit == 0


def test_a_wrong_passphrase_ends_it_before_anything_is_done(pulled: CommandLine) -> None:
    flip(volumes(pulled)[0])
    leave(pulled)
    files = state(pulled)
    done = pulled("repair", "--yes", "--passphrase-command", "echo wrong", "--json")
    assert done.exit == 12
    assert done.error["code"] == "wrong-key"
    assert state(pulled) == files


def test_a_run_that_is_working_is_not_disturbed(pulled: CommandLine) -> None:
    left = leave(pulled)
    (folder,) = [path.parent for path in (pulled.home / "state" / "archiver").glob("*/writer.key")]
    with Machine(folder).lock("ann"):
        for words in (["--yes"], ["--dry-run"]):
            done = pulled("repair", *words, "--json")
            assert done.exit == 11
            assert done.error["code"] == "locked"
    assert all(path.exists() for path in left)


def test_a_name_that_is_not_archived_is_a_slip(pulled: CommandLine) -> None:
    done = pulled("repair", "anne", "--json")
    assert done.exit == 2
    assert done.error["hint"]


# --- leftovers --------------------------------------------------------------------------------------------


def leave(home: CommandLine) -> list[Path]:
    """Leave what a killed run leaves: objects of the run that never was, and writes that never ended."""
    chain = chain_of(home)
    seq = len(list((chain / "manifests").glob("*.manifest"))) + 1
    left = [
        chain / "indexes" / f"{seq:08d}-0123abcd.index.zst.age",
        chain / "volumes" / f"{seq:08d}-01-0123abcd.mbox.zst.age",
        chain / "volumes" / f".{seq:08d}-02-0123abcd.mbox.zst.age.89abcdef.tmp",
        chain / "manifests" / f".{seq:08d}.manifest.89abcdef.tmp",
    ]
    for path in left:
        path.write_bytes(b"half")
    return left


def test_leftovers_are_removed_without_a_passphrase_and_a_strangers_files_stay(pulled: CommandLine) -> None:
    del pulled.environment["ARCHIVER_PASSPHRASE_COMMAND"]
    chain = chain_of(pulled)
    strangers = [chain / "volumes" / "notes.txt", chain / "volumes" / ".notes.tmp", chain / "manifests" / "x"]
    for path in (*strangers, pulled.home / "mail" / ".README.txt.0123abcd.tmp"):
        path.write_bytes(b"whose?")
    kept = state(pulled)
    left = leave(pulled)
    planned = pulled("repair", "--dry-run")
    assert "4 leftovers of runs that were cut short: removed" in planned.err
    assert all(path.exists() for path in left)
    done = pulled("repair", "--yes")
    assert done.exit == 0, done.err
    for path in strangers:
        assert f'{path.name}" was not made by archiver, and stays' in done.err
    assert state(pulled) == kept
    assert pulled("verify").exit == 0
    assert "nothing done" not in done.err


def test_what_a_killed_pull_left_is_removed(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes, ann: str
) -> None:
    put = LocalStore.put

    class Killed(BaseException):
        pass

    def die(self: LocalStore, key: str, chunks: object, *, if_absent: bool = False) -> None:
        if key.endswith(".manifest"):
            raise Killed
        put(self, key, chunks, if_absent=if_absent)  # type: ignore[arg-type]

    with mock.patch.object(LocalStore, "put", die), pytest.raises(Killed):
        home("pull", "-q")
    assert len(state(home)) == 5, "README, owner key, root, and two objects that no manifest names"
    done = home("repair", "--yes", "--json")
    assert done.exit == 0, done.err
    assert done.document["chains"][0]["removed"] == 2
    assert len(state(home)) == 3
    assert home("pull", "-q").exit == 0
    assert len(messages(home)) == 5
    assert home("repair").exit == 0


def test_a_chain_with_a_missing_manifest_is_left_alone(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    two_volumes(pulled, mailboxes, ann)
    leave(pulled)
    manifests = sorted(path for path in (chain_of(pulled) / "manifests").iterdir() if path.name[0] != ".")
    kept = manifests[-1].read_bytes()
    manifests[-1].unlink()
    files = state(pulled)
    done = pulled("repair", "--yes")
    assert done.exit == 13
    assert "sound up to run 1" in done.err
    assert "Nothing is removed" in done.err
    assert "copy of the archive" in done.err
    assert state(pulled) == files
    manifests[-1].write_bytes(kept)
    assert pulled("repair", "--yes").exit == 0
    assert pulled("verify").exit == 0


@pytest.fixture
def second(pulled: CommandLine) -> CommandLine:
    other = CommandLine(pulled.home)
    other.environment |= {
        "XDG_STATE_HOME": str(pulled.home / "state2"),
        "XDG_CACHE_HOME": str(pulled.home / "cache2"),
    }
    return other


def test_another_machines_chain_is_left_to_that_machine(pulled: CommandLine, second: CommandLine) -> None:
    flip(volumes(pulled)[0])
    leave(pulled)
    files = state(pulled)
    given = {"ARCHIVER_PASSPHRASE_COMMAND": f"echo {PASSPHRASE}"}
    for environment in ({}, given):
        done = second("repair", "ann", "--yes", **environment)
        assert done.exit == 13
        assert "4 leftovers of another machine's runs: run archiver repair there" in done.err
        assert state(pulled) == files
    assert pulled("repair", "--yes").exit == 0
    assert second("repair", "ann", "--archive", "mail", **given).exit == 13, "it cannot know without the key"


# --- the local catalog ------------------------------------------------------------------------------------


@contextmanager
def catalog_of(home: CommandLine) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(catalog_path(home))
    yield db
    db.commit()
    db.close()


def catalog_path(home: CommandLine) -> Path:
    (found,) = (home.home / "cache").rglob("*.sqlite")
    return found


def changed_row(home: CommandLine) -> None:
    with catalog_of(home) as db:
        db.execute("UPDATE message SET vanished = 1 WHERE key = '2'")


def lost_row(home: CommandLine) -> None:
    with catalog_of(home) as db:
        db.execute("DELETE FROM message WHERE key = '3'")


def garbage(home: CommandLine) -> None:
    catalog_path(home).write_bytes(b"not a database at all" * 400)


def damaged_page(home: CommandLine) -> None:
    with catalog_of(home) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(catalog_path(home).read_bytes())
    data[-4096:] = os.urandom(4096)
    catalog_path(home).write_bytes(data)


def no_catalog(home: CommandLine) -> None:
    shutil.rmtree(home.home / "cache")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (changed_row, "differs from the archive"),
        (lost_row, "differs from the archive"),
        (garbage, "is damaged"),
        (damaged_page, "is damaged"),
        (no_catalog, "is not there"),
    ],
)
def test_a_catalog_that_is_not_what_the_archive_says_is_made_anew(
    pulled: CommandLine, how: Callable[[CommandLine], None], told: str
) -> None:
    before = messages(pulled)
    files = state(pulled)
    how(pulled)
    del pulled.environment["ARCHIVER_PASSPHRASE_COMMAND"]
    planned = pulled("repair", "--dry-run")
    assert planned.exit == 0
    assert f"the local catalog {told}: made anew from the archive" in planned.err
    done = pulled("repair", "--yes", "--json")
    assert done.exit == 0, done.err
    assert done.document["chains"][0]["catalog"] == told
    assert "nothing to repair" in pulled("repair").err
    assert state(pulled) == files
    pulled.environment["ARCHIVER_PASSPHRASE_COMMAND"] = f"echo {PASSPHRASE}"
    assert messages(pulled) == before


# --- what stands in the way ---------------------------------------------------------------------------------


def test_a_full_disk_costs_nothing_and_the_next_repair_goes_on(pulled: CommandLine) -> None:
    before = messages(pulled)
    flip(volumes(pulled)[0])
    files = state(pulled)

    def full(self: LocalStore, key: str, chunks: object, *, if_absent: bool = False) -> None:
        raise StoreFull("no space is left", "free some space")

    with mock.patch.object(LocalStore, "put", full):
        done = pulled("repair", "--yes", "--json")
    assert done.exit == 1
    assert [line["type"] for line in done.lines] == ["repaired", "error"]
    assert done.error["code"] == "disk-full"
    assert state(pulled) == files
    assert pulled("repair", "--yes").exit == 0
    assert_sound(pulled, before)


def test_a_server_that_is_away_is_told_and_asked_again_next_time(
    pulled: CommandLine, server: Dovecot, ann: str
) -> None:
    before = messages(pulled)
    flip(volumes(pulled)[0])
    config = pulled.config.read_text()
    pulled.config.write_text(config.replace(f"port = {server.imaps}", "port = 1"))
    done = pulled("repair", "--yes", "--json")
    assert done.exit == 20
    pulled.config.write_text(config)
    assert pulled("repair", "--yes").exit == 0
    assert_sound(pulled, before)


def test_an_account_that_is_not_configured_any_more_is_told_and_can_come_back(
    pulled: CommandLine, ann: str
) -> None:
    before = messages(pulled)
    flip(volumes(pulled)[0])
    config = pulled.config.read_text()
    pulled.config.write_text(config.partition("[account.ann]")[0])
    done = pulled("repair", "--yes")
    assert done.exit == 13
    assert "cannot be had from anywhere" in done.err
    assert "not configured" in done.text
    assert len(messages(pulled)) == 0
    pulled.config.write_text(config)
    assert pulled("repair", "--yes").exit == 0
    assert_sound(pulled, before)


def test_what_is_missed_is_left_to_the_next_pull(pulled: CommandLine) -> None:
    done = pulled("repair", "--json")
    assert done.document["chains"][0]["missed"] == 0


def test_a_damaged_index_is_told_with_its_remedy(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    two_volumes(pulled, mailboxes, ann)
    first, _ = sorted((chain_of(pulled) / "indexes").iterdir())
    kept = first.read_bytes()
    flip(first)
    left = leave(pulled)
    done = pulled("repair", "--yes", "--json")
    assert done.exit == 13
    assert done.error["hint"]
    assert not any(path.exists() for path in left), "the chain is sound: what it does not name can go"
    first.write_bytes(kept)
    assert pulled("verify").exit == 0
