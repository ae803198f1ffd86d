"""A mail server for notices: takes mail by SMTP (RFC 5321), in the clear or in TLS, and keeps it."""

import base64
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass
class Smtp:
    """The server. `mails` are what it took, `logins` what it was told; it refuses the first `refuses` mails."""

    login: tuple[str, str] | None = None
    certificate: tuple[Path, Path] | None = None
    starttls: bool = False
    refuses: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    attempts: int = 0
    in_tls: bool = False

    def __enter__(self) -> Self:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Session(outer, self).run()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Session:
    def __init__(self, server: Smtp, handler: socketserver.StreamRequestHandler) -> None:
        self.server, self.line = server, handler.request
        self.tls = False
        if server.certificate and not server.starttls:
            self.turn_to_tls()
        self.file = self.line.makefile("rb")

    def turn_to_tls(self) -> None:
        assert self.server.certificate is not None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.server.certificate)
        self.line = context.wrap_socket(self.line, server_side=True)
        self.tls = self.server.in_tls = True

    def say(self, text: str) -> None:
        self.line.sendall(text.encode() + b"\r\n")

    def run(self) -> None:
        allowed = self.server.login is None
        self.say("220 here")
        while line := self.file.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "EHLO":
                more = ["STARTTLS"] if self.server.starttls and not self.tls else ["AUTH PLAIN"]
                self.say("\r\n".join(["250-here", *(f"250-{each}" for each in more), "250 8BITMIME"]))
            elif word == "STARTTLS":
                self.say("220 go on")
                self.turn_to_tls()
                self.file = self.line.makefile("rb")
            elif word == "AUTH":
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                self.server.logins.append((user, password))
                allowed = (user, password) == self.server.login
                self.say("235 welcome" if allowed else f"535 {password} is wrong")
            elif word == "DATA":
                self.take()
            elif word == "QUIT":
                self.say("221 bye")
                break
            else:
                self.say("250 fine" if allowed else "530 log in first")
        self.line.close()

    def take(self) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.file.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        self.server.attempts += 1
        if self.server.attempts <= self.server.refuses:
            self.say("451 not now")
            return
        found = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.server.mails.append(found)
        self.say("250 taken")
