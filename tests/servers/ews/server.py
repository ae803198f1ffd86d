"""A double of Exchange Web Services on loopback: the wire, the log-ins, and which operation answers what."""

import base64
import binascii
import contextlib
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree.ElementTree import Element

from tests.servers.ews import directory, folders, items, schema, soap
from tests.servers.ews.builder import Owner
from tests.servers.ews.call import Call
from tests.servers.ews.kerberos import Acceptor
from tests.servers.ews.layout import furnish, furnish_public
from tests.servers.ews.ntlm import Accounts, Login
from tests.servers.ews.plans import Plans
from tests.servers.ews.refusals import Bare, Faulted, Refused
from tests.servers.ews.search import find_item
from tests.servers.ews.state import Mailbox, Site
from tests.servers.ews.sync import States, sync_folder_hierarchy, sync_folder_items
from tests.servers.ews.temper import MICROSOFT, Temper
from tests.servers.serving import Quiet, Serving

PATH = "/EWS/Exchange.asmx"
DISCOVER_PATH = "/autodiscover/autodiscover.svc"
VERSIONS = {"Exchange2010", "Exchange2010_SP1", "Exchange2010_SP2", "Exchange2013", "Exchange2013_SP1"}
VERSIONS |= {"Exchange2015", "Exchange2016", "Exchange2007_SP1"}


@dataclass(frozen=True)
class Seen:
    """A request that came: its operation, whose mailbox was meant, and the ids in it."""

    operation: str
    user: str
    ids: tuple[str, ...]


class EwsDouble:
    """The server. Start it as a context manager; on its way out it raises what broke the schemas."""

    def __init__(
        self,
        *,
        tls: Path | None = None,
        build: soap.Build | None = None,
        seed: str = "",
        ntlm: Path | None = None,
        temper: Temper = MICROSOFT,
        kerberos: Acceptor | None = None,
    ) -> None:
        """`ntlm` is a file that it may write its users to: then it asks for NTLM instead of Basic."""
        self.site = Site(seed, temper)
        self.states = States()
        self.plans = Plans()
        self.build = build or soap.Build()
        self.passwords: dict[str, str] = {}
        self.impersonators: set[str] = set()
        """Users who may act for every mailbox, as an application with full_access_as_app does."""
        self.judge: Callable[[str], str | None] = lambda token: None
        """Gives the user of a bearer token; None where it is not good, or no more."""
        self.versions = set(VERSIONS)
        self.concurrency: int | None = None
        """How many requests it answers at a time; more are refused with ErrorExceededConnectionCount."""
        self.busiest = 0
        """The most requests that were under way at a time."""
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        """What broke the schemas, and requests that the double does not know."""
        self._tls = tls
        self._ntlm = ntlm
        self.accounts: Accounts | None = None
        self.kerberos = kerberos
        self._lock = threading.RLock()
        self._under_way = 0
        self._counting = threading.Lock()

    # --- starting and stopping ------------------------------------------------------------------

    def __enter__(self) -> Self:
        double = self

        class Visit(Quiet):
            login: Login | None = None

            def do_GET(self) -> None:
                self.send_error(405)

            def do_POST(self) -> None:
                body = self.read_body()
                if double.accounts is not None and self.login is None:
                    self.login = Login(double.accounts)
                status, headers, answer = double._answer(
                    self.path, self.headers.get("Authorization"), body, self.login
                )
                with contextlib.suppress(OSError):  # who asked hung up
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

        self._serving = Serving(Visit, self._tls)
        self.url = self._serving.url + PATH
        self.discover_url = self._serving.url + DISCOVER_PATH
        self.ca_file = self._serving.ca_file
        if self._ntlm is not None:
            self.accounts = Accounts(self._ntlm, self.ca_file)
        if self.kerberos is not None:
            self.kerberos.bind(self.ca_file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.stop()
        if kind is None and self.violations:
            raise AssertionError("\n".join(dict.fromkeys(self.violations)))

    def show(self, certificate: Path, key: Path) -> None:
        """Have another certificate for the connections to come."""
        self._serving.show(certificate, key)

    # --- what is on it --------------------------------------------------------------------------

    def add_mailbox(
        self,
        address: str,
        password: str = "secret",
        *,
        archive: bool = False,
        readers: set[str] | None = None,
    ) -> Owner:
        """Make a mailbox, with an in-place archive if asked; `readers` besides its owner may open it."""
        mailbox = Mailbox(address, address.partition("@")[0].title(), readers=readers or set())
        self.site.mailboxes[address] = mailbox
        self.passwords[address] = password
        furnish(self.site, mailbox, archive)
        return Owner(self.site, mailbox)

    def add_public_folders(self) -> Owner:
        """Make the tree of public folders, which everybody may read."""
        mailbox = self.site.mailboxes[""] = Mailbox("", "Public Folders")
        furnish_public(self.site, mailbox)
        return Owner(self.site, mailbox)

    # --- what was seen --------------------------------------------------------------------------

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each operation came."""
        return Counter(seen.operation for seen in self.seen)

    @property
    def sent(self) -> list[str]:
        """What would have gone to other people."""
        return self.site.sent

    @property
    def lock(self) -> threading.RLock:
        """Held while a request is answered: hold it to change several things at once."""
        return self._lock

    # --- answering ------------------------------------------------------------------------------

    def _answer(
        self, path: str, login: str | None, raw: bytes, connection: Login | None
    ) -> tuple[int, dict[str, str], bytes]:
        if self.kerberos is not None:
            user, told = self.kerberos.judge(login)
            refusal: tuple[int, dict[str, str], bytes] = (401, told, b"")
        else:
            user, refusal = self._login(login, connection)
            told = {}
        if user is None:
            return refusal
        headers = {"Content-Type": "text/xml; charset=utf-8", **told}
        try:
            with self._turn(), self._lock:
                if path.casefold() == DISCOVER_PATH:
                    request = soap.read(raw)
                    return 200, headers, self._discover(request.body)
                if path.casefold() != PATH.casefold():
                    return 404, {}, b""
                return 200, headers, self._serve(user, raw)
        except Bare as bare:
            return bare.status, headers, soap.bare_fault(bare)
        except Faulted as error:
            faulted = error
        except Refused as refused:  # by no part of a batch
            faulted = Faulted(refused.code, refused.text)
        except Exception as error:
            self.violations.append("".join(traceback.format_exception(error)))
            faulted = Faulted("ErrorInternalServerError", repr(error))
        return 500, headers, soap.fault(faulted)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        with self._counting:
            self._under_way += 1
            self.busiest = max(self.busiest, self._under_way)
            crowded = self.concurrency is not None and self._under_way > self.concurrency
        try:
            if crowded:
                raise Faulted("ErrorExceededConnectionCount")
            yield
        finally:
            with self._counting:
                self._under_way -= 1

    def _discover(self, body: Element) -> bytes:
        self.seen.append(Seen("GetUserSettings", "", ()))
        addresses = {address for address in self.site.mailboxes if address}
        return directory.user_settings(body, addresses, self.url, self.build)

    def _serve(self, user: str, raw: bytes) -> bytes:
        request = soap.read(raw)
        broken = schema.violations(raw)
        if broken:
            self.violations += [f"request {request.operation}: {one}" for one in broken]
            raise Faulted("ErrorSchemaValidation", f"The request failed schema validation: {broken[0]}")
        if request.version is not None and request.version not in self.versions:
            raise Faulted("ErrorInvalidServerVersion", "The specified server version is invalid.")
        if request.impersonated is not None:
            if user not in self.impersonators:
                raise Faulted("ErrorImpersonateUserDenied")
            user = request.impersonated.casefold()
        ids = tuple(found for one in request.body.iter() if (found := one.get("Id")))
        self.seen.append(Seen(request.operation, user, ids))
        count = self.plans.begin(request.operation)
        messages = self._operate(request, user, self.plans.refusals(request.operation, count, ids))
        messages = self.plans.finish(request.operation, count, messages)
        answer = soap.envelope(soap.response(request.operation, messages), self.build)
        wrong = schema.violations(answer)
        self.violations += [f"reply {request.operation}: {one}" for one in wrong]
        self.plans.happen(request.operation, count)
        return answer

    def _operate(self, request: soap.Request, user: str, refusals: dict[int | str, str]) -> list[Element]:
        parts = iter(range(1 << 30))

        def planned(element: Element) -> str | None:
            named = (refusals.get(one.get("Id") or "") for one in (element, *element))
            return refusals.get(next(parts)) or refusals.get(-1) or next(filter(None, named), None)

        call = Call(self.site, request.operation, request.body, user, planned)
        if request.operation == "SyncFolderItems":
            return sync_folder_items(call, self.states)
        if request.operation == "SyncFolderHierarchy":
            return sync_folder_hierarchy(call, self.states)
        if request.operation in self.site.temper.lacks:
            raise Bare(f"Unknown request '{request.operation}'.")
        operation = _OPERATIONS.get(request.operation)
        if operation is None:
            self.violations.append(f"the double does not know the operation {request.operation}")
            raise Faulted("ErrorInvalidOperation")
        return operation(call)

    def _login(
        self, login: str | None, connection: Login | None
    ) -> tuple[str | None, tuple[int, dict[str, str], bytes]]:
        """Tell whose the request is, and what to answer if it is nobody's."""
        if connection is None or self.accounts is None:
            offer = (
                'Bearer realm="", error="invalid_token"' if _is_bearer(login) else 'Basic realm="exchange"'
            )
            return self._user(login), (401, {"WWW-Authenticate": offer}, b"")
        if login is not None and self.accounts.silent:
            return None, (503, {"Retry-After": "3"}, b"")
        self.accounts.write(self.passwords)
        challenge = connection.step(login) if login is not None else None
        if challenge:
            return None, (401, {"WWW-Authenticate": f"NTLM {challenge}"}, b"")
        return connection.user, (401, {"WWW-Authenticate": "Negotiate, NTLM"}, b"")

    def _user(self, login: str | None) -> str | None:
        kind, _, value = (login or "").partition(" ")
        if kind.casefold() == "bearer":
            return self.judge(value)
        if kind.casefold() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeError):
            return None
        return name.casefold() if self.passwords.get(name.casefold()) == password else None


def _is_bearer(login: str | None) -> bool:
    return (login or "").casefold().startswith("bearer")


_OPERATIONS: dict[str, Callable[[Call], list[Element]]] = {
    **folders.OPERATIONS,
    **items.OPERATIONS,
    **directory.OPERATIONS,
    "FindItem": find_item,
}
