"""A realm of Kerberos on a free port of loopback: MIT's KDC, unprivileged, with a database of its own."""

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.require import require

REALM = "EXAMPLE.COM"
PASSWORD = "secret"
_CLIENT = """[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
kdc_timeout = 1
max_retries = 1

[realms]
{realm} = {{
    kdc = 127.0.0.1:{port}
}}

[domain_realm]
localhost = {realm}
127.0.0.1 = {realm}
"""
_SERVER = """[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = ""

[realms]
{realm} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/acl
}}

[logging]
kdc = FILE:{folder}/kdc.log
"""


class Realm:
    """The KDC, with `users` and the service HTTP/localhost, whose keytab is `keytab`. Start it as a context manager."""

    def __init__(self, folder: Path, users: tuple[str, ...]) -> None:
        self._folder = folder
        self._users = users
        self._process: subprocess.Popen[bytes] | None = None
        self.keytab = folder / "http.keytab"
        self.environment = {
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "KRB5RCACHENAME": f"file2:{folder / 'replays'}",
            "KRB5CCNAME": f"FILE:{folder / 'tickets'}",
        }
        """What a program needs to find the realm; the cache is nobody's, and empty."""

    def __enter__(self) -> Self:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for name, text in (("krb5.conf", _CLIENT), ("kdc.conf", _SERVER)):
            (self._folder / name).write_text(text.format(realm=REALM, port=port, folder=self._folder))
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        wanted = [f"addprinc -pw {PASSWORD} {user}" for user in self._users]
        wanted += ["addprinc -randkey HTTP/localhost", f"ktadd -k {self.keytab} HTTP/localhost"]
        self._run("kadmin.local", "-r", REALM, typed="\n".join(wanted) + "\n")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the KDC, and wait until it answers."""
        log = self._folder / "kdc.log"
        log.unlink(missing_ok=True)
        command = [require("krb5kdc"), "-n", "-r", REALM]
        self._process = subprocess.Popen(
            command, env=os.environ | self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(FileNotFoundError):
                if "commencing operation" in log.read_text():
                    return
            time.sleep(0.01)
        raise RuntimeError(f"the KDC does not start: {log.read_text() if log.exists() else 'no log'}")

    def stop(self) -> None:
        """Stop the KDC; tickets that were given stay good."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def ticket(self, user: str, cache: Path, *more: str) -> str:
        """Get a ticket by password, as kinit does; give the name of its cache."""
        self._run("kinit", *more, "-c", f"FILE:{cache}", user, typed=f"{PASSWORD}\n")
        return f"FILE:{cache}"

    def user_keytab(self, user: str, file: Path) -> Path:
        """Write a user's key into a file; the password stays what it is."""
        self._run("kadmin.local", "-r", REALM, typed=f"ktadd -norandkey -k {file} {user}\n")
        return file

    def holds_good_ticket(self, cache: str) -> bool:
        """Tell whether a cache has a ticket that has not expired."""
        ran = subprocess.run(
            [require("klist"), "-s", "-c", cache], env=os.environ | self.environment, check=False
        )
        return ran.returncode == 0

    def _run(self, program: str, *words: str, typed: str = "") -> None:
        ran = subprocess.run(
            [require(program), *words],
            env=os.environ | self.environment,
            input=typed.encode(),
            capture_output=True,
            check=False,
        )
        said = (ran.stdout + ran.stderr).decode(errors="replace")
        if ran.returncode or "while " in said:
            raise RuntimeError(f"{program}: {said}")
