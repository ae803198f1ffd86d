"""When accounts were last pulled with success is remembered, by several runs at once too."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.errors import StoreFailed
from archiver.notices.last_pulls import LastPulls

AT = datetime(2026, 3, 1, 2, 30, 15, tzinfo=UTC)


def test_the_time_of_each_account_is_kept_until_its_next_pull(tmp_path: Path) -> None:
    path = tmp_path / "pulled.json"
    LastPulls(path).note(["ann", "bob"], AT)
    LastPulls(path).note(["bob"], AT + timedelta(days=1))
    assert LastPulls(path).times() == {"ann": AT, "bob": AT + timedelta(days=1)}
    assert path.stat().st_mode & 0o777 == 0o600


def test_runs_that_end_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pulled.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: LastPulls(path).note([f"account{number}"], AT), range(80)))
    assert len(LastPulls(path).times()) == 80


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"ann": 3}', b"\xff"])
def test_what_cannot_be_read_is_not_known_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pulled.json"
    path.write_bytes(content)
    assert LastPulls(path).times() == {}
    LastPulls(path).note(["ann"], AT)
    assert LastPulls(path).times() == {"ann": AT}


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="it cannot be kept when the last pull was"):
        LastPulls(tmp_path / "no" / "pulled.json").note(["ann"], AT)
