"""A test that cannot run says so, or fails where it must run."""

from pathlib import Path

import pytest

from tests.require import require


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    monkeypatch.delenv("ARCHIVER_REQUIRE", raising=False)


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_program_skips_and_names_its_debian_package() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install signify-openbsd"):
        require("signify")


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("named", ["age", "zstd,age", "zstd age"])
def test_a_program_that_must_be_there_fails_instead(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("ARCHIVER_REQUIRE", named)
    with pytest.raises(pytest.fail.Exception, match="ARCHIVER_REQUIRE asks for it"):
        require("age")
    with pytest.raises(pytest.fail.Exception):  # of the same package
        require("age-keygen")
    with pytest.raises(pytest.skip.Exception):
        require("borg")


def test_the_debian_name_of_signify_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("signify", "signify-openbsd"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert require("signify") == str(tmp_path / "signify-openbsd")
