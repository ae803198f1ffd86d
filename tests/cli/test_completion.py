"""archiver completion: real shells complete commands, options and names."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import click
import pytest

from tests.cli.conftest import FOREIGN, Mailboxes, mail, write_account
from tests.command_line import CommandLine
from tests.house.test_commands_docs import commands
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.terminal import Terminal

BLANKS = 'Sent "Items" & $more'
MARKS = "Müller, Hans: *geheim* (~2024)"  # what shells, and what speaks to them, take for signs of their own


def installed(home: CommandLine) -> CommandLine:
    """Put a program `archiver` onto the path, as an installation does."""
    program = home.home / "bin" / "archiver"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archiver "$@"\n')
    program.chmod(0o755)
    home.environment["PATH"] = f"{program.parent}:{home.environment['PATH']}"
    return home


@pytest.fixture
def shell_user(home: CommandLine, server: Dovecot) -> CommandLine:
    """A home with two accounts, of which nothing was pulled."""
    write_account(home, server, "ann", "user1")
    write_account(home, server, "bob", "user2")
    return installed(home)


@pytest.fixture
def with_folders(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> CommandLine:
    for name in (BLANKS, MARKS):
        mailboxes.deliver(ann, mail("six"), folder=name)
    assert pulled("pull", "-q").exit == 0
    pulled.environment.pop("ARCHIVER_PASSPHRASE_COMMAND")
    return installed(pulled)


def run(home: CommandLine, *words: str) -> str:
    ran = subprocess.run(
        words, cwd=home.home, env=home.environment, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert ran.stderr == b""
    return ran.stdout.decode()


def in_bash(home: CommandLine, *words: str) -> list[str]:
    """Complete the last word, as bash does at a Tab: by what the script has told it of `archiver`."""
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in ("archiver", *words))
    script = (
        'eval "$(archiver completion bash)"; '
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; "
        "function=$(complete -p archiver | grep -o -- '-F [^ ]*'); compopt() { echo \"compopt $*\"; }; "
        '${function#-F } archiver; for each in "${COMPREPLY[@]}"; do echo "$each"; done'
    )
    return run(home, "bash", "--norc", "-c", script).splitlines()


def unquoted(home: CommandLine, word: str) -> str:
    """Read a word as bash does when the line is run."""
    return run(home, "bash", "--norc", "-c", f"printf %s {word}")


def test_commands_and_subcommands_and_options(shell_user: CommandLine) -> None:
    assert in_bash(shell_user, "pu") == ["pull"]
    assert {"init", "account", "doctor", "completion"} <= set(in_bash(shell_user, ""))
    assert in_bash(shell_user, "account", "te") == ["test"]
    assert "--dry-run" in in_bash(shell_user, "pull", "--")
    assert in_bash(shell_user, "completion", "z") == ["zsh"]


def test_accounts_and_archives(shell_user: CommandLine) -> None:
    for words in (["pull"], ["account", "test"], ["restore", "ann", "--to"], ["pull", "ann"]):
        assert in_bash(shell_user, *words, "") == ["ann", "bob"], words
        assert in_bash(shell_user, *words, "b") == ["bob"], words
    assert in_bash(shell_user, "verify", "--archive", "") == ["mail"]
    assert in_bash(shell_user, "doctor", "") == ["ann", "bob", "mail"]


def test_whatever_names_an_account_an_archive_or_a_folder_is_completed(with_folders: CommandLine) -> None:
    wanted = {"name": "ann", "names": "ann", "archive_name": "mail", "folders": "INBOX", "exclude": "INBOX"}
    new_names = {("init", "name"), ("writer add", "name"), ("account add", "name")}
    missing = []
    with mock.patch.dict(os.environ, with_folders.environment, clear=True):
        for name, command in commands().items():
            context = click.Context(command, info_name=name)
            for param in command.params:
                if param.name in wanted and (name, param.name) not in new_names:
                    found = {item.value for item in param.shell_complete(context, "")}
                    missing += [] if wanted[param.name] in found else [(name, param.name)]
    assert missing == []


def test_folders_come_from_the_local_catalog(with_folders: CommandLine) -> None:
    found = in_bash(with_folders, "list", "ann", "--folder", "")
    assert {unquoted(with_folders, each) for each in found} >= {"INBOX", FOREIGN, "Archive/2023", BLANKS}
    (one,) = in_bash(with_folders, "pull", "ann", "--exclude", "Sen")
    assert one != BLANKS
    assert unquoted(with_folders, one) == BLANKS
    assert in_bash(with_folders, "pull", "ann", "--folder", '"Sen') == [BLANKS], "the quote is there already"
    assert in_bash(with_folders, "list", "nobody", "--folder", "") == []


def test_whatever_is_wrong_nothing_is_said(shell_user: CommandLine) -> None:
    for words in (["pul", ""], ["account", "tset", ""], ["pull", "--no-such-option", ""]):
        in_bash(shell_user, *words)
    shell_user.config.write_text("this is not TOML")
    assert in_bash(shell_user, "pull", "") == []
    (shell_user.home / "cache").mkdir(exist_ok=True)
    assert in_bash(shell_user, "list", "ann", "--folder", "") == []
    catalog = shell_user.home / "cache" / "archiver" / "x" / "y.sqlite"
    catalog.parent.mkdir(parents=True)
    catalog.write_bytes(b"no database")
    assert in_bash(shell_user, "list", "ann", "--folder", "") == []
    assert catalog.read_bytes() == b"no database"


def test_no_password_is_asked_for_and_no_server(shell_user: CommandLine, tmp_path: Path) -> None:
    text = shell_user.config.read_text()
    shell_user.config.write_text(text.replace("password-command = ", 'password-command = "touch asked" #'))
    assert in_bash(shell_user, "pull", "") == ["ann", "bob"]
    assert not (shell_user.home / "asked").exists()


def test_files_are_left_to_the_shell(shell_user: CommandLine) -> None:
    assert in_bash(shell_user, "pull", "--folder", "x") == []
    assert in_bash(shell_user, "export", "ann", "") == ["compopt -o dirnames"]


def test_the_names_of_commands_are_completed_without_loading_any(shell_user: CommandLine) -> None:
    script = (
        "import sys; from archiver.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print(*sys.modules)"
    )
    shell_user.environment |= {
        "_ARCHIVER_COMPLETE": "bash_complete",
        "COMP_WORDS": "archiver\npu",
        "COMP_CWORD": "1",
    }
    first, loaded = run(shell_user, sys.executable, "-c", script).splitlines()
    assert first == "plain,pull"
    assert {"archiver.cli.pull", "archiver.wiring", "cryptography", "sqlite3"}.isdisjoint(loaded.split())


STARTS = {
    "bash": ("bash --norc -i", 'eval "$(archiver completion bash)"'),
    "zsh": ("zsh -f -i", 'autoload -U compinit; compinit -u; eval "$(archiver completion zsh)"'),
    "fish": ("fish --no-config -i", "archiver completion fish | source"),
}


TYPED = [
    ("list ann --folder Sen", ["list", "ann", "--folder", BLANKS]),
    ("list ann --folder 'Sen", ["list", "ann", "--folder", BLANKS]),
    ("list ann --folder Sent\\ ", ["list", "ann", "--folder", BLANKS]),
    ("list ann --folder Mü", ["list", "ann", "--folder", MARKS]),
    ("list ann --fol", ["list", "ann", "--folder"]),
    ("accou", ["account"]),
    ("verify an", ["verify", "ann"]),
    ("doctor ma", ["doctor", "mail"]),
]


@pytest.mark.parametrize("shell", STARTS)
def test_a_tab_in_a_shell_at_a_terminal_completes_to_what_the_program_is_given(
    with_folders: CommandLine, shell: str
) -> None:
    program, *options = STARTS[shell][0].split()
    require(program)
    (with_folders.home / "bin" / "archiver").write_text(
        '#!/bin/sh\nif [ -z "$_ARCHIVER_COMPLETE" ] && [ "$1" != completion ]; then\n'
        f'printf "%s\\n" "$@" > new; mv new given; exit; fi\nexec "{sys.executable}" -m archiver "$@"\n'
    )
    given = with_folders.home / "given"
    terminal = Terminal(with_folders, *options, program=program, TERM="dumb")
    terminal.type(f"{STARTS[shell][1]}; echo rea''dy\n")
    terminal.until("ready")
    for typed, meant in TYPED:
        terminal.type(f"archiver {typed}\t")
        terminal.quiet()
        terminal.type("\n")
        terminal.quiet(given.exists)
        assert given.read_text().splitlines() == meant
        given.unlink()
    terminal.type("exit\n")
    terminal.end()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_answers_to_other_shells(shell_user: CommandLine, shell: str) -> None:
    assert "_archiver_completion" in run(shell_user, "archiver", "completion", shell)
    words = {"zsh": ("archiver pull ", "2"), "fish": ("archiver pull ", "")}[shell]
    shell_user.environment |= {
        "_ARCHIVER_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words[0],
        "COMP_CWORD": words[1],
    }
    told = run(shell_user, "archiver")
    assert [each for each in told.replace("plain,", "").split() if each in ("ann", "bob")] == ["ann", "bob"]


def test_an_unknown_shell_is_refused(home: CommandLine) -> None:
    done = home("completion", "tcsh")
    assert done.exit == 2
    assert "bash" in done.err
