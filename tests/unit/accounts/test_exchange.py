"""Keys, marks and differences of Exchange items."""

import re

from archiver.accounts.exchange import differences, epoch_of, id_of, key_of, mark_of
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
