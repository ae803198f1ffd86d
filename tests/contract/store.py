"""What every store must do (`ports.Store`)."""

import pytest

from archiver.errors import Damaged, ObjectExists, ObjectMissing, StoreFailed
from archiver.ports import Store

KEY = "chains/k7q2m9xa/volumes/00000001-01-c81e92aa.mbox.zst.age"
MANIFEST = "chains/k7q2m9xa/manifests/00000001.manifest"
ODD = "chains/k7q2m9xa/maildir/f0003/cur/1700000000.42-137.k7q2m9xa:2,RS.zst.age"


class StoreContract:
    """Subclasses give the fixture `store`: a new, empty one."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    def test_what_was_put_is_got(self, store: Store) -> None:
        store.put(KEY, [b"one", b"", b"two"])
        assert store.get(KEY) == b"onetwo"

    def test_an_empty_object_is_an_object(self, store: Store) -> None:
        store.put(KEY, [])
        assert store.get(KEY) == b""
        assert list(store.keys()) == [KEY]

    def test_a_range_is_got_and_less_at_the_end(self, store: Store) -> None:
        store.put(KEY, [bytes(range(10))])
        assert store.get(KEY, 3, 4) == bytes(range(3, 7))
        assert store.get(KEY, 3) == bytes(range(3, 10))
        assert store.get(KEY, 8, 100) == bytes([8, 9])
        assert store.get(KEY, 10, 5) == b""
        assert store.get(KEY, 100, 5) == b""
        assert store.get(KEY, 0, 0) == b""

    def test_a_large_object_comes_back_whole(self, store: Store) -> None:
        piece = bytes(range(256)) * 4096
        store.put(KEY, (piece for _ in range(20)))
        assert store.get(KEY) == piece * 20
        assert store.get(KEY, 5 << 20, 1 << 20) == piece

    def test_a_missing_object_is_said_to_be_missing(self, store: Store) -> None:
        with pytest.raises(ObjectMissing) as missing:
            store.get(KEY)
        assert KEY in missing.value.text
        assert isinstance(missing.value, Damaged)
        store.put(KEY, [b"x"])
        with pytest.raises(ObjectMissing):
            store.get(MANIFEST)
        with pytest.raises(ObjectMissing):
            store.get(KEY + "2", 0, 5)

    def test_a_plain_put_replaces(self, store: Store) -> None:
        store.put(KEY, [b"one"])
        store.put(KEY, [b"two"])
        assert store.get(KEY) == b"two"

    def test_a_commit_never_replaces(self, store: Store) -> None:
        store.put(MANIFEST, [b"one"], if_absent=True)
        with pytest.raises(ObjectExists) as exists:
            store.put(MANIFEST, [b"two"], if_absent=True)
        assert isinstance(exists.value, StoreFailed)
        assert MANIFEST in exists.value.text
        assert store.get(MANIFEST) == b"one"
        assert list(store.keys()) == [MANIFEST]

    def test_keys_are_listed_sorted_and_by_prefix(self, store: Store) -> None:
        for key in (ODD, "root/0001.root", KEY, "README.txt", MANIFEST):
            store.put(key, [b"x"])
        assert list(store.keys()) == ["README.txt", ODD, MANIFEST, KEY, "root/0001.root"]
        assert list(store.keys("root/")) == ["root/0001.root"]
        assert list(store.keys("chains/k7q2m9xa/m")) == [ODD, MANIFEST]
        assert list(store.keys("chains/k7q2m9xa/manifests/0000")) == [MANIFEST]
        assert list(store.keys("README")) == ["README.txt"]
        assert list(store.keys("chains/nothing/")) == []
        assert list(store.keys("nothing")) == []

    def test_folders_are_the_next_parts(self, store: Store) -> None:
        for key in ("chains/bbbbbbbb/manifests/00000001.manifest", KEY, MANIFEST, "chains/loose"):
            store.put(key, [b"x"])
        assert list(store.folders("chains/")) == ["bbbbbbbb", "k7q2m9xa"]
        assert list(store.folders("chains/k7q2m9xa/")) == ["manifests", "volumes"]
        assert list(store.folders("nothing/")) == []

    def test_a_deleted_object_is_gone_and_a_missing_one_no_error(self, store: Store) -> None:
        store.put(KEY, [b"x"])
        store.delete(KEY)
        store.delete(KEY)
        store.delete("nothing/at/all")
        assert list(store.keys()) == []
        with pytest.raises(ObjectMissing):
            store.get(KEY)

    def test_a_write_that_fails_leaves_nothing_and_changes_nothing(self, store: Store) -> None:
        def chunks(then: BaseException) -> object:
            yield b"half"
            raise then

        store.put(MANIFEST, [b"whole"])
        for key in (KEY, MANIFEST):
            for if_absent in (False, True):
                for failure in (ValueError("broken"), KeyboardInterrupt()):
                    with pytest.raises(type(failure)):
                        store.put(key, chunks(failure), if_absent=if_absent)  # type: ignore[arg-type]
        assert list(store.keys()) == [MANIFEST]
        assert store.get(MANIFEST) == b"whole"

    def test_an_object_being_written_is_not_seen(self, store: Store) -> None:
        def chunks() -> object:
            yield b"half"
            assert list(store.keys()) == []
            with pytest.raises(ObjectMissing):
                store.get(KEY)
            yield b"whole"

        store.put(KEY, chunks())  # type: ignore[arg-type]
        assert store.get(KEY) == b"halfwhole"

    def test_nothing_is_unfinished_where_every_write_ended(self, store: Store) -> None:
        def broken() -> object:
            yield b"half"
            raise ValueError("broken")

        store.put(KEY, [b"x"])
        store.put(MANIFEST, [b"x"], if_absent=True)
        with pytest.raises(ValueError, match="broken"):
            store.put(ODD, broken())  # type: ignore[arg-type]
        assert list(store.unfinished()) == []
        assert list(store.unfinished("chains/k7q2m9xa/")) == []
        assert list(store.unfinished("nothing/")) == []

    def test_what_is_unfinished_can_be_deleted_and_is_no_object(self, store: Store) -> None:
        def chunks() -> object:
            yield b"half"
            for path, key in store.unfinished("chains/"):
                assert key == KEY
                assert path not in list(store.keys())

        store.put(KEY, chunks())  # type: ignore[arg-type]
        assert list(store.unfinished()) == []
