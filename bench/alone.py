"""Run one program and write down what it took, in a process that is small itself.

    python bench/alone.py FIGURES PROGRAM [WORD ...]

The kernel tells a program's largest resident size as never less than that of the process which started it, so one
that holds a server and a corpus must not be that process.
"""

import json
import os
import sys
import time
from pathlib import Path


def main(figures: str, command: list[str]) -> None:
    """Run `command` to its end; its figures go to the file `figures`, as JSON."""
    started = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - started
    told = {
        "exit": os.waitstatus_to_exitcode(status),
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "rss": usage.ru_maxrss * 1024,
    }
    Path(figures).write_text(json.dumps(told), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
