"""A name that archiver gives tells its run; a name that it never gives is nobody's."""

from datetime import UTC, datetime

import pytest

from archiver.archive.layout import LAYOUTS
from archiver.formats.index import index_key
from archiver.formats.manifest import manifest_key
from archiver.formats.object_key import run_of
from archiver.ports import Label

CHAIN = "k7q2m9xa"
FLAGS = frozenset({"\\Seen", "\\Draft", "$Forwarded", "\\Answered", "\\Flagged", "\\Deleted", "other"})


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("seq", [1, 42, 123456789])
@pytest.mark.parametrize("number", [1, 137])
@pytest.mark.parametrize("flags", [frozenset[str](), FLAGS], ids=["no flags", "flags"])
@pytest.mark.parametrize("received", [None, datetime(2024, 5, 31, tzinfo=UTC)])
def test_what_a_layout_names_is_known(
    layout: object, seq: int, number: int, flags: frozenset[str], received: datetime | None
) -> None:
    label = Label(12345, "INBOX", "1", "2", 3, "ab" * 32, flags, received)
    key = layout.key(CHAIN, seq, number, label)  # type: ignore[attr-defined]
    assert run_of(CHAIN, key) == seq
    assert run_of("aaaaaaaa", key) is None


@pytest.mark.parametrize("seq", [1, 42, 123456789])
def test_manifests_and_indexes_are_known(seq: int) -> None:
    assert run_of(CHAIN, manifest_key(CHAIN, seq)) == seq
    assert run_of(CHAIN, index_key(CHAIN, seq, "0123abcd")) == seq


@pytest.mark.parametrize(
    "name",
    [
        "",
        "volumes/00000001-01-0123abcd.mbox.zst.age.bak",
        "volumes/00000001-01-0123ABCD.mbox.zst.age",
        "volumes/1-01-0123abcd.mbox.zst.age",
        "volumes/x/00000001-01-0123abcd.mbox.zst.age",
        "indexes/00000001-01-0123abcd.mbox.zst.age",
        "indexes/00000001-0123abcd.index.zst",
        "manifests/00000001.manifest\n",
        "manifests/00000001.manifest.old",
        "maildir/f0001/new/0.1-1-0123abcd.k7q2m9xa:2,.zst.age",
        "maildir/f0001/cur/0.1-1-0123abcd.aaaaaaaa:2,.zst.age",
        "maildir/f0001/cur/0.1-1-0123abcd.k7q2m9xa:2,X.zst.age",
        "maildir/f0001/cur/0.1-1-0123abcd.k7q2m9xa:2,.zst.age/",
        "volumes/\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661-01-0123abcd.mbox.zst.age",
    ],
)
def test_what_archiver_never_writes_is_not(name: str) -> None:
    assert run_of(CHAIN, f"chains/{CHAIN}/{name}") is None


def test_a_key_outside_of_the_chain_is_not() -> None:
    assert run_of(CHAIN, "volumes/00000001-01-0123abcd.mbox.zst.age") is None
    assert run_of(CHAIN, "") is None
