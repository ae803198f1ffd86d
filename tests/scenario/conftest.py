"""A scene for each layout. Durability is the store contract's concern: nothing here waits for a disk."""

import os
from pathlib import Path

import pytest

from tests.scene import LAYOUTS, Scene


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(params=LAYOUTS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path / "state", request.param)
