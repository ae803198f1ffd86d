"""The command line as tests type it: in a process of its own, or quickly within this one.

`python -m tests.command_line ARGUMENTS` is archiver with a light passphrase and small checkpoints; neither is an option
of the product. CHECKPOINT_BYTES, LEDGER_EVERY and REMOVED_AT_ONCE in the environment set sizes.
"""

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from msgspec import Struct

from archiver.archive import keys
from archiver.cli.failure import BUG
from archiver.cli.main import main
from tests import json_schemas

ROOT = Path(__file__).parents[1]
LIGHT_LOG_N = 10  # 1 MiB and a millisecond, where a person's passphrase takes 256 MiB and a second
SCHEMA = "archiver/1"


class Done(Struct):
    """How a command ended."""

    exit: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What was said in JSON, each of the schema."""
        found = [json.loads(line) for line in self.out.splitlines()]
        assert all(each["schema"] == SCHEMA for each in found)
        return found

    @property
    def document(self) -> dict[str, Any]:
        (found,) = self.lines
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The last line of a failed `--json` run."""
        found = self.lines[-1]
        assert found["type"] == "error"
        assert set(found) >= {"code", "exit", "message", "hint"}
        assert found["exit"] == self.exit
        assert found["hint"]
        return found


class CommandLine:
    """A user's home, and the commands typed in it; nobody sits at a terminal unless a test brings one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            **{f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "STATE", "CACHE")},
        }

    @property
    def config(self) -> Path:
        return self.home / "config" / "archiver" / "config.toml"

    def __call__(self, *words: object, **environment: str) -> Done:
        """Type a command, within this process."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with (
            mock.patch.dict(os.environ, {**self.environment, **environment}, clear=True),
            mock.patch.object(sys, "argv", ["archiver", *map(str, words)]),
            mock.patch.object(sys, "stdin", io.StringIO()),
            mock.patch.object(sys, "stdout", out),
            mock.patch.object(sys, "stderr", err),
            contextlib.chdir(self.home),
            signals_given_back(),
        ):
            try:
                main()
            except SystemExit as end:
                code = end.code
        said = [stream.buffer.getvalue() for stream in (out, err)]
        return _checked(words, Done(code if isinstance(code, int) else 99, said[0], said[1].decode()))

    def typed(self, *words: object, light: bool = False, timeout_s: float = 60, **environment: str) -> Done:
        """Type a command as users do: a process of its own, without a terminal.

        `light` is for `init`, and for pulls that are to be cut short.
        """
        module = "tests.command_line" if light else "archiver"
        ran = subprocess.run(
            [sys.executable, "-m", module, *map(str, words)],
            cwd=self.home,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return _checked(words, Done(ran.returncode, ran.stdout, ran.stderr.decode(errors="replace")))

    def start(
        self, *words: object, light: bool = False, program: str | None = None, **more: Any
    ) -> subprocess.Popen[bytes]:
        """Begin a command, or another program, in a process group of its own, as a shell does."""
        environment: Mapping[str, str] = more.pop("environment", {})
        module = "tests.command_line" if light else "archiver"
        with signals_as_in_a_terminal():
            return subprocess.Popen(
                [*([program] if program else [sys.executable, "-m", module]), *map(str, words)],
                cwd=self.home,
                env={**self.environment, **environment},
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
            )


def _checked(words: Sequence[object], done: Done) -> Done:
    """Hold whatever is printed in JSON, in any test, to the published schemas."""
    if "--json" in words and done.exit != BUG:
        json_schemas.check([str(each) for each in words], done.out)
    return done


@contextlib.contextmanager
def signals_given_back() -> Iterator[None]:
    """Have signals handled afterwards as before: a command that ends need not see to it, its process ends too."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for one, handler in before.items():
                signal.signal(one, handler)


@contextlib.contextmanager
def signals_as_in_a_terminal() -> Iterator[None]:
    """Have no signal ignored in what is started here, even where the tests run under nohup or in the background."""
    ignored = [
        one
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(one) == signal.SIG_IGN
    ]
    for one in ignored:
        signal.signal(one, signal.SIG_DFL)
    try:
        yield
    finally:
        for one in ignored:
            signal.signal(one, signal.SIG_IGN)


def light() -> None:
    """Make passphrases cheap and checkpoints frequent, before anything takes the numbers over."""
    keys.OWNER_LOG_N = LIGHT_LOG_N
    size = os.environ.get("CHECKPOINT_BYTES")
    if size:
        writer: Any = importlib.import_module("archiver.archive.writer")
        writer.CHECKPOINT_SIZE = int(size)
    every = os.environ.get("LEDGER_EVERY")
    if every:
        restore: Any = importlib.import_module("archiver.ops.restoring")
        restore.LEDGER_EVERY = int(every)
    at_once = os.environ.get("REMOVED_AT_ONCE")
    if at_once:
        for name, size_name in (("archiver.ops.prune", "CHUNK"), ("archiver.accounts.imap.delete", "BATCH")):
            setattr(importlib.import_module(name), size_name, int(at_once))


if __name__ == "__main__":
    light()
    main()
