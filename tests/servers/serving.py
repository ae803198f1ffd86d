"""A threaded HTTP server on a free port of loopback, over TLS on demand: what doubles that speak HTTP stand on."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.certificate import make_certificate


class Quiet(BaseHTTPRequestHandler):
    """A request handler that writes no log and keeps connections open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def read_body(self) -> bytes:
        """Read the body, by Content-Length or in chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body


class Serving:
    """Serve `handler` until `stop`. With `tls`, an empty folder, the certificate to trust is put there as `ca_file`."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: Path | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        self.ca_file: Path | None = None
        if tls is not None:
            self.ca_file = tls / "ca.pem"
            key = tls / "key.pem"
            make_certificate(self.ca_file, key)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.ca_file, key)
            # the handshake is made by the thread of the connection: a client that stalls holds up no other
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def show(self, certificate: Path, key: Path) -> None:
        """Have another certificate for the connections to come."""
        assert isinstance(self._server.socket, ssl.SSLSocket)
        self._server.socket.context.load_cert_chain(certificate, key)

    def stop(self) -> None:
        """Take no more connections, and end those that are open."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self._server.hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[object] = set()
        super().__init__(address, handler)

    def process_request(self, request: object, client_address: object) -> None:
        self._open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: object) -> None:
        self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are what the tests are about."""

    def hang_up(self) -> None:
        """Shut what connections are left."""
        for request in list(self._open):
            self.shutdown_request(request)
