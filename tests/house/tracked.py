"""Which files belong to the project: what git tracks or would track, else all that a source package holds."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[Path, ...]:
    """List the project's files, sorted. New files count before they are added, so that `make test` sees them."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listed = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split("\0")
        found = {ROOT / name for name in listed if name}
    else:
        found = {
            path
            for path in ROOT.rglob("*")
            if not any(
                part in {"__pycache__", "build", "dist"} or part.startswith(".") for part in path.parts
            )
        }
    return tuple(sorted(path for path in found if path.is_file()))
