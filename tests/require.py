"""Programs that some tests need: found, or the test says loudly that it did not run."""

import os
import shutil

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
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    text = f'this test needs the program "{program}" (on Debian: apt-get install {package})'
    required = os.environ.get("ARCHIVER_REQUIRE", "").replace(",", " ").split()
    if not {program, *package.split()}.isdisjoint(required):
        pytest.fail(f"{text}, and ARCHIVER_REQUIRE asks for it", pytrace=False)
    pytest.skip(text)
