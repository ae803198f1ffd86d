"""archiver prune, as it is typed, on a real server: what goes, what stays, what is told, and how it comes back."""

import hashlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Mailboxes, mail, write_account
from tests.cli.test_restore import state
from tests.cli.test_verify import flip, volumes
from tests.command_line import CommandLine
from tests.servers.dovecot import Dovecot
from tests.servers.owner import Owner
from tests.terminal import Terminal

LONG_AGO = datetime(2020, 1, 1, 12, tzinfo=UTC)
OLD, YOUNG = 6, 4
KILLS = int(os.environ.get("ARCHIVER_KILLS", "4"))


@pytest.fixture
def owner(home: CommandLine, server: Dovecot, mailboxes: Mailboxes) -> Iterator[Owner]:
    """The owner of account "ann": old and new mail in INBOX and in Work, all read but one of each age."""
    found = Owner(server, mailboxes.new())
    found.create("Work")
    found.create("Trash")
    for folder in ("INBOX", "Work"):
        for number in range(OLD + YOUNG):
            at = LONG_AGO + timedelta(days=number) if number < OLD else datetime.now(UTC)
            flags = [] if number in (0, OLD) else ["\\Seen"]
            found.deliver(folder, mail(f"{folder} {number}"), flags, at)
    write_account(home, server, "ann", found.user)
    assert home("pull", "-q").exit == 0
    yield found
    found.close()


def count(owner: Owner) -> Counter[str]:
    return Counter(folder for folder, *_ in state(owner.server, owner.user).elements())


def digests(owner: Owner) -> set[str]:
    return {digest for _, digest, *_ in state(owner.server, owner.user)}


def test_the_plan_alone_needs_no_yes_and_changes_nothing(home: CommandLine, owner: Owner) -> None:
    before = state(owner.server, owner.user)
    done = home.typed("prune", "ann", "--older-than", "1y", "--dry-run")
    assert done.exit == 0, done.err
    assert (
        f"INBOX: {OLD - 1} of {OLD + YOUNG} messages to remove; what stays: 1 unread, 4 not old enough"
        in done.err
    )
    assert f"ann: {2 * OLD - 2} messages (" in done.err
    assert 'to move to "Trash"; 10 stay' in done.err
    assert state(owner.server, owner.user) == before
    assert len(home("runs", "--json").document["runs"]) == 1


def test_what_is_pruned_is_in_the_trash_in_the_archive_and_comes_back(
    home: CommandLine, owner: Owner
) -> None:
    before = state(owner.server, owner.user)
    done = home.typed("prune", "ann", "--older-than", "1y", "--yes")
    assert done.exit == 0, done.err
    assert f"ann: {2 * OLD - 2} messages (" in done.err
    assert count(owner) == {"INBOX": YOUNG + 1, "Work": YOUNG + 1, "Trash": 2 * OLD - 2}
    assert "archiver restore ann --pruned 2" in done.err
    again = home("pull")
    assert "no longer on the server" not in again.err
    assert home("verify", "ann", "--read", "--server").exit == 0
    back = home("restore", "ann", "--pruned", "2")
    assert (back.exit, f"{2 * OLD - 2} messages restored" in back.err) == (0, True)
    after = state(owner.server, owner.user)
    assert Counter(row for row in after.elements() if row[0] != "Trash") == before
    assert "0 messages restored" in home("restore", "ann", "--pruned", "2").err
    home("pull", "-q")
    assert "0 messages restored" in home("restore", "ann", "--pruned", "2").err


def test_for_good_is_for_good(home: CommandLine, owner: Owner) -> None:
    done = home(
        "prune",
        "ann",
        "--older-than",
        "1y",
        "--expunge",
        "--unread",
        "--refetch",
        "--max-share",
        "60%",
        "--yes",
    )
    assert done.exit == 0, done.err
    assert count(owner) == {"INBOX": YOUNG, "Work": YOUNG}
    assert "removed for good" in done.err
    assert home("pull").err.startswith("ann: 0 messages pulled")
    assert "20 messages" in home("verify", "--read").err


def test_json_tells_the_plan_and_the_outcome_message_by_message(home: CommandLine, owner: Owner) -> None:
    done = home("prune", "ann", "--older-than", "1y", "--folder", "INBOX", "--yes", "--json")
    plan, pruned = done.lines[0], done.lines[-1]
    [inbox] = plan["folders"]
    assert (plan["type"], plan["to"], inbox["removable"]) == ("prune-plan", "Trash", OLD - 1)
    assert inbox["kept"] == {"unread": 1, "not old enough": 4}
    told = {one["sha256"]: one["kept"] for one in inbox["messages"]}
    assert Counter(told.values()) == {None: OLD - 1, "unread": 1}
    assert set(told) <= digests(owner)
    [folder] = pruned["folders"]
    assert (pruned["type"], pruned["run"], folder["removed"], folder["kept"]) == ("pruned", 2, OLD - 1, [])


def test_somebody_at_a_terminal_is_asked(home: CommandLine, owner: Owner) -> None:
    words = ("prune", "ann", "--older-than", "1y")
    terminal = Terminal(home, *words)
    terminal.until(f"{2 * OLD - 2} messages (")
    terminal.answer("[y/N]", "n")
    assert terminal.end() == 130
    assert count(owner)["INBOX"] == OLD + YOUNG
    terminal = Terminal(home, *words)
    terminal.answer("[y/N]", "y")
    assert terminal.end() == 0
    assert count(owner)["INBOX"] == YOUNG + 1


def test_nobody_to_ask_is_no_yes(home: CommandLine, owner: Owner) -> None:
    done = home.typed("prune", "ann", "--older-than", "1y")
    assert done.exit == 2
    assert "--yes" in done.err
    assert count(owner)["Trash"] == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "--older-than 1y"),
        (("--folder", "INBOX"), "--older-than 1y"),
        (("--older-than", "soon"), '"soon" is not a date'),
        (("--larger-than", "big"), '"big" is not a size'),
        (("--older-than", "1y", "--max-share", "most"), '"most" is not a share'),
        (("--older-than", "1y", "--trash", "Nowhere"), 'has no folder "Nowhere"'),
        (("--older-than", "1y", "--trash", "Trash", "--expunge"), "--expunge contradicts --trash"),
        (("--keep-last", "0"), "0"),
    ],
)
def test_what_is_mistyped_is_told_and_nothing_goes(
    home: CommandLine, owner: Owner, words: tuple[str, ...], text: str
) -> None:
    done = home("prune", "ann", *words, "--yes")
    assert done.exit == 2, done.err
    assert text in done.err
    assert count(owner)["INBOX"] == OLD + YOUNG


def test_too_much_is_refused_and_can_be_named(home: CommandLine, owner: Owner) -> None:
    words = ("prune", "ann", "--older-than", "0d", "--unread", "--yes")
    done = home(*words)
    assert done.exit == 24
    assert '--allow-empty "INBOX"' in done.err
    assert "20 of the account's 20 messages, more than 50%" in done.err
    assert count(owner)["INBOX"] == OLD + YOUNG
    some = home(*words, "--allow-empty", "INBOX", "--folder", "INBOX", "--max-share", "49%")
    assert some.exit == 24
    assert "--allow-empty" not in some.err
    assert home(*words, "--allow-empty", "INBOX", "--folder", "INBOX").exit == 0
    assert count(owner) == {"Work": OLD + YOUNG, "Trash": OLD + YOUNG}


def test_the_configuration_says_what_goes_and_whether_a_schedule_may(home: CommandLine, owner: Owner) -> None:
    assert home("prune", "ann", "--scheduled", "--older-than", "1y").exit == 24
    with home.config.open("a") as file:
        file.write('[account.ann.prune]\nolder-than = "1y"\nfolders = ["Work"]\nscheduled = true\n')
    plan = home("prune", "ann", "--dry-run")
    assert f"Work: {OLD - 1} of" in plan.err
    assert "INBOX" not in plan.err
    late = home.typed("prune", "ann", "--scheduled")
    assert late.exit == 0, late.err
    assert "6 archived too short a time ago" in late.err
    with home.config.open("a") as file:
        file.write('grace = "0h"\n')
    done = home.typed("prune", "ann", "--scheduled")
    assert done.exit == 0, done.err
    assert count(owner) == {"INBOX": OLD + YOUNG, "Work": YOUNG + 1, "Trash": OLD - 1}
    typed = home("prune", "ann", "--larger-than", "1G", "--dry-run")
    assert "INBOX" in typed.err, "what is typed takes the place of all that is configured"


def test_without_a_trash_a_folder_must_be_named(home: CommandLine, owner: Owner) -> None:
    owner.delete("Trash")
    done = home("prune", "ann", "--older-than", "1y", "--yes")
    assert done.exit == 24
    assert "--trash FOLDER" in done.err
    owner.create("Bin")
    assert home("prune", "ann", "--older-than", "1y", "--trash", "Bin", "--yes").exit == 0
    assert count(owner)["Bin"] == 2 * OLD - 2


def test_a_damaged_archive_and_a_wrong_passphrase_remove_nothing(home: CommandLine, owner: Owner) -> None:
    words = ("prune", "ann", "--older-than", "1y", "--yes")
    wrong = home(*words, "--passphrase-command", "echo wrong")
    assert wrong.exit == 12
    for path in volumes(home):
        flip(path)
    done = home(*words)
    assert done.exit == 13
    assert "cannot be read back, so nothing is removed" in done.err
    assert count(owner)["INBOX"] == OLD + YOUNG
    assert count(owner)["Trash"] == 0


def test_an_archive_that_was_rolled_back_removes_nothing(home: CommandLine, owner: Owner) -> None:
    owner.deliver("INBOX", mail("later"))
    home("pull", "-q")
    newest = max((home.home / "mail" / "chains").rglob("*.manifest"))
    newest.unlink()
    done = home("prune", "ann", "--older-than", "1y", "--yes")
    assert done.exit == 13
    assert "was rolled back" in done.err
    assert count(owner)["Trash"] == 0


def test_mail_that_came_since_the_pull_stays(home: CommandLine, owner: Owner) -> None:
    raw = mail("old and never archived")
    owner.deliver("INBOX", raw, ["\\Seen"], LONG_AGO)
    assert home("prune", "ann", "--older-than", "1y", "--yes").exit == 0
    assert ("INBOX", hashlib.sha256(raw).hexdigest()) in {row[:2] for row in state(owner.server, owner.user)}


def test_a_prune_that_is_killed_again_and_again_loses_nothing(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    """SIGKILL at random moments after the intent; in the end each message is in the archive, and comes back once."""
    owner = Owner(server, mailboxes.new())
    raws = [mail(f"{number}") for number in range(40 * KILLS)]
    for number, raw in enumerate(raws):
        owner.deliver("INBOX", raw, ["\\Seen"], LONG_AGO + timedelta(hours=number))
    owner.deliver("INBOX", mail("young"), ["\\Seen"])
    write_account(home, server, "ann", owner.user)
    assert home("pull", "-q").exit == 0
    wanted = {hashlib.sha256(raw).hexdigest() for raw in raws}
    words = ("prune", "ann", "--older-than", "1y", "--max-share", "100%", "--expunge", "--yes", "-q")
    chance = random.Random(11)
    between = 0
    for _ in range(KILLS):
        before = len(manifests(home))
        process = home.start(*words, light=True, environment={"REMOVED_AT_ONCE": "3"})
        while process.poll() is None and len(manifests(home)) == before:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.15))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        left = count(owner)["INBOX"]
        between += 1 < left < len(raws) + 1
        if chance.random() < 0.5:
            assert home("pull", "-q").exit == 0
    assert between, "some were killed half-way"
    assert home("pull", "-q").exit == 0
    assert home("verify", "ann", "--read", "--server").exit == 0
    assert home(*words).exit == 0
    assert count(owner) == {"INBOX": 1}
    for run in [run["run"] for run in home("runs", "--json").document["runs"] if run["kind"] == "prune"]:
        home("restore", "ann", "--pruned", run, "-q")
    back = state(server, owner.user)
    assert {digest for _, digest, *_ in back} >= wanted
    assert sum(back.values()) == len(raws) + 1
    owner.close()


def manifests(home: CommandLine) -> list[Path]:
    return list((home.home / "mail" / "chains").rglob("*.manifest"))


def test_an_interrupt_at_the_question_removes_nothing(home: CommandLine, owner: Owner) -> None:
    terminal = Terminal(home, "prune", "ann", "--older-than", "1y")
    terminal.until("[y/N]")
    time.sleep(0.1)
    terminal.type("\x03")
    assert terminal.end() == 130
    assert count(owner)["Trash"] == 0
    assert len(manifests(home)) == 1
