"""The line to an IMAP server: sockets, TLS, tags, literals going out. The only file of IMAP that does I/O.

Every failure leaves here as one of archiver's errors; after any of them the connection is of no more use.
"""

import contextlib
import logging
import socket
import ssl
from typing import Literal

from msgspec import Struct

from archiver.accounts.imap import wire
from archiver.accounts.imap.scanner import WireError
from archiver.errors import ConfigInvalid, Unreachable, Untrusted

_log = logging.getLogger(__name__)

_BUFFER = 256 * 1024
"""Bytes read ahead: large enough that listing lines cost few system calls, small beside a message."""

_PIECE = 256 * 1024
"""Bytes that must go out within the timeout."""

CHATTER_LIMIT = 1 << 20
"""Longest literal, bytes, in any response but a body: names and headers are far below."""


class Server(Struct, frozen=True):
    """Where an IMAP server is and how to speak with it; times in seconds."""

    host: str
    port: int = 993
    security: Literal["tls", "starttls", "plaintext"] = "tls"
    ca_file: str | None = None
    timeout_s: float = 60.0


class Connection:
    """One connection. Raises `Unreachable`, `Untrusted` and, from `read`, `wire.WireError`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tags = 0
        self._socket = _connect(server)
        self._reader = self._socket.makefile("rb", buffering=_BUFFER)
        if server.security == "tls":
            try:
                self.start_tls()
            except BaseException:
                self.close()
                raise

    def start_tls(self) -> None:
        """Turn to TLS now (RFC 8446, RFC 9051 section 6.2.1). What came in the clear is thrown away."""
        server = self._server
        context = _context(server)
        self._reader.close()
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=server.host)
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message.lower().rstrip(".")
            raise Untrusted(
                f'the certificate of "{server.host}" is not trusted: {why}',
                "if the server has its own certificate authority, name its file with ca-file",
            ) from error
        except ssl.SSLError as error:
            raise Untrusted(
                f'"{server.host}:{server.port}" does not speak TLS as it should: {_reason(error)}',
                "check the port, and whether it wants starttls = true",
            ) from error
        except (OSError, ValueError) as error:
            raise self._lost(error) from error
        self._reader = self._socket.makefile("rb", buffering=_BUFFER)

    def tag(self) -> str:
        """Make a tag that no command of this connection has had."""
        self._tags += 1
        return f"a{self._tags}"

    def send(self, data: bytes, shown: bytes | None = None) -> None:
        """Send bytes; the log shows `shown` in their place where they hold a secret."""
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("sent %r", (data if shown is None else shown)[:200])
        try:
            view = memoryview(data)
            for start in range(
                0, len(data), _PIECE
            ):  # the timeout is for each: a large message may take long
                self._socket.sendall(view[start : start + _PIECE])
        except OSError as error:
            raise self._lost(error) from error

    def read(self, literal_limit: int = CHATTER_LIMIT) -> wire.Response:
        """Read one response; the body of a message is read without a copy beyond it."""
        try:
            return wire.read_response(self._reader, literal_limit)
        except wire.Cut as error:
            if error.response and len(error.response) > 1:
                raise  # the literal that broke off says which message it was
            raise Unreachable(f'"{self._server.host}" closed the connection', "try again later") from error
        except WireError:
            raise
        except (OSError, ValueError) as error:  # ValueError: read from a line that was closed here
            raise self._lost(error) from error

    def close(self) -> None:
        """Close the line. Never raises."""
        for each in (getattr(self, "_reader", None), self._socket):
            if each is not None:
                with contextlib.suppress(OSError, ValueError):
                    each.close()

    def _lost(self, error: OSError | ValueError) -> Unreachable:
        server = self._server
        if isinstance(error, TimeoutError):
            return Unreachable(
                f'"{server.host}" did not answer within {server.timeout_s:g} s', "try again later"
            )
        return Unreachable(f'the connection to "{server.host}" was lost: {_reason(error)}', "try again later")


def _connect(server: Server) -> socket.socket:
    name = f'"{server.host}:{server.port}"'
    try:
        line = socket.create_connection((server.host, server.port), timeout=server.timeout_s)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except socket.gaierror as error:
        raise Unreachable(f'the host "{server.host}" is not known', "check the host") from error
    except TimeoutError as error:
        raise Unreachable(
            f"{name} did not answer within {server.timeout_s:g} s", "check host and port"
        ) from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{name} cannot be reached: {_reason(error)}", "check host and port") from error
    return line


def _context(server: Server) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigInvalid(
            f'no certificates can be read from "{server.ca_file}": {_reason(error)}',
            "ca-file names a file of certificates in PEM form",
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.lower().rstrip(".") or type(error).__name__
