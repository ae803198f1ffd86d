"""An authorization server of one's own, on loopback: /authorize, /device, /token, and /introspect for mail servers.

It checks what RFC 6749, 7636 and 8628 have it check, and refuses on order. No person is there: a visit of
/authorize agrees at once, and a code is agreed to when it has been pending for as long as was ordered. Over TLS it is
Microsoft's: it tells its addresses, which are longer, and gives what only Microsoft gives.
"""

import base64
import contextlib
import hashlib
import html
import json
import re
import secrets
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from archiver.accounts import oauth
from archiver.model import Secret
from tests.servers.serving import Quiet, Serving

CLIENT_ID = "the-client"
TENANT = "example.org"


def signed_claims(assertion: str, certificate: bytes) -> dict[str, Any] | None:
    """Read a signed statement (RFC 7515), if a certificate's key signed it as its header says."""
    head, claims, signature = assertion.split(".")
    known = x509.load_pem_x509_certificate(certificate)
    thumb = hashlib.sha256(known.public_bytes(serialization.Encoding.DER)).digest()
    told = json.loads(_bytes(head))
    if told["alg"] != "PS256" or _bytes(told["x5t#S256"]) != thumb:
        return None
    key = known.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    padded = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    try:
        key.verify(_bytes(signature), f"{head}.{claims}".encode(), padded, hashes.SHA256())
    except InvalidSignature:
        return None
    found: dict[str, Any] = json.loads(_bytes(claims))
    return found


def visit(url: str, ca_file: Path | None) -> int:
    """Do what a browser does, which trusts a file of certificates."""
    trust = ssl.create_default_context(cafile=ca_file) if url.startswith("https") else None
    try:
        with urllib.request.urlopen(url, timeout=10, context=trust) as answer:
            form = _FORM.fullmatch(answer.read().decode())
        if form is None:
            return int(answer.status)
        fields = {name: html.unescape(value) for name, value in _FIELD.findall(form[2])}
        with urllib.request.urlopen(form[1], urlencode(fields).encode(), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


_FORM = re.compile('<form method="post" action="([^"]*)">(.*)</form>')
_FIELD = re.compile('<input type="hidden" name="([^"]*)" value="([^"]*)">')


def _page(where: str, fields: Mapping[str, str]) -> bytes:
    """Make the page that a browser sends on by itself (OAuth 2.0 Form Post Response Mode)."""
    inputs = (
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
    )
    return f'<form method="post" action="{where}">{"".join(inputs)}</form>'.encode()


def _short(path: str) -> str:
    """Give Microsoft's address of an endpoint as the others have it."""
    short = path.removeprefix(f"/{TENANT}/oauth2/v2.0").removeprefix("/adfs/oauth2")
    return short.replace("/devicecode", "/device")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _text(told: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authority:
    """The server. Start it as a context manager; `seen` are the forms it got, by path."""

    tls: Path | None = None
    """A folder in which one is made for the certificate of Microsoft's side; without it there is none."""
    user: str = "ann"
    client_secret: str | None = None
    certificate: bytes | None = None
    """The certificate (PEM) of a program that signs in as itself."""
    rotates: bool = True
    """Whether a refresh token is good for one use alone, and using it twice revokes all (RFC 9700 section 2.2.2)."""
    lives_s: int = 3600
    refresh_lives_s: int | None = None
    pending: int = 0
    """How often a device is told `authorization_pending`; before that, `slow_down` once if `slow`."""
    slow: bool = False
    refuses: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Grant type (its last word), `authorize` or `device` -> error and error_description."""
    status: int = 400
    broken: bytes | None = None
    """What /token answers in place of JSON."""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    access: dict[str, str] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    nonce: str | None = None
    """What a sign-in is said to be the answer to, in the place of what it is the answer to."""
    spent: set[str] = field(default_factory=set)
    introspected: int = 0
    held_up: threading.Event | None = None
    """What /token waits for before it answers."""
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when somebody waits there."""

    def __enter__(self) -> Self:
        self._codes: dict[str, dict[str, str]] = {}
        self._devices: set[str] = set()
        self._lock = threading.Lock()
        self._serving = Serving(self._handler())
        self.url = self._serving.url
        self._microsoft: Serving | None = None
        if self.tls:
            folder = self.tls / "authority"
            folder.mkdir()
            self._microsoft = Serving(self._handler(), folder)
        self.microsoft = self._microsoft.url if self._microsoft else ""
        self.ca_file = self._microsoft.ca_file if self._microsoft else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.stop()
        if self._microsoft:
            self._microsoft.stop()

    def forms(self, path: str) -> list[dict[str, str]]:
        """Give the forms that came to a path."""
        return [form for where, form in self.seen if where == path]

    def visit(self, url: str) -> int:
        """Do what a browser does: follow an address to where it leads, and give the status there."""
        return visit(url, self.ca_file)

    def revoke(self) -> None:
        """Forget all tokens, as a changed password does."""
        self.access.clear()
        self.refresh.clear()

    def grant(self) -> dict[str, Any]:
        """Make tokens as /token gives them."""
        access, refresh = f"access-{secrets.token_hex(8)}", f"refresh-{secrets.token_hex(8)}"
        self.access[access] = self.refresh[refresh] = self.user
        told: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": self.lives_s}
        told["refresh_token"] = refresh
        if self.refresh_lives_s is not None:
            told["refresh_token_expires_in"] = self.refresh_lives_s
        return told

    def discover(self) -> dict[str, Any]:
        """Tell the addresses (OpenID Connect Discovery section 4), as Microsoft writes them."""
        base = f"{self.microsoft}/{TENANT}/oauth2/v2.0"
        return {
            "issuer": f"{self.microsoft}/{TENANT}/v2.0",
            "authorization_endpoint": f"{base}/authorize",
            "device_authorization_endpoint": f"{base}/devicecode",
            "token_endpoint": f"{base}/token",
        }

    # --- what it answers ----------------------------------------------------------------------------

    def authorize(self, form: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """Answer a visit of the browser: status, and where to go with what."""
        back = form["redirect_uri"]
        if urlsplit(back).hostname not in ("127.0.0.1", "localhost") or form.get("client_id") != CLIENT_ID:
            return 400, "", {}
        if "authorize" in self.refuses:
            error, description = self.refuses["authorize"]
            return 302, back, {"error": error, "error_description": description, "state": form["state"]}
        code = secrets.token_hex(8)
        self._codes[code] = form
        return 302, back, {"code": code, "state": form["state"]}

    def device(self, form: dict[str, str]) -> dict[str, Any]:
        """Answer a request for a code."""
        if "device" in self.refuses:
            return self._refusal("device")
        if not _is_json(form.get("claims", "{}")):
            return {"error": "invalid_request"}
        code = secrets.token_hex(8)
        self._devices.add(code)
        return {
            "device_code": code,
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{self.url}/activate",
            "expires_in": 900,
            "interval": 1,
        }

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """Answer at the token endpoint."""
        grant = form.get("grant_type", "").rpartition(":")[2]
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != self.client_secret:
            return {"error": "invalid_client"}
        if grant in self.refuses:
            return self._refusal(grant)
        if not _is_json(form.get("claims", "{}")):
            return {"error": "invalid_request"}
        kinds = {
            "authorization_code": self._redeem,
            "refresh_token": self._renew,
            "device_code": self._ask,
            "client_credentials": self._trust,
        }
        nonce = self._codes.get(form.get("code", ""), {}).get("nonce")
        told = kinds[grant](form)
        return told if "error" in told else {**told, **self._identify(form, self.nonce or nonce)}

    def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        if form["device_code"] not in self._devices:
            return {"error": "invalid_grant"}
        if self.slow:
            self.slow = False
            return {"error": "slow_down"}
        if self.pending:
            self.pending -= 1
            return {"error": "authorization_pending"}
        self._devices.remove(form["device_code"])
        return self.grant()

    def _redeem(self, form: dict[str, str]) -> dict[str, Any]:
        asked = self._codes.pop(form["code"], None)
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            asked is None
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge_method"] != "S256"
            or asked["code_challenge"] != challenge
        ):
            return {"error": "invalid_grant"}
        return self.grant()

    def _renew(self, form: dict[str, str]) -> dict[str, Any]:
        old = form["refresh_token"]
        with self._lock:
            if old in self.spent:
                self.revoke()
            if old not in self.refresh:
                return {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            if self.rotates:
                self.spent.add(old)
                del self.refresh[old]
                return self.grant()
            told = self.grant()
            del self.refresh[told.pop("refresh_token")]
            return told

    def _trust(self, form: dict[str, str]) -> dict[str, Any]:
        """Give a program its token, if it proves that it is one (RFC 7523): signed by the certificate known here."""
        told = signed_claims(form["client_assertion"], self.certificate or b"")
        wanted = {"aud": self.discover()["token_endpoint"], "iss": CLIENT_ID, "sub": CLIENT_ID}
        if (
            told is None
            or any(told.get(key) != value for key, value in wanted.items())
            or not time.time() < told["exp"] <= time.time() + 600
        ):
            return {
                "error": "invalid_client",
                "error_description": "AADSTS700027: the signature is not valid",
            }
        granted = self.grant()
        del self.refresh[granted.pop("refresh_token")]
        return granted

    def _identify(self, form: dict[str, str], nonce: str | None) -> dict[str, Any]:
        """Say who has signed in, to who asks (OpenID Connect Core section 2), and in Microsoft's own way."""
        found = {}
        if "openid" in form.get("scope", "").split():
            claims = {"sub": self.user, "aud": CLIENT_ID, "preferred_username": self.user}
            found["id_token"] = (
                f"{_text({'alg': 'none'})}.{_text(claims | ({'nonce': nonce} if nonce else {}))}."
            )
        if form.get("client_info"):
            found["client_info"] = _text({"uid": self.user, "utid": TENANT})
        return found

    def _refusal(self, what: str) -> dict[str, Any]:
        error, description = self.refuses[what]
        return {"error": error, "error_description": description}

    def introspect(self, token: str) -> dict[str, Any]:
        """Answer a mail server (RFC 7662)."""
        self.introspected += 1
        user = self.access.get(token)
        return {"active": True, "username": user, "scope": "mail"} if user else {"active": False}

    def _handler(self) -> type[Quiet]:
        authority = self

        class Visit(Quiet):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                form = {key: values[0] for key, values in parse_qs(parts.query).items()}
                path = _short(parts.path)
                authority.seen.append((path, form))
                if path == "/authorize":
                    status, back, answer = authority.authorize(form)
                    if status == 302 and form.get("response_mode") == "form_post":
                        self._say(200, _page(back, answer))
                        return
                    self.send_response(status)
                    self.send_header("Location", f"{back}/?{urlencode(answer)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif path == "/introspect":
                    self._say(200, json.dumps(authority.introspect(form.get("token", ""))).encode())
                elif path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
                    self._say(200, json.dumps(authority.discover()).encode())
                elif path == "/adfs/.well-known/openid-configuration":
                    long = json.dumps(authority.discover())
                    self._say(200, long.replace(f"{TENANT}/oauth2/v2.0", "adfs/oauth2").encode())
                elif re.fullmatch("/[^/]+/v2.0/.well-known/openid-configuration", path):
                    told = {"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant not found."}
                    self._say(400, json.dumps(told).encode())
                else:
                    self._say(404, b"{}")

            def do_POST(self) -> None:
                raw = self.read_body().decode()
                form = {key: values[0] for key, values in parse_qs(raw).items()}
                path = _short(urlsplit(self.path).path)
                authority.seen.append((path, form))
                if path == "/token" and authority.held_up is not None:
                    authority.reached.set()
                    authority.held_up.wait(20)
                if path == "/token" and authority.broken is not None:
                    self._say(authority.status, authority.broken)
                    return
                told = authority.token(form) if path == "/token" else authority.device(form)
                self._say(authority.status if "error" in told else 200, json.dumps(told).encode())

            def _say(self, status: int, body: bytes) -> None:
                with contextlib.suppress(ConnectionError):  # who asked was killed
                    self._answer(status, body)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Visit


def provider(authority: Authority) -> oauth.Provider:
    """Give who gives tokens there, to ask for those of scope "mail"."""
    secret = Secret(authority.client_secret) if authority.client_secret else None
    if authority.tls is not None:
        scope, where = "mail offline_access", f"{authority.microsoft}/{TENANT}"
        return oauth.microsoft(CLIENT_ID, secret, scope, "imap", where, ca_file=str(authority.ca_file))
    urls = {name: f"{authority.url}/{name}" for name in ("authorize", "device", "token")}
    return oauth.generic(CLIENT_ID, secret, "mail offline_access", urls)
