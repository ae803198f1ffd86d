"""Categories are keywords, and come back."""

import re

from hypothesis import given
from hypothesis import strategies as st

from archiver.plan.categories import categories_of, category_of, flag_of

ATOM = re.compile(r'[^\x00-\x20(){%*"\\\]\x7f-\U0010ffff]+')


@given(st.text(min_size=1).filter(lambda text: text.encode("utf-8", "replace").decode() == text))
def test_any_category_is_an_atom_and_comes_back(category: str) -> None:
    flag = flag_of(category)
    assert ATOM.fullmatch(flag)
    assert category_of(flag) == category
    assert categories_of(frozenset({flag})) == [category]


def test_a_plain_word_is_itself() -> None:
    assert flag_of("Work") == "Work"
    assert flag_of("$Label1") == "$Label1"
    assert flag_of("Blue category") == "Blue=20category"


def test_no_category_passes_for_a_forwarded_mail() -> None:
    assert flag_of("$forwarded") == "=24forwarded"
    assert categories_of(frozenset({"$Forwarded", "\\Seen", "label: Work", "x"})) == ["x"]
