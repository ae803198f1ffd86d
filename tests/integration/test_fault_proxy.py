"""The proxy that injects faults: what it is told goes wrong, and nothing else."""

import contextlib
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import fault_proxy
from tests.servers.fault_proxy import Fault, FaultProxy
from tests.servers.serving import Quiet, Serving


class Echo(Quiet):
    """Answers with the method, the path and the body; /chunked in chunks."""

    got: list[bytes] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.read_body()
        self.got.append(body)
        answer = f"{self.command} {self.path} ".encode() + body
        self.send_response(201 if "made" in self.path else 200)
        self.send_header("X-Login", self.headers.get("Authorization", "none"))
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer), answer))
            return
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815


@pytest.fixture
def echo() -> Iterator[Serving]:
    Echo.got.clear()
    serving = Serving(Echo)
    yield serving
    serving.stop()


class Client:
    """A connection that is kept."""

    def __init__(self, proxy: FaultProxy) -> None:
        parts = urlsplit(proxy.url)
        if parts.scheme == "https":
            trusted = ssl.create_default_context(cafile=str(proxy.trusted))
            self.line: http.client.HTTPConnection = http.client.HTTPSConnection(
                "localhost", parts.port, context=trusted, timeout=20
            )
        else:
            self.line = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)

    def post(self, body: bytes, path: str = "/ews", method: str = "POST") -> tuple[int, bytes]:
        self.line.request(method, path, body, {"Authorization": "Bearer abc"})
        answer = self.line.getresponse()
        self.headers = answer.headers
        return answer.status, answer.read()


Make = Callable[[FaultProxy], Client]


@pytest.fixture
def connect() -> Iterator[Make]:
    made: list[Client] = []

    def make(proxy: FaultProxy) -> Client:
        made.append(Client(proxy))
        return made[-1]

    yield make
    for client in made:
        client.line.close()


def soap(operation: str, more: str = "") -> bytes:
    inner = f'<m:{operation} xmlns:m="y">{more}</m:{operation}>'
    return f'<s:Envelope xmlns:s="x"><s:Body>{inner}</s:Body></s:Envelope>'.encode()


def test_what_is_not_told_to_go_wrong_passes_unchanged(echo: Serving, connect: Make) -> None:
    with FaultProxy(echo.url) as proxy:
        client = connect(proxy)
        assert client.post(b"one", "/made?x=1") == (201, b"POST /made?x=1 one")
        assert client.headers["X-Login"] == "Bearer abc"
        assert client.post(b"", "/chunked", "GET") == (200, b"GET /chunked ")
        assert proxy.seen == ["POST /made", "GET /chunked"]
        assert proxy.injected == 0


def test_tls_is_spoken_on_both_legs(tmp_path: Path, connect: Make) -> None:
    for name in ("behind", "before"):
        (tmp_path / name).mkdir()
    serving = Serving(Echo, tmp_path / "behind")
    with FaultProxy(serving.url, ca_file=serving.ca_file, tls=tmp_path / "before") as proxy:
        assert proxy.url.startswith("https://")
        assert connect(proxy).post(b"x") == (200, b"POST /ews x")
    serving.stop()


def test_faults_meet_an_operation_its_nth_request_a_text_or_so_many_times(
    echo: Serving, connect: Make
) -> None:
    with FaultProxy(echo.url) as proxy:
        client = connect(proxy)
        proxy.inject(fault_proxy.says(418), "GetItem", nth=2)
        statuses = [client.post(soap(name))[0] for name in ("GetItem", "FindItem", "GetItem", "GetItem")]
        assert statuses == [200, 200, 418, 200]
        proxy.heal()
        proxy.inject(fault_proxy.says(418), contains='Id="b"', times=2)
        statuses = [client.post(soap("GetItem", f'<t:ItemId Id="{name}"/>'))[0] for name in "abbb"]
        assert statuses == [200, 418, 418, 200]
        proxy.inject(fault_proxy.says(503), nth=9)
        assert [client.post(b"")[0] for _ in "12"] == [503, 200]


@pytest.mark.parametrize(
    ("fault", "executed"),
    [
        (fault_proxy.cut_before(), False),
        (fault_proxy.cut_after(), True),
        (fault_proxy.unavailable(), False),
        (fault_proxy.unavailable(after=True), True),
        (fault_proxy.soap_fault("ErrorServerBusy", 1), False),
        (fault_proxy.soap_fault("ErrorTimeoutExpired", after=True), True),
        (fault_proxy.cut_midway(), True),
        (fault_proxy.truncated(), True),
    ],
)
def test_a_fault_comes_before_or_after_the_server_did_its_work(
    echo: Serving, connect: Make, fault: Fault, executed: bool
) -> None:
    with FaultProxy(echo.url) as proxy:
        proxy.inject(fault)
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert connect(proxy).post(b"work")[1] != b"POST /ews work"
    assert Echo.got == ([b"work"] if executed else [])


def test_a_cut_is_seen_and_a_truncation_is_not(echo: Serving, connect: Make) -> None:
    with FaultProxy(echo.url) as proxy:
        proxy.inject(fault_proxy.cut_midway(0.5), nth=1)
        proxy.inject(fault_proxy.truncated(0.5), nth=2)
        with pytest.raises(http.client.IncompleteRead):
            connect(proxy).post(b"0123456789")
        assert connect(proxy).post(b"0123456789") == (200, b"POST /ews ")


def test_a_connection_that_lags_gives_the_reply_before_and_another_does_not(
    echo: Serving, connect: Make
) -> None:
    with FaultProxy(echo.url) as proxy:
        client = connect(proxy)
        client.post(b"1")
        proxy.inject(fault_proxy.lagging(), nth=2)
        assert [client.post(name)[1][-1:] for name in (b"2", b"3", b"4")] == [b"1", b"2", b"3"]
        assert connect(proxy).post(b"5")[1][-1:] == b"5"


def test_waiting_times_are_told_in_the_ways_of_servers(echo: Serving, connect: Make) -> None:
    with FaultProxy(echo.url) as proxy:
        client = connect(proxy)
        proxy.inject(fault_proxy.unavailable(7), nth=1)
        proxy.inject(fault_proxy.too_many_requests(8), nth=2)
        proxy.inject(fault_proxy.busy(9000), nth=3)
        assert (client.post(b"")[0], client.headers["Retry-After"]) == (503, "7")
        assert (client.post(b"")[0], client.headers["Retry-After"]) == (429, "8")
        status, body = client.post(b"")
        assert (status, b'"BackOffMilliseconds">9000<' in body) == (500, True)


def test_a_reply_can_be_held_up(echo: Serving, connect: Make) -> None:
    until = threading.Event()
    with FaultProxy(echo.url) as proxy, ThreadPoolExecutor(1) as pool:
        proxy.inject(fault_proxy.held_up(until), nth=1)
        waiting = pool.submit(connect(proxy).post, b"first")
        while not Echo.got:
            assert not waiting.done()
        assert connect(proxy).post(b"second")[1] == b"POST /ews second"
        assert not waiting.done()
        until.set()
        assert waiting.result(20) == (200, b"POST /ews first")


def test_a_server_that_cannot_be_reached_looks_so_to_the_client(echo: Serving, connect: Make) -> None:
    with FaultProxy(echo.url) as proxy:
        echo.stop()
        with pytest.raises(http.client.RemoteDisconnected):
            connect(proxy).post(b"x")
