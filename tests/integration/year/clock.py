"""Another time for a process: a library, preloaded, that answers for the clock of the wall (ld.so(8)).

libfaketime cannot serve: it shifts what is waited by too, and Python's `time.sleep` and timeouts of locks then fail
or never end (0.9.10), and a process that is killed leaves its semaphore behind.
"""

import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from tests.require import require

SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """Gives the environment in which a process has another time."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "clock.so"
        made = subprocess.run(
            [require("cc"), "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr

    def at(self, when: datetime) -> dict[str, str]:
        """Give what a process started now needs to live at `when`."""
        return {"LD_PRELOAD": str(self._library), "CLOCK_AHEAD_S": str(round(when.timestamp() - time.time()))}

    def check(self, when: datetime) -> None:
        """Make sure that a process takes it: a year on one day would prove nothing."""
        code = "import datetime, time; print(datetime.datetime.now(datetime.UTC).date(), time.time())"
        said = subprocess.run(
            [sys.executable, "-c", code], env=self.at(when), capture_output=True, text=True, check=True
        ).stdout.split()
        assert said[0] == str(when.date())
        assert abs(float(said[1]) - when.timestamp()) < 60
