"""Find the programs that tests compare with: a missing one skips, or fails if ARCHIVER_REQUIRE names it."""

import os
import shutil

import pytest

_OTHER_NAMES = {"signify": ("signify-openbsd", "signify")}  # Debian's `signify` is another program


def require(program: str) -> str:
    """Give the path of `program`, or skip the test; fail it where ARCHIVER_REQUIRE (with commas) names it."""
    for name in _OTHER_NAMES.get(program, (program,)):
        if path := shutil.which(name):
            return path
    if program in os.environ.get("ARCHIVER_REQUIRE", "").split(","):
        pytest.fail(f"'{program}' is required by ARCHIVER_REQUIRE and is not installed")
    pytest.skip(f"'{program}' is not installed: nothing was compared with it")
