"""Find the programs that a test needs; their absence skips loudly, or fails where CI says so."""

import os
import shutil

import pytest

_PLACES = "/usr/sbin:/usr/local/sbin:/sbin"


def require(program: str) -> str:
    """Give the path of a program; skip the test without it, or fail if `ARCHIVER_REQUIRE` names it."""
    path = shutil.which(program) or shutil.which(program, path=_PLACES)
    if path:
        return path
    if program in os.environ.get("ARCHIVER_REQUIRE", "").split(","):
        pytest.fail(f'"{program}" is not installed, and ARCHIVER_REQUIRE asks for it')
    pytest.skip(f'"{program}" is not installed')
