"""Both directions against OpenBSD's signify."""

import subprocess
from pathlib import Path

import pytest

from archiver.errors import Damaged
from archiver.formats.signify import PublicKey, SigningKey, open_embedded, sign_embedded
from tests.require import require

KEY = SigningKey.from_seed(bytes(range(32)))
MESSAGES = [b"", b"one line", b"archiver-manifest 1\nend\n", bytes(range(256)) * 1000]


def run(*arguments: str | Path) -> None:
    subprocess.run([require("signify"), *map(str, arguments)], capture_output=True, check=True, timeout=60)


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("comment", ["x", "archiver manifest k7q2m9xa 42", "x" * 1023])
def test_the_program_verifies_what_we_sign(tmp_path: Path, message: bytes, comment: str) -> None:
    public, signed, opened = tmp_path / "writer.pub", tmp_path / "run.manifest", tmp_path / "run.txt"
    public.write_bytes(KEY.public.file(comment))
    signed.write_bytes(sign_embedded(KEY, message, comment))
    run("-V", "-e", "-p", public, "-x", signed, "-m", opened)
    assert opened.read_bytes() == message


@pytest.mark.parametrize("message", MESSAGES)
def test_we_verify_what_the_program_signs(tmp_path: Path, message: bytes) -> None:
    public, secret = tmp_path / "key.pub", tmp_path / "key.sec"
    plain, signed = tmp_path / "run.txt", tmp_path / "run.txt.sig"
    plain.write_bytes(message)
    run("-G", "-n", "-c", "a test", "-p", public, "-s", secret)
    run("-S", "-e", "-s", secret, "-m", plain, "-x", signed)
    comment, text = public.read_text().splitlines()
    key = PublicKey.from_text(text)
    assert comment == "untrusted comment: a test public key"
    assert key.file("a test public key") == public.read_bytes()
    assert open_embedded(signed.read_bytes(), [KEY.public, key]) == (message, key)
    with pytest.raises(Damaged):
        open_embedded(signed.read_bytes() + b"x", [key])


def test_the_program_refuses_what_we_refuse(tmp_path: Path) -> None:
    public, signed, opened = tmp_path / "writer.pub", tmp_path / "run.manifest", tmp_path / "run.txt"
    public.write_bytes(KEY.public.file("x"))
    signed.write_bytes(sign_embedded(KEY, b"text", "x") + b"more")
    with pytest.raises(subprocess.CalledProcessError):
        run("-V", "-e", "-p", public, "-x", signed, "-m", opened)
    with pytest.raises(Damaged):
        open_embedded(signed.read_bytes(), [KEY.public])
