"""archiver key and archiver writer: passphrases, the recovery line, a keyring, a second machine."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PASSPHRASE, Mailboxes, mail
from tests.command_line import CommandLine
from tests.terminal import Terminal

RING: dict[str, Any] = {"PYTHON_KEYRING_BACKEND": "tests.servers.keyring.FileKeyring"}


def line_of(home: CommandLine) -> str:
    return (home.home / "line").read_text()


def without_passphrase(home: CommandLine) -> None:
    del home.environment["ARCHIVER_PASSPHRASE_COMMAND"]


def test_show_prints_the_recovery_line_alone(home: CommandLine) -> None:
    done = home("key", "show")
    assert done.exit == 0
    assert done.text == line_of(home) + "\n"
    assert home("key", "show", "--json").document["recovery_line"] == line_of(home)
    assert home("key", "show", ARCHIVER_PASSPHRASE_COMMAND="echo wrong").exit == 12


def test_the_recovery_line_is_taken_in_the_place_of_the_passphrase(pulled: CommandLine) -> None:
    for line in (line_of(pulled), line_of(pulled).lower(), f"  {line_of(pulled)}  "):
        done = pulled("list", "ann", "--json", ARCHIVER_PASSPHRASE_COMMAND=f"echo '{line}'")
        assert done.exit == 0
        assert all(one["subject"] for one in done.document["messages"])
    typo = line_of(pulled)[:-1] + ("Q" if line_of(pulled)[-1] != "Q" else "P")
    done = pulled("list", "ann", "--json", ARCHIVER_PASSPHRASE_COMMAND=f"echo {typo}")
    assert done.exit == 12
    assert typo not in done.err


def test_a_file_gives_the_passphrase_and_a_public_one_is_refused(pulled: CommandLine) -> None:
    without_passphrase(pulled)
    secret = pulled.home / "secret"
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(0o600)
    assert pulled("key", "show", ARCHIVER_PASSPHRASE_FILE=str(secret)).exit == 0
    secret.chmod(0o644)
    done = pulled("key", "show", ARCHIVER_PASSPHRASE_FILE=str(secret))
    assert done.exit == 14
    assert "chmod 600" in done.err


def test_a_passphrase_is_changed(home: CommandLine) -> None:
    words = ("key", "passphrase", "--new-passphrase-command", "echo new one")
    done = home.typed(*words, light=True)
    assert done.exit == 0, done.err
    assert home("key", "show").exit == 12
    assert home("key", "show", "--passphrase-command", "echo new one").exit == 0
    assert home("key", "show", "--passphrase-command", f"echo {line_of(home)}").exit == 0


def test_a_new_passphrase_is_never_the_one_that_the_environment_has(home: CommandLine) -> None:
    done = home("key", "passphrase", "--json")
    assert done.exit == 14
    assert "--new-passphrase-command" in done.error["hint"]


def test_a_new_passphrase_is_typed_twice_and_not_shown(home: CommandLine) -> None:
    terminal = Terminal(home, "key", "passphrase")
    terminal.answer("New passphrase", "swordfish")
    terminal.answer("The same again", "swordfihs")
    terminal.answer("the two differ", "swordfish")
    terminal.answer("The same again", "swordfish")
    assert terminal.end() == 0, terminal.shown
    assert "swordf" not in terminal.shown
    assert home("key", "show", "--passphrase-command", "echo swordfish").exit == 0


def test_a_passphrase_is_typed_to_list(pulled: CommandLine) -> None:
    without_passphrase(pulled)
    terminal = Terminal(pulled, "list", "ann")
    terminal.answer("Passphrase of archive mail", PASSPHRASE)
    assert terminal.end() == 0
    assert "Jürgen Müller" in terminal.shown
    assert PASSPHRASE not in terminal.shown
    wrong = Terminal(pulled, "list", "ann")
    wrong.answer("Passphrase of archive mail", "wrong")
    assert wrong.end() == 12
    assert "recovery line" in wrong.shown


def test_the_keyring_remembers_and_forgets(home: CommandLine) -> None:
    pytest.importorskip("keyring")
    wrong = home.typed("key", "remember", **{**RING, "ARCHIVER_PASSPHRASE_COMMAND": "echo wrong"})
    assert wrong.exit == 12
    assert home.typed("key", "remember", **RING).exit == 0
    without_passphrase(home)
    assert home.typed("key", "show", **RING).exit == 0
    done = home.typed("key", "forget", "--json", **RING)
    assert done.document["held"] is True
    assert home.typed("key", "show", **RING).exit == 14
    assert home.typed("key", "forget", **RING).exit == 0


def test_without_a_keyring_it_is_said(home: CommandLine) -> None:
    done = home.typed("key", "remember", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    assert done.exit == 14
    assert "keyring" in done.err
    assert "hint:" in done.err


# --- a second machine -------------------------------------------------------------------------------------


@pytest.fixture
def second(pulled: CommandLine) -> CommandLine:
    """Give another machine that has the archive and the configuration of the first, and no state."""
    other = CommandLine(pulled.home)
    other.environment |= {
        "XDG_STATE_HOME": str(pulled.home / "state2"),
        "XDG_CACHE_HOME": str(pulled.home / "cache2"),
    }
    return other


def test_a_second_machine_may_read_and_not_write_before_it_is_let_in(
    second: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    done = second("pull", "--json")
    assert done.exit == 24
    assert "archiver writer add" in done.error["hint"]
    assert second("verify", "-q").exit == 0
    status = second("status")
    assert status.exit == 0
    assert "another machine" in status.err
    given = {"ARCHIVER_PASSPHRASE_COMMAND": f"echo {PASSPHRASE}"}
    listed = second("list", "ann", "--json", **given)
    assert len(listed.document["messages"]) == 5
    taken = [one["name"] for one in second("writer", "list", "--json").document["writers"]]
    refused = second("writer", "add", "--name", taken[0], "--json", **given)
    assert refused.exit == 24
    assert f'"{taken[0]}"' in refused.error["message"]
    assert second("writer", "add", "--name", "second", **given).exit == 0
    assert [one["name"] for one in second("writer", "list", "--json").document["writers"]] == [
        *taken,
        "second",
    ]
    mailboxes.deliver(ann, mail("for the second"))
    assert second("pull", "-q").exit == 0
    assert second("verify", "--read", "-q", **given).exit == 0
    assert second("list", "ann", "--json", **given).exit == 0


def test_the_first_machine_goes_on_beside_the_second(
    pulled: CommandLine, second: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    given = {"ARCHIVER_PASSPHRASE_COMMAND": f"echo {PASSPHRASE}"}
    assert second("writer", "add", "--name", "second", **given).exit == 0
    assert second("pull", "-q").exit == 0
    mailboxes.deliver(ann, mail("for both"))
    assert pulled("pull", "-q").exit == 0
    assert pulled("verify", "--read", "-q").exit == 0
    shown = pulled("list", "ann", "--json").document["messages"]
    digest = next(one["id"] for one in shown if one["subject"] == "for both")
    assert pulled("show", digest, "--raw").exit == 0


def test_a_machine_that_lost_its_state_is_let_in_anew(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    shutil.rmtree(pulled.home / "state")
    shutil.rmtree(pulled.home / "cache")
    done = pulled("pull")
    assert done.exit == 24
    name = pulled("writer", "list", "--json").document["writers"][0]["name"]
    again = pulled("writer", "add", "--json")
    assert again.exit == 24, "the name of the lost one is taken"
    assert name in again.error["message"]
    assert "--name" in again.error["hint"]
    assert pulled("writer", "add", "--name", "again").exit == 0
    assert pulled("pull", "-q").exit == 0
    assert pulled("verify", "--read", "-q").exit == 0


def test_an_archive_found_on_a_disk_is_read_after_three_lines(
    pulled: CommandLine, empty_home: CommandLine, make_home: Callable[..., CommandLine]
) -> None:
    place: Path = pulled.home / "mail"
    refused = empty_home("init", place)
    assert refused.exit == 24
    hint = refused.err.partition("hint: ")[2].splitlines()[1:]
    empty_home.config.parent.mkdir(parents=True)
    empty_home.config.write_text("\n".join(hint))
    given = {"ARCHIVER_PASSPHRASE_COMMAND": f"echo {line_of(pulled)}"}
    assert empty_home("verify", "--read", "-q", **given).exit == 0
    assert len(empty_home("list", "ann", "--json", **given).document["messages"]) == 5
    assert empty_home("export", "ann", "--to", "eml", "out", **given).exit == 0
