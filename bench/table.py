"""The table: a row says what was compared, both figures, their ratio, and the most that it should be."""

import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from bench.measure import Used

HEADER = ("what", "archiver", "peer", "ratio", "at most", "reached")


class Row(Struct, frozen=True):
    """One line of the table; for a bound without a peer, `ratio` is empty."""

    what: str
    archiver: str
    peer: str
    ratio: str
    at_most: str
    reached: bool


def compared(what: str, archiver: Used, peer: Used, name: str, at_most: float) -> Row:
    """Compare times on the clock."""
    ratio = archiver.wall_s / peer.wall_s
    return Row(
        what, times(archiver), f"{name} {times(peer)}", f"{ratio:.2f}", f"{at_most:g}", ratio <= at_most
    )


def times(used: Used) -> str:
    """Write time on the clock and time of the processors."""
    return f"{used.wall_s:.2f} s (CPU {used.cpu_s:.2f} s)"


def mib(size: float) -> str:
    """Write a size."""
    return f"{size / (1 << 20):.0f} MiB"


def head() -> Iterator[str]:
    """Begin a table."""
    yield _line(HEADER)
    yield _line(["---"] * len(HEADER))


def line(row: Row) -> str:
    """Write a row in Markdown."""
    reached = "yes" if row.reached else "**no**"
    return _line((row.what, row.archiver, row.peer, row.ratio, row.at_most, reached))


def machine() -> Iterator[str]:
    """Tell what the figures were taken with."""
    yield f"{os.cpu_count()} processors ({_processor()}), {platform.system()} {platform.release()}"
    yield f"Python {platform.python_version()}"
    for name, *words in (
        ("mbsync", "--version"),
        ("getmail", "--version"),
        ("restic", "version"),
        ("borg", "--version"),
        ("dovecot", "--version"),
    ):
        yield f"{name}: {_said(name, words)}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 -- not a file on a disk
            return next(text.split(":", 1)[1].strip() for text in lines if text.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def _said(name: str, words: Sequence[str]) -> str:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    try:
        done = subprocess.run(
            [name, *words], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
        )
    except (OSError, subprocess.CalledProcessError):
        return "not installed"
    return done.stdout.partition("\n")[0].strip()
