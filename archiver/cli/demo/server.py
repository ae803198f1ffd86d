"""The embedded IMAP server of the demo: pymap, in memory, on a free loopback port, as a process of its own."""

import imaplib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.util import find_spec
from types import TracebackType
from typing import Self

from archiver.accounts.imap.utf7 import encode
from archiver.cli.demo.mail import Sample
from archiver.errors import ArchiverError, Unreachable

USER = "ann"
PASSWORD = "demo"  # noqa: S105 -- of a server that lives as long as the demo
START_S = 30.0


class DemoServer:
    """A context manager: started on entering, stopped on leaving."""

    def __init__(self) -> None:
        if find_spec("pymap") is None:
            raise ArchiverError(
                "the demo needs the package pymap", "install it: pip install 'archiver[demo]'"
            )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> Self:
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--no-tls"]
        words += ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
        self._process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from pymap.main import main; sys.exit(main())", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def deliver(self, samples: Iterable[Sample]) -> int:
        """Put sample mail into its folders; returns how much."""
        count = 0
        with imaplib.IMAP4("127.0.0.1", self.port) as session:
            session.login(USER, PASSWORD)
            made = {"INBOX"}
            for sample in samples:
                mailbox = f'"{encode(sample.folder).decode("ascii")}"'
                if sample.folder not in made:
                    session.create(mailbox)
                    made.add(sample.folder)
                date = imaplib.Time2Internaldate(sample.received)
                answer, _ = session.append(mailbox, sample.flags, date, sample.raw)
                if answer != "OK":
                    raise ArchiverError("the demo's server did not take a message")
                count += 1
        return count

    def _wait(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as line:
                    if line.recv(64).startswith(b"* OK"):
                        return
            except OSError:
                time.sleep(0.1)
        raise Unreachable("the demo's IMAP server did not start", "see whether this runs: pymap --help")
