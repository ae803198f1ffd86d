"""The page on Exchange names, for each hazard, its cure and tests that there are."""

import re

import pytest

from tests.house.test_server_behaviour_docs import TEST, names
from tests.house.tracked import ROOT

PAGE = ROOT / "docs" / "explanation" / "exchange.md"


def rows() -> list[list[str]]:
    """Give the cells of every hazard."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| H")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in found if row[0] != "Hazard"]


def test_all_hazards_are_there_in_their_order() -> None:
    assert [row[0].partition(":")[0] for row in rows()] == [f"H{number}" for number in range(1, 13)]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].partition(":")[0])
def test_a_hazard_has_a_cure_and_tests(row: list[str]) -> None:
    hazard, cure, tests = row
    assert re.fullmatch(r"H\d+: .+\.", hazard)
    assert cure.endswith(".")
    found = TEST.findall(tests)
    assert found
    assert set(found) <= names()
    assert TEST.sub("", tests).strip(", ") == ""


def others() -> list[list[str]]:
    """Give the cells of what servers of other makers do."""
    _, _, after = PAGE.read_text().partition("## Servers of other makers")
    lines = [line for line in after.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines][1:]


@pytest.mark.parametrize("row", others(), ids=lambda row: re.sub(r"\W+", " ", row[0])[:50])
def test_what_a_server_of_another_maker_does_has_an_answer_and_tests(row: list[str]) -> None:
    behaviour, answer, tests = row
    assert behaviour.endswith(".")
    assert answer.endswith(".")
    found = TEST.findall(tests)
    assert found
    assert set(found) <= names()
