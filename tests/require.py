"""What some tests need beside Python's packages: found, or the test says loudly that it did not run."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

# name -> (programs that will do, Debian package)
KNOWN = {
    "age": (("age",), "age"),
    "age-keygen": (("age-keygen",), "age"),
    "borg": (("borg",), "borgbackup"),
    "cc": (("cc", "gcc"), "gcc libc6-dev"),
    "dovecot": (("dovecot",), "dovecot-imapd dovecot-pop3d"),
    "getmail": (("getmail",), "getmail6"),
    "fish": (("fish",), "fish"),
    "cron": (("cron",), "cron"),
    "groff": (("groff",), "groff-base"),
    "kadmin.local": (("kadmin.local",), "krb5-admin-server"),
    "kdb5_util": (("kdb5_util",), "krb5-kdc"),
    "kinit": (("kinit",), "krb5-user"),
    "krb5kdc": (("krb5kdc",), "krb5-kdc"),
    "ionice": (("ionice",), "util-linux"),
    "setpriv": (("setpriv",), "util-linux"),
    "unshare": (("unshare",), "util-linux"),
    "zsh": (("zsh",), "zsh"),
    "git": (("git",), "git"),
    "mbsync": (("mbsync",), "isync"),
    "mutt": (("mutt",), "mutt"),
    "restic": (("restic",), "restic"),
    "systemctl": (("systemctl",), "systemd"),
    "systemd-analyze": (("systemd-analyze",), "systemd"),
    "signify": (("signify-openbsd", "signify"), "signify-openbsd"),
    "zstd": (("zstd",), "zstd"),
}


def require(program: str) -> str:
    """Give the path of a program; skip the test without it, fail it if ARCHIVER_REQUIRE names it or its package."""
    names, package = KNOWN.get(program, ((program,), program))
    # daemons live where the PATH of a user does not look
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    if found is None:
        missing(f'the program "{program}"', package, program)
    return found


def require_gssapi() -> ModuleType:
    """Give the library for Kerberos, from Debian's package where it is built for this Python; else as `require`.

    PyPI has it in source alone. Nothing else of Debian's packages is put within reach.
    """
    beside = Path("/usr/lib/python3/dist-packages")
    built = any((beside / "gssapi" / "raw" / f"misc{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
    if importlib.util.find_spec("gssapi") is None and built:
        sys.meta_path.append(_Beside(beside))
    try:
        return importlib.import_module("gssapi")
    except ImportError as error:
        python = ".".join(map(str, sys.version_info[:2]))
        missing(f"the module gssapi for Python {python} ({error})", "python3-gssapi", "gssapi")


class _Beside(MetaPathFinder):
    """Finds gssapi, and what it imports, in a folder that holds much else."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in ("gssapi", "decorator"):
            return PathFinder.find_spec(name, [self._folder], target)
        return None


def missing(what: str, package: str, name: str) -> NoReturn:
    """Skip the test, or fail it if ARCHIVER_REQUIRE names what is missing, or its package."""
    text = f"this test needs {what} (on Debian: apt-get install {package})"
    required = os.environ.get("ARCHIVER_REQUIRE", "").replace(",", " ").split()
    if not {name, *package.split()}.isdisjoint(required):
        pytest.fail(f"{text}, and ARCHIVER_REQUIRE asks for it", pytrace=False)
    pytest.skip(text)
