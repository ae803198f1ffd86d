"""Imports point downward, and a library has one door."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.house.tracked import ROOT, tracked

# library -> the one part of the package that may import it
DOORS = {
    "click": "archiver/cli",
    "dns": "archiver/accounts/discovery/srv.py",
    "gssapi": "archiver/accounts/ews/kerberos.py",
    "imapclient": "archiver/accounts/imap/session.py",
    "keyring": "archiver/secrets.py",
    "platformdirs": "archiver/config",
    "tomlkit": "archiver/config",
    "tomllib": "archiver/config",
    "zstandard": "archiver/formats/frames.py",
}


def imported(path: Path) -> set[str]:
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_import_contract_is_kept() -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_library_is_imported_at_its_own_door_alone() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {library}"
        for path in tracked()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "archiver")
        for library in sorted(imported(path) & DOORS.keys())
        if not path.is_relative_to(ROOT / DOORS[library])
    ]
    assert wrong == []


def test_settings_and_secrets_load_no_library_that_few_commands_need() -> None:
    heavy = ("keyring", "tomlkit", "click", "rich", "imapclient", "cryptography", "asyncio", "difflib")
    ran = subprocess.run(
        [sys.executable, "-c", "import sys, archiver.config, archiver.secrets; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(heavy) & set(ran.stdout.split()) == set()
