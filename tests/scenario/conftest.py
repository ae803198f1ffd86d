"""A scene for each layout."""

from pathlib import Path

import pytest

from tests.scene import LAYOUTS, Scene


@pytest.fixture(params=LAYOUTS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path / "state", request.param)
