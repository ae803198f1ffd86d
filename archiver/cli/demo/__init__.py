"""archiver demo: the main job on a mail server of its own, with the very commands a user would type."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from archiver.archive.by_hand import recovery_script
from archiver.cli.demo.mail import sample_mailbox
from archiver.cli.demo.server import PASSWORD, USER, DemoServer
from archiver.cli.output import number, print_json, say
from archiver.cli.session import Session, shared_options
from archiver.errors import ArchiverError

PASSPHRASE = "correct horse battery staple"  # noqa: S105 -- shown on the screen, opens the demo alone


@click.command("demo")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Work in this new folder, and keep it."
)
@shared_options
def command(session: Session, keep: Path | None) -> None:
    """Show pull, verify, list, show, export and recovery by hand on an embedded IMAP server."""
    with tempfile.TemporaryDirectory(prefix="archiver-demo-") as temporary:
        folder = (keep or Path(temporary)).absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with DemoServer() as server:
            say(f"an IMAP server listens on 127.0.0.1:{server.port}; delivering sample mail")
            count = server.deliver(sample_mailbox())
            say(f"delivered {number(count, 'message')}")
            recovered = Demo(folder, server.port, to_stderr=session.json).run(count)
    if session.json:
        print_json({"type": "demo", "messages": count, "recovered": recovered})


class Demo:
    """Types commands, shows their output, and stops at the first that fails."""

    def __init__(self, folder: Path, port: int, *, to_stderr: bool) -> None:
        self._folder = folder
        self._port = port
        self._to_stderr = to_stderr
        self._environment = {
            **os.environ,
            **{f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "STATE", "CACHE")},
            "ARCHIVER_PASSPHRASE_COMMAND": f"echo {PASSPHRASE}",
        }
        self._environment.pop("ARCHIVER_CONFIG", None)

    def run(self, count: int) -> bool:
        """Do the main job; tell whether recovery by hand was shown too.

        Raises `ArchiverError` where anything is not as it must be.
        """
        archive = self._folder / "mail-archive"
        line = self._archiver(f"init {archive} --name demo").strip()
        self._archiver(
            f"account add ann --imap 127.0.0.1 --port {self._port} --insecure-plaintext --user {USER}"
            f" --password-command 'echo {PASSWORD}'"
        )
        self._archiver("pull ann")
        self._archiver("pull ann")
        self._archiver("verify ann --read --server")
        listed = self._archiver("list ann --folder INBOX")
        self._archiver(f"show {listed.splitlines()[-1].split()[0]}")
        self._archiver(f"export ann --to eml {self._folder / 'exported'}")
        exported = sorted(path.read_bytes() for path in (self._folder / "exported").rglob("*.eml"))
        if len(exported) != count:
            raise ArchiverError(f"{count} messages were delivered and {len(exported)} exported")
        recovered = self._by_hand(archive, line, exported)
        self._show("\nAll of it worked: every message is archived, checked, and came back byte for byte.\n")
        return recovered

    def _by_hand(self, archive: Path, line: str, exported: list[bytes]) -> bool:
        missing = [name for name in ("age", "zstd") if shutil.which(name) is None]
        if not (shutil.which("signify-openbsd") or shutil.which("signify")):
            missing.append("signify-openbsd")
        if missing:
            say(f"\nrecovery without archiver is not shown: {', '.join(missing)} not installed")
            return False
        say("\nand without archiver, by the script that stands in the archive's README.txt:")
        (self._folder / "recovery-line").write_text(line + "\n")
        (self._folder / "recover.sh").write_text(recovery_script())
        self._type(
            f"sh {self._folder}/recover.sh {archive} {self._folder}/recovery-line {self._folder}/recovered"
        )
        recovered = sorted(path.read_bytes() for path in (self._folder / "recovered" / "messages").iterdir())
        if recovered != sorted(set(exported)):
            raise ArchiverError("what was recovered by hand is not what was exported")
        return True

    def _archiver(self, words: str) -> str:
        return self._type(f"archiver {words}", [sys.executable, "-m", "archiver", *shlex.split(words)])

    def _type(self, shown: str, command: list[str] | None = None) -> str:
        self._show(f"\n$ {shown}\n")
        ran = subprocess.run(
            command or shlex.split(shown),
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        self._show(ran.stdout)
        if ran.returncode:
            raise ArchiverError(f"the demo stopped: that command ended with exit code {ran.returncode}")
        return ran.stdout

    def _show(self, text: str) -> None:
        click.echo(text, nl=False, err=self._to_stderr)
