"""Requests to Graph: signed in, at most three at a time, repeated with patience where that is safe, read whole.

Every failure leaves here as one of archiver's errors; a `Refusal` holds the status that the caller may know better.
"""

import base64
import contextlib
import email.utils
import json
import logging
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import quote

import requests
from msgspec import Struct

from archiver.accounts import failures
from archiver.accounts.link import LONGEST_WAIT_S, TRIES, Busy
from archiver.errors import FolderRefused, Forbidden, LoginRefused, Unreachable, Untrusted
from archiver.model import AccessToken, Secret

_log = logging.getLogger(__name__)

Json: TypeAlias = dict[str, Any]

HOST = "https://graph.microsoft.com/v1.0"
AT_ONCE = 3  # of the four that one program may ask of one mailbox
PAGE = 200
_LONGEST_PAUSE_S = 30.0
_BUSY = (429, 503, 504)
_AGAIN = (500, 502, *_BUSY)

_NEEDS = (
    ("exportItems", "MailboxItem.Export"),
    ("createImportSession", "MailboxItem.ImportExport"),
    ("/settings/exchange", "User.Read.All"),
    ("/mailFolders", "Mail.Read"),
    ("/messages", "Mail.Read"),
    ("/calendars", "Calendars.Read"),
    ("/contact", "Contacts.Read"),
    ("/todo", "Tasks.Read"),
)


class GraphServer(Struct, frozen=True):
    """Where Graph is, and whose mailbox is meant: `user` is an address, None the one that signed in; times in seconds.

    `export` says whether each item's full-fidelity export is wanted.
    """

    user: str | None = None
    url: str = HOST
    ca_file: str | None = None
    timeout_s: float = 60.0
    export: bool = True


class Refusal(FolderRefused):
    """Graph does not do what was asked; `status` is that of HTTP, `word` its code in `error.code`."""

    def __init__(self, status: int, word: str, said: str) -> None:
        shown = f'"{word}"' if word else f"status {status}"
        super().__init__(f"Exchange Online refuses it: {shown}{f' ({said})' if said else ''}")
        self.status = status
        self.word = word

    @property
    def is_gone(self) -> bool:
        """Tell whether the item or folder is not there."""
        return self.status == 404

    @property
    def is_resync(self) -> bool:
        """Tell whether a state is of no more use: a full listing is needed."""
        words = ("syncstatenotfound", "syncstateinvalid", "resyncrequired")
        return self.status == 410 or self.word.lower() in words


class Lost(Unreachable):
    """The answer was lost: what was asked may have been done or not."""


class Broken(Lost):
    """The server answers, and breaks at what was asked: it may be for this alone."""


class Answer(Struct, frozen=True):
    """What came back: its headers by lower-case name, and the whole body. `framed`: its length was told."""

    headers: Mapping[str, str]
    body: bytes
    framed: bool

    def json(self) -> Json:
        """Read the body. Raises `Unreachable` for one that does not end where JSON ends."""
        try:
            told = json.loads(self.body) if self.body else {}
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise Broken("an answer of Exchange Online is cut short, or is no JSON", "try again later")
        return told

    @property
    def at(self) -> datetime | None:
        """When the server says it answered."""
        with contextlib.suppress(ValueError, TypeError):
            return email.utils.parsedate_to_datetime(self.headers.get("date", "")).astimezone(UTC)
        return None


class Web:
    """The session. Paths begin with `/` below the server's URL; links that Graph gave are asked as they are."""

    def __init__(
        self, where: GraphServer, token: Callable[[], Secret], pause: Callable[[float], None]
    ) -> None:
        self._where = where
        self._new_token = token
        self._pause = pause
        self._token: Secret | None = None
        self._lock = threading.Lock()
        self._gate = threading.BoundedSemaphore(AT_ONCE)
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self.me = f"/users/{segment(where.user)}" if where.user else "/me"

    # --- what callers ask -----------------------------------------------------------------------------

    def get(self, path: str, **query: str) -> Json:
        """Get one thing."""
        return self.patiently("GET", path, query=query).json()

    def pages(self, path: str, **query: str) -> Iterator[Json]:
        """Get a collection page by page, empty pages too."""
        page = self.get(path, **query)
        yield page
        while link := page.get("@odata.nextLink"):
            page = self.patiently("GET", str(link)).json()
            yield page

    def all(self, path: str, **query: str) -> Iterator[Json]:
        """Get the members of a collection."""
        for page in self.pages(path, **query):
            yield from page.get("value", [])

    def raw(self, path: str) -> Answer:
        """Get bytes. Where nothing tells how many there are, they are asked for twice and have to be as many."""
        answer = self.patiently("GET", path)
        if not answer.framed and len(self.patiently("GET", path).body) != len(answer.body):
            raise Broken("an answer of Exchange Online is cut short", "try again later")
        return answer

    def patiently(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for what may be asked twice, until there is an answer or no more sense in it."""
        tries = 0
        while True:
            try:
                answer = self.once(method, path, query=query, body=body, headers=headers)
                if "json" in answer.headers.get("content-type", ""):
                    answer.json()
            except Unreachable as error:
                tries += 1
                self.rest(error, tries)
            else:
                return answer

    def once(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once. Raises `Lost` where it is unknown what became of it, `Busy` where nothing was done."""
        url = path if "://" in path else self._where.url + path
        if "://" in path and not self.is_ours(path):
            raise Unreachable("Exchange Online names another server to go on with", "try again later")
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        sent = {"Prefer": f'IdType="ImmutableId", odata.maxpagesize={PAGE}', **(headers or {})}
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        claims = None
        for again in (False, True):
            token = self._signed_in(claims, anew=again)
            sent["Authorization"] = f"Bearer {token.reveal()}"
            reply, content = self._send(method, url, query, data, sent)
            if reply.status_code != 401:
                break
            claims = self._judge_login(reply, again=again)
        return self._judge(method, url, reply, content)

    def is_ours(self, link: str) -> bool:
        """Tell whether a link is one of this server's."""
        return link.startswith(self._where.url + "/")

    def elsewhere(self, url: str, body: Json) -> Answer:
        """Post to an address that is itself the permission, without a token."""
        reply, content = self._send(
            "POST", url, None, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return self._judge("POST", url, reply, content)

    def close(self) -> None:
        """Close all lines. Never raises."""
        for session in self._sessions:
            with contextlib.suppress(Exception):
                session.close()
        self._sessions.clear()
        self._local = threading.local()

    # --- how it is done -------------------------------------------------------------------------------

    def _signed_in(self, claims: str | None, *, anew: bool) -> Secret:
        with self._lock:
            if anew and isinstance(self._token, AccessToken) and self._token.renew is not None:
                self._token = self._token.renew(claims)
            elif self._token is None:
                self._token = self._new_token()
            return self._token

    def _judge_login(self, reply: requests.Response, *, again: bool) -> str | None:
        """Give the claims that a new token has to have, if any. Raises `LoginRefused` where none would help."""
        with self._lock:
            renewable = isinstance(self._token, AccessToken) and self._token.renew is not None
        hint = "sign in again: archiver account login NAME"
        told = reply.headers.get("WWW-Authenticate", "")
        claims = _claims(told)
        if "claims" in told.lower() and (again or not renewable or claims is None):
            raise LoginRefused("the company wants the sign-in repeated, or done in another way", hint)
        if again or not renewable:
            raise LoginRefused(
                "Exchange Online refuses the sign-in", f"{hint}; check that client-id and tenant are right"
            )
        return claims

    def _session(self) -> requests.Session:
        found = getattr(self._local, "session", None)
        if not isinstance(found, requests.Session):
            found = self._local.session = requests.Session()
            self._sessions.append(found)
        return found

    def _send(
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[requests.Response, bytes]:
        verify = self._where.ca_file or True
        try:
            with self._gate:
                reply = self._session().request(
                    method,
                    url,
                    params=dict(query) if query else None,
                    data=data,
                    headers=dict(headers),
                    auth=_as_it_is,
                    timeout=self._where.timeout_s,
                    verify=verify,
                    allow_redirects=False,
                )
                return reply, reply.content
        except requests.exceptions.RequestException as error:
            found = failures.of_request(error)
            if isinstance(found, Untrusted):
                raise found from error
            raise Lost(found.text if found else f'the connection to "{_host(url)}" was lost') from error

    def _judge(self, method: str, url: str, reply: requests.Response, content: bytes) -> Answer:
        status = reply.status_code
        if status < 300:
            headers = {name.lower(): value for name, value in reply.headers.items()}
            framed = "content-length" in headers or "transfer-encoding" in headers
            return Answer(headers, content, framed)
        word, said = _error_of(content)
        if status in _AGAIN:
            wait_s = _retry_after(reply.headers.get("Retry-After"))
            if status == 429 or wait_s is not None:
                raise Busy("Exchange Online is busy, or was asked too much", wait_s)
            raise Broken(f"Exchange Online has a fault of its own (status {status})", "try again later")
        if status == 403:
            raise Forbidden(
                f'Exchange Online forbids this: "{word or status}"{f" ({said})" if said else ""}',
                f"the app registration lacks the permission {_need(method, url)}, or nobody granted it; see "
                "docs/how-to/archive-exchange-online.md",
            )
        if 300 <= status < 400:
            raise Unreachable(
                f'"{_host(url)}" sends archiver elsewhere', "check whether a proxy is in between"
            )
        raise Refusal(status, word, said)

    def rest(self, error: Unreachable, tries: int) -> None:
        """Wait before the next try, as long as the server asked for; raise `error` where there should be none."""
        if tries >= TRIES:
            raise error
        wait_s = error.wait_s if isinstance(error, Busy) else None
        if wait_s is None:
            wait_s = min(_LONGEST_PAUSE_S, 0.5 * 4 ** (tries - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 -- a spread
        elif wait_s > LONGEST_WAIT_S:
            raise Unreachable(f"{error.text}; it wants {wait_s:.0f} s of rest", error.hint)
        else:
            wait_s += random.uniform(0.0, 0.5)  # noqa: S311 -- as above
        _log.info("%s; trying again in %.1f s", error.text, wait_s)
        self._pause(wait_s)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep a request from the passwords of a .netrc file, which would take the place of the token."""
    return request


def _claims(told: str) -> str | None:
    """Read a claims challenge (https://learn.microsoft.com/entra/identity-platform/claims-challenge): JSON."""
    found = re.search(r'\bclaims="([A-Za-z0-9+/=_-]{1,4096})"', told)
    with contextlib.suppress(ValueError):
        text = base64.b64decode(found[1] + "==", altchars=b"-_").decode() if found else ""
        return text if isinstance(json.loads(text), dict) else None
    return None


def segment(told: object) -> str:
    """Write an id as one segment of a path."""
    return quote(str(told), safe="=-_")


def _host(url: str) -> str:
    return re.sub(r"^\w+://([^/?]*).*$", r"\1", url, flags=re.DOTALL)


def _need(method: str, url: str) -> str:
    """Name the permission that is missing, by the path and by whether something is to be changed."""
    name = next((need for part, need in _NEEDS if part in url), "that it needs")
    changes = method in ("POST", "PATCH", "PUT", "DELETE") and name.endswith(".Read")
    return f'"{name}Write"' if changes else f'"{name}"'


def _error_of(content: bytes) -> tuple[str, str]:
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        error = json.loads(content)["error"]
        return _plain(error.get("code")), _plain(error.get("message"))
    return "", ""


def _plain(text: object) -> str:
    return re.sub(r"[^\x20-\x7e]", " ", str(text or "")).strip()[:200]


def _retry_after(told: str | None) -> float | None:
    if told is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(int(told)))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, (email.utils.parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    return None
