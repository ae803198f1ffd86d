"""doctor: what it tries out on an archive."""

from archiver.errors import StoreFailed
from archiver.ports import Store

PROBE = b"archiver doctor was here; this file may be removed\n"


def probe_key(chain: str | None, token: str) -> str:
    """Name an object to try the store with; `token` is 8 hex digits.

    It is that of a run 0, which never was: should it stay behind, `repair` knows it as a leftover. Where this
    machine writes no chain yet, it is named like an unfinished write, which no reader sees.
    """
    return f"chains/{chain}/indexes/00000000-{token}.index.zst.age" if chain else f".probe.{token}.tmp"


def probe_store(store: Store, key: str) -> None:
    """Write an object as a commit does, read it, remove it. Raises `StoreFailed` or one of its kinds."""
    store.put(key, [PROBE], if_absent=True)
    try:
        if store.get(key) != PROBE:
            raise StoreFailed(
                "what was written to the archive is read back as something else",
                "do not use this disk any more before it was checked",
            )
    finally:
        store.delete(key)
