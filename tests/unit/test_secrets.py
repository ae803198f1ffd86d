import getpass
import io
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from archiver import secrets
from archiver.config import AccountSettings
from archiver.errors import ConfigInvalid, UsageError
from archiver.model import Secret

WORD = "hunter2 é"
VARIABLES = ("CREDENTIALS_DIRECTORY", "ARCHIVER_PASSPHRASE_COMMAND", "ARCHIVER_PASSPHRASE_FILE")


class Keyring(ModuleType):
    """A keyring in memory, in the place of the package."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.broken: Exception | None = None

    def _open(self) -> dict[tuple[str, str], str]:
        if self.broken:
            raise self.broken
        return self.kept

    def get_password(self, service: str, user: str) -> str | None:
        return self._open().get((service, user))

    def set_password(self, service: str, user: str, value: str) -> None:
        self._open()[service, user] = value

    def delete_password(self, service: str, user: str) -> None:
        del self._open()[service, user]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """No test meets the keyring, the environment or the terminal of whoever runs it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def nobody(prompt: str = "", stream: object = None) -> str:
        pytest.fail(f"asked without a terminal: {prompt}")

    monkeypatch.setattr(getpass, "getpass", nobody)
    fake = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    return fake


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Sit at a terminal and answer each question; gives the questions."""

    def sit(*answers: str) -> list[str]:
        left, asked = list(answers), list[str]()

        def answer(prompt: str = "", stream: object = None) -> str:
            asked.append(prompt)
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(getpass, "getpass", answer)
        return asked

    return sit


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(f"{WORD}\nsecond line\n".encode())
    path.chmod(0o600)
    return path


def account(
    *, command: str | None = None, file: Path | None = None, keyring: bool = False
) -> AccountSettings:
    return AccountSettings(
        name="work",
        archive="home",
        kind="imap",
        host="imap.example.org",
        user="ann",
        password_command=command,
        password_file=file,
        password_keyring=keyring,
    )


def say(text: str) -> str:
    return f"printf '%s\\n' '{text}' 'second line'"


# --- the password of an account ------------------------------------------------------------------------


def test_a_command_gives_the_password_as_its_first_line() -> None:
    assert secrets.account_password(account(command=say(WORD))).reveal() == WORD


def test_spaces_belong_to_a_password_and_line_ends_do_not() -> None:
    found = secrets.account_password(account(command="printf ' a b \\r\\n'"))
    assert found.reveal() == " a b "


def test_a_failing_command_is_told_without_what_it_printed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigInvalid) as caught:
        secrets.account_password(account(command=f"{say(WORD)}; exit 3"))
    assert caught.value.text == 'the command for the password of account "work" failed (exit 3)'
    assert WORD not in "".join(traceback.format_exception(caught.value))
    assert WORD not in caplog.text


def test_a_command_that_was_killed_is_told() -> None:
    with pytest.raises(ConfigInvalid, match=r"failed \(signal 9\)"):
        secrets.account_password(account(command="kill -9 $$"))


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigInvalid, match=r"failed \(exit 127\)"):
        secrets.account_password(account(command="no-such-program-anywhere 2>/dev/null"))


@pytest.mark.parametrize("command", ["true", "echo", "printf '\\nlate'"])
def test_a_command_with_an_empty_first_line_is_told(command: str) -> None:
    with pytest.raises(ConfigInvalid, match="is empty"):
        secrets.account_password(account(command=command))


def test_a_command_that_waits_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_TIMEOUT_S", 0.2)
    before = time.monotonic()
    with pytest.raises(ConfigInvalid, match="gave no answer"):
        secrets.account_password(account(command="sleep 5; true"))
    assert time.monotonic() - before < 4


def test_a_command_without_a_terminal_reads_nothing() -> None:
    with pytest.raises(ConfigInvalid, match="is empty"):
        secrets.account_password(account(command="cat"))


def test_bytes_that_are_no_utf_8_are_told_and_not_repeated() -> None:
    with pytest.raises(ConfigInvalid, match="is not UTF-8 text") as caught:
        secrets.account_password(account(command="printf 'hunter\\377\\n'"))
    assert caught.value.__suppress_context__


def test_a_file_gives_the_password_as_its_first_line(private: Path) -> None:
    assert secrets.account_password(account(file=private)).reveal() == WORD


def test_a_file_that_everybody_can_read_is_refused_with_the_remedy(private: Path) -> None:
    private.chmod(0o644)
    with pytest.raises(ConfigInvalid, match="everybody on this machine can read") as caught:
        secrets.account_password(account(file=private))
    assert caught.value.hint == f"chmod 600 '{private}'"


def test_a_file_of_a_group_is_the_owners_own_decision(private: Path) -> None:
    private.chmod(0o640)
    assert secrets.account_password(account(file=private)).reveal() == WORD


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="No such file"):
        secrets.account_password(account(file=tmp_path / "none"))


def test_a_pipe_serves_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, WORD.encode())
    os.close(writer)
    try:
        monkeypatch.setenv("ARCHIVER_PASSPHRASE_FILE", f"/dev/fd/{reader}")
        assert secrets.new_passphrase("home").reveal() == WORD
    finally:
        os.close(reader)


def test_a_credential_of_systemd_goes_before_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "work.password").write_text(WORD)
    (tmp_path / "work.password").chmod(0o444)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secrets.account_password(account(command=say("other"))).reveal() == WORD


def test_credentials_of_other_accounts_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "play.password").write_text(WORD)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secrets.account_password(account(command=say("mine"))).reveal() == "mine"


def test_the_keyring_gives_the_password_it_was_given() -> None:
    secrets.remember_password("work", Secret(WORD))
    assert secrets.account_password(account(keyring=True)).reveal() == WORD
    assert secrets.forget_password("work")
    assert not secrets.forget_password("work")
    with pytest.raises(ConfigInvalid, match="the keyring has no password") as caught:
        secrets.account_password(account(keyring=True))
    assert caught.value.hint == "put it there with: keyring set archiver-account work"


def test_a_keyring_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    for call in (
        lambda: secrets.account_password(account(keyring=True)),
        lambda: secrets.remember_passphrase("k7q2", Secret(WORD)),
    ):
        with pytest.raises(ConfigInvalid, match="is not installed") as caught:
            call()
        assert caught.value.hint == "pip install 'archiver[keyring]'"


def test_a_keyring_that_is_locked_is_told_without_what_it_says(keyring: Keyring) -> None:
    keyring.broken = RuntimeError(f"could not store {WORD}")
    with pytest.raises(ConfigInvalid, match=r"cannot be used \(RuntimeError\)") as caught:
        secrets.remember_password("work", Secret(WORD))
    assert "could not store" not in "".join(traceback.format_exception(caught.value))


def test_an_account_without_a_source_asks_at_the_terminal(typed: Callable[..., list[str]]) -> None:
    asked = typed("", WORD)
    assert secrets.account_password(account()).reveal() == WORD
    assert asked == ["Password of ann at imap.example.org: "] * 2


def test_nobody_is_asked_where_there_is_no_terminal() -> None:
    with pytest.raises(ConfigInvalid, match="no terminal to ask at") as caught:
        secrets.account_password(account())
    assert caught.value.hint is not None
    for way in ("password-command", "password-keyring", "password-file", "work.password"):
        assert way in caught.value.hint


@pytest.mark.parametrize("stdin", [None, "closed"])
def test_no_standard_input_at_all_is_no_terminal(monkeypatch: pytest.MonkeyPatch, stdin: str | None) -> None:
    stream = io.StringIO() if stdin else None
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stdin", stream)
    assert not secrets.can_prompt()


def test_an_answer_that_never_comes_is_told(typed: Callable[..., list[str]]) -> None:
    typed()
    with pytest.raises(ConfigInvalid, match='no password of account "work" was typed'):
        secrets.account_password(account())


# --- the passphrase of an owner key --------------------------------------------------------------------


def test_each_source_of_a_passphrase_goes_before_the_next(
    monkeypatch: pytest.MonkeyPatch, private: Path, typed: Callable[..., list[str]]
) -> None:
    asked = typed("from the prompt")
    secrets.remember_passphrase("k7q2", Secret("from the keyring"))
    monkeypatch.setenv("ARCHIVER_PASSPHRASE_FILE", str(private))
    monkeypatch.setenv("ARCHIVER_PASSPHRASE_COMMAND", say("from the environment"))

    def found(command: str | None = None) -> str:
        return secrets.owner_passphrase("k7q2", "home", command=command).reveal()

    assert found(say("from the flag")) == "from the flag"
    assert found() == "from the environment"
    monkeypatch.delenv("ARCHIVER_PASSPHRASE_COMMAND")
    assert found() == WORD
    monkeypatch.delenv("ARCHIVER_PASSPHRASE_FILE")
    assert found() == "from the keyring"
    assert secrets.forget_passphrase("k7q2")
    assert asked == []
    assert found() == "from the prompt"
    assert asked == ["Passphrase of archive home: "]


@pytest.mark.parametrize("broken", [True, False])
def test_without_a_keyring_the_terminal_is_asked(
    monkeypatch: pytest.MonkeyPatch, keyring: Keyring, typed: Callable[..., list[str]], broken: bool
) -> None:
    typed(WORD)
    if broken:
        keyring.broken = RuntimeError("no D-Bus")
    else:
        monkeypatch.setitem(sys.modules, "keyring", None)
    assert secrets.owner_passphrase("k7q2", "home").reveal() == WORD


def test_a_source_that_fails_is_told_and_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, private: Path
) -> None:
    monkeypatch.setenv("ARCHIVER_PASSPHRASE_FILE", str(private))
    with pytest.raises(ConfigInvalid, match="failed"):
        secrets.owner_passphrase("k7q2", "home", command="false")


def test_no_passphrase_lists_the_ways_to_give_one() -> None:
    with pytest.raises(ConfigInvalid, match='there is no passphrase of archive "home"') as caught:
        secrets.owner_passphrase("k7q2", "home")
    assert caught.value.hint is not None
    for way in (
        "--passphrase-command",
        "ARCHIVER_PASSPHRASE_COMMAND",
        "ARCHIVER_PASSPHRASE_FILE",
        "remember",
    ):
        assert way in caught.value.hint


def test_a_new_passphrase_is_typed_twice(typed: Callable[..., list[str]]) -> None:
    asked = typed(WORD, "another", WORD, WORD)
    assert secrets.new_passphrase("home").reveal() == WORD
    assert asked == ["New passphrase of archive home: ", "The same again: "] * 2


def test_a_new_passphrase_that_never_agrees_is_a_mistake_of_use(typed: Callable[..., list[str]]) -> None:
    typed("a", "b", "c", "d", "e", "f")
    with pytest.raises(UsageError, match="typed twice alike"):
        secrets.new_passphrase("home")


def test_a_new_passphrase_comes_from_a_command_without_a_terminal() -> None:
    assert secrets.new_passphrase("home", command=say(WORD)).reveal() == WORD
    with pytest.raises(ConfigInvalid, match="no terminal to ask at"):
        secrets.new_passphrase("home")


def test_a_new_passphrase_never_comes_from_the_keyring() -> None:
    secrets.remember_passphrase("home", Secret(WORD))
    with pytest.raises(ConfigInvalid, match="no terminal to ask at"):
        secrets.new_passphrase("home")


def test_the_log_names_the_source_and_not_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets.account_password(account(command=say(WORD)))
    assert 'the password of account "work" comes from its command' in caplog.text
    assert WORD not in caplog.text
