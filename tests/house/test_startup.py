"""Help, and the completion of words in a shell, answer at once."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.house.tracked import ROOT

LIMIT_S = 0.100
RUNS = 12
# Each is slow to load, and needed by some commands only.
HEAVY = {
    "cryptography",
    "exchangelib",
    "imapclient",
    "keyring",
    "msal",
    "pymap",
    "requests",
    "rich",
    "tomlkit",
}


def cpu_s(command: Sequence[str], bytecode: Path) -> float:
    """Measure the processor time, user and system, of the fastest of several runs: other load adds little to it.

    The first run compiles into the folder `bytecode`, as an installation has done for users.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    times = []
    for _ in range(RUNS):
        before = spent()
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        times.append(spent() - before)
    return min(times)


def test_help_costs_less_than_a_tenth_of_a_second_beyond_python_itself(tmp_path: Path) -> None:
    bare = cpu_s([sys.executable, "-c", "pass"], tmp_path)
    took = cpu_s([sys.executable, "-m", "archiver", "--help"], tmp_path) - bare
    assert took < LIMIT_S, f"{took * 1000:.0f} ms; see python -X importtime -m archiver --help"


def test_help_loads_no_library_that_few_commands_need() -> None:
    code = "import sys, runpy, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    code += "sys.argv[1:] = ['--help']; runpy.run_module('archiver', run_name='__main__')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert HEAVY & set(ran.stderr.split()) == set()
