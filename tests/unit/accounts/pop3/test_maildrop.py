"""Keys of messages: unique in the folder, whatever a server tells."""

from hypothesis import given
from hypothesis import strategies as st

from archiver.accounts.pop3 import maildrop
from archiver.accounts.pop3.maildrop import Row

IDS = st.one_of(st.binary(max_size=6), st.sampled_from([b"a", b"a:1", b"=", b"=?3", b"\xff", b"x" * 501]))


@given(
    st.dictionaries(st.integers(1, 9), st.one_of(st.none(), st.integers(0, 99))),
    st.dictionaries(st.integers(1, 9), IDS),
)
def test_each_message_is_listed_once_and_no_key_twice(
    sizes: dict[int, int | None], ids: dict[int, bytes]
) -> None:
    rows = maildrop.rows(sizes, ids)
    assert [row.number for row in rows] == sorted({*sizes, *ids})
    keys = [row.key for row in rows if row.key is not None]
    assert len(keys) == len(set(keys))
    for row in rows:
        if row.key is not None:
            assert maildrop.id_of(row.key) == ids[row.number].decode()
            assert maildrop.size_of(row.key) == sizes[row.number]
            assert list(ids.values()).count(ids[row.number]) == 1


def test_a_key_of_content_is_never_that_of_an_id() -> None:
    keys = maildrop.ContentKeys()
    made = [
        keys.next("ab" * 32),
        keys.next("ab" * 32),
        keys.unreadable(7),
        keys.unreadable(7),
        keys.unreadable(None),
    ]
    assert made == ["=" + "ab" * 32, "=" + "ab" * 32 + ".2", "=?7", "=?7.2", "=?0"]
    assert [maildrop.id_of(key) for key in made] == [None] * 5
    assert [maildrop.digest_of(key) for key in made[:2]] == ["ab" * 32] * 2
    (row,) = maildrop.rows({1: 3}, {1: b"=?7"})
    assert row == Row(1, 3, "=?7:3", "=?7")
    assert not maildrop.is_unreadable("ab:3")


def test_an_id_with_a_colon_and_digits_is_no_other_id() -> None:
    rows = maildrop.rows({1: 5, 2: 5}, {1: b"a", 2: b"a:5"})
    assert [row.key for row in rows] == ["a:5", "a:5:5"]
    assert [maildrop.id_of(row.key or "") for row in rows] == ["a", "a:5"]


def test_a_token_tells_listings_apart() -> None:
    assert maildrop.token(["a:1", "b:2"]) == maildrop.token(["a:1", "b:2"])
    assert len({maildrop.token(keys) for keys in (["a:1", "b:2"], ["b:2", "a:1"], ["a:1"], [])}) == 4
