"""The line to a mail server: host, TLS, timeouts, bytes going out. Each protocol reads what comes in its own way.

Every failure leaves here as one of archiver's errors; after any of them the line is of no more use.
"""

import contextlib
import logging
import socket
import ssl
from typing import Literal

from msgspec import Struct

from archiver.accounts import failures
from archiver.accounts.leash import Leash
from archiver.errors import ConfigInvalid, Unreachable, Untrusted

_log = logging.getLogger(__name__)

_PIECE = 256 * 1024
"""Bytes that must go out within the timeout."""


class Server(Struct, frozen=True):
    """Where a server is and how to speak with it; times in seconds. On a `leash`, its lines can be cut."""

    host: str
    port: int
    security: Literal["tls", "starttls", "plaintext"] = "tls"
    ca_file: str | None = None
    timeout_s: float = 60.0
    compress: bool | None = None  # what is sent in bulk, where the server can; None: if it is on the internet
    leash: Leash | None = None


class Line:
    """One line to a server, in TLS from the start where `server` says so.

    Everything here raises `Unreachable`, `Untrusted`, and `Interrupted` where the line was cut from another thread.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.socket = connect(server)
        self.begin_reading()
        if server.security == "tls":
            try:
                self.start_tls()
            except BaseException:
                self.close()
                raise

    def begin_reading(self) -> None:
        """Begin to read from `socket` anew: what was read ahead in the clear is thrown away."""
        raise NotImplementedError

    def start_tls(self) -> None:
        """Turn to TLS now (RFC 8446). What came in the clear is thrown away."""
        server = self.server
        context = trusting(server.ca_file)
        self.end_reading()
        try:
            # the handshake by itself: it waits for the server, and by then others must know the line
            secured = context.wrap_socket(
                self.socket, server_hostname=server.host, do_handshake_on_connect=False
            )
            self.socket = secured
            _hold(server, secured)
            secured.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise failures.distrusted(server.host, error) from error
        except ssl.SSLError as error:
            self.check_cut()
            raise Untrusted(
                f'"{server.host}:{server.port}" does not speak TLS as it should: {failures.reason(error)}',
                "check the port, and whether it wants starttls = true",
            ) from error
        except (OSError, ValueError) as error:
            raise self.lost(error) from error
        self.begin_reading()

    def end_reading(self) -> None:
        """Give up what reads from `socket`."""

    def send(self, *pieces: bytes, shown: bytes | None = None) -> None:
        """Send bytes; the log shows `shown` in their place where they hold a secret.

        Small pieces go together, a large one goes as it is: to join them all would copy every message.
        """
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("sent %r", (b"".join(pieces[:9]) if shown is None else shown)[:200])
        small: list[bytes] = []
        size = 0
        for piece in pieces:
            if size + len(piece) > _PIECE:
                self.write(b"".join(small))
                small, size = [], 0
            if len(piece) > _PIECE:
                self.write(piece)
            else:
                small.append(piece)
                size += len(piece)
        self.write(b"".join(small))

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        try:
            view = memoryview(data)
            for start in range(
                0, len(data), _PIECE
            ):  # the timeout is for each: a large message may take long
                self.socket.sendall(view[start : start + _PIECE])
        except OSError as error:
            raise self.lost(error) from error

    def check_cut(self) -> None:
        """Raise `Interrupted` where another thread has cut the lines to this server: the server broke nothing."""
        if self.server.leash is not None:
            self.server.leash.check()

    def cut(self) -> None:
        """End the line from another thread: whoever reads or writes there gets `Unreachable`. Never raises."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # TLS would want to say goodbye first

    def close(self) -> None:
        """Close the line. Never raises."""
        with contextlib.suppress(OSError, ValueError):
            self.end_reading()
        with contextlib.suppress(OSError, ValueError):
            self.socket.close()

    def lost(self, error: OSError | ValueError) -> Unreachable:
        """Make the error of a line that broke."""
        self.check_cut()
        server = self.server
        if isinstance(error, TimeoutError):
            return Unreachable(
                f'"{server.host}" did not answer within {server.timeout_s:g} s', "try again later"
            )
        return Unreachable(
            f'the connection to "{server.host}" was lost: {failures.reason(error)}', "try again later"
        )

    def closed_by_server(self) -> Unreachable:
        """Make the error of a line that the server closed."""
        self.check_cut()
        return Unreachable(f'"{self.server.host}" closed the connection', "try again later")


def connect(server: Server) -> socket.socket:
    """Open a line to a server, in the clear. Raises `Unreachable`."""
    name = f'"{server.host}:{server.port}"'
    try:
        line = _connected(server)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except socket.gaierror as error:
        raise failures.unknown_host(server.host) from error
    except TimeoutError as error:
        raise Unreachable(
            f"{name} did not answer within {server.timeout_s:g} s", "check host and port"
        ) from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            f"{name} cannot be reached: {failures.reason(error)}", "check host and port"
        ) from error
    return line


def _connected(server: Server) -> socket.socket:
    """Try the addresses of a server, one after another, as `socket.create_connection` does."""
    failure: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(
        server.host, server.port, type=socket.SOCK_STREAM
    ):
        try:
            line = socket.socket(family, kind, protocol)
        except OSError as error:  # of a family that this machine does not have
            failure = error
            continue
        try:
            line.settimeout(server.timeout_s)
            _hold(server, line)
            line.connect(address)
        except BaseException as error:
            line.close()
            if server.leash is not None:
                server.leash.check()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return line
    raise failure or OSError("it has no address")


def _hold(server: Server, line: socket.socket) -> None:
    if server.leash is not None:
        server.leash.hold(line)


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Trust the certificates in a file (PEM), without one those of the system. Raises `ConfigInvalid`."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigInvalid(
            f'no certificates can be read from "{ca_file}": {failures.reason(error)}',
            "ca-file names a file of certificates in PEM form",
        ) from error
