"""The way to a mail server, step by step, for whoever wants to know at which of them it ends."""

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from archiver.accounts.connection import Line, Server, connect
from archiver.accounts.failures import unknown_host


class Approach:
    """Goes to a server as an account does, up to the login. `greet` opens a line, in TLS where it is to be."""

    def __init__(self, server: Server, greet: Callable[[Server], Line]) -> None:
        self.server = server
        self._greet = greet

    def addresses(self) -> list[str]:
        """Resolve the name. Raises `Unreachable`."""
        try:
            found = socket.getaddrinfo(self.server.host, self.server.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise unknown_host(self.server.host) from error
        return sorted({str(address[0]) for *_, address in found})

    def reach(self) -> None:
        """Open a line and close it. Raises `Unreachable`."""
        connect(self.server).close()

    def certificate_until(self) -> datetime | None:
        """Tell until when the server's certificate is good; None where the line stays in the clear.

        Raises `Untrusted`, `Unreachable`, `ConfigInvalid`.
        """
        line = self._greet(self.server)
        try:
            told = line.socket.getpeercert() if isinstance(line.socket, ssl.SSLSocket) else None
        finally:
            line.close()
        ends = told.get("notAfter") if told else None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) if ends else None
