"""What holds for every test."""

import os

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are processors: many tests wait for servers, clocks and each other's ends."""
    return (os.cpu_count() or 1) + 1
