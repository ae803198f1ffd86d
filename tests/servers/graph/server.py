"""Microsoft Graph on loopback, for one mailbox: JSON over HTTP with the states, limits and refusals of the real one.

Properties and paths are those of https://learn.microsoft.com/graph/api; what the double refuses or changes, Exchange
Online does as well. Faults of the wire are the business of `fault_proxy`.
"""

import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.servers.graph import calls, writes
from tests.servers.graph.paging import Paging
from tests.servers.graph.state import Mailbox, Refused
from tests.servers.serving import Quiet, Serving

Json = dict[str, Any]

ROUTES = (*calls.ROUTES, *writes.ROUTES)


@dataclass(frozen=True)
class Request:
    """A request, read whole."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    url: str
    """The address without its query."""

    @property
    def immutable(self) -> bool:
        return 'IdType="ImmutableId"' in self.headers.get("prefer", "")

    def json(self) -> Json:
        try:
            told = json.loads(self.body)
        except ValueError:
            raise Refused(400, "BadRequest", "Unable to read JSON request payload.") from None
        assert isinstance(told, dict)
        return told


@dataclass
class Reply:
    """What goes back."""

    status: int = 200
    body: Json | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class GraphDouble:
    """The server. Start it as a context manager; `seen` are the requests that came, as method and path."""

    mailbox: Mailbox = field(default_factory=Mailbox)
    user: str = "ann@example.org"
    tokens: Container[str] = frozenset({"good"})
    """The tokens that are good; those of an `Authority` are its `access`."""
    claims: bool = False
    """Whether a token that is refused is refused with a claims challenge."""
    forbids: tuple[str, ...] = ()
    """Parts of paths that nobody granted a permission for."""
    breaks: dict[str, int] = field(default_factory=dict)
    """Parts of paths -> status that they always answer with."""
    cuts: set[str] = field(default_factory=set)
    """Parts of paths whose answers end midway, well framed."""
    frames: bool = True
    """Whether bodies have a Content-Length."""
    at_once: int = 4
    busy: int = 0
    """How many requests more are told to come back later."""
    retry_after: str | None = "1"
    slow_s: float = 0.0
    import_lives: int | None = None
    """How many uploads an import session takes before it expires."""
    public: str | None = None
    """What links begin with, where a proxy is in between; else as they were asked for."""
    seen: list[str] = field(default_factory=list)
    most_at_once: int = 0
    plain_ids: int = 0
    """How many requests did not ask for immutable ids."""
    sent_invitations: int = 0
    """How many times Exchange would have written to the people asked to a meeting."""

    def __enter__(self) -> Self:
        self.paging = Paging(self.mailbox)
        self.lock = threading.RLock()
        self._running = 0
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, int | None] = {}
        self._serving = Serving(_handler(self))
        self._import = Serving(_handler(self))
        self.url = f"{self._serving.url}/v1.0"
        self.import_url = self._import.url.replace("127.0.0.1", "localhost")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.stop()
        self._import.stop()

    # --- answering ----------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """Answer a request as the state of the mailbox has it."""
        with self.lock:
            self.seen.append(f"{request.method} {request.path}")
            self.plain_ids += not request.immutable and "importItem" not in request.path
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            crowded = self._running > self.at_once
        try:
            if self.slow_s:
                time.sleep(self.slow_s)
            with self.lock:
                return self._checked(request, crowded)
        except Refused as refused:
            error = {"error": {"code": refused.word, "message": refused.said}}
            return Reply(refused.status, error, dict(refused.headers))
        finally:
            with self.lock:
                self._running -= 1

    def _checked(self, request: Request, crowded: bool) -> Reply:
        if "importItem" in request.path:
            return calls.import_item(self, request)
        self._check_token(request)
        for part in self.forbids:
            if part in request.path:
                raise Refused(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        if crowded or self.busy > 0:
            self.busy = max(0, self.busy - 1)
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            raise Refused(
                429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", **headers
            )
        for part, status in self.breaks.items():
            if part in request.path:
                raise Refused(status, "UnknownError" if status < 500 else "InternalServerError", "")
        for method, pattern, call in ROUTES:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return call(self, request, *(unquote(part) for part in found.groups()))
        raise Refused(400, "BadRequest", f"Resource not found for the segment {request.path}.")

    def _check_token(self, request: Request) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token in self.tokens:
            return
        told = 'Bearer realm="", error="invalid_token"'
        if self.claims:
            told += ', error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'
        raise Refused(
            401,
            "InvalidAuthenticationToken",
            "Lifetime validation failed, the token is expired.",
            **{"WWW-Authenticate": told},
        )

    def is_cut(self, path: str) -> bool:
        """Tell whether the answer to this path ends midway."""
        return any(part in path for part in self.cuts)


def _handler(double: GraphDouble) -> type[Quiet]:
    class Visit(Quiet):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            base = double.public or f"http://{self.headers['Host']}"
            request = Request(
                self.command,
                re.sub(r"^/v1\.0", "", parts.path),
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                self.read_body(),
                f"{base}{parts.path}",
            )
            reply = double.answer(request)
            body = json.dumps(reply.body).encode() if isinstance(reply.body, dict) else (reply.body or b"")
            if double.is_cut(request.path) and reply.status < 300:
                body = body[: len(body) // 2]
            with contextlib.suppress(OSError):
                self.send_response_only(reply.status)
                self.send_header("Date", format_datetime(double.mailbox.moment, usegmt=True))
                if isinstance(reply.body, dict):
                    self.send_header("Content-Type", "application/json; odata.metadata=minimal")
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if double.frames or not body:
                    self.send_header("Content-Length", str(len(body)))
                else:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

    for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        setattr(Visit, f"do_{method}", Visit._serve)
    return Visit
