"""A proxy before any HTTP server, a double or a real one, that does to its replies what networks and servers do.

What is wrong on the wire is injected here, so that it works before a server that is not ours; what is wrong with
the content of replies is the business of the doubles.
"""

import contextlib
import http.client
import itertools
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from tests.servers.serving import Quiet, Serving

# what belongs to one leg of the way (RFC 9110 section 7.6.1), and what the proxy writes itself
_OWN = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "accept-encoding",
    "host",
    "date",
    "server",
}
_OPERATION = re.compile(rb"<(?:\w+:)?Body\b[^>]*>\s*<(?:\w+:)?(\w+)")


@dataclass(frozen=True)
class Reply:
    """An HTTP reply, whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Fault:
    """What is done to a reply. `executes` tells whether the server behind gets the request at all."""

    executes: bool
    change: Callable[[Reply | None], Reply | None]
    """Gives what goes to the client; None where the connection is cut before the first byte."""
    sent: float = 1.0
    """The share of the body that is sent before the connection is cut; its length is told as if it were whole."""
    lags: bool = False
    """Whether the connection falls one reply behind, and stays so."""
    held: threading.Event | None = None
    """What the reply waits for, half a minute at most."""


def says(
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    after: bool = False,
    content_type: str = "text/html",
) -> Fault:
    """Answer so instead of the server; `after`: once the server did what was asked."""
    told = Reply(status, (("Content-Type", content_type), *(headers or {}).items()), body)
    return Fault(after, lambda _: told)


def soap_fault(code: str, back_off_ms: int | None = None, *, after: bool = False) -> Fault:
    """Answer with a SOAP fault of Exchange, such as ErrorServerBusy, with status 500."""
    types = "http://schemas.microsoft.com/exchange/services/2006/types"
    errors = "http://schemas.microsoft.com/exchange/services/2006/errors"
    wait = f'<t:Value Name="BackOffMilliseconds">{back_off_ms}</t:Value>'
    detail = f'<t:MessageXml xmlns:t="{types}">{wait}</t:MessageXml>' if back_off_ms is not None else ""
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
        f"<faultcode>a:{escape(code)}</faultcode><faultstring>The server says {escape(code)}.</faultstring>"
        f'<detail><e:ResponseCode xmlns:e="{errors}">{escape(code)}</e:ResponseCode>'
        f'<e:Message xmlns:e="{errors}">The server says {escape(code)}.</e:Message>{detail}</detail>'
        "</s:Fault></s:Body></s:Envelope>"
    )
    return says(500, text.encode(), after=after, content_type="text/xml; charset=utf-8")


def busy(back_off_ms: int) -> Fault:
    """Tell the client to wait, as Exchange throttles."""
    return soap_fault("ErrorServerBusy", back_off_ms)


def unavailable(retry_after_s: int | None = None, *, after: bool = False) -> Fault:
    """Answer with 503, with or without Retry-After."""
    return says(503, b"Service Unavailable", _retry_after(retry_after_s), after=after)


def too_many_requests(retry_after_s: int | None = None) -> Fault:
    """Answer with 429."""
    return says(429, b"Too Many Requests", _retry_after(retry_after_s))


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}


def bad_gateway() -> Fault:
    """Answer with 502 and a page, as a load balancer does."""
    return says(502, b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")


def unauthorized(challenge: str = 'Basic realm="exchange"') -> Fault:
    """Answer with 401, which Exchange also does to throttle."""
    return says(401, headers={"WWW-Authenticate": challenge})


def forbidden() -> Fault:
    """Answer with 403, as a tenant does that has Exchange Web Services switched off."""
    return says(403, b"Access is denied.")


def error_page() -> Fault:
    """Redirect to the error page of Exchange, as random outages do."""
    return says(302, headers={"Location": "/ews/genericerrorpage.htm?aspxerrorpath=/ews/exchange.asmx"})


def cut_before() -> Fault:
    """Cut the connection, and let the server not know of the request."""
    return Fault(False, lambda _: None)


def cut_after() -> Fault:
    """Let the server do what was asked, and cut the connection before its reply."""
    return Fault(True, lambda _: None)


def cut_midway(share: float = 0.5) -> Fault:
    """Cut the connection within the body; the client can tell by Content-Length."""
    return Fault(True, lambda reply: reply, sent=share)


def truncated(share: float = 0.5) -> Fault:
    """Send a part of the body as if it were all: the client cannot tell by Content-Length."""
    return changed(lambda body: body[: int(len(body) * share)])


def changed(change: Callable[[bytes], bytes]) -> Fault:
    """Change the body of the reply, well framed."""
    return Fault(
        True, lambda reply: None if reply is None else Reply(reply.status, reply.headers, change(reply.body))
    )


def lagging() -> Fault:
    """Answer with the reply before this one, from now on, on this connection."""
    return Fault(True, lambda reply: reply, lags=True)


def held_up(until: threading.Event) -> Fault:
    """Let the server do what was asked, and keep its reply back until the event is set."""
    return Fault(True, lambda reply: reply, held=until)


@dataclass
class _Rule:
    fault: Fault
    operation: str | None
    nth: int | None
    contains: bytes
    times: int | None

    def takes(self, operation: str, count: int, body: bytes) -> bool:
        if self.operation not in (None, operation) or self.contains not in body or self.times == 0:
            return False
        if self.nth not in (None, count):
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class FaultProxy:
    """The proxy before `target`, a URL. Start it as a context manager; `seen` are the operations that came."""

    target: str
    ca_file: Path | None = None
    """Trusted with the target, for one that speaks TLS."""
    tls: Path | None = None
    """An empty folder: the proxy itself speaks TLS, and puts the certificate to trust there."""
    seen: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    injected: int = 0

    def __enter__(self) -> Self:
        self._rules: list[_Rule] = []
        self._storm: tuple[Iterator[Callable[[], Fault]], int, int] | None = None
        self._lock = threading.Lock()
        parts = urlsplit(self.target)
        self._serving = Serving(_handler(self), self.tls)
        self.trusted = self._serving.ca_file
        self.url = self._serving.url + parts.path
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.stop()

    def inject(
        self,
        fault: Fault,
        operation: str | None = None,
        *,
        nth: int | None = None,
        contains: str = "",
        times: int | None = None,
    ) -> None:
        """Inject a fault: into requests of an operation, the `nth` of them, those that contain a text, so many times.

        An operation is the name of the element in a SOAP body, or else the method and the path. Without `nth`
        every one is meant; `nth` counts all requests, from 1, where no operation is given.
        """
        with self._lock:
            self._rules.append(_Rule(fault, operation, nth, contains.encode(), times))

    def storm(self, kinds: Iterable[Callable[[], Fault]], every: int) -> None:
        """Inject faults of all kinds in turn, one at every so-manieth request from the next one on."""
        with self._lock:
            self._storm = (itertools.cycle(kinds), every, len(self.seen) + 1)

    def heal(self) -> None:
        """Inject nothing more."""
        with self._lock:
            self._rules.clear()
            self._storm = None

    def _fault_for(self, operation: str, body: bytes) -> Fault | None:
        with self._lock:
            self.seen.append(operation)
            self.counts[operation] += 1
            for rule in self._rules:
                count = len(self.seen) if rule.operation is None else self.counts[operation]
                if rule.takes(operation, count, body):
                    self.injected += 1
                    return rule.fault
            if self._storm is not None:
                makes, every, first = self._storm
                if (len(self.seen) - first) % every == 0:
                    self.injected += 1
                    return next(makes)()
        return None

    def _line(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.target)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)


def _handler(proxy: FaultProxy) -> type[Quiet]:
    class Passage(Quiet):
        """A connection of a client. It has one to the server of its own: some log-ins belong to a connection."""

        def setup(self) -> None:
            super().setup()
            self._line = proxy._line()
            self._last: Reply | None = None
            self._lags = False

        def finish(self) -> None:
            self._line.close()
            with contextlib.suppress(OSError):
                super().finish()

        def _pass(self) -> None:
            body = self.read_body()
            found = _OPERATION.search(body)
            operation = found[1].decode() if found else f"{self.command} {urlsplit(self.path).path}"
            fault = proxy._fault_for(operation, body)
            reply = self._ask(body) if fault is None or fault.executes else None
            if fault is not None:
                if fault.held is not None:
                    fault.held.wait(30)
                self._lags = self._lags or fault.lags
                reply = fault.change(reply)
            if reply is None:
                self._hang_up()
                return
            before, self._last = self._last, reply
            self._send(
                before if self._lags and before is not None else reply, 1.0 if fault is None else fault.sent
            )

        def _ask(self, body: bytes) -> Reply | None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            headers["Accept-Encoding"] = "identity"
            try:
                self._line.request(self.command, self.path, body or None, headers)
                got = self._line.getresponse()
                raw = got.read()
            except (OSError, http.client.HTTPException):
                self._line.close()
                return None  # the server hung up, so the client sees that it did
            kept = tuple(pair for pair in got.getheaders() if pair[0].lower() not in _OWN)
            return Reply(got.status, kept, raw)

        def _send(self, reply: Reply, share: float) -> None:
            with contextlib.suppress(OSError):  # who asked hung up
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body[: int(len(reply.body) * share)])
                self.wfile.flush()
            if share < 1.0:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        setattr(Passage, f"do_{method}", Passage._pass)
    return Passage
