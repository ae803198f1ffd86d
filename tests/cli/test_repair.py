"""archiver repair: what verify finds is made good, as far as the archive and the server allow, and no further."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Mailboxes, account_words, mail, write_account
from tests.cli.test_verify import chain_of, flip, two_volumes, volumes
from tests.command_line import CommandLine, Done
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
    assert "5 messages of damaged objects: cannot be read; the server is asked for them" in planned.err
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
