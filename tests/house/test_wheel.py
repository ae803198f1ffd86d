"""What is shipped is the package, whole, and nothing beside it."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.house.tracked import ROOT, tracked


def test_the_wheel_holds_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("archiver-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name for name in names if ".dist-info/" not in name}
    meant = {str(path.relative_to(ROOT)) for path in tracked() if path.is_relative_to(ROOT / "archiver")}
    assert package == meant
    assert "archiver/py.typed" in package
    assert any(name.endswith("licenses/LICENSE") for name in names)
