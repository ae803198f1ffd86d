"""The page on what servers do names tests that there are, for every entry."""

import ast
import re
from functools import cache

import pytest

from tests.house.test_docs import REFERENCE
from tests.house.tracked import ROOT, tracked

PAGE = REFERENCE / "server-behaviour.md"
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


@cache
def names() -> frozenset[tuple[str, str]]:
    """Give the file name and the name of every test."""
    return frozenset(
        (path.name, node.name)
        for path in tracked()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    )


def entries() -> list[list[str]]:
    """Give the cells of every entry of every table."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row[0] != "What servers do"]


@pytest.mark.parametrize("row", entries(), ids=lambda row: re.sub(r"\W+", " ", row[0])[:50])
def test_an_entry_is_played_by_a_test_or_says_why_not(row: list[str]) -> None:
    behaviour, met_by, does, test = row
    assert behaviour.endswith(".")
    assert met_by
    assert does.endswith(".")
    found = TEST.findall(test)
    assert found or re.fullmatch(r"not tested: \w.*", test)
    assert {name for name in found if tuple(name) not in names()} == set()
    assert TEST.sub("", test).strip(", ") == "" or not found, "something beside the tests"


def test_most_entries_are_played() -> None:
    played = sum(bool(TEST.search(row[3])) for row in entries())
    assert played / len(entries()) > 0.85
