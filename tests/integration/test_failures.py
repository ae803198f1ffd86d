"""Failures on the way to a server are told in plain words, whatever wraps them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from archiver.accounts.failures import of_request
from archiver.errors import ArchiverError, Unreachable, Untrusted


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Take one line, and do with it as told."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            line, _ = server.accept()
            with line:
                serve(line)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def met(url: str, timeout_s: float = 5.0) -> ArchiverError | None:
    with pytest.raises(requests.RequestException) as raised:
        requests.get(url, timeout=timeout_s)
    wrapped = ValueError("what a library says of it")
    wrapped.__cause__ = raised.value
    return of_request(wrapped)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_port_that_nobody_listens_at() -> None:
    port = closed_port()
    error = met(f"http://127.0.0.1:{port}/")
    assert isinstance(error, Unreachable)
    assert error.text == f'"127.0.0.1:{port}" cannot be reached: connection refused'


def test_a_name_that_nobody_knows() -> None:
    error = met("http://nowhere.invalid/")
    assert isinstance(error, Unreachable)
    assert error.text == 'the host "nowhere.invalid" is not known'


def test_a_server_that_speaks_no_tls() -> None:
    with listening(lambda line: line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        error = met(f"https://127.0.0.1:{port}/")
    assert isinstance(error, Untrusted)
    assert error.text.startswith(f'"127.0.0.1:{port}" does not speak TLS as it should: ')


def test_a_server_that_says_nothing() -> None:
    silent = threading.Event()
    with listening(lambda line: (silent.wait(3), None)[1]) as port:
        error = met(f"http://127.0.0.1:{port}/", 0.2)
        silent.set()
    assert isinstance(error, Unreachable)
    assert error.text == '"127.0.0.1" did not answer in time'


def test_what_is_no_failure_of_a_line_is_none() -> None:
    assert of_request(ValueError("something else")) is None
