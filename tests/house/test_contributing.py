"""CONTRIBUTING is true: its map is the tree, on the floors of the import contract, and what it names is there."""

import re
import tomllib
from itertools import pairwise

from tests.house.tracked import ROOT, tracked

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
MAP = re.findall(r"^\| (\d+) \| `archiver/(\w+)(/|\.py)` \|", PAGE, re.MULTILINE)
FILES = tracked()


def test_the_map_shows_every_room_and_no_other() -> None:
    rooms = {
        path.relative_to(ROOT / "archiver").parts[0]
        for path in FILES
        if path.is_relative_to(ROOT / "archiver")
    }
    shown = {name + ("" if end == "/" else end) for _, name, end in MAP}
    assert shown == rooms - {"__init__.py", "__main__.py", "py.typed"}


def test_the_floors_of_the_map_are_those_of_the_import_contract() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = [set(layer.split(" | ")) for layer in config["tool"]["importlinter"]["contracts"][0]["layers"]]
    floors = {name: int(floor) for floor, name, _ in MAP}
    for above, below in pairwise(layers):
        assert min(floors[name] for name in above) > max(floors[name] for name in below)


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:archiver|tests|docs|bench|contrib)/[\w./-]*)`", PAGE))
    missing = [name for name in named if not any(path.is_relative_to(ROOT / name) for path in FILES)]
    assert [name for name in missing if "NAME" not in name] == []
    assert len(named) > 20


def test_every_name_it_says_stands_in_a_file_stands_there() -> None:
    found = re.findall(r"`(\w+)`(?:, both)?\s(?:of|in)\s`((?:archiver|tests)/[\w./-]+\.py)`", PAGE)
    assert [f"{word} in {name}" for word, name in found if word not in (ROOT / name).read_text()] == []
    assert len(found) > 4


def test_every_folder_of_tests_is_in_its_table() -> None:
    shown = set(re.findall(r"^\| `tests/(\w+)/`", PAGE, re.MULTILINE))
    folders = {
        path.relative_to(ROOT / "tests").parts[0] for path in FILES if path.is_relative_to(ROOT / "tests")
    }
    assert shown == {name for name in folders if not name.endswith(".py")}
