"""Run a program and tell what it took: time on the clock, time of the processors, memory."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct


class Used(Struct, frozen=True):
    """What one run of a program took; `rss` is the largest resident size, in bytes."""

    wall_s: float
    cpu_s: float
    rss: int


class ProgramFailed(Exception):
    """A measured program ended with an error: then there is nothing to compare."""


def run(command: Sequence[str | Path], *, env: Mapping[str, str], log: Path) -> Used:
    """Run a program to its end; what it says goes to `log`. Raises `ProgramFailed`.

    What was written before is brought to the disk first, so that nobody pays for another's writing.
    """
    os.sync()
    figures = log.with_suffix(".figures")
    words = [sys.executable, "-I", Path(__file__).with_name("alone.py"), figures, *command]
    with log.open("wb") as out:
        subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True)
    told = json.loads(figures.read_text())
    if told["exit"]:
        said = log.read_text(errors="replace")[-2000:]
        raise ProgramFailed(f"{' '.join(map(str, command))} ended with {told['exit']}:\n{said}")
    return Used(told["wall_s"], told["cpu_s"], told["rss"])


def in_turns(rounds: int, *steps: Callable[[], Used]) -> list[Used]:
    """Do the steps one after another, again and again; give the median of each."""
    taken: list[list[Used]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, used in zip(steps, taken, strict=True):
            used.append(step())
    return [median(used) for used in taken]


def median(taken: Iterable[Used]) -> Used:
    """Give the median of each figure by itself; of the resident size, the largest."""
    all_ = list(taken)
    return Used(
        statistics.median(used.wall_s for used in all_),
        statistics.median(used.cpu_s for used in all_),
        max(used.rss for used in all_),
    )


def size_of(folder: Path) -> int:
    """Add up the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
