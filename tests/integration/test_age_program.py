"""Both directions against the age program: what one seals the other opens."""

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.formats import age
from archiver.model import Secret
from tests.require import require

SIZES = [0, 1, 65535, 65536, 65537, 131072, (1 << 20) + 1]
PASSPHRASE = "correct horse grüße"


def run(arguments: list[str], data: bytes = b"") -> bytes:
    return subprocess.run(arguments, input=data, capture_output=True, check=True, timeout=60).stdout


# age asks on its controlling terminal, /dev/tty; a new session takes its standard input as that
ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def run_on_terminal(arguments: list[str], answers: int) -> int:
    """Run a program on a terminal of its own, answer its first questions, give its exit code."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ON_TERMINAL, *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as child:
        os.close(theirs)
        shown = b""
        # Linux says EIO where others give the end of the file
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 4096):
                shown += piece
                if answers and shown.rstrip().endswith(b":"):
                    os.write(ours, PASSPHRASE.encode() + b"\n")
                    answers -= 1
                    shown = b""
        os.close(ours)
    return child.returncode


@pytest.fixture
def identity() -> age.Identity:
    return age.Identity.generate()


def key_file(folder: Path, identity: age.Identity) -> str:
    path = folder / "key.txt"
    path.write_text(f"# made for a test\n{identity.text}\n")
    return str(path)


@pytest.mark.parametrize("size", SIZES)
def test_the_program_opens_what_we_seal(tmp_path: Path, identity: age.Identity, size: int) -> None:
    program = require("age")
    plain = os.urandom(size)
    sealed = age.encrypt(plain, [identity.recipient])
    assert run([program, "-d", "-i", key_file(tmp_path, identity)], sealed) == plain


@pytest.mark.parametrize("armor", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_we_open_what_the_program_seals(identity: age.Identity, size: int, armor: bool) -> None:
    program = require("age")
    plain = os.urandom(size)
    sealed = run([program, "-r", identity.recipient.text, *(["-a"] if armor else [])], plain)
    if armor:
        assert age.encode_armor(age.decode_armor(sealed)) == sealed
        sealed = age.decode_armor(sealed)
    assert age.decrypt(sealed, [identity]) == plain
    reader = age.RandomReader(lambda start, length: sealed[start : start + length], len(sealed), [identity])
    assert reader.read(0, reader.size) == plain


def test_several_recipients_each_open_it_both_ways(tmp_path: Path) -> None:
    program = require("age")
    people = [age.Identity.generate() for _ in range(4)]
    ours = age.encrypt(b"to all", [person.recipient for person in people])
    theirs = run([program, *(word for person in people for word in ("-r", person.recipient.text))], b"to all")
    for person in people:
        assert run([program, "-d", "-i", key_file(tmp_path, person)], ours) == b"to all"
        assert age.decrypt(theirs, [person]) == b"to all"
        assert age.decrypt(theirs, [age.Identity.generate(), person]) == b"to all"


def test_armor_of_ours_is_opened_by_the_program(tmp_path: Path, identity: age.Identity) -> None:
    program = require("age")
    sealed = age.encode_armor(age.encrypt(b"on paper", [identity.recipient]))
    assert run([program, "-d", "-i", key_file(tmp_path, identity)], sealed) == b"on paper"


def test_keys_of_age_keygen_are_ours(tmp_path: Path) -> None:
    keygen = require("age-keygen")
    lines = run([keygen]).decode().splitlines()
    identity = age.Identity.from_text(lines[-1])
    assert identity.text == lines[-1]
    assert f"# public key: {identity.recipient.text}" in lines
    ours = age.Identity.generate()
    assert run([keygen, "-y", key_file(tmp_path, ours)]).decode().strip() == ours.recipient.text


def test_the_program_opens_our_passphrase_file(tmp_path: Path) -> None:
    program = require("age")
    locked, opened = tmp_path / "owner.age", tmp_path / "owner.txt"
    locked.write_bytes(age.encrypt_with_passphrase(b"the owner key\n", Secret(PASSPHRASE), log_n=12))
    assert run_on_terminal([program, "-d", "-o", str(opened), str(locked)], answers=1) == 0
    assert opened.read_bytes() == b"the owner key\n"


def test_we_open_the_passphrase_file_of_the_program(tmp_path: Path) -> None:
    program = require("age")
    plain, locked = tmp_path / "owner.txt", tmp_path / "owner.age"
    plain.write_bytes(b"the owner key\n")
    assert run_on_terminal([program, "-p", "-o", str(locked), str(plain)], answers=2) == 0
    assert age.decrypt_with_passphrase(locked.read_bytes(), Secret(PASSPHRASE)) == b"the owner key\n"


def test_the_program_refuses_a_file_of_ours_that_was_changed(tmp_path: Path, identity: age.Identity) -> None:
    program = require("age")
    sealed = age.encrypt(os.urandom(100_000), [identity.recipient])
    for changed in (sealed[:-1], sealed + b"x", sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(subprocess.CalledProcessError):
            run([program, "-d", "-i", key_file(tmp_path, identity)], changed)
