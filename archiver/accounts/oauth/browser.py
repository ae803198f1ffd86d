"""Sign in with the browser of this machine: authorization code with PKCE (RFC 7636), back over loopback (RFC 8252)."""

import base64
import hashlib
import hmac
import queue
import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from archiver.accounts.oauth.grants import Granted, redeemed
from archiver.accounts.oauth.provider import Provider
from archiver.accounts.oauth.refusals import refused
from archiver.errors import ArchiverError, LoginRefused, UsageError

WAIT_S = 600.0
_LONGEST_FORM = 1 << 16  # bytes

_PAGE = """<!doctype html><meta charset="utf-8"><title>archiver</title>
<p style="font: 1.2em sans-serif; margin: 3em">{text} You can close this window.</p>
"""


def sign_in_by_browser(
    provider: Provider,
    user: str,
    show: Callable[[str], None],
    clock: Callable[[], datetime],
    wait_s: float = WAIT_S,
) -> Granted:
    """Have a person sign in at the address that `show` is given, and come back to this machine.

    `user` is proposed to the provider. Raises `LoginRefused` where nobody comes back in `wait_s` seconds, and
    as `grants.redeemed`.
    """
    if provider.authorize_url is None:
        raise UsageError("this provider has no authorize-url", "use --device")
    verifier = secrets.token_urlsafe(48)
    with Loopback(state=secrets.token_urlsafe(24)) as loopback:
        back = f"http://127.0.0.1:{loopback.port}"
        fields = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": back,
            "scope": provider.scope,
            "state": loopback.state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
            "login_hint": user,
            **provider.asks,
        }
        mark = "&" if urlsplit(provider.authorize_url).query else "?"
        show(f"{provider.authorize_url}{mark}{urlencode(fields)}")
        answer = loopback.wait(wait_s)
    if "code" not in answer:
        raise refused(answer.get("error"), answer.get("error_description"), provider.name)
    redeeming = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": back,
        "code_verifier": verifier,
    }
    return redeemed(provider, redeeming, clock())


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Loopback:
    """A web server on 127.0.0.1 that waits for one visit: that of the browser with this `state`.

    What comes without the state is turned away and changes nothing: any program and any web page may knock.
    """

    def __init__(self, state: str) -> None:
        self.state = state
        self._found: queue.Queue[dict[str, str]] = queue.Queue(1)

    def __enter__(self) -> Self:
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        except OSError as error:
            raise ArchiverError(
                f"no port on 127.0.0.1 can be opened: {error.strerror}",
                "use --device, if the provider has it",
            ) from error
        self._server.daemon_threads = True
        self._server.block_on_close = False  # browsers open lines ahead, and say nothing on them
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, wait_s: float) -> dict[str, str]:
        """Give what the browser brought. Raises `LoginRefused` if it never came."""
        try:
            return self._found.get(timeout=wait_s)
        except queue.Empty:
            raise LoginRefused(
                f"no browser came back within {wait_s:g} s",
                "run again, and finish in the browser; on another machine, use --device where the provider has it",
            ) from None

    def take(self, query: str) -> str | None:
        """Look at what a visit brings in its address or as a form, and give the text to show it; None turns it away."""
        brought = {key: values[0] for key, values in parse_qs(query).items() if len(values) == 1}
        state = brought.get("state", "")
        if not hmac.compare_digest(state.encode(), self.state.encode()) or not {"code", "error"} & set(
            brought
        ):
            return None
        try:
            self._found.put_nowait(brought)
        except queue.Full:
            return None
        return "Signed in." if "code" in brought else "Not signed in: see the terminal."

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self.take

        class Visit(BaseHTTPRequestHandler):
            timeout = 30
            server_version = "archiver"
            sys_version = ""

            def do_GET(self) -> None:
                self._answer(take(urlsplit(self.path).query))

            def do_POST(self) -> None:  # OAuth 2.0 Form Post Response Mode: the code is in no address
                told = self.headers.get("Content-Length", "")
                length = int(told) if told.isascii() and told.isdigit() else 0
                self._answer(take(self.rfile.read(min(length, _LONGEST_FORM)).decode("utf-8", "replace")))

            def _answer(self, text: str | None) -> None:
                body = _PAGE.format(text=text or "There is nothing here.").encode()
                self.send_response(200 if text else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:  # the path holds the code
                pass

        return Visit
