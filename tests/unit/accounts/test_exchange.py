"""Keys, marks, keywords and differences of Exchange items."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.accounts.exchange import (
    category_of,
    differences,
    epoch_of,
    id_of,
    key_of,
    keyword_of,
    mark_of,
)
from archiver.model import New, Ref, Reflagged, Remote, Vanished


def test_a_key_gives_back_its_id_and_other_texts_have_none() -> None:
    key = key_of("AAkALgAA~B=", mark_of("a", 1))
    assert id_of(key) == "AAkALgAA~B="
    assert [id_of(one) for one in ("", "4711", "x~", "~0123abcd", "x~0123ABCD", "x~0123abcd0")] == [None] * 6


def test_ids_that_differ_in_case_alone_are_of_different_folders() -> None:
    assert epoch_of("AAa") != epoch_of("AAA")
    assert re.fullmatch(r"exchange\.[0-9a-f]{16}", epoch_of("AAA"))


def test_what_is_told_apart_has_another_mark() -> None:
    assert mark_of("a", "b") != mark_of("ab", "")
    assert mark_of("a", None) == mark_of("a", None)


@pytest.mark.parametrize(
    ("category", "keyword"),
    [
        ("Work", "Work"),
        ("$Label1", "$Label1"),
        ("To do (soon)", "To=20do=20=28soon=29"),
        ("a=b", "a=3Db"),
        ("\\Seen", "=5CSeen"),
        ("Büro", "B=C3=BCro"),
    ],
)
def test_a_category_is_a_keyword_that_any_server_takes(category: str, keyword: str) -> None:
    assert keyword_of(category) == keyword
    assert category_of(keyword) == category


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda one: one != "$Forwarded"))
def test_every_category_comes_back_from_its_keyword(category: str) -> None:
    keyword = keyword_of(category)
    assert category_of(keyword) == category
    assert not re.search(r'[^\x21-\x7e]|[(){%*"\]]', keyword)
    assert not keyword.startswith("\\")


@pytest.mark.parametrize("flag", ["\\Seen", "label: To do", "$Forwarded"])
def test_what_is_no_category_is_none(flag: str) -> None:
    assert category_of(flag) is None


def test_differences_tell_new_edited_reflagged_and_gone_and_nothing_else() -> None:
    def item(item_id: str, mark: str, *flags: str) -> Remote:
        return Remote(Ref("F", "e", key_of(item_id, mark)), flags=frozenset(flags))

    known = {
        key_of("same", "00000000"): frozenset[str](),
        key_of("read", "00000000"): frozenset[str](),
        key_of("edited", "00000000"): frozenset[str](),
        key_of("gone", "00000000"): frozenset[str](),
        key_of("other", "00000000"): frozenset[str](),
    }
    told = {
        "same": item("same", "00000000"),
        "read": item("read", "00000000", "\\Seen"),
        "edited": item("edited", "11111111"),
        "new": item("new", "00000000"),
        "gone": None,
        "unheard-of": None,
    }
    expected = [
        Reflagged(Ref("F", "e", key_of("read", "00000000")), frozenset({"\\Seen"})),
        New(told["edited"]),  # type: ignore[arg-type]  # it is none of those that are gone
        New(told["new"]),  # type: ignore[arg-type]
        Vanished(Ref("F", "e", key_of("edited", "00000000"))),
        Vanished(Ref("F", "e", key_of("gone", "00000000"))),
    ]
    assert list(differences("F", "e", told, known, whole=False)) == expected
    gone = Vanished(Ref("F", "e", key_of("other", "00000000")))
    assert list(differences("F", "e", told, known, whole=True)) == [*expected, gone]
