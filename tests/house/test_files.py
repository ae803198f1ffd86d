"""What holds for every file of the project."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.tracked import ROOT, tracked

MODULES = [path for path in tracked() if path.suffix == ".py" and path.is_relative_to(ROOT / "archiver")]
# A word that fits everything says nothing.
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager", "managers"}
# Guidance, not a gate: a longer file is listed here with the reason why it is one thing.
LONG_FILES: dict[str, str] = {}
# Put together, so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(
    rb"(?<![\w}.])/(?:" + b"|".join([b"work", b"root", b"home"]) + rb")/"
)  # at the start of a path


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    if path.name == "__init__.py" and not text.strip():
        return  # an empty one says nothing and holds nothing
    assert ast.get_docstring(ast.parse(text)), "the module has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_is_short_or_has_a_reason(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    if shown(path) in LONG_FILES:
        assert lines > 400, "short again: take it out of LONG_FILES"
    else:
        assert lines <= 400, "split it, or give the reason in LONG_FILES"


def test_every_file_is_named_for_what_it_holds() -> None:
    found = [
        shown(path) for path in tracked() if path.suffix == ".py" and NAMELESS & {*path.parts, path.stem}
    ]
    assert found == []


def test_no_file_speaks_of_the_machine_it_was_written_on() -> None:
    found = [shown(path) for path in tracked() if MACHINE_PATHS.search(path.read_bytes())]
    assert found == []


def test_the_locks_name_hashes_and_no_place_to_fetch_from() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not re.search(r"^--|^-[a-z] ", text, re.MULTILINE), "an option would change where pip looks"
        packages = [
            line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")
        ]
        assert packages
        assert [
            package for package in packages if "==" not in package or "--hash=sha256:" not in package
        ] == []
        assert re.search(r"^hatchling==", text, re.MULTILINE), "the build backend has to be in the lock, too"


def test_the_lock_of_the_tests_has_what_users_get() -> None:
    def pinned(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==[^ ;]+", (ROOT / name).read_text(), re.MULTILINE))

    assert pinned("requirements.lock") <= pinned("requirements-dev.lock")
