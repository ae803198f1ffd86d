"""The ways on which notices go: mail, a command, a webhook, a dead man's switch, a file for Prometheus.

None of them tells an address in full: that of a webhook or of a switch is as good as a password.
"""

import os
import signal
import smtplib
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from archiver.errors import ArchiverError
from archiver.events import Notice
from archiver.formats import notice as forms
from archiver.model import Secret

TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0


class NotSent(ArchiverError):
    """A notice did not go out."""


class Mail:
    """A mail by SMTP (RFC 5321), in TLS (RFC 8314), after STARTTLS (RFC 3207), or in the clear."""

    name: ClassVar[str] = "mail"
    always: ClassVar[bool] = False

    def __init__(
        self,
        server: tuple[str, int, str],
        ca_file: Path | None,
        login: tuple[str, Callable[[], Secret]] | None,
        sender: str,
        to: tuple[str, ...],
    ) -> None:
        self._host, self._port, self._security = server
        self._ca_file = ca_file
        self._login = login
        self._sender = sender
        self._to = to

    def send(self, notice: Notice) -> None:
        """Send the notice. Raises `NotSent`."""
        try:
            with self._connect() as server:
                if self._login is not None:
                    user, password = self._login
                    server.login(user, password().reveal())
                refused = server.send_message(
                    forms.mail(notice, self._sender, self._to), self._sender, self._to
                )
        except smtplib.SMTPResponseException as error:  # what the server says may repeat what it was told
            raise NotSent(f'"{self._host}" refused it with code {error.smtp_code}') from None
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise NotSent(f'"{self._host}": {_reason(error)}') from None
        if refused:
            raise NotSent(f'"{self._host}" refused {len(refused)} of {len(self._to)} addresses')

    def _connect(self) -> smtplib.SMTP:
        where = (self._host, self._port)
        if self._security == "plaintext":
            return smtplib.SMTP(*where, timeout=TIMEOUT_S)
        context = ssl.create_default_context(cafile=self._ca_file)
        if self._security == "tls":
            return smtplib.SMTP_SSL(*where, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(*where, timeout=TIMEOUT_S)
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server


class Command:
    """A command line for the shell: the text on its standard input, the outcome in its environment."""

    name: ClassVar[str] = "command"
    always: ClassVar[bool] = False

    def __init__(self, line: str) -> None:
        self._line = line

    def send(self, notice: Notice) -> None:
        """Run the command. Raises `NotSent`."""
        said = {"OUTCOME": notice.outcome, "COMMAND": notice.command, "CODE": notice.code}
        environment = {**os.environ, **{f"ARCHIVER_{name}": value for name, value in said.items()}}
        environment["ARCHIVER_EXIT"] = str(notice.exit)
        with subprocess.Popen(  # noqa: S602 -- the user's own line
            self._line,
            shell=True,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.communicate(forms.plain(notice).encode(), COMMAND_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise NotSent(f"it took longer than {COMMAND_TIMEOUT_S:.0f} s") from None
        if process.returncode:
            raise NotSent(f"it ended with exit code {process.returncode}")


class Webhook:
    """A POST of JSON."""

    name: ClassVar[str] = "webhook"
    always: ClassVar[bool] = False

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, notice: Notice) -> None:
        """Post the notice. Raises `NotSent`."""
        _post(self._url, forms.document(notice), "application/json")


class Ping:
    """A dead man's switch as healthchecks has them: URL when done, URL/start and URL/fail. It learns no names."""

    name: ClassVar[str] = "ping"
    always: ClassVar[bool] = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._parts = parts._replace(path=parts.path.rstrip("/"))

    def start(self) -> None:
        """Tell that a run begins. Raises `NotSent`."""
        self._ping("/start", b"")

    def send(self, notice: Notice) -> None:
        """Tell how it ended; a run that was stopped says nothing, and the next one will. Raises `NotSent`."""
        if notice.code != "interrupted":
            end = "/fail" if notice.outcome == "failure" else ""
            self._ping(end, f"{notice.command}: {notice.code}, exit code {notice.exit}\n".encode())

    def _ping(self, end: str, body: bytes) -> None:
        _post(self._parts._replace(path=self._parts.path + end).geturl(), body, "text/plain")


class TextFile:
    """A file for the textfile collector of Prometheus."""

    name: ClassVar[str] = "prometheus-file"
    always: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, notice: Notice) -> None:
        """Write the file anew, whole or not at all. Raises `NotSent`."""
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            before = self._path.read_text("utf-8", "replace") if self._path.exists() else ""
            beside.write_text(forms.metrics(before, notice), "utf-8")
            beside.chmod(0o644)  # the collector is another user
            beside.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise NotSent(f'"{self._path}" cannot be written: {_reason(error)}') from None


def _post(url: str, body: bytes, kind: str) -> None:
    host = urlsplit(url).hostname
    # the configuration takes http and https alone
    request = urllib.request.Request(url, body, {"Content-Type": kind, "User-Agent": "archiver"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            answer.read(4096)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotSent(f'"{host}" answered with status {error.code}') from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotSent(f'"{host}": {_reason(error)}') from None


def _reason(error: Exception) -> str:
    """Say why without the words of a server."""
    inner = getattr(error, "reason", None)
    if isinstance(inner, OSError):
        error = inner
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__
