"""A real Dovecot of one's own: temporary, on free loopback ports, for tests and for bench.

Runs as whoever calls: unprivileged, everything belongs to that user; as root, the mail belongs to `nobody`,
since Dovecot serves no mail to UID 0. Nothing outside of its own temporary directory is touched.
"""

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.certificate import make_certificate

PASSWORD = "secret of the test"
CAPABILITIES = (
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT MULTIAPPEND UNSELECT CHILDREN NAMESPACE UIDPLUS "
    "LIST-EXTENDED CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE "
    "SPECIAL-USE LITERAL+"
)
"""What Dovecot 2.3 can do after login, to take away from."""

_CONFIG = """
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/dovecot.log
instance_name = {instance}
protocols = {protocols}
listen = 127.0.0.1
{users}
default_vsz_limit = 0
mail_max_userip_connections = 200
mail_fsync = never
mail_location = {mail_location}
mail_uid = {owner}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_plugins =
auth_verbose = yes
auth_failure_delay = 0
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{base}/server.pem
ssl_key = <{base}/server.key
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {base}/passwd
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={base}/home/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent {{
    special_use = \\Sent
    auto = no
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = no
  }}
}}
service imap-login {{
  chroot = {chroot}
  service_count = 0
  client_limit = 200
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot = {chroot}
  service_count = 0
  client_limit = 200
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 200
  service_count = 100
}}
service anvil {{
  chroot = {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
protocol imap {{
  imap_idle_notify_interval = 2 mins
  {capability}
}}
{extra}
"""


_OAUTH2 = """
introspection_mode = get
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""
_OAUTH2_PASSDB = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {base}/oauth2.conf
}}
"""


class Dovecot:
    """A running Dovecot, as a context manager.

    `imap`, `imaps`, `pop3`, `pop3s` are its ports on 127.0.0.1; `ca_file` verifies `localhost`.
    `mail_location` is Dovecot's own setting; `without` names capabilities that it shall not tell of.
    `mechanisms` are those of SASL; tokens are judged by the authorization server at `introspection`, an address
    that a token is appended to.
    """

    def __init__(
        self,
        users: Sequence[str] = ("ann",),
        *,
        mail_location: str = "mdbox:~/mdbox",
        separator: str = "/",
        prefix: str = "",
        without: Sequence[str] = (),
        pop3: bool = False,
        mechanisms: str = "plain",
        introspection: str = "",
        settings: str = "",
    ) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
        self.users = tuple(users)
        self.password = PASSWORD
        self.separator = separator
        self.prefix = prefix
        self.host = "localhost"
        self.imap, self.imaps, self.pop3, self.pop3s = _free_ports(4)
        self.ca_file = str(self.base / "server.pem")
        self._process: subprocess.Popen[bytes] | None = None
        self._owner, self._group = _mail_owner()
        self._config = self.base / "dovecot.conf"
        if introspection:
            (self.base / "oauth2.conf").write_text(_OAUTH2.format(url=introspection))
            settings += _OAUTH2_PASSDB.format(base=self.base)
        self._write(mail_location, without, pop3, f"auth_mechanisms = {mechanisms}\n{settings}")

    # --- life ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers. Raises `RuntimeError` with the log if it does not."""
        with (self.base / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [program("dovecot"), "-F", "-c", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        until = time.monotonic() + 20
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.imap), 2) as line:
                if line.recv(100).startswith(b"* OK"):
                    return
            time.sleep(0.05)
        log = self.log()
        self.stop()
        raise RuntimeError(f"Dovecot did not start:\n{log}")

    def stop(self) -> None:
        """Stop it, and remove all files."""
        self.halt()
        shutil.rmtree(self.base, ignore_errors=True)

    def halt(self) -> None:
        """Stop this one process and its children; it can be started again, with all its mail."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self) -> str:
        """Give what it has logged."""
        found = []
        for name in ("stderr", "dovecot.log"):
            path = self.base / name
            found.append(path.read_text(errors="replace") if path.exists() else "")
        return "".join(found)

    # --- use ----------------------------------------------------------------------------------------

    def doveadm(self, *words: str, stdin: bytes = b"") -> bytes:
        """Run doveadm on this server's mail. Raises `RuntimeError` with what it said."""
        done = subprocess.run(
            [program("doveadm"), "-c", str(self._config), *words],
            input=stdin,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"doveadm {' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def load(self, user: str, maildir: Path) -> None:
        """Import a Maildir++ tree, with its flags and dates, into a user's mailbox of whatever kind."""
        self.doveadm(
            "import", "-u", user, f"maildir:{maildir}:INDEX=MEMORY:CONTROL={self.base}/control", "", "ALL"
        )

    def deliver(self, user: str, raw: bytes, folder: str = "INBOX") -> None:
        """Store a message to the byte."""
        self.doveadm("save", "-u", user, "-m", folder, stdin=raw)

    # --- making -------------------------------------------------------------------------------------

    def _write(self, mail_location: str, without: Sequence[str], pop3: bool, settings: str) -> None:
        self.base.chmod(0o755)  # as root, the mail is read by another user than the one who made this
        make_certificate(self.base / "server.pem", self.base / "server.key")
        (self.base / "passwd").write_text(
            "".join(f"{user}:{{PLAIN}}{PASSWORD}::::::\n" for user in self.users)
        )
        for name in ("home", "state", "control"):
            folder = self.base / name
            folder.mkdir()
            if os.geteuid() == 0:
                shutil.chown(folder, self._owner, self._group)
        words = {word for word in CAPABILITIES.split() if word not in without}
        values: Mapping[str, object] = {
            "base": self.base,
            "instance": self.base.name,
            "protocols": "imap pop3" if pop3 else "imap",
            "users": _process_users(),
            "mail_location": mail_location,
            "owner": self._owner,
            "group": self._group,
            "separator": self.separator,
            "prefix": self.prefix,
            "chroot": "" if os.geteuid() else "login",
            "imap": self.imap,
            "imaps": self.imaps,
            "pop3": self.pop3 if pop3 else 0,
            "pop3s": self.pop3s if pop3 else 0,
            "capability": f"imap_capability = {' '.join(sorted(words))}" if without else "",
            "extra": settings,
        }
        config = _CONFIG.format(**values)
        if not pop3:
            config = _without_service(config, "pop3-login")
        self._config.write_text(config)


def program(name: str) -> str:
    """Find a program of Dovecot's. Raises `FileNotFoundError`."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        raise FileNotFoundError(f'"{name}" is not installed')
    return path


def trusting(ca_file: str) -> ssl.SSLContext:
    """Make a TLS context that trusts this server alone."""
    return ssl.create_default_context(cafile=ca_file)


def _without_service(config: str, name: str) -> str:
    start = config.index(f"service {name} {{")
    end = config.index("\n}\n", start) + 3
    return config[:start] + config[end:]


def _mail_owner() -> tuple[str, str]:
    if os.geteuid():
        me = pwd.getpwuid(os.geteuid())
        return me.pw_name, grp.getgrgid(me.pw_gid).gr_name
    nobody = pwd.getpwnam("nobody")
    return "nobody", grp.getgrgid(nobody.pw_gid).gr_name


def _process_users() -> str:
    if os.geteuid() == 0:
        return ""
    owner, group = _mail_owner()
    return f"default_login_user = {owner}\ndefault_internal_user = {owner}\ndefault_internal_group = {group}"


def _free_ports(count: int) -> list[int]:
    """Find free ports; all are held until all are found, so that none comes twice."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            line = stack.enter_context(socket.socket())
            line.bind(("127.0.0.1", 0))
            found.append(line.getsockname()[1])
        return found
